"""A planner's selection as SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_, select, tuple_

from mailer.core.audience import Selection
from mailer.store.bulk import among
from mailer.store.dialect import has_none
from mailer.store.holds import is_affected
from mailer.store.segment_context import SegmentContext, origin
from mailer.store.segments import where
from mailer.store.tables import customer, customer_date, customer_event, delivery, run, segment_member

_FACTS = (
    customer.c.id, customer.c.ext_id, customer.c.email, customer.c.email_key, customer.c.zone,
    customer.c.consent, customer.c.consent_at,
)  # fmt: skip


def candidates(selection: Selection, context: SegmentContext) -> Select[Any]:
    """The customers selected, with what a candidate is made of."""
    if selection.events is not None:
        return _answering(selection, selection.events, context)
    dates = () if selection.attribute is None else (customer_date.c.set_at, customer_date.c.placeholder)
    return chosen(selection, context, *_FACTS, *dates)


def chosen(selection: Selection, context: SegmentContext, *columns: ColumnElement[Any]) -> Select[Any]:
    """These columns of the customers selected, and of the date where an attribute is asked for."""
    wanted = select(*columns).where(where(selection.rule, context), *_narrowed(selection, context))
    if selection.attribute is None:
        return wanted
    same = customer_date.c.customer_id == customer.c.id
    return wanted.join_from(customer, customer_date, same).where(*_celebrating(selection))


def is_chosen(selection: Selection, context: SegmentContext) -> Iterator[ColumnElement[bool]]:
    """Whether a customer is among those selected, the cheap questions first."""
    yield from _plain(selection, context)
    if selection.attribute is not None:
        # A day is celebrated by few: they are found once, not every customer asked.
        yield customer.c.id.in_(select(customer_date.c.customer_id).where(*_celebrating(selection)))
    yield from _related(selection)
    yield where(selection.rule, context)


def _answering(selection: Selection, events: tuple[str, ...], context: SegmentContext) -> Select[Any]:
    """The customers of events that the rule finds as of each: a row for an event, with its id."""
    rule = where(selection.rule, replace(context, as_of_origin=True))
    return (
        select(*_FACTS, origin.c.ext_id.label("event"))
        .join_from(origin, customer, customer.c.id == origin.c.customer_id)
        .where(origin.c.ext_id.in_(events), rule, *_narrowed(selection, context))
    )


def _celebrating(selection: Selection) -> Iterator[ColumnElement[bool]]:
    yield customer_date.c.attr == selection.attribute
    yield tuple_(customer_date.c.month, customer_date.c.day).in_(selection.days)
    if selection.before_year is not None:
        year = customer_date.c.year
        yield or_(year.is_(None), year < selection.before_year)
    if selection.stored_by is not None:
        yield customer_date.c.set_at <= selection.stored_by


def _narrowed(selection: Selection, context: SegmentContext) -> Iterator[ColumnElement[bool]]:
    yield from _plain(selection, context)
    yield from _related(selection)


def _plain(selection: Selection, context: SegmentContext) -> Iterator[ColumnElement[bool]]:
    """What the customer's own record tells."""
    if selection.zones is not None:
        here = customer.c.zone.in_([zone for zone in selection.zones if zone is not None])
        yield or_(here, customer.c.zone.is_(None)) if None in selection.zones else here
    if selection.stored_by is not None:
        yield customer.c.stored_at <= selection.stored_by
    if selection.changed_since is not None:
        yield customer.c.updated_at >= selection.changed_since
    if selection.keys is not None:
        yield among(customer.c.id, selection.keys, context.dialect)
    if selection.ids is not None:
        yield among(customer.c.ext_id, selection.ids, context.dialect)


def _related(selection: Selection) -> Iterator[ColumnElement[bool]]:
    """What other tables tell."""
    if selection.outside is not None:
        name, occurrence = selection.outside
        theirs = run.join(delivery, delivery.c.run_id == run.c.id)
        yield has_none(
            theirs,
            run.c.campaign == name,
            run.c.occurrence == occurrence,
            delivery.c.customer_id == customer.c.id,
            delivery.c.campaign == name,
        )
    if selection.run_id is not None:
        yield has_none(delivery, delivery.c.customer_id == customer.c.id, *in_run(selection.run_id))
    if selection.entered is not None:
        campaign, entered_at = selection.entered
        # From the few who are owed something to the customers, not the other way round.
        yield customer.c.id.in_(
            select(segment_member.c.customer_id).where(
                segment_member.c.campaign == campaign,
                segment_member.c.entered_at == entered_at,
                segment_member.c.owed,
            )
        )
    if selection.affected:
        yield is_affected()
    if selection.entering is not None:
        known = segment_member.c.campaign == selection.entering, segment_member.c.customer_id == customer.c.id
        yield has_none(segment_member, *known)


def in_run(run_id: int) -> tuple[ColumnElement[bool], ...]:
    """Whether a delivery is of the run. With its campaign, so that one customer's is found in one step."""
    its = select(run.c.campaign).where(run.c.id == run_id).correlate(None).scalar_subquery()
    return delivery.c.run_id == run_id, delivery.c.campaign == its


def unplanned(name: str, campaign: str, since: datetime, until: datetime) -> Select[Any]:
    """Events of customers in (since, until] that have no run of the campaign yet, in order of their number."""
    planned = exists().where(run.c.campaign == campaign, run.c.occurrence == customer_event.c.ext_id)
    return (
        select(customer_event, customer.c.ext_id.label("customer"), customer.c.zone)
        .join(customer, customer.c.id == customer_event.c.customer_id)
        .where(
            customer_event.c.name == name,
            customer_event.c.at > since,
            customer_event.c.at <= until,
            ~planned,
        )
        .order_by(customer_event.c.id)
    )
