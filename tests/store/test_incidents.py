"""Incidents on both databases: whom they cover, and that every notice is written once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, insert, select, update

from mailer.core.area import Area
from mailer.core.geo import Polygon
from mailer.core.handoff import Go, Start, Wait
from mailer.core.incident import Incident, IncidentState, Update
from mailer.core.incident_change import Change, next_update
from mailer.core.notice import steps
from mailer.core.pace import Hours
from mailer.core.postal import matches
from mailer.core.publication import PRIORITY, Publication, Publisher, publication
from mailer.core.quiet import QuietHours
from mailer.errors import UsageError
from mailer.store.affected import affected_ids, affected_points
from mailer.store.control import Control
from mailer.store.engine import Database
from mailer.store.incidents import Incidents
from mailer.store.ledger import Ledger
from mailer.store.recipients import Recipients
from mailer.store.senders import Senders
from mailer.store.tables import (
    customer,
    delivery,
    incident_recipient,
    list_member,
    named_list,
    run,
    service_point,
    suppression,
)
from tests.store.rows import a_customer_row, a_version, add, one

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
HOURS = Hours(ZoneInfo("Europe/Istanbul"), QuietHours.parse("21:00-09:00"))


async def a_point(database: Database, customer_id: int, ext_id: str, service: str, postal_code: str) -> None:
    await add(
        database, service_point, customer_id=customer_id, ext_id=ext_id, service=service,
        postal_code=postal_code, label=f"label {ext_id}", stored_at=NOW,
    )  # fmt: skip


async def a_list(database: Database, name: str, *members: int) -> None:
    list_id = await add(database, named_list, name=name, loaded_at=NOW)
    async with database.write() as conn:
        await conn.execute(insert(list_member), [{"list_id": list_id, "customer_id": key} for key in members])


async def covered(database: Database, area: Area) -> dict[str, list[str]]:
    async with database.read() as conn:
        everyone = (await conn.scalars(select(customer.c.id))).all()
        found = await affected_points(conn, area, everyone)
        assert await affected_ids(conn, area) == set(found)
        names = {row.id: row.ext_id for row in await conn.execute(select(customer.c.id, customer.c.ext_id))}
    return {
        names[key]: [f"{point['id']}/{point['service']}/{point['postal_code']}" for point in points]
        for key, points in found.items()
    }


@pytest.fixture
async def town(database: Database) -> Database:
    """Customers with points, without any, on lists, and nowhere."""
    two = await a_customer_row(database, "two", postal_code="34999", services=["fibre"])
    await a_point(database, two, "p1", "fibre", "34710")
    await a_point(database, two, "p2", "tv", "35100")
    own = await a_customer_row(database, "own", postal_code="34710", services=["fibre", "tv"])
    none = await a_customer_row(database, "none", postal_code="34710")
    far = await a_customer_row(database, "far", postal_code="06100", services=["Fibre"])
    lost = await a_customer_row(database, "lost")
    await a_point(database, lost, "p3", "fibre", "")
    await a_list(database, "vip", far, two)
    await a_list(database, "staff", own, none)
    return database


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (Area.of(postal=["34710"]),
         {"two": ["p1/fibre/34710"], "own": ["/fibre, tv/34710"], "none": ["//34710"]}),
        (Area.of(["fibre"], ["34*"]), {"two": ["p1/fibre/34710"], "own": ["/fibre/34710"]}),
        (Area.of(["tv"], ["34*"]), {"own": ["/tv/34710"]}),
        (Area.of(["fibre"]), {"two": ["p1/fibre/34710"], "own": ["/fibre/34710"], "lost": ["p3/fibre/"]}),
        (Area.of(["Fibre"]), {"far": ["/Fibre/06100"]}),
        (Area.of(postal=["3*", "06100"]),
         {"two": ["p1/fibre/34710", "p2/tv/35100"], "own": ["/fibre, tv/34710"], "none": ["//34710"],
          "far": ["/Fibre/06100"]}),
        (Area.of(lists=["vip"]), {"two": ["p1/fibre/34710", "p2/tv/35100"], "far": ["/Fibre/06100"]}),
        (Area.of(["fibre"], ["99*"], lists=["vip"]), {"two": ["p1/fibre/34710"], "far": []}),
        (Area.of(postal=["34*"], exclusions=["staff"]), {"two": ["p1/fibre/34710"]}),
        (Area.of(lists=["vip", "staff"], exclusions=["vip"]),
         {"own": ["/fibre, tv/34710"], "none": ["//34710"]}),
        (Area.of(["fax"]), {}),
    ],
    ids=lambda value: None if isinstance(value, dict) else "+".join(
        word for words in value.as_json().values() for word in words
    ).replace("*", "_"),
)  # fmt: skip
async def test_area(town: Database, area: Area, expected: dict[str, list[str]]) -> None:
    assert await covered(town, area) == expected


@pytest.fixture
async def mapped(database: Database) -> Database:
    """Points on the map: in the square, on its edge, in its hole, away, and nobody knows where."""
    places = {"in": (1.0, 1.0), "edge": (10.0, 5.0), "hole": (5.0, 5.0), "away": (11.0, 5.0), "lost": None}
    for name, place in places.items():
        key = await a_customer_row(database, name, services=["fibre"])
        lon, lat = place or (None, None)
        await add(
            database, service_point, customer_id=key, ext_id=f"p-{name}", service="fibre",
            postal_code="34710" if name in ("away", "hole") else "", label="", stored_at=NOW, lat=lat, lon=lon,
        )  # fmt: skip
    await a_customer_row(database, "pointless", postal_code="34710", services=["fibre"])
    await a_list(database, "vip", 4, 5)
    return database


DRAWN = Polygon.from_json([
    [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]], [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]],
])  # fmt: skip


@pytest.mark.parametrize(
    ("area", "expected", "lost"),
    [
        pytest.param(Area.of(polygons=[DRAWN]), ["in", "edge"], 2, id="drawn"),
        pytest.param(Area.of(["fibre"], polygons=[DRAWN]), ["in", "edge"], 2, id="drawn_and_service"),
        pytest.param(Area.of(["tv"], polygons=[DRAWN]), [], 0, id="another_service"),
        pytest.param(
            Area.of(postal=["34710"], polygons=[DRAWN]),
            ["in", "edge", "hole", "away", "pointless"],
            1,
            id="or_code",
        ),
        pytest.param(
            Area.of(lists=["vip"], polygons=[DRAWN]), ["in", "edge", "away", "lost"], 2, id="or_listed"
        ),
        pytest.param(Area.of(polygons=[DRAWN], exclusions=["vip"]), ["in", "edge"], 2, id="excluded"),
        pytest.param(
            Area.of(polygons=[DRAWN, Polygon(DRAWN.rings[1:])]), ["in", "edge", "hole"], 2, id="two_polygons"
        ),
    ],
)
async def test_area_on_the_map(mapped: Database, area: Area, expected: list[str], lost: int) -> None:
    assert list(await covered(mapped, area)) == expected
    reach = await Incidents(mapped).reach(area, 20)
    assert (reach.count, reach.unmappable) == (len(expected), lost)


async def test_patterns_mean_the_same_in_sql(database: Database) -> None:
    codes = ["", "3", "34", "34710", "3471O", "35", "SW1A 1AA", "sw1a 1aa", "34_", "34%", "İ34", "34é"]
    for code in codes:
        await a_customer_row(database, f"c:{code}", postal_code=code)
    for pattern in ("34*", "34710", "SW1A*", "s*", "3*", "34", "SW1A 1AA"):
        found = await covered(database, Area.of(postal=[pattern]))
        assert set(found) == {f"c:{code}" for code in codes if matches(pattern, code)}, pattern


async def test_reach(town: Database) -> None:
    nowhere = await a_customer_row(town, "nowhere", services=["fibre"], email="")
    gone = await a_customer_row(town, "gone", postal_code="34710", services=["fibre"])
    await add_suppression(town, "gone@shop.example", "all")
    await add_suppression(town, "own@shop.example", "commercial")
    mute = await a_customer_row(town, "mute", postal_code="34710", services=["fibre"], email="")
    assert nowhere < gone < mute
    reach = await Incidents(town).reach(Area.of(["fibre"], ["34*"]), 2)
    assert (reach.count, reach.unreachable, reach.unmappable) == (4, 2, 2)
    assert [sample for sample, _points in reach.samples] == ["two", "gone"]
    assert (await Incidents(town).reach(Area.of(["fibre"]), 20)).unmappable == 0
    assert await Incidents(town).unknown_lists(["vip", "ghost"]) == ["ghost"]


async def add_suppression(database: Database, address: str, scope: str) -> None:
    async with database.write() as conn:
        await conn.execute(
            insert(suppression).values(email_key=address, scope=scope, reason="r", source="s", at=NOW)
        )


class Desk:
    """An incident on a database, published by the campaign `outage`, without the use case around it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.incidents = Incidents(database)
        self.recipients = Recipients(database)
        self.now = NOW
        self.id = 0
        self.version = 0

    async def open(self, area: Area) -> int | None:
        self.version = await a_version(self.database, "outage")
        first = Update(1, IncidentState.INVESTIGATING, "Fibre fault", area, self.now, "ayse", eta=NOW)
        self.id = await self.incidents.create(first, planned=False, published=True)
        return await self.plan()

    async def update(self, minutes: int = 60, **change: Any) -> int | None:
        self.now += timedelta(minutes=minutes)
        await self.incidents.append(
            self.id, next_update(await self.incident(), Change(**change), self.now, "ayse")
        )
        return await self.plan()

    async def incident(self) -> Incident:
        found = await self.incidents.get(self.id)
        assert found is not None
        return found

    async def decide(self) -> list[Publication]:
        incident = await self.incident()
        publisher = Publisher("outage", self.version, "kardelen.example")
        return [
            publication(incident, decided, people, publisher, HOURS, self.now)
            async for people in self.recipients.look(incident, "outage")
            if (decided := steps(incident, people, HOURS))
        ]

    async def write(self, parts: list[Publication]) -> int | None:
        queued = [await self.recipients.write(part, self.now) for part in parts]
        return None if None in queued else sum(filter(None, queued))

    async def plan(self) -> int | None:
        return await self.write(await self.decide())

    async def answer(self, state: str, *customers: str, reason: str | None = None) -> None:
        """What becomes of everything not yet settled, for these customers or for all."""
        whose = select(customer.c.id)
        if customers:
            whose = whose.where(customer.c.ext_id.in_(customers))
        async with self.database.write() as conn:
            await conn.execute(
                update(delivery)
                .where(
                    delivery.c.customer_id.in_(whose), delivery.c.state.in_(["queued", "deferred", "sending"])
                )
                .values(state=state, reason=reason)
            )

    async def ledger(self) -> list[tuple[str, str, str, str]]:
        """(occurrence, customer, kind, state or why not), in order."""
        async with self.database.read() as conn:
            rows = await conn.execute(
                select(
                    run.c.occurrence, customer.c.ext_id, delivery.c.kind,
                    func.coalesce(delivery.c.reason, delivery.c.state),
                )
                .select_from(delivery)
                .join(run, run.c.id == delivery.c.run_id)
                .join(customer, customer.c.id == delivery.c.customer_id)
                .order_by(run.c.incident_update, customer.c.id)
            )  # fmt: skip
            return [tuple(row) for row in rows]  # type: ignore[misc]

    async def runs(self) -> dict[str, str]:
        async with self.database.read() as conn:
            return {row.occurrence: row.state for row in await conn.execute(select(run).order_by(run.c.id))}


async def test_case_16(database: Database) -> None:
    for name, home in (("A", "34710"), ("B", "34722"), ("C", "34722")):
        await a_customer_row(database, name, postal_code=home)
    desk = Desk(database)
    assert await desk.open(Area.of(postal=["34710"])) == 1
    await desk.answer("sent", "A")
    assert await desk.update(add_postal=("34722",)) == 2
    await desk.answer("sent", "B")
    assert await desk.update(120, state=IncidentState.RESOLVED) == 2
    assert await desk.ledger() == [
        ("1:1", "A", "first", "sent"),
        ("1:2", "B", "first", "sent"),
        ("1:2", "C", "first", "cancelled"),
        ("1:3", "A", "closure", "queued"),
        ("1:3", "B", "closure", "queued"),
    ]
    assert await desk.plan() == 0
    lines = [line async for line in desk.incidents.list(desk.now)]
    assert lines == [
        {"id": 1, "title": "Fibre fault", "state": "resolved", "opened_at": NOW, "update": 3, "reached": 2,
         "unreachable": 0, "starts_at": None, "ends_at": None, "next_update": None, "overdue": False,
         "draft": False},
    ]  # fmt: skip
    outcome = await desk.incidents.outcome(1)
    assert outcome == {
        "reached": 2,
        "notices": {"first": {"sent": 2, "cancelled": 1}, "closure": {"queued": 2}},
        "held": 0,
        "unreachable": [],
    }


async def test_rows_of_a_notice(database: Database) -> None:
    key = await a_customer_row(database, "A")
    await a_point(database, key, "p1", "fibre", "34710")
    await a_point(database, key, "p2", "fibre", "34711")
    desk = Desk(database)
    await desk.open(Area.of(["fibre"], ["34*"]))
    async with database.read() as conn:
        first = (await conn.execute(select(delivery))).mappings().one()
        of = (await conn.execute(select(run))).mappings().one()
        recipient = (await conn.execute(select(incident_recipient))).mappings().one()
    assert (first["once_key"], first["purpose"], first["priority"]) == ("incident:1:A:1", "service", PRIORITY)
    assert first["message_id"].startswith(f"<incident.1.1.{key}.")
    assert [point["id"] for point in first["context"]["points"]] == ["p1", "p2"]
    assert (first["context"]["kind"], first["context"]["in_reply_to"]) == ("first", None)
    assert (first["due_at"], first["not_before"], first["expires_at"]) == (NOW, NOW, None)
    assert (of["occurrence"], of["state"], of["priority"], of["incident_update"]) == (
        "1:1",
        "queued",
        1000,
        1,
    )
    assert of["content"]["incident"]["title"] == "Fibre fault"
    assert of["content"]["incident"]["eta"] is None  # over when it was published
    assert recipient["first_message_id"] == first["message_id"]
    await desk.answer("sent")
    await desk.update(message="Found it.")
    async with database.read() as conn:
        second = (await conn.execute(select(delivery).order_by(delivery.c.id.desc()))).mappings().first()
    assert second is not None
    assert second["context"]["in_reply_to"] == first["message_id"]
    assert second["message_id"] not in (None, first["message_id"])


async def test_two_points_one_address_one_notice(database: Database) -> None:
    for name in ("older", "newer"):
        key = await a_customer_row(database, name, email="X@y.example" if name == "older" else "x@Y.example")
        await a_point(database, key, f"p-{name}", "fibre", "34710")
    desk = Desk(database)
    assert await desk.open(Area.of(postal=["34710"])) == 1
    assert await desk.ledger() == [
        ("1:1", "older", "first", "queued"),
        ("1:1", "newer", "first", "duplicate"),
    ]
    async with database.read() as conn:
        notice = (await conn.execute(select(delivery).order_by(delivery.c.id))).mappings().first()
    assert notice is not None
    assert [point["id"] for point in notice["context"]["points"]] == ["p-older", "p-newer"]


async def test_run_grows_after_it_was_finished(database: Database) -> None:
    await a_customer_row(database, "A", postal_code="34710")
    desk = Desk(database)
    await desk.open(Area.of(postal=["34710"]))
    await desk.answer("sent")
    async with database.write() as conn:
        await conn.execute(update(run).values(state="finished", finished_at=NOW))
    assert await desk.plan() == 0
    assert await desk.runs() == {"1:1": "finished"}
    await a_customer_row(database, "B", postal_code="34710")
    assert await desk.plan() == 1
    assert await desk.runs() == {"1:1": "queued"}
    assert (await one(database, run, 1))["finished_at"] is None


async def test_found_address_is_written_to_under_the_same_update(database: Database) -> None:
    key = await a_customer_row(database, "A", postal_code="34710", email="")
    desk = Desk(database)
    assert await desk.open(Area.of(postal=["34710"])) == 0
    assert await desk.ledger() == [("1:1", "A", "first", "not_eligible")]
    assert (await desk.incidents.outcome(1))["unreachable"] == [
        {
            "customer": "A",
            "address": "",
            "points": [{"id": "", "service": "", "postal_code": "34710", "label": ""}],
        }
    ]
    async with database.write() as conn:
        await conn.execute(
            update(customer).where(customer.c.id == key).values(email="A@x.example", email_key="a@x.example")
        )
    assert await desk.plan() == 1
    assert await desk.plan() == 0
    assert await desk.ledger() == [("1:1", "A", "first", "queued")]
    async with database.read() as conn:
        row = (await conn.execute(select(delivery))).mappings().one()
    assert (row["email"], row["email_key"]) == ("A@x.example", "a@x.example")
    assert (await desk.incidents.outcome(1))["unreachable"] == []


async def test_another_address_than_the_one_that_was_refused_is_written_to_under_the_same_update(
    database: Database,
) -> None:
    key = await a_customer_row(database, "A", postal_code="34710", email="wrong@x.example")
    desk = Desk(database)
    await desk.open(Area.of(postal=["34710"]))
    await desk.answer("failed", reason="refused")
    assert await desk.plan() == 0
    async with database.write() as conn:
        await conn.execute(
            update(customer).where(customer.c.id == key).values(email="A@x.example", email_key="a@x.example")
        )
    assert await desk.plan() == 1
    assert await desk.plan() == 0
    assert await desk.ledger() == [("1:1", "A", "first", "queued")]


async def test_only_the_newest_update_can_be_tried_again(database: Database) -> None:
    await a_customer_row(database, "A", postal_code="34710")
    desk, control = Desk(database), Control(database)
    await desk.open(Area.of(postal=["34710"]))
    await desk.answer("failed", reason="render")
    await control.retry(1, desk.now)
    await desk.answer("failed", reason="render")
    await desk.update(message="More.")
    with pytest.raises(UsageError, match="tells of update 1 of incident 1, which is at update 2; only that"):
        await control.retry(1, desk.now)
    assert await desk.ledger() == [("1:1", "A", "first", "render"), ("1:2", "A", "first", "queued")]


async def test_overtaken_decision_is_not_carried_out(database: Database) -> None:
    await a_customer_row(database, "A", postal_code="34710")
    desk = Desk(database)
    await desk.open(Area.of(postal=["34710"]))
    await desk.answer("sent")
    await a_customer_row(database, "B", postal_code="34710")
    stale = await desk.decide()
    await desk.update(state=IncidentState.RESOLVED)
    assert await desk.write(stale) is None
    assert [row for row in await desk.ledger() if row[1] == "B"] == []


async def test_notice_that_began_to_leave_is_not_replaced(database: Database) -> None:
    await a_customer_row(database, "A", postal_code="34710")
    desk = Desk(database)
    await desk.open(Area.of(postal=["34710"]))
    new = next_update(await desk.incident(), Change(message="Two."), NOW + timedelta(hours=1), "ayse")
    await desk.incidents.append(desk.id, new)
    late = await desk.decide()
    assert [len(move.cancel) for part in late for move in part.moves] == [1]
    await desk.answer("sending")
    assert await desk.write(late) == 0
    assert await desk.ledger() == [("1:1", "A", "first", "sending")]
    await desk.answer("sent")
    assert await desk.plan() == 1
    assert (await desk.ledger())[1] == ("1:2", "A", "update", "queued")


async def test_cancelled_notice_is_taken_from_its_sender(database: Database) -> None:
    await a_customer_row(database, "A", postal_code="34710")
    desk = Desk(database)
    await desk.open(Area.of(postal=["34710"]))
    ledger = Ledger(database)
    sender = await Senders(database).register("h", 1, NOW, 20.0)
    (claimed,) = await ledger.claim(sender, NOW, 10)
    (job,) = await ledger.load([claimed])
    assert (job.kind, job.occurrence, job.content["incident"]["state"]) == ("first", "1:1", "investigating")
    assert job.message_id is not None
    await desk.update(state=IncidentState.RESOLVED)
    verdicts = await ledger.advance(sender, NOW, [], [Start(claimed, job.message_id)], lambda _facts: Go())
    assert verdicts == {claimed: Wait(None)}
    assert (await one(database, delivery, claimed))["state"] == "cancelled"
    assert await ledger.finish_runs(desk.now) == [1]


async def test_planned_twice_at_once_is_planned_once(database: Database) -> None:
    for number in range(30):
        await a_customer_row(database, f"c{number}", postal_code="34710")
    desk = Desk(database)
    await desk.open(Area.of(postal=["99999", "34710"]))
    await desk.answer("sent")
    await desk.incidents.append(
        desk.id, next_update(await desk.incident(), Change(message="Two."), NOW + timedelta(hours=1), "ayse")
    )
    both = await asyncio.gather(desk.plan(), desk.plan())
    assert sum(filter(None, both)) == 30
    rows = await desk.ledger()
    assert len(rows) == 60
    assert len(set(rows)) == 60


async def test_writing_that_was_cut_off_is_completed(database: Database) -> None:
    for number in range(3):
        await a_customer_row(database, f"c{number}", postal_code="34710")
    desk = Desk(database)
    await desk.open(Area.of(postal=["34710"]))
    async with database.write() as conn:  # as if it had stopped before the last customer
        await conn.execute(delivery.delete().where(delivery.c.id == 3))
        await conn.execute(incident_recipient.delete().where(incident_recipient.c.customer_id == 3))
    assert await desk.plan() == 1
    assert await desk.runs() == {"1:1": "queued"}


async def test_only_the_unsettled_are_looked_at(database: Database) -> None:
    for name in ("A", "B", "C"):
        await a_customer_row(database, name, postal_code="34710")
    desk = Desk(database)
    await desk.open(Area.of(postal=["34710"]))
    assert await looked_at(desk) == []
    await desk.answer("sent", "A", "B")
    assert await looked_at(desk) == []
    await a_customer_row(database, "D", postal_code="34710", email="a@shop.example")
    assert await looked_at(desk) == ["A", "D"]  # they share an address
    await add_suppression(database, "b@shop.example", "all")
    assert await looked_at(desk) == ["A", "B", "D"]
    await desk.update(state=IncidentState.RESOLVED)
    assert await looked_at(desk) == ["B"]  # who gets no closure, being unreachable
    await desk.answer("sent")
    assert await looked_at(desk) == ["B"]


async def looked_at(desk: Desk) -> list[str]:
    incident = await desk.incident()
    return sorted([person.id async for part in desk.recipients.look(incident, "outage") for person in part])


async def test_sweep_takes_back_all_that_is_queued_but_farewells(database: Database) -> None:
    for name, home in (("A", "34710"), ("B", "34722"), ("C", "34710"), ("D", "34710")):
        await a_customer_row(database, name, postal_code=home)
    desk = Desk(database)
    await desk.open(Area.of(postal=["34710", "34722"]))
    await desk.answer("sent", "A", "B")
    await desk.answer("sending", "D")
    await desk.update(remove_postal=("34722",))
    new = next_update(
        await desk.incident(), Change(state=IncidentState.RESOLVED), NOW + timedelta(hours=2), "ayse"
    )
    await desk.incidents.append(desk.id, new)
    assert await desk.recipients.sweep(await desk.incident(), "outage", desk.now) == 1
    assert await desk.plan() == 1
    assert await desk.ledger() == [
        ("1:1", "A", "first", "sent"),
        ("1:1", "B", "first", "sent"),
        ("1:1", "C", "first", "cancelled"),
        ("1:1", "D", "first", "sending"),
        ("1:2", "B", "unaffected", "queued"),
        ("1:2", "C", "first", "cancelled"),
        ("1:3", "A", "closure", "queued"),
    ]


async def test_two_people_update_at_once(database: Database) -> None:
    await a_customer_row(database, "A", postal_code="34710")
    desk = Desk(database)
    await desk.open(Area.of(postal=["34710"]))
    mine = next_update(await desk.incident(), Change(message="Mine."), NOW + timedelta(hours=1), "ayse")
    theirs = next_update(await desk.incident(), Change(message="Theirs."), NOW + timedelta(hours=1), "can")
    await desk.incidents.append(desk.id, theirs)
    with pytest.raises(UsageError, match="somebody else"):
        await desk.incidents.append(desk.id, mine)
    assert (await desk.incident()).current.message == "Theirs."


async def test_incident_comes_back_as_written(database: Database) -> None:
    desk = Desk(database)
    hour, day = timedelta(hours=1), timedelta(days=1)
    first = Update(
        number=1, state=IncidentState.SCHEDULED, title="Bakım çalışması", at=NOW, by="ayşe", message="Mesaj",
        area=Area.of(["fibre"], ["34*"], ["vip"], ["staff"], [DRAWN]), eta=NOW + hour, next_update=NOW + 2 * hour,
        starts_at=NOW + 3 * day, ends_at=NOW + 4 * day, lead="48h", urgent=True,
    )  # fmt: skip
    desk.id = await desk.incidents.create(first, planned=True, published=False)
    assert await desk.incident() == Incident(desk.id, planned=True, opened_at=NOW, updates=(first,))
    assert await desk.incidents.public(NOW - timedelta(days=1)) == []
    await desk.incidents.publish(desk.id, 1, NOW, "ayse")
    assert await desk.incidents.public(NOW - timedelta(days=1)) == [desk.id]
    assert await desk.incidents.get(99) is None


async def test_public_incidents(database: Database) -> None:
    desk = Desk(database)
    await a_customer_row(database, "A", postal_code="34710")
    await desk.open(Area.of(postal=["34710"]))
    await desk.update(state=IncidentState.RESOLVED)
    assert await desk.incidents.public(desk.now - timedelta(hours=24)) == [desk.id]
    assert await desk.incidents.public(desk.now) == []


async def test_twenty_thousand(sqlite_database: Database) -> None:
    rows = [
        {"ext_id": f"c{number}", "email": f"c{number}@shop.example", "email_key": f"c{number}@shop.example",
         "postal_code": "34710", "services": ["fibre"], "attributes": {}, "stored_at": NOW, "updated_at": NOW}
        for number in range(20_000)
    ]  # fmt: skip
    async with sqlite_database.write() as conn:
        await conn.execute(insert(customer), rows)
    desk = Desk(sqlite_database)
    assert await desk.open(Area.of(["fibre"], ["34*"])) == 20_000
    await desk.answer("sent")
    assert await desk.plan() == 0
    assert await desk.update(state=IncidentState.RESOLVED) == 20_000
    assert (await desk.incidents.outcome(desk.id))["reached"] == 20_000
