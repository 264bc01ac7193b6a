"""A case of the domain, played through the commands: what a rehearsal said beforehand, and what then happened.

A timeline is a list of steps, each an instant and what is done at it. Between steps nothing runs: the program
looks only where a `look` says so, and a `rehearse` is asked before the looks of its window. What all rehearsals
of a play said together is what the ledger says at its end.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.acceptance.conftest import OpenShop
from tests.acceptance.shop import Answer, Shop

#: (campaign, occurrence, customer, send or skip, why not, when it was sent)
Told = tuple[str, str, str, str, str | None, str | None]

_OUTCOMES = {"sent": "send", "in_doubt": "send", "skipped": "skip", "expired": "skip", "cancelled": "skip"}


@dataclass(frozen=True)
class Step:
    """Something done to a shop at an instant, or a rehearsal from then on."""

    now: str
    what: str  # a file to import, "look", "rehearse", or "mailer"
    words: tuple[str, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Play:
    """A shop, what happens to it, and what everybody is told, or why they are not."""

    timeline: Sequence[Step]
    expected: Sequence[Told]
    stock: Sequence[str] = ()
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # campaigns of its own
    segments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    unforeseen: Sequence[Told] = ()  # what happened, but no rehearsal was asked or could know
    only_foreseen: Sequence[Told] = ()  # what rehearsals said instead


def people(now: str, *rows: Mapping[str, Any], **common: Any) -> Step:
    """Customers who agreed, unless they say something else; the address is made of the id."""
    made = ({"email": f"{row['id']}@a.example", "consent": "yes"} | common | dict(row) for row in rows)
    return Step(now, "customers", rows=tuple(made))


def who(*names: str) -> list[dict[str, Any]]:
    """Customers with nothing but a name."""
    return [{"id": name} for name in names]


def did(now: str, *rows: Mapping[str, Any]) -> Step:
    return Step(now, "events", rows=rows)


def event(key: str, customer: str | None, name: str, at: str, **properties: Any) -> dict[str, Any]:
    return {"id": key, "customer": customer, "name": name, "at": at, "properties": properties}


def post(key: str, at: str) -> dict[str, Any]:
    return event(
        key, None, "post.published", at, title=key.upper(), url=f"https://k.example/{key}", summary=""
    )


def points(now: str, *rows: Mapping[str, Any]) -> Step:
    return Step(now, "points", rows=rows)


def do(now: str, *words: str) -> Step:
    """A command."""
    return Step(now, "mailer", words)


def look(*moments: str) -> list[Step]:
    """`mailer run --until-idle` at each."""
    return [Step(moment, "look") for moment in moments]


def rehearse(start: str, until: str) -> Step:
    return Step(start, "rehearse", (start, until))


def small(here: Shop, *names: str) -> Shop:
    """Campaigns with mails of a line: what a mail looks like is tried elsewhere, and small ones are quicker."""
    for name in names:
        shutil.rmtree(here.folder / "templates" / name)
        here.campaign(name, (here.folder / "jobs" / f"{name}.yaml").read_text("utf-8"))
    return here


def shop_of(play: Play, open_shop: OpenShop, **options: Any) -> Shop:
    here = open_shop(*play.stock, **options)
    here.set(**play.settings)
    small(here, *play.stock)
    if play.segments:
        here.write("jobs/_segments.yaml", json.dumps(dict(play.segments)))
    for name, definition in play.own.items():
        here.campaign(name, json.dumps(dict(definition)))
    return here


def perform(play: Play, here: Shop) -> list[Told]:
    """Do all of it; what the rehearsals said."""
    foreseen: list[Told] = []
    now = ""
    for step in play.timeline:
        match step.what:
            case "look":
                here.run(step.now)
            case "rehearse":
                start, until = step.words
                answer = here.mailer(
                    "rehearse", "--json", "--from", start, "--until", until, now=now or start
                )
                foreseen += _lines(answer)
            case "mailer":
                here.mailer(*step.words, now=step.now)
            case kind:
                here.take(kind, step.rows, step.now)
        now = step.now
    return sorted(foreseen)


def ledger(here: Shop) -> list[Told]:
    """What became of every delivery, in the words of a rehearsal."""
    found = []
    for row in here.deliveries():
        outcome = _OUTCOMES.get(row["state"], row["state"])
        reason = None if outcome == "send" else row["reason"] or row["state"]
        sent_at = row["sent_at"] if outcome == "send" else None
        found.append((row["campaign"], row["occurrence"], row["customer"], outcome, reason, sent_at))
    return sorted(found)


def _lines(answer: Answer) -> list[Told]:
    rows = answer.rows
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    return [
        (row["campaign"], row["occurrence"], row["customer"], row["outcome"], row["reason"],
         row["at"] if row["outcome"] == "send" else None)
        for row in rows
    ]  # fmt: skip


def played(play: Play, here: Shop) -> tuple[list[Told], list[Told]]:
    """What became of everybody, and what the rehearsals said of it; to compare with `both(play)`."""
    foreseen = perform(play, here)
    return ledger(here), foreseen


def both(play: Play) -> tuple[list[Told], list[Told]]:
    """What is expected, of sending and of rehearsing."""
    return sorted([*play.expected, *play.unforeseen]), sorted([*play.expected, *play.only_foreseen])


def sent(campaign: str, occurrence: str, customer: str, at: str) -> Told:
    return (campaign, occurrence, customer, "send", None, at)


def skipped(campaign: str, occurrence: str, customer: str, reason: str) -> Told:
    return (campaign, occurrence, customer, "skip", reason, None)
