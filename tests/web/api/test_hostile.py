"""What programs should never send, and somebody will (faults: hostile input)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from litestar.types import Receive, Scope, Send
from sqlalchemy import func, select

from mailer.store.engine import Database
from mailer.store.tables import customer, customer_event
from mailer.web.api import site as api_site
from mailer.web.api.site import Doors
from mailer.web.site import site
from tests.web.api.conftest import Gate

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def strange(
    make_gate: Callable[..., Gate], database: Database
) -> AsyncIterator[tuple[Gate, httpx.AsyncClient]]:
    gate = make_gate(database, api="{rate: 10000}")
    async with gate.client(await gate.token()) as client:
        yield gate, client


BODIES = {
    "nothing": b"",
    "half": b'{"id": ',
    "no object": b"[1, 2]",
    "a word": b"null",
    "no UTF-8": b'{"first_name": "\xff\xfe"}',
    "UTF-16": '{"first_name": "Ali"}'.encode("utf-16"),
    "deep": b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep enough for us": b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}",
    "a number of 5,000 digits": b'{"a": ' + b"9" * 5_000 + b"}",
    "endless": b'{"a": 1e999}',
    "no number": b'{"a": NaN}',
    "NUL": b'{"first_name": "A\\u0000li"}',
    "NUL in an attribute": b'{"a": {"b": ["x\\u0000"]}}',
    "NUL in a name": b'{"a\\u0000": 1}',
    "half a letter": b'{"first_name": "\\ud800"}',
    "half a letter in an attribute": b'{"a": "\\udfff"}',
    "half a letter in a name": b'{"\\ud800": 1}',
    "a header": b'{"first_name": "A\\r\\nBcc: e@e.com"}',
    "long": b'{"first_name": "' + b"a" * 3_000 + b'"}',
    "two keys for one": b'{"first name": "A", "first_name": "B"}',
    "a key twice": b'{"first_name": "A", "first_name": "B"}',
    "a key twice inside": b'{"a": {"b": 1, "b": 2}}',
}


async def test_ids_that_are_no_utf8_do_not_become_one_person(
    make_gate: Callable[..., Gate], sqlite_database: Database
) -> None:
    gate = make_gate(sqlite_database)
    async with gate.client(await gate.token()) as client:
        for ident in ("Sel%E7uk", "Sel%F0uk", "%EF%BF%BD"):
            done = await client.put(f"/api/customers/{ident}", content=b"{}", headers=JSON)
            assert (done.status_code, done.json()["field"]) == (422, "id")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_a_hostile_body_is_refused_and_leaves_nothing(
    make_gate: Callable[..., Gate], sqlite_database: Database, body: bytes
) -> None:
    gate = make_gate(sqlite_database)
    async with gate.client(await gate.token()) as client:
        done = await client.put("/api/customers/c1", content=body, headers=JSON)
    assert done.status_code in (400, 422)
    assert done.json()["detail"].endswith(".")
    async with gate.app.db.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(customer)) == 0
    assert gate.told == []


async def test_what_the_database_itself_would_choke_on(strange: tuple[Gate, httpx.AsyncClient]) -> None:
    gate, client = strange
    large = b'{"a": ' + b"9" * 4_000 + b', "b": 1e308, "c": -0.0, "d": 9223372036854775808}'
    done = await client.put("/api/customers/c1", content=large, headers=JSON)
    assert done.status_code == 201
    for path in ("/api/coupons/%00", "/api/coupons/%ED%A0%80", "/api/coupons/" + "9" * 3_000):
        assert (await client.get(path)).status_code in (404, 422)
    for path in ("/api/customers/%00/consent", "/api/customers/X%0D%0AY/consent"):
        assert (await client.get(path)).status_code == 422
    event = b'{"id": "e", "name": "order.placed", "at": "9999-12-31T23:59:59-12:00", "net": "1e400"}'
    assert (await client.post("/api/events", content=event, headers=JSON)).status_code == 422
    async with gate.app.db.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(customer_event)) == 0
    assert gate.told == []


async def test_five_megabytes_are_not_read(make_gate: Callable[..., Gate], sqlite_database: Database) -> None:
    gate = make_gate(sqlite_database)
    sent = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(80):
            sent += 65_536
            yield b" " * 65_536

    async with gate.client(await gate.token()) as client:
        said = await client.put("/api/customers/c1", content=b" " * 5_000_000, headers=JSON)
        unsaid = await client.put("/api/customers/c1", content=flood(), headers=JSON)
    assert [each.status_code for each in (said, unsaid)] == [413, 413]
    assert sent < 2_000_000
    assert gate.told == []


async def test_other_bodies_and_other_methods(
    make_gate: Callable[..., Gate], sqlite_database: Database
) -> None:
    gate = make_gate(sqlite_database)
    async with gate.client(await gate.token()) as client:
        form = await client.put("/api/customers/c1", data={"id": "c1"})
        odd = await client.request("PATCH", "/api/customers/c1")
        many = await client.post("/api/batch/customers", json={"customers": [{}] * 1_001})
        none = await client.post("/api/batch/customers", json={})
    assert [each.status_code for each in (form, odd, many, none)] == [415, 405, 422, 422]
    assert "PUT" in odd.headers["allow"]
    assert {each.headers["content-type"] for each in (form, odd, many, none)} == {"application/problem+json"}


async def test_without_the_database_nothing_is_promised(
    make_gate: Callable[..., Gate], sqlite_database: Database, tmp_path: Path
) -> None:
    gate = make_gate(sqlite_database)
    token = await gate.token()
    async with sqlite_database.write() as connection:
        await connection.exec_driver_sql("drop table api_token")
    async with gate.client(token) as client:
        done = await client.post("/api/suppressions", json={"address": "a@example.com"})
    assert done.status_code == 503
    assert int(done.headers["retry-after"]) > 0
    assert token.rpartition("_")[2] not in done.text + "".join(gate.told)


async def test_a_database_that_never_answers_is_waited_for_so_long(
    make_gate: Callable[..., Gate], sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_site, "LONGEST", 0.1)
    gate = make_gate(sqlite_database)

    async def sleeping(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(60)

    transport = httpx.ASGITransport(app=Doors(sleeping, site(gate.app)))  # type: ignore[arg-type] # litestar's own types
    async with httpx.AsyncClient(transport=transport, base_url="https://mail.shop.example") as client:
        done = await client.post("/api/suppressions", json={"address": "a@example.com"})
        assert (await client.get("/health")).status_code == 200
    assert (done.status_code, done.json()["status"]) == (503, 503)
    assert int(done.headers["retry-after"]) > 0
    assert done.headers["content-type"] == "application/problem+json"
    assert done.headers["x-content-type-options"] == "nosniff"
