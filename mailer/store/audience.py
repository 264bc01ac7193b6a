"""Who is in a run's audience, and what the decision about each needs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.audience import Page, Pages, Selection, Watch
from mailer.core.delivery import CLAIMABLE, HOLDING
from mailer.core.handoff import Waiting
from mailer.core.policy import Candidate
from mailer.core.rfm import Round
from mailer.core.segment import Rule
from mailer.core.segment_facts import EvalContext
from mailer.store.bulk import among
from mailer.store.dialect import slices
from mailer.store.engine import Database
from mailer.store.issues import PastIssues
from mailer.store.members import Members
from mailer.store.pages import HOLDS, as_page, page_of
from mailer.store.scores import Scores
from mailer.store.segment_context import SegmentContext
from mailer.store.selection import candidates, chosen, in_run, unplanned
from mailer.store.slots import as_waiting, taken, waiting
from mailer.store.tables import customer, customer_event, delivery, suppression


def _zones() -> Select[Any]:
    # From each zone to the next by the index: there are few, and many customers in each.
    first = select(func.min(customer.c.zone).label("zone")).cte("zones", recursive=True)
    after = select(func.min(customer.c.zone)).where(customer.c.zone > first.c.zone).scalar_subquery()
    named = first.union_all(select(after).where(first.c.zone.is_not(None)))
    return select(named.c.zone).where(named.c.zone.is_not(None))


# Asked for each page and each look, so written once.
_ZONES = _zones()
_NOWHERE = select(select(customer.c.id).where(customer.c.zone.is_(None)).exists())


class Audience(PastIssues):
    """The planner's questions to the database."""

    def __init__(self, db: Database, moment: Callable[[], EvalContext]) -> None:
        super().__init__(db)
        self._moment = moment

    async def zones(self) -> frozenset[str | None]:
        """The zones customers live in; None: the tenant's."""
        async with self._db.read() as conn:
            found = frozenset((await conn.scalars(_ZONES)).all())
            return found | {None} if await conn.scalar(_NOWHERE) else found

    async def chunk(self, selection: Selection, now: datetime, after: int, limit: int) -> list[Candidate]:
        """The next candidates whose number is above `after`, at most `limit`."""
        wanted = candidates(selection, await self._context(now)).where(customer.c.id > after)
        async with self._db.read() as conn:
            rows = (await conn.execute(wanted.order_by(customer.c.id).limit(limit))).all()
            barred = await self._suppressions(conn, [row.email_key for row in rows])
        return [_candidate(row, barred, dated=selection.attribute is not None) for row in rows]

    async def fitting(self, rule: Rule, keys: Sequence[int], now: datetime) -> set[int]:
        """Those of the customers, by customer.id, that `rule` finds."""
        # Which zones customers live in is not asked for each chunk of a sender: it shortens what asks for dates, and
        # at hand-off nothing does.
        wanted = chosen(Selection(rule, keys=tuple(keys)), self._everywhere(now), customer.c.id)
        async with self._db.read() as conn:
            return set((await conn.scalars(wanted)).all())

    async def pages(self, selection: Selection, watch: Watch, now: datetime) -> Pages:
        """Pages of customers, those alike together."""
        wanted = page_of(selection, watch, await self._context(now))  # built once: that takes milliseconds

        async def page(after: int, limit: int) -> Page | None:
            async with self._db.read() as conn:
                return as_page((await conn.execute(wanted, {"after": after, "limit": limit})).all())

        return page

    async def moved(self, run_id: int) -> tuple[str, ...]:
        """Addresses that the run writes to already, and whose customer has another one by now."""
        wanted = (
            select(delivery.c.email_key)
            .join_from(delivery, customer, customer.c.id == delivery.c.customer_id)
            .where(
                delivery.c.run_id == run_id,
                delivery.c.email_key != customer.c.email_key,
                delivery.c.state.in_(HOLDING),
            )
            .distinct()
        )
        async with self._db.read() as conn:
            return tuple((await conn.scalars(wanted)).all())

    async def answering(self, rule: Rule, events: Sequence[str], now: datetime) -> dict[str, Candidate]:
        """The events, by the shop's ids, whose customer `rule` finds as of the event; and that customer."""
        context = await self._context(now)
        found: dict[str, Candidate] = {}
        async with self._db.read() as conn:
            for part in slices(events):
                wanted = candidates(Selection(rule, events=tuple(part)), context)
                rows = (await conn.execute(wanted)).all()
                barred = await self._suppressions(conn, [row.email_key for row in rows])
                found.update({row.event: _candidate(row, barred) for row in rows})
        return found

    async def count(self, selection: Selection, now: datetime) -> int:
        """How many candidates there are."""
        wanted = candidates(selection, await self._context(now)).subquery()
        async with self._db.read() as conn:
            return int(await conn.scalar(select(func.count()).select_from(wanted)) or 0)

    async def held(self, once_keys: Sequence[str]) -> set[str]:
        """Those of the once-keys that a delivery holds."""
        wanted = select(delivery.c.once_key).where(self._among(delivery.c.once_key, once_keys), text(HOLDS))
        async with self._db.read() as conn:
            return set((await conn.scalars(wanted)).all())

    async def last_sent(self, campaign: str, customers: Sequence[int]) -> dict[int, datetime]:
        """When each of the customers was last sent this campaign, may have been, or will be."""
        waits = case((delivery.c.state.in_(CLAIMABLE), delivery.c.not_before), else_=delivery.c.updated_at)
        wanted = (
            select(delivery.c.customer_id, func.max(func.coalesce(delivery.c.sent_at, waits)).label("at"))
            .where(
                delivery.c.campaign == campaign,
                self._among(delivery.c.customer_id, customers),
                delivery.c.state.in_(HOLDING),
            )
            .group_by(delivery.c.customer_id)
        )
        async with self._db.read() as conn:
            return {row.customer_id: row.at for row in await conn.execute(wanted)}

    async def addresses(self, run_id: int, email_keys: Sequence[str]) -> set[str]:
        """Those of the addresses that the run writes to already, and whose customer still has it; see `moved`."""
        wanted = (
            select(delivery.c.email_key)
            .join_from(customer, delivery, delivery.c.customer_id == customer.c.id)
            .where(
                self._among(customer.c.email_key, email_keys),
                *in_run(run_id),
                delivery.c.email_key == customer.c.email_key,
                delivery.c.state.in_(HOLDING),
            )
        )
        async with self._db.read() as conn:
            return set((await conn.scalars(wanted)).all())

    async def places(self, customers: Sequence[int], now: datetime) -> dict[int, list[date]]:
        """The local days on which commercial mails left for these customers, as far back as they count."""
        async with self._db.read() as conn:
            found = [await taken(conn, part, now) for part in slices(customers)]
        return {key: [each.day for each in days] for part in found for key, days in part.items()}

    async def waiting(self, customers: Sequence[int]) -> dict[int, list[Waiting]]:
        """The commercial deliveries of these customers that have not left."""
        async with self._db.read() as conn:
            found = [await waiting(conn, part) for part in slices(customers)]
        return {key: [as_waiting(row) for row in rows] for part in found for key, rows in part.items()}

    async def events(
        self, name: str, campaign: str, since: datetime, until: datetime, after: int, limit: int
    ) -> list[dict[str, Any]]:
        """Events of customers in (since, until] that have no run of the campaign yet, by number above `after`."""
        wanted = unplanned(name, campaign, since, until).where(customer_event.c.id > after).limit(limit)
        async with self._db.read() as conn:
            return [dict(row) for row in (await conn.execute(wanted)).mappings()]

    async def events_of(
        self, name: str, campaign: str, since: datetime, until: datetime, customers: Sequence[int]
    ) -> list[dict[str, Any]]:
        """The same of these customers alone."""
        wanted = unplanned(name, campaign, since, until).where(
            self._among(customer_event.c.customer_id, customers)
        )
        async with self._db.read() as conn:
            return [dict(row) for row in (await conn.execute(wanted)).mappings()]

    async def did(self, event: str, since: Mapping[int, datetime], now: datetime) -> set[int]:
        """Those of the customers who did `event` by `now`, at or after their instant."""
        wanted = (
            select(customer_event.c.customer_id, func.max(customer_event.c.at).label("last"))
            .where(
                customer_event.c.name == event,
                customer_event.c.at <= now,
                self._among(customer_event.c.customer_id, list(since)),
            )
            .group_by(customer_event.c.customer_id)
        )
        async with self._db.read() as conn:
            rows = await conn.execute(wanted)
            return {row.customer_id for row in rows if row.last >= since[row.customer_id]}

    async def look_at_members(self, campaign: str, rule: Rule, now: datetime) -> None:
        """Note who entered the campaign's segment, and forget who left; see `Members.look`."""
        await Members(self._db).look(campaign, rule, await self._context(now))

    async def owed(self, campaign: str) -> list[datetime]:
        """When those entered who are owed a mail for it, oldest first."""
        return await Members(self._db).owed(campaign)

    async def settle_entries(self, campaign: str, entered_at: datetime) -> None:
        """Those who entered then are owed nothing any more."""
        await Members(self._db).settle(campaign, entered_at)

    async def forget_members(self, campaign: str) -> None:
        """Start over: whoever is in the segment at the next look was always in it."""
        await Members(self._db).forget(campaign)

    async def last_scored(self) -> Round | None:
        """When all customers were scored last, and what was ordered since."""
        return await Scores(self._db).last()

    async def score(self, now: datetime) -> None:
        """Score all customers as of `now`."""
        await Scores(self._db).score(replace(self._moment(), now=now))

    async def _context(self, now: datetime) -> SegmentContext:
        return replace(self._everywhere(now), zones=await self.zones())

    def _everywhere(self, now: datetime) -> SegmentContext:
        return SegmentContext.of(replace(self._moment(), now=now), self._db.dialect)

    async def _suppressions(
        self, conn: AsyncConnection, email_keys: Sequence[str]
    ) -> dict[str, dict[str, str]]:
        wanted = select(suppression.c.email_key, suppression.c.scope, suppression.c.reason).where(
            self._among(suppression.c.email_key, email_keys)
        )
        found: dict[str, dict[str, str]] = {}
        for email_key, scope, reason in await conn.execute(wanted):
            found.setdefault(email_key, {})[scope] = reason
        return found

    def _among(self, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
        return among(column, values, self._db.dialect)


def _candidate(row: Row[Any], barred: Mapping[str, Mapping[str, str]], *, dated: bool = False) -> Candidate:
    return Candidate(
        key=row.id,
        id=row.ext_id,
        email=row.email,
        email_key=row.email_key,
        zone=row.zone,
        consent=row.consent,
        consent_at=row.consent_at,
        suppressed=barred.get(row.email_key, {}),
        date_set_at=row.set_at if dated else None,
        date_placeholder=row.placeholder if dated else False,
    )
