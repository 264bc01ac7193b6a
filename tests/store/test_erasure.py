"""Everything we hold of one person, forgotten; the ledger still adds up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from mailer.core.delivery import State
from mailer.core.erasure import bar_key
from mailer.core.run import RunState
from mailer.errors import UsageError
from mailer.store.engine import Database
from mailer.store.erasure import Erasure
from mailer.store.ledger import Ledger
from mailer.store.registry import Registers
from mailer.store.suppressions import Suppressions
from mailer.store.tables import (
    consent_entry,
    coupon,
    delivery,
    delivery_event,
    run,
)
from tests.store.persons import ADDRESS, SECRETS, WHO, a_person, erase, everything
from tests.store.rows import NOW, a_claim, a_coupon, a_customer_row, a_delivery, a_run, a_sender, add, one


async def counts(database: Database) -> dict[tuple[int, str], int]:
    async with database.read() as connection:
        rows = await connection.execute(
            select(delivery.c.run_id, delivery.c.state, func.count().label("n")).group_by(
                delivery.c.run_id, delivery.c.state
            )
        )
        return {(row.run_id, row.state): row.n for row in rows}


async def test_nothing_of_an_erased_person_is_left_and_the_ledger_adds_up(database: Database) -> None:
    numbers = await a_person(database)
    friend = await a_delivery(database)
    await add(database, delivery_event, delivery_id=friend, kind="redeemed", at=NOW,
              detail={"code": "F-1", "customer": WHO, "order": "ORDER-99", "net": "5"})  # fmt: skip
    late = await a_run(
        database, campaign="welcome", occurrence="evt-77", state=RunState.MISSED
    )  # nobody in it
    mails = {name: numbers[name] for name in ("sent", "skipped", "waiting")}
    before = await counts(database)
    gone = await erase(database)
    assert (gone.mails, gone.cancelled, gone.others) == ({*mails.values()}, 1, ())
    assert (gone.addresses, gone.shared, gone.message_ids) == ((ADDRESS.lower(),), (), {"<m@x>"})
    left = (await everything(database)).lower()
    assert [secret for secret in SECRETS if secret.lower() in left] == []
    waiting = await one(database, delivery, numbers["waiting"])
    before[waiting["run_id"], State.CANCELLED] = before.pop((waiting["run_id"], State.QUEUED))
    assert await counts(database) == before
    sent = await one(database, delivery, numbers["sent"])
    assert (sent["customer_id"], sent["email"], sent["reply"], sent["state"]) == (
        None,
        "",
        "250 2.0.0",
        "sent",
    )
    async with database.read() as connection:
        details = (await connection.execute(select(delivery_event.c.kind, delivery_event.c.detail))).all()
        codes = (
            await connection.execute(select(coupon.c.state, coupon.c.customer_id).order_by(coupon.c.id))
        ).all()
        entry = (await connection.execute(select(consent_entry))).one()
    assert sorted((row.kind, json.dumps(row.detail, sort_keys=True)) for row in details) == [
        ("cancelled", '{"by": "erasure"}'), ("clicked", '{"by": "human"}'),
        ("redeemed", '{"code": "F-1", "net": "5"}'), ("unsubscribed", '{"how": "page"}'),
    ]  # fmt: skip
    assert [tuple(row) for row in codes] == [("issued", None), ("released", None)]
    assert entry.email_key == bar_key("salt", ADDRESS.lower())
    assert (await one(database, run, numbers["reward"]))["occurrence"] == f"erased:{numbers['reward']}"
    assert (await one(database, run, late))["occurrence"] == f"erased:{late}"
    rows = [row async for row in Ledger(database).list()]
    assert [row["customer"] for row in rows].count(None) == 3
    with pytest.raises(UsageError, match="There is no customer"):
        await erase(database)


@pytest.mark.parametrize("state", ["sending", "claimed"])
async def test_nobody_is_erased_while_a_mail_to_them_is_under_way(database: Database, state: str) -> None:
    numbers = await a_person(database)
    if state == "claimed":
        await a_claim(database, await a_sender(database), numbers["waiting"])
    else:
        async with database.write() as connection:
            mine = delivery.update().where(delivery.c.id == numbers["waiting"])
            await connection.execute(mine.values(state=State.SENDING))
    before = await everything(database)
    with pytest.raises(UsageError, match="is under way, or its sender was stopped"):
        await erase(database)
    assert await everything(database) == before


async def test_another_customer_with_the_address_is_barred_and_named(database: Database) -> None:
    await a_person(database)
    await a_customer_row(database, "twin", email=ADDRESS)
    assert (await erase(database)).others == ("twin",)
    assert await Suppressions(database).of(ADDRESS) == {"all": "erased", "commercial": "unsubscribed"}


@pytest.mark.parametrize("settled", ["sent", "again"])
async def test_a_mail_in_doubt_stays_in_doubt_and_never_goes_out_again(
    database: Database, settled: str
) -> None:
    who = await a_customer_row(database, WHO, email=ADDRESS)
    doubtful = await a_delivery(database, None, who, state=State.IN_DOUBT, attempts=1, message_id="<d@x>")
    later = await a_delivery(database, None, who, state=State.DEFERRED, attempts=1, message_id="<l@x>")
    code = await a_coupon(database, doubtful, state="quarantined")
    assert (await erase(database)).cancelled == 1
    row = await one(database, delivery, doubtful)
    assert (row["state"], row["customer_id"], row["message_id"]) == (State.IN_DOUBT, None, "<d@x>")
    assert (await one(database, delivery, later))["state"] == State.CANCELLED
    ledger = Ledger(database)
    if settled == "again":
        with pytest.raises(UsageError, match="for somebody who is erased; it cannot go out"):
            await ledger.settle(doubtful, as_sent=False, now=NOW)
        return
    await ledger.settle(doubtful, as_sent=True, now=NOW)
    assert (await one(database, delivery, doubtful))["state"] == State.SENT
    assert (await one(database, coupon, code))["state"] == "issued"


async def test_a_refusal_is_handed_over_to_the_registry_first(database: Database) -> None:
    who = await a_customer_row(database, WHO, email=ADDRESS)
    said = {
        "customer_id": who,
        "email_key": ADDRESS.lower(),
        "purpose": "commercial",
        "source": "x",
        "at": NOW,
    }
    refusal = await add(database, consent_entry, action="revoked", via="link", stored_at=NOW, **said)
    erasure = Erasure(database)
    with pytest.raises(UsageError, match="mailer consent upload"):
        await erasure.erase(WHO, NOW, "salt", registry=True)
    await Registers(database).told([refusal])
    assert (await erasure.erase(WHO, NOW, "salt", registry=True)).addresses == (ADDRESS.lower(),)


async def test_a_file_keeps_nothing_of_them(sqlite_database: Database) -> None:
    await a_person(sqlite_database)
    await erase(sqlite_database)
    await Erasure(sqlite_database).wipe()
    file = Path(sqlite_database.where)
    for part in (file, file.with_name(f"{file.name}-wal")):
        if part.exists():
            data = part.read_bytes()
            assert [secret for secret in SECRETS if secret.encode() in data] == [], part.name
