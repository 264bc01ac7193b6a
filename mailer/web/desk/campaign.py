"""One campaign: what came of all its runs together, and the last of them."""

from __future__ import annotations

from litestar import Response, route

from mailer.core.report import Scope
from mailer.core.report_rows import figures
from mailer.core.uplift import LEAST_PEOPLE, LEAST_REACHED
from mailer.web.desk.reader import Reader, id_of
from mailer.web.guard import at_this_machine
from mailer.web.public import READ, Asked, Product

_LATEST = 10  # runs


@route("/campaign", http_method=READ, guards=[at_this_machine])
async def campaign(request: Asked, mailer: Product) -> Response[str]:
    """What came of a campaign, and whether it made a difference."""
    reader = Reader.of(request, mailer)
    name = id_of(request.query_params.get("name") or "") or ""
    known = mailer.campaigns.get(name)
    reports = await mailer.reports.campaigns(Scope(campaign=name)) if name else []
    if known is None and not reports:
        return reader.nothing("campaign")
    report = reports[0] if reports else None
    return reader.page(
        "campaign",
        {
            "name": name,
            "description": known.description if known is not None else "",
            "purpose": known.purpose if known is not None else "commercial",
            "report": report,
            "least": LEAST_PEOPLE,
            "reached": LEAST_REACHED,
            "figures": [] if report is None else figures(report.funnel, goal=report.goal is not None),
            "runs": await mailer.run_views.newest(_LATEST, campaign=name),
        },
    )


HANDLERS = (campaign,)
