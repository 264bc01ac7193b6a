"""Mails nobody planned: previews, tests to the staff, and the check of every template. No code is used up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mailer.core.campaign import Campaign
from mailer.core.customer import Customer
from mailer.core.delivery import Accepted, InDoubt, Outcome, Refused, Reply, TryLater
from mailer.core.message import Message, Rendered
from mailer.errors import FileFault, RelayError, TemplateFault
from mailer.flow.campaigns import CampaignDesk
from mailer.flow.compose import Composer


class SessionPort(Protocol):
    """A connection to the relay."""

    async def send(self, message: Message, may_start: Callable[[], bool]) -> Outcome:
        """Hand one message over."""

    async def close(self) -> None:
        """Take leave."""


@dataclass(frozen=True, slots=True)
class Preview:
    """One mail in its forms."""

    subject: str
    text: str
    html: str
    source: str  # RFC 5322


class Previews:
    """Makes mails from the template files as they stand now."""

    def __init__(
        self,
        *,
        desk: CampaignDesk,
        composer: Composer,
        published: Callable[[str], Mapping[str, Any]],
        vet: Callable[[Campaign, Mapping[str, Any], Sequence[Customer]], Awaitable[list[FileFault]]],
        remarks: Callable[[Campaign, Mapping[str, Any]], Sequence[FileFault]],
        open_session: Callable[[], SessionPort],
    ) -> None:
        self._desk = desk
        self._composer = composer
        self._published = published
        self._vet = vet
        self._remarks = remarks
        self._open_session = open_session

    async def preview(self, campaign: Campaign, customer_id: str | None, now: datetime) -> Preview:
        """The mail as a customer of the database, or a made-up one, would get it.

        Raises:
            UsageError: there is no such customer.
            TemplateFault: the template cannot be published.
            RenderError: it cannot be filled in for this customer.
        """
        job = await self._desk.job(campaign, customer_id, now)
        self._composer.install(0, self._published(campaign.template_folder), campaign.description)
        rendered = self._composer.render(job)
        message = self._composer.compose(job, now)
        return Preview(
            rendered.subject, rendered.text, _html(rendered), message.data.decode("utf-8", "replace")
        )

    async def send_test(self, campaign: Campaign, address: str, staff: tuple[str, ...], now: datetime) -> str:
        """Send one mail to one of the staff, marked as a test; what the relay said.

        Raises:
            UsageError: the address is not among the staff.
            RelayError: the relay did not take it.
        """
        job = await self._desk.test_job(campaign, address, staff, now)
        self._composer.install(0, self._published(campaign.template_folder), campaign.description)
        message = self._composer.compose(job, now, mark=True)
        session = self._open_session()
        try:
            outcome = await session.send(message, lambda: True)
        finally:
            await session.close()
        if not isinstance(outcome, Accepted):
            raise RelayError(f"The relay did not take the test mail to {address}: {_said(outcome)}.")
        return f"A test of {campaign.name} went to {address}: {outcome.reply}"

    async def faults(
        self, campaigns: Mapping[str, Campaign], customers: Sequence[Customer]
    ) -> list[FileFault]:
        """Every template in every locale, tried with real, ordinary and difficult customers."""
        found: list[FileFault] = []
        for campaign in campaigns.values():
            try:
                parts = self._published(campaign.template_folder)
            except TemplateFault as fault:
                found += [fault, *fault.others]
                continue
            found += await self._vet(campaign, parts, customers)
            found += self._remarks(campaign, parts)
        once = {(each.file, each.line, each.key, each.message): each for each in found}
        return list(once.values())


def _said(outcome: TryLater | Refused | InDoubt) -> str:
    match outcome:
        case InDoubt(detail):
            return f"nobody knows whether it did: {detail}"
        case Refused(reply=Reply() as reply) | TryLater(reply=Reply() as reply):
            return str(reply)
        case TryLater(detail=detail):
            return detail


def _html(rendered: Rendered) -> str:
    return rendered.html if rendered.html is not None else ""
