"""Incidents: whom one would reach, opening, updating and ending it, and what it came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter

from mailer.app import App
from mailer.core.access import Scope, Token
from mailer.core.approval import NEEDED
from mailer.core.incident_asked import read_change, read_closing, read_opening
from mailer.core.plain import plain
from mailer.flow.access import may
from mailer.flow.incident_desk import Asker, Done
from mailer.web.api.asking import by
from mailer.web.api.incident_asking import DIGITS, asked, number_of, once, refusing
from mailer.web.api.problem import answer
from mailer.web.api.shape import described, ref
from mailer.web.public import Asked, Product

_MOST = 1_000
_NO_CAMPAIGN = "No campaign tells customers of incidents; enable one with trigger: {incident: any}."
_DONE = {200: ("It was done before.", ref("Done")), 201: ("It is done.", ref("Done"))}


@get(
    "/api/incidents",
    opt={"scope": Scope.INCIDENTS_READ, "query": ("after", "limit")},
    summary="Read all incidents",
    operation_class=described({200: ("A page of them, the oldest first.", ref("Incidents"))}),
)
async def get_incidents(
    mailer: Product,
    after: Annotated[int, QueryParameter(ge=0, lt=10**DIGITS)] = 0,
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
    with refusing(mailer):
        found = await mailer.incidents.show(number_of(incident_id), mailer.clock())
        waits = await mailer.incident_desk.waits(found["id"])
    return answer(plain(found | {"unreachable": len(found["unreachable"]), "approval": _approval(waits)}))


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
    opening = await asked(request, mailer, read_opening)
    with refusing(mailer):
        await mailer.reload()
        found = await mailer.incidents.preview(opening.new, mailer.clock())
    warnings = [*await mailer.incidents.strangers(opening.new.area.services)]
    if not mailer.incident_campaigns():
        warnings.append(_NO_CAMPAIGN)
    return answer({**found.as_facts(), "warnings": warnings})


@post(
    "/api/incidents",
    opt={"scope": Scope.INCIDENTS_WRITE},
    summary="Open an incident",
    operation_class=described(
        {**_DONE, 202: ("It is a draft until somebody else publishes it.", ref("Done"))},
        asks=ref("Opening"),
        also=(409,),
        keyed=True,
    ),
)
async def open_incident(request: Asked, mailer: Product) -> Response[bytes]:
    """Open an incident and tell everyone affected, planned work in good time; a draft waits to be published.

    What reaches more customers than `policy.approval.above` becomes a draft: 202, with `approval` as `needed`.

    Raises:
        Problem: a value cannot be taken, or nobody would be told.
    """
    opening = await asked(request, mailer, read_opening)
    with refusing(mailer):
        done = await mailer.incident_desk.open(opening, by(request), await once(request))
    status = 202 if done.new and done.waits else None
    return await _done(mailer, done, opening.new.area.services, status)


@post(
    "/api/incidents/{incident_id:str}/publish",
    opt={"scope": (Scope.INCIDENTS_WRITE, Scope.INCIDENTS_APPROVE), "query": ("update",)},
    summary="Publish a draft",
    operation_class=described(_DONE, also=(404, 409)),
)
async def publish_incident(
    request: Asked,
    mailer: Product,
    incident_id: FromPath[str],
    update: Annotated[int | None, QueryParameter(ge=1, lt=10**DIGITS)] = None,
) -> Response[bytes]:
    """Tell everyone affected of a draft, only if `update` is its newest where that is named.

    One that is published already stays as it is. What reaches more customers than `policy.approval.above` is
    published by a token that wrote none of it, and has the scope incidents:approve.

    Raises:
        Problem: there is no such draft, somebody else has to publish it, or nobody would be told.
    """
    token: Token = request.state.token
    who = Asker(by(request), may(token, Scope.INCIDENTS_WRITE), may(token, Scope.INCIDENTS_APPROVE))
    with refusing(mailer):
        done = await mailer.incident_desk.publish(number_of(incident_id), who, update)
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
    number, change = number_of(incident_id), await asked(request, mailer, read_change)
    with refusing(mailer):
        done = await mailer.incident_desk.update(number, change, by(request), await once(request))
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
    number, words = number_of(incident_id), await asked(request, mailer, read_closing)
    with refusing(mailer):
        done = await mailer.incident_desk.resolve(number, words, by(request), await once(request))
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
    number, words = number_of(incident_id), await asked(request, mailer, read_closing)
    with refusing(mailer):
        done = await mailer.incident_desk.cancel(number, words, by(request), await once(request))
    return await _done(mailer, done)


async def _done(
    mailer: App, done: Done, services: Sequence[str] = (), status: int | None = None
) -> Response[bytes]:
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
        "approval": _approval(done.waits),
        "reach": reach,
        "warnings": list(await mailer.incidents.strangers(services)),
    }
    return answer(facts, status or (201 if done.new else 200))


def _approval(waits: bool) -> str | None:
    return NEEDED if waits else None


HANDLERS = (
    get_incidents, get_incident, preview_incident, open_incident, publish_incident, update_incident, resolve_incident,
    cancel_incident,
)  # fmt: skip
