"""Incidents by API: what the command line does, done by programs, once, and refused with the same sentences."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from mailer.core.access import Scope
from mailer.store.engine import Database
from mailer.store.tables import delivery, incident, incident_update
from tests.store.rows import NOW, a_customer_row
from tests.web.api.conftest import Gate

JSON = {"Content-Type": "application/json"}
FAULT = {"title": "Fiber arızası", "postal": ["34*"]}
URL = "/api/incidents"
SQUARE = {"type": "Polygon", "coordinates": [[[29.0, 40.9], [29.1, 40.9], [29.1, 41.0], [29.0, 40.9]]]}


@pytest.fixture
async def shop(make_gate: Callable[..., Gate], database: Database) -> Gate:
    return await opened(make_gate, database)


@pytest.fixture
async def small(make_gate: Callable[..., Gate], sqlite_database: Database) -> Gate:
    return await opened(make_gate, sqlite_database)


@pytest.fixture
async def program(shop: Gate) -> AsyncIterator[httpx.AsyncClient]:
    async with shop.client(await shop.token()) as client:
        yield client


@pytest.fixture
async def client(small: Gate) -> AsyncIterator[httpx.AsyncClient]:
    async with small.client(await small.token()) as found:
        yield found


async def opened(make_gate: Callable[..., Gate], database: Database, **settings: Any) -> Gate:
    """A shop with a campaign that tells of incidents, and three customers: two in one place, one without an address."""
    gate = make_gate(database, api="{rate: 10000}", **settings)
    (gate.app.settings.jobs_dir / "outage.yaml").write_text(
        "purpose: service\ntrigger: {incident: any}\n", "utf-8"
    )
    folder = gate.app.settings.templates_dir / "outage"
    folder.mkdir()
    (folder / "subject.txt").write_text("{{ incident.title }}", "utf-8")
    (folder / "body.txt").write_text("{{ incident.state }}: {{ incident.message }}", "utf-8")
    for name, home in (("A", "34710"), ("B", "34722"), ("C", "35000")):
        await a_customer_row(database, name, postal_code=home, services=["fibre"])
    return gate


async def count(gate: Gate, table: Any) -> int:
    async with gate.app.db.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def test_from_the_first_word_to_the_all_clear(shop: Gate, program: httpx.AsyncClient) -> None:
    said = FAULT | {
        "titles": {"en": "Fibre fault"}, "message": "Kablo koptu.\nEkip yolda.", "messages": {"en": "A cable was cut."},
        "eta": "2h", "next_update": "2027-05-10T11:00", "urgent": False, "lists": [], "state": None,
    }  # fmt: skip
    told = await program.post(URL, json=said)
    assert (told.status_code, told.json()) == (
        201,
        {"id": 1, "update": 1, "new": True, "published": True, "approval": None,
         "reach": {"count": 2, "unreachable": 0, "unmappable": 0}, "warnings": []},
    )  # fmt: skip
    assert await count(shop, delivery) == 2
    more = await program.post(
        f"{URL}/1/updates", json={"state": "identified", "add_postal": ["35000"], "services": ["fibre"]}
    )
    assert (more.status_code, more.json()["update"], more.json()["reach"]) == (201, 2, None)
    assert await count(shop, delivery) > 2
    over = await program.post(f"{URL}/1/resolve", json={"message": "Onarıldı."})
    assert (over.status_code, over.json()["update"]) == (201, 3)

    shown = (await program.get(f"{URL}/1")).json()
    first, second, third = shown["updates"]
    assert (first["titles"], first["eta"], first["next_update"]) == (
        {"en": "Fibre fault"}, "2027-05-10T09:00:00Z", "2027-05-10T08:00:00Z",
    )  # fmt: skip
    assert first["message"] == "Kablo koptu.\nEkip yolda."
    assert (second["area"]["postal"], second["area"]["services"]) == (["34*", "35000"], ["fibre"])
    assert (third["state"], third["message"]) == ("resolved", "Onarıldı.")
    assert {each["by"] for each in shown["updates"]} == {"api:shop"} == {shown["published_by"]}
    assert shown["unreachable"] == 0
    assert (await program.get(f"{URL}/{'0' * 3}1")).json()["id"] == 1
    assert shop.told == []


async def test_a_draft_tells_nobody_until_it_is_published(shop: Gate, program: httpx.AsyncClient) -> None:
    draft = await program.post(
        URL, json=FAULT | {"draft": True, "starts_at": "2027-05-20T02:00:00Z", "lead": "24h"}
    )
    assert (draft.status_code, draft.json()["published"]) == (201, False)
    assert (await program.post(f"{URL}/1/updates", json={"message": "Bakım"})).json()["published"] is False
    assert (await program.get(URL)).json()["incidents"][0]["draft"] is True
    first, again = [await program.post(f"{URL}/1/publish") for _ in range(2)]
    assert [(each.status_code, each.json()["new"], each.json()["published"]) for each in (first, again)] == [
        (201, True, True), (200, False, True),
    ]  # fmt: skip
    assert (await program.get(f"{URL}/1")).json()["published_by"] == "api:shop"
    gone = await program.post(f"{URL}/1/cancel", json={})
    assert (gone.status_code, (await program.get(f"{URL}/1")).json()["state"]) == (201, "cancelled")


async def test_what_would_come_of_it(shop: Gate, program: httpx.AsyncClient) -> None:
    await a_customer_row(shop.app.db, "D", email="", postal_code="34999", services=["fibre"])
    seen = await program.post(f"{URL}/preview", json=FAULT | {"services": ["fiber"], "postal": ["34*"]})
    assert seen.json()["warnings"] == [
        "No customer and no point has the service 'fiber'; did you mean 'fibre'?"
    ]
    seen = await program.post(f"{URL}/preview", json=FAULT)
    assert seen.json() == {
        "count": 3, "told": 2, "left_out": {"not_eligible": 1}, "unreachable": 1, "unmappable": 0,
        "samples": ["A", "B", "D"], "not_told": [{"customer": "D", "reason": "not_eligible"}], "warnings": [],
    }  # fmt: skip
    assert await count(shop, incident) == 0
    for odd in ({"starts_at": "2020-01-01"}, {"eta": "2020-01-01"}, {"lead": "48h"}, {"state": "resolved"}):
        asked = [await program.post(path, json=FAULT | odd) for path in (f"{URL}/preview", URL)]
        assert {each.status_code for each in asked} == {422}
        assert asked[0].json() == asked[1].json()
    (shop.app.settings.jobs_dir / "outage.yaml").unlink()
    assert "No campaign tells" in (await program.post(f"{URL}/preview", json=FAULT)).json()["warnings"][0]
    refused = await program.post(URL, json=FAULT)
    assert (refused.status_code, refused.json()["detail"][:17]) == (409, "No campaign tells")


async def test_the_list_goes_on_where_it_stopped(program: httpx.AsyncClient) -> None:
    for _ in range(3):
        await program.post(URL, json=FAULT)
    first = (await program.get(URL, params={"limit": 2})).json()
    rest = (await program.get(URL, params={"limit": 2, "after": first["next"]})).json()
    assert ([each["id"] for each in first["incidents"]], first["next"]) == ([1, 2], 2)
    assert ([each["id"] for each in rest["incidents"]], rest["next"]) == ([3], None)


async def test_what_comes_again_is_done_once(shop: Gate, program: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "alarm-7"}
    first, again = [await program.post(URL, json=FAULT, headers=key) for _ in range(2)]
    assert [(each.status_code, each.json()["id"], each.json()["new"]) for each in (first, again)] == [
        (201, 1, True), (200, 1, False),
    ]  # fmt: skip
    other = await program.post(URL, json=FAULT | {"title": "Başka"}, headers=key)
    elsewhere = await program.post(f"{URL}/1/resolve", json={}, headers=key)
    assert [(each.status_code, each.json()["field"]) for each in (other, elsewhere)] == [
        (422, "Idempotency-Key")
    ] * 2
    done = {"Idempotency-Key": "alarm-7-over"}
    ends = [await program.post(f"{URL}/1/resolve", json={}, headers=done) for _ in range(2)]
    assert [(each.status_code, each.json()["update"]) for each in ends] == [(201, 2), (200, 2)]
    async with shop.client(await shop.token("another")) as another:
        assert (await another.post(URL, json=FAULT, headers=key)).json()[
            "id"
        ] == 2  # each token has its own keys
    assert (await count(shop, incident), await count(shop, incident_update)) == (2, 3)


CLOSED = {
    "updates": {"message": "Bir şey daha"},
    "resolve": {},
    "cancel": {},
}


async def test_what_is_closed_stays_closed(client: httpx.AsyncClient) -> None:
    await client.post(URL, json=FAULT)
    await client.post(f"{URL}/1/resolve", json={})
    late = {verb: await client.post(f"{URL}/1/{verb}", json=said) for verb, said in CLOSED.items()}
    assert {each.status_code for each in late.values()} == {409}
    assert {verb: each.json()["detail"] for verb, each in late.items()} == {
        "updates": "Incident 1 is resolved; reopen it first.",
        "resolve": "Incident 1 is resolved; reopen it first.",
        "cancel": "Incident 1 is resolved; reopen it first.",
    }


async def test_a_closed_draft_and_a_missing_one_are_not_published(client: httpx.AsyncClient) -> None:
    await client.post(URL, json=FAULT | {"draft": True})
    await client.post(f"{URL}/1/cancel", json={})
    closed = await client.post(f"{URL}/1/publish")
    assert (closed.status_code, closed.json()["detail"]) == (409, "Incident 1 is cancelled; open a new one.")
    for path in (f"{URL}/2/publish", f"{URL}/x/publish", f"{URL}/{'9' * 40}/publish", f"{URL}/-1/publish"):
        assert (await client.post(path)).status_code == 404
    for verb, said in CLOSED.items():
        assert (await client.post(f"{URL}/2/{verb}", json=said)).status_code == 404
    for ident in ("2", "%D9%A1", "1%00", "9" * 16):
        assert (await client.get(f"{URL}/{ident}")).status_code == 404


WRONG = {
    "no title": ({"title": None}, None, "An incident needs a title; give one with title."),
    "nobody": (
        {"postal": ["99*"]}, None,
        "Nobody is affected, so nobody would be told. Check the services, area and list.",
    ),
    "no area": ({"postal": []}, "postal", "Say who is affected: name a service, a postal pattern, an area or a list."),
    "no pattern": ({"postal": ["3?"]}, "postal", None),
    "an unknown list": ({"lists": ["ghost"]}, None, "There is no list ghost; load it with mailer lists load."),
    "an unknown exclusion": ({"exclusions": ["ghost"]}, None, None),
    "a word for a list": ({"services": "fibre"}, "services", "This must be a list."),
    "too many words": ({"postal": ["34710"] * 1_001}, "postal", "There are 1001 words, and at most 1000 are taken."),
    "a word that is none": ({"services": [{}]}, "services", "This must be text."),
    "a field nobody knows": ({"service": ["fibre"]}, "service", "There is no such field here."),
    "a field of updates": ({"add_postal": ["34710"]}, "add_postal", "There is no such field here."),
    "a state nobody knows": ({"state": "broken"}, "state", None),
    "a state of another type": ({"state": ["resolved"]}, "state", None),
    "an end for a beginning": ({"state": "resolved"}, None, "An incident cannot begin as resolved."),
    "an estimate that is over": ({"eta": "2027-05-10T06:00:00Z"}, None, None),
    "no time": ({"eta": "soon"}, "eta", None),
    "a time far away": ({"eta": "9999-12-31T23:59:59-12:00"}, "eta", None),
    "a year of four nines": ({"starts_at": "9999-12-30"}, "starts_at", "This is more than a hundred years away."),
    "an end without a start": (
        {"ends_at": "2h"}, None,
        "Say when the work begins: give starts_at; an outage has no schedule.",
    ),
    "a lead that is none": ({"starts_at": "9d", "lead": "soon"}, "lead", None),
    "a yes that is a word": ({"urgent": "yes"}, "urgent", "This must be true or false."),
    "a draft that is a number": ({"draft": 1}, "draft", "This must be true or false."),
    "a title of two lines": ({"title": "A\r\nBcc: e@e.com"}, "title", None),
    "a title that is a code": ({"title": "=?utf-8?q?x?="}, None, None),
    "a message with a NUL": ({"message": "a\0"}, "message", None),
    "a message as a list": ({"message": ["a"]}, "message", "This must be text."),
    "a long message": ({"message": "a" * 5_001}, None, None),
    "a language that is none": (
        {"titles": {"klingonish": "x"}}, "titles",
        "'klingonish' is no language; write en, or de-AT.",
    ),
    "two of one language": ({"titles": {"en": "x", "EN": "y"}}, "titles", "EN is there twice; keep one of them."),
    "a message for one language alone": ({"messages": {"en": "x"}}, None, None),
    "texts that are no object": ({"messages": ["x"]}, "messages", None),
    "an area that is text": ({"area": "34710"}, "area", "the area is no GeoJSON object: it has no type."),
    "an area that is a point": ({"area": {"type": "Point", "coordinates": [29, 41]}}, "area", None),
    "an area beyond the poles": (
        {"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 100], [0, 0]]]}}, "area",
        "[1, 100] is no position; write [longitude, latitude] in degrees.",
    ),
    "an area of lists": (
        {"area": {"type": "Polygon", "coordinates": [[[[[[0]]], 0], [1, 0], [1, 1], [0, 0]]]}}, "area",
        "another list is no position; write [longitude, latitude] in degrees.",
    ),
    "a huge area": (
        {"area": {"type": "Polygon", "coordinates": [[[0, 0], *[[0, 1]] * 20_000, [0, 0]]]}}, "area",
        "the area has 20002 positions, more than 20000; simplify its outline.",
    ),
    "an area nested deeply": (
        {"area": {"type": "FeatureCollection", "features": [
            {"type": "Feature", "properties": {"a": [[[[[]]]]]}, "geometry": None}]}}, "area",
        "the area holds no polygon; draw one and save it as GeoJSON.",
    ),
}  # fmt: skip


async def test_what_cannot_be_opened(small: Gate, client: httpx.AsyncClient) -> None:
    for about, (given, field, sentence) in WRONG.items():
        refused = await client.post(URL, json=FAULT | given)
        said = refused.json()
        assert (refused.status_code, said.get("field")) == (422, field), about
        wanted = said["detail"] if sentence is None else f"{field}: {sentence}" if field else sentence
        assert said["detail"] == wanted, about
        assert said["detail"].endswith("."), about
    assert await count(small, incident) == 0
    assert small.told == []


BODIES = {
    "nothing": b"",
    "half": b'{"title": ',
    "a list": b"[]",
    "deep": b'{"title": "A", "area": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "twice": b'{"title": "A", "title": "B"}',
    "no number": b'{"area": {"type": "Polygon", "coordinates": [[[NaN, 0]]]}}',
}


async def test_a_body_that_cannot_be_read(small: Gate, client: httpx.AsyncClient) -> None:
    await client.post(URL, json=FAULT)
    for about, body in BODIES.items():
        for path in (URL, f"{URL}/preview", f"{URL}/1/updates", f"{URL}/1/resolve", f"{URL}/1/cancel"):
            assert (await client.post(path, content=body, headers=JSON)).status_code == 400, (about, path)
    assert await count(small, incident_update) == 1
    assert small.told == []


NO_UPDATES: list[tuple[dict[str, Any], int, str]] = [
    ({}, 409, "Incident 1 stands so already; say what is new."),
    ({"state": "completed"}, 409, "Incident 1 is investigating and cannot become completed."),
    ({"remove_postal": ["99*"]}, 422, "Incident 1 has no postal pattern 99*; it has 34*."),
    ({"starts_at": "9d"}, 422, "Incident 1 is no planned work; only planned work has a schedule."),
    ({"add_lists": ["ghost"]}, 422, "There is no list ghost; load it with mailer lists load."),
    ({"title": ""}, 422, "An incident needs a title; give one with title."),
    ({"lists": ["ghost"]}, 422, "lists: There is no such field here."),
    ({"draft": True}, 422, "draft: There is no such field here."),
]


async def test_what_is_no_update(client: httpx.AsyncClient) -> None:
    await client.post(URL, json=FAULT)
    for given, status, sentence in NO_UPDATES:
        refused = await client.post(f"{URL}/1/updates", json=given)
        assert (refused.status_code, refused.json()["detail"]) == (status, sentence)


async def test_an_area_may_be_drawn(small: Gate, client: httpx.AsyncClient) -> None:
    drawn = {
        "title": "Arıza",
        "area": {"type": "Feature", "geometry": SQUARE, "properties": {"a": [[[[1]]]]}},
    }
    seen = await client.post(f"{URL}/preview", json=drawn)
    assert (seen.json()["count"], seen.json()["unmappable"]) == (0, 3)
    await client.post(URL, json=FAULT)
    assert (await client.post(f"{URL}/1/updates", json={"area": SQUARE})).status_code == 201
    assert (await client.get(f"{URL}/1")).json()["area"]["polygons"] == 1
    assert small.told == []


async def test_a_token_opens_only_what_it_may(small: Gate) -> None:
    asks = {
        Scope.INCIDENTS_READ: [("get", URL), ("get", f"{URL}/1"), ("post", f"{URL}/preview")],
        Scope.INCIDENTS_WRITE: [
            ("post", URL),
            *(("post", f"{URL}/1/{verb}") for verb in CLOSED),
        ],
    }
    for scope, paths in asks.items():
        others = [each for each in Scope if not each.startswith("incidents:")]
        others += [each for each in asks if each is not scope]
        async with small.client(await small.token(f"no-{scope.partition(':')[2]}", others)) as client:
            for method, path in paths:
                refused = await client.request(method, path, json=FAULT if method == "post" else None)
                assert (refused.status_code, refused.json()["detail"]) == (
                    403, f"This token may not do this; it would need the scope {scope}.",
                )  # fmt: skip
    async with small.client(await small.token("neither", [Scope.INCIDENTS_READ])) as client:
        refused = await client.post(f"{URL}/1/publish")
        assert (refused.status_code, refused.json()["detail"]) == (
            403, "This token may not do this; it would need the scope incidents:write or incidents:approve.",
        )  # fmt: skip


async def test_a_campaign_that_cannot_be_used_opens_nothing(small: Gate, client: httpx.AsyncClient) -> None:
    (small.app.settings.templates_dir / "outage" / "body.txt").write_text("{{ incident.nothing }}", "utf-8")
    refused = await client.post(URL, json=FAULT)
    assert (refused.status_code, refused.json()["detail"]) == (
        409, "The campaign that tells of incidents cannot be used; mailer check says why.",
    )  # fmt: skip
    assert await count(small, incident) == 0
    assert "nothing" in small.told[0]


async def test_times_are_said_as_people_say_them(client: httpx.AsyncClient) -> None:
    work = FAULT | {"starts_at": "2027-06-01T02:00", "ends_at": "2027-06-01T04:00:00+03:00", "lead": "48h"}
    assert (await client.post(URL, json=work)).status_code == 201
    moved = await client.post(
        f"{URL}/1/updates", json={"state": "rescheduled", "starts_at": "2027-06-02T02:00"}
    )
    assert moved.status_code == 201
    shown = (await client.get(f"{URL}/1")).json()
    assert (shown["state"], shown["starts_at"], shown["ends_at"]) == (
        "rescheduled", "2027-06-01T23:00:00Z", "2027-06-02T01:00:00Z",
    )  # fmt: skip
    assert NOW.year == 2027
