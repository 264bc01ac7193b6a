"""The composition root: settings → App. The only place that knows every part, and the only one with a clock."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from typing import Any

from mailer.core.campaign import Campaign
from mailer.core.cap import Cap
from mailer.core.coupon import make_code
from mailer.core.customer import Customer
from mailer.core.customer_row import CustomerReader
from mailer.core.event_row import EventReader
from mailer.core.explain import why
from mailer.core.handoff import HandoffFacts, Verdict
from mailer.core.pace import Hours
from mailer.core.policy import Rules, judge
from mailer.core.quiet import QuietHours
from mailer.core.samples import vetting_scenes
from mailer.core.scene import Sender
from mailer.core.segment import Rule
from mailer.core.segment_facts import EvalContext
from mailer.core.token import Keyring
from mailer.core.trigger import IncidentTrigger
from mailer.errors import FileFault, TemplateFault, UsageError
from mailer.files import catalog
from mailer.files.key import secret_key
from mailer.files.templates import TemplateFolder
from mailer.files.zones import load_zones
from mailer.flow.campaigns import CampaignDesk
from mailer.flow.compose import Composer, Identity
from mailer.flow.connection import Tools
from mailer.flow.imports import CustomerImport, EventImport, ListLoad, PointImport
from mailer.flow.notify import Notifier
from mailer.flow.plan import Planner
from mailer.flow.pools import PoolLoad, Stockroom
from mailer.flow.preview import Previews
from mailer.flow.recheck import Recheck
from mailer.flow.scheduler import Scheduler
from mailer.flow.score import Scoring
from mailer.flow.segments import SegmentDesk
from mailer.flow.send import SenderConfig, SendLoop
from mailer.flow.track import Tracking
from mailer.flow.versions import Versions
from mailer.mailbox.storage import Mailbox
from mailer.render.guard import limit_memory
from mailer.render.lint import promotions, sizes
from mailer.render.mime import assemble
from mailer.render.publish import publish
from mailer.render.renderer import Template
from mailer.render.vet import Sample, vet
from mailer.settings import Settings
from mailer.smtp.relay import RelayConfig, Tls
from mailer.smtp.session import Session
from mailer.store import migrate
from mailer.store.audience import Audience
from mailer.store.control import Control
from mailer.store.coupons import Coupons
from mailer.store.customer_merge import CustomerMerge
from mailer.store.customers import Customers
from mailer.store.engine import Database
from mailer.store.events import Events
from mailer.store.incidents import Incidents
from mailer.store.leases import Leases
from mailer.store.ledger import Ledger
from mailer.store.lists import Lists
from mailer.store.overview import Overview
from mailer.store.points import Points
from mailer.store.pools import Pools
from mailer.store.recipients import Recipients
from mailer.store.redemptions import Redemptions
from mailer.store.runs import Runs
from mailer.store.segments import Segments
from mailer.store.senders import Senders
from mailer.store.snapshot import backup
from mailer.store.suppressions import Suppressions
from mailer.store.switches import Switches
from mailer.store.unsubscribes import Unsubscribes

#: Bytes a sender may map: an ordinary one maps about half of it, most of it shared libraries.
SENDER_MEMORY = 2_000_000_000

#: How many real customers `check` tries each template with.
REAL_CUSTOMERS = 10

Tell = Callable[[str], None]  # a sentence for the person at the terminal or in the log


def system_clock() -> datetime:
    """The instant it is."""
    return datetime.now(UTC)


def fixed_clock(instant: datetime) -> Callable[[], datetime]:
    """A clock that stands still: rehearsals, tests and back-fills."""
    return lambda: instant


def mailbox_of(settings: Settings, clock: Callable[[], datetime]) -> Mailbox:
    """The built-in mailbox of an installation."""
    return Mailbox(settings.state / "mailbox", clock)


class App:
    """Every part, wired. Parts are made when they are first asked for."""

    def __init__(self, settings: Settings, db: Database, clock: Callable[[], datetime], tell: Tell) -> None:
        self.settings = settings
        self.db = db
        self.clock = clock
        self.tell = tell
        self.catches_mail = settings.relay.host is None  # the built-in mailbox stands in for a relay
        self.campaigns: dict[str, Campaign] = {}
        self.segments: dict[str, Rule] = {}
        self.faults: tuple[FileFault, ...] = ()
        self.sources: Mapping[str, str] = {}

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
    ) -> AsyncIterator[App]:
        """Open the database, made or upgraded where that is allowed, and read the campaigns.

        With `upgrade` an old database is brought up to date whatever it is.

        Raises:
            StoreError: the database cannot be used.
        """
        db = await Database.connect(settings.database_url.get_secret_value())
        try:
            await (migrate.upgrade(db) if upgrade else migrate.require(db))
            app = cls(settings, db, clock, tell)
            if load:
                await app.reload()
                await app.planner.look(clock())
            yield app
        finally:
            await db.close()

    async def reload(self, *, quiet: bool = False) -> None:
        """Read the campaigns again. A file that cannot be read is told once and stops no other."""
        found = await asyncio.to_thread(catalog.read, self.settings.jobs_dir)
        known = {str(fault) for fault in self.faults}
        self.campaigns.clear()
        self.campaigns.update(found.campaigns)
        self.segments.clear()
        self.segments.update(found.segments)
        self.faults, self.sources = found.faults, found.sources
        for fault in found.faults:
            if str(fault) not in known and not quiet:
                self.tell(str(fault))

    def campaign(self, name: str) -> Campaign:
        """The campaign of that name.

        Raises:
            UsageError: there is none, or its file cannot be read.
        """
        if name in self.campaigns:
            return self.campaigns[name]
        for fault in self.faults:
            if fault.file.endswith((f"/{name}.yaml", f"/{name}.yml")):
                raise UsageError(f"The campaign {name} cannot be used: {fault}")
        raise UsageError(f"There is no campaign {name!r}; see mailer campaigns list.")

    # The tenant -----------------------------------------------------------------------------------------------

    @cached_property
    def rules(self) -> Rules:
        """The tenant's rules."""
        return Rules(
            zone=self.settings.tenant.zone,
            quiet=QuietHours.parse(self.settings.policy.quiet_hours),
            seed=self.keys.current,
            cap=Cap(self.settings.policy.cap.day, self.settings.policy.cap.week),
        )

    @cached_property
    def keys(self) -> Keyring:
        """The keys that sign links."""
        given = self.settings.secret_key
        if given is not None:
            return Keyring.single(given.get_secret_value())
        return Keyring.single(secret_key(self.settings.state, secrets.token_urlsafe(32)))

    @cached_property
    def sender(self) -> Sender:
        """The tenant as mails show it."""
        tenant = self.settings.tenant
        return Sender(
            tenant.name, tenant.from_, tenant.postal_address, tenant.currency, tenant.country, tenant.locale
        )

    @cached_property
    def domain(self) -> str:
        """The domain mails come from."""
        return parseaddr(self.settings.tenant.from_)[1].rpartition("@")[2]

    def moment(self) -> EvalContext:
        """Now, as segments see it."""
        return EvalContext(
            now=self.clock(),
            tenant_zone=self.rules.zone,
            segments=self.segments,
            leap_day=self.settings.policy.leap_day,
            currency=self.settings.tenant.currency,
        )

    # The store ------------------------------------------------------------------------------------------------

    @cached_property
    def runs(self) -> Runs:
        """Runs and versions."""
        return Runs(self.db, lambda prefix: make_code(prefix, secrets.randbelow))

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
        return Senders(self.db)

    @cached_property
    def audience(self) -> Audience:
        """Whom campaigns reach."""
        return Audience(self.db, self.moment)

    @cached_property
    def customers(self) -> Customers:
        """Customers by the shop's id."""
        return Customers(self.db)

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
        """Copy the database to a file; see `store.snapshot.backup`."""
        await backup(self.db, file)

    @cached_property
    def control(self) -> Control:
        """What people may do to runs and deliveries."""
        return Control(self.db)

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

    # The use cases --------------------------------------------------------------------------------------------

    async def customer_story(self, customer: str) -> dict[str, Any]:
        """All that is known of a customer, and every send and every skip with its reason in words.

        Raises:
            UsageError: there is no such customer.
        """
        found = await self.customers.show(customer)
        if found is None:
            raise UsageError(f"There is no customer {customer!r}; see mailer customers list.")
        rows = [row async for row in self.ledger.list(None, None, None, customer)]
        return {
            **found,
            "consent_entries": await self.customers.consent_entries(customer),
            "deliveries": [{**row, "why": why(row["state"], row["reason"])} for row in rows],
        }

    @property
    def customer_import(self) -> CustomerImport:
        """Takes customers in."""
        return CustomerImport(
            CustomerMerge(self.db, load_zones()), self.leases, CustomerReader(load_zones(), self.rules.zone)
        )

    @property
    def event_import(self) -> EventImport:
        """Takes events in."""
        return EventImport(Events(self.db, self.rules.zone), self.leases, EventReader(self.rules.zone))

    @property
    def point_import(self) -> PointImport:
        """Takes service points in."""
        return PointImport(Points(self.db), self.leases)

    @property
    def list_load(self) -> ListLoad:
        """Takes named lists in."""
        return ListLoad(Lists(self.db), self.leases)

    @property
    def pool_load(self) -> PoolLoad:
        """Takes coupon codes in."""
        return PoolLoad(Pools(self.db), self.leases)

    @cached_property
    def stockroom(self) -> Stockroom:
        """Whether coupons will do."""
        return Stockroom(
            campaigns=self.campaigns,
            stock=Pools(self.db),
            people=self.audience,
            zone=self.rules.zone,
            leap_day=self.settings.policy.leap_day,
        )

    @cached_property
    def segment_desk(self) -> SegmentDesk:
        """Questions about segments."""
        return SegmentDesk(Segments(self.db), self.segments, self.scoring)

    @cached_property
    def scoring(self) -> Scoring:
        """Keeps customers' scores fresh."""
        return Scoring(self.audience, self.segments, self.rules.zone)

    @cached_property
    def campaign_desk(self) -> CampaignDesk:
        """Questions about campaigns."""
        return CampaignDesk(
            campaigns=self.campaigns,
            sources=lambda: self.sources,
            people=self.audience,
            customers=self.customers,
            pauses=self.runs,
            scoring=self.scoring,
            zone=self.rules.zone,
            leap_day=self.settings.policy.leap_day,
        )

    @cached_property
    def templates(self) -> TemplateFolder:
        """The templates as files."""
        return TemplateFolder(self.settings.templates_dir)

    async def picture(self, template: str, name: str) -> bytes | None:
        """The bytes of `templates/<template>/images/<name>`; None where there is no such picture."""

        def read() -> bytes | None:
            path = f"images/{name}"
            return (
                self.templates.data(f"{template}/{path}") if path in self.templates.names(template) else None
            )

        with contextlib.suppress(TemplateFault):  # gone since, or too large to be a picture
            return await asyncio.to_thread(read)
        return None

    @cached_property
    def tracking(self) -> Tracking:
        """Reads links that come back."""
        return Tracking(self.keys, Unsubscribes(self.db), self.clock)

    @cached_property
    def versions(self) -> Versions:
        """Publishes templates and keeps what was published."""
        return Versions(book=self.runs, publish=self.published, vet=self.vetted)

    @cached_property
    def previews(self) -> Previews:
        """Mails nobody planned."""
        return Previews(
            desk=self.campaign_desk,
            composer=self.composer,
            published=self.published,
            vet=self.vetted,
            open_session=self.session,
        )

    async def vetted(
        self, campaign: Campaign, parts: Mapping[str, Any], customers: Sequence[Customer] = ()
    ) -> list[FileFault]:
        """What goes wrong when a template is tried in a limited child process, on samples and real customers.

        A fault with the key `warning` keeps no mail from going out.
        """
        locales = sorted({locale for variants in parts["parts"].values() for locale in variants if locale})
        scenes = vetting_scenes(campaign, self.sender, locales, customers)
        zone, tenant_locale = self.settings.tenant.timezone, self.settings.tenant.locale
        samples = [Sample(name, scene, locale, tenant_locale, zone) for name, locale, scene in scenes]
        found: list[FileFault] = [] if campaign.commercial else list(promotions(parts))
        found += await vet(parts, samples)
        return found or list(sizes(parts, samples))

    async def some_customers(self) -> list[Customer]:
        """A few real customers to try templates with."""
        return await Segments(self.db).sample(Rule(), self.moment(), REAL_CUSTOMERS)

    def published(self, template: str) -> dict[str, Any]:
        """A template's files as a run keeps them.

        Raises:
            TemplateFault: something in them cannot be published.
        """
        return publish(template, self.templates, self.settings.public_url, self.settings.tenant.locale)

    @cached_property
    def planner(self) -> Planner:
        """Turns what falls due into runs."""
        return Planner(
            campaigns=self.campaigns,
            segments=self.segments,
            book=self.runs,
            people=self.audience,
            version=self.versions.of,
            rules=self.rules,
            leap_day=self.settings.policy.leap_day,
            currency=self.settings.tenant.currency,
        )

    @cached_property
    def incidents(self) -> Notifier:
        """Tells customers of outages."""
        hours = Hours(self.rules.zone, self.rules.quiet)
        return Notifier(Incidents(self.db), Recipients(self.db), self, self.domain, hours)

    def incident_campaigns(self) -> list[str]:
        """Campaigns that carry outage notices."""
        return [
            name
            for name, campaign in sorted(self.campaigns.items())
            if campaign.enabled and isinstance(campaign.trigger, IncidentTrigger)
        ]

    async def version_for(self, campaign: str) -> int:
        """The version of a campaign, published now."""
        return await self.versions.of(self.campaign(campaign), self.clock())

    def scheduler(self) -> Scheduler:
        """Plans under the planner's lease."""
        return Scheduler(
            planner=self.planner,
            incidents=self.incidents,
            senders=self.senders,
            ledger=self.ledger,
            leases=self.leases,
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            clock=self.clock,
            reload=self.reload,
            tell=self.tell,
            stock=self.stockroom,
        )

    @cached_property
    def identity(self) -> Identity:
        """Who writes, and how links are made."""
        return Identity(self.sender, self.rules.zone, self.settings.public_url, self.keys)

    @cached_property
    def composer(self) -> Composer:
        """Makes messages."""
        return Composer(
            identity=self.identity, versions=self.runs, compile_template=Template, assemble=assemble
        )

    def session(self) -> Session:
        """A connection to the relay."""
        return Session(self.relay())

    def relay(self) -> RelayConfig:
        """The relay of the settings.

        Raises:
            UsageError: none is set.
        """
        relay = self.settings.relay
        if relay.host is None:
            raise UsageError("No relay is set; write relay.host in the settings.")
        return RelayConfig(
            host=relay.host,
            port=relay.port,
            username=relay.username or "",
            password=relay.password.get_secret_value() if relay.password else "",
            tls=Tls(relay.tls),
            local_hostname=self.domain if self.domain.isascii() else "",
        )

    def limit_memory(self) -> None:
        """From now on this process may take so much memory: a template that wants more fails its render."""
        limit_memory(SENDER_MEMORY)

    async def send(self, connections: int, *, until_idle: bool, stop: asyncio.Event) -> None:
        """Be a sender process."""
        config = SenderConfig(
            connections=connections,
            claim_size=self.settings.sender.claim_size,
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        await self.reload(quiet=True)  # named segments; the process that started us tells of faults
        recheck = Recheck(
            versions=self.runs,
            people=self.audience,
            segments=self.segments,
            composer=self.composer,
            judge=self._judge,
            clock=self.clock,
        )
        loop = SendLoop(
            ledger=self.ledger,
            senders=self.senders,
            tools=Tools(recheck, self.session, self.clock, random.random),
            judge=recheck.judge,
            config=config,
        )
        await loop.run(until_idle=until_idle, stop=stop)

    def _judge(self, facts: HandoffFacts, now: datetime) -> Verdict:
        return judge(facts, self.rules, now)
