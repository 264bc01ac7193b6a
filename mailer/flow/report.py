"""What came of what went out, asked by people: by run, by campaign, by the recipients' domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from mailer.core.attribution import Order, Touch, credit
from mailer.core.campaign import Goal
from mailer.core.delivery import Skip
from mailer.core.report import Funnel, Scope, Wish, of_reactions, of_states, total
from mailer.core.uplift import Arm, Uplift, compare


class HeadPort(Protocol):
    """A run."""

    @property
    def id(self) -> int: ...
    @property
    def campaign(self) -> str: ...
    @property
    def occurrence(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def version_id(self) -> int | None: ...


class BoughtPort(Protocol):
    """An order, and the mails that may have led to it."""

    order: Order
    codes: list[Touch]
    clicks: list[Touch]


class CountsPort(Protocol):
    """Counts by run. A row has the run, what it is counted by, and the numbers."""

    async def heads(self, scope: Scope) -> Sequence[HeadPort]: ...
    async def definitions(self, versions: Sequence[int]) -> Mapping[int, Mapping[str, Any]]: ...
    async def states(self, scope: Scope) -> Sequence[Any]: ...
    async def reactions(self, scope: Scope) -> Sequence[Any]: ...
    async def coupons(self, scope: Scope) -> Mapping[int, int]: ...
    async def goals(self, scope: Scope, wish: Wish) -> Mapping[int, int]: ...
    async def arms(self, scope: Scope, wish: Wish) -> tuple[Arm, Arm]: ...
    async def domains(self, scope: Scope) -> Sequence[dict[str, Any]]: ...


class OrdersPort(Protocol):
    """Orders of customers who used a code or clicked."""

    async def bought(self, since: datetime | None = None) -> Sequence[BoughtPort]: ...


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run."""

    head: HeadPort
    funnel: Funnel
    goal: Goal | None

    def as_json(self) -> dict[str, Any]:
        """The contract's line."""
        figures = self.funnel.as_json() | ({} if self.goal else {"goal": None})
        head = self.head
        more = {"occurrence": head.occurrence, "state": head.state, "due_at": head.due_at}
        return {"campaign": head.campaign, "run": head.id, **figures, **more}


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """All runs of a campaign together."""

    campaign: str
    runs: int
    funnel: Funnel
    goal: Goal | None
    uplift: Uplift | None  # None: nobody was left out for comparison, or there is no goal

    def as_json(self) -> dict[str, Any]:
        """The same figures as a run's line, and the headline."""
        figures = self.funnel.as_json() | ({} if self.goal else {"goal": None})
        uplift = self.uplift.as_json() if self.uplift is not None else None
        return {
            "campaign": self.campaign, "run": None, **figures, "runs": self.runs,
            "goal_is": in_words(self.goal), "uplift": uplift,
        }  # fmt: skip


class ReportDesk:
    """Asks for counts and folds them. Amounts without a currency are in the tenant's."""

    def __init__(self, counts: CountsPort, orders: OrdersPort, currency: str) -> None:
        self._counts = counts
        self._orders = orders
        self._currency = currency

    async def runs(self, scope: Scope, *, outcomes: bool = True) -> list[RunReport]:
        """A report of each run, oldest first; without `outcomes` nothing is said of goals, codes and orders."""
        heads = await self._counts.heads(scope)
        if not heads:
            return []
        funnels = {key: of_states(rows) for key, rows in _by_run(await self._counts.states(scope)).items()}
        for key, rows in _by_run(await self._counts.reactions(scope)).items():
            funnels[key] = funnels.get(key, Funnel()) + of_reactions(rows)
        goals: Mapping[int, Goal] = {}
        if outcomes:
            goals = await self._goals(heads)
            for key, more in (await self._outcomes(scope, heads, goals)).items():
                funnels[key] = replace(funnels.get(key, Funnel()), **more)
        return [
            RunReport(head, funnels.get(head.id, Funnel()), goals.get(head.version_id or 0)) for head in heads
        ]

    async def campaigns(self, scope: Scope) -> list[CampaignReport]:
        """A report of each campaign, by name."""
        runs: dict[str, list[RunReport]] = {}
        for each in await self.runs(scope):
            runs.setdefault(each.head.campaign, []).append(each)
        return [await self.together(name, runs[name], scope) for name in sorted(runs)]

    async def together(self, campaign: str, runs: Sequence[RunReport], scope: Scope) -> CampaignReport:
        """The runs of one campaign, added up; what it wishes for is what its newest run does."""
        goal = next((each.goal for each in reversed(runs) if each.goal), None)
        mine = replace(scope, campaign=campaign)
        uplift = None
        if goal is not None and any(each.funnel.skipped.get(Skip.HOLDOUT) for each in runs):
            uplift = compare(*await self._counts.arms(mine, Wish(goal.event, goal.within.elapsed())))
        return CampaignReport(campaign, len(runs), total(each.funnel for each in runs), goal, uplift)

    async def domains(self, scope: Scope) -> Sequence[dict[str, Any]]:
        """What became of mails, by the recipients' domain; the largest first."""
        return await self._counts.domains(scope)

    async def _goals(self, heads: Sequence[HeadPort]) -> dict[int, Goal]:
        """What each version of these runs wishes for."""
        versions = sorted({head.version_id for head in heads if head.version_id is not None})
        definitions = await self._counts.definitions(versions)
        return {
            version: Goal.model_validate(definition["goal"])
            for version, definition in definitions.items()
            if definition.get("goal")
        }

    async def _outcomes(
        self, scope: Scope, heads: Sequence[HeadPort], goals: Mapping[int, Goal]
    ) -> dict[int, dict[str, Any]]:
        """By run, what its mails led to: the figures of a funnel."""
        found: dict[int, dict[str, Any]] = {head.id: {} for head in heads}
        for run_id, count in (await self._counts.coupons(scope)).items():
            found[run_id]["coupons"] = count
        versions: dict[Goal, list[int]] = {}
        for version, goal in goals.items():
            versions.setdefault(goal, []).append(version)
        for goal, theirs in versions.items():
            wish = Wish(goal.event, goal.within.elapsed(), tuple(theirs))
            for run_id, count in (await self._counts.goals(scope, wish)).items():
                found[run_id]["goal"] = count
        for each in await self._orders.bought(min(head.due_at for head in heads)):
            to = credit(each.order.at, each.codes, each.clicks)
            mine = found.get(to.run_id) if to is not None else None
            if to is None or mine is None:
                continue
            name = f"orders_by_{to.via}"
            mine[name] = mine.get(name, 0) + 1
            revenue = mine.setdefault("revenue_e4", {})
            currency = each.order.currency or self._currency
            revenue[currency] = revenue.get(currency, 0) + each.order.left_e4
        return {run_id: more for run_id, more in found.items() if more}


def in_words(goal: Goal | None) -> str | None:
    """`order.placed within 30d`."""
    return f"{goal.event} within {goal.within}" if goal is not None else None


def _by_run(rows: Sequence[Sequence[Any]]) -> dict[int, list[Sequence[Any]]]:
    """The rest of each row, by the run it begins with."""
    found: dict[int, list[Sequence[Any]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(tuple(row[1:]))
    return found
