"""Forgetting a customer: while nothing is planned and nothing is imported, everywhere we have them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailer.errors import StoreError, UsageError
from mailer.flow.lots import LEASE, LEASE_SECONDS, PATIENCE_SECONDS, Leases
from mailer.flow.scheduler import PLANNING

_LOOK_SECONDS = 0.25
_SPOOL_SECONDS = 15.0  # hits are ripe long before


class ErasedPort(Protocol):
    """What became of somebody."""

    @property
    def addresses(self) -> tuple[str, ...]: ...
    @property
    def shared(self) -> tuple[str, ...]: ...
    @property
    def message_ids(self) -> frozenset[str]: ...
    @property
    def mails(self) -> frozenset[int]: ...
    @property
    def cancelled(self) -> int: ...
    @property
    def others(self) -> tuple[str, ...]: ...


class ErasurePort(Protocol):
    """Where customers are kept."""

    async def mails(self, ext_id: str) -> frozenset[int]: ...
    async def erase(self, ext_id: str, now: datetime, salt: str, *, registry: bool = False) -> ErasedPort: ...
    async def wipe(self) -> None: ...


class MailboxPort(Protocol):
    """Where mails are caught while no relay is set."""

    async def forget(
        self, addresses: Collection[str], shared: Collection[str], message_ids: Collection[str]
    ) -> int: ...


class SpoolPort(Protocol):
    """Clicks and openings that wait on disk."""

    async def once(self) -> int:
        """Take in what is ripe; of whoever is erased nothing is kept."""

    async def holds(self, deliveries: Collection[int]) -> bool:
        """Whether something of these deliveries waits."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a person who asked for it is told."""

    deliveries: int
    cancelled: int
    mails: int  # in the built-in mailbox
    others: tuple[str, ...]
    clicks_wait: bool = False  # some of theirs are on disk still; they are let go when the web takes them in


class Forgetting:
    """Erases customers."""

    def __init__(
        self,
        store: ErasurePort,
        mailbox: MailboxPort,
        spool: SpoolPort,
        leases: Leases,
        *,
        registry: bool = False,
    ) -> None:
        self._store = store
        self._mailbox = mailbox
        self._spool = spool
        self._leases = leases
        self._registry = registry  # whether refusals have to be handed over to one

    async def erase(
        self, customer: str, now: datetime, salt: str, *, patience: float = PATIENCE_SECONDS
    ) -> Forgotten:
        """Forget a customer of the shop's id; after `patience` seconds of somebody else's planning give up.

        Raises:
            UsageError: there is none, or a mail to them is under way, or planning or an import does not end, or a
                registry has to hear first that they refused.
        """
        patient = min(patience, _SPOOL_SECONDS)
        # What they clicked until now is counted first, and what they click meanwhile is let go.
        await self._wait_for_clicks(await self._store.mails(customer), patient)
        # In this order, as whoever plans takes them: nobody waits for one who waits for him.
        async with self._alone(PLANNING, patience), self._alone(LEASE, patience):
            erased = await self._store.erase(customer, now, salt, registry=self._registry)
        await self._store.wipe()
        mails = await self._mailbox.forget(erased.addresses, erased.shared, erased.message_ids)
        wait = await self._wait_for_clicks(erased.mails, patient)
        return Forgotten(len(erased.mails), erased.cancelled, mails, erased.others, clicks_wait=wait)

    async def _wait_for_clicks(self, mails: Collection[int], seconds: float) -> bool:
        """Let what waits on this machine's disk be taken in, by us or by who serves the web; whether some is left."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + seconds
        try:
            while await self._spool.holds(mails):
                if loop.time() > give_up:
                    return True
                if not await self._spool.once():
                    await asyncio.sleep(_LOOK_SECONDS)
        except (OSError, StoreError):
            return True
        return False

    @asynccontextmanager
    async def _alone(self, lease: str, patience: float) -> AsyncIterator[None]:
        owner = uuid.uuid4().hex
        loop = asyncio.get_running_loop()
        give_up = loop.time() + patience
        while not await self._leases.acquire(lease, owner, LEASE_SECONDS):
            if loop.time() > give_up:
                raise UsageError("Planning or an import is under way and does not end; try again later.")
            await asyncio.sleep(_LOOK_SECONDS)
        try:
            yield
        finally:
            await self._leases.release(lease, owner)
