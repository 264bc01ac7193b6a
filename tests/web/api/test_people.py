"""Customers and events by the API mean what they mean in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from mailer.core.consent import NOT_YET, Action, Via
from mailer.store.engine import Database
from mailer.store.tables import consent_entry, customer, customer_event, suppression
from tests.store import rows
from tests.store.rows import NOW
from tests.web.api.conftest import Gate


async def count(gate: Gate, table: Any) -> int:
    async with gate.app.db.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


async def the(gate: Gate, ext_id: str) -> Any:
    async with gate.app.db.read() as connection:
        return (await connection.execute(select(customer).where(customer.c.ext_id == ext_id))).one()


async def test_a_customer_is_created_brought_up_to_date_and_left_alone(
    gate: Gate, program: httpx.AsyncClient
) -> None:
    facts = {"E-Mail": "Ayse@Example.com", "first_name": "Ayşe", "birthday": "1990-05-10", "consent": True}
    first = await program.put("/api/customers/c%201", json=facts)
    again = await program.put("/api/customers/c%201", json=facts)
    moved = await program.put("/api/customers/c%201", json={"postal_code": "34710", "first_name": ""})
    assert [(each.status_code, each.json()["outcome"]) for each in (first, again, moved)] == [
        (201, "created"),
        (200, "unchanged"),
        (200, "updated"),
    ]
    row = await the(gate, "c 1")
    assert (row.email_key, row.first_name, row.postal_code) == ("ayse@example.com", "Ayşe", "34710")
    assert (row.consent, row.attributes) == ("yes", {"birthday": "1990-05-10"})
    async with gate.app.db.read() as connection:
        entry = (await connection.execute(select(consent_entry))).one()
    assert (entry.via, entry.source) == (Via.IMPORT, "api")
    assert await count(gate, customer_event) == 0  # nothing that a welcome would go out for


async def test_consent_in_an_upsert_lifts_no_unsubscribe(gate: Gate, program: httpx.AsyncClient) -> None:
    await rows.a_customer_row(gate.app.db, "c1", email="ayse@example.com", consent="unknown")
    assert (await program.post("/api/customers/c1/consent", json={"action": "revoked"})).status_code == 201
    done = await program.put("/api/customers/c1", json={"consent": "yes"})
    assert (done.status_code, done.json()["outcome"]) == (200, "unchanged")
    assert (await the(gate, "c1")).consent == "no"


@pytest.fixture
def small(make_gate: Callable[..., Gate], sqlite_database: Database) -> Gate:
    """What never comes to the database needs one of them only."""
    return make_gate(sqlite_database)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b.c\r\nRCPT TO:<e>"}, "email"),
        ({"country": "Türkiye"}, "country"),
        ({"consent": "perhaps"}, "consent"),
        ({"first_name": ["Ayşe"]}, "first_name"),
        ({"first_name": "A\nB"}, "first_name"),
        ({"first_name": 1e400}, "first_name"),
        ({"id": "c2"}, "id"),
        ({'a"b': 1}, 'a"b'),
        ({"size": 1e400}, "size"),
    ],
)
async def test_a_value_that_cannot_be_taken_is_named(small: Gate, facts: dict[str, Any], field: str) -> None:
    content = json.dumps(facts).replace("Infinity", "1e400")
    async with small.client(await small.token()) as program:
        done = await program.put(
            "/api/customers/c1", content=content, headers={"Content-Type": "application/json"}
        )
    said = done.json()
    assert (done.status_code, said["field"]) == (422, field)
    assert done.headers["content-type"] == "application/problem+json"
    assert said["detail"].startswith(f"{field}: ")
    assert said["detail"].endswith(".")
    assert await count(small, customer) == 0


async def test_of_many_the_good_go_in_and_the_others_are_named(
    gate: Gate, program: httpx.AsyncClient
) -> None:
    many = [{"id": "c1"}, {"id": "c2", "email": "no"}, 7, {"id": "c1", "first_name": "Ali"}, {}]
    done = await program.post("/api/batch/customers", json={"customers": many})
    said = done.json()
    assert (done.status_code, said["created"], said["updated"]) == (200, 1, 1)
    assert [(fault["line"], fault["field"]) for fault in said["rejected"]] == [
        (2, "email"),
        (3, ""),
        (5, "id"),
    ]
    assert await count(gate, customer) == 1


async def test_an_event_counts_once_by_its_id(gate: Gate, program: httpx.AsyncClient) -> None:
    await rows.a_customer_row(gate.app.db, "c1")
    event = {"id": "e1", "customer": "c1", "name": "order.placed", "at": "2027-05-10T06:00:00Z",
             "properties": {"order": "o1", "net": 129.9, "currency": "TRY"}}  # fmt: skip
    answers = [await program.post("/api/events", json=event) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 200]
    async with gate.app.db.read() as connection:
        row = (await connection.execute(select(customer_event))).one()
    assert (row.net_e4, row.order_ref) == (1_299_000, "o1")


async def test_an_idempotency_key_stands_in_for_an_id_and_each_token_has_its_own(
    gate: Gate, program: httpx.AsyncClient
) -> None:
    event = {"name": "post.published", "at": "2027-05-10", "properties": {"title": "Bahar"}}
    key = {"Idempotency-Key": "7f3c"}
    done = [await program.post("/api/events", json=event, headers=key) for _ in range(2)]
    assert [(each.status_code, each.json()["id"]) for each in done] == [
        (201, "shop:7f3c"),
        (200, "shop:7f3c"),
    ]
    async with gate.client(await gate.token("erp")) as other:
        assert (await other.post("/api/events", json=event, headers=key)).status_code == 201
    assert (await program.post("/api/events", json=event)).json()["field"] == "id"
    bad = await program.post("/api/events", json=event, headers={"Idempotency-Key": "a b"})
    assert (bad.status_code, bad.json()["field"]) == (422, "Idempotency-Key")
    two = [await program.post("/api/batch/events", json={"events": [event] * 2}, headers={"Idempotency-Key": "b"})
           for _ in range(2)]  # fmt: skip
    assert [each.json()["created"] for each in two] == [2, 0]
    assert await count(gate, customer_event) == 4


async def test_a_key_stands_for_one_event_and_another_is_not_swallowed(
    gate: Gate, program: httpx.AsyncClient
) -> None:
    event = {"name": "order.placed", "at": "2027-05-09T08:00:00Z", "properties": {"order": "A1", "net": 5.5}}
    key = {"Idempotency-Key": "7f3c"}
    assert (await program.post("/api/events", json=event, headers=key)).status_code == 201
    others = [{**event, "name": "order.refunded"}, {**event, "at": "2027-05-09T08:00:01Z"},
              {**event, "properties": {"order": "A2", "net": 5.5}}]  # fmt: skip
    for other in others:
        refused = await program.post("/api/events", json=other, headers=key)
        assert (refused.status_code, refused.json()["field"]) == (422, "Idempotency-Key")
        report = (await program.post("/api/batch/events", json={"events": [other]}, headers=key)).json()
        assert [each["field"] for each in report["rejected"]] == ["Idempotency-Key"]
    assert (await program.post("/api/events", json=event, headers=key)).status_code == 200
    assert await count(gate, customer_event) == 1


async def test_an_id_that_comes_with_other_content_is_said(gate: Gate, program: httpx.AsyncClient) -> None:
    await rows.a_customer_row(gate.app.db, "c1")
    await rows.a_customer_row(gate.app.db, "c2")
    event = {
        "id": "e1",
        "customer": "c1",
        "name": "order.placed",
        "at": "2027-05-09T08:00:00Z",
        "order": "A1",
        "net": 5,
    }
    first = await program.post("/api/events", json=event)
    again = await program.post("/api/events", json=event)
    other = await program.post("/api/events", json={**event, "customer": "c2"})
    assert [each.json()["outcome"] for each in (first, again, other)] == ["created", "unchanged", "unchanged"]
    assert [len(each.json()["warnings"]) for each in (first, again, other)] == [0, 0, 1]
    assert "other content" in other.json()["warnings"][0]["reason"]
    assert await count(gate, customer_event) == 1


async def test_a_no_under_the_key_of_a_yes_is_a_no(gate: Gate, program: httpx.AsyncClient) -> None:
    await rows.a_customer_row(gate.app.db, "c1", email="ayse@example.com", consent="unknown")
    key = {"Idempotency-Key": "call-17"}
    path = "/api/customers/c1/consent"
    for action, status in (
        ("granted", 201),
        ("granted", 200),
        ("revoked", 201),
        ("revoked", 200),
        ("granted", 200),
    ):
        done = await program.post(path, json={"action": action}, headers=key)
        assert done.status_code == status, action
    assert (await the(gate, "c1")).consent == "no"


async def test_only_the_event_of_a_confirmation_lifts_an_unsubscribe(
    gate: Gate, program: httpx.AsyncClient
) -> None:
    await rows.a_customer_row(gate.app.db, "c1", email="ayse@example.com", consent="unknown")
    path = "/api/customers/c1/consent"
    proof = {"form": "checkout", "ip": "203.0.113.9"}
    yes = {"action": "granted", "text_version": "2027-01", "proof": proof, "at": "2027-05-01T10:00:00Z"}
    no = {"action": "revoked", "source": "call centre"}
    key = {"Idempotency-Key": "call-17"}
    done = [
        await program.post(path, json=yes),
        await program.post(path, json=yes),
        await program.post(path, json=no, headers=key),
        await program.post(path, json=no, headers=key),
        await program.post(path, json=yes),
        await program.post(path, json={**yes, "text_version": "2027-05"}),
    ]
    assert [each.status_code for each in done] == [201, 200, 201, 200, 200, 409]
    assert (await the(gate, "c1")).consent == "no"
    assert await count(gate, suppression) == 1
    confirmed = {"id": "e9", "customer": "c1", "name": "consent.confirmed", "at": "2027-05-10T07:00:00Z"}
    gate.app.clock.advance(minutes=1)  # type: ignore[attr-defined] # the clock of a test
    assert (
        await program.post("/api/events", json={**confirmed, "at": "2027-05-10T07:00:30Z"})
    ).status_code == 201
    ledger = (await program.get(path)).json()
    assert ledger["consent"] == "yes"
    assert await count(gate, suppression) == 0
    told = [(each["action"], each["via"], each["text_version"], each["source"]) for each in ledger["entries"]]
    assert told == [
        (Action.GRANTED, Via.IMPORT, "2027-01", "api"),
        (Action.REVOKED, Via.PERSON, None, "call centre"),
        (Action.GRANTED, Via.EVENT, None, "event:e9"),
    ]
    assert ledger["entries"][0]["proof"] == proof
    assert NOW.isoformat()[:10] == ledger["entries"][1]["at"][:10]


@pytest.mark.parametrize(
    ("word", "field"),
    [({}, "action"), ({"action": "maybe"}, "action"), ({"action": "granted", "proof": [1]}, "proof"),
     ({"action": "granted", "at": "2099-01-01"}, "at"),
     ({"action": "granted", "prof": {}}, "prof"), ({"action": "granted", "at": "soon"}, "at")],
)  # fmt: skip
async def test_a_word_that_cannot_be_taken(small: Gate, word: dict[str, Any], field: str) -> None:
    await rows.a_customer_row(small.app.db, "c1")
    async with small.client(await small.token()) as program:
        done = await program.post("/api/customers/c1/consent", json=word)
        assert (done.status_code, done.json()["field"]) == (422, field)
        assert (
            await program.post("/api/customers/c9/consent", json={"action": "granted"})
        ).status_code == 404
        assert (await program.get("/api/customers/c9/consent")).status_code == 404


async def test_what_becomes_of_a_word_dated_ahead(small: Gate) -> None:
    await rows.a_customer_row(small.app.db, "c1", email="ayse@example.com", consent="no")
    at = {"at": "2099-01-01T00:00:00Z"}
    async with small.client(await small.token()) as program:
        word = await program.post("/api/customers/c1/consent", json={"action": "granted", **at})
        event = await program.post(
            "/api/events", json={"id": "e1", "customer": "c1", "name": "consent.confirmed", **at}
        )
        assert [each.status_code for each in (word, event)] == [422, 201]
        assert word.json()["detail"] == f"at: {NOT_YET}"
        assert (await the(small, "c1")).consent == "no"
        assert (await count(small, consent_entry), await count(small, customer_event)) == (0, 1)
        facts = await program.put(
            "/api/customers/c2", json={"consent": "yes", "consent_at": "2099-01-01T00:00:00Z"}
        )
        assert (facts.status_code, facts.json()["warnings"][0]["field"]) == (201, "consent_at")
        assert (await the(small, "c2")).consent == "yes"
        no = await program.post("/api/customers/c1/consent", json={"action": "revoked", **at})
    assert no.status_code == 201
