"""A rule as it is asked for another purpose, or at another moment, than it was written for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mailer.core.segment import Rule


def without_exclusions(rule: Rule) -> Rule:
    """`rule` without its outermost `not`: whom it would find if nobody were left out."""
    return rule.model_copy(update={"not_": None})


def among_affected(rule: Rule, segments: Mapping[str, Rule]) -> Rule:
    """`rule` as it is asked of those an open incident is about to reach: `incident: {open: true}` holds for each.

    They are written down as its recipients only with their first notice. A segment that asks so is written out.
    """
    expanded = _named_that_asks(rule, segments, _of_incidents)
    inner = {
        name: rules and tuple(among_affected(each, segments) for each in rules)
        for name, rules in (("all", rule.all), ("any", rule.any), ("not_", rule.not_))
    }
    if expanded is not None:
        inner["all"] = (*(inner["all"] or ()), among_affected(expanded, segments))
    if rule.incident is not None and not rule.incident.open:
        inner["not_"] = (*(inner["not_"] or ()), Rule())  # leaves out everyone
    kept = rule.segment if expanded is None else None
    return rule.model_copy(update={**inner, "incident": None, "segment": kept})


def live(rule: Rule, segments: Mapping[str, Rule]) -> Rule:
    """`rule` without what it asks of dates: what may be asked again later, when another day has begun.

    Where leaving a date out would turn away somebody who fitted, its whole branch is left out.
    """
    expanded = _named_that_asks(rule, segments, _of_dates)
    inner = [live(each, segments) for each in rule.all or ()]
    if expanded is not None:
        inner.append(live(expanded, segments))
    return rule.model_copy(
        update={
            "date": None,
            "coupon": rule.coupon and rule.coupon.model_copy(update={"expires_in": None}),
            "all": tuple(inner) or None,
            "any": None if any(_asks(each, segments, _of_dates) for each in rule.any or ()) else rule.any,
            "not_": tuple(each for each in rule.not_ or () if not _asks(each, segments, _of_dates)) or None,
            "segment": None if expanded is not None else rule.segment,
        }
    )


def _asks(rule: Rule, segments: Mapping[str, Rule], of: Callable[[Rule], bool]) -> bool:
    """Whether a rule, or a segment it names, however far, has a node of that kind."""
    return any(of(node) or _named_that_asks(node, segments, of) is not None for node in rule.walk())


def _named_that_asks(rule: Rule, segments: Mapping[str, Rule], of: Callable[[Rule], bool]) -> Rule | None:
    """The segment that a node itself names, where that has a node of that kind; None: it can be asked as it stands."""
    below = segments.get(rule.segment or "")
    return below if below is not None and _asks(below, segments, of) else None


def _of_dates(node: Rule) -> bool:
    return node.date is not None or (node.coupon is not None and node.coupon.expires_in is not None)


def _of_incidents(node: Rule) -> bool:
    return node.incident is not None
