"""Codes and the suppression list by the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from mailer.store.engine import Database
from mailer.store.tables import coupon, customer_event, suppression
from tests.store import rows
from tests.store.rows import NOW
from tests.web.api.conftest import Gate


async def a_code(gate: Gate, code: str, who: int | None = None, **values: Any) -> None:
    given = {"kind": "generated", "state": "issued", "campaign": "offer", "percent": 20, "created_at": NOW,
             "changed_at": NOW, "customer_id": who, "valid_until": date(2027, 5, 20)}  # fmt: skip
    await rows.add(gate.app.db, coupon, code=code, **(given | values))


async def test_a_code_is_asked_about_used_and_used_up(gate: Gate, program: httpx.AsyncClient) -> None:
    who = await rows.a_customer_row(gate.app.db, "c1")
    await a_code(gate, "DG-ABCDEFGHJK", who)
    found = (await program.get("/api/coupons/dg-abcdefghjk")).json()
    assert (found["valid"], found["customer"], found["percent"], found["valid_until"]) == (
        True,
        "c1",
        20,
        "2027-05-20",
    )
    path = "/api/coupons/DG-ABCDEFGHJK/redemptions"
    use = {"order": "o1", "net": "129.90", "customer": "c1"}
    answers = [await program.post(path, json=each) for each in (use, use, {"order": "o2"})]
    assert [each.status_code for each in answers] == [201, 200, 409]
    below = await program.post(path, json={"order": "o3", "net": -5})
    assert (below.status_code, below.json()["field"]) == (422, "net")
    assert "redeemed already" in answers[2].json()["detail"]
    found = (await program.get("/api/coupons/DG-ABCDEFGHJK")).json()
    assert (found["valid"], found["state"]) == (False, "redeemed")
    async with gate.app.db.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(customer_event)) == 1


async def test_a_shared_code_is_used_once_an_order(gate: Gate, program: httpx.AsyncClient) -> None:
    who = await rows.a_customer_row(gate.app.db, "c1")
    await a_code(gate, "BAHAR", who, kind="static")
    assert (await program.get("/api/coupons/BAHAR", params={"customer": "c1"})).json()["shared"] is True
    path = "/api/coupons/BAHAR/redemptions"
    answers = [
        await program.post(path, json=each)
        for each in ({}, {"order": "o1"}, {"order": "o1"}, {"order": "o2"})
    ]
    assert [each.status_code for each in answers] == [422, 201, 200, 201]
    assert answers[0].json()["field"] == "order"


async def test_codes_that_do_not_count(gate: Gate, program: httpx.AsyncClient) -> None:
    await a_code(gate, "OLD", valid_until=date(2027, 5, 1))
    await a_code(gate, "POOLED", kind="pool", pool="p", state="available")
    for code in ("OLD", "POOLED"):
        said = (await program.get(f"/api/coupons/{code}")).json()
        assert (said["valid"], bool(said["reason"])) == (False, True)
        assert (await program.post(f"/api/coupons/{code}/redemptions", json={})).status_code == 409
    assert (await program.get("/api/coupons/NONE")).status_code == 404
    assert (await program.post("/api/coupons/NONE/redemptions", json={})).status_code == 404
    nobody = await program.post("/api/coupons/OLD/redemptions", json={"customer": "c9"})
    assert (nobody.status_code, nobody.json()["field"]) == (422, "customer")


async def test_addresses_are_suppressed_listed_and_let_go(gate: Gate, program: httpx.AsyncClient) -> None:
    for address in ("b@example.com", "A@example.com", "a@EXAMPLE.com"):
        await program.post("/api/suppressions", json={"address": address})
    only = await program.post("/api/suppressions", json={"address": "c@example.com", "scope": "commercial"})
    assert only.status_code == 201
    first = (await program.get("/api/suppressions", params={"limit": 2})).json()
    rest = (await program.get("/api/suppressions", params={"limit": 2, "after": first["next"]})).json()
    assert [each["address"] for each in first["suppressions"]] == ["a@example.com", "b@example.com"]
    assert [(each["address"], each["scope"], each["source"]) for each in rest["suppressions"]] == [
        ("c@example.com", "commercial", "api:shop")
    ]
    assert rest["next"] is None
    lifted = await program.post("/api/suppressions/lifted", json={"address": "a@example.com"})
    assert lifted.json() == {"address": "a@example.com", "scopes": ["all"]}
    assert (
        await program.post("/api/suppressions/lifted", json={"address": "a@example.com"})
    ).status_code == 404
    async with gate.app.db.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(suppression)) == 2


@pytest.fixture
async def small(
    make_gate: Callable[..., Gate], sqlite_database: Database
) -> AsyncIterator[httpx.AsyncClient]:
    """What never comes to the database needs one of them only."""
    gate = make_gate(sqlite_database)
    async with gate.client(await gate.token()) as client:
        yield client


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "address"), ({"address": "no"}, "address"), ({"address": "a@b.example", "scope": "some"}, "scope"),
     ({"address": "a@b.example", "why": "x"}, "why")],
)  # fmt: skip
async def test_an_address_that_cannot_be_taken(
    small: httpx.AsyncClient, body: dict[str, str], field: str
) -> None:
    for path in ("/api/suppressions", "/api/suppressions/lifted"):
        done = await small.post(path, json=body)
        assert (done.status_code, done.json()["field"]) == (422, field)


@pytest.mark.parametrize("after", ["x", "é", "W10=", "WyIAIiwgImFsbCJd", "[[[["])
async def test_a_page_nobody_was_told_of(small: httpx.AsyncClient, after: str) -> None:
    done = await small.get("/api/suppressions", params={"after": after})
    assert (done.status_code, done.json()["field"]) == (422, "after")
