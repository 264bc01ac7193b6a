"""Trying a delivery again that ended and was not sent: may it be, and until when is it of use? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from mailer.core.delivery import State
from mailer.core.duration import Duration
from mailer.core.quiet import expires_at

#: Deliveries a person may try again: nothing of them left, or the relay said no.
RETRIABLE = (State.FAILED, State.EXPIRED, State.CANCELLED)


class Ended(NamedTuple):
    """A delivery as it stands; of an incident's notice also which update it tells of, and which is the newest."""

    id: int
    state: str
    erased: bool  # its customer is
    incident: int | None = None
    update: int | None = None
    newest: int | None = None


def refusal(of: Ended) -> str | None:
    """Why it cannot be tried again, whoever it is for; None: it can."""
    if of.state not in RETRIABLE:
        return f"Delivery {of.id} is {of.state}; only failed, expired and cancelled ones can be tried again."
    if of.erased:
        return f"Delivery {of.id} was for somebody who is erased; it cannot go out."
    if of.newest is not None and of.update is not None and of.newest > of.update:
        return (
            f"Delivery {of.id} tells of update {of.update} of incident {of.incident}, which is at "
            f"update {of.newest}; only that goes out."
        )
    return None


def too_late_at(definition: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> datetime | None:
    """When a delivery queued at `now` comes too late, by the `ttl` and `ends_at` its campaign was released with."""
    ttl, ends_at = definition.get("ttl"), definition.get("ends_at")
    return expires_at(
        now,
        Duration.parse(ttl) if ttl else None,
        datetime.fromisoformat(ends_at) if ends_at else None,
        zone,
    )
