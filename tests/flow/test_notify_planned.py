"""Planned work and the pace of updates at the desk, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from mailer.core.area import Area
from mailer.core.incident import IncidentState
from mailer.core.incident_change import Change
from mailer.core.incident_opening import NewIncident
from mailer.errors import UsageError
from mailer.flow.notify import Notifier
from mailer.store.engine import Database
from mailer.store.incidents import Incidents
from mailer.store.recipients import Recipients
from mailer.store.tables import customer, delivery, incident_recipient, run
from tests.flow.test_notify import HOURS, Campaigns, audience
from tests.store.rows import a_customer_row, a_version

AREA = Area.of(postal=["34710"])


def at(text: str) -> datetime:
    """`02-07 07:00`, in 2027 and UTC."""
    return datetime.fromisoformat(f"2027-{text}+00:00")


STARTS, ENDS = at("02-09 23:00"), at("02-10 01:00")  # 02-10 02:00 to 04:00 in Istanbul
DAY = timedelta(days=1)
WORK = NewIncident("Bakım", AREA, starts_at=STARTS, ends_at=ENDS, lead="48h")
CREATED = at("02-05 08:00")


class Shop:
    """A desk, a planner that passes, and a relay that takes everything."""

    def __init__(self, database: Database, desk: Notifier) -> None:
        self.database = database
        self.desk = desk

    async def passes(self, *moments: str) -> list[str]:
        """Plan and send at these moments; what left at each: `07:00 1 A first`."""
        left: list[str] = []
        for text in moments:
            now = at(text)
            await self.desk.plan_open(now)
            async with self.database.write() as conn:
                ids = list(
                    await conn.scalars(
                        update(delivery)
                        .where(delivery.c.state == "queued", delivery.c.not_before <= now)
                        .values(state="sent", sent_at=now)
                        .returning(delivery.c.id)
                    )
                )
                rows = await conn.execute(
                    select(run.c.incident_update, customer.c.ext_id, delivery.c.kind)
                    .select_from(delivery)
                    .join(run, run.c.id == delivery.c.run_id)
                    .join(customer, customer.c.id == delivery.c.customer_id)
                    .where(delivery.c.id.in_(ids))
                    .order_by(customer.c.id)
                )
                left += [" ".join((text, *map(str, row))) for row in rows]
        return left

    async def states(self, number: int) -> list[str]:
        shown = await self.desk.show(number, CREATED)
        return [each["state"] for each in shown["updates"]]

    async def known(self) -> int:
        async with self.database.read() as conn:
            return await conn.scalar(select(func.count()).select_from(incident_recipient)) or 0


@pytest.fixture
async def shop(database: Database) -> Shop:
    versions = Campaigns({"outage": await a_version(database, "outage")})
    desk = Notifier(
        Incidents(database), Recipients(database), versions, audience(database), "kardelen.example", HOURS
    )
    await a_customer_row(database, "A", postal_code="34710")
    await a_customer_row(database, "far", postal_code="35000", zone="Pacific/Kiritimati")
    return Shop(database, desk)


async def test_case_18(shop: Shop) -> None:
    number = await shop.desk.open(WORK, now=CREATED, by="ayse")
    assert await shop.passes("02-05 08:00", "02-07 06:59") == []
    assert await shop.known() == 0  # nobody is affected yet, as far as anybody was told
    assert await shop.passes("02-07 07:00", "02-07 07:01") == ["02-07 07:00 1 A first"]
    moved = Change(state=IncidentState.RESCHEDULED, starts_at=STARTS + DAY, ends_at=ENDS + DAY)
    await shop.desk.update(number, moved, now=at("02-08 12:00"), by="ayse")
    assert await shop.passes("02-08 12:00") == ["02-08 12:00 2 A update"]
    assert await shop.passes("02-09 07:00", "02-09 23:30", "02-10 06:59") == []
    assert await shop.passes("02-10 07:00", "02-10 07:01") == ["02-10 07:00 3 A update"]
    assert await shop.passes("02-10 23:00", "02-11 00:30", "02-11 01:00", "02-11 07:00") == []
    assert await shop.states(number) == ["scheduled", "rescheduled", "reminded", "in_progress", "completed"]
    await shop.desk.resolve(number, now=at("02-11 08:00"), by="ayse")
    assert await shop.passes("02-11 08:00", "02-11 09:00") == ["02-11 08:00 6 A closure"]


async def test_each_by_their_own_clock(shop: Shop, database: Database) -> None:
    await a_customer_row(database, "K", postal_code="34710", zone="Pacific/Kiritimati")
    await a_customer_row(database, "N", postal_code="34710", zone="America/New_York")
    await shop.desk.open(WORK, now=CREATED, by="ayse")
    assert await shop.passes("02-07 07:00", "02-07 15:00", "02-07 20:00") == [
        "02-07 07:00 1 A first",
        "02-07 15:00 1 N first",
        "02-07 20:00 1 K first",
    ]
    assert await shop.passes("02-09 06:59", "02-09 07:00", "02-09 15:00", "02-09 20:00", "02-09 23:00") == [
        "02-09 07:00 2 A update",
        "02-09 15:00 2 N update",
        "02-09 20:00 2 K update",
    ]


async def test_whose_reminder_would_have_come_first_gets_none(shop: Shop, database: Database) -> None:
    await a_customer_row(database, "N", postal_code="34710", zone="America/New_York")
    await shop.desk.open(WORK, now=at("02-09 12:00"), by="ayse")
    assert await shop.passes("02-09 12:00", "02-09 14:00") == [
        "02-09 12:00 1 A first",
        "02-09 14:00 1 N first",  # nine in the morning
    ]
    assert await shop.passes("02-09 15:00", "02-09 15:01") == ["02-09 15:00 2 N update"]


async def test_whoever_joins_is_told_in_the_state_that_stands(shop: Shop, database: Database) -> None:
    number = await shop.desk.open(WORK, now=CREATED, by="ayse")
    await shop.passes("02-07 07:00")
    await a_customer_row(database, "late", postal_code="34710")
    assert await shop.passes("02-08 01:00", "02-08 06:00") == ["02-08 06:00 1 late first"]
    await shop.passes("02-09 07:00")
    await a_customer_row(database, "later", postal_code="34710")
    assert await shop.passes("02-09 08:00") == ["02-09 08:00 2 later first"]
    await shop.desk.update(number, Change(add_postal=("35000",)), now=at("02-09 09:00"), by="ayse")
    assert await shop.passes("02-09 19:30") == ["02-09 19:30 3 far first"]


async def test_moved_before_anybody_was_told(shop: Shop) -> None:
    number = await shop.desk.open(WORK, now=CREATED, by="ayse")
    await shop.desk.update(number, Change(starts_at=STARTS + 5 * DAY), now=at("02-06 12:00"), by="ayse")
    assert await shop.passes("02-06 12:00", "02-07 07:00", "02-09 07:00") == []
    assert await shop.passes("02-12 07:00", "02-14 07:00") == [
        "02-12 07:00 2 A first",
        "02-14 07:00 3 A update",
    ]


async def test_moved_far_away_is_told_now_and_not_announced_again(shop: Shop, database: Database) -> None:
    number = await shop.desk.open(WORK, now=CREATED, by="ayse")
    await shop.passes("02-07 07:00")
    await a_customer_row(database, "late", postal_code="34710")
    await shop.desk.update(number, Change(starts_at=STARTS + 9 * DAY), now=at("02-08 12:00"), by="ayse")
    assert await shop.passes("02-08 12:00", "02-09 07:00") == ["02-08 12:00 2 A update"]
    assert await shop.passes("02-16 07:00", "02-18 07:00") == [
        "02-16 07:00 2 late first",
        "02-18 07:00 3 A update",
        "02-18 07:00 3 late update",
    ]


async def test_called_off(shop: Shop) -> None:
    told = await shop.desk.open(WORK, now=CREATED, by="ayse")
    await shop.passes("02-07 07:00")
    untold = await shop.desk.open(
        NewIncident("Later", AREA, starts_at=STARTS + 9 * DAY), now=CREATED, by="ayse"
    )
    for number in (told, untold):
        await shop.desk.cancel(number, now=at("02-08 12:00"), by="ayse")
    assert await shop.passes("02-08 12:00", "02-09 07:00", "02-16 07:00") == ["02-08 12:00 2 A closure"]


async def test_down_while_it_was_to_be_recalled(shop: Shop) -> None:
    await shop.desk.open(WORK, now=CREATED, by="ayse")
    assert await shop.passes("02-07 11:30", "02-09 19:30") == [
        "02-07 11:30 1 A first",
        "02-09 19:30 2 A update",  # in the evening, for the next morning is too late
    ]


async def test_down_until_it_was_over(shop: Shop) -> None:
    number = await shop.desk.open(WORK, now=CREATED, by="ayse")
    assert await shop.passes("02-11 07:00") == []
    assert await shop.states(number) == ["scheduled", "in_progress", "completed"]


async def test_draft_waits_for_its_publication(shop: Shop) -> None:
    number = await shop.desk.open(WORK, now=CREATED, by="ayse", publish=False)
    assert await shop.passes("02-07 07:00", "02-09 07:00") == []
    await shop.desk.publish(number, now=at("02-09 08:00"), by="ayse")
    assert await shop.passes("02-09 08:00", "02-09 22:00") == ["02-09 08:00 1 A first"]
    over = await shop.desk.open(WORK, now=CREATED, by="ayse", publish=False)
    with pytest.raises(UsageError, match="is already over"):
        await shop.desk.publish(over, now=STARTS, by="ayse")


async def test_upcoming(shop: Shop, database: Database) -> None:
    await shop.desk.open(WORK, now=CREATED, by="ayse")
    await shop.desk.open(NewIncident("Fault", AREA), now=CREATED, by="ayse")
    whole = await shop.desk.upcoming(CREATED, at("03-01 00:00"))
    assert whole == [at("02-07 07:00"), at("02-09 07:00"), STARTS, ENDS]
    assert await shop.desk.upcoming(at("02-07 07:00"), at("02-09 07:00")) == [at("02-07 07:00")]


async def test_case_17_five_updates_in_twelve_minutes(shop: Shop) -> None:
    number = await shop.desk.open(NewIncident("Fault", AREA), now=at("01-15 07:00"), by="ayse")
    left = await shop.passes("01-15 07:00")
    for minute in range(0, 13, 3):
        now = f"01-15 10:{minute:02}"
        await shop.desk.update(number, Change(message=now), now=at(now), by="ayse")
        left += await shop.passes(now)
    left += await shop.passes("01-15 10:14", "01-15 10:15", "01-15 10:30")
    assert left == ["01-15 07:00 1 A first", "01-15 10:00 2 A update", "01-15 10:15 6 A update"]
    await shop.desk.update(number, Change(message="More."), now=at("01-15 10:16"), by="ayse")
    assert await shop.passes("01-15 10:16") == []
    await shop.desk.resolve(number, now=at("01-15 10:18"), by="ayse")
    assert await shop.passes("01-15 10:18", "01-15 10:45") == ["01-15 10:18 8 A closure"]


async def test_broken_promise_is_told_once(shop: Shop) -> None:
    promised = NewIncident("Fault", AREA, next_update=at("01-15 09:00"))
    number = await shop.desk.open(promised, now=at("01-15 07:00"), by="ayse")
    assert (await shop.desk.plan_open(at("01-15 08:59"))).alarms == ()
    assert [line["overdue"] async for line in shop.desk.list(at("01-15 08:59"))] == [False]
    (alarm,) = (await shop.desk.plan_open(at("01-15 09:00"))).alarms
    assert alarm.startswith("The customers of incident 1 (Fault) were promised news by 2027-01-15T09:00:00Z;")
    assert (await shop.desk.plan_open(at("01-15 09:01"))).alarms == ()
    assert [line["overdue"] async for line in shop.desk.list(at("01-15 09:01"))] == [True]
    assert (await shop.desk.show(number, at("01-15 09:01")))["overdue"] is True
    await shop.desk.update(number, Change(message="Late."), now=at("01-15 09:30"), by="ayse")
    assert (await shop.desk.show(number, at("01-15 09:31")))["overdue"] is False
    assert (await shop.desk.plan_open(at("01-15 12:00"))).alarms == ()


async def test_unreachable_are_listed(shop: Shop, database: Database) -> None:
    await a_customer_row(database, "mute", postal_code="34710", email="")
    number = await shop.desk.open(NewIncident("Fault", AREA), now=CREATED, by="ayse")
    home = {"id": "", "service": "", "postal_code": "34710", "label": ""}
    assert [row async for row in shop.desk.unreachable(number)] == [
        {"customer": "mute", "address": "", "points": [home]}
    ]
    with pytest.raises(UsageError, match="no incident 99"):
        [row async for row in shop.desk.unreachable(99)]
