"""Looking at segments: how many, who for example, whom exclusions took out, and why somebody is in or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mailer.core.customer import Customer
from mailer.core.mentions import Mentions, mentions
from mailer.core.segment import Rule, named
from mailer.core.segment_branch import Branch, outline
from mailer.core.segment_eval import evaluate
from mailer.core.segment_facts import CustomerFacts, EvalContext
from mailer.core.segment_recast import without_exclusions
from mailer.flow.score import Scoring

SAMPLES = 20


class SegmentPort(Protocol):
    """Questions about customers that only the database can answer."""

    async def count(self, rule: Rule, context: EvalContext) -> int:
        """How many customers the rule finds."""

    async def sample(self, rule: Rule, context: EvalContext, n: int, seed: int = 0) -> list[Customer]:
        """At most `n` of them."""

    async def facts(self, ext_id: str) -> CustomerFacts:
        """Everything a rule may ask of one customer."""

    async def missing_lists(self, names: Sequence[str]) -> list[str]:
        """Those of the names that no list has."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """One of a segment's exclusions, and how many it takes out of it (some may be taken out by several)."""

    rule: str
    count: int


@dataclass(frozen=True, slots=True)
class SegmentPreview:
    """A segment as it stands now."""

    count: int
    samples: tuple[Customer, ...]
    excluded: tuple[Excluded, ...]
    missing_lists: tuple[str, ...]  # named by the rule, but not loaded: they match nobody


class SegmentDesk:
    """The use cases around named segments. A name or a rule is taken everywhere."""

    def __init__(self, people: SegmentPort, segments: Mapping[str, Rule], scoring: Scoring) -> None:
        self._people = people
        self._segments = segments
        self._scoring = scoring

    def names(self) -> list[str]:
        """Every named segment."""
        return sorted(self._segments)

    async def listing(self, context: EvalContext) -> list[tuple[str, int]]:
        """Every named segment and how many customers it finds."""
        return [(name, await self.count(name, context)) for name in self.names()]

    async def count(self, segment: str | Rule, context: EvalContext) -> int:
        """How many customers are in it.

        Raises:
            SegmentFault: it, or a segment it names, is unknown or leads back to itself.
        """
        return await self._people.count(await self._scored(segment, context), context)

    async def preview(self, segment: str | Rule, context: EvalContext, seed: int = 0) -> SegmentPreview:
        """How many are in it, some of them, and how many each exclusion takes out.

        Raises:
            SegmentFault: it, or a segment it names, is unknown or leads back to itself.
        """
        rule = await self._scored(segment, context)
        everybody = without_exclusions(rule)
        return SegmentPreview(
            count=await self._people.count(rule, context),
            samples=tuple(await self._people.sample(rule, context, SAMPLES, seed)),
            excluded=tuple([
                Excluded(
                    outline(exclusion), await self._people.count(Rule(all=(everybody, exclusion)), context)
                )
                for exclusion in rule.not_ or ()
            ]),
            missing_lists=tuple(await self._people.missing_lists(sorted(self.mentions(rule).lists))),
        )  # fmt: skip

    async def explain(self, segment: str | Rule, customer: str, context: EvalContext) -> Branch:
        """Why the customer of the shop's id is in it, or is not, branch by branch.

        Raises:
            SegmentFault: it, or a segment it names, is unknown or leads back to itself.
            UsageError: there is no such customer.
        """
        rule = await self._scored(segment, context)
        return evaluate(rule, await self._people.facts(customer), context)

    def mentions(self, segment: str | Rule) -> Mentions:
        """What it speaks of by name, also through the segments it names.

        Raises:
            SegmentFault: it, or a segment it names, is unknown or leads back to itself.
        """
        return mentions(self._rule(segment), self._segments)

    async def _scored(self, segment: str | Rule, context: EvalContext) -> Rule:
        """The rule; where it asks for scores, there are some."""
        rule = self._rule(segment)
        await self._scoring.see_to([rule], context.now)
        return rule

    def _rule(self, segment: str | Rule) -> Rule:
        return named(segment, self._segments) if isinstance(segment, str) else segment
