"""The reference evaluator: whether a rule holds for one customer, and why, branch by branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from mailer.core import postal
from mailer.core.calendar import LeapDay, aged_before, celebrated_on, local_date
from mailer.core.duration import Duration
from mailer.core.event import EventKind
from mailer.core.ranges import Count, Days
from mailer.core.rfm import WINDOW
from mailer.core.segment import Rule, check_segments, named
from mailer.core.segment_branch import Branch, in_words, shown
from mailer.core.segment_facts import (
    PLACED,
    CouponFact,
    CustomerFacts,
    EvalContext,
    OrderTotals,
    in_share,
    order_totals,
)
from mailer.core.segment_leaves import (
    AreaRule,
    CouponRule,
    DateRule,
    EngagedRule,
    EventRule,
    IncidentRule,
    OrdersRule,
    RfmRule,
    SentRule,
    ServicesRule,
    SpendRule,
)
from mailer.core.segment_match import passes
from mailer.core.segment_value import ValueTests

#: States in which a coupon has been given to its customer.
GIVEN = ("issued", "quarantined", "redeemed")

#: What a person did with a mail, as a rule names it. The third sign, an order, is an event of the customer's.
REACTIONS = {"click": EventKind.CLICKED, "open": EventKind.OPENED}


def evaluate(rule: Rule, facts: CustomerFacts, context: EvalContext) -> Branch:
    """Whether `rule` holds for the customer of `facts`, explained.

    Raises:
        SegmentFault: a segment it names is unknown or leads back to itself.
    """
    check_segments(rule, context.segments)
    return _rule(rule, facts, context)


def _rule(rule: Rule, facts: CustomerFacts, context: EvalContext) -> Branch:
    parts = [*_trees(rule, facts, context), *_leaves(rule, facts, context)]
    if len(parts) == 1:
        return parts[0]
    return Branch(
        "all of these" if parts else "everyone", all(part.holds for part in parts), "", tuple(parts)
    )


def _trees(rule: Rule, facts: CustomerFacts, context: EvalContext) -> Iterator[Branch]:
    kinds: tuple[tuple[tuple[Rule, ...] | None, str, Callable[[list[bool]], bool]], ...] = (
        (rule.all, "all of these", all),
        (rule.any, "any of these", any),
        (rule.not_, "none of these", lambda held: not any(held)),
    )
    for below, text, fold in kinds:
        if below is not None:
            parts = tuple(_rule(inner, facts, context) for inner in below)
            yield Branch(text, fold([part.holds for part in parts]), "", parts)
    if rule.segment is not None:
        inner = _rule(named(rule.segment, context.segments), facts, context)
        yield Branch(f"segment {rule.segment}", inner.holds, "", (inner,))


def _leaves(rule: Rule, facts: CustomerFacts, context: EvalContext) -> Iterator[Branch]:
    for key, look in _LOOKS.items():
        asked = getattr(rule, key)
        if asked is not None:
            yield look(asked, facts, context)
    for name, test in (rule.attr or {}).items():
        value = facts.value(name, context)
        yield Branch(f"{name} {in_words(test)}", passes(test, value), shown(value))


def _window(within: Duration | None, until: str | None = None) -> str:
    return (f" in the last {within}" if within else "") + (" until the event" if until else "")


def _since(within: Duration | None, context: EvalContext) -> datetime | None:
    return None if within is None else context.back(within)


def _happened(at: datetime, since: datetime | None, context: EvalContext) -> bool:
    return at <= context.now and (since is None or at > since)


def _date(rule: DateRule, facts: CustomerFacts, context: EvalContext) -> Branch:
    days = rule.in_days or Days(0, 0)
    text = f"{rule.attr} is celebrated " + ("today" if rule.when else f"in {days} days")
    zone = context.tenant_zone if rule.tz == "tenant" else facts.clock(context)
    known = facts.dates.get(rule.attr)
    if known is None:
        return Branch(text, holds=False, found="no date")
    wanted = celebrated_within(local_date(context.now, zone), days, rule.leap or context.leap_day)
    old = rule.set_before is None or known.set_at < aged_before(
        context.now, rule.set_before, context.tenant_zone
    )
    holds = (known.month, known.day) in wanted and old and not known.placeholder
    remark = (
        ", a placeholder" if known.placeholder else "" if old else f", stored less than {rule.set_before} ago"
    )
    return Branch(text, holds, f"{known.month:02d}-{known.day:02d}{remark}")


def celebrated_within(today: Any, days: Days, leap: LeapDay) -> frozenset[tuple[int, int]]:
    """The stored (month, day) whose day comes round `days` from `today`."""
    low, high = days.low or 0, days.high or 0
    return frozenset(
        stored
        for ahead in range(low, high + 1)
        for stored in celebrated_on(today + timedelta(days=ahead), leap)
    )


def _event(rule: EventRule, facts: CustomerFacts, context: EvalContext) -> Branch:
    since, until = _since(rule.within, context), context.up_to(rule.until)
    count = sum(
        event.name == rule.name
        and event.at <= until
        and _happened(event.at, since, context)
        and _all(rule.where, event.properties)
        for event in facts.events
    )
    where = " where " + ", ".join(f"{name} {in_words(test)}" for name, test in (rule.where or {}).items())
    text = f"{rule.name}{where if rule.where else ''} happened {_often(rule.wanted)}{_window(rule.within, rule.until)}"
    return Branch(text, rule.wanted.holds(count), _times(count))


def _often(wanted: Count) -> str:
    if wanted.low == wanted.high:
        return _times(wanted.low or 0)
    if wanted.high is None:
        return f"{wanted.low or 0} or more times"
    return f"{wanted.low} to {wanted.high} times" if wanted.low else f"at most {_times(wanted.high)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _all(tests: ValueTests | None, values: Any) -> bool:
    return all(passes(test, values.get(name)) for name, test in (tests or {}).items())


def orders_hold(rule: OrdersRule, totals: OrderTotals) -> bool:
    """Whether these orders are what the rule asks for."""
    if rule.count is None and rule.net is None:
        return totals.count > 0
    return (rule.count is None or rule.count.holds(totals.count)) and (
        rule.net is None or rule.net.holds(totals.net_e4)
    )


def _orders(rule: OrdersRule, facts: CustomerFacts, context: EvalContext) -> Branch:
    totals = order_totals(
        facts, context, since=_since(rule.within, context), until=context.up_to(rule.until),
        currency=rule.counted_in(context.currency),
    )  # fmt: skip
    asked = [f"{name} {wanted}" for name, wanted in (("count", rule.count), ("net", rule.net)) if wanted]
    text = f"orders{_window(rule.within, rule.until)}: {', '.join(asked) or 'at least one'}"
    return Branch(text, orders_hold(rule, totals), _money(totals))


def _spend(rule: SpendRule, facts: CustomerFacts, context: EvalContext) -> Branch:
    until = context.now if rule.settled is None else context.back(rule.settled)
    currency = rule.currency or context.currency
    totals = order_totals(facts, context, since=None, until=until, currency=currency)
    settled = f", settled for {rule.settled}" if rule.settled else ""
    return Branch(
        f"spent {rule.net} {currency}".rstrip() + settled, rule.net.holds(totals.net_e4), _money(totals)
    )


def _money(totals: OrderTotals) -> str:
    return f"{totals.count} {'order' if totals.count == 1 else 'orders'}, {totals.net_e4 / 10_000:.2f}"


def _rfm(rule: RfmRule, facts: CustomerFacts, context: EvalContext) -> Branch:  # noqa: ARG001 (one shape)
    text = "scores " + ", ".join(f"{letter} {wanted}" for letter, wanted in rule.ranges())
    own = facts.scores
    if own is None:
        return Branch(text, holds=False, found=f"none: no order in the last {WINDOW} when all were scored")
    holds = all(wanted.holds(getattr(own, letter)) for letter, wanted in rule.ranges())
    return Branch(text, holds, f"r {own.r}, f {own.f}, m {own.m}")


def _engaged(rule: EngagedRule, facts: CustomerFacts, context: EvalContext) -> Branch:
    since = _since(rule.within, context)
    text = f"engaged by {' or '.join(rule.by)}{_window(rule.within)}"
    signs = [*facts.reactions, *((PLACED, event.at) for event in facts.events if event.name == PLACED)]
    kinds = {sign: REACTIONS.get(sign, PLACED) for sign in rule.by}
    last = {
        sign: max((at for one, at in signs if one == kind and _happened(at, since, context)), default=None)
        for sign, kind in kinds.items()
    }
    found = [
        f"last {sign} on {local_date(at, context.tenant_zone)}" if at else f"no {sign}"
        for sign, at in last.items()
    ]
    return Branch(text, any(last.values()), ", ".join(found))


def _area(rule: AreaRule, facts: CustomerFacts, context: EvalContext) -> Branch:  # noqa: ARG001 (one shape)
    codes = [point.postal_code for point in facts.points] or [facts.customer.postal_code]
    holds = any(postal.matches(pattern, code) for pattern in rule.postal for code in codes)
    return Branch(f"area {', '.join(rule.postal)}", holds, shown(codes))


def _services(rule: ServicesRule, facts: CustomerFacts, context: EvalContext) -> Branch:  # noqa: ARG001 (one shape)
    used = [point.service for point in facts.points] or list(facts.customer.services)
    return Branch(f"uses {rule.has}", rule.has in used, shown(used))


def _consent(rule: str, facts: CustomerFacts, context: EvalContext) -> Branch:  # noqa: ARG001 (one shape)
    found = f"consent {facts.consent}"
    if facts.suppressed:
        found += f", address suppressed for {' and '.join(sorted(facts.suppressed))}"
    return Branch(f"consent to {rule} mail", facts.consent == "yes" and not facts.suppressed, found)


def _sent(rule: SentRule, facts: CustomerFacts, context: EvalContext) -> Branch:
    since = _since(rule.within, context)
    sent = [at for campaign, at in facts.sent if campaign == rule.campaign and _happened(at, since, context)]
    return Branch(f"sent {rule.campaign}{_window(rule.within)}", bool(sent), _times(len(sent)))


def _coupon(rule: CouponRule, facts: CustomerFacts, context: EvalContext) -> Branch:
    mine = [one for one in facts.coupons if one.campaign == rule.campaign]
    wanted = (rule.state,) if rule.state else GIVEN
    today = local_date(context.now, facts.clock(context))
    holds = any(one.state in wanted and _ends_in(one.valid_until, rule.expires_in, today) for one in mine)
    text = f"coupon of {rule.campaign}{f' that is {rule.state}' if rule.state else ''}"
    if rule.expires_in is not None:
        text += f", its last day {rule.expires_in} days from today"
    return Branch(text, holds, shown([_until(one) for one in mine]))


def _ends_in(last: date | None, days: Days | None, today: date) -> bool:
    return days is None or (last is not None and days.holds((last - today).days))


def _until(one: CouponFact) -> str:
    return f"{one.state} until {one.valid_until}" if one.valid_until else one.state


def _incident(rule: IncidentRule, facts: CustomerFacts, context: EvalContext) -> Branch:  # noqa: ARG001 (one shape)
    text = "affected by an open incident" if rule.open else "not affected by any open incident"
    return Branch(text, any(one.open for one in facts.incidents) is rule.open)


def _list(rule: str, facts: CustomerFacts, context: EvalContext) -> Branch:  # noqa: ARG001 (one shape)
    return Branch(f"on the list {rule}", rule in facts.lists, shown(sorted(facts.lists)))


def _random(rule: int, facts: CustomerFacts, context: EvalContext) -> Branch:  # noqa: ARG001 (one shape)
    return Branch(f"in a stable share of {rule / 10_000:g}%", in_share(facts.key, rule))


_LOOKS: dict[str, Callable[[Any, CustomerFacts, EvalContext], Branch]] = {
    "date": _date, "event": _event, "orders": _orders, "spend": _spend, "rfm": _rfm, "engaged": _engaged,
    "area": _area, "services": _services, "consent": _consent, "sent": _sent, "coupon": _coupon,
    "incident": _incident, "list": _list, "random": _random,
}  # fmt: skip
