"""The law: whom a rule's SQL finds are exactly those for whom the reference says yes, on both databases."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.customer import PartialDate
from mailer.core.segment import Rule
from mailer.core.segment_eval import evaluate
from mailer.store import tables
from mailer.store.engine import Database
from mailer.store.segments import SegmentContext, read_facts, where

NOW = datetime(2027, 3, 1, 7, 0, tzinfo=UTC)  # the day a common year celebrates 29 February on, with mar1
AGES = st.sampled_from(
    [
        timedelta(seconds=-1),
        timedelta(0),
        timedelta(hours=23),
        timedelta(days=7),
        timedelta(days=7, seconds=1),
        timedelta(days=6),
        timedelta(days=40),
    ]
)
INSTANTS = AGES.map(lambda age: NOW - age)
WORDS = [
    "a",
    "A",
    "İzmir",
    "izmir",
    "a;b",
    "a; A",
    "%",
    "_",
    "a'b",
    '"',
    "\\",
    "5",
    "5.0",
    "05",
    "-5",
    "5.",
    "true",
    "[]",
    "2027-03-01",
    "2027-03-01T09:00",
    "1e3",
    "12345678901234567",
    "a\nb",
    "5\n",
    "😀",
]
NUMBERS = [0, 5, -5, 5.5, 0.1, 10**14, 350, True, False]
SCALARS = st.sampled_from([*WORDS, *NUMBERS])
KEPT = st.one_of(
    SCALARS, st.sampled_from(["", None, [], {}, {"a": "a"}, 5.0, 10**20, 1e22]), st.lists(SCALARS, max_size=3)
)
FIELDS = ["x", "y", "a.b", "ş'%s:x", "$[0]"]
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), KEPT, max_size=3)
CODES = ["", "35000", "35100", "34000", "SW1A 1AA", "sw1a 1aa"]
SERVICES = ["fibre", "tv", "a'b"]
NAMES = ["one", "two"]
ZONES = [None, "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/London"]
DATES = ["2000-02-29", "1990-03-01", "--02-28", "1970-01-01", "1985-03-07", "--12-31"]

EVENTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["order.placed", "order.placed", "order.refunded", "viewed"]),
        "at": INSTANTS,
        "stored_at": st.just(NOW),
        "properties": OBJECTS,
        "order_ref": st.sampled_from([None, "o1", "o2"]),
        "net_e4": st.sampled_from([None, 0, 1_000_000, 4_000_000, -1_000_000]),
        "currency": st.sampled_from([None, "TRY", "EUR"]),
    }
)
CUSTOMERS = st.fixed_dictionaries(
    {
        "row": st.fixed_dictionaries(
            {
                "first_name": st.sampled_from(["", *WORDS]),
                "postal_code": st.sampled_from(CODES),
                "country": st.sampled_from(["", "TR", "5"]),
                "zone": st.sampled_from(ZONES),
                "created_at": st.one_of(st.none(), INSTANTS),
                "attributes": OBJECTS,
                "services": st.lists(st.sampled_from(SERVICES), max_size=2, unique=True),
                "consent": st.sampled_from(["yes", "no", "unknown"]),
            }
        ),
        "dates": st.dictionaries(
            st.sampled_from(["birthday", "joined"]), st.tuples(st.sampled_from(DATES), INSTANTS)
        ),
        "events": st.lists(EVENTS, max_size=5),
        "points": st.lists(st.tuples(st.sampled_from(SERVICES), st.sampled_from(CODES)), max_size=2),
        "lists": st.sets(st.sampled_from(NAMES)),
        "sent": st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(["sent", "failed"]), INSTANTS), max_size=2
        ),
        "coupons": st.lists(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(["issued", "reserved", "redeemed"])), max_size=2
        ),
        "suppressed": st.sets(st.sampled_from(["all", "commercial"])),
        "incidents": st.lists(
            st.tuples(st.sampled_from(["identified", "resolved"]), st.sampled_from(["affected", "left"])),
            max_size=1,
        ),
    }
)

TEXTS = st.sampled_from([word for word in WORDS if word])
ORDERED = st.sampled_from([5, 0, 5.5, 0.1, -5, 100, "2027-03-01", "2026-12-31"])
TESTS = st.one_of(
    SCALARS,
    st.fixed_dictionaries({}, optional={"is": SCALARS, "missing": st.booleans()}),
    st.fixed_dictionaries({}, optional={"is_not": SCALARS, "in": st.lists(SCALARS, min_size=1, max_size=4)}),
    st.fixed_dictionaries({}, optional={"has": SCALARS, "contains": TEXTS}),
    st.fixed_dictionaries({}, optional={"starts": TEXTS, "gte": ORDERED}),
    st.fixed_dictionaries({}, optional={"gt": ORDERED, "lte": ORDERED, "lt": ORDERED}),
).filter(lambda test: test != {})
DAY = st.sampled_from(["2027-03-01", "2027-02-22", "2027-02-28"])
DAY_TESTS = st.dictionaries(
    st.sampled_from(["is", "is_not", "gt", "gte", "lt", "lte"]), DAY, min_size=1, max_size=2
)
OWN = st.sampled_from(["first_name", "postal_code", "country", "id", "services"])
WINDOWS = st.sampled_from(["7d", "24h", "1d", "168h"])
COUNTS = st.sampled_from(["0", "1", "1..", "2..", "..1", "0..", "1..2", 3])
MONEY = st.sampled_from(["0", "100..", "..400", "300..800", "-100..0", "0..", 400])


def leaf(
    required: dict[str, Any], optional: dict[str, Any] | None = None
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional or {})


DATE_LEAF = leaf(
    {"attr": st.sampled_from(["birthday", "joined"])},
    {
        "tz": st.sampled_from(["customer", "tenant"]),
        "leap": st.sampled_from(["feb28", "mar1"]),
        "set_before": st.sampled_from(["7d", "24h", "30d"]),
    },
)
LEAVES = st.one_of(
    leaf({"attr": st.dictionaries(st.sampled_from(FIELDS), TESTS, min_size=1, max_size=2)}),
    leaf({"attr": st.dictionaries(OWN, TESTS, min_size=1, max_size=1)}),
    leaf({"attr": leaf({"created_at": DAY_TESTS})}),
    leaf(
        {
            "date": st.tuples(
                DATE_LEAF, st.sampled_from([{"is": "today"}, {"in_days": "0..7"}, {"in_days": "-90..0"}])
            ).map(lambda both: both[0] | both[1])
        }
    ),
    leaf(
        {
            "event": leaf(
                {"name": st.sampled_from(["viewed", "order.placed"])},
                {
                    "count": COUNTS,
                    "in": WINDOWS,
                    "where": st.dictionaries(st.sampled_from(FIELDS), TESTS, min_size=1, max_size=1),
                },
            )
        }
    ),
    leaf({"event": leaf({"name": st.just("viewed"), "never": st.just(True)}, {"in": WINDOWS})}),
    leaf(
        {
            "orders": leaf(
                {},
                {"count": COUNTS, "net": MONEY, "in": WINDOWS, "currency": st.sampled_from(["TRY", "EUR"])},
            )
        }
    ),
    leaf({"spend": leaf({"net": MONEY}, {"settled": WINDOWS, "currency": st.sampled_from(["TRY", "EUR"])})}),
    leaf(
        {
            "area": leaf(
                {"postal": st.lists(st.sampled_from(["35*", "35000", "3*", "SW1A 1AA", "s*"]), min_size=1)}
            )
        }
    ),
    leaf({"services": leaf({"has": st.sampled_from(SERVICES)})}),
    leaf({"consent": st.just("commercial")}),
    leaf({"sent": leaf({"campaign": st.sampled_from(NAMES)}, {"in": WINDOWS})}),
    leaf(
        {
            "coupon": leaf(
                {"campaign": st.sampled_from(NAMES)}, {"state": st.sampled_from(["issued", "reserved"])}
            )
        }
    ),
    leaf({"incident": leaf({"open": st.booleans()})}),
    leaf({"list": st.sampled_from([*NAMES, "nobody's"])}),
    leaf({"segment": st.sampled_from(["plain", "nested"])}),
    leaf({"random": st.sampled_from(["0%", "50%", "100%"])}),
)
BRANCHES = st.sampled_from(["all", "any", "not"])
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(BRANCHES, st.lists(inner, min_size=1, max_size=3)).map(lambda pair: {pair[0]: pair[1]}),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
    ),
    max_leaves=5,
)
SEGMENTS = {
    "plain": Rule.model_validate({"attr": {"x": {"missing": False}}}),
    "nested": Rule.model_validate({"not": [{"segment": "plain"}, {"orders": {}}]}),
}


class UndoneError(Exception):
    """Ends a transaction whose rows are to leave no trace."""


# Shrinking over a real database takes minutes; the rule that fails is short as it is.
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(base=st.lists(CUSTOMERS, min_size=1, max_size=4), rules=st.lists(RULES, min_size=6, max_size=12))
async def test_sql_finds_whom_the_reference_finds(
    database: Database, base: list[dict[str, Any]], rules: list[dict[str, Any]]
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
            await store(connection, base)
            rows = (await connection.execute(select(tables.customer))).all()
            facts = [await read_facts(connection, row) for row in rows]
            for written in rules:
                rule = Rule.model_validate(written)
                wanted = {one.key for one in facts if evaluate(rule, one, context).holds}
                query = select(tables.customer.c.id).where(where(rule, context))
                found = set((await connection.scalars(query)).all())
                note(f"{written} wanted {wanted} found {found}")
                assert found == wanted, written
            raise UndoneError


async def store(connection: AsyncConnection, base: list[dict[str, Any]]) -> None:
    lists = {name: await new(connection, tables.named_list, name=name, loaded_at=NOW) for name in NAMES}
    incidents = {
        state: await new(
            connection,
            tables.incident,
            title="t",
            state=state,
            planned=False,
            opened_at=NOW,
            published_at=NOW,
            services=[],
            postal=[],
            lists=[],
            exclusions=[],
        )
        for state in ("identified", "resolved")
    }
    for number, one in enumerate(base):
        key = await new(
            connection,
            tables.customer,
            ext_id=f"c{number}",
            email_key=f"c{number}@x",
            stored_at=NOW,
            updated_at=NOW,
            **one["row"],
        )
        await hang(connection, key, number, one, lists=lists, incidents=incidents)


async def hang(
    connection: AsyncConnection,
    key: int,
    number: int,
    one: dict[str, Any],
    *,
    lists: dict[str, int],
    incidents: dict[str, int],
) -> None:
    for attr, (text, set_at) in one["dates"].items():
        day = PartialDate.parse(text)
        assert day is not None
        await connection.execute(
            insert(tables.customer_date).values(
                customer_id=key,
                attr=attr,
                month=day.month,
                day=day.day,
                year=day.year,
                set_at=set_at,
                placeholder=day.placeholder,
            )
        )
    for place, event in enumerate(one["events"]):
        await new(connection, tables.customer_event, ext_id=f"{key}:{place}", customer_id=key, **event)
    for place, (service, code) in enumerate(one["points"]):
        await new(
            connection,
            tables.service_point,
            customer_id=key,
            ext_id=str(place),
            service=service,
            postal_code=code,
            stored_at=NOW,
        )
    for name in one["lists"]:
        await connection.execute(insert(tables.list_member).values(list_id=lists[name], customer_id=key))
    for place, (campaign, state, at) in enumerate(one["sent"]):
        run = await new(
            connection,
            tables.run,
            campaign=campaign,
            occurrence=f"{key}:{place}",
            state="finished",
            purpose="service",
            priority=1,
            due_at=NOW,
            closes_at=NOW,
            created_at=NOW,
        )
        await new(
            connection,
            tables.delivery,
            run_id=run,
            customer_id=key,
            campaign=campaign,
            purpose="service",
            priority=1,
            once_key=f"{key}:{place}",
            email="",
            email_key="",
            state=state,
            due_at=NOW,
            not_before=NOW,
            created_at=NOW,
            updated_at=NOW,
            sent_at=at,
        )
    for place, (campaign, state) in enumerate(one["coupons"]):
        await new(
            connection,
            tables.coupon,
            code=f"{key}:{place}",
            kind="pool",
            campaign=campaign,
            state=state,
            customer_id=key,
            created_at=NOW,
        )
    for scope in one["suppressed"]:
        await connection.execute(
            insert(tables.suppression).values(
                email_key=f"c{number}@x", scope=scope, reason="manual", source="test", at=NOW
            )
        )
    for state, standing in one["incidents"]:
        await connection.execute(
            insert(tables.incident_recipient).values(
                incident_id=incidents[state], customer_id=key, state=standing, points=[], joined_at=NOW
            )
        )


async def new(connection: AsyncConnection, table: Any, **values: Any) -> int:
    return int((await connection.execute(insert(table).values(**values).returning(table.c.id))).scalar_one())
