"""Incidents: all of them, and one with its updates and how far its notices got."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Response, route
from litestar.params import FromPath, QueryParameter

from mailer.core.delivery import CLAIMABLE, State
from mailer.core.standing import Kind
from mailer.errors import UsageError
from mailer.web.desk.reader import Reader, number_of
from mailer.web.guard import at_this_machine
from mailer.web.public import READ, Asked, Product

PAGE_LENGTH = 100


@route("/incidents", http_method=READ, guards=[at_this_machine])
async def all_incidents(
    request: Asked, mailer: Product, page: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 1
) -> Response[str]:
    """Every incident, the newest first."""
    found = [row async for row in mailer.incidents.list(mailer.clock())][::-1]
    begin = (page - 1) * PAGE_LENGTH
    return Reader.of(request, mailer).page(
        "incidents",
        {
            "incidents": found[begin : begin + PAGE_LENGTH],
            "page": page,
            "more": begin + PAGE_LENGTH < len(found),
        },
    )


@route("/incidents/{incident_id:str}", http_method=READ, guards=[at_this_machine])
async def one_incident(request: Asked, mailer: Product, incident_id: FromPath[str]) -> Response[str]:
    """One incident: where it stands, where it applies, whom it reached."""
    reader = Reader.of(request, mailer)
    number = number_of(incident_id)
    try:
        found = None if number is None else await mailer.incidents.show(number, mailer.clock())
    except UsageError:
        found = None
    if found is None:
        return reader.nothing("incident")
    return reader.page(
        "incident",
        {
            "incident": found,
            "waiting": _waiting(found["notices"]),
            "updates": found["updates"][::-1],
            "unreachable": found["unreachable"][:PAGE_LENGTH],
            "states": [state for state in State if any(state in each for each in found["notices"].values())],
            "kinds": [kind for kind in Kind if kind in found["notices"]],
        },
    )


def _waiting(notices: Mapping[str, Mapping[str, int]]) -> Any:
    """First notices that have not left."""
    first = notices.get(Kind.FIRST, {})
    return sum(first.get(state, 0) for state in (*CLAIMABLE, State.SENDING))


HANDLERS = (all_incidents, one_incident)
