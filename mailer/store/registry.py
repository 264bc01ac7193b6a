"""The consent ledger as the state's registry of consent sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import COMMERCIAL, Action, Via, fold
from mailer.core.registry import LAPSED, Answered, Due, Status
from mailer.store.consent import latest_entries
from mailer.store.dialect import slices
from mailer.store.engine import Database
from mailer.store.tables import consent_entry, customer

TOLD = "told"  # in a file for the registry; no answer yet
SOURCE = "registry"
_E = consent_entry.c

#: Words the registry has to hear of: not its own, and of somebody who is still here.
_OURS = (_E.via != Via.REGISTRY, _E.purpose == COMMERCIAL, _E.customer_id.is_not(None), _E.email_key != "")


class Registers:
    """Reads what is due, and writes what came of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self) -> Sequence[Due]:
        """Entries the registry was not told of, the oldest first."""
        question = (
            select(_E.id, _E.email_key, _E.action, _E.at, _E.stored_at)
            .where(*_OURS, _E.registry_status.is_(None))
            .order_by(_E.id)
        )
        async with self._database.read() as connection:
            rows = await connection.execute(question)
            return [Due(row.id, row.email_key, Action(row.action), row.at, row.stored_at) for row in rows]

    async def told(self, entries: Sequence[int]) -> None:
        """These stand in a file."""
        async with self._database.write() as connection:
            for part in slices(entries):
                await connection.execute(
                    update(consent_entry)
                    .where(_E.id.in_(part), _E.registry_status.is_(None))
                    .values(registry_status=TOLD)
                )

    async def answer(self, answers: Sequence[Answered], now: datetime) -> list[bool]:
        """Write answers down, each once; whether somebody here has the address and it was news."""
        async with self._database.write() as connection:
            return [await _answer(connection, each, now) for each in answers]

    async def lapse(self, ends: Callable[[datetime], datetime], now: datetime) -> int:
        """Let consent go that the registry did not confirm in time; of how many customers."""
        async with self._database.write() as connection:
            rows = await connection.execute(
                select(customer.c.id, customer.c.email_key, customer.c.consent_at)
                .where(customer.c.consent == "yes", customer.c.email_key != "")
                .order_by(customer.c.id)
                .with_for_update()
            )
            late = [row for row in rows if row.consent_at is None or ends(row.consent_at) <= now]
            keys = [row.id for row in late]
            confirmed: set[int] = set()
            for part in slices(keys):
                confirmed |= set(
                    await connection.scalars(
                        select(_E.customer_id).where(
                            _E.customer_id.in_(part), _E.via == Via.REGISTRY, _E.action == Action.GRANTED
                        )
                    )
                )
            gone = [row for row in late if row.id not in confirmed]
            for row in gone:
                await _add(connection, row.id, row.email_key, Action.REVOKED, LAPSED, now, now)
        return len(gone)

    async def counted(self) -> dict[str, int]:
        """Entries by what the registry knows of them; `unknown` were not told yet."""
        question = select(_E.registry_status, func.count()).where(*_OURS).group_by(_E.registry_status)
        async with self._database.read() as connection:
            rows = (await connection.execute(question)).all()
        return {status or "unknown": count for status, count in rows}


async def _answer(connection: AsyncConnection, said: Answered, now: datetime) -> bool:
    """One answer: the registry's word into the ledger of whoever has the address."""
    status = Status.ONAY if said.action is Action.GRANTED else Status.RET
    await connection.execute(
        update(consent_entry)
        .where(*_OURS, _E.email_key == said.email_key, _E.action == said.action, _E.registry_status == TOLD)
        .values(registry_status=status)
    )
    theirs = select(customer.c.id).where(customer.c.email_key == said.email_key)
    keys = (await connection.scalars(theirs.order_by(customer.c.id).with_for_update())).all()
    new = False
    ledgers = await latest_entries(connection, keys)
    for key in keys:
        entries = ledgers.get(key, ())
        known = await connection.execute(
            select(_E.action, _E.at, _E.source)
            .where(_E.customer_id == key, _E.via == Via.REGISTRY)
            .order_by(_E.id.desc())
        )
        words = known.all()
        last = words[0] if words else None
        lapsed = last is not None and last.source == LAPSED and fold(entries).via is Via.REGISTRY
        at = min(said.at or now, now)
        if lapsed and said.action is Action.GRANTED and last is not None:
            at = max(now, last.at + timedelta(microseconds=1))  # it is known now what was missing then
        elif any(row.action == said.action and (said.at is None or row.at == at) for row in words[:1]):
            continue
        await _add(connection, key, said.email_key, said.action, SOURCE, at, now, status)
        new = True
    return new


async def _add(
    connection: AsyncConnection,
    key: int,
    email_key: str,
    action: Action,
    source: str,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> None:
    values: dict[str, Any] = {
        "customer_id": key, "email_key": email_key, "purpose": COMMERCIAL, "action": action, "source": source,
        "via": Via.REGISTRY, "at": at, "stored_at": now, "registry_status": status,
    }  # fmt: skip
    await connection.execute(insert(consent_entry).values(values))
    standing = fold((await latest_entries(connection, [key]))[key])
    await connection.execute(
        update(customer)
        .where(customer.c.id == key)
        .values(consent=standing.consent, consent_at=standing.at, updated_at=now)
    )
