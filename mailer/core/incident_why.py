"""Why somebody is told of an incident, or is not: the planner's own decision, in a word and a sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailer.core.area import Area
from mailer.core.delivery import CLAIMABLE, Skip, State
from mailer.core.explain import why
from mailer.core.geo import Cover
from mailer.core.incident import Incident
from mailer.core.notice import Notice
from mailer.core.plain import instant_text
from mailer.core.postal import matches
from mailer.core.standing import Kind

_NAMED = 3  # points in a sentence


@dataclass(frozen=True, slots=True)
class Place:
    """Where a customer uses services: a point of theirs, or their own record where there is none."""

    id: str  # empty: their own record
    services: tuple[str, ...]
    postal_code: str
    label: str
    lat: float | None
    lon: float | None
    affected: bool

    @property
    def name(self) -> str:
        """As people would call it."""
        return f"their point {self.id}" if self.id else "their own record"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A customer, as far as an area is concerned."""

    customer_key: int
    covered: bool
    but_for_exclusions: bool  # whether the area would cover them, were nobody left out
    places: tuple[Place, ...]
    lists: tuple[str, ...]  # of the area's, those they are on
    exclusions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fate:
    """What a campaign told somebody of an incident, and what planning would do now."""

    campaign: str | None  # none: no campaign tells of incidents
    notices: Sequence[Mapping[str, Any]] = ()  # oldest first
    let_in: bool = True  # by the audience of the campaign, or told before
    joining: bool = True  # whether who was told nothing yet is told now
    due: Notice | None = None  # nobody wrote it down yet
    not_before: datetime | None = None  # of what is due; or when planned work will be announced
    instead: str | None = None  # the record with the same address that is written to


def missed(area: Area, place: Place) -> str:
    """Why an area does not cover a place; empty: it does, or would but for the exclusions."""
    found = []
    if area.services and not set(place.services) & set(area.services):
        has = f"its service is {', '.join(place.services)}" if place.services else "it has no service"
        found.append(f"{has}, and the incident is about {', '.join(area.services)}")
    drawn = (
        place.lat is not None and place.lon is not None and Cover(area.polygons).holds(place.lon, place.lat)
    )
    if area.bounded and not drawn and not any(matches(each, place.postal_code) for each in area.postal):
        if area.postal:
            code = f"postal code {place.postal_code}" if place.postal_code else "missing postal code"
            found.append(f"its {code} is under none of {', '.join(area.postal)}")
        if area.polygons:
            found.append(
                "it has no coordinates"
                if place.lat is None or place.lon is None
                else "it lies outside the area drawn"
            )
    if not (area.services or area.bounded):
        found.append("the incident is about those on its lists alone")
    return ", and ".join(found)


def verdict(incident: Incident, where: Whereabouts, fate: Fate) -> tuple[str, str]:
    """A word, and a sentence that begins with the customer."""
    if not fate.notices and not where.covered:
        return _not_here(incident.current.area, where)
    if incident.published_at is None:
        return "draft", f"hears of it when it is published: mailer incidents publish {incident.id}"
    if fate.campaign is None:
        return (
            "no_campaign",
            "hears nothing: no campaign tells of incidents; enable one with trigger: {incident: any}",
        )
    if fate.due is not None:
        return _due(incident, fate, fate.due)
    if fate.notices:
        return _told(fate, gone=not where.covered and not incident.current.closes)
    if incident.current.closes:
        return "over", "was not told while it lasted, and of an end hears only who was told before"
    if not fate.let_in:
        return "audience", f"is affected, but the audience of {fate.campaign} leaves them out"
    if not fate.joining and fate.not_before is not None:
        return "later", f"will be told when the work is announced, {instant_text(fate.not_before)}"
    return "waits", "waits until it is known what became of a notice to the same address"


def _not_here(area: Area, where: Whereabouts) -> tuple[str, str]:
    if where.but_for_exclusions:
        return "excluded", f"is affected, but on a list of those left out: {', '.join(where.exclusions)}"
    reasons = [f"{place.name}: {missed(area, place)}" for place in where.places[:_NAMED]]
    more = len(where.places) - _NAMED
    told = "; ".join(reasons) + (f"; and {more} more" if more > 0 else "")
    return "not_in_area", f"is not affected. {told[:1].upper()}{told[1:]}"


def _due(incident: Incident, fate: Fate, due: Notice) -> tuple[str, str]:
    if due.skip is not None:
        return _left_out(due.skip, fate)
    kind, at = _of_kind(due.kind), f", not before {instant_text(fate.not_before)}" if fate.not_before else ""
    return "due", f"gets {kind} of update {incident.current.number} when the scheduler looks next{at}"


def _told(fate: Fate, *, gone: bool) -> tuple[str, str]:
    last = fate.notices[-1]
    state, kind, number = State(last["state"]), _of_kind(last["kind"]), last["update"]
    sent_at = instant_text(last["sent_at"] or last["updated_at"])
    since = "; is not affected any more" if gone and last["kind"] != Kind.UNAFFECTED else ""
    if state is State.SENT:
        word = "left" if last["kind"] == Kind.UNAFFECTED else "told"
        return word, f"was sent {kind} of update {number} at {sent_at}{since}"
    if state in CLAIMABLE:
        held = last["not_before"] > last["updated_at"]
        at = f", not before {instant_text(last['not_before'])}" if held else ""
        return "waits", f"gets {kind} of update {number}: it {why(state, None)}{at}{since}"
    if state is State.SKIPPED:
        return _left_out(last["reason"], fate)
    return str(state), f"was to get {kind} of update {number}: it {why(state, last['reason'])}{since}"


def _left_out(reason: str | None, fate: Fate) -> tuple[str, str]:
    if reason == Skip.DUPLICATE:
        other = f": {fate.instead}" if fate.instead else ""
        return "duplicate", f"is written to under another record with the same address{other}"
    if reason == Skip.NOT_ELIGIBLE:
        return "no_address", "is affected, but has no address; tell them by another channel"
    if reason == Skip.SUPPRESSED:
        said = "mail to their address is suppressed or was refused"
        return "suppressed", f"is affected, but {said}; tell them by another channel"
    return str(reason), f"was left out: {why(State.SKIPPED, reason)}"


def _of_kind(kind: str) -> str:
    return {
        Kind.FIRST: "the first notice",
        Kind.UPDATE: "the news",
        Kind.CLOSURE: "word of the end",
        Kind.UNAFFECTED: "word that they are not affected any more,",
    }[Kind(kind)]


def as_row(customer: str, incident: Incident, where: Whereabouts, fate: Fate) -> dict[str, Any]:
    """The same as plain data: `verdict` is the word."""
    word, sentence = verdict(incident, where, fate)
    area = incident.current.area
    due = fate.due
    return {
        "incident": incident.id,
        "customer": customer,
        "campaign": fate.campaign,
        "verdict": word,
        "why": f"{customer} {sentence}.",
        "state": incident.current.state.value,
        "update": incident.current.number,
        "affected": where.covered,
        "points": [_place(area, each) for each in where.places],
        "lists": list(where.lists),
        "exclusions": list(where.exclusions),
        "notices": [dict(each) for each in fate.notices],
        "due": None
        if due is None
        else {
            "kind": due.kind.value,
            "reason": due.skip,
            "not_before": None if due.skip else fate.not_before,
        },
    }


def _place(area: Area, place: Place) -> dict[str, Any]:
    return {
        "id": place.id,
        "service": ", ".join(place.services),
        "postal_code": place.postal_code,
        "label": place.label,
        "affected": place.affected,
        "why_not": None if place.affected else missed(area, place) or "left out",
    }


def lines(row: Mapping[str, Any]) -> Iterable[str]:
    """The row for people."""
    yield row["why"]
    for each in row["points"]:
        what = f"{each['service'] or 'no service'}, {each['postal_code'] or 'no postal code'}"
        said = "affected" if each["affected"] else each["why_not"]
        yield f"  {each['id'] or 'own record'} ({what}): {said}"
    for each in row["notices"]:
        at = each["sent_at"] or each["updated_at"]
        yield (
            f"  update {each['update']}, {each['kind']}, delivery {each['delivery']}, {instant_text(at)}: "
            f"{why(each['state'], each['reason'])}"
        )
