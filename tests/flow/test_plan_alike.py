"""The law: customers who are decided and written together get exactly the rows they would get one by one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from mailer.core.audience import Page, Pages, Selection, Watch
from mailer.core.once import once_key
from mailer.store import tables
from mailer.store.audience import Audience
from mailer.store.engine import Database
from mailer.store.tables import cap_slot, coupon, customer, delivery, run, suppression
from tests.flow.planning import BIRTHDAY, LONG_AGO, Shop, at
from tests.store.rows import a_delivery, a_run, put

DUE, LATER = "2027-05-11T07:00", "2027-05-11T17:05"  # ten o'clock in Istanbul; and in New York, and then some
TODAY = date(2027, 5, 11)

#: What stands beside the campaign that is planned: one that falls due later that day, one that answers an event.
BESIDE: dict[str, dict[str, Any]] = {
    "evening": {
        "purpose": "commercial", "trigger": {"cron": "0 18 * * *", "timezone": "customer"},
        "audience": {"attr": {"city": "x"}}, "priority": 60,
    },
    "thanks": {
        "purpose": "commercial", "trigger": {"event": "order.delivered", "after": "2h"}, "priority": 60,
    },
}  # fmt: skip
CRON = {"cron": "0 10 * * *", "timezone": "customer"}
CODES = {"kind": "generated", "prefix": "AL", "percent": 10, "valid": "7d"}
PLANNED: list[dict[str, Any]] = [
    {"purpose": "commercial", "trigger": CRON, "priority": 20},
    {"purpose": "commercial", "trigger": CRON, "priority": 60, "once": {"per": "week"}},
    {"purpose": "commercial", "trigger": CRON, "priority": 90, "once": {"per": "day", "gap": "5d"}},
    {"purpose": "commercial", "trigger": CRON, "priority": 90, "holdout": "50%", "coupon": CODES},
    {"purpose": "commercial", "trigger": CRON, "priority": 90, "coupon": {**CODES, "budget": 2}},
    {"purpose": "commercial", "trigger": {"cron": "0 10 * * *"}, "once": "ever", "ttl": "3h"},
    {"purpose": "commercial", "trigger": CRON, "catch_up": "4h", "audience": {"consent": "commercial"}},
    {"purpose": "service", "trigger": CRON, "once": {"per": "week"}},
    {**BIRTHDAY, "coupon": CODES},
]

one_of = st.sampled_from
FACTS = {
    "shares": one_of([0, 0, 1]),
    "email": st.just(""),
    "consent": one_of(["no", "unknown"]),
    "consent_at": one_of([at("2027-05-11T07:30"), at("2027-05-11T14:30")]),
    "suppressed": one_of([("all", "bounced"), ("commercial", "unsubscribed"), ("commercial", "complaint")]),
    "used": st.lists(one_of([TODAY, date(2027, 5, 9), date(2027, 5, 6)]), min_size=1, max_size=3),
    "waits": one_of([10, 60, 95]),
    "before": one_of(["2027-05-10T07:00", "2027-05-04T07:00"]),
    "city": st.just("x"),
    "delivered": one_of(["2027-05-11T06:00", "2027-05-11T04:30", "2027-05-01T06:00"]),
    "set_at": one_of([at("2027-05-01T06:00"), at("2027-05-11T08:00")]),
    "born": one_of(["1990-05-12", "--05-11"]),
    "moves": st.integers(0, 1),
}
FACT = st.one_of([st.tuples(st.just(name), values) for name, values in FACTS.items()])
ZONES = one_of([None, None, "Europe/Istanbul", "America/New_York", "Pacific/Kiritimati"])
#: Most customers are told apart by a fact or two.
PERSON = st.builds(
    lambda zone, facts: {"zone": zone, **dict(facts)}, ZONES, st.lists(FACT, min_size=1, max_size=2)
)
PEOPLE = st.lists(PERSON, min_size=7, max_size=7)
NAMES = ("a", "b:1", "b%3A1", "50%", "e:%", "İ'\"", "g")


class OneByOne(Audience):
    """Everybody is odd."""

    async def pages(self, selection: Selection, watch: Watch, now: datetime) -> Pages:
        pages = await super().pages(selection, watch, now)

        async def page(after: int, limit: int) -> Page | None:
            found = await pages(after, limit)
            if found is None:
                return None
            keys = [key for each in found.alike for key in each.customers]
            return Page((), sorted([*keys, *found.odd]), found.last, found.count)

        return page


class ShopOneByOne(Shop):
    """Whose planner looks at everybody alone."""

    audience = OneByOne


async def people(shop: Shop, per: Any, given: list[dict[str, Any]]) -> None:
    """Customers, and what they bring with them."""
    database = shop.database
    for name, each in zip(NAMES, given, strict=False):
        facts = dict(each)
        values: dict[str, Any] = {
            key: facts[key] for key in ("zone", "consent", "consent_at", "email") if key in facts
        }
        if "shares" in facts:
            values["email"] = f"shared{facts['shares']}@shop.example"
        if "city" in facts:
            values["attributes"] = {"city": "x"}
        key = await shop.customer(
            name, birthday=facts.get("born", "1990-05-11"), set_at=facts.get("set_at", LONG_AGO), **values
        )
        if "suppressed" in facts and values.get("email") != "":
            await suppress(database, key, *facts["suppressed"])
        for day in set(facts.get("used", ())):
            sent = await a_delivery(database, await a_run(database, "old"), key, state="sent", campaign="old")
            await put(database, cap_slot, customer_id=key, local_day=day, slot=0, delivery_id=sent)
        if "waits" in facts:
            other = await a_run(database, "waiting", priority=facts["waits"])
            await a_delivery(
                database, other, key, campaign="waiting", priority=facts["waits"], due_at=at("2027-05-11T06:00"),
                not_before=at("2027-05-11T06:00"),
            )  # fmt: skip
        if "before" in facts:
            then = at(facts["before"])
            await a_delivery(
                database, await a_run(database, "planned"), key, campaign="planned", state="sent", sent_at=then,
                once_key=once_key("planned", name, per, "then", then.date()),
            )  # fmt: skip
        if "delivered" in facts:
            await shop.event("order.delivered", name, facts["delivered"])


async def suppress(database: Database, key: int, scope: str, reason: str) -> None:
    async with database.write() as conn:
        email_key = await conn.scalar(select(customer.c.email_key).where(customer.c.id == key))
        known = suppression.c.email_key == email_key, suppression.c.scope == scope
        if await conn.scalar(select(suppression.c.scope).where(*known)) is None:
            await conn.execute(
                suppression.insert().values(
                    email_key=email_key, scope=scope, reason=reason, source="t", at=LONG_AGO
                )
            )


async def move(shop: Shop, given: list[dict[str, Any]]) -> None:
    """Some have another address by the time the rest falls due."""
    for name, each in zip(NAMES, given, strict=False):
        if "moves" in each:
            address = f"shared{each['moves']}@shop.example"
            async with shop.database.write() as conn:
                await conn.execute(
                    update(customer).where(customer.c.ext_id == name)
                    .values(email=address, email_key=address, updated_at=at(DUE))
                )  # fmt: skip


async def planned(shop: Shop, definition: dict[str, Any], given: list[dict[str, Any]]) -> list[Any]:
    """Everything that is written down for these people, in a database that is empty before and after."""
    for name, each in {"planned": definition, **BESIDE}.items():
        shop.campaign(name, each)
    await shop.seen("2027-05-11T00:00")
    await people(shop, shop.campaigns["planned"].once.per, given)
    await shop.plan(DUE)
    await move(shop, given)
    await shop.plan(LATER)
    columns = [
        column for column in delivery.c
        if column.name not in {"id", "run_id", "customer_id", "created_at", "updated_at", "once_key"}
    ]  # fmt: skip
    wanted = (
        select(run.c.occurrence, run.c.state, customer.c.ext_id, delivery.c.once_key, *columns,
               func.substr(coupon.c.code, 1, 3), coupon.c.valid_until)  # whose code it is is chance; who has one is not
        .join_from(delivery, run, run.c.id == delivery.c.run_id)
        .join(customer, customer.c.id == delivery.c.customer_id)
        .outerjoin(coupon, coupon.c.delivery_id == delivery.c.id)
        .where(run.c.campaign == "planned", run.c.occurrence.not_like("manual:%"))
        .order_by(run.c.id, customer.c.id)
    )  # fmt: skip
    async with shop.database.write() as conn:
        found = [tuple(row) for row in await conn.execute(wanted)]
        for table in reversed(tables.metadata.sorted_tables):
            await conn.execute(delete(table))
    return found


@settings(
    max_examples=4,
    database=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(definition=one_of(PLANNED), given=PEOPLE)
@example(
    definition=PLANNED[0], given=[{"zone": None, "city": "x"}]
)  # yields to what falls due in the evening
@example(definition=PLANNED[0], given=[{"zone": None, "delivered": "2027-05-11T06:00"}])  # and to an event
@example(definition=PLANNED[0], given=[{"zone": None, "used": [TODAY]}, {"zone": None}])
@example(definition=PLANNED[2], given=[{"zone": None, "before": "2027-05-10T07:00"}])
@example(definition=PLANNED[3], given=[{"zone": None} for _ in NAMES])
@example(definition=PLANNED[8], given=[{"zone": None, "set_at": at("2027-05-01T06:00")}])
@example(  # an address the run wrote to before its customer gave it up
    definition=PLANNED[0],
    given=[{"zone": None, "shares": 0, "moves": 1}, {"zone": "America/New_York", "moves": 0}],
)
async def test_together_as_one_by_one(
    database_url: str, definition: dict[str, Any], given: list[dict[str, Any]]
) -> None:
    database = await Database.connect(database_url, durable=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mailer.flow.plan_fill.PAGE", 3)
        patch.setattr("mailer.flow.plan_fill.FIRST", 2)
        together = await planned(Shop(database), definition, given)
        alone = await planned(ShopOneByOne(database), definition, given)
    await database.close()
    assert together == alone


async def test_nearly_everybody_is_decided_together(database: Database) -> None:
    shop = Shop(database, planned=PLANNED[0], evening=BESIDE["evening"], thanks=BESIDE["thanks"])
    for name in NAMES:
        await shop.customer(name, zone="America/New_York" if name == "a" else None)
    watch = shop.planner()._rows.watch(
        shop.campaigns["planned"], "2027-05-11", {None, "America/New_York"}, at(DUE), at(DUE)
    )
    people = Audience(database, shop._moment)
    pages = await people.pages(Selection(shop.campaigns["planned"].audience), watch, at(DUE))
    page = await pages(0, 100)
    assert page is not None
    assert sorted(len(each.customers) for each in page.alike) == [1, len(NAMES) - 1]
    assert not page.odd


async def test_what_falls_due_in_many_zones_is_asked_once_for_each_day(database: Database) -> None:
    shop = Shop(database, planned=PLANNED[0], evening=BESIDE["evening"], birthday=BIRTHDAY)
    zones = {None, "Europe/Berlin", "America/New_York", "Asia/Kathmandu"}
    watch = shop.planner()._rows.watch(
        shop.campaigns["planned"], "2027-05-11", zones, at("2027-05-11T01:00"), at("2027-05-11T01:00")
    )
    asked = [(each.outside, each.zones) for each in watch.foreseen]
    everywhere = frozenset(zones)
    assert asked == [(("evening", "2027-05-11"), everywhere), (("birthday", "2027-05-11"), everywhere)]
