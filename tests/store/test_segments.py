from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from mailer.core.segment import MOST_RULES, Rule
from mailer.core.segment_facts import EvalContext
from mailer.errors import SegmentFault, UsageError
from mailer.flow.score import Scoring
from mailer.flow.segments import Excluded, SegmentDesk
from mailer.store.audience import Audience
from mailer.store.engine import Database
from mailer.store.segments import Segments
from mailer.store.tables import (
    customer,
    customer_date,
    customer_event,
    list_member,
    named_list,
    service_point,
)
from tests.core.segment_cases import CASES
from tests.store.rows import NOW, a_customer_row, add

SEGMENTS = {
    "izmir": Rule.model_validate({"attr": {"şehir": "İzmir"}}),
    "reachable": Rule.model_validate({"segment": "izmir", "not": [{"list": "late"}, {"list": "unknown"}]}),
    "champions": Rule.model_validate({"rfm": {"r": "4..", "f": "4..", "m": "4.."}}),
    "lost": Rule.model_validate({"segment": "nowhere"}),
}
CONTEXT = EvalContext(now=NOW, tenant_zone=ZoneInfo("Europe/Istanbul"), segments=SEGMENTS, currency="TRY")


def a_desk(database: Database) -> SegmentDesk:
    scoring = Scoring(Audience(database, lambda: CONTEXT), SEGMENTS, CONTEXT.tenant_zone)
    return SegmentDesk(Segments(database), SEGMENTS, scoring)


async def a_base(database: Database, size: int = 5) -> list[int]:
    """Customers c0…, all but the first in İzmir; c1 and c2 are on the list of the late."""
    keys = [
        await a_customer_row(database, f"c{n}", attributes={"şehir": "İzmir" if n else "izmir"})
        for n in range(size)
    ]
    late = await add(database, named_list, name="late", loaded_at=NOW)
    async with database.write() as connection:
        rows = [{"list_id": late, "customer_id": key} for key in keys[1:3]]
        await connection.execute(insert(list_member), rows)
    return keys


async def test_a_turkish_attribute_is_found_by_name_and_value(database: Database) -> None:
    await a_base(database)
    assert await Segments(database).count(SEGMENTS["izmir"], CONTEXT) == 4


async def test_both_databases_pass_the_values_the_reference_passes(database: Database) -> None:
    now = {"stored_at": NOW, "updated_at": NOW, "services": []}
    rows = [{**now, "ext_id": str(n), "attributes": {"x": value}} for n, (_, value, _) in enumerate(CASES)]
    async with database.write() as connection:
        await connection.execute(insert(customer), rows)
    people = Segments(database)
    for n, (test, value, wanted) in enumerate(CASES):
        rule = Rule.model_validate({"attr": {"x": test, "id": str(n)}})
        assert await people.count(rule, CONTEXT) == int(wanted), (test, value)


async def test_a_sample_is_of_the_segment_and_the_seed_chooses_it(database: Database) -> None:
    await a_base(database, 12)
    people = Segments(database)
    found = [
        [one.id for one in await people.sample(SEGMENTS["izmir"], CONTEXT, 4, seed)] for seed in range(8)
    ]
    assert all(len(set(sample)) == 4 and "c0" not in sample for sample in found)
    assert [one.id for one in await people.sample(SEGMENTS["izmir"], CONTEXT, 4, 0)] == found[0]
    assert len({tuple(sorted(sample)) for sample in found}) > 1


async def test_a_preview_counts_what_each_exclusion_takes_out(database: Database) -> None:
    await a_base(database)
    preview = await a_desk(database).preview("reachable", CONTEXT)
    assert preview.count == 2
    assert {one.id for one in preview.samples} == {"c3", "c4"}
    assert preview.excluded == (Excluded("list: late", 2), Excluded("list: unknown", 0))
    assert preview.missing_lists == ("unknown",)


async def test_an_explanation_agrees_with_the_count(database: Database) -> None:
    await a_base(database)
    desk = a_desk(database)
    told = [(await desk.explain("reachable", f"c{n}", CONTEXT)).holds for n in range(5)]
    assert told == [False, False, False, True, True]
    assert await desk.count("reachable", CONTEXT) == 2
    with pytest.raises(UsageError, match="no customer 'nobody'"):
        await desk.explain("reachable", "nobody", CONTEXT)


async def test_asking_for_scores_scores(database: Database) -> None:
    desk = a_desk(database)
    for place, key in enumerate(await a_base(database)):
        for number in range(place):
            await add(database, customer_event, ext_id=f"{key}:{number}", customer_id=key, name="order.placed",
                      at=NOW - timedelta(days=9 - place), stored_at=NOW, properties={}, order_ref=f"{key}:{number}",
                      net_e4=10_000, currency="TRY")  # fmt: skip
    assert await desk.count("champions", CONTEXT) == 1  # of four who ordered, the best has a 4 in each
    assert list((await desk.explain("champions", "c4", CONTEXT)).lines()) == [
        "yes  scores r 4.., f 4.., m 4.. (r 4, f 4, m 4)"
    ]
    assert list((await desk.explain("champions", "c0", CONTEXT)).lines()) == [
        "no   scores r 4.., f 4.., m 4.. (none: no order in the last 365d when all were scored)"
    ]


async def test_an_unknown_segment_is_one_sentence(database: Database) -> None:
    desk = a_desk(database)
    for name in ("lost", "izmr"):
        with pytest.raises(SegmentFault, match="there is no segment"):
            await desk.count(name, CONTEXT)


async def test_facts_gather_what_hangs_on_a_customer(database: Database) -> None:
    keys = await a_base(database)
    yesterday = NOW - timedelta(days=1)
    await add(database, customer_event, ext_id="e1", customer_id=keys[1], name="order.placed", at=yesterday,
              stored_at=NOW, properties={}, order_ref="o1", net_e4=50_000, currency="TRY")  # fmt: skip
    at_home = {"ext_id": "p", "service": "fibre", "postal_code": "34710", "stored_at": NOW}
    await add(database, service_point, customer_id=keys[1], **at_home)
    async with database.write() as connection:
        await connection.execute(
            insert(customer_date).values(
                customer_id=keys[1], attr="birthday", month=5, day=10, set_at=yesterday, placeholder=False
            )
        )
    facts = await Segments(database).facts("c1")
    assert (facts.customer.id, facts.consent, facts.lists) == ("c1", "yes", {"late"})
    assert (facts.events[0].at, facts.events[0].net_e4) == (yesterday, 50_000)
    assert facts.dates["birthday"].set_at == yesterday
    assert facts.points[0].postal_code == "34710"


async def test_a_day_reaches_every_zone_when_none_is_listed(database: Database) -> None:
    for ext_id, zone in (("k", "Pacific/Kiritimati"), ("i", None), ("strange", "No/Such")):
        key = await a_customer_row(database, ext_id, zone=zone)
        async with database.write() as connection:
            await connection.execute(
                insert(customer_date).values(
                    customer_id=key, attr="birthday", month=5, day=11, set_at=NOW, placeholder=False
                )
            )
    rule = Rule.model_validate({"date": {"attr": "birthday", "is": "today"}})
    evening = EvalContext(now=NOW.replace(hour=12), tenant_zone=CONTEXT.tenant_zone)
    assert [one.id for one in await Segments(database).sample(rule, evening, 9)] == ["k"]


@pytest.mark.parametrize(
    "written",
    [
        {"any": [{"attr": {f"a{n}": {"gte": n, "lt": 9, "has": "x"}}} for n in range(MOST_RULES // 5)]},
        {"not": [{"event": {"name": f"e{n}", "count": "2.."}} for n in range(MOST_RULES // 2)]},
        {"any": [{"area": {"postal": [f"{n:05d}*" for n in range(200)]}} for _ in range(15)]},
        {"all": [{"attr": {"x": {"in": list(range(500))}}} for _ in range(7)]},
        {"all": [{"orders": {"count": "1..", "net": "5.."}} for _ in range(40)]},
    ],
    ids=["fields", "events", "patterns", "values", "orders"],
)
async def test_the_largest_rules_we_take_are_not_too_large_for_a_database(
    database: Database, written: dict[str, object]
) -> None:
    await a_base(database, 2)
    assert await Segments(database).count(Rule.model_validate(written), CONTEXT) in (0, 2)


@pytest.mark.parametrize(
    "name", ["x'); drop table customer; --", "attrs->>'x')--", "%s", ":x", "a[0].b", "$"]
)
async def test_a_hostile_name_is_only_a_name(database: Database, name: str) -> None:
    await a_customer_row(database, "has", attributes={name: "%"})
    await a_customer_row(database, "has-not", attributes={"a": [{"b": "%"}]})
    people = Segments(database)
    for test in ("%", {"has": "%"}, {"contains": "%"}, {"missing": False}):
        rule = Rule.model_validate({"attr": {name: test}})
        assert [one.id for one in await people.sample(rule, CONTEXT, 9)] == ["has"]
