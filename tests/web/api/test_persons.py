"""What is kept of a customer, and forgetting them, by the API and wherever we have them."""

from __future__ import annotations

import json

import httpx
import pytest
from sqlalchemy import select

from mailer.core.access import Scope
from mailer.core.delivery import State
from mailer.files.spool import Spool
from mailer.store.suppressions import Suppressions
from mailer.store.tables import delivery, delivery_event
from tests.store.persons import ADDRESS, NAME, SECRETS, WHO, a_person, everything
from tests.store.rows import NOW, a_customer_row
from tests.web.api.conftest import Gate


async def a_mail(gate: Gate, to: list[str], message_id: str) -> str:
    return await gate.app.mailbox.add(
        "x@shop.example", to, f"Message-ID: {message_id}\r\nSubject: {NAME}\r\n\r\nMerhaba".encode()
    )


def a_click(gate: Gate, delivery_id: int, key: str) -> None:
    """As the web noted it, a while ago."""
    spool = Spool(gate.app.settings.state / "spool", lambda: 1.0, 1_000_000)
    spool.put(json.dumps([key, "clicked", delivery_id, NOW.isoformat(), 1.0, f"https://x/{WHO}", NAME, ""]))
    spool.flush(last=True)


async def test_an_export_has_everything_and_no_secret(gate: Gate, program: httpx.AsyncClient) -> None:
    await a_person(gate.app.db)
    answer = await program.get(f"/api/customers/{WHO}/export")
    found = answer.json()
    assert answer.status_code == 200
    assert (found["id"], found["email"], found["last_name"]) == (WHO, ADDRESS, NAME)
    assert len(found["deliveries"]) == 3
    assert found["delivery_events"][0]["at"].endswith("Z")
    assert "TS-HELD" not in answer.text  # not given to them
    assert "only-for-tests-and-nothing-besides" not in answer.text
    assert (await program.get("/api/customers/nobody/export")).status_code == 404


async def test_a_customer_is_erased_once_and_an_upsert_stays_barred(
    gate: Gate, program: httpx.AsyncClient
) -> None:
    await a_person(gate.app.db)
    gone = await program.delete(f"/api/customers/{WHO}")
    assert (gone.status_code, gone.json()) == (
        200,
        {"id": WHO, "deliveries": 3, "cancelled": 1, "mails": 0, "others": [], "clicks_wait": False},
    )
    assert (await program.delete(f"/api/customers/{WHO}")).status_code == 404
    left = (await everything(gate.app.db)).lower()
    assert [secret for secret in SECRETS if secret.lower() in left] == []
    (row,) = (await program.get("/api/suppressions")).json()["suppressions"]
    assert (row["address"][:7], row["scope"], row["reason"]) == ("sha256:", "all", "erased")
    back = await program.put("/api/customers/new-id", json={"email": ADDRESS, "consent": True})
    assert back.status_code == 201
    assert await Suppressions(gate.app.db).of(ADDRESS) == {"all": "erased"}


async def test_a_mail_that_is_leaving_is_waited_for(gate: Gate, program: httpx.AsyncClient) -> None:
    numbers = await a_person(gate.app.db)
    leaving = delivery.update().where(delivery.c.id == numbers["waiting"]).values(state=State.SENDING)
    async with gate.app.db.write() as connection:
        await connection.execute(leaving)
    answer = await program.delete(f"/api/customers/{WHO}")
    assert answer.status_code == 409
    assert "nothing is erased" in answer.json()["detail"]
    assert (await program.get(f"/api/customers/{WHO}/export")).json()["email"] == ADDRESS


@pytest.mark.parametrize("scope", [Scope.CUSTOMERS_READ, Scope.CUSTOMERS_WRITE])
async def test_who_may_write_may_not_therefore_erase(gate: Gate, scope: Scope) -> None:
    await a_person(gate.app.db)
    async with gate.client(await gate.token("shop", [scope])) as program:
        assert (await program.delete(f"/api/customers/{WHO}")).status_code == 403
        wanted = 200 if scope is Scope.CUSTOMERS_READ else 403
        assert (await program.get(f"/api/customers/{WHO}/export")).status_code == wanted


async def test_copies_and_clicks_on_disk_go_too(gate: Gate) -> None:
    numbers = await a_person(gate.app.db)
    other = await a_mail(gate, ["else@ev.example"], "<else@x>")
    both = await a_mail(gate, [ADDRESS, "else@ev.example"], "<both@x>")
    await a_mail(gate, [ADDRESS], "<m@x>")
    await a_mail(gate, [ADDRESS], "<an-older-database@x>")
    a_click(gate, numbers["sent"], "k1")
    gone = await gate.app.forget(WHO)
    assert (gone.mails, gone.clicks_wait) == (2, False)
    assert {each.id for each in await gate.app.mailbox.list()} == {other, both}
    assert [path for path in (gate.app.settings.state / "spool").iterdir() if path.suffix == ".whole"] == []
    assert NAME not in await everything(gate.app.db)
    async with gate.app.db.read() as connection:
        counted = select(delivery_event.c.detail).where(delivery_event.c.kind == "clicked")
        assert [set(detail) for detail in await connection.scalars(counted)] == [
            {"by"}
        ] * 2  # what is counted stays


async def test_of_a_shared_address_only_their_own_copies_go(gate: Gate) -> None:
    await a_person(gate.app.db)
    await a_customer_row(gate.app.db, "twin", email=ADDRESS)
    theirs = await a_mail(gate, [ADDRESS], "<of-the-twin@x>")
    await a_mail(gate, [ADDRESS], "<m@x>")
    gone = await gate.app.forget(WHO)
    assert (gone.mails, gone.others) == (1, ("twin",))
    assert [each.id for each in await gate.app.mailbox.list()] == [theirs]
