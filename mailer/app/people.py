"""One customer: their story, what is kept of them, forgetting them; and who is in a run."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import Any, cast
from zoneinfo import ZoneInfo

from mailer.app.reporting import Reporting
from mailer.core.capped import Mail, winners
from mailer.core.delivery import Skip
from mailer.errors import UsageError
from mailer.flow.erase import Forgetting, Forgotten
from mailer.flow.lots import PATIENCE_SECONDS
from mailer.flow.person import Persons
from mailer.flow.run_desk import RunDesk
from mailer.store.capped import Capped
from mailer.store.dossier import Dossiers
from mailer.store.erasure import Erasure
from mailer.store.run_views import RunViews

_PAGE = 500  # deliveries looked at together


class People(Reporting):
    """Questions about one customer, and about one run."""

    @cached_property
    def persons(self) -> Persons:
        """Stories, exports and copies of mails."""
        return Persons(Dossiers(self.db), self.ledger, lambda: self.composer, self.winners)

    @cached_property
    def run_views(self) -> RunViews:
        """Runs as people look at them."""
        return RunViews(self.db)

    @cached_property
    def run_desk(self) -> RunDesk:
        """Questions about one run."""
        return RunDesk(self.run_views, self.reports, self.winners)

    async def winners(self, deliveries: Sequence[int]) -> dict[int, tuple[Mail, ...]]:
        """The mails that won the places of those of the deliveries that were capped, where they are known."""
        cap = self.rules.cap
        return {
            mine.id: winners(mine, others, cap, ZoneInfo(mine.zone) if mine.zone else self.rules.zone)
            for mine, others in await Capped(self.db).rivals(deliveries)
        }

    async def deliveries(self, rows: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        """Rows of the ledger, each with the mails that won the place it was refused."""
        async with aclosing(cast("AsyncGenerator[dict[str, Any]]", rows)) as given:
            async for page in _pages(given):
                won = await self.winners([row["id"] for row in page if row["reason"] == Skip.CAPPED])
                for row in page:
                    of = won.get(row["id"], ())
                    yield row | {
                        "yielded_to": [
                            {"delivery": each.id, "campaign": each.campaign, "occurrence": each.occurrence}
                            for each in of
                        ]
                    }

    async def customer_story(self, customer: str, language: str = "en") -> dict[str, Any]:
        """All that is known of a customer: every send and every skip with its reason in words, and the timeline.

        Raises:
            UsageError: there is no such customer.
        """
        found = await self.customers.show(customer)
        if found is None:
            raise UsageError(f"There is no customer {customer!r}; see mailer customers list.")
        story = await self.persons.story(customer, language)
        told = {row["id"]: {"why": row["why"], "run": row["run_id"]} for row in story["mails"]}
        return {
            **found,
            "consent_entries": await self.customers.consent_entries(customer),
            "deliveries": [
                row | told.get(row["id"], {"why": "", "run": None})
                async for row in self.deliveries(self.ledger.list(None, None, None, customer))
            ],
            "timeline": story["timeline"],
        }

    @cached_property
    def forgetting(self) -> Forgetting:
        """Erases customers."""
        return Forgetting(
            Erasure(self.db),
            self.mailbox,
            self.replay,
            self.leases,
            registry=self.settings.consent.registry is not None,
        )

    async def forget(self, customer: str, patience: float = PATIENCE_SECONDS) -> Forgotten:
        """Erase a customer; see `flow.erase`.

        Raises:
            UsageError: there is none, or it cannot be done now.
        """
        return await self.forgetting.erase(customer, self.clock(), secrets.token_hex(16), patience=patience)


async def _pages(rows: AsyncIterator[dict[str, Any]]) -> AsyncIterator[list[dict[str, Any]]]:
    page: list[dict[str, Any]] = []
    async for row in rows:
        page.append(row)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page
