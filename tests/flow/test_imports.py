from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, text

from mailer.core.consent import AHEAD
from mailer.core.customer import PartialDate
from mailer.core.customer_row import FIELDS, CustomerReader
from mailer.core.event_row import FIELDS as EVENT_FIELDS
from mailer.core.event_row import EventReader
from mailer.core.importing import Alike, Columns, ImportReport, Row, RowFault
from mailer.core.point_row import FIELDS as POINT_FIELDS
from mailer.errors import UsageError
from mailer.files.rows import RowFile
from mailer.files.zones import load_zones
from mailer.flow import lots as of_lots
from mailer.flow.imports import MANY, OTHER_CONTENT, CustomerImport, EventImport, ListLoad, PointImport
from mailer.store.customer_merge import CustomerMerge
from mailer.store.customers import Customers
from mailer.store.engine import Database
from mailer.store.events import Events
from mailer.store.leases import IMPORT, Leases
from mailer.store.lists import Lists
from mailer.store.points import Points
from mailer.store.suppressions import Suppressions
from mailer.store.tables import (
    consent_entry,
    customer,
    customer_date,
    customer_event,
    list_member,
    named_list,
    service_point,
    suppression,
)
from mailer.store.words import WordsAhead

NOW = datetime(2027, 5, 10, 7, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=40)
ISTANBUL = ZoneInfo("Europe/Istanbul")


class Desk:
    """Every import over one database, fed with rows as a file would give them."""

    def __init__(self, database: Database) -> None:
        zones = load_zones()
        leases = Leases(database)
        self.database = database
        self.customers = Customers(database)
        self.suppressions = Suppressions(database)
        self._customers = CustomerImport(
            CustomerMerge(database, zones), leases, CustomerReader(zones, ISTANBUL)
        )
        self._events = EventImport(Events(database, ISTANBUL), leases, EventReader(ISTANBUL))
        self._points = PointImport(Points(database), leases)
        self._lists = ListLoad(Lists(database), leases)

    async def bring(self, *rows: dict[str, Any], now: datetime = NOW, dry_run: bool = False) -> ImportReport:
        return await self._customers.run(_rows(rows), now=now, dry_run=dry_run)

    async def happen(self, *rows: dict[str, Any], now: datetime = NOW, dry_run: bool = False) -> ImportReport:
        return await self._events.run(_rows(rows), now=now, dry_run=dry_run)

    async def place(self, *rows: dict[str, Any]) -> ImportReport:
        return await self._points.run(_rows(rows), now=NOW)

    async def load(self, name: str, *members: str) -> ImportReport:
        return await self._lists.run(name, _rows([{"id": text} for text in members]), now=NOW)

    async def consent(self, ext_id: str = "c1") -> str:
        facts = await self.customers.show(ext_id)
        assert facts is not None
        return str(facts["consent"])

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        async with self.database.read() as connection:
            found = await connection.execute(select(table).order_by(*table.primary_key.columns))
            return [dict(row) for row in found.mappings()]


def _rows(rows: Any) -> list[Row | RowFault]:
    return [Row(line, values) for line, values in enumerate(rows, 2)]


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.unchanged, len(report.rejected)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


AYSE = {
    "id": "c1", "email": "Ayse@B.co", "first_name": "Ayşe", "country": "TR", "postal_code": "34710",
    "services": "fibre;tv", "birthday": "1990-05-10", "consent": "yes", "points": "007",
}  # fmt: skip


async def test_a_customer_is_stored_as_told_and_a_second_import_changes_nothing(desk: Desk) -> None:
    assert counts(await desk.bring(AYSE)) == (1, 0, 0, 0)
    later = NOW + timedelta(days=9)
    assert counts(await desk.bring(AYSE, now=later)) == (0, 0, 1, 0)
    [row] = await desk.rows(customer)
    assert (row["ext_id"], row["email"], row["email_key"], row["zone"]) == (
        "c1", "Ayse@B.co", "ayse@b.co", "Europe/Istanbul",
    )  # fmt: skip
    assert (row["services"], row["attributes"]) == (
        ["fibre", "tv"],
        {"birthday": "1990-05-10", "points": "007"},
    )
    assert (row["consent"], row["consent_at"], row["stored_at"], row["updated_at"]) == ("yes", NOW, NOW, NOW)
    [day] = await desk.rows(customer_date)
    assert (day["attr"], day["month"], day["day"], day["year"], day["set_at"], day["placeholder"]) == (
        "birthday", 5, 10, 1990, NOW, False,
    )  # fmt: skip
    [entry] = await desk.customers.consent_entries("c1")
    assert (entry["action"], entry["source"], entry["via"], entry["at"], entry["address"]) == (
        "granted", "import", "import", NOW, "ayse@b.co",
    )  # fmt: skip


async def test_good_rows_go_in_and_the_others_are_reported_in_the_order_of_the_file(desk: Desk) -> None:
    rows: list[Row | RowFault] = [
        Row(2, {"id": "c1", "email": "a@b,c@d"}),
        Row(3, AYSE),
        RowFault(4, "", "The line is damaged."),
        Row(5, {"id": "c2"}),
        Row(6, {"email": "x@y.co"}),
    ]
    told: list[int] = []
    report = await desk._customers.run(rows, now=NOW, progress=told.append)
    assert report.as_json()["created"] == 2
    assert [(fault["line"], fault["field"]) for fault in report.as_json()["rejected"]] == [
        (2, "email"), (4, ""), (6, "id"),
    ]  # fmt: skip
    assert told[-1] == 5


async def test_someone_without_an_address_is_kept(desk: Desk) -> None:
    await desk.bring({"id": "c2", "email": ""})
    found = await desk.customers.get("c2")
    assert found is not None
    assert found.email == ""
    assert (await desk.rows(customer))[0]["email_key"] == ""


async def test_a_later_row_of_the_same_id_is_an_update(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [AYSE, {"id": "c2"}, {"id": "c1", "first_name": "Fatma", "birthday": "1991-06-11",
            "consent": "no"}, {"id": "c1", "first_name": "Fatma"}]  # fmt: skip
    for lot in (2_000, 1):
        monkeypatch.setattr(of_lots, "LOT", lot)
        assert counts(await desk.bring(*rows, dry_run=True)) == (2, 1, 1, 0)
        assert await desk.rows(customer) == []
    assert counts(await desk.bring(*rows)) == (2, 1, 1, 0)
    assert await desk.consent() == "no"
    assert [(day["month"], day["day"]) for day in await desk.rows(customer_date)] == [(6, 11)]


async def test_a_dry_run_says_the_same_and_writes_nothing(desk: Desk) -> None:
    await desk.bring(AYSE, {"id": "c2", "email": "z@b.co", "consent": "no"})
    before = {table.name: await desk.rows(table) for table in (customer, customer_date, consent_entry)}
    rows = [{"id": "c1", "first_name": "Fatma", "created_at": "2020-01-01", "consent": "no"},
            {"id": "c2", "city": "İzmir"}, {"id": "c2", "consent": "yes"}, {"id": "c3"},
            {"id": "c2", "city": "İzmir"}, {"email": "a@b.co"},
            {"id": "c1", "created_at": "2020-01-01", "services": "tv;fibre"}]  # fmt: skip
    later = NOW + timedelta(days=1)
    dry = await desk.bring(*rows, now=later, dry_run=True)
    for table in (customer, customer_date, consent_entry):
        assert await desk.rows(table) == before[table.name]
    assert [(change.id, change.field) for change in dry.changes][:3] == [
        ("c1", "first_name"), ("c1", "created_at"), ("c1", "consent"),
    ]  # fmt: skip
    wet = await desk.bring(*rows, now=later)
    assert dry.as_json() == wet.as_json()
    assert dry.changes == wet.changes
    assert counts(wet) == (1, 4, 1, 1)


async def test_days_keep_when_they_were_set_until_they_change(desk: Desk) -> None:
    await desk.bring({"id": "c1", "birthday": "1990-05-10", "since": "1970-01-01", "gone": "--02-29"})
    later = NOW + timedelta(days=40)
    report = await desk.bring(
        {"id": "c1", "birthday": "1990-05-10", "since": "2020-03-01", "gone": "never"}, now=later
    )
    assert counts(report) == (0, 1, 0, 0)
    days = {
        day["attr"]: (str(day["set_at"])[:10], day["placeholder"]) for day in await desk.rows(customer_date)
    }
    assert days == {"birthday": ("2027-05-10", False), "since": ("2027-06-19", False)}


@pytest.mark.parametrize(
    ("was", "becomes", "set_at"),
    [
        pytest.param("--05-10", "1990-05-10", NOW, id="the year is learnt"),
        pytest.param("1990-05-10", "--05-10", NOW, id="the year is forgotten"),
        pytest.param("1990-05-10", "1991-05-10", NOW, id="another year"),
        pytest.param("1990-05-10", "1990-05-11", LATER, id="another day"),
        pytest.param("1970-01-01", "1985-01-01", LATER, id="a placeholder becomes a day"),
    ],
)
async def test_a_day_that_comes_round_as_before_is_no_new_one(
    desk: Desk, was: str, becomes: str, set_at: datetime
) -> None:
    await desk.bring({"id": "c1", "birthday": was})
    assert counts(await desk.bring({"id": "c1", "birthday": becomes}, now=LATER)) == (0, 1, 0, 0)
    assert [day["set_at"] for day in await desk.rows(customer_date)] == [set_at]
    assert [
        str(PartialDate(day["month"], day["day"], day["year"])) for day in await desk.rows(customer_date)
    ] == [becomes]


async def test_lots_are_bounded_by_the_length_of_their_rows_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_lots, "LOT_CHARACTERS", 100)
    told: list[int] = []
    rows = [Row(line, {"id": f"c{line}"}, size=60) for line in range(5)]
    assert counts(await desk._customers.run(rows, now=NOW, progress=told.append)) == (5, 0, 0, 0)
    assert told == [2, 4, 5]


async def test_placeholders_and_odd_values_are_told(desk: Desk) -> None:
    report = await desk.bring(
        {"id": "c1", "birthday": "1970-01-01", "timezone": "Mars/Base", "country": "DE"}
    )
    assert (report.placeholders, len(report.warnings)) == (1, 1)
    assert (await desk.rows(customer_date))[0]["placeholder"] is True
    assert await desk.customers.zones() == {"Europe/Berlin"}


EVENT = {"id": "e1", "customer": "c1", "name": "order.placed", "at": "2027-05-01T10:00:00Z"}


def said(name: str, day: int, number: str) -> dict[str, Any]:
    return {"id": number, "customer": "c1", "name": f"consent.{name}", "at": f"2027-05-{day:02d}T10:00:00Z"}


async def test_events_are_taken_once_and_unknown_customers_are_named(desk: Desk) -> None:
    await desk.bring(AYSE)
    order = {**EVENT, "properties": {"order": "o1", "net": "129.90", "currency": "TRY", "items": [1]}}
    rows: list[dict[str, Any]] = [order, {**EVENT, "id": "e2", "customer": "nobody"}, order,
            {"id": "e3", "customer": None, "name": "post.published", "at": "2027-05-02",
             "properties": {"title": "A"}},
            {**EVENT, "id": "e4", "at": "later"}]  # fmt: skip
    dry = await desk.happen(*rows, dry_run=True)
    assert await desk.rows(customer_event) == []
    report = await desk.happen(*rows)
    assert dry.as_json() == report.as_json()
    assert counts(report) == (2, 0, 1, 2)
    assert [(fault.line, fault.field) for fault in report.rejected] == [(3, "customer"), (6, "at")]
    assert counts(await desk.happen(*rows)) == (0, 0, 3, 2)
    first, second = await desk.rows(customer_event)
    assert (first["order_ref"], first["net_e4"], first["currency"]) == ("o1", 1_299_000, "TRY")
    assert (second["customer_id"], second["properties"]) == (None, {"title": "A"})


@pytest.mark.parametrize("lots", [1, 2_000])
async def test_an_event_that_comes_again_with_other_content_is_remarked_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, lots: int
) -> None:
    monkeypatch.setattr(of_lots, "LOT", lots)
    await desk.bring(AYSE, {"id": "c2"})
    first = {**EVENT, "properties": {"order": "o1", "net": 129.9, "items": [{"n": 1}]}}
    others = [{**first, "customer": "c2"}, {**first, "properties": {"order": "o1", "net": 130}},
              {**first, "at": "2027-05-01T10:00:01Z"}, {**first, "name": "order.refunded"}]  # fmt: skip
    for dry_run, created in ((True, 1), (False, 1), (True, 0), (False, 0)):
        report = await desk.happen(first, *others, first, dry_run=dry_run)
        assert counts(report) == (created, 0, 6 - created, 0)
        assert report.warnings == [RowFault(line, "id", OTHER_CONTENT) for line in (3, 4, 5, 6)]
        assert report.alike == {("id", OTHER_CONTENT): Alike(4, [3, 4, 5, 6], taken=False)}
    [row] = await desk.rows(customer_event)
    assert (row["name"], row["net_e4"]) == ("order.placed", 1_299_000)


@pytest.mark.parametrize("lots", [1, 2_000])
@pytest.mark.parametrize(
    ("words", "consent"),
    [
        ([("confirmed", 2)], "yes"),
        ([("revoked", 2)], "no"),
        ([("confirmed", 2), ("revoked", 3)], "no"),
        ([("revoked", 3), ("confirmed", 2)], "no"),
        ([("revoked", 2), ("confirmed", 3)], "yes"),
        ([("confirmed", 3), ("revoked", 2)], "yes"),
        ([("confirmed", 2), ("revoked", 2)], "no"),
        ([("revoked", 2), ("revoked", 4), ("confirmed", 3)], "no"),
    ],
)
async def test_words_of_consent_count_by_when_they_were_said(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    lots: int,
    words: list[tuple[str, int]],
    consent: str,
) -> None:
    monkeypatch.setattr(of_lots, "LOT", lots)
    await desk.bring({**AYSE, "consent": ""})
    rows = [said(name, day, f"e{n}") for n, (name, day) in enumerate(words)]
    await desk.happen(*rows)
    await desk.happen(*rows)
    assert await desk.consent() == consent
    assert await desk.suppressions.of("ayse@b.co") == (
        {"commercial": "unsubscribed"} if consent == "no" else {}
    )
    assert len(await desk.customers.consent_entries("c1")) == len(words)


async def test_no_import_lifts_an_unsubscribe_and_a_confirmation_does(desk: Desk) -> None:
    await desk.bring(AYSE)
    await desk.happen(said("revoked", 2, "e1"), now=NOW)
    later = NOW + timedelta(days=30)
    await desk.bring(AYSE, {"id": "c2", "email": "AYSE@b.co", "consent": "yes"}, now=later)
    assert (await desk.consent(), await desk.consent("c2")) == ("no", "unknown")
    assert await desk.suppressions.of("Ayse@b.co") == {"commercial": "unsubscribed"}
    await desk.bring({"id": "c1", "email": "new@b.co", "consent": "yes"}, now=later)
    assert await desk.consent() == "no"
    await desk.bring({"id": "c1", "email": "Ayse@B.co"}, now=later)
    await desk.happen(said("confirmed", 9, "e2"), now=later)
    assert await desk.consent() == "yes"
    assert await desk.suppressions.of("Ayse@b.co") == {}


@pytest.mark.parametrize(
    ("scope", "reason"), [("commercial", "complaint"), ("commercial", "manual"), ("all", "bounced")]
)
async def test_a_confirmation_lifts_nothing_but_an_unsubscribe(desk: Desk, scope: str, reason: str) -> None:
    await desk.bring(AYSE)
    await desk.suppressions.add("ayse@B.co", scope, reason, "test", NOW - timedelta(days=30))
    await desk.happen(said("revoked", 2, "e1"), said("confirmed", 3, "e2"))
    assert await desk.suppressions.of("ayse@b.co") == {scope: reason}


async def test_an_import_may_take_back_what_an_import_said(desk: Desk) -> None:
    await desk.bring({**AYSE, "consent": "no", "consent_at": "2027-05-01"})
    await desk.bring({**AYSE, "consent": "yes", "consent_at": "2027-04-01"})
    assert await desk.consent() == "no"
    await desk.bring({**AYSE, "consent": "yes", "consent_at": "2027-05-02", "consent_source": "shop form"})
    assert await desk.consent() == "yes"
    assert [entry["source"] for entry in await desk.customers.consent_entries("c1")] == [
        "import",
        "shop form",
    ]


async def test_a_no_from_the_future_counts_at_once_and_does_not_outlive_the_next_word(desk: Desk) -> None:
    await desk.bring(AYSE)
    await desk.happen({**said("revoked", 2, "e1"), "at": "2099-01-01T00:00:00Z"})
    assert await desk.consent() == "no"
    await desk.happen(
        {**said("confirmed", 2, "e2"), "at": "2027-05-11T00:00:00Z"}, now=NOW + timedelta(days=1)
    )
    assert await desk.consent() == "yes"


async def test_a_confirmation_dated_ahead_is_taken_and_changes_nothing_until_then(desk: Desk) -> None:
    await desk.bring(AYSE)
    await desk.happen(said("revoked", 2, "e1"))
    early = {**said("confirmed", 2, "e2"), "at": "2030-01-01T00:00:00Z"}
    for dry_run, fate in ((True, (1, 0, 0, 0)), (False, (1, 0, 0, 0)), (False, (0, 0, 1, 0))):
        report = await desk.happen(early, dry_run=dry_run)
        assert (counts(report), report.warnings) == (fate, [])
    assert await desk.consent() == "no"
    assert await desk.suppressions.of("ayse@b.co") == {"commercial": "unsubscribed"}
    await WordsAhead(desk.database).take(datetime(2030, 1, 1, tzinfo=UTC))
    assert await desk.consent() == "yes"
    assert await desk.suppressions.of("ayse@b.co") == {}
    assert counts(await desk.happen(early, now=datetime(2031, 1, 1, tzinfo=UTC))) == (0, 0, 1, 0)
    assert len(await desk.customers.consent_entries("c1")) == 3


@pytest.mark.parametrize(("ahead", "consent"), [(AHEAD, "yes"), (AHEAD + timedelta(seconds=1), "no")])
async def test_clocks_may_differ_by_little(desk: Desk, ahead: timedelta, consent: str) -> None:
    await desk.bring({**AYSE, "consent": "no"})
    await desk.happen({**said("confirmed", 2, "e1"), "at": (NOW + ahead).isoformat()})
    assert await desk.consent() == consent
    assert {row["at"] for row in await desk.rows(consent_entry)} == {NOW}
    [row] = await desk.rows(customer_event)
    assert row["ahead"] is (consent == "no")


async def test_an_imported_yes_dated_ahead_counts_from_now_on_and_is_remarked_on(desk: Desk) -> None:
    early = {**AYSE, "consent": "yes", "consent_at": "2030-01-01"}
    remark = {
        "line": 2, "field": "consent_at", "reason": "This lies in the future; the consent counts from now on.",
    }  # fmt: skip
    for dry_run, fate, remarks in (
        (True, (1, 0, 0, 0), [remark]), (False, (1, 0, 0, 0), [remark]), (False, (0, 0, 1, 0), []),
    ):  # fmt: skip
        report = await desk.bring(early, dry_run=dry_run)
        assert counts(report) == fate
        assert [each.as_json() for each in report.warnings] == remarks
    assert await desk.consent() == "yes"
    [entry] = await desk.customers.consent_entries("c1")
    assert entry["at"] == NOW
    await desk.happen(said("revoked", 10, "e1"))
    assert (await desk.bring(early)).warnings == []
    assert await desk.consent() == "no"


async def test_an_import_cut_off_and_run_again_ends_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_lots, "LOT", 10)
    rows = [
        {"id": f"c{n}", "email": f"c{n}@b.co", "consent": "yes", "birthday": "1990-05-10"} for n in range(35)
    ]

    def cut() -> Iterator[Row | RowFault]:
        yield from _rows(rows)[:25]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await desk._customers.run(cut(), now=NOW)
    assert await Leases(desk.database).holder(IMPORT) is None
    assert counts(await desk.bring(*rows)) == (15, 0, 20, 0)
    assert counts(await desk.bring(*rows)) == (0, 0, 35, 0)
    assert len(await desk.rows(consent_entry)) == len(await desk.rows(customer_date)) == 35


async def test_planning_can_see_an_open_import_and_a_second_one_waits(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = Leases(desk.database)
    seen: list[str | None] = []

    async def look(rows: Any, now: datetime) -> Any:
        seen.append(await leases.holder(IMPORT))
        return await CustomerMerge(desk.database, load_zones()).merge(rows, now)

    monkeypatch.setattr(desk._customers._store, "merge", look)
    await desk.bring(AYSE)
    assert seen[0]
    assert await leases.holder(IMPORT) is None
    monkeypatch.setattr(of_lots, "PATIENCE_SECONDS", 0.0)
    assert await leases.acquire(IMPORT, "another", 30)
    with pytest.raises(UsageError, match="Another import is running"):
        await desk.bring(AYSE)


async def test_a_list_is_replaced_whole(desk: Desk) -> None:
    await desk.bring(AYSE, *({"id": f"m{n}", "email": "shared@b.co"} for n in range(2)), {"id": "c9"})
    report = await desk.load("beta", "c1", "nobody", "SHARED@b.co", "c1", "ghost@b.co")
    assert (report.created, report.unchanged, report.removed) == (3, 0, 0)
    assert [(fault.line, fault.field) for fault in report.rejected] == [(3, "id"), (6, "id")]
    report = await desk.load("beta", "c1", "c9")
    assert (report.created, report.unchanged, report.removed) == (1, 1, 2)
    assert [row["name"] for row in await desk.rows(named_list)] == ["beta"]
    assert len(await desk.rows(list_member)) == 2
    [kept] = await Lists(desk.database).all()
    assert (kept["name"], kept["members"]) == ("beta", 2)


async def test_a_list_load_that_ends_badly_leaves_the_old_list(desk: Desk) -> None:
    await desk.bring(AYSE)
    await desk.load("beta", "c1")
    lists = Lists(desk.database)
    await lists.begin("beta", NOW)

    def cut() -> Iterator[Row | RowFault]:
        yield Row(1, {"id": "c1"})
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await desk._lists.run("beta", cut(), now=NOW)
    assert [(one["name"], one["members"]) for one in await lists.all()] == [("beta", 1)]
    assert len(await desk.rows(named_list)) == 1


async def test_points_are_brought_up_to_date(desk: Desk) -> None:
    await desk.bring(AYSE)
    point = {
        "customer": "c1",
        "id": "p1",
        "service": "fibre",
        "postal_code": "34710",
        "lat": "41.0",
        "lon": 29,
    }
    report = await desk.place(
        point, {**point, "id": "p2"}, {**point, "customer": "x"}, {**point, "lat": "99"}, point
    )
    assert counts(report) == (2, 0, 1, 2)
    report = await desk.place(
        {"customer": "c1", "id": "p1", "label": "Home"}, point, {"customer": "c1", "id": "p2"}
    )
    assert counts(report) == (0, 1, 2, 0)
    first, second = await desk.rows(service_point)
    assert (first["label"], first["lat"], first["lon"], second["label"]) == ("Home", 41.0, 29.0, "")


async def test_suppressions_are_listed_added_and_removed(desk: Desk) -> None:
    assert await desk.suppressions.add("A@b.co", "all", "manual", "person", NOW)
    assert not await desk.suppressions.add("a@B.co", "all", "bounced", "person", NOW)
    await desk.suppressions.add("a@b.co", "commercial", "manual", "person", NOW)
    assert [(row["address"], row["scope"], row["reason"]) async for row in desk.suppressions.list()] == [
        ("a@b.co", "all", "manual"), ("a@b.co", "commercial", "manual"),
    ]  # fmt: skip
    assert await desk.suppressions.remove("A@B.CO", "all") == ["all"]
    assert await desk.suppressions.remove("a@b.co") == ["commercial"]
    assert await desk.suppressions.remove("a@b.co") == []
    assert await desk.rows(suppression) == []


async def test_what_people_chose_themselves_is_lifted_by_nobody_else(desk: Desk) -> None:
    chosen = {"commercial": "unsubscribed", "topic:news": "unsubscribed", "tracking": "unsubscribed"}
    for scope, reason in chosen.items():
        await desk.suppressions.add("a@b.co", scope, reason, "link", NOW)
    await desk.suppressions.add("a@b.co", "all", "bounced", "report", NOW)
    assert await desk.suppressions.remove("a@b.co") == ["all"]
    assert await desk.suppressions.remove("a@b.co", "commercial") == []
    assert await desk.suppressions.of("a@b.co") == chosen


async def test_customers_are_shown_listed_and_paged(desk: Desk) -> None:
    await desk.bring(AYSE, {"id": "c2"}, {"id": "c3"})
    await desk.place({"customer": "c1", "id": "p1", "service": "fibre"})
    await desk.suppressions.add("ayse@b.co", "all", "manual", "person", NOW)
    facts = await desk.customers.show("c1")
    assert facts is not None
    assert [point["id"] for point in facts["points"]] == ["p1"]
    assert [one["scope"] for one in facts["suppressions"]] == ["all"]
    assert [day["attribute"] for day in facts["dates"]] == ["birthday"]
    assert await desk.customers.show("nobody") is None
    assert [row["id"] async for row in desk.customers.list()] == ["c1", "c2", "c3"]
    first = await desk.customers.page(limit=2)
    assert [row["id"] for row in await desk.customers.page(after=first[-1]["key"])] == ["c3"]
    assert await desk.customers.count() == 3


async def test_a_strangers_file_from_end_to_end(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "müşteriler.csv"
    path.write_text(
        "\ufeffMüşteri No;E-Posta;Ad;Dil;Saat Dilimi;Ülke;Doğum;Şehir;İzin\r\n"
        "1001;ayse@örnek.com.tr;Ayşe;tr_TR;;TR;1990-05-10;İzmir;evet\r\n"
        "1002;john@shop.example;John;en-GB;Europe/London;;--02-29;;hayır\r\n"
        "1003;bad@@shop.example;Bad;;;;;;\r\n"
        '1004;x@shop.example;"Un;closed;;;;;\r\n'
        "1005;;Posta Yok;;Mars/Base;;1970-01-01;Van;\r\n"
        "1006;{{7*7}}@shop.example;{{7*7}};;;;;;\r\n",
        encoding="utf-8",
        newline="",
    )
    maps = ["Müşteri No=id", "E-Posta=email", "Ad=first_name", "Dil=locale", "Saat Dilimi=timezone",
            "Ülke=country", "Doğum=birthday", "İzin=consent"]  # fmt: skip
    with RowFile(path, Columns.mapped(FIELDS, maps), required=("id",)) as rows:
        report = await desk._customers.run(rows, now=NOW)
    assert report.created == 4
    assert [(fault.line, fault.field) for fault in report.rejected] == [(4, "email"), (5, "")]
    assert (report.placeholders, len(report.warnings)) == (1, 1)
    ayse = await desk.customers.show("1001")
    assert ayse is not None
    assert (ayse["locale"], ayse["zone"], ayse["consent"]) == ("tr-TR", "Europe/Istanbul", "yes")
    assert ayse["attributes"] == {"birthday": "1990-05-10", "Şehir": "İzmir"}
    literal = await desk.customers.get("1006")
    assert literal is not None
    assert literal.first_name == "{{7*7}}"


async def test_json_lines_of_events_and_points_from_files(desk: Desk, tmp_path: Path) -> None:
    await desk.bring(AYSE)
    events = tmp_path / "events.jsonl"
    events.write_text("\n".join(json.dumps(row) for row in (EVENT, said("revoked", 2, "e2"))) + "\n{\n")
    with RowFile(events, Columns(EVENT_FIELDS), required=("id",)) as rows:
        report = await desk._events.run(rows, now=NOW)
    assert counts(report) == (2, 0, 0, 1)
    points = tmp_path / "points.csv"
    points.write_text("customer,id,service,postal_code,lat,lon,label\nc1,p1,fibre,34710,41,29,Home\n")
    with RowFile(points, Columns(POINT_FIELDS), required=("customer",)) as rows:
        assert counts(await desk._points.run(rows, now=NOW)) == (1, 0, 0, 0)
    async with desk.database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(service_point)) == 1


async def test_postgresql_knows_how_much_a_large_import_brought(postgresql_url: str) -> None:
    database = await Database.connect(postgresql_url)
    desk = Desk(database)
    many = [{"id": f"c{number}", "email": f"c{number}@b.co"} for number in range(MANY)]
    seen = text("select reltuples from pg_class where relname = 'customer'")
    assert (await desk.bring(*many, dry_run=True)).created == MANY
    async with database.read() as connection:
        assert await connection.scalar(seen) == -1, "as long as nobody looked"
    assert (await desk.bring(*many)).created == MANY
    async with database.read() as connection:
        assert await connection.scalar(seen) == MANY
    await database.close()
