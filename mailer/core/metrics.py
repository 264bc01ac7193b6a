"""The figures a monitoring system collects: what each is called, what it says, and how labels stay few and harmless."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from mailer.core.delivery import Accepted, InDoubt, Outcome, Refused, State, TryLater
from mailer.core.run import ENDED, RunState

MOST_NAMES = 100  # campaigns, or pools, that have a line of their own
MOST_LETTERS = 100  # of one name
REST = "_other"  # the others together; no campaign's name begins with a line

_PURPOSES = ("commercial", "service")
_OPEN = (State.QUEUED, State.SENDING, State.DEFERRED, State.IN_DOUBT)
_IN_DOUBT = "mailer_in_doubt_deliveries"


#: What a relay may answer to a mail, and that it did not let us in.
_ANSWERS: Mapping[type[Outcome], str] = {
    Accepted: "accepted",
    TryLater: "try_later",
    Refused: "refused",
    InDoubt: "in_doubt",
}
AWAY = "away"
ANSWERS = (*_ANSWERS.values(), AWAY)


def answered(outcome: Outcome) -> str:
    """What a relay said, in one word."""
    return _ANSWERS[type(outcome)]


class MetricsAccess(BaseModel):
    """Who may collect figures, besides whoever is at this machine, as the settings say it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: Annotated[SecretStr, Field(min_length=16)] | None = None

    def admits(self, shown: str) -> bool:
        """Whether this is the token; how long that takes tells nothing of it."""
        if self.token is None:
            return False
        return hmac.compare_digest(self.token.get_secret_value().encode(), shown.encode())


@dataclass(frozen=True, slots=True)
class Metric:
    """A family of figures, in the words of the Prometheus exposition format."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure."""

    metric: str
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Present:
    """What can be had from a few rows at any time."""

    runs: Mapping[str, int]  # by state, of those that have not ended
    breakers: int
    halted: bool
    senders: int
    planned_at: datetime | None
    incidents: int
    oldest: Mapping[str, datetime]  # purpose → since when the oldest due delivery waits
    shares: Mapping[str, float]  # relay → how much of its rate it gets, of those that get less
    domains: int  # that get less
    answers: Mapping[tuple[str, str], int] = field(default_factory=dict)  # relay and answer → how often


@dataclass(frozen=True, slots=True)
class Counts:
    """What has to be counted."""

    deliveries: Mapping[tuple[str, str, str], int]  # campaign, purpose, state
    events: Mapping[tuple[str, str], int]  # kind, by whom
    pools: Mapping[str, int]  # codes left


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits on disk for the database."""

    size: int  # bytes
    since: float | None  # seconds since the epoch; None: nothing waits


def _gauge(name: str, said: str, *labels: str) -> Metric:
    return Metric(f"mailer_{name}", "gauge", said, labels)


def _counter(name: str, said: str, *labels: str) -> Metric:
    return Metric(f"mailer_{name}_total", "counter", said, labels)


#: Every family, in the order they are shown.
METRICS = (
    _gauge("build_info", "The version that answers; always 1.", "version"),
    _gauge("database_up", "1: the database answers. 0: all figures that come from it are missing."),
    _counter("database_errors", "How often this process could not read the database for these figures."),
    _counter("deliveries", "Deliveries that have ended.", "campaign", "state"),
    _gauge("queue_deliveries", "Deliveries that have not ended.", "purpose", "state"),
    _gauge(
        "queue_oldest_due_seconds",
        "How long the oldest delivery that may leave now has waited; 0: none.",
        "purpose",
    ),
    _gauge("in_doubt_deliveries", "Deliveries whose relay never answered the final dot.", "purpose"),
    _gauge("runs", "Runs that have not ended.", "state"),
    _gauge(
        "breakers_open", "Runs that paused by themselves, because too much was refused or could not be made."
    ),
    _gauge("halted", "1: everything is stopped by `mailer halt`."),
    _gauge("senders", "Sender processes alive, on all machines."),
    _gauge(
        "scheduler_last_pass_timestamp_seconds", "When planning last went through all campaigns; 0: never."
    ),
    _gauge("incidents_open", "Outages and planned work that are not over."),
    _gauge("coupons_available", "Codes left in a pool.", "pool"),
    _counter("events", "What came back about mails; `by` says who opened or clicked.", "kind", "by"),
    _gauge("relay_share", "How much of its rate a relay gets; below 1 after it asked for less.", "relay"),
    _counter(
        "relay_answers",
        "What a relay said to mails it was handed; `away`: how often it did not let a connection in.",
        "relay",
        "answer",
    ),
    _gauge("domains_slowed", "Recipients' domains that get less than their rate, because they asked for it."),
    _gauge("spool_bytes", "Clicks and openings on this machine's disk that are not in the database yet."),
    _gauge("spool_oldest_seconds", "Age of the oldest of them; 0: none waits."),
    _counter("spool_lost", "Clicks and openings this process let go because the spool was full."),
    _gauge("counted_timestamp_seconds", "When deliveries, events and pools were last counted."),
    _gauge("counting_seconds", "How long that took; it is repeated so seldom that it costs 2 % of the time."),
)


def labelled(name: str) -> str:
    """A name as a label has it: no longer than it needs to be, on one line."""
    kept = "".join(letter if letter.isprintable() else "�" for letter in name)
    return kept if len(kept) <= MOST_LETTERS else kept[: MOST_LETTERS - 1] + "…"


def labels_of(sizes: Mapping[str, float]) -> dict[str, str]:
    """Name → its label. The largest have their own, the rest one together: what is kept of each grows for ever."""
    order = sorted(sizes, key=lambda name: (-sizes[name], name))
    return {name: labelled(name) if place < MOST_NAMES else REST for place, name in enumerate(order)}


def of_present(present: Present, relays: Mapping[str, str], now: datetime) -> list[Sample]:
    """What stands at `now`, of the relays those of `relays`: what tells them apart, which may name a user → name."""
    shares: dict[str, float] = {}  # two users of one relay: the one that gets less
    answers: Counter[tuple[str, str]] = Counter()  # and both together
    for key, name in relays.items():
        shares[name] = min(present.shares.get(key, 1.0), shares.get(name, 1.0))
        for answer in ANSWERS:
            answers[name, answer] += present.answers.get((key, answer), 0)
    planned = present.planned_at.timestamp() if present.planned_at else 0.0
    return [
        *(
            Sample("mailer_runs", present.runs.get(state, 0), (state,))
            for state in RunState
            if state not in ENDED
        ),
        Sample("mailer_breakers_open", present.breakers),
        Sample("mailer_halted", present.halted),
        Sample("mailer_senders", present.senders),
        Sample("mailer_scheduler_last_pass_timestamp_seconds", planned),
        Sample("mailer_incidents_open", present.incidents),
        Sample("mailer_domains_slowed", present.domains),
        *(Sample("mailer_relay_share", share, (relay,)) for relay, share in shares.items()),
        *(Sample("mailer_relay_answers_total", count, both) for both, count in answers.items()),
        *(
            Sample("mailer_queue_oldest_due_seconds", _age(present.oldest.get(each), now), (each,))
            for each in _PURPOSES
        ),
    ]


def of_counts(counts: Counts) -> list[Sample]:
    """What was counted."""
    sizes: Counter[str] = Counter()
    of_purpose: Counter[tuple[str, str]] = Counter(
        {(each, state): 0 for each in _PURPOSES for state in _OPEN}
    )
    for (campaign, purpose, state), count in counts.deliveries.items():
        sizes[campaign] += count
        of_purpose[purpose, state] += count
    labels, pools = labels_of(sizes), labels_of(counts.pools)
    return _added_up(
        [
            *(
                Sample("mailer_deliveries_total", count, (labels[campaign], state))
                for (campaign, _purpose, state), count in counts.deliveries.items()
                if state not in _OPEN
            ),
            *(
                Sample(_IN_DOUBT, count, (purpose,))
                if state == State.IN_DOUBT
                else Sample("mailer_queue_deliveries", count, (purpose, state))
                for (purpose, state), count in of_purpose.items()
                if state in _OPEN
            ),
            *(
                Sample("mailer_events_total", count, (kind, by))
                for (kind, by), count in counts.events.items()
            ),
            *(
                Sample("mailer_coupons_available", left, (pools[pool],))
                for pool, left in counts.pools.items()
            ),
        ]
    )


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _added_up(samples: Iterable[Sample]) -> list[Sample]:
    """One figure for what is shown alike: the rest, and names that differ only far behind."""
    sums: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for each in samples:
        sums[each.metric, each.labels] += each.value  # type: ignore[assignment]  # a Counter adds floats as well
    return [Sample(metric, value, labels) for (metric, labels), value in sums.items()]
