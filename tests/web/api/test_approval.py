"""An incident that reaches many goes out by the word of a second token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mailer.core.access import Scope
from mailer.core.area import Area
from mailer.core.incident_opening import NewIncident
from mailer.store.engine import Database
from mailer.store.tables import delivery
from tests.store.rows import NOW
from tests.web.api.conftest import Gate
from tests.web.api.test_incidents import FAULT, URL, count, opened

MANY = FAULT | {"postal": ["34*", "35*"]}  # three customers, where two are the most one token tells
OWN = (Scope.INCIDENTS_READ, Scope.INCIDENTS_WRITE, Scope.INCIDENTS_APPROVE)
SAID = (
    "Incident 1 reaches 3 customers, more than 2: a token with the scope incidents:approve publishes it, and none that "
    "wrote of it."
)

WIDE = (
    "Incident 1 would reach 3 customers in place of 2, more than 2: open another for those who join, and let a second "
    "token publish it."
)


@pytest.fixture
async def gate(make_gate: Callable[..., Gate], sqlite_database: Database) -> Gate:
    return await opened(make_gate, sqlite_database, policy="{approval: {above: 2}}")


@pytest.fixture
async def ask(gate: Gate) -> Callable[..., Any]:
    """What a token of a name is answered; made when it is first used."""
    tokens: dict[str, str] = {}

    async def asked(name: str, path: str = "", said: Any = None, **more: Any) -> httpx.Response:
        scopes = {"desk": OWN[:2], "lead": OWN, "approver": OWN[2:]}.get(name.partition("-")[0], OWN)
        if name not in tokens:
            tokens[name] = await gate.token(name, scopes)
        async with gate.client(tokens[name]) as client:
            return await client.post(f"{URL}{path}", json=said, **more)

    return asked


async def test_what_reaches_many_waits_for_another(gate: Gate, ask: Callable[..., Any]) -> None:
    key = {"Idempotency-Key": "alarm-7"}
    draft, again = [await ask("lead", "", MANY, headers=key) for _ in range(2)]
    said = draft.json()
    assert (draft.status_code, said["published"], said["approval"], said["reach"]["count"]) == (
        202,
        False,
        "needed",
        3,
    )
    assert (again.status_code, again.json()) == (200, said | {"new": False})
    assert await count(gate, delivery) == 0
    own = await ask("lead", "/1/publish")  # with every scope, and its own
    assert (own.status_code, own.json()["detail"]) == (409, SAID)
    lacking = await ask("desk", "/1/publish")
    assert (lacking.status_code, lacking.json()["detail"]) == (
        403, "This token may not do this; it would need the scope incidents:approve.",
    )  # fmt: skip
    done = await ask("approver", "/1/publish")
    assert (done.status_code, done.json()["published"], done.json()["approval"]) == (201, True, None)
    assert await count(gate, delivery) == 3
    assert (await ask("approver", "/1/publish")).status_code == 200
    shown = await gate.app.incidents.show(1, NOW)
    assert (shown["updates"][0]["by"], shown["published_by"]) == ("api:lead", "api:approver")


async def test_few_are_told_at_once(gate: Gate, ask: Callable[..., Any]) -> None:
    told = await ask("desk", "", FAULT)
    assert (told.status_code, told.json()["published"], told.json()["approval"]) == (201, True, None)
    draft = await ask("desk", "", FAULT | {"draft": True})
    assert (draft.status_code, draft.json()["approval"]) == (201, None)
    assert (await ask("desk", "/2/publish")).status_code == 201


async def test_whoever_changed_a_word_does_not_approve_it(gate: Gate, ask: Callable[..., Any]) -> None:
    await ask("desk", "", MANY)
    changed = await ask("lead", "/1/updates", {"message": "Kablo koptu."})
    assert (changed.status_code, changed.json()["published"], changed.json()["approval"]) == (
        201,
        False,
        "needed",
    )
    assert (await ask("lead", "/1/publish")).json()["detail"] == SAID
    stale = await ask("approver", "/1/publish?update=1")
    assert (stale.status_code, stale.json()["detail"]) == (
        409, "Incident 1 was updated after update 1; look at it and try again.",
    )  # fmt: skip
    ahead = await ask("approver", "/1/publish?update=3")
    assert (ahead.status_code, ahead.json()["detail"]) == (
        409, "Incident 1 has no update 3; look at it and try again.",
    )  # fmt: skip
    assert (await ask("approver", "/1/publish?update=2")).status_code == 201


async def test_a_draft_says_that_it_waits(gate: Gate, ask: Callable[..., Any]) -> None:
    await ask("desk", "", MANY | {"draft": True})
    async with gate.client(await gate.token("reader", [Scope.INCIDENTS_READ])) as reader:
        assert (await reader.get(f"{URL}/1")).json()["approval"] == "needed"
        await ask("desk", "/1/updates", {"postal": ["34*"]})  # fewer: now one is enough
        assert (await reader.get(f"{URL}/1")).json()["approval"] is None
        assert (await ask("desk", "/1/publish")).status_code == 201


async def test_an_update_may_tell_no_more_than_one_may(gate: Gate, ask: Callable[..., Any]) -> None:
    await ask("desk", "", FAULT)
    for name in ("desk", "lead"):
        wide = await ask(name, "/1/updates", {"add_postal": ["35*"]})
        assert (wide.status_code, wide.json()["detail"]) == (
            409, WIDE,
        )  # fmt: skip
    assert (await ask("desk", "/1/updates", {"postal": ["35*"]})).status_code == 201  # others, and not more
    assert (await ask("desk", "/1/updates", {"message": "Bitiyor."})).status_code == 201
    assert (await ask("desk", "/1/resolve", {})).status_code == 201


async def test_the_command_line_breaks_the_glass(gate: Gate, ask: Callable[..., Any]) -> None:
    await ask("desk", "", MANY)
    await gate.app.incidents.publish(1, now=NOW, by="command line, ayse")
    assert (await gate.app.incidents.show(1, NOW))["published_by"] == "command line, ayse"
    drafted = NewIncident("Arıza", Area.of(postal=["3*"]))
    number = await gate.app.incidents.open(drafted, now=NOW, by="command line, ayse", publish=False)
    assert (
        await ask("approver", f"/{number}/publish")
    ).status_code == 201  # a person wrote it, a token looked at it


async def test_a_closed_draft_waits_for_nobody(gate: Gate, ask: Callable[..., Any]) -> None:
    await ask("desk", "", MANY)
    gone = await ask("desk", "/1/cancel", {})
    assert (gone.status_code, gone.json()["approval"]) == (201, None)
    for name in ("desk", "approver"):
        late = await ask(name, "/1/publish")
        assert (late.status_code, late.json()["detail"]) == (409, "Incident 1 is cancelled; open a new one.")
    assert await count(gate, delivery) == 0
