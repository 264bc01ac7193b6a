"""Somebody with a row in every table that has rows of people."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import select

from mailer.core.delivery import State
from mailer.store.engine import Database
from mailer.store.erasure import Erased, Erasure
from mailer.store.suppressions import Suppressions
from mailer.store.tables import (
    cap_slot,
    consent_entry,
    customer_date,
    customer_event,
    delivery_event,
    incident,
    incident_recipient,
    list_member,
    metadata,
    named_list,
    returned,
    service_point,
)
from tests.store.rows import NOW, a_coupon, a_customer_row, a_delivery, a_run, add, put

HOUR = timedelta(hours=1)
WHO, ADDRESS, NAME = "shop-4711", "Ayse.Gizli@ev.example", "Gizliklioglu"
SECRETS = (WHO, "ayse.gizli", NAME, "ORDER-99", "Moda Cad", "evt-77")


async def a_person(database: Database) -> dict[str, int]:
    """Somebody with a row in every table that has rows of people; the numbers of their mails."""
    who = await a_customer_row(
        database, WHO, email=ADDRESS, last_name=NAME, attributes={"note": NAME}, postal_code="34710"
    )
    await put(
        database,
        customer_date,
        customer_id=who,
        attr="birthday",
        month=5,
        day=10,
        set_at=NOW,
        placeholder=False,
    )
    bought = {"customer_id": who, "at": NOW, "stored_at": NOW}
    await add(
        database, customer_event, ext_id="evt-77", name="order.placed", order_ref="ORDER-99", net_e4=1,
        properties={"order": "ORDER-99", "to": "Moda Cad"}, **bought,
    )  # fmt: skip
    await add(
        database, consent_entry, customer_id=who, email_key=ADDRESS.lower(), purpose="commercial", action="granted",
        source="event:evt-77", via="event", at=NOW - 9 * HOUR, stored_at=NOW, proof={"ip": "Moda Cad"},
    )  # fmt: skip
    await add(
        database,
        service_point,
        customer_id=who,
        ext_id="p1",
        service="fibre",
        label="Moda Cad 12",
        stored_at=NOW,
    )
    listed = await add(database, named_list, name="vips", loaded_at=NOW)
    await put(database, list_member, list_id=listed, customer_id=who)
    outage = await add(
        database, incident, title="No light", state="resolved", planned=False, opened_at=NOW, services=[], postal=[],
        lists=[], exclusions=[],
    )  # fmt: skip
    await put(
        database, incident_recipient, incident_id=outage, customer_id=who, state="affected", joined_at=NOW,
        points=[{"label": "Moda Cad 12"}],
    )  # fmt: skip
    done = {"state": State.SENT, "sent_at": NOW + HOUR, "attempts": 1, "message_id": "<m@x>"}
    sent = await a_delivery(database, None, who, reply="250 2.0.0 ok for ayse.gizli", **done)
    by_event = await a_run(database, campaign="reward", occurrence="evt-77")
    skipped = await a_delivery(
        database, by_event, who, state=State.SKIPPED, reason="capped", context={"n": NAME}
    )
    waiting = await a_delivery(database, None, who)
    await add(database, delivery_event, delivery_id=sent, kind="clicked", at=NOW + 2 * HOUR,
              detail={"by": "human", "url": f"https://shop.example/{WHO}"})  # fmt: skip
    await add(
        database,
        delivery_event,
        delivery_id=sent,
        kind="unsubscribed",
        at=NOW + 3 * HOUR,
        detail={"how": "page"},
    )
    await put(database, cap_slot, customer_id=who, local_day=NOW.date(), slot=0, delivery_id=sent)
    await add(
        database, returned, kind="delay", source="dsn", delivery_id=sent, attempt=1, email_key=ADDRESS.lower(),
        diagnostic="<ayse.gizli> is away", at=NOW,
    )  # fmt: skip
    await a_coupon(
        database, sent, code="TS-GIVEN", state="issued", issued_at=NOW + HOUR, redeemed_order="ORDER-99"
    )
    await a_coupon(database, waiting, code="TS-HELD")
    await Suppressions(database).add(ADDRESS, "commercial", "unsubscribed", "link", NOW)
    return {"who": who, "sent": sent, "skipped": skipped, "waiting": waiting, "reward": by_event}


async def everything(database: Database) -> str:
    """Every row of every table, as text."""
    async with database.read() as connection:
        rows = [
            (table.name, [str(value) for value in row])
            for table in metadata.sorted_tables
            for row in await connection.execute(select(table))
        ]
    return json.dumps(rows, ensure_ascii=False)


async def erase(database: Database, who: str = WHO) -> Erased:
    return await Erasure(database).erase(who, NOW + 9 * HOUR, "salt")
