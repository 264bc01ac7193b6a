"""An incident as plain data: what `mailer incidents show` says of it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mailer.core.area import Area
from mailer.core.incident import Incident, Update


def as_facts(of: Incident, now: datetime) -> dict[str, Any]:
    """The incident with all its updates."""
    current = of.current
    return {
        "id": of.id,
        "reference": of.reference,
        "title": current.title,
        "state": current.state.value,
        "planned": of.planned,
        "opened_at": of.opened_at,
        "published_at": of.published_at,
        "published_by": of.published_by,
        "starts_at": current.starts_at,
        "ends_at": current.ends_at,
        "lead": current.lead,
        "update": current.number,
        "next_update": current.next_update,
        "overdue": of.overdue(now),
        "area": _area(current.area),
        "updates": [{**update_facts(each), "area": _area(each.area)} for each in of.updates],
    }


def _area(area: Area) -> dict[str, Any]:
    """An area as people read it: polygons are counted."""
    return {**area.as_json(), "polygons": len(area.polygons)}


def update_facts(of: Update) -> dict[str, Any]:
    """An update as plain data, which is also how it is stored."""
    return {
        "number": of.number,
        "state": of.state.value,
        "title": of.title,
        "message": of.message,
        "titles": dict(of.titles),
        "messages": dict(of.messages),
        "eta": of.eta,
        "next_update": of.next_update,
        "starts_at": of.starts_at,
        "ends_at": of.ends_at,
        "lead": of.lead,
        "urgent": of.urgent,
        "area": of.area.as_json(),
        "at": of.at,
        "by": of.by,
    }
