"""All that is kept of one customer, for them to read: found through the tables, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.redemption import GIVEN
from mailer.errors import UsageError
from mailer.store.belongings import belonging
from mailer.store.engine import Database
from mailer.store.tables import (
    coupon,
    customer,
    delivery,
    delivery_event,
    incident,
    incident_recipient,
    list_member,
    named_list,
    returned,
    run,
    suppression,
)

#: Under which name a table's rows stand; the others stand under their own.
_NAMES = {
    "customer_date": "dates", "customer_event": "events", "consent_entry": "consent_entries", "list_member": "lists",
    "service_point": "points", "customer_score": "scores", "segment_member": "segments", "delivery": "deliveries",
    "coupon": "coupons", "incident_recipient": "incidents",
}  # fmt: skip

#: How we keep house with the rows; it says nothing of the person.
_OURS = frozenset(
    {
        "customer_id",
        "sender_id",
        "render_kills",
        "once_key",
        "round_id",
        "list_id",
        "incident_id",
        "spent",
        "owed",
        "ahead",
    }
)

#: What a row is better known by than by a number of ours.
_NAMED: Mapping[str, tuple[Table, ColumnElement[bool], tuple[ColumnElement[Any], ...]]] = {
    "delivery": (run, run.c.id == delivery.c.run_id, (run.c.occurrence,)),
    "list_member": (named_list, named_list.c.id == list_member.c.list_id, (named_list.c.name,)),
    "incident_recipient": (
        incident,
        incident.c.id == incident_recipient.c.incident_id,
        (incident.c.id.label("incident"), incident.c.title),
    ),
}


class Dossiers:
    """Reads everything of one customer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, ext_id: str) -> dict[str, Any]:
        """The customer's row, and under the name of each kind of thing a list of them, oldest first.

        A code that was not given to them yet is not told. Our keys, passwords and links' tokens are in no table.

        Raises:
            UsageError: there is no such customer.
        """
        async with self._database.read() as connection:
            found = (
                (await connection.execute(select(customer).where(customer.c.ext_id == ext_id)))
                .mappings()
                .one_or_none()
            )
            if found is None:
                raise UsageError(f"There is no customer {ext_id!r}; see mailer customers list.")
            dossier: dict[str, Any] = {
                ("internal_number" if name == "id" else "id" if name == "ext_id" else name): value
                for name, value in found.items()
            }
            for table, column in sorted(belonging(), key=lambda each: each[0].name):
                rows = await _rows(connection, _question(table).where(column == found["id"]))
                dossier[_NAMES.get(table.name, table.name)] = rows
            for row in dossier["coupons"]:
                if row["state"] not in GIVEN:
                    row["code"] = None
            theirs = delivery.c.customer_id == found["id"]
            mails = select(delivery.c.id).where(theirs)
            address = found["email_key"]
            dossier["delivery_events"] = await _rows(
                connection,
                select(delivery_event)
                .where(delivery_event.c.delivery_id.in_(mails))
                .order_by(delivery_event.c.id),
            )
            own = [returned.c.email_key == address] if address else []
            dossier["returned"] = await _rows(
                connection,
                select(returned).where(or_(returned.c.delivery_id.in_(mails), *own)).order_by(returned.c.id),
            )
            dossier["suppressions"] = (
                await _rows(connection, select(suppression).where(suppression.c.email_key == address))
                if address
                else []
            )
        return dossier


def _question(table: Table) -> Select[Any]:
    wanted = select(*(column for column in table.columns if column.name not in _OURS))
    named = _NAMED.get(table.name)
    if named is not None:
        other, on, columns = named
        wanted = wanted.add_columns(*columns).join_from(table, other, on)
    elif table is coupon:
        wanted = wanted.order_by(coupon.c.id)
    return wanted.order_by(*table.primary_key.columns) if table is not coupon else wanted


async def _rows(connection: AsyncConnection, question: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in (await connection.execute(question)).mappings()]
