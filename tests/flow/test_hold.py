"""Marketing that waits for an incident, and what a person or the clock does that lets it go, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select

from mailer.core.customer import Customer
from mailer.core.delivery import Hold, Skip, State
from mailer.core.handoff import Drop, Go, SendJob, Wait
from mailer.core.incident import IncidentState
from mailer.core.incident_change import Change
from mailer.core.incident_opening import NewIncident
from mailer.core.policy import weighed
from mailer.core.segment import Rule
from mailer.flow.notify import Notifier
from mailer.flow.recheck import Recheck
from mailer.flow.rehearse_ports import Unwritten
from mailer.store.engine import Database
from mailer.store.incidents import Incidents
from mailer.store.recipients import Recipients
from mailer.store.tables import customer, delivery
from tests.flow.test_notify import AREA, HOUR, HOURS, T0, Campaigns, audience, settle
from tests.store.rows import a_customer_row, a_delivery, a_version

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def desk(database: Database) -> Notifier:
    for name, home in (("A", "34710"), ("B", "34722")):
        await a_customer_row(database, name, postal_code=home)
    campaigns = Campaigns({"outage": await a_version(database, "outage")})
    return Notifier(
        Incidents(database), Recipients(database), campaigns, audience(database), "kardelen.example", HOURS
    )


async def an_offer(database: Database, name: str) -> int:
    """An offer to a customer that a sender found to be held."""
    async with database.read() as conn:
        key = await conn.scalar(select(customer.c.id).where(customer.c.ext_id == name))
    return await a_delivery(database, None, key, reason=Hold.AFFECTED, not_before=T0 + 20 * HOUR)


async def held(database: Database) -> list[str]:
    async with database.read() as conn:
        rows = await conn.scalars(
            select(customer.c.ext_id)
            .join(delivery, delivery.c.customer_id == customer.c.id)
            .where(delivery.c.reason == Hold.AFFECTED)
            .order_by(customer.c.id)
        )
        return list(rows)


@pytest.mark.parametrize("state", [IncidentState.RESOLVED, IncidentState.CANCELLED])
async def test_the_end_of_an_outage_lets_go_of_what_it_held(
    database: Database, desk: Notifier, state: IncidentState
) -> None:
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    await settle(database, "sent")
    waits = await an_offer(database, "A")
    await desk.update(number, Change(state=IncidentState.MONITORING), now=T0 + MINUTE, by="ayse")
    assert await held(database) == ["A"]
    await desk.update(number, Change(state=state), now=T0 + HOUR, by="ayse")
    async with database.read() as conn:
        row = (await conn.execute(select(delivery).where(delivery.c.id == waits))).mappings().one()
    assert (row["state"], row["reason"], row["not_before"]) == (State.QUEUED, None, T0 + HOUR)


async def test_who_is_not_affected_any_more_waits_no_longer(database: Database, desk: Notifier) -> None:
    await a_customer_row(database, "shares", email="B@shop.example", postal_code="06100")
    number = await desk.open(NewIncident("Fibre fault", AREA), now=T0, by="ayse")
    await desk.update(number, Change(add_postal=("34722",)), now=T0 + MINUTE, by="ayse")
    await settle(database, "sent")
    for name in ("A", "B", "shares"):
        await an_offer(database, name)
    await desk.update(number, Change(remove_postal=("34722",)), now=T0 + HOUR, by="ayse")
    assert await held(database) == ["A"]


async def test_work_holds_from_its_start_to_its_end_by_the_clock(database: Database, desk: Notifier) -> None:
    begins, ends = T0 + 50 * HOUR, T0 + 52 * HOUR
    work = NewIncident("Bakım", AREA, starts_at=begins, ends_at=ends, lead="48h")
    await desk.open(work, now=T0, by="ayse")
    await desk.plan_open(begins)
    await settle(database, "sent")
    await an_offer(database, "A")
    await desk.plan_open(begins + HOUR)
    assert await held(database) == ["A"]
    await desk.plan_open(ends)
    assert await held(database) == []


class People:
    """Customers of whom one asks once more; `fit` are those the audience still finds."""

    def __init__(self) -> None:
        self.fit: set[int] = set()

    async def parts(self, _version_id: int) -> dict[str, Any]:
        calm = {"not": [{"incident": {"open": True}}]}
        return {
            "definition": {"name": "offer", "purpose": "commercial", "trigger": "manual", "audience": calm}
        }

    async def fitting(self, _rule: Rule, _keys: Sequence[int], _now: datetime) -> set[int]:
        return self.fit


async def test_whoever_the_audience_did_not_find_while_it_was_held_is_asked_about_anew() -> None:
    people = People()
    recheck = Recheck(
        versions=people, people=cast("Any", people), segments={}, composer=Unwritten(), clock=lambda: T0
    )
    job = SendJob(
        delivery_id=7, run_id=1, version_id=1, campaign="offer", purpose="commercial", occurrence="o", kind="",
        email="a@x.example", due_at=T0, attempts=0, message_id=None,
        customer=Customer(id="A", email="a@x.example"), customer_key=1, planned_at=T0,
    )  # fmt: skip
    held = Wait(T0 + HOUR, Hold.AFFECTED)
    await recheck.prepare([job])
    assert weighed(held, job.unfit) == held  # it is not let go of because of what is true now
    people.fit = {1}
    await recheck.prepare([job])
    assert weighed(Go(), job.unfit) == Go()
    people.fit = set()
    await recheck.prepare([job])
    assert weighed(Go(), job.unfit) == Drop(State.SKIPPED, Skip.NOT_ELIGIBLE)
