"""The law: whom a rule's SQL finds are exactly those for whom the reference says yes, on both databases."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.audience import Selection
from mailer.core.mentions import mentions
from mailer.core.segment import Rule
from mailer.core.segment_eval import evaluate
from mailer.core.segment_facts import CustomerFacts
from mailer.store import tables
from mailer.store.engine import Database
from mailer.store.segments import SegmentContext, read_facts, where
from mailer.store.selection import candidates
from tests.store.segment_base import FIELDS, NAMES, NOW, NUMBERS, SERVICES, WORDS, a_base, store

one_of = st.sampled_from
SCALARS = one_of([*WORDS, *NUMBERS])
TEXTS = one_of([*WORDS, "5", "a", "b"])
ORDERED = one_of([5, 0, 5.5, 0.1, -5, 100, "2027-03-01", "2026-12-31"])


def leaf(
    required: dict[str, Any], optional: dict[str, Any] | None = None
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional or {})


TESTS = st.one_of(
    SCALARS,
    leaf({"is": SCALARS}),
    leaf({"missing": st.booleans()}),
    leaf({"is_not": SCALARS}, {"in": st.lists(SCALARS, min_size=1, max_size=4)}),
    leaf({"in": st.lists(SCALARS, min_size=1, max_size=4)}),
    leaf({"has": one_of(["a", "b", "A", "5", 5, True, "true"])}),
    leaf({"contains": TEXTS}),
    leaf({"starts": TEXTS}),
    leaf({"gte": ORDERED}, {"lt": ORDERED}),
    leaf({"gt": ORDERED}, {"lte": ORDERED}),
)
DAY_TESTS = st.dictionaries(
    one_of(["is", "is_not", "gt", "gte", "lt", "lte"]),
    one_of(["2027-03-01", "2027-02-22", "2027-02-28"]),
    min_size=1,
    max_size=2,
)
OWN = one_of(["first_name", "postal_code", "country", "id", "services"])
WINDOWS = one_of(["7d", "7d", "24h", "168h", "30d"])
UNTIL = st.just("event")
COUNTS = one_of(["0", "1", "1..", "2..", "..1", "0..", "1..2", 2])
MONEY = one_of(["0", "0..", "..0", "1..", "100..", "..400", 100, 400, 500])
SCORES = one_of(["4..", "..2", "2..4", 1, 5, "3"])
SIGNS = one_of(["click", "order", "open"])
CURRENCIES = one_of(["TRY", "EUR"])
FIELD_TESTS = st.dictionaries(one_of(FIELDS), TESTS, min_size=1, max_size=2)
DATE = leaf(
    {"attr": one_of(["birthday", "joined"])},
    {
        "tz": one_of(["customer", "tenant"]),
        "leap": one_of(["feb28", "mar1"]),
        "set_before": one_of(["7d", "168h"]),
    },
)
DAYS = one_of([{"is": "today"}, {"in_days": "0..7"}, {"in_days": "-90..0"}, {"in_days": "-1..0"}])
EVENT_OPTIONS = {
    "count": COUNTS,
    "in": WINDOWS,
    "until": UNTIL,
    "where": st.dictionaries(one_of(FIELDS), TESTS, min_size=1, max_size=1),
}
DAYS_AHEAD = one_of([0, 1, -1, "0..3", "-3..0", "1..7"])
POSTAL = st.lists(one_of(["35*", "35000", "3*", "SW1A 1AA", "s*"]), min_size=1, max_size=2)
LEAVES = st.one_of(
    leaf({"attr": FIELD_TESTS}),
    leaf({"attr": st.dictionaries(one_of(FIELDS[:2]), TESTS, min_size=1, max_size=1)}),
    leaf({"attr": st.dictionaries(OWN, TESTS, min_size=1, max_size=1)}),
    leaf({"attr": leaf({"created_at": DAY_TESTS})}),
    leaf({"date": st.tuples(DATE, DAYS).map(lambda both: both[0] | both[1])}),
    leaf({"event": leaf({"name": one_of(["viewed", "order.placed"])}, EVENT_OPTIONS)}),
    leaf({"event": leaf({"name": one_of(["viewed"]), "never": st.just(True)}, {"in": WINDOWS})}),
    leaf({"orders": leaf({}, {"count": COUNTS, "net": MONEY, "in": WINDOWS, "until": UNTIL})}),
    leaf({"orders": leaf({"net": MONEY}, {"in": WINDOWS, "currency": CURRENCIES})}),
    leaf({"spend": leaf({"net": MONEY}, {"settled": WINDOWS, "currency": CURRENCIES})}),
    leaf({"rfm": st.dictionaries(one_of(["r", "f", "m"]), SCORES, min_size=1)}),
    leaf({"engaged": leaf({}, {"in": WINDOWS, "by": st.lists(SIGNS, min_size=1, max_size=3)})}),
    leaf({"area": leaf({"postal": POSTAL})}),
    leaf({"services": leaf({"has": one_of(SERVICES)})}),
    leaf({"consent": st.just("commercial")}),
    leaf({"sent": leaf({"campaign": one_of(NAMES)}, {"in": WINDOWS})}),
    leaf(
        {
            "coupon": leaf(
                {"campaign": one_of(NAMES)},
                {"state": one_of(["issued", "reserved"]), "expires_in": DAYS_AHEAD},
            )
        }
    ),
    leaf({"incident": leaf({"open": st.booleans()})}),
    leaf({"list": one_of([*NAMES, "nobody's"])}),
    leaf({"segment": one_of(["plain", "nested"])}),
    leaf({"random": one_of(["0%", "50%", "100%"])}),
)
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        leaf({"any": st.lists(inner, min_size=1, max_size=3)}),
        leaf({"all": st.lists(inner, max_size=2), "not": st.lists(inner, max_size=2)}),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
    ),
    max_leaves=4,
)
SEGMENTS = {
    "plain": Rule.model_validate({"attr": {"x": {"missing": False}}}),
    "nested": Rule.model_validate({"not": [{"segment": "plain"}, {"orders": {}}]}),
}


class UndoneError(Exception):
    """Ends a transaction whose rows are to leave no trace."""


# Shrinking over a real database takes minutes; the rule that fails is short as it is.
@settings(
    max_examples=12,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    seed=st.integers(0, 2**32),
    leaves=st.lists(LEAVES, min_size=40, max_size=60),
    rules=st.lists(RULES, min_size=15, max_size=25),
)
async def test_sql_finds_whom_the_reference_finds(
    database: Database, seed: int, leaves: list[dict[str, Any]], rules: list[dict[str, Any]]
) -> None:
    context = SegmentContext(
        now=NOW,
        tenant_zone=ZoneInfo("Europe/Istanbul"),
        segments=SEGMENTS,
        currency="TRY",
        dialect=database.dialect,
    )
    with suppress(UndoneError):
        async with database.write() as connection:
            await store(connection, a_base(seed))
            rows = (await connection.execute(select(tables.customer))).all()
            facts = [await read_facts(connection, row) for row in rows]
            for written in leaves + rules:
                rule = Rule.model_validate(written)
                wanted = {one.key for one in facts if evaluate(rule, one, context).holds}
                query = select(tables.customer.c.id).where(where(rule, context))
                found = set((await connection.scalars(query)).all())
                note(f"{written}")
                assert found == wanted, written
                if mentions(rule, SEGMENTS).origin:
                    await agree_as_of_events(connection, rule, context, facts)
            raise UndoneError


async def agree_as_of_events(
    connection: AsyncConnection, rule: Rule, context: SegmentContext, facts: list[CustomerFacts]
) -> None:
    """The same of customers as of each event of theirs, all in one statement."""
    event = tables.customer_event
    happened = (await connection.execute(select(event.c.ext_id, event.c.at, event.c.customer_id))).all()
    by_key = {one.key: one for one in facts}
    wanted = {
        each.ext_id
        for each in happened
        if evaluate(rule, by_key[each.customer_id], replace(context, event_at=each.at)).holds
    }
    selection = Selection(rule, events=tuple(each.ext_id for each in happened))
    found = {row.event for row in await connection.execute(candidates(selection, context))}
    assert found == wanted, rule
