"""Rows as short as a test can say them: every factory fills in what the test does not care about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Table, insert, select

from mailer.core.customer import normalise_address
from mailer.core.delivery import State
from mailer.core.run import RunState
from mailer.store.claims import hold
from mailer.store.engine import Database
from mailer.store.senders import Senders
from mailer.store.tables import campaign_version, claim, coupon, customer, delivery, delivery_event, run

#: The instant tests happen at, unless they say another.
NOW = datetime(2027, 5, 10, 7, 0, tzinfo=UTC)

_numbers = count(1)


async def add(database: Database, table: Table, **values: Any) -> int:
    """Insert one row and give its id."""
    async with database.write() as connection:
        return int(
            (await connection.execute(insert(table).values(**values).returning(table.c.id))).scalar_one()
        )


async def one(database: Database, table: Table, row_id: int) -> dict[str, Any]:
    """The row of an id, as a mapping."""
    async with database.read() as connection:
        return dict((await connection.execute(select(table).where(table.c.id == row_id))).mappings().one())


async def a_customer_row(database: Database, ext_id: str | None = None, **values: Any) -> int:
    """A customer who opted in; their address is `<ext_id>@shop.example` unless given."""
    ext_id = ext_id or f"c{next(_numbers)}"
    email = values.pop("email", f"{ext_id}@shop.example")
    given: dict[str, Any] = {
        "ext_id": ext_id, "email": email, "email_key": normalise_address(email) if email else "",
        "stored_at": NOW - timedelta(days=60), "updated_at": NOW - timedelta(days=60),
        "services": [], "attributes": {}, "consent": "yes",
    }  # fmt: skip
    return await add(database, customer, **(given | values))


async def a_version(database: Database, campaign: str = "offer", **values: Any) -> int:
    """A published campaign with an empty template."""
    given: dict[str, Any] = {
        "campaign": campaign, "digest": f"d{next(_numbers)}", "definition": {}, "parts": {},
        "created_at": NOW,
    }  # fmt: skip
    return await add(database, campaign_version, **(given | values))


async def a_run(database: Database, campaign: str = "offer", **values: Any) -> int:
    """A whole run, released and due now."""
    if "version_id" not in values:
        values["version_id"] = await a_version(database, campaign)
    given: dict[str, Any] = {
        "campaign": campaign, "occurrence": f"manual:{next(_numbers)}", "state": RunState.QUEUED,
        "purpose": "commercial", "priority": 40, "due_at": NOW, "closes_at": NOW, "created_at": NOW,
    }  # fmt: skip
    return await add(database, run, **(given | values))


async def a_delivery(
    database: Database, run_id: int | None = None, customer_id: int | None = None, **values: Any
) -> int:
    """A delivery waiting to be sent now, in a run and to a customer of its own unless given."""
    if run_id is None:
        run_id = await a_run(database, purpose=values.get("purpose", "commercial"))
    if customer_id is None:
        customer_id = await a_customer_row(database)
    of = await one(database, run, run_id)
    to = await one(database, customer, customer_id)
    given: dict[str, Any] = {
        "run_id": run_id, "customer_id": customer_id, "campaign": of["campaign"], "purpose": of["purpose"],
        "priority": of["priority"], "once_key": f"{of['campaign']}:{run_id}:{to['ext_id']}",
        "email": to["email"], "email_key": to["email_key"], "state": State.QUEUED,
        "due_at": NOW, "not_before": NOW, "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return await add(database, delivery, **(given | values))


async def a_coupon(database: Database, delivery_id: int, **values: Any) -> int:
    """A generated coupon reserved for a delivery."""
    of = await one(database, delivery, delivery_id)
    given: dict[str, Any] = {
        "code": f"TS-{next(_numbers):08d}", "kind": "generated", "campaign": of["campaign"],
        "state": "reserved", "once_key": of["once_key"], "delivery_id": delivery_id,
        "customer_id": of["customer_id"], "percent": 20, "created_at": NOW, "changed_at": NOW,
    }  # fmt: skip
    return await add(database, coupon, **(given | values))


async def put(database: Database, table: Table, **values: Any) -> None:
    """Insert one row of a table without numbers."""
    async with database.write() as connection:
        await connection.execute(insert(table).values(**values))


async def add_many(database: Database, run_id: int, count_: int, **values: Any) -> None:
    """So many deliveries in a run, each to a customer of its own."""
    of = await one(database, run, run_id)
    names = [f"m{next(_numbers)}" for _ in range(count_)]
    async with database.write() as connection:
        await connection.execute(
            insert(customer),
            [
                {
                    "ext_id": name, "email": f"{name}@shop.example", "email_key": f"{name}@shop.example",
                    "stored_at": NOW, "updated_at": NOW, "services": [], "attributes": {}, "consent": "yes",
                }
                for name in names
            ],
        )  # fmt: skip
        ids = (await connection.execute(select(customer.c.id, customer.c.ext_id))).all()
        wanted = set(names)
        await connection.execute(
            insert(delivery),
            [
                {
                    "run_id": run_id, "customer_id": found.id, "campaign": of["campaign"],
                    "purpose": of["purpose"], "priority": of["priority"],
                    "once_key": f"{run_id}:{found.ext_id}", "email": f"{found.ext_id}@shop.example",
                    "email_key": f"{found.ext_id}@shop.example", "state": State.QUEUED, "due_at": NOW,
                    "not_before": NOW, "created_at": NOW, "updated_at": NOW,
                    **values,
                }
                for found in ids
                if found.ext_id in wanted
            ],
        )  # fmt: skip


async def a_sender(database: Database, lease_seconds: float = 60) -> int:
    """A sender that signed on with a lease."""
    return await Senders(database).register("host", 1, NOW, lease_seconds)


async def claimed_by(database: Database, delivery_id: int) -> int | None:
    """The sender that took a delivery up and has not begun it."""
    async with database.read() as connection:
        rows = (await connection.execute(select(claim.c.sender_id, claim.c.deliveries))).all()
    return next((sender_id for sender_id, ids in rows if delivery_id in ids), None)


async def a_claim(database: Database, sender_id: int, delivery_id: int) -> int:
    """A delivery that a sender took up; its number."""
    async with database.write() as connection:
        await hold(connection, sender_id, [delivery_id])
    return delivery_id


async def events(database: Database, delivery_id: int) -> list[str]:
    """The kinds of the facts kept of a delivery, in their order."""
    async with database.read() as connection:
        wanted = select(delivery_event.c.kind).where(delivery_event.c.delivery_id == delivery_id)
        return list((await connection.scalars(wanted.order_by(delivery_event.c.id))).all())
