"""Reports as lines of a table or a CSV file: flat, with the same columns whatever happened. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mailer.core.delivery import Failure, Skip
from mailer.core.report import Funnel, share

#: Columns of a run or campaign in a CSV file; revenue has one for each currency, after these.
COLUMNS = (
    "campaign", "run", "occurrence", "state", "due_at", "runs", "audience", "eligible", "sent", "failed", "bounced",
    "opened_human", "opened_machine", "opened_unknown", "clicked_human", "clicked_machine", "clicked_unknown",
    "unsubscribed", "complained", "accepted", "in_doubt", "cancelled", "expired", "waiting", "goal", "coupons",
    "redeemed", "orders_by_code", "orders_by_click", *(f"skipped_{reason}" for reason in Skip),
    *(f"failed_{reason}" for reason in Failure), "uplift_points", "uplift_low", "uplift_high",
)  # fmt: skip

DOMAIN_COLUMNS = ("domain", "tried", "accepted", "deferred", "refused", "bounced", "complained")


def flat(line: Mapping[str, Any]) -> dict[str, Any]:
    """A report's JSON line without anything inside another."""
    row = {name: value for name, value in line.items() if not isinstance(value, Mapping)}
    row |= {f"skipped_{reason}": line["skipped"].get(reason, 0) for reason in Skip}
    row |= {f"failed_{reason}": line["failures"].get(reason, 0) for reason in Failure}
    row |= {f"revenue_{currency}": amount for currency, amount in line["revenue"].items()}
    uplift = line.get("uplift") or {}
    return row | {
        "uplift_points": uplift.get("points"), "uplift_low": uplift.get("low"), "uplift_high": uplift.get("high"),
    }  # fmt: skip


def currencies(lines: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The columns revenue needs."""
    return tuple(f"revenue_{each}" for each in sorted({name for line in lines for name in line["revenue"]}))


@dataclass(frozen=True, slots=True)
class Figure:
    """One step of a funnel."""

    name: str
    count: int
    whole: int | None = None  # what it is measured by
    reason: str = ""  # of those skipped or failed
    inner: bool = False  # a part of the step above


#: How a step is called; the others are called by their name.
_STEPS = {
    "skipped": "skipped: {reason}",
    "in_doubt": "in doubt",
    "failed": "failed: {reason}",
    "accepted": "accepted by a relay",
    "opened_human": "opened by people",
    "clicked_human": "clicked by people",
    "goal": "goal: {goal}",
    "redeemed": "codes redeemed",
}


def figures(funnel: Funnel, *, goal: bool) -> list[Figure]:
    """The funnel, step by step; `goal`: whether there is one."""
    found = [Figure("audience", funnel.audience)]
    found += [
        Figure("skipped", count, funnel.audience, reason, inner=True)
        for reason, count in sorted(funnel.skipped.items(), key=lambda each: (-each[1], each[0]))
    ]
    found.append(Figure("eligible", funnel.eligible, funnel.audience))
    for name in ("expired", "cancelled", "waiting", "in_doubt"):
        count = getattr(funnel, name)
        if count:
            found.append(Figure(name, count, funnel.eligible, inner=True))
    found += [
        Figure("failed", count, funnel.eligible, reason, inner=True)
        for reason, count in sorted(funnel.failures.items())
        if reason != Failure.BOUNCED
    ]
    found.append(Figure("accepted", funnel.accepted, funnel.eligible))
    of_mails = [
        ("bounced", True, True),
        ("complained", True, True),
        ("unsubscribed", True, True),
        ("opened_human", False, bool(funnel.opened_human)),
        ("clicked_human", False, True),
        ("goal", False, goal),
        ("redeemed", False, bool(funnel.coupons)),
    ]
    found += [
        Figure(name, getattr(funnel, name), funnel.accepted, inner=inner)
        for name, inner, wanted in of_mails
        if wanted
    ]
    return found


def steps(funnel: Funnel, goal: str | None) -> list[dict[str, Any]]:
    """The funnel, step by step, each with its share of the step it is measured by."""
    return [
        {
            "step": "  " * each.inner
            + _STEPS.get(each.name, each.name).format(reason=each.reason, goal=goal),
            "deliveries": each.count,
            "share": "" if each.whole is None else share(each.count, each.whole),
        }
        for each in figures(funnel, goal=goal is not None)
    ]
