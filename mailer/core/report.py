"""What came of what went out: deliveries and their events folded to a funnel. Pure.

A delivery counts once in each figure, however often its mail was opened, clicked or came back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

from mailer.core.coupon import E4
from mailer.core.delivery import State
from mailer.core.event import By, EventKind

Counts = Mapping[str, int]

#: States in which a delivery's turn has not come, or is not over.
_WAITING = (State.QUEUED, State.SENDING, State.DEFERRED)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which runs a report is about; nothing said: all."""

    campaign: str | None = None
    since: datetime | None = None  # due at this instant or later
    runs: tuple[int, ...] | None = None  # these


@dataclass(frozen=True, slots=True)
class Wish:
    """What customers are to do so long after the mail. `versions` of the campaign ask for it; none: whichever."""

    event: str
    within: timedelta
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Funnel:
    """Deliveries of a run, of a campaign, or of many, counted."""

    audience: int = 0
    sent: int = 0  # the state: accepted, and not come back
    failed: int = 0
    in_doubt: int = 0
    cancelled: int = 0
    expired: int = 0
    waiting: int = 0
    accepted: int = 0  # a relay took it, whatever became of it later
    bounced: int = 0
    opened_human: int = 0
    opened_machine: int = 0
    opened_unknown: int = 0
    clicked_human: int = 0
    clicked_machine: int = 0
    clicked_unknown: int = 0
    unsubscribed: int = 0
    complained: int = 0
    goal: int = 0  # did what the campaign is for, in time after the mail
    coupons: int = 0  # given to customers, or perhaps
    redeemed: int = 0
    orders_by_code: int = 0
    orders_by_click: int = 0
    skipped: Counts = field(default_factory=dict)  # by reason
    failures: Counts = field(default_factory=dict)  # by reason
    revenue_e4: Counts = field(default_factory=dict)  # by currency, of the orders above, in ten-thousandths

    @property
    def eligible(self) -> int:
        """Whom no rule left out."""
        return self.audience - sum(self.skipped.values())

    @property
    def revenue(self) -> dict[str, Decimal]:
        """What the orders came to, by currency."""
        return {currency: money(self.revenue_e4[currency]) for currency in sorted(self.revenue_e4)}

    def __add__(self, other: Funnel) -> Funnel:
        """Both together; a delivery is in one run only, so nothing counts twice."""
        return Funnel(
            **{each.name: _sum(getattr(self, each.name), getattr(other, each.name)) for each in fields(self)}
        )

    def as_json(self) -> dict[str, Any]:
        """The contract's figures, in its order, and after them what it does not name."""
        return {
            "audience": self.audience,
            "eligible": self.eligible,
            "sent": self.sent,
            "failed": self.failed,
            "bounced": self.bounced,
            "opened_human": self.opened_human,
            "opened_machine": self.opened_machine,
            "clicked_human": self.clicked_human,
            "clicked_machine": self.clicked_machine,
            "unsubscribed": self.unsubscribed,
            "complained": self.complained,
            "skipped": dict(sorted(self.skipped.items())),
            "failures": dict(sorted(self.failures.items())),
            "accepted": self.accepted,
            "in_doubt": self.in_doubt,
            "cancelled": self.cancelled,
            "expired": self.expired,
            "waiting": self.waiting,
            "opened_unknown": self.opened_unknown,
            "clicked_unknown": self.clicked_unknown,
            "goal": self.goal,
            "coupons": self.coupons,
            "redeemed": self.redeemed,
            "orders_by_code": self.orders_by_code,
            "orders_by_click": self.orders_by_click,
            "revenue": self.revenue,
        }


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, int):
        return one + other
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def total(funnels: Iterable[Funnel]) -> Funnel:
    """All of them together."""
    return reduce(add, funnels, Funnel())


def of_states(counted: Iterable[Sequence[Any]]) -> Funnel:
    """From rows (state, reason, how many deliveries, how many of these a relay accepted)."""
    states: dict[str, int] = {}
    skipped: dict[str, int] = {}
    failures: dict[str, int] = {}
    accepted = 0
    for state, reason, count, taken in counted:
        states[state] = states.get(state, 0) + count
        accepted += taken
        if state == State.SKIPPED:
            skipped[reason or "unsaid"] = skipped.get(reason or "unsaid", 0) + count
        elif state == State.FAILED:
            failures[reason or "unsaid"] = failures.get(reason or "unsaid", 0) + count
    return Funnel(
        audience=sum(states.values()),
        sent=states.get(State.SENT, 0),
        failed=states.get(State.FAILED, 0),
        in_doubt=states.get(State.IN_DOUBT, 0),
        cancelled=states.get(State.CANCELLED, 0),
        expired=states.get(State.EXPIRED, 0),
        waiting=sum(states.get(state, 0) for state in _WAITING),
        accepted=accepted,
        skipped=skipped,
        failures=failures,
    )


#: Kinds of events that say by whom, and those that need not.
_BY_WHOM = {EventKind.OPENED: "opened", EventKind.CLICKED: "clicked"}
_PLAIN = {
    EventKind.BOUNCED: "bounced",
    EventKind.UNSUBSCRIBED: "unsubscribed",
    EventKind.COMPLAINED: "complained",
    EventKind.REDEEMED: "redeemed",
}

_UNKNOWN = "unknown"

#: The kinds of events a funnel is folded from.
REACTIONS = (*_BY_WHOM, *_PLAIN)


def of_reactions(counted: Iterable[Sequence[Any]]) -> Funnel:
    """From rows (kind of event, by whom, how many deliveries)."""
    figures: dict[str, Any] = {}
    for kind, by, count in counted:
        if kind in _BY_WHOM:
            name = f"{_BY_WHOM[EventKind(kind)]}_{by if by in (By.HUMAN, By.MACHINE) else _UNKNOWN}"
        elif kind in _PLAIN:
            name = _PLAIN[EventKind(kind)]
        else:
            continue
        figures[name] = figures.get(name, 0) + count
    return Funnel(**figures)


def share(part: int, whole: int) -> str:
    """`12.3 %`; empty where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def money(e4: int) -> Decimal:
    """An amount kept in ten-thousandths, with at least two places."""
    amount = Decimal(e4) / E4
    cents = amount.quantize(Decimal("0.01"))
    return cents if cents == amount else amount
