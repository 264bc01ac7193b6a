"""Who gets it and why not: the decisions at planning, and once more at hand-off. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from mailer.core.calendar import aged_before
from mailer.core.campaign import Campaign
from mailer.core.cap import Cap, Claim, is_capped
from mailer.core.consent import TOPIC
from mailer.core.delivery import Hold, Skip, State
from mailer.core.handoff import Drop, Go, HandoffFacts, Verdict, Wait, Waiting
from mailer.core.once import too_soon
from mailer.core.quiet import QuietHours, expires_at, held_until

#: A welcome so soon after the customer's own action may arrive in quiet hours.
OWN_ACTION = timedelta(minutes=15)
OWN_ACTION_EVENT = "consent.confirmed"

#: What an incident holds is looked at again after so long, should nobody have said meanwhile that it is over.
LOOK_AGAIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member of an audience, with what the decision needs."""

    key: int  # customer.id
    id: str  # the shop's id
    email: str
    email_key: str
    zone: str | None  # IANA; none: the tenant's
    consent: str = "unknown"  # yes, no, unknown
    consent_at: datetime | None = None
    suppressed: Mapping[str, str] = field(default_factory=dict)  # scope → reason
    date_set_at: datetime | None = None  # anniversaries: when the date was stored
    date_placeholder: bool = False
    once_held: bool = False  # another delivery holds the once-key
    last_sent_at: datetime | None = None  # of this campaign
    paused: bool = False  # somebody paused the campaign
    duplicate: bool = False  # an older record with this address is in this run
    context: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The tenant's rules."""

    zone: ZoneInfo
    quiet: QuietHours
    seed: str = "mailer"
    cap: Cap = field(default_factory=Cap)
    hold: timedelta | None = LOOK_AGAIN  # of mail to whom an incident affects; none: it is not held


@dataclass(frozen=True, slots=True)
class Decision:
    """Queued with its times, or ended at once with its reason."""

    state: State
    reason: str | None
    not_before: datetime
    expires_at: datetime | None


def decide(
    candidate: Candidate,
    campaign: Campaign,
    rules: Rules,
    *,
    due: datetime,
    now: datetime,
    own_action_at: datetime | None = None,
) -> Decision:
    """Whether `candidate` gets `campaign`, due at `due`, planned at `now`."""
    zone = ZoneInfo(candidate.zone) if candidate.zone else rules.zone
    expires = expires_at(due, campaign.ttl, campaign.ends_at, zone)
    if own_action_at is not None:
        # They agreed by the very act this answers. The date of what stands is that of their last word, and
        # who presses the button twice has said it again a second after the first one fell due.
        candidate = replace(candidate, consent_at=None)
    reason = _skip(candidate, campaign, rules, due=due, now=now, zone=zone)
    if reason is not None:
        return Decision(State.SKIPPED, reason, due, expires)
    not_before = max(due, now)
    if campaign.commercial and not _own_action(own_action_at, not_before):
        not_before = held_until(not_before, zone, rules.quiet) or not_before
    if expires is not None and not_before >= expires:
        return Decision(State.EXPIRED, None, not_before, expires)
    return Decision(State.QUEUED, None, not_before, expires)


def _skip(
    candidate: Candidate, campaign: Campaign, rules: Rules, *, due: datetime, now: datetime, zone: ZoneInfo
) -> Skip | None:
    """The first reason not to write, the lasting ones before the passing ones."""
    lasting = _barred(candidate, campaign, due) or _undated(candidate, campaign, due, zone)
    if lasting is not None:
        return lasting
    if candidate.paused:
        return Skip.PAUSED
    if candidate.once_held or too_soon(candidate.last_sent_at, due, campaign.once, zone):
        return Skip.TOO_SOON
    if due <= campaign.catch_up.before(now):
        return Skip.MISSED
    if campaign.holdout and held_out(rules.seed, campaign.name, candidate.id, campaign.holdout):
        return Skip.HOLDOUT
    return None


def _barred(candidate: Candidate, campaign: Campaign, due: datetime) -> Skip | None:
    """No address, a suppressed one, no consent by then, or an address written to under an older record."""
    if not candidate.email_key:
        return Skip.NOT_ELIGIBLE
    barred = _suppression(candidate.suppressed, campaign.commercial)
    if barred is not None or not campaign.commercial:
        return barred
    if campaign.topic is not None and f"{TOPIC}{campaign.topic}" in candidate.suppressed:
        return Skip.UNSUBSCRIBED
    # Who agreed after it fell due was not among those it was meant for (a newsletter's cut).
    if candidate.consent != "yes" or (candidate.consent_at is not None and candidate.consent_at > due):
        return Skip.NO_CONSENT
    return Skip.DUPLICATE if candidate.duplicate else None


def _undated(candidate: Candidate, campaign: Campaign, due: datetime, zone: ZoneInfo) -> Skip | None:
    """An anniversary's date that is a placeholder, or was entered too shortly before."""
    trigger = campaign.anniversary
    if trigger is None:
        return None
    if candidate.date_placeholder:
        return Skip.UNCONFIRMED_DATE
    entered = candidate.date_set_at
    if trigger.set_before is None or entered is None:
        return None
    return Skip.TOO_SOON if entered >= aged_before(due, trigger.set_before, zone) else None


def _suppression(suppressed: Mapping[str, str], commercial: bool) -> Skip | None:
    """A dead address stops everything; an unsubscribe or a complaint stops commercial mail."""
    if "all" in suppressed:
        return Skip.SUPPRESSED
    if commercial and "commercial" in suppressed:
        return Skip.UNSUBSCRIBED if suppressed["commercial"] == "unsubscribed" else Skip.SUPPRESSED
    return None


def _own_action(own_action_at: datetime | None, handoff: datetime) -> bool:
    return own_action_at is not None and handoff - own_action_at <= OWN_ACTION


def held_out(seed: str, campaign: str, customer: str, percent: float) -> bool:
    """A stable share of customers: the same answer for the same customer and campaign, for ever."""
    digest = hashlib.sha256(f"{seed}\0{campaign}\0{customer}".encode()).digest()
    return int.from_bytes(digest[:8]) < percent / 100 * 2**64


def judge(facts: HandoffFacts, rules: Rules, now: datetime) -> Verdict:
    """The last look, in the transaction that would mark the delivery `sending`."""
    if facts.halted or facts.campaign_paused or facts.run_state not in {"queued", "running"}:
        return Wait(None)
    if facts.expires_at is not None and now >= facts.expires_at:
        return Drop(State.EXPIRED, None)
    commercial = facts.purpose == "commercial"
    scopes = dict.fromkeys(facts.suppressed, facts.suppression_reason or "")
    barred = _suppression(scopes, commercial)
    if barred is not None:
        return Drop(State.SKIPPED, barred)
    if not commercial:
        return Go()
    if facts.off_topic:
        return Drop(State.SKIPPED, Skip.UNSUBSCRIBED)
    if facts.consent != "yes":
        return Drop(State.SKIPPED, Skip.NO_CONSENT)
    if not _own_action(facts.own_action_at, now):
        zone = ZoneInfo(facts.zone) if facts.zone else rules.zone
        until = held_until(now, zone, rules.quiet)
        if until is not None:
            late = facts.expires_at is not None and until >= facts.expires_at
            return Drop(State.EXPIRED, None) if late else Wait(until)
        if rules.hold is not None and _affected(facts, now):
            # Nobody knows when it ends, so it is too late only once it is.
            again = now + rules.hold
            return Wait(min(again, facts.expires_at or again), Hold.AFFECTED)
    return _placed(facts, rules, now)


def weighed(verdict: Verdict, unfit: Skip | None) -> Verdict:
    """Who no longer fits (`unfit`) is left out, unless the last look found a weightier reason."""
    return Drop(State.SKIPPED, unfit) if unfit is not None and isinstance(verdict, Go) else verdict


def _affected(facts: HandoffFacts, now: datetime) -> bool:
    """Whether an incident affects the customer that was public when the mail's turn came.

    What was leaving already goes on: a newsletter stands aside for an outage and completes.
    """
    return facts.affected_since is not None and facts.affected_since < (facts.not_before or now)


def _placed(facts: HandoffFacts, rules: Rules, now: datetime) -> Verdict:
    """Whether a commercial mail has something to say today, and a place."""
    today = local_day(now, facts.zone, rules)
    if facts.reminds is not None and not facts.reminds.good(today):
        return Drop(State.SKIPPED, Skip.NOT_ELIGIBLE)
    if facts.own_action_at is None:  # a welcome takes its place and is never refused one
        mine = Claim(today, facts.priority, facts.due_at or now, facts.campaign)
        others = [claim(each, facts.zone, rules, now) for each in facts.waiting]
        if is_capped(rules.cap, mine, facts.used, others):
            return Drop(State.SKIPPED, Skip.CAPPED)
    return Go(today)


def claim(waiting: Waiting, zone: str | None, rules: Rules, now: datetime) -> Claim:
    """A waiting delivery's place: the local day on which it may leave at the earliest."""
    day = local_day(max(waiting.not_before, now), zone, rules)
    return Claim(day, waiting.priority, waiting.due_at, waiting.campaign)


@lru_cache(4096)  # a run asks it of every customer, and they live in few zones
def _day(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


def local_day(instant: datetime, zone: str | None, rules: Rules) -> date:
    """The customer's own date at `instant`."""
    return _day(instant, ZoneInfo(zone) if zone else rules.zone)
