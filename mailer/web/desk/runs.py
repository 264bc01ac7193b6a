"""Runs: all of them, one, and everybody in one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from litestar import Response, route
from litestar.params import FromPath

from mailer.app import App
from mailer.core.delivery import Failure, Hold, Skip, State
from mailer.core.report_rows import figures
from mailer.web.desk.reader import Reader, number_of
from mailer.web.guard import at_this_machine
from mailer.web.public import READ, Asked, Product

_LISTED = 50  # runs of a page

_ALWAYS = (State.SENT, State.SKIPPED, State.FAILED)  # said of a run even where there are none
_REASONS = (*Skip, *Failure, *Hold)


@route("/runs", http_method=READ, guards=[at_this_machine])
async def all_runs(request: Asked, mailer: Product) -> Response[str]:
    """Runs, the newest first: all, or those of a campaign or an incident."""
    asked = request.query_params
    before, campaign, incident = (asked.get(name, "") for name in ("before", "campaign", "incident"))
    found = await mailer.run_views.newest(
        _LISTED + 1,
        before=number_of(before),
        campaign=campaign.replace("\0", "") or None,
        incident=number_of(incident),
    )
    kept = {"campaign": campaign, "incident": incident}
    return Reader.of(request, mailer).page(
        "runs",
        {
            "runs": found[:_LISTED],
            "campaign": campaign,
            "incident": incident if number_of(incident) is not None else "",
            "begun": bool(before),
            "kept": {name: value for name, value in kept.items() if value},
            "before": found[_LISTED - 1].id if len(found) > _LISTED else None,
        },
    )


@route("/runs/{run_id:str}", http_method=READ, guards=[at_this_machine])
async def one_run(request: Asked, mailer: Product, run_id: FromPath[str]) -> Response[str]:
    """One run: how far it is, what it waits for, who was left out, what came of it."""
    reader = Reader.of(request, mailer)
    number = number_of(run_id)
    found = None if number is None else await mailer.run_desk.show(number, mailer.clock())
    if number is None or found is None:
        return reader.nothing("run")
    funnel = found.report.funnel if found.report is not None else None
    goal = found.report.goal if found.report is not None else None
    page = await mailer.run_desk.deliveries(number, language=reader.language)
    return reader.page(
        "run",
        {
            "run": found.facts,
            "counts": found.facts["counts"],
            "states": [
                (str(state), count)
                for state in State
                for count in [getattr(found.facts["counts"], state)]
                if count or state in _ALWAYS
            ],
            "holds": found.holds,
            "funnel": funnel,
            "goal": goal,
            "figures": [] if funnel is None else figures(funnel, goal=goal is not None),
            "left": _left(found.facts["counts"], funnel),
            **_people(page, await caught(mailer, page.rows)),
        },
    )


@route("/runs/{run_id:str}/deliveries", http_method=READ, guards=[at_this_machine])
async def in_run(request: Asked, mailer: Product, run_id: FromPath[str]) -> Response[str]:
    """Everybody in a run, or those of a state or a reason, page by page."""
    asked = request.query_params
    state, reason, after = (asked.get(name, "") for name in ("state", "reason", "after"))
    reader = Reader.of(request, mailer)
    number = number_of(run_id)
    found = None if number is None else await mailer.run_views.one(number)
    if number is None or found is None:
        return reader.nothing("run")
    states = state if state in tuple(State) else None
    reasons = reason if reason in _REASONS else None
    page = await mailer.run_desk.deliveries(
        number,
        state=states,
        reason=reasons,
        after=after,
        language=reader.language,
    )
    return reader.page(
        "deliveries",
        {
            "run": found[0],
            "state": states or "",
            "reason": reasons or "",
            "states": [str(each) for each in State],
            "reasons": [(str(each), reader.reason(each)) for each in _REASONS],
            "kept": {name: value for name, value in (("state", states), ("reason", reasons)) if value},
            "begun": bool(after),
            **_people(page, await caught(mailer, page.rows)),
        },
    )


async def caught(mailer: App, rows: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """Where the mails of these deliveries are in the mailbox, by their Message-ID."""
    return await mailer.mailbox.find(
        {row["message_id"] for row in rows if row["message_id"] and row["attempts"]}
    )


def _people(page: Any, mails: Mapping[str, str]) -> dict[str, Any]:
    return {"rows": page.rows, "after": page.after, "caught": mails}


def _left(counts: Any, funnel: Any) -> list[tuple[str, str, int]]:
    """Who got no mail: (state, reason, how many), the most first."""
    if funnel is None:
        return []
    found = [(str(State.SKIPPED), reason, count) for reason, count in funnel.skipped.items()]
    found += [(str(State.FAILED), reason, count) for reason, count in funnel.failures.items()]
    found += [
        (str(state), "", getattr(counts, state))
        for state in (State.EXPIRED, State.CANCELLED)
        if getattr(counts, state)
    ]
    return sorted(found, key=lambda each: (-each[2], each[1]))


HANDLERS = (all_runs, one_run, in_run)
