"""Who turned to the shop about an incident, asked of the store."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from mailer.core.contacts import Span, Tickets, as_facts, span
from mailer.core.incident import Incident


class TicketsPort(Protocol):
    """Tickets of customers."""

    async def tickets(self, incident_id: int, within: Span, now: datetime) -> Tickets | None:
        """What those an incident is about opened by `now`; None: the shop tells of no tickets."""


async def contacts(store: TicketsPort, of: Incident, now: datetime) -> dict[str, Any] | None:
    """See `core.contacts.as_facts`; None: nothing has happened yet, or the shop tells of no tickets."""
    within = span(of)
    found = await store.tickets(of.id, within, now) if within is not None else None
    return as_facts(found, within) if within is not None and found is not None else None
