"""Who asks, and what: the token of a request, its body, its Idempotency-Key."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from mailer.core.access import Scope, Token
from mailer.core.cell import MOST_ID, CellFault, line_of, once
from mailer.flow.access import TooOften, Unknown, may
from mailer.web.api.problem import Problem, wait
from mailer.web.public import Asked

#: Bytes of a request, and items of a list in one.
LARGEST = 1_000_000
MOST_ITEMS = 1_000

_WHO = {"WWW-Authenticate": 'Bearer realm="mailer"'}
_KEY = re.compile(r"[\x21-\x7e]{1,100}")


async def let_in(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let pass who shows a token that may do this, and not too often.

    Raises:
        Problem: 401, 403 or 429; 422 for a parameter nobody knows.
        StoreError: nobody can be told apart now.
    """
    scheme, _, shown = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Problem(401, "Show a token of this installation: Authorization: Bearer …", headers=_WHO)
    try:
        token = await connection.app.state.mailer.doorkeeper.admit(shown.strip())
    except Unknown:
        raise Problem(401, "This token is unknown here, or was revoked.", headers=_WHO) from None
    except TooOften as fault:
        seconds = wait(fault.seconds)
        raise Problem(
            429, f"This token asks too often; come again in {seconds['Retry-After']} s.", headers=seconds
        ) from None
    scopes: Scope | tuple[Scope, ...] | None = handler.opt.get("scope")  # of several, one will do
    if scopes is None:  # OPTIONS, which says what may be asked here and nothing else
        return
    scopes = scopes if isinstance(scopes, tuple) else (scopes,)
    if not any(may(token, each) for each in scopes):
        raise lacking(*scopes)
    connection.state.token = token
    for name in connection.query_params:
        if name not in handler.opt.get("query", ()):  # a slip of the pen would be a wrong answer
            raise Problem(422, "There is no such parameter here.", field=name[:100])


def lacking(*scopes: Scope) -> Problem:
    """A token may not do what these scopes allow."""
    return Problem(403, f"This token may not do this; it would need the scope {' or '.join(scopes)}.")


def idempotency_key(request: Asked) -> str | None:
    """The Idempotency-Key of a request, apart for each token; None: it has none.

    Raises:
        Problem: it cannot be one.
    """
    given = request.headers.get("idempotency-key")
    if given is None:
        return None
    if not _KEY.fullmatch(given):
        raise Problem(422, "This must be 1 to 100 printable letters of ASCII.", field="Idempotency-Key")
    token: Token = request.state.token
    return f"{token.name}:{given}"


def by(request: Asked) -> str:
    """Who asks, as it is written down."""
    return f"api:{request.state.token.name}"


def in_path(text: str, name: str, most: int = MOST_ID) -> str:
    """A part of the path as text we keep.

    Raises:
        Problem: no id can be so.
    """
    if "\ufffd" in text:  # in place of bytes that are no letters: two ids would become one, and two people
        raise Problem(422, "This is not UTF-8.", field=name)
    try:
        return line_of(text, most)
    except CellFault as fault:
        raise Problem(422, str(fault), field=name) from None


async def body(request: Asked) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        Problem: there is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "The body must be application/json.")
    data = await request.body()
    try:
        found = json.loads(data.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=once)
    except RecursionError:
        raise Problem(400, "The body nests lists or objects too deeply.") from None
    except CellFault as fault:
        raise Problem(400, f"The body is not JSON that can be relied on. {fault}") from None
    except ValueError as fault:
        why = getattr(fault, "msg", None) or "it holds a number or a letter that cannot be read"
        raise Problem(400, f"The body is not JSON: {why}.") from None
    if not isinstance(found, dict):
        raise Problem(400, "The body is not a JSON object.")
    return found


async def listed(request: Asked, name: str) -> list[Any]:
    """The list of a request that brings many.

    Raises:
        Problem: there is none, or it is too long.
    """
    found = await body(request)
    items = found.get(name)
    if not isinstance(items, list):
        raise Problem(422, "This must be a list.", field=name)
    for other in found:
        if other != name:
            raise Problem(422, "There is no such field here.", field=other[:100])
    if len(items) > MOST_ITEMS:
        raise Problem(422, f"There are {len(items)} items, and at most {MOST_ITEMS} are taken.", field=name)
    return items


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)
