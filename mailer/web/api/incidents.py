"""Incidents: whom one would reach, opening, updating and ending it, and what it came to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Annotated, Any, TypeVar

from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter

from mailer.app import App
from mailer.core.access import Scope
from mailer.core.importing import RowFault
from mailer.core.incident import Once
from mailer.core.incident_asked import read_change, read_closing, read_opening
from mailer.core.plain import plain
from mailer.errors import Conflict, FileFault, Missing, UsageError
from mailer.flow.incident_desk import AnotherRequest, Done
from mailer.web.api.asking import body, by, idempotency_key
from mailer.web.api.problem import Problem, answer
from mailer.web.api.shape import described, ref
from mailer.web.public import Asked, Product

_MOST, _DIGITS, _MOST_SAID = 1_000, 15, 500
_OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")
_FIELDS = {"starts": "starts_at", "ends": "ends_at", "list": "lists", "exclude": "exclusions"}
_NO_CAMPAIGN = "No campaign tells customers of incidents; enable one with trigger: {incident: any}."
_DONE = {200: ("It was done before.", ref("Done")), 201: ("It is done.", ref("Done"))}

T = TypeVar("T")
Reading = Callable[[Mapping[str, Any], tzinfo, datetime], T | RowFault]


@get(
    "/api/incidents",
    opt={"scope": Scope.INCIDENTS_READ, "query": ("after", "limit")},
    summary="Read all incidents",
    operation_class=described({200: ("A page of them, the oldest first.", ref("Incidents"))}),
)
async def get_incidents(
    mailer: Product,
    after: Annotated[int, QueryParameter(ge=0, lt=10**_DIGITS)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=_MOST)] = 100,
) -> Response[bytes]:
    """List incidents in short; `next` of one page is `after` of the following."""
    rows = [row async for row in mailer.incidents.list(mailer.clock(), after, limit)]
    return answer(plain({"incidents": rows, "next": rows[-1]["id"] if len(rows) == limit else None}))


@get(
    "/api/incidents/{incident_id:str}",
    opt={"scope": Scope.INCIDENTS_READ},
    summary="Read an incident",
    operation_class=described({200: ("Its updates, and how far they got.", ref("Incident"))}, also=(404,)),
)
async def get_incident(mailer: Product, incident_id: FromPath[str]) -> Response[bytes]:
    """Say all of one incident, but who cannot be reached by mail: those are counted.

    Raises:
        Problem: there is no such incident.
    """
    with _refusing(mailer):
        found = await mailer.incidents.show(_number(incident_id), mailer.clock())
    return answer(plain(found | {"unreachable": len(found["unreachable"])}))


@post(
    "/api/incidents/preview",
    status_code=200,
    opt={"scope": Scope.INCIDENTS_READ},
    summary="Ask whom an incident would reach",
    operation_class=described(
        {200: ("Whom it covers, and who would be told.", ref("Preview"))}, asks=ref("Opening"), also=(409,)
    ),
)
async def preview_incident(request: Asked, mailer: Product) -> Response[bytes]:
    """Count whom an incident there would reach, and name some. Takes what opening one takes; nothing is written.

    Raises:
        Problem: a value cannot be taken.
    """
    opening = await _asked(request, mailer, read_opening)
    with _refusing(mailer):
        await mailer.reload()
        found = await mailer.incidents.preview(opening.new.area, mailer.clock())
    warnings = [*await mailer.incidents.strangers(opening.new.area.services)]
    return answer(
        {
            "count": found.reach.count,
            "told": found.told,
            "left_out": dict(found.left_out),
            "unreachable": found.reach.unreachable,
            "unmappable": found.reach.unmappable,
            "samples": [name for name, _points in found.reach.samples],
            "not_told": [{"customer": name, "reason": why} for name, why in found.examples],
            "warnings": warnings if mailer.incident_campaigns() else [*warnings, _NO_CAMPAIGN],
        }
    )


@post(
    "/api/incidents",
    opt={"scope": Scope.INCIDENTS_WRITE},
    summary="Open an incident",
    operation_class=described(_DONE, asks=ref("Opening"), also=(409,), keyed=True),
)
async def open_incident(request: Asked, mailer: Product) -> Response[bytes]:
    """Open an incident and tell everyone affected, planned work in good time; a draft waits to be published.

    Raises:
        Problem: a value cannot be taken, or nobody would be told.
    """
    opening = await _asked(request, mailer, read_opening)
    with _refusing(mailer):
        done = await mailer.incident_desk.open(opening, by(request), await _once(request))
    return await _done(mailer, done, opening.new.area.services)


@post(
    "/api/incidents/{incident_id:str}/publish",
    opt={"scope": Scope.INCIDENTS_WRITE},
    summary="Publish a draft",
    operation_class=described(_DONE, also=(404, 409)),
)
async def publish_incident(request: Asked, mailer: Product, incident_id: FromPath[str]) -> Response[bytes]:
    """Tell everyone affected of a draft as it stands; of one that is published already nothing changes.

    Raises:
        Problem: there is no such draft, or nobody would be told.
    """
    with _refusing(mailer):
        done = await mailer.incident_desk.publish(_number(incident_id), by(request))
    return await _done(mailer, done)


@post(
    "/api/incidents/{incident_id:str}/updates",
    opt={"scope": Scope.INCIDENTS_WRITE},
    summary="Update an incident",
    operation_class=described(_DONE, asks=ref("Update"), also=(404, 409), keyed=True),
)
async def update_incident(request: Asked, mailer: Product, incident_id: FromPath[str]) -> Response[bytes]:
    """Publish what changed: who was told hears of it, who joins gets the first notice. A draft stays one.

    Raises:
        Problem: a value cannot be taken, or the incident is closed.
    """
    number, change = _number(incident_id), await _asked(request, mailer, read_change)
    with _refusing(mailer):
        done = await mailer.incident_desk.update(number, change, by(request), await _once(request))
    return await _done(mailer, done, change.services or ())


@post(
    "/api/incidents/{incident_id:str}/resolve",
    opt={"scope": Scope.INCIDENTS_WRITE},
    summary="Say that it works again",
    operation_class=described(_DONE, asks=ref("Closing"), also=(404, 409), keyed=True),
)
async def resolve_incident(request: Asked, mailer: Product, incident_id: FromPath[str]) -> Response[bytes]:
    """End it: it works again, or the work is done. Who was told hears so; first notices still queued are cancelled.

    Raises:
        Problem: there is no such incident, or it is closed.
    """
    number, words = _number(incident_id), await _asked(request, mailer, read_closing)
    with _refusing(mailer):
        done = await mailer.incident_desk.resolve(number, words, by(request), await _once(request))
    return await _done(mailer, done)


@post(
    "/api/incidents/{incident_id:str}/cancel",
    opt={"scope": Scope.INCIDENTS_WRITE},
    summary="Call an incident off",
    operation_class=described(_DONE, asks=ref("Closing"), also=(404, 409), keyed=True),
)
async def cancel_incident(request: Asked, mailer: Product, incident_id: FromPath[str]) -> Response[bytes]:
    """End it: it was a mistake, or will not be done. Who was told hears so; a draft just ends.

    Raises:
        Problem: there is no such incident, or it is closed.
    """
    number, words = _number(incident_id), await _asked(request, mailer, read_closing)
    with _refusing(mailer):
        done = await mailer.incident_desk.cancel(number, words, by(request), await _once(request))
    return await _done(mailer, done)


async def _asked(request: Asked, mailer: App, read: Reading[T]) -> T:
    found = read(await body(request), mailer.rules.zone, mailer.clock())
    if isinstance(found, RowFault):
        raise _unusable(found.reason, found.field)
    return found


async def _once(request: Asked) -> Once | None:
    """The request's key with a digest of all it says: under one key one thing is done."""
    key = idempotency_key(request)
    if key is None:
        return None
    asked = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return Once(key, hashlib.sha256(asked).hexdigest())


async def _done(mailer: App, done: Done, services: Sequence[str] = ()) -> Response[bytes]:
    reach = done.reach and {
        "count": done.reach.count,
        "unreachable": done.reach.unreachable,
        "unmappable": done.reach.unmappable,
    }
    facts = {
        "id": done.incident,
        "update": done.update,
        "new": done.new,
        "published": done.published,
        "reach": reach,
        "warnings": list(await mailer.incidents.strangers(services)),
    }
    return answer(facts, 201 if done.new else 200)


@contextmanager
def _refusing(mailer: App) -> Iterator[None]:
    """Say as a problem what could not be done."""
    try:
        yield
    except Missing:
        raise _missing() from None
    except Conflict as fault:
        raise Problem(409, _sentence(str(fault))) from None
    except UsageError as fault:
        raise _unusable(str(fault)) from None
    except AnotherRequest:
        said = "This key came with another request before; nothing was written."
        raise Problem(422, said, field="Idempotency-Key") from None
    except FileFault as fault:
        mailer.tell(f"An incident could not be published: {fault}")
        raise Problem(
            409, "The campaign that tells of incidents cannot be used; mailer check says why."
        ) from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
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


HANDLERS = (
    get_incidents, get_incident, preview_incident, open_incident, publish_incident, update_incident, resolve_incident,
    cancel_incident,
)  # fmt: skip
