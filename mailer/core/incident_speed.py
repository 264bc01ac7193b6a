"""How quickly the affected heard of an incident: what people took to publish it, and what we took to tell. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from mailer.core.incident import Incident


class HandedOver(NamedTuple):
    """When the relay accepted first notices of an incident's publication."""

    first: datetime | None = None  # none: no notice so far
    last: datetime | None = None


def as_facts(of: Incident, sent: HandedOver) -> dict[str, Any]:
    """Both in seconds, to a tenth; None: not published, or nobody told, so far.

    `time_to_publish` is from the opening to the publication, `time_to_notify` from there to the first and the last of
    those who were to be told then. Who joins later is not in it.
    """
    return {
        "time_to_publish": _seconds(of.opened_at, of.published_at),
        "time_to_notify": {
            "first": _seconds(of.published_at, sent.first),
            "last": _seconds(of.published_at, sent.last),
        },
    }


def _seconds(since: datetime | None, until: datetime | None) -> float | None:
    """A clock that was set back does not make it less than nothing."""
    if since is None or until is None:
        return None
    return max(0.0, round((until - since).total_seconds(), 1))
