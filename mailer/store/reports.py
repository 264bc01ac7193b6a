"""Deliveries and their events, counted by the database: what reports are folded from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    case,
    cast,
    distinct,
    exists,
    func,
    or_,
    select,
    true,
)

from mailer.core.delivery import Failure, Skip, State
from mailer.core.event import EventKind
from mailer.core.redemption import GIVEN
from mailer.core.report import REACTIONS, Scope, Wish
from mailer.core.uplift import Arm
from mailer.store.dialect import later
from mailer.store.engine import Database
from mailer.store.tables import campaign_version, coupon, customer_event, delivery, delivery_event, run

#: Reasons that policy finds after the holdout is drawn: whoever has one is on the mail's side of the comparison.
_AFTER_THE_DRAW = (Skip.CAPPED, Skip.GOAL_MET, Skip.POOL_EMPTY, Skip.BUDGET)


@dataclass(frozen=True, slots=True)
class Head:
    """A run, before anything is counted."""

    id: int
    campaign: str
    occurrence: str
    state: str
    due_at: datetime
    version_id: int | None


class Reports:
    """Counts. Each method is one transaction that reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heads(self, scope: Scope) -> list[Head]:
        """The runs, oldest first."""
        columns = run.c.id, run.c.campaign, run.c.occurrence, run.c.state, run.c.due_at, run.c.version_id
        rows = await self._all(select(*columns).where(*_runs(scope)).order_by(run.c.id))
        return [Head(*row) for row in rows]

    async def definitions(self, versions: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The campaigns as these versions have them."""
        columns = campaign_version.c.id, campaign_version.c.definition
        rows = await self._all(select(*columns).where(campaign_version.c.id.in_(versions)))
        return {row.id: row.definition for row in rows}

    async def states(self, scope: Scope) -> list[Any]:
        """By run: state, reason, how many deliveries, and how many of them a relay accepted."""
        by = delivery.c.run_id, delivery.c.state, delivery.c.reason
        return await self._all(
            select(*by, func.count().label("n"), func.count(delivery.c.sent_at).label("taken"))
            .where(_mine(scope))
            .group_by(*by)
        )

    async def reactions(self, scope: Scope) -> list[Any]:
        """By run: kind of event, by whom, and how many deliveries have one."""
        whose = delivery_event.c.detail["by"].as_string()
        counted = (
            select(delivery.c.run_id, delivery_event.c.kind, whose.label("by"), delivery_event.c.delivery_id)
            .join(delivery, delivery.c.id == delivery_event.c.delivery_id)
            .where(delivery_event.c.kind.in_(REACTIONS), _mine(scope))
            .subquery()
        )
        by = counted.c.run_id, counted.c.kind, counted.c.by
        return await self._all(
            select(*by, func.count(distinct(counted.c.delivery_id)).label("n")).group_by(*by)
        )

    async def coupons(self, scope: Scope) -> dict[int, int]:
        """By run: how many codes its customers have, or may have."""
        rows = await self._all(
            select(delivery.c.run_id, func.count().label("n"))
            .join(coupon, coupon.c.delivery_id == delivery.c.id)
            .where(coupon.c.state.in_(GIVEN), _mine(scope))
            .group_by(delivery.c.run_id)
        )
        return {row.run_id: row.n for row in rows}

    async def goals(self, scope: Scope, wish: Wish) -> dict[int, int]:
        """By run: whose customer did what the mail is for, after a relay took it and in time."""
        reached = _did(delivery.c.customer_id, delivery.c.sent_at, wish, self._database.dialect)
        rows = await self._all(
            select(delivery.c.run_id, func.count().label("n"))
            .join(run, run.c.id == delivery.c.run_id)
            .where(
                *_runs(scope),
                *([run.c.version_id.in_(wish.versions)] if wish.versions else []),
                delivery.c.sent_at.is_not(None),
                reached,
            )
            .group_by(delivery.c.run_id)
        )
        return {row.run_id: row.n for row in rows}

    async def arms(self, scope: Scope, wish: Wish) -> tuple[Arm, Arm]:
        """Who was drawn to be written to, and who to be left out, by what they did since it first fell due.

        Everybody the draw was made for counts, mailed or not: what kept a mail back after the draw is looked at on
        one side only, so leaving those out would compare different people. Whoever changed sides is left out.
        """
        held = case((delivery.c.reason == Skip.HOLDOUT, 1), else_=0)
        drawn = or_(
            delivery.c.state != State.SKIPPED,
            delivery.c.reason.in_((Skip.HOLDOUT, *_AFTER_THE_DRAW)),
            exists().where(
                delivery_event.c.delivery_id == delivery.c.id, delivery_event.c.kind == EventKind.SKIPPED
            ),
        )
        person = (
            select(
                delivery.c.customer_id,
                func.max(held).label("held"),
                func.min(delivery.c.due_at, type_=delivery.c.due_at.type).label("since"),
            )
            .where(_mine(scope), drawn, delivery.c.customer_id.is_not(None))
            .group_by(delivery.c.customer_id)
            .having(func.max(held) == func.min(held))
            .subquery()
        )
        reached = case((_did(person.c.customer_id, person.c.since, wish, self._database.dialect), 1), else_=0)
        rows = await self._all(
            select(
                person.c.held, func.count().label("people"), func.sum(reached, type_=BigInteger).label("did")
            ).group_by(person.c.held)
        )
        found = {row.held: Arm(row.people, int(row.did or 0)) for row in rows}
        return found.get(0, Arm()), found.get(1, Arm())

    async def domains(self, scope: Scope) -> list[Any]:
        """By the recipients' domain, the largest first: what became of mails there."""
        domain = _domain(self._database.dialect).label("domain")
        said = (
            select(delivery_event.c.delivery_id, delivery_event.c.kind)
            .where(
                delivery_event.c.kind.in_((EventKind.DEFERRED, EventKind.BOUNCED, EventKind.COMPLAINED)),
                *(
                    [delivery_event.c.delivery_id.in_(select(delivery.c.id).where(_mine(scope)))]
                    if _runs(scope)
                    else []
                ),
            )
            .distinct()
            .subquery()
        )
        tried = and_(delivery.c.attempts > 0, delivery.c.email_key != "", _mine(scope))
        refused = and_(delivery.c.state == State.FAILED, delivery.c.reason == Failure.REFUSED)
        first = await self._all(
            select(
                domain,
                func.count().label("tried"),
                func.count(delivery.c.sent_at).label("accepted"),
                _number(refused).label("refused"),
            )
            .where(tried)
            .group_by(domain)
        )
        then = await self._all(
            select(domain, said.c.kind, func.count().label("n"))
            .join(said, said.c.delivery_id == delivery.c.id)
            .where(tried)
            .group_by(domain, said.c.kind)
        )
        rows = {
            row.domain: {
                "domain": row.domain, "tried": row.tried, "accepted": row.accepted, "deferred": 0,
                "refused": int(row.refused or 0), "bounced": 0, "complained": 0,
            }
            for row in first
        }  # fmt: skip
        for row in then:
            rows[row.domain][row.kind] = row.n
        return sorted(rows.values(), key=lambda each: (-each["tried"], each["domain"]))

    async def _all(self, question: Select[*tuple[Any, ...]]) -> list[Any]:
        async with self._database.read() as connection:
            return list((await connection.execute(question)).all())


def _runs(scope: Scope) -> list[ColumnElement[bool]]:
    """On `run`: it is one of them."""
    tests: list[ColumnElement[bool]] = []
    if scope.campaign is not None:
        tests.append(run.c.campaign == scope.campaign)
    if scope.since is not None:
        tests.append(run.c.due_at >= scope.since)
    if scope.runs is not None:
        tests.append(run.c.id.in_(scope.runs))
    return tests


def _mine(scope: Scope) -> ColumnElement[bool]:
    """On `delivery`: its run is one of them."""
    tests = _runs(scope)
    return delivery.c.run_id.in_(select(run.c.id).where(*tests)) if tests else true()


def _did(
    whose: ColumnElement[Any], since: ColumnElement[datetime], wish: Wish, dialect: str
) -> ColumnElement[bool]:
    """Whether a customer did what is wished for, after `since` and in time."""
    return exists().where(
        customer_event.c.customer_id == whose,
        customer_event.c.name == wish.event,
        customer_event.c.at > since,
        customer_event.c.at <= later(since, wish.within, dialect),
    )


def _number(test: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((test, 1), else_=0), type_=BigInteger)


def _domain(dialect: str) -> ColumnElement[str]:
    """What stands after the @ of a normalised address."""
    key = delivery.c.email_key
    if dialect == "postgresql":
        return func.split_part(key, "@", -1, type_=Text)
    return func.substr(key, cast(func.instr(key, "@"), BigInteger) + 1, type_=Text)
