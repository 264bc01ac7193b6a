"""The product: planning, incidents, sending."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cached_property

from mailer.app.base import Tell
from mailer.app.dispatch import Dispatch, install
from mailer.app.people import People
from mailer.cluster.processes import affordable
from mailer.core.handoff import HandoffFacts, Verdict
from mailer.core.pace import Hours
from mailer.core.policy import judge
from mailer.core.trigger import IncidentTrigger
from mailer.feed.source import Feeds
from mailer.flow.breaker import Breaker
from mailer.flow.connection import Tools
from mailer.flow.incident_desk import IncidentDesk
from mailer.flow.notify import Notifier
from mailer.flow.plan import Planner
from mailer.flow.recheck import Recheck
from mailer.flow.scheduler import Scheduler
from mailer.flow.send import SenderConfig, SendLoop
from mailer.flow.standby import Standby
from mailer.flow.tally import Tally
from mailer.render.guard import limit_memory
from mailer.settings import Settings
from mailer.store import migrate
from mailer.store.breaker import Breakers
from mailer.store.engine import Database
from mailer.store.incidents import Incidents
from mailer.store.recipients import Recipients
from mailer.store.relay_answers import RelayAnswers

#: Bytes a sender may map: an ordinary one maps about half of it, most of it shared libraries.
SENDER_MEMORY = 2_000_000_000


class App(People, Dispatch):
    """Every part, wired. Parts are made when they are first asked for."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        clock: Callable[[], datetime],
        tell: Tell,
        *,
        load: bool = True,
        upgrade: bool = False,
        short: bool = False,
    ) -> AsyncIterator[App]:
        """Open the database, made or upgraded where that is allowed, and read the campaigns.

        With `upgrade` an old database is brought up to date whatever it is; with `short` no statement is to take
        long, as none of a sender does.

        Raises:
            StoreError: the database cannot be used.
        """
        db = await Database.connect(settings.database_url.get_secret_value(), short=short)
        try:
            await (migrate.upgrade(db, install) if upgrade else migrate.require(db, install))
            app = cls(settings, db, clock, tell)
            if load:
                await app.reload()
                await app.planner.look(clock())
            yield app
        finally:
            await db.close()

    @cached_property
    def feeds(self) -> Feeds:
        """What newsletters take their posts from."""
        return Feeds(self.settings.jobs_dir)

    @cached_property
    def planner(self) -> Planner:
        """Turns what falls due into runs."""
        return Planner(
            campaigns=self.campaigns,
            segments=self.segments,
            book=self.runs,
            people=self.audience,
            feeds=self.feeds,
            version=self.versions.of,
            rules=self.rules,
            leap_day=self.settings.policy.leap_day,
            currency=self.settings.tenant.currency,
        )

    @cached_property
    def incidents(self) -> Notifier:
        """Tells customers of outages."""
        hours = Hours(self.rules.zone, self.rules.quiet)
        recipients = Recipients(self.db, self.shards)
        return Notifier(Incidents(self.db), recipients, self, self.audience, self.service_domain, hours)

    @cached_property
    def incident_desk(self) -> IncidentDesk:
        """Incidents as programs tell of them."""
        above = self.settings.policy.approval.above
        return IncidentDesk(self.incidents, Incidents(self.db), self.clock, self.reload, above)

    def incident_campaigns(self) -> list[str]:
        """Campaigns that carry outage notices."""
        return [
            name
            for name, campaign in sorted(self.campaigns.items())
            if campaign.enabled and isinstance(campaign.trigger, IncidentTrigger)
        ]

    def other_campaigns(self) -> list[str]:
        """The other campaigns that may go out."""
        incident = self.incident_campaigns()
        return [
            name
            for name, campaign in sorted(self.campaigns.items())
            if campaign.enabled and name not in incident
        ]

    async def version_for(self, campaign: str) -> int:
        """The version of a campaign, published now."""
        return await self.versions.of(self.campaign(campaign), self.clock())

    def scheduler(self) -> Scheduler:
        """Plans under the planner's lease."""
        return Scheduler(
            planner=self.planner,
            words=self.words_ahead,
            incidents=self.incidents,
            senders=self.senders,
            ledger=self.ledger,
            leases=self.leases,
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            clock=self.clock,
            reload=self.reload,
            tell=self.tell,
            stock=self.stockroom,
            looks=self.planner.looks,
            standby=Standby(self, self.tell),
        )

    def limit_memory(self) -> None:
        """From now on this process may take so much memory: a template that wants more fails its render."""
        limit_memory(SENDER_MEMORY)

    async def send(
        self,
        connections: int,
        *,
        first: int = 0,
        until_idle: bool,
        stop: asyncio.Event,
        shared: bool = False,
        urgent: bool = False,
        counted: bool = True,
    ) -> None:
        """Be a sender process; see `dispatcher` for `shared` and `urgent`, `departure` for `first`.

        Its campaigns were read before (`reload`).

        Unless `counted`, nothing is kept of what the relay answers: the built-in mailbox is another one at each start.
        """
        wanted, connections = connections, affordable(connections)
        if connections < wanted:
            self.tell(f"Too few files may be open for {wanted} connections; this sender uses {connections}.")
        config = SenderConfig(
            connections=connections,
            claim_size=self.settings.sender.claim_size,
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        recheck = Recheck(
            versions=self.released,
            people=self.audience,
            segments=self.segments,
            composer=self.composer,
            clock=self.clock,
        )
        tally = Tally(RelayAnswers(self.db))
        open_session, pacer = self.departure(connections, first, tally if counted else None)
        async with self.dispatcher(shared=shared, urgent=urgent) as dispatcher, tally.kept():
            loop = SendLoop(
                ledger=self.ledger,
                senders=self.senders,
                tools=Tools(recheck, open_session, self.clock, random.random),
                judge=self._judge,
                config=config,
                open_journal=self.journals.create,
                dispatcher=dispatcher,
                breaker=Breaker(Breakers(self.db), self.tell, self.clock),
                pacer=pacer,
            )
            await loop.run(until_idle=until_idle, stop=stop)

    def _judge(self, facts: HandoffFacts, now: datetime) -> Verdict:
        return judge(facts, self.rules, now)
