"""Segments as SQL: who is in one, how many, a sample, and the facts of one customer to explain it by."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, and_, false, func, literal, not_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.consent import BARRING
from mailer.core.customer import Customer
from mailer.core.delivery import State
from mailer.core.event import EventKind
from mailer.core.rfm import Scores
from mailer.core.segment import Rule, check_segments, named
from mailer.core.segment_eval import REACTIONS
from mailer.core.segment_facts import (
    CouponFact,
    CustomerFacts,
    DateFact,
    EvalContext,
    EventFact,
    IncidentFact,
    PointFact,
)
from mailer.errors import UsageError
from mailer.store.affected import unknown_lists
from mailer.store.customers import as_customer
from mailer.store.engine import Database
from mailer.store.segment_context import SegmentContext
from mailer.store.segment_leaves import LEAVES
from mailer.store.segment_signs import by_human, last_round
from mailer.store.tables import (
    coupon,
    customer,
    customer_date,
    customer_event,
    customer_score,
    delivery,
    delivery_event,
    incident,
    incident_recipient,
    list_member,
    named_list,
    service_point,
    suppression,
)

__all__ = ["SegmentContext", "Segments", "read_facts", "where"]


def where(rule: Rule, context: SegmentContext) -> ColumnElement[bool]:
    """The rule as a condition on `customer`, every value bound. It is true or false, never null.

    Raises:
        SegmentFault: a segment it names is unknown or leads back to itself.
    """
    check_segments(rule, context.segments)
    return _where(rule, context)


def _where(rule: Rule, context: SegmentContext) -> ColumnElement[bool]:
    return and_(true(), *_parts(rule, context))


def _parts(rule: Rule, context: SegmentContext) -> Iterator[ColumnElement[bool]]:
    for inner in rule.all or ():
        yield _where(inner, context)
    if rule.any is not None:
        yield or_(false(), *(_where(inner, context) for inner in rule.any))
    if rule.not_ is not None:
        yield not_(or_(false(), *(_where(inner, context) for inner in rule.not_)))
    if rule.segment is not None:
        yield _where(named(rule.segment, context.segments), context)
    for key, leaf in LEAVES.items():
        asked = getattr(rule, key)
        if asked is not None:
            yield leaf(asked, context)


class Segments:
    """Questions about who is in a segment. Reads only."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def count(self, rule: Rule, context: EvalContext) -> int:
        """How many customers the rule finds.

        Raises:
            SegmentFault: a segment it names is unknown or leads back to itself.
        """
        wanted = select(func.count()).select_from(customer).where(where(rule, self._put(context)))
        async with self._db.read() as connection:
            return int(await connection.scalar(wanted) or 0)

    async def sample(self, rule: Rule, context: EvalContext, n: int, seed: int = 0) -> list[Customer]:
        """At most `n` of the customers the rule finds; the same ones for the same `seed` and customers.

        Raises:
            SegmentFault: a segment it names is unknown or leads back to itself.
        """
        # Multiplying by an odd number shuffles the numbers below a power of two; the seed chooses which.
        odd = random.Random(seed).randrange(2**31) | 1  # noqa: S311 (a sample, not a secret)
        shuffled = (customer.c.id % 2**31) * literal(odd, BigInteger) % 2**31
        wanted = (
            select(customer).where(where(rule, self._put(context))).order_by(shuffled, customer.c.id).limit(n)
        )
        async with self._db.read() as connection:
            return [as_customer(row) for row in await connection.execute(wanted)]

    async def facts(self, ext_id: str) -> CustomerFacts:
        """Everything a rule may ask of the customer the shop calls `ext_id`.

        Raises:
            UsageError: there is no such customer.
        """
        async with self._db.read() as connection:
            row = (
                await connection.execute(select(customer).where(customer.c.ext_id == ext_id))
            ).one_or_none()
            if row is None:
                raise UsageError(f"There is no customer {ext_id!r}; see mailer customers list.")
            return await read_facts(connection, row)

    async def missing_lists(self, names: Sequence[str]) -> list[str]:
        """Those of the names that no list has; a rule that names one finds nobody on it."""
        if not names:
            return []
        async with self._db.read() as connection:
            return await unknown_lists(connection, names)

    def _put(self, context: EvalContext) -> SegmentContext:
        return (
            context if isinstance(context, SegmentContext) else SegmentContext.of(context, self._db.dialect)
        )


async def read_facts(connection: AsyncConnection, row: Row[Any]) -> CustomerFacts:
    """What a rule may ask of the customer whose row this is."""
    key = row.id

    async def of(*columns: Any, where: tuple[ColumnElement[bool], ...]) -> list[Row[Any]]:
        return list((await connection.execute(select(*columns).where(*where))).all())

    dates = await of(customer_date, where=(customer_date.c.customer_id == key,))
    happened = await of(customer_event, where=(customer_event.c.customer_id == key,))
    points = await of(
        service_point.c.service, service_point.c.postal_code, where=(service_point.c.customer_id == key,)
    )
    lists = await of(
        named_list.c.name, where=(list_member.c.list_id == named_list.c.id, list_member.c.customer_id == key)
    )
    accepted = delivery.c.state == State.SENT, delivery.c.sent_at.is_not(None)
    sent = await of(
        delivery.c.campaign, delivery.c.sent_at, where=(delivery.c.customer_id == key, *accepted)
    )  # fmt: skip
    coupons = await of(
        coupon.c.campaign, coupon.c.state, coupon.c.valid_until, where=(coupon.c.customer_id == key,)
    )
    scopes = await of(
        suppression.c.scope,
        where=(suppression.c.email_key == row.email_key, suppression.c.scope.in_(BARRING)),
    )
    incidents = await of(
        incident.c.state, incident_recipient.c.state.label("standing"), incident.c.published_at,
        where=(incident_recipient.c.incident_id == incident.c.id, incident_recipient.c.customer_id == key),
    )  # fmt: skip
    scores = await of(
        customer_score.c.r, customer_score.c.f, customer_score.c.m,
        where=(customer_score.c.round_id == last_round(), customer_score.c.customer_id == key),
    )  # fmt: skip
    reactions = await of(
        delivery_event.c.kind, delivery_event.c.at,
        where=(delivery_event.c.delivery_id == delivery.c.id, delivery.c.customer_id == key,
               delivery_event.c.kind.in_(list(REACTIONS.values())), by_human(connection.dialect.name)),
    )  # fmt: skip
    return CustomerFacts(
        key=key,
        customer=as_customer(row),
        zone=row.zone,
        consent=row.consent,
        suppressed=frozenset(one.scope for one in scopes),
        dates={one.attr: DateFact(one.month, one.day, one.set_at, one.placeholder) for one in dates},
        events=tuple(
            EventFact(one.name, one.at, one.properties, one.order_ref, one.net_e4, one.currency)
            for one in happened
        ),
        points=tuple(PointFact(one.service, one.postal_code) for one in points),
        lists=frozenset(one.name for one in lists),
        sent=tuple((one.campaign, one.sent_at) for one in sent),
        coupons=tuple(
            CouponFact(one.campaign, one.state, one.valid_until) for one in coupons if one.campaign
        ),
        incidents=tuple(
            IncidentFact(one.state, one.standing, one.published_at is not None) for one in incidents
        ),
        scores=next((Scores(one.r, one.f, one.m) for one in scores), None),
        reactions=tuple((EventKind(one.kind), one.at) for one in reactions),
    )
