"""A page of an audience, told apart by the facts a planner watches: those who share them all are one row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Integer,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    text,
    type_coerce,
)

from mailer.core.audience import Alike, Page, Selection, Watch
from mailer.core.cap import WEEK
from mailer.core.delivery import HOLDING
from mailer.core.once import ESCAPES
from mailer.core.policy import Candidate
from mailer.store.bulk import among
from mailer.store.dialect import has_one
from mailer.store.segment_context import SegmentContext
from mailer.store.selection import chosen, is_chosen
from mailer.store.slots import APART
from mailer.store.tables import (
    UNSENT,
    cap_slot,
    customer,
    customer_date,
    customer_event,
    delivery,
    suppression,
)

#: What stands for the address of customers who have one: which one it is matters to no decision about them.
ADDRESS = "someone@there.invalid"


def page_of(selection: Selection, watch: Watch, context: SegmentContext) -> Select[Any]:
    """The facts of the next `limit` customers above the number `after`, both still to be given, and who shares them."""
    dated = selection.attribute is not None
    facts: dict[str, ColumnElement[Any]] = {
        "zone": customer.c.zone,
        "addressed": customer.c.email_key != "",
        "consent": customer.c.consent,
        "late": case((customer.c.consent_at > watch.due, customer.c.consent_at)),
        "suppressed": _suppressed(context.dialect),
        "held": _held(watch),
        "used": _used(context) if watch.capped else cast(null(), Text),
        "set_at": customer_date.c.set_at if dated else cast(null(), Text),
        "placeholder": customer_date.c.placeholder if dated else false(),
        "odd": or_(false(), *_odd(watch, context)),
    }
    rows = (
        chosen(
            selection,
            context,
            customer.c.id,
            customer.c.ext_id,
            *(each.label(name) for name, each in facts.items()),
        )
        .where(customer.c.id > bindparam("after", type_=customer.c.id.type))
        .order_by(customer.c.id)
        .limit(bindparam("limit", type_=Integer))
        .subquery("page")
    )
    shared = [rows.c[name] for name in facts]
    names = _gathered(rows.c.ext_id, context.dialect) if watch.names else null()
    return select(
        *shared,
        func.max(rows.c.id).label("last"),
        _gathered(rows.c.id, context.dialect).label("customers"),
        names.label("names"),
    ).group_by(*shared)


def as_page(found: Sequence[Row[Any]]) -> Page | None:
    """The page; None: nobody is left."""
    if not found:
        return None
    alike = [_alike(row) for row in found if not row.odd]
    odd = sorted(key for row in found if row.odd for key in row.customers)
    return Page(alike, odd, max(row.last for row in found), sum(len(row.customers) for row in found))


def _alike(row: Row[Any]) -> Alike:
    address = ADDRESS if row.addressed else ""
    facts = Candidate(
        key=0,
        id="",
        email=address,
        email_key=address,
        zone=row.zone,
        consent=row.consent,
        consent_at=row.late,
        suppressed=json.loads(row.suppressed) if row.suppressed else {},
        date_set_at=row.set_at,
        date_placeholder=bool(row.placeholder),
        once_held=bool(row.held),
    )
    used = tuple(date.fromisoformat(day) for day in row.used.split(",")) if row.used else ()
    return Alike(facts, used, row.customers, row.names or ())


def escaped(name: ColumnElement[str]) -> ColumnElement[str]:
    """A customer's id as it stands in a once-key; see `core.once.once_key`."""
    for plain, written in ESCAPES:
        name = func.replace(name, plain, written, type_=Text)
    return name


def _suppressed(dialect: str) -> ColumnElement[str]:
    whole = func.json_group_object if dialect == "sqlite" else func.json_object_agg
    found = select(cast(whole(suppression.c.scope, suppression.c.reason), Text)).where(
        suppression.c.email_key == customer.c.email_key
    )
    return case(
        (has_one(suppression, suppression.c.email_key == customer.c.email_key), found.scalar_subquery())
    )


#: Written out, so that the partial index of once-keys serves: of a bound value SQLite cannot know that it is in there.
HOLDS = "delivery.state in (" + ", ".join(f"'{state}'" for state in HOLDING) + ")"


def _held(watch: Watch) -> ColumnElement[bool]:
    if not watch.once:
        return false()
    keys = case(
        *(
            (_here(each.zones), literal(each.before).concat(escaped(customer.c.ext_id)).concat(each.after))
            for each in watch.once
        )
    )
    return has_one(delivery, delivery.c.once_key == keys, text(HOLDS))


def _here(zones: frozenset[str | None]) -> ColumnElement[bool]:
    here = customer.c.zone.in_(sorted(zone for zone in zones if zone is not None))
    return or_(here, customer.c.zone.is_(None)) if None in zones else here


def _used(context: SegmentContext) -> ColumnElement[str]:
    """The local days on which commercial mails left, as far back as they count."""
    recent = _recent(context.now)
    if context.dialect == "sqlite":
        days: ColumnElement[str] = func.group_concat(cast(cap_slot.c.local_day, Text), ",")
    else:
        days = func.string_agg(cast(cap_slot.c.local_day, Text), ",")
    theirs = cap_slot.c.customer_id == customer.c.id, recent
    # Most have none, and to find out takes half as long as to gather none.
    return case((has_one(cap_slot, *theirs), select(days).where(*theirs).scalar_subquery()))


def _recent(now: datetime) -> ColumnElement[bool]:
    return cap_slot.c.local_day >= now.date() - WEEK - APART


def _odd(watch: Watch, context: SegmentContext) -> Iterator[ColumnElement[bool]]:
    """Reasons to look at somebody alone."""
    if watch.campaign is not None:
        yield has_one(
            delivery, delivery.c.campaign == watch.campaign, delivery.c.customer_id == customer.c.id,
            delivery.c.state.in_(HOLDING),
        )  # fmt: skip
    if watch.shared:
        another = customer.alias("another")
        yield and_(
            customer.c.email_key != "",
            has_one(another, another.c.email_key == customer.c.email_key, another.c.id != customer.c.id),
        )
    if watch.moved:
        yield among(customer.c.email_key, watch.moved, context.dialect)
    if watch.capped:
        yield has_one(delivery, delivery.c.customer_id == customer.c.id, text(UNSENT))
    for selection in watch.foreseen:
        yield and_(*is_chosen(selection, context))
    for name, start, end in watch.events:
        yield has_one(
            customer_event, customer_event.c.customer_id == customer.c.id, customer_event.c.name == name,
            customer_event.c.at > start, customer_event.c.at <= end,
        )  # fmt: skip


def _gathered(column: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    gather = func.json_group_array if dialect == "sqlite" else func.json_agg
    return type_coerce(gather(column), JSON)
