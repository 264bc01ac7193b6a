"""One customer: their story, what is kept of them, forgetting them."""

from __future__ import annotations

import secrets
from functools import cached_property
from typing import Any

from mailer.app.reporting import Reporting
from mailer.errors import UsageError
from mailer.flow.erase import Forgetting, Forgotten
from mailer.flow.lots import PATIENCE_SECONDS
from mailer.flow.person import Persons
from mailer.store.dossier import Dossiers
from mailer.store.erasure import Erasure


class People(Reporting):
    """Questions about one customer."""

    @cached_property
    def persons(self) -> Persons:
        """Stories, exports and copies of mails."""
        return Persons(Dossiers(self.db), self.ledger, lambda: self.composer)

    async def customer_story(self, customer: str) -> dict[str, Any]:
        """All that is known of a customer: every send and every skip with its reason in words, and the timeline.

        Raises:
            UsageError: there is no such customer.
        """
        found = await self.customers.show(customer)
        if found is None:
            raise UsageError(f"There is no customer {customer!r}; see mailer customers list.")
        story = await self.persons.story(customer)
        rows = {row["id"]: row["why"] for row in story["mails"]}
        return {
            **found,
            "consent_entries": await self.customers.consent_entries(customer),
            "deliveries": [
                {**row, "why": rows.get(row["id"], "")}
                async for row in self.ledger.list(None, None, None, customer)
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
