"""Reports as lines of a table or a CSV file: flat, with the same columns whatever happened. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def steps(funnel: Funnel, goal: str | None) -> list[dict[str, Any]]:
    """The funnel, step by step, each with its share of the step it is measured by."""
    found = [("audience", funnel.audience, "")]
    found += [(f"  skipped: {reason}", count, share(count, funnel.audience))
              for reason, count in sorted(funnel.skipped.items(), key=lambda each: (-each[1], each[0]))]  # fmt: skip
    found.append(("eligible", funnel.eligible, share(funnel.eligible, funnel.audience)))
    for name in ("expired", "cancelled", "waiting", "in_doubt"):
        count = getattr(funnel, name)
        if count:
            found.append((f"  {name.replace('_', ' ')}", count, share(count, funnel.eligible)))
    found += [(f"  failed: {reason}", count, share(count, funnel.eligible))
              for reason, count in sorted(funnel.failures.items()) if reason != Failure.BOUNCED]  # fmt: skip
    found.append(("accepted by a relay", funnel.accepted, share(funnel.accepted, funnel.eligible)))
    of_mails = [
        ("  bounced", funnel.bounced, True),
        ("  complained", funnel.complained, True),
        ("  unsubscribed", funnel.unsubscribed, True),
        ("opened by people", funnel.opened_human, bool(funnel.opened_human)),
        ("clicked by people", funnel.clicked_human, True),
        (f"goal: {goal}", funnel.goal, goal is not None),
        ("codes redeemed", funnel.redeemed, bool(funnel.coupons)),
    ]
    found += [(name, count, share(count, funnel.accepted)) for name, count, wanted in of_mails if wanted]
    return [{"step": name, "deliveries": count, "share": part} for name, count, part in found]
