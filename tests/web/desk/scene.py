"""A shop with something of everything, said with the worst letters there are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from mailer.core.area import Area
from mailer.core.delivery import State
from mailer.core.incident import IncidentState, Update
from mailer.store.engine import Database
from mailer.store.incidents import Incidents
from mailer.store.tables import delivery, incident_recipient, suppression
from tests.store import rows
from tests.store.rows import NOW

EVIL = "<script>alert(1)</script>"
RTL = "\u202eevil\u05d0\u05d1"
#: An id as shops have them, and as an address must carry it.
ODD = "a/b?c&d=é <i>"


async def a_shop(database: Database) -> dict[str, int]:
    """Two runs, a customer of each fate, an incident. Gives the numbers of `sent`, `capped`, `run`, `empty`."""
    run = await rows.a_run(database, campaign="offer", occurrence=f"manual:{EVIL}")
    odd = await rows.a_customer_row(
        database, ODD, email="odd@shop.example", first_name=EVIL, last_name=RTL,
        attributes={"city": EVIL, "n": [1, "b"]}
    )  # fmt: skip
    sent = await rows.a_delivery(
        database, run, odd, state=State.SENT, sent_at=NOW, attempts=2, reply=f"250 {EVIL}", message_id="<m1@shop>"
    )  # fmt: skip
    capped = await rows.a_delivery(database, run, state=State.SKIPPED, reason="capped")
    await rows.a_delivery(database, run, state=State.SKIPPED, reason="no_consent")
    await rows.a_delivery(database, run, state=State.FAILED, reason="refused", attempts=1, reply="550 no")
    await rows.a_delivery(database, run, state=State.QUEUED, not_before=NOW + timedelta(hours=2))
    gone = await rows.a_delivery(database, run, state=State.SENT, sent_at=NOW, attempts=1)
    await erased(database, gone)
    version = await rows.a_version(
        database, "vip", definition={"goal": {"event": "order.placed", "within": "30d"}}
    )
    vip = await rows.a_run(database, campaign="vip", version_id=version)
    await rows.a_delivery(database, vip, state=State.SENT, sent_at=NOW, attempts=1)
    await rows.a_delivery(database, vip, state=State.SKIPPED, reason="holdout")
    empty = await rows.a_run(database, campaign="newsletter", state="skipped_empty")
    await rows.put(
        database, suppression, email_key="odd@shop.example", scope="commercial", reason="unsubscribed",
        source=f"page {EVIL}", at=NOW,
    )  # fmt: skip
    await an_incident(database, odd)
    return {"run": run, "sent": sent, "capped": capped, "empty": empty}


async def erased(database: Database, delivery_id: int) -> None:
    """Whoever it was for is forgotten."""
    async with database.write() as connection:
        await connection.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id)
            .values(customer_id=None, email="", email_key="")
        )


async def an_incident(database: Database, unreachable: int, **values: Any) -> int:
    """An outage whose next update is overdue, with one who cannot be reached."""
    first = Update(
        1, IncidentState.INVESTIGATING, f"Kadıköy {EVIL}", Area(services=("fibre",), postal=("3471*",)),
        NOW - timedelta(hours=2), "ayşe", message=f"Kazı {RTL}", next_update=NOW - timedelta(hours=1),
        titles=(("en", "A cable was cut"),), **values,
    )  # fmt: skip
    incidents = Incidents(database)
    number = await incidents.create(first, planned=False, published=True)
    await rows.put(
        database, incident_recipient, incident_id=number, customer_id=unreachable, state="unreachable",
        points=[{"id": "p1", "label": f"Ev {EVIL}"}], joined_at=NOW,
    )  # fmt: skip
    return number
