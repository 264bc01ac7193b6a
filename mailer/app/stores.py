"""The store's parts."""

from __future__ import annotations

import random
import secrets
from functools import cached_property
from pathlib import Path

from mailer.app.base import Installation, mailbox_of
from mailer.core.coupon import make_code
from mailer.files.journal import Journals
from mailer.mailbox.storage import Mailbox
from mailer.store.audience import Audience
from mailer.store.backup import backup
from mailer.store.campaigns import Campaigns
from mailer.store.control import Control
from mailer.store.coupons import Coupons
from mailer.store.customers import Customers
from mailer.store.holds import Holds
from mailer.store.leases import Leases
from mailer.store.ledger import Ledger
from mailer.store.overview import Overview
from mailer.store.redemptions import Redemptions
from mailer.store.runs import Runs
from mailer.store.senders import Senders
from mailer.store.shards import Shards
from mailer.store.suppressions import Suppressions
from mailer.store.switches import Switches
from mailer.store.words import WordsAhead

#: Seconds senders get to renew leases that ran out while the database was away: each tries every five.
PATIENCE = 8.0


class Stores(Installation):
    """Every aggregate of the database, made when it is first asked for."""

    @cached_property
    def runs(self) -> Runs:
        """Runs and versions."""
        return Runs(self.db, lambda prefix: make_code(prefix, secrets.randbelow), self.shards)

    @cached_property
    def released(self) -> Campaigns:
        """The versions that runs were released with; who asks for no more needs no queue of shards."""
        return Campaigns(self.db)

    @cached_property
    def shards(self) -> Shards | None:
        """The shares of runs that senders of several machines take; none on SQLite, which serves one."""
        if self.db.dialect == "sqlite":
            return None
        from mailer.cluster.queue import ProcrastinateQueue  # noqa: PLC0415 (time and memory SQLite need not pay)

        return Shards(self.db, ProcrastinateQueue(), self.settings.sender.claim_size)

    @cached_property
    def ledger(self) -> Ledger:
        """Deliveries."""
        return Ledger(self.db)

    @cached_property
    def leases(self) -> Leases:
        """Leases by name."""
        return Leases(self.db)

    @cached_property
    def senders(self) -> Senders:
        """Sender processes."""
        return Senders(self.db, PATIENCE, journals=self.journals, jitter=random.random)

    @cached_property
    def journals(self) -> Journals:
        """What the senders of this machine note beside the database."""
        return Journals(self.settings.state / "journal")

    @cached_property
    def audience(self) -> Audience:
        """Whom campaigns reach."""
        return Audience(self.db, self.moment)

    @cached_property
    def customers(self) -> Customers:
        """Customers by the shop's id."""
        return Customers(self.db)

    @cached_property
    def words_ahead(self) -> WordsAhead:
        """Words on consent whose time has yet to come."""
        return WordsAhead(self.db)

    @cached_property
    def suppressions(self) -> Suppressions:
        """Addresses we do not write to."""
        return Suppressions(self.db)

    @cached_property
    def overview(self) -> Overview:
        """What there is and what ran last, at one look."""
        return Overview(self.db)

    @cached_property
    def mailbox(self) -> Mailbox:
        """The built-in mailbox."""
        return mailbox_of(self.settings, self.clock)

    async def backup(self, file: Path) -> None:
        """Copy the database to a file; see `store.backup`."""
        await backup(self.db, file)

    @cached_property
    def control(self) -> Control:
        """What people may do to runs and deliveries."""
        return Control(self.db, self.rules.zone)

    @cached_property
    def holds(self) -> Holds:
        """Marketing that waits until an incident is over."""
        return Holds(self.db, self.shards)

    @cached_property
    def switches(self) -> Switches:
        """The kill switch."""
        return Switches(self.db)

    @cached_property
    def coupons(self) -> Coupons:
        """Codes."""
        return Coupons(self.db)

    @cached_property
    def redemptions(self) -> Redemptions:
        """Codes that come back."""
        return Redemptions(self.db, self.rules.zone)
