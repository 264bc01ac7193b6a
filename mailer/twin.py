"""The product on a copy of its database, under a clock of its own: what is done there changes nothing here."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

from mailer.app import App, Tell
from mailer.core.coupon import make_code
from mailer.core.policy import Rules
from mailer.feed.source import KeptFeeds
from mailer.flow.recheck import Recheck
from mailer.flow.rehearse import Rehearsal
from mailer.flow.rehearse_ports import Parts, Unwritten, VirtualClock
from mailer.flow.versions import KeptVersions
from mailer.settings import Settings
from mailer.store.engine import Database
from mailer.store.leases import IMPORT
from mailer.store.rehearsed import RehearsedAudience, RehearsedCopy, RehearsedRuns
from mailer.store.snapshot import snapshot

FOR_GOOD = timedelta(days=36_500)
LOOK_SECONDS = 0.25  # between two looks at an open import


@asynccontextmanager
async def rehearsal(app: App) -> AsyncIterator[Rehearsal]:
    """A rehearsal of the campaigns as their files stand, on a copy that is gone afterwards.

    Waits for an open import: nothing half-built is copied.

    Raises:
        StoreError: the database cannot be copied.
    """
    # The lease is held by another process: there is no event of ours to wait for.
    while await app.leases.holder(IMPORT) is not None:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)
    async with snapshot(app.db) as copy:
        twin = Twin(app.settings, copy, VirtualClock(app.clock()), app.tell)
        await twin.reload()
        yield twin.rehearsal()


class Twin(App):
    """The same parts on the copy; those that differ are named here."""

    def __init__(self, settings: Settings, db: Database, clock: VirtualClock, tell: Tell) -> None:
        super().__init__(settings, db, clock, tell)
        self._virtual = clock

    @cached_property
    def rules(self) -> Rules:
        """Nobody ends an outage here, so nothing looks whether one is over; work that ends by the clock lets go."""
        rules = super().rules
        return replace(rules, hold=rules.hold and FOR_GOOD)

    @cached_property
    def runs(self) -> RehearsedRuns:
        """Runs and versions."""
        return RehearsedRuns(self.db, lambda prefix: make_code(prefix, secrets.randbelow))

    @cached_property
    def audience(self) -> RehearsedAudience:
        """Whom campaigns reach."""
        return RehearsedAudience(self.db, self.moment)

    @cached_property
    def versions(self) -> KeptVersions:
        """Publishes each template once: files stand still here."""
        return KeptVersions(book=self.runs, publish=self.published, vet=self.vetted)

    @cached_property
    def feeds(self) -> KeptFeeds:
        """Fetches each feed once: it has nothing of the days to come."""
        return KeptFeeds(self.settings.jobs_dir)

    def rehearsal(self) -> Rehearsal:
        """The use case."""
        parts = Parts(
            copy=RehearsedCopy(self.db),
            planner=self.planner,
            words=self.words_ahead,
            incidents=self.incidents,
            book=self.runs,
            people=self.audience,
            ledger=self.ledger,
            senders=self.senders,
            recheck=Recheck(
                versions=self.runs,
                people=self.audience,
                segments=self.segments,
                composer=Unwritten(),
                clock=self.clock,
            ),
            judge=self._judge,
            clock=self._virtual,
        )
        return Rehearsal(
            parts,
            campaigns=self.campaigns,
            segments=self.segments,
            zone=self.rules.zone,
            leap_day=self.settings.policy.leap_day,
        )
