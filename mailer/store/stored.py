"""A stored customer between its three shapes: a row of the table, the value of core, and plain JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from mailer.core.consent import Action, Entry, Standing, Via
from mailer.core.merge import Stored

_TEXTS = ("email", "first_name", "last_name", "locale", "timezone", "country", "postal_code")


def from_row(row: Row[Any]) -> Stored:
    """From a row of `customer`; the ledger's entries are added where they are needed."""
    fields: dict[str, Any] = {name: getattr(row, name) for name in _TEXTS if getattr(row, name)}
    if row.created_at is not None:
        fields["created_at"] = row.created_at
    if row.services:
        fields["services"] = tuple(row.services)
    return Stored(
        row.ext_id,
        row.id,
        row.email_key,
        row.zone,
        fields,
        row.attributes,
        Standing(row.consent, row.consent_at),
    )


def as_columns(stored: Stored, now: datetime) -> dict[str, Any]:
    """The columns of `customer` an import writes."""
    fields = stored.fields
    return {
        **{name: fields.get(name, "") for name in _TEXTS},
        "email_key": stored.email_key,
        "zone": stored.zone,
        "created_at": fields.get("created_at"),
        "services": list(fields.get("services", ())),
        "attributes": dict(stored.attributes),
        "consent": stored.standing.consent,
        "consent_at": stored.standing.at,
        "updated_at": now,
    }


def to_plain(stored: Stored) -> dict[str, Any]:
    """As JSON can hold it."""
    fields = dict(stored.fields)
    if "created_at" in fields:
        fields["created_at"] = fields["created_at"].isoformat()
    at = stored.standing.at
    return {
        "id": stored.id, "key": stored.key, "email_key": stored.email_key, "zone": stored.zone,
        "fields": fields, "attributes": dict(stored.attributes),
        "consent": stored.standing.consent, "consent_at": at and at.isoformat(),
        "entries": [(entry.action, entry.at.isoformat(), entry.via) for entry in stored.entries],
    }  # fmt: skip


def from_plain(plain: dict[str, Any]) -> Stored:
    """Back from `to_plain`."""
    fields = dict(plain["fields"])
    if "created_at" in fields:
        fields["created_at"] = datetime.fromisoformat(fields["created_at"])
    if "services" in fields:
        fields["services"] = tuple(fields["services"])
    at = plain["consent_at"]
    return Stored(
        plain["id"], plain["key"], plain["email_key"], plain["zone"], fields, plain["attributes"],
        Standing(plain["consent"], at and datetime.fromisoformat(at)),
        tuple(Entry(Action(one[0]), datetime.fromisoformat(one[1]), Via(one[2])) for one in plain["entries"]),
    )  # fmt: skip
