"""From template files to messages, and the way to the relay."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from mailer.app.relays import check_authorities, relays_of
from mailer.app.trailing import Trailing
from mailer.core.campaign import Campaign
from mailer.core.customer import Customer
from mailer.core.links import Counting
from mailer.core.message import Letter, Message, Rendered
from mailer.core.samples import reminded, vetting_scenes
from mailer.core.segment import Rule
from mailer.core.ways_back import POSTMARK_TAG
from mailer.errors import FileFault, TemplateFault, UsageError
from mailer.files.templates import TemplateFolder
from mailer.flow.compose import Composer, Identity
from mailer.flow.preview import Previews
from mailer.flow.versions import Versions
from mailer.render.kept import Kept
from mailer.render.lint import promotions, sizes
from mailer.render.mime import assemble
from mailer.render.publish import publish
from mailer.render.remarks import remarks
from mailer.render.renderer import Template
from mailer.render.vet import Sample, vet
from mailer.smtp.relay import RelayConfig
from mailer.smtp.session import Session
from mailer.store.segments import Segments

#: How many real customers `check` tries each template with.
REAL_CUSTOMERS = 10

_LONG = 10**12  # a delivery whose links are as long as they get


class Mails(Trailing):
    """Publishing, vetting, previews, composing, and connections."""

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
            remarks=self.remarked,
            open_session=self.session,
        )

    async def vetted(
        self, campaign: Campaign, parts: Mapping[str, Any], customers: Sequence[Customer] = ()
    ) -> list[FileFault]:
        """What goes wrong when a template is tried in a limited child process, on samples and real customers.

        A fault with the key `warning` keeps no mail from going out.
        """
        locales = sorted({locale for variants in parts["parts"].values() for locale in variants if locale})
        sender = self.sender if campaign.commercial else self.service_sender
        of = reminded(campaign, self.campaigns)
        scenes = vetting_scenes(campaign, sender, locales, customers, of)
        zone, tenant_locale = self.settings.tenant.timezone, self.settings.tenant.locale
        samples = [Sample(name, scene, locale, tenant_locale, zone) for name, locale, scene in scenes]
        found: list[FileFault] = [] if campaign.commercial else list(promotions(parts))
        found += await vet(parts, samples)
        track = self.link_maker.track(_LONG, campaign.name, Counting.YES) if campaign.commercial else None
        return [self._as_typed(fault) for fault in found or sizes(parts, samples, track)]

    def remarked(self, campaign: Campaign, parts: Mapping[str, Any]) -> list[FileFault]:
        """What is no fault of a template, and hardly meant."""
        domain = self.sender.from_.rpartition("@")[2].rstrip("> ").casefold()
        in_earnest = (
            re.fullmatch(r"(.*\.)?(example(\.(com|net|org))?|test|invalid|localhost)", domain) is None
        )
        found = remarks(
            parts,
            commercial=campaign.commercial and campaign.enabled,
            in_earnest=in_earnest,
            website=self.sender.website,
        )
        return [self._as_typed(fault) for fault in found]

    async def some_customers(self) -> list[Customer]:
        """A few real customers to try templates with."""
        return await Segments(self.db).sample(Rule(), self.moment(), REAL_CUSTOMERS)

    def published(self, template: str) -> dict[str, Any]:
        """A template's files as a run keeps them.

        Raises:
            TemplateFault: something in them cannot be published.
        """
        try:
            return self._published.of(template)
        except TemplateFault as fault:
            raise self._as_typed(fault) from None

    @cached_property
    def _published(self) -> Kept:
        settings = self.settings
        return Kept(
            self.templates,
            lambda template, read: publish(template, read, settings.public_url, settings.tenant.locale),
        )

    def _as_typed(self, fault: FileFault) -> FileFault:
        """The fault with its file's name as a person in this folder would type it: `templates/offer/body.html`."""
        place = self.settings.templates_dir / fault.file
        here = Path.cwd()
        typed = str(place.relative_to(here) if place.is_relative_to(here) else place)
        return replace(fault, file=typed, others=tuple(map(self._as_typed, fault.others)))

    @cached_property
    def identity(self) -> Identity:
        """Who writes, and how links are made."""
        tag = POSTMARK_TAG if self.settings.webhooks.postmark is not None else None
        return Identity(
            self.sender,
            self.rules.zone,
            self.settings.public_url,
            self.keys,
            self.return_path,
            tag,
            self.link_maker,
            self.service_sender,
        )

    @cached_property
    def composer(self) -> Composer:
        """Makes messages."""
        return Composer(
            identity=self.identity,
            versions=self.released,
            compile_template=Template,
            assemble=self.put_together,
        )

    @cached_property
    def put_together(self) -> Callable[[Rendered, Letter], Message]:
        """Makes a letter a message, signed where the settings have a key for it.

        Raises:
            SettingsError: a key cannot be read.
        """
        if self.settings.dkim.domain is None:
            return assemble
        from mailer.app.signatures import signers  # noqa: PLC0415 (20 MB no sender should pay that signs nothing)

        signs = {address: each.sign for address, each in signers(self.settings).items()}
        return lambda rendered, letter: signs[letter.from_address](assemble(rendered, letter))

    def check_keys(self) -> None:
        """See that mails can be signed, and relays and providers be believed, before any mail is made.

        Raises:
            SettingsError: a key or a certificate of the settings cannot be read.
        """
        _ = self.put_together
        check_authorities(self.settings)
        self.check_webhooks()

    def session(self) -> Session:
        """A connection to the first relay."""
        return Session(self.relays()[0])

    def relays(self) -> list[RelayConfig]:
        """The relays of the settings.

        Raises:
            UsageError: none is set.
        """
        if not self.settings.ways:
            raise UsageError("No relay is set; write relay.host in the settings.")
        return relays_of(self.settings, self.domain)
