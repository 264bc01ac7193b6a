"""Who is let in, and who is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from mailer.core.access import Allowance, Scope, Token, digest, opens, taken_apart, written
from mailer.errors import UsageError
from mailer.store.engine import Database
from mailer.store.tables import api_token
from tests.store.rows import NOW
from tests.web.api.conftest import Gate

SECRET = "s" * 43


@pytest.fixture
def gate(make_gate: Callable[..., Gate], sqlite_database: Database) -> Gate:
    return make_gate(sqlite_database, api="{rate: 1000}")


@pytest.mark.parametrize(
    "text",
    ["", "mailer_", "mailer_0123456789ab_" + "s" * 42, "mailer_0123456789AB_" + SECRET, "Mailer_0123456789ab_" + SECRET,
     "mailer_0123456789ab_" + SECRET + "\n", "mailer_0123456789ab_" + "ş" * 43, "mailer_0123456789ab" + SECRET],
)  # fmt: skip
def test_what_is_no_token(text: str) -> None:
    assert taken_apart(text) is None


def test_a_token_opens_with_its_own_secret_until_it_is_revoked() -> None:
    token = Token("0123456789ab", "shop", digest(SECRET), (Scope.EVENTS_WRITE,), NOW)
    assert taken_apart(written(token.ident, SECRET)) == (token.ident, SECRET)
    assert opens(token, SECRET)
    assert not opens(token, SECRET[:-1] + "t")
    assert not opens(None, SECRET)
    assert not opens(None, "")
    gone = Token("0123456789ab", "shop", digest(SECRET), (), NOW, NOW + timedelta(days=1))
    assert not opens(gone, SECRET)


def test_a_rate_holds_two_seconds_and_fills_again() -> None:
    left = Allowance.full(3, 100.0)
    waits = []
    for _ in range(7):
        left, wait = left.take(3, 100.0)
        waits.append(wait)
    assert waits[:6] == [0.0] * 6
    assert waits[6] == pytest.approx(1 / 3)
    assert left.take(3, 100.4)[1] == 0.0
    assert left.take(3, 99.0)[1] > 0  # a clock that goes back gives nothing


@pytest.mark.parametrize("shown", [None, "", "nonsense", "mailer_0123456789ab_" + SECRET])
async def test_nobody_passes_without_a_token_of_ours(gate: Gate, shown: str | None) -> None:
    await gate.token()
    async with gate.client(shown) as client:
        done = await client.get("/api/suppressions")
    assert done.status_code == 401
    assert done.headers["www-authenticate"].startswith("Bearer")
    assert done.headers["content-type"] == "application/problem+json"
    assert "nonsense" not in done.text


async def test_a_token_may_do_what_its_scopes_say_until_it_is_revoked(gate: Gate) -> None:
    text = await gate.token("till", [Scope.COUPONS_READ])
    async with gate.client(text) as client:
        assert (await client.get("/api/coupons/X")).status_code == 404
        refused = await client.get("/api/suppressions")
        assert (refused.status_code, "suppressions:read" in refused.json()["detail"]) == (403, True)
        await gate.app.doorkeeper.revoke("till", NOW)
        assert (await client.get("/api/coupons/X")).status_code == 401
    with pytest.raises(UsageError, match="no token 'till' in use"):
        await gate.app.doorkeeper.revoke("till", NOW)
    with pytest.raises(UsageError, match="There is a token till already"):
        await gate.token("till")


async def test_what_may_be_asked_of_an_address_is_told_to_whoever_has_a_token(gate: Gate) -> None:
    async with gate.client(await gate.token("till", [Scope.COUPONS_READ])) as client:
        done = await client.options("/api/suppressions")
        assert done.status_code == 204
        assert done.headers["allow"] == "GET, HEAD, OPTIONS, POST"
        assert (await client.options("/api/customers/A")).headers["allow"] == "DELETE, OPTIONS, PUT"
    async with gate.client(None) as client:
        assert (await client.options("/api/suppressions")).status_code == 401
    assert gate.told == []


async def test_the_secret_is_kept_nowhere_and_told_to_nobody(gate: Gate) -> None:
    text = await gate.token()
    async with gate.app.db.read() as connection:
        rows = [dict(row) for row in (await connection.execute(select(api_token))).mappings()]
    kept = json.dumps(rows, default=str) + repr(await gate.app.doorkeeper.list()) + "".join(gate.told)
    apart = taken_apart(text)
    assert apart is not None
    assert apart[1] not in kept
    assert text[20:] not in kept


async def test_who_asks_too_often_is_told_when_to_come_again(
    make_gate: Callable[..., Gate], sqlite_database: Database
) -> None:
    gate = make_gate(sqlite_database, api="{rate: 0.001}")
    async with gate.client(await gate.token()) as client:
        first, late = [await client.get("/api/coupons/X") for _ in range(2)]
    assert (first.status_code, late.status_code) == (404, 429)
    assert 900 < int(late.headers["retry-after"]) <= 1_000
    async with gate.client(await gate.token("other")) as client:  # each has its own
        assert (await client.get("/api/coupons/X")).status_code == 404


@pytest.mark.parametrize(
    ("name", "scopes", "said"),
    [("a b", ["events:write"], "cannot be called"), ("", ["events:write"], "cannot be called"),
     ("x", ["everything"], "no scope 'everything'"), ("x", [], "Say with --scope")],
)  # fmt: skip
async def test_a_token_that_cannot_be(gate: Gate, name: str, scopes: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        await gate.token(name, scopes)


async def test_the_description_is_open_and_the_pages_are_as_they_were(gate: Gate) -> None:
    async with gate.client(None) as client:
        told = await client.get("/api/openapi.json")
        assert (told.status_code, told.json()["openapi"]) == (200, "3.1.0")
        assert (await client.get("/api/nothing")).headers["content-type"] == "application/problem+json"
        assert (await client.get("/health")).text == "ok\n"
        assert (await client.get("/apis")).headers["content-type"].startswith("text/html")


async def test_whatever_can_be_read_can_be_asked_for_its_head(gate: Gate) -> None:
    async with gate.client(await gate.token("till", [Scope.SUPPRESSIONS_READ])) as client:
        for path, status in [("/api/suppressions", 200), ("/api/openapi.json", 200), ("/api/coupons/X", 403)]:
            whole, head = await client.get(path), await client.head(path)
            assert (head.status_code, whole.status_code, head.content) == (status, status, b"")
            assert {name: head.headers[name] for name in ("content-type", "content-length")} == {
                name: whole.headers[name] for name in ("content-type", "content-length")
            }
        assert (await client.head("/api/customers/A")).status_code == 405
    async with gate.client(None) as client:
        assert (await client.head("/api/suppressions")).status_code == 401
