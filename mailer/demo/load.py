"""The demo: sample customers, what they did, and an outage, so that all six campaigns go out at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from mailer.app import App
from mailer.core.area import Area
from mailer.core.importing import Row
from mailer.core.incident_opening import NewIncident
from mailer.demo.data import demo_customers, demo_events, demo_incident, demo_points, demo_posts
from mailer.errors import UsageError

#: The shop has been using mailer for so long: a birthday counts thirty days after it was entered.
SINCE = timedelta(days=60)

#: Campaigns a marketer starts by hand, or that wait for their weekday.
BY_HAND = ("offer", "newsletter")


async def refuse_real_customers(app: App) -> None:
    """The demo goes nowhere near a real shop.

    Raises:
        UsageError: a relay is set, or the database holds customers of somebody else.
    """
    if not app.catches_mail:
        raise UsageError(
            "The demo sends to the built-in mailbox alone; take relay.host out of the settings for it."
        )
    ours = {str(row["id"]) for row in demo_customers(app.clock())}
    async with aclosing(app.customers.list()) as rows:  # it holds a connection
        async for row in rows:
            if row["id"] not in ours:
                raise UsageError(
                    "The database holds customers that are not the demo's; give the demo one of its own, such as "
                    "MAILER_DATABASE_URL=sqlite:///var/demo.db."
                )


async def load_demo(app: App) -> None:
    """Bring the demo into the database; mails leave as soon as senders run."""
    now = app.clock()
    await app.planner.look(now - SINCE)
    await app.customer_import.run(_rows(demo_customers(now)), now=now - SINCE)
    await app.point_import.run(_rows(demo_points()), now=now - SINCE)
    await app.event_import.run(_rows([*demo_posts(now), *demo_events(now)]), now=now)
    await app.scheduler().plan_once()  # birthdays and what orders set off come first, as on any other day
    for name in BY_HAND:
        if name in app.campaigns:
            await app.scheduler().run_by_hand(app.campaigns[name])
    outage = demo_incident()
    draft = NewIncident(
        title=outage["title"],
        area=Area(services=tuple(outage["services"]), postal=tuple(outage["postal"])),
        message=outage["message"],
        eta=now + outage["eta_in"],
        next_update=now + outage["next_update_in"],
        titles=outage["titles"],
        messages=outage["messages"],
    )
    await app.incidents.open(draft, now=now, by="demo")


def _rows(values: Iterable[Mapping[str, Any]]) -> list[Row]:
    return [Row(number, dict(row)) for number, row in enumerate(values, 1)]
