"""What a rule speaks of: segments, lists, campaigns, attributes and events by name, and whether it asks for scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from mailer.core.segment import Rule, named


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a rule speaks of by name, so that a misspelt name can be shown before anybody is written to."""

    segments: frozenset[str]
    lists: frozenset[str]
    campaigns: frozenset[str]
    attributes: frozenset[str]
    events: frozenset[str]
    scores: bool  # whether it asks how customers stand among all
    origin: bool  # whether it asks what was before the event that sets a mail off


def mentions(rule: Rule, segments: Mapping[str, Rule] | None = None) -> Mentions:
    """The names in `rule`; with `segments` also those in the segments it names, however far.

    Raises:
        SegmentFault: with `segments`, one that is named is unknown.
    """
    nodes: list[Rule] = []
    waiting, seen = [rule], set[str]()
    while waiting:
        below = list(waiting.pop().walk())
        nodes += below
        if segments is not None:
            further = {node.segment for node in below if node.segment} - seen
            seen |= further
            waiting += [named(name, segments) for name in further]
    return Mentions(
        segments=frozenset(node.segment for node in nodes if node.segment),
        lists=frozenset(node.list for node in nodes if node.list),
        campaigns=frozenset(leaf.campaign for node in nodes for leaf in (node.sent, node.coupon) if leaf),
        attributes=frozenset(name for node in nodes for name in node.attr or ())
        | frozenset(node.date.attr for node in nodes if node.date),
        events=frozenset(node.event.name for node in nodes if node.event),
        scores=any(node.rfm is not None for node in nodes),
        origin=any(leaf.until is not None for node in nodes for leaf in (node.event, node.orders) if leaf),
    )


def fingerprint(rule: Rule, segments: Mapping[str, Rule]) -> str:
    """A text that changes whenever the rule does, or one of the segments it names, however far.

    Raises:
        SegmentFault: a segment that is named is unknown.
    """
    told = {name: _plain(named(name, segments)) for name in mentions(rule, segments).segments}
    written = json.dumps([_plain(rule), told], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()


def _plain(rule: Rule) -> dict[str, object]:
    return rule.model_dump(mode="json", by_alias=True, exclude_none=True)
