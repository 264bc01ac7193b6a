"""Signs of a good customer, in SQL: where they stand among all, and whether they are still with us."""

from __future__ import annotations

from sqlalchemy import ColumnElement, ScalarSelect, and_, exists, false, func, or_, select, true

from mailer.core.event import By
from mailer.core.segment_eval import REACTIONS
from mailer.core.segment_facts import PLACED
from mailer.core.segment_leaves import EngagedRule, RfmRule
from mailer.core.segment_value import ValueTest
from mailer.store.segment_context import SegmentContext
from mailer.store.segment_orders import within
from mailer.store.segment_value import json_value
from mailer.store.tables import (
    customer,
    customer_event,
    customer_score,
    delivery,
    delivery_event,
    score_round,
)

_BY_HUMAN = ValueTest.model_validate(By.HUMAN.value)


def scored(rule: RfmRule, _context: SegmentContext) -> ColumnElement[bool]:
    """Customers whose scores of the last whole round are what `rule` asks."""
    return exists().where(
        customer_score.c.round_id == last_round(),
        customer_score.c.customer_id == customer.c.id,
        *(within(customer_score.c[letter], wanted) for letter, wanted in rule.ranges()),
    )


def last_round() -> ScalarSelect[int]:
    """The number of the newest whole round; null where nobody was ever scored."""
    return select(func.max(score_round.c.id)).where(score_round.c.whole).scalar_subquery()


def engaged(rule: EngagedRule, context: SegmentContext) -> ColumnElement[bool]:
    """Customers who showed one of the signs in the window."""
    kinds = [REACTIONS[sign] for sign in rule.by if sign in REACTIONS]
    tests: list[ColumnElement[bool]] = []
    if kinds:
        reacted = exists().where(
            delivery.c.customer_id == customer.c.id,
            delivery_event.c.delivery_id == delivery.c.id,
            delivery_event.c.kind.in_(kinds),
            by_human(context.dialect),
            _in_window(delivery_event.c.at, rule, context),
        )
        tests.append(reacted)
    if "order" in rule.by:
        ordered = exists().where(
            customer_event.c.customer_id == customer.c.id,
            customer_event.c.name == PLACED,
            _in_window(customer_event.c.at, rule, context),
        )
        tests.append(ordered)
    return or_(false(), *tests)


def by_human(dialect: str) -> ColumnElement[bool]:
    """Whether the detail of a `delivery_event` says that a person did it, not a scanner."""
    return json_value(delivery_event.c.detail, "by", dialect).passes(_BY_HUMAN)


def _in_window(at: ColumnElement[object], rule: EngagedRule, context: SegmentContext) -> ColumnElement[bool]:
    since = true() if rule.within is None else at > context.back(rule.within)
    return and_(at <= context.now, since)
