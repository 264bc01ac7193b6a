"""What programs ask of incidents, and what they are told where it cannot be done."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from mailer.app import App
from mailer.core.access import Scope
from mailer.core.importing import RowFault
from mailer.core.incident import Once
from mailer.errors import Conflict, FileFault, Missing, UsageError
from mailer.flow.incident_desk import AnotherRequest, MayNot
from mailer.web.api.asking import body, idempotency_key, lacking
from mailer.web.api.problem import Problem
from mailer.web.public import Asked

#: Of an incident's number: more fit no database.
DIGITS = 15

_MOST_SAID = 500  # characters
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")
_FIELDS = {"starts": "starts_at", "ends": "ends_at", "list": "lists", "exclude": "exclusions"}

T = TypeVar("T")
Reading = Callable[[Mapping[str, Any], tzinfo, datetime], T | RowFault]


async def asked(request: Asked, mailer: App, read: Reading[T]) -> T:
    """The body of a request, read.

    Raises:
        Problem: a value cannot be taken.
    """
    found = read(await body(request), mailer.rules.zone, mailer.clock())
    if isinstance(found, RowFault):
        raise _unusable(found.reason, found.field)
    return found


async def once(request: Asked) -> Once | None:
    """The request's key with a digest of all it says: under one key one thing is done."""
    key = idempotency_key(request)
    if key is None:
        return None
    said = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return Once(key, hashlib.sha256(said).hexdigest())


@contextmanager
def refusing(mailer: App) -> Iterator[None]:
    """Say as a problem what could not be done."""
    try:
        yield
    except Missing:
        raise _missing() from None
    except Conflict as fault:
        raise Problem(409, _sentence(str(fault))) from None
    except UsageError as fault:
        raise _unusable(str(fault)) from None
    except MayNot:
        raise lacking(Scope.INCIDENTS_APPROVE) from None
    except AnotherRequest:
        said = "This key came with another request before; nothing was written."
        raise Problem(422, said, field="Idempotency-Key") from None
    except FileFault as fault:
        mailer.tell(f"An incident could not be published: {fault}")
        raise Problem(
            409, "The campaign that tells of incidents cannot be used; mailer check says why."
        ) from None


def number_of(text: str) -> int:
    """The number of an incident.

    Raises:
        Problem: it can be nobody's.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
        raise _missing()
    return int(text)


def _missing() -> Problem:
    return Problem(404, "There is no such incident.", field="id")


def _unusable(said: str, field: str = "") -> Problem:
    return Problem(422, _sentence(said), field=field)


def _sentence(said: str) -> str:
    """As the command line says it, with the names that fields have here, and never a whole body repeated."""
    said = _OPTION.sub(lambda found: _FIELDS.get(found[1], found[1].replace("-", "_")), said)
    return f"{said[:_MOST_SAID].rstrip('.')}."
