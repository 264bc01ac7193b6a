"""What a program of the shop says of a customer's consent, read strictly. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from mailer.core.cell import CellFault, attribute_of, instant_of, line_of
from mailer.core.consent import NOT_YET, Action, not_yet
from mailer.core.importing import Row, RowFault

MOST_SOURCE = 200  # characters
FIELDS = ("action", "at", "source", "text_version", "proof")


@dataclass(frozen=True, slots=True)
class ShopWord:
    """Consent as the shop reports it, with what proves it."""

    action: Action
    at: datetime | None = None  # none: now
    source: str = "api"
    text_version: str | None = None  # which wording the customer agreed to
    proof: Mapping[str, Any] = field(default_factory=dict)


def read_word(row: Row, tenant_zone: tzinfo, now: datetime) -> ShopWord | RowFault:
    """The word in `row`, told at `now`, or the first value of it that cannot be taken."""
    where = "action"
    try:
        action = line_of(row.values.get("action"))
        if action not in set(Action):
            return RowFault(row.line, where, f"This must be {Action.GRANTED} or {Action.REVOKED}.")
        where = "at"
        at = instant_of(row.values.get("at"), tenant_zone)
        if action == Action.GRANTED and not_yet(at, now):
            return RowFault(row.line, where, NOT_YET)
        where = "source"
        source = line_of(row.values.get("source"), MOST_SOURCE) or "api"
        where = "text_version"
        version = line_of(row.values.get("text_version"), MOST_SOURCE) or None
        where = "proof"
        proof = row.values.get("proof")
        if proof is not None and not isinstance(proof, dict):
            return RowFault(row.line, where, "The proof is not a JSON object.")
        kept = attribute_of(proof or {})
        where = next((each for each in row.values if each not in FIELDS), "")
        if where:
            return RowFault(row.line, where[:100], "There is no such field here.")
    except CellFault as fault:
        return RowFault(row.line, where, str(fault))
    return ShopWord(Action(action), at, source, version, kept)
