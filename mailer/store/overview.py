"""What a person sees first: how much there is, and what ran last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from mailer.core.delivery import Tally
from mailer.store.dialect import clock
from mailer.store.engine import Database
from mailer.store.runs import tally
from mailer.store.switches import HALT
from mailer.store.tables import customer, run, sender, switch


@dataclass(frozen=True, slots=True)
class LastRun:
    """A run and its deliveries by state."""

    id: int
    campaign: str
    occurrence: str
    state: str
    due_at: datetime
    counts: Tally


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at the database."""

    customers: int
    consenting: int  # customers whose consent to commercial mail stands
    senders: int  # sender processes whose lease holds
    halted_at: datetime | None
    runs: Sequence[LastRun]  # newest first


class Overview:
    """Reads the database for the start page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, runs: int = 10) -> Facts:
        """The facts as of now, with at most so many runs."""
        async with self._database.read() as connection:
            wanted = select(customer.c.consent, func.count()).group_by(customer.c.consent)
            by_consent = (await connection.execute(wanted)).all()
            senders = await connection.scalar(
                select(func.count()).select_from(sender).where(sender.c.lease_until > clock())
            )
            halted_at = await connection.scalar(select(switch.c.at).where(switch.c.name == HALT))
            last = (await connection.execute(select(run).order_by(run.c.id.desc()).limit(runs))).all()
            counts = await tally(connection, [row.id for row in last])
        return Facts(
            customers=sum(count for _consent, count in by_consent),
            consenting=sum(count for consent, count in by_consent if consent == "yes"),
            senders=int(senders or 0),
            halted_at=halted_at,
            runs=[
                LastRun(
                    row.id, row.campaign, row.occurrence, row.state, row.due_at, counts.get(row.id, Tally())
                )
                for row in last
            ],
        )

    async def ready(self) -> None:
        """Ask the database for an answer.

        Raises:
            StoreError: there is none.
        """
        async with self._database.read() as connection:
            await connection.execute(select(1))
