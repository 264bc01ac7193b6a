"""Consent as a ledger: entries are only ever added, and what stands is folded from them. Pure.

An import reports what a shop's own system believed; a person's own act (a confirmation, an unsubscribe)
weighs more, whatever order the two become known in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from mailer.core.links import Counting

COMMERCIAL = "commercial"  # the purpose consent is asked for

#: What stands before a topic's name in the scope of a suppression: its owner wants no mail of that topic.
TOPIC = "topic:"
#: The scopes in which an address gets no commercial mail at all.
BARRING = frozenset({"all", COMMERCIAL})

#: Customer events that write the ledger.
CONFIRMED = "consent.confirmed"
REVOKED = "consent.revoked"

#: Reasons of a suppression that are a person's word; the first is what a confirmation lifts.
UNSUBSCRIBED = "unsubscribed"
COMPLAINT = "complaint"

#: How far ahead of our clock a word may be dated and count now: clocks that are kept differ by less. A yes that is
#: further ahead was given by nobody yet, and would lift a refusal that stands; a no counts at once whatever its date.
AHEAD = timedelta(minutes=5)
NOT_YET = (
    "This lies in the future, so the consent stays as it was; write when it was given, or tell of it then."
)


class Action(StrEnum):
    """What an entry says."""

    GRANTED = "granted"
    REVOKED = "revoked"


class Via(StrEnum):
    """How an entry came to us."""

    IMPORT = "import"  # a file of the shop
    EVENT = "event"  # consent.confirmed, consent.revoked
    LINK = "link"  # the person, on a page of ours
    REPORT = "report"  # the person, through their mailbox provider: a complaint
    REGISTRY = "registry"  # the person, or nobody in time, at the state's registry of consent
    PERSON = "person"  # somebody of the shop, for them


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    action: Action
    at: datetime
    via: Via


@dataclass(frozen=True, slots=True)
class Choices:
    """What an address gets."""

    unsubscribed: bool = False
    refused: frozenset[str] = field(default_factory=frozenset)  # topics
    counted: Counting | None = None  # what may be counted; None: nobody said


@dataclass(frozen=True, slots=True)
class Standing:
    """What may be relied on now."""

    consent: str = "unknown"  # yes, no, unknown
    at: datetime | None = None
    via: Via | None = None


def not_yet(at: datetime | None, now: datetime) -> bool:
    """Whether a word of this date (none: now) was given by nobody yet."""
    return at is not None and at - now > AHEAD


def counts(action: Action, at: datetime, now: datetime) -> bool:
    """Whether a word the person is to say at `at` counts already now, when it is told.

    A no does, and counts again when its time has come: what is said until then comes before it.
    """
    return action is Action.REVOKED or not not_yet(at, now)


def fold(entries: Iterable[Entry]) -> Standing:
    """What stands after `entries`, in the order they were stored.

    The latest word of the person decides, by when it was said; of two at one instant the refusal. After a
    refusal an import changes nothing; after a confirmation, or without any such word, the latest import
    decides, of two at one instant the one stored last.
    """
    said: Entry | None = None
    imports: list[Entry] = []
    for entry in entries:
        if entry.via is Via.IMPORT:
            imports.append(entry)
        elif said is None or _weight(entry) > _weight(said):
            said = entry
    if said is not None and said.action is Action.REVOKED:
        return _standing(said)
    standing = said
    for entry in imports:
        tie_won = standing is not None and standing.via is Via.IMPORT and entry.at == standing.at
        if standing is None or tie_won or entry.at > standing.at:
            standing = entry
    return _standing(standing) if standing else Standing()


def imported(
    entries: Sequence[Entry], yes: bool, at: datetime, barred: bool
) -> tuple[Entry, Standing] | None:
    """The entry an imported `yes` or `no` adds and what then stands; None when it changes nothing.

    Args:
        entries: of this customer.
        yes: what the row says.
        at: when it was given, not later than now.
        barred: the address is under an unsubscribe or a complaint, which no import lifts.
    """
    if yes and barred:
        return None
    entry = Entry(
        Action.GRANTED if yes else Action.REVOKED, at if yes else _not_outweighed(at, entries), Via.IMPORT
    )
    after = fold([*entries, entry])
    return (entry, after) if after.consent != fold(entries).consent else None


def _not_outweighed(at: datetime, entries: Sequence[Entry]) -> datetime:
    """When an imported `no` counts from: a `yes` of an earlier import may have a younger date, or had none.

    A person's own word that is younger than the `no` still outweighs it.
    """
    if any(at < entry.at for entry in entries if entry.via is not Via.IMPORT):
        return at
    return max([at, *(entry.at for entry in entries if entry.via is Via.IMPORT)])


class Effect(StrEnum):
    """What the person's word does to the address it was given for."""

    BAR = "bar"  # a suppression, commercial, unsubscribed
    LIFT = "lift"  # that suppression goes, if it is older than the word
    NONE = "none"


def effect(standing: Standing, said: Iterable[Action]) -> Effect:
    """What `said` does, given what stands after it; a word that came after a newer one does nothing."""
    words = set(said)
    if standing.consent == "no" and Action.REVOKED in words:
        return Effect.BAR
    if standing.consent == "yes" and Action.GRANTED in words:
        return Effect.LIFT
    return Effect.NONE


def _weight(entry: Entry) -> tuple[datetime, bool]:
    return entry.at, entry.action is Action.REVOKED


def _standing(entry: Entry) -> Standing:
    return Standing("yes" if entry.action is Action.GRANTED else "no", entry.at, entry.via)
