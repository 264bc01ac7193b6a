"""What an installation is: settings, database, clock, campaigns. The only module with a clock."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from mailer.core.campaign import Campaign
from mailer.core.cap import Cap
from mailer.core.fault_words import in_short, one_for_each
from mailer.core.policy import LOOK_AGAIN, Rules
from mailer.core.quiet import QuietHours
from mailer.core.scene import Sender
from mailer.core.segment import Rule
from mailer.core.segment_facts import EvalContext
from mailer.core.token import Keyring
from mailer.errors import FileFault, SettingsError, UsageError
from mailer.files import catalog
from mailer.files.catalog import Catalog
from mailer.files.key import NAME, secret_keys
from mailer.mailbox.storage import Mailbox
from mailer.settings import Settings
from mailer.store.engine import Database
from mailer.store.switches import Switches

Tell = Callable[[str], None]  # a sentence for the person at the terminal or in the log


def system_clock() -> datetime:
    """The instant it is."""
    return datetime.now(UTC)


def seconds() -> float:
    """Seconds on the machine's own clock, whatever instant is played: for what has to do with waiting alone."""
    return datetime.now(UTC).timestamp()


def fixed_clock(instant: datetime) -> Callable[[], datetime]:
    """A clock that stands still: rehearsals, tests and back-fills."""
    return lambda: instant


def mailbox_of(settings: Settings, clock: Callable[[], datetime]) -> Mailbox:
    """The built-in mailbox of an installation."""
    return Mailbox(settings.state / "mailbox", clock)


class Installation:
    """Settings, the database and the campaigns; and the tenant's rules and keys, made of them."""

    def __init__(self, settings: Settings, db: Database, clock: Callable[[], datetime], tell: Tell) -> None:
        self.settings = settings
        self.db = db
        self.clock = clock
        self.tell = tell
        self.catches_mail = not settings.ways  # the built-in mailbox stands in for a relay
        self.campaigns: dict[str, Campaign] = {}
        self.segments: dict[str, Rule] = {}
        self.faults: tuple[FileFault, ...] = ()
        self.sources: Mapping[str, str] = {}
        self._seed: str | None = None

    async def reload(self, found: Catalog | None = None, *, quiet: bool = False) -> None:
        """Read the campaigns again, or take those found. A file that cannot be read is told once and stops no other."""
        if found is None:
            found = await asyncio.to_thread(catalog.read, self.settings.jobs_dir)
        if self._seed is None:  # from then on a new secret key moves nobody into a holdout, or out of one
            kept = self.settings.secret_key is not None or await asyncio.to_thread(self._key.exists)
            self._seed = await Switches(self.db).seed(self.keys.current, self.clock())
            if not kept and self._seed not in self.keys.keys:
                self.tell(
                    f"{self._key} was not there, so a new secret key was made: no link in a mail sent before opens any "
                    "more, unsubscribing included. If you still have the old file, put it back."
                )
        known = set(one_for_each(self.faults))
        self.campaigns.clear()
        self.campaigns.update(found.campaigns)
        self.segments.clear()
        self.segments.update(found.segments)
        self.faults, self.sources = found.faults, found.sources
        for said in one_for_each(found.faults):
            if said not in known and not quiet:
                self.tell(said)

    @property
    def _key(self) -> Path:
        return self.settings.state / NAME

    def campaign(self, name: str) -> Campaign:
        """The campaign of that name.

        Raises:
            UsageError: there is none, or its file cannot be read.
        """
        if name in self.campaigns:
            return self.campaigns[name]
        own = [fault for fault in self.faults if fault.file.endswith((f"/{name}.yaml", f"/{name}.yml"))]
        if own:
            raise UsageError(f"The campaign {name} cannot be used: {in_short(own)}")
        raise UsageError(f"There is no campaign {name!r}; see mailer campaigns list.")

    @cached_property
    def rules(self) -> Rules:
        """The tenant's rules."""
        return Rules(
            zone=self.settings.tenant.zone,
            quiet=QuietHours.parse(self.settings.policy.quiet_hours),
            seed=self._seed or "",
            cap=Cap(self.settings.policy.cap.day, self.settings.policy.cap.week),
            hold=LOOK_AGAIN if self.settings.policy.hold_affected else None,
        )

    @cached_property
    def keys(self) -> Keyring:
        """The keys that sign links, and those of the past, whose links work on.

        Raises:
            SettingsError: two of them cannot be told apart.
        """
        given, past = self.settings.secret_key, self.settings.previous_secret_keys
        if given is not None:
            keys = [given.get_secret_value()]
        else:
            keys = [*secret_keys(self.settings.state, secrets.token_urlsafe(32))]
        try:
            return Keyring.of([*keys, *(key.get_secret_value() for key in past)])
        except ValueError as fault:
            raise SettingsError(f"{self.settings.file}: previous_secret_keys: {fault}") from None

    @cached_property
    def sender(self) -> Sender:
        """The tenant as mails show it."""
        tenant = self.settings.tenant
        return Sender(
            tenant.name, tenant.from_, tenant.postal_address, tenant.currency, tenant.country, tenant.locale,
            tenant.shop,
        )  # fmt: skip

    @cached_property
    def service_sender(self) -> Sender:
        """The tenant as service mails show it."""
        return replace(self.sender, from_=self.settings.tenant.service_from or self.sender.from_)

    @cached_property
    def domain(self) -> str:
        """The domain commercial mail comes from, and what we call ourselves at a relay."""
        return self.settings.tenant.address.rpartition("@")[2]

    @cached_property
    def service_domain(self) -> str:
        """The domain service mail comes from."""
        return self.settings.tenant.service_address.rpartition("@")[2]

    def moment(self) -> EvalContext:
        """Now, as segments see it."""
        return EvalContext(
            now=self.clock(),
            tenant_zone=self.rules.zone,
            segments=self.segments,
            leap_day=self.settings.policy.leap_day,
            currency=self.settings.tenant.currency,
        )
