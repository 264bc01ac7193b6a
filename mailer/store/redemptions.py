"""Codes come back: what the shop says of them, written down once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.calendar import local_date
from mailer.core.coupon import E4, CouponState
from mailer.core.event import EventKind
from mailer.core.redemption import (
    GIVEN,
    REDEEMED,
    Held,
    Redemption,
    expired,
    refusal,
    told_before,
    unknown,
)
from mailer.errors import UsageError
from mailer.store.dialect import insert, slices
from mailer.store.engine import Database
from mailer.store.facts import Fact, record
from mailer.store.tables import coupon, customer, customer_event, delivery


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a redemption."""

    problem: str | None = None  # one sentence: it does not count
    again: bool = False  # it was known
    holder: str | None = None  # the shop's id of the customer who was given the code
    shared: bool = False  # a static code
    code: str = ""  # as we made it, however it was typed; empty: as it was typed


@dataclass(frozen=True, slots=True)
class Looked:
    """A code that was asked about."""

    id: int  # coupon.id
    problem: str | None = None  # one sentence: it does not count
    shared: bool = False  # a static code


@dataclass(slots=True)
class _Known:
    """A code's row, as it stands within this transaction."""

    id: int
    delivery_id: int | None
    holder: str | None
    held: Held


class Redemptions:
    """Redemptions by hand. `tenant_zone` is where a day ends for customers whose own zone is not known."""

    def __init__(self, database: Database, tenant_zone: ZoneInfo) -> None:
        self._database = database
        self._zone = tenant_zone

    async def tell(self, said: Redemption, now: datetime) -> Answer:
        """Write a redemption down, and the event it is; saying it again changes nothing.

        Raises:
            UsageError: it does not count, it names an unknown customer, or no order for a code that is shared.
        """
        async with self._database.write() as connection:
            key = await _customer_key(connection, said.customer)
            [answer] = await redeem(connection, [said], now, self._zone)
            if answer.problem is not None:
                raise UsageError(answer.problem)
            if answer.shared and said.order is None:
                raise UsageError(
                    f"The code {said.code} is everybody's; name the order with --order, so that it counts once."
                )
            if answer.again:  # by hand, or by an event of the shop's: it is one event
                return answer
            if key is None and answer.holder is not None:
                key = await _customer_key(connection, answer.holder)
            written = await connection.scalar(
                insert(connection, customer_event)
                .values(_event(said, answer, key, now))
                .on_conflict_do_nothing()
                .returning(customer_event.c.id)
            )
        return replace(answer, again=written is None)

    async def look(self, said: Redemption) -> Looked | None:
        """Whether this redemption would count, changing nothing; None: there is no such code."""
        async with self._database.read() as connection:
            written = (said.code, said.code.upper())
            rows = (
                await connection.execute(_HELD.where(coupon.c.code.in_(written)).order_by(coupon.c.id))
            ).all()
            own = {row.code: _known(row) for row in rows if row.kind != "static"}
            known = _of(own, said.code)
            if known is not None:
                return Looked(known.id, refusal(known.held, said, self._zone))
            shared = [row for row in rows if row.code == said.code and row.kind == "static"]
            if not shared:
                return None
            theirs = next((row for row in reversed(shared) if said.customer == row.holder), None)
            if theirs is not None:
                held = _known(theirs).held
                return Looked(theirs.id, refusal(held, said, self._zone), shared=True)
            answer = await _anybodys(connection, said, self._zone)
            return Looked(shared[-1].id, answer.problem, shared=True)


async def redeem(
    connection: AsyncConnection, said: Sequence[Redemption], now: datetime, tenant_zone: ZoneInfo
) -> list[Answer]:
    """Mark the codes of these redemptions, one after the other, as far as each counts."""
    own = await _own(connection, {each.code for each in said})
    shared = await _shared(connection, {each.code for each in said if _of(own, each.code) is None})
    theirs = await _theirs(connection, [each for each in said if each.code in shared])
    marks: dict[int, dict[str, Any]] = {}
    facts: list[Fact] = []
    answers: list[Answer] = []
    for each in said:
        known = _of(own, each.code) or theirs.get((each.code, each.customer))
        if known is not None:
            answers.append(_judged(known, each, tenant_zone))
            _take(known, each, answers[-1], marks, facts, now)
        elif each.code in shared:
            answers.append(await _anybodys(connection, each, tenant_zone))
        else:
            answers.append(Answer(problem=unknown(each.code)))
    if marks:
        await connection.execute(_MARK, list(marks.values()))
    await record(connection, facts)
    return answers


def _judged(known: _Known, said: Redemption, tenant_zone: ZoneInfo) -> Answer:
    if told_before(known.held, said):
        return Answer(again=True, holder=known.holder, code=known.held.code)
    problem = refusal(known.held, said, tenant_zone)
    return Answer(problem=problem, holder=known.holder, shared=known.held.shared, code=known.held.code)


def _take(
    known: _Known,
    said: Redemption,
    answer: Answer,
    marks: dict[int, dict[str, Any]],
    facts: list[Fact],
    now: datetime,
) -> None:
    """Note what a redemption changes; a shared code is marked the first time, the other times are events."""
    held = known.held
    if answer.problem is not None or (held.shared and held.state not in GIVEN):
        return
    if not answer.again and known.delivery_id is not None:
        facts.append(Fact(known.delivery_id, EventKind.REDEEMED, said.at, _detail(said)))
    known.held = held.redeemed(said) if answer.again or held.state is not CouponState.REDEEMED else held
    if known.held == held:
        return
    marks[known.id] = {
        "b_id": known.id, "state": CouponState.REDEEMED, "redeemed_at": known.held.redeemed_at,
        "redeemed_order": known.held.redeemed_order, "redeemed_net_e4": known.held.redeemed_net_e4,
        "changed_at": now,
    }  # fmt: skip


def _of(own: Mapping[str, _Known], code: str) -> _Known | None:
    """The code as written; a code of our own making also in small letters."""
    if code in own:
        return own[code]
    found = own.get(code.upper())
    return found if found is not None and found.held.pool is None else None


async def _own(connection: AsyncConnection, codes: Iterable[str]) -> dict[str, _Known]:
    """Codes that belong to one customer each, locked in the order a sender locks: deliveries first."""
    found: dict[str, _Known] = {}
    for part in slices(sorted({written for code in codes for written in (code, code.upper())})):
        mine = coupon.c.code.in_(part), coupon.c.kind != "static"
        carried = select(coupon.c.delivery_id).where(*mine, coupon.c.delivery_id.is_not(None))
        await connection.execute(
            select(delivery.c.id)
            .where(delivery.c.id.in_(carried))
            .order_by(delivery.c.id)
            .with_for_update(read=True, key_share=True)
        )
        locked = _HELD.where(*mine).order_by(coupon.c.id).with_for_update(of=coupon)
        found |= {row.code: _known(row) for row in await connection.execute(locked)}
    return found


async def _shared(connection: AsyncConnection, codes: Iterable[str]) -> set[str]:
    """Those of the codes that are static ones."""
    return {
        code
        for code in codes
        if await connection.scalar(
            select(coupon.c.id).where(coupon.c.code == code, coupon.c.kind == "static").limit(1)
        )
        is not None
    }


async def _theirs(connection: AsyncConnection, said: Sequence[Redemption]) -> dict[tuple[str, str], _Known]:
    """By code and customer: the latest mail that brought them a static code."""
    found: dict[tuple[str, str], _Known] = {}
    for code in sorted({each.code for each in said}):
        names = sorted({each.customer for each in said if each.code == code} - {""})
        for part in slices(names):
            static = coupon.c.code == code, coupon.c.kind == "static", customer.c.ext_id.in_(part)
            rows = await connection.execute(_HELD.where(*static).order_by(coupon.c.id))
            found |= {(code, row.holder): _known(row) for row in rows}
    return found


async def _anybodys(connection: AsyncConnection, said: Redemption, tenant_zone: ZoneInfo) -> Answer:
    """A static code, used by nobody we know to have it: good for as long as it is for anybody."""
    of_code = coupon.c.code == said.code, coupon.c.kind == "static"
    day = local_date(said.at, tenant_zone)
    still = or_(coupon.c.valid_until.is_(None), coupon.c.valid_until >= day)
    if await connection.scalar(select(coupon.c.id).where(*of_code, still).limit(1)) is not None:
        return Answer(shared=True)
    last = await connection.scalar(select(func.max(coupon.c.valid_until)).where(*of_code))
    return Answer(problem=expired(said.code, last), shared=True)


async def _customer_key(connection: AsyncConnection, ext_id: str) -> int | None:
    if not ext_id:
        return None
    key = await connection.scalar(select(customer.c.id).where(customer.c.ext_id == ext_id))
    if key is None:
        raise UsageError(f"There is no customer {ext_id!r}; see mailer customers list.")
    return int(key)


def _detail(said: Redemption) -> dict[str, Any]:
    detail = {"code": said.code, "order": said.order, "customer": said.customer or None}
    if said.net_e4 is not None:
        detail["net"] = _net(said.net_e4)
    return {name: value for name, value in detail.items() if value is not None}


def _net(e4: int) -> str:
    return f"{Decimal(e4) / E4:f}"


def _event(said: Redemption, answer: Answer, key: int | None, now: datetime) -> dict[str, Any]:
    """The event a redemption by hand is; a shared code is used once an order."""
    code, of = answer.code or said.code, f":{said.order}" if answer.shared else ""
    properties = {"code": code, "order": said.order}
    if said.net_e4 is not None:
        properties["net"] = _net(said.net_e4)
    return {
        "ext_id": f"{REDEEMED}:{code}{of}", "customer_id": key, "name": REDEEMED, "at": said.at,
        "stored_at": now, "order_ref": said.order, "net_e4": said.net_e4,
        "properties": {name: value for name, value in properties.items() if value is not None},
    }  # fmt: skip


def _known(row: Any) -> _Known:
    return _Known(
        row.id,
        row.delivery_id,
        row.holder,
        Held(
            row.code, CouponState(row.state), row.kind == "static", row.pool, row.valid_until, row.zone,
            row.attempts or 0, row.redeemed_at, row.redeemed_order, row.redeemed_net_e4,
        ),
    )  # fmt: skip


_HELD = (
    select(
        coupon.c.id, coupon.c.code, coupon.c.kind, coupon.c.pool, coupon.c.state, coupon.c.valid_until,
        coupon.c.redeemed_at, coupon.c.redeemed_order, coupon.c.redeemed_net_e4, coupon.c.delivery_id,
        customer.c.ext_id.label("holder"), customer.c.zone, delivery.c.attempts,
    )
    .select_from(coupon)
    .outerjoin(customer, customer.c.id == coupon.c.customer_id)
    .outerjoin(delivery, delivery.c.id == coupon.c.delivery_id)
)  # fmt: skip

_MARKED = ("state", "redeemed_at", "redeemed_order", "redeemed_net_e4", "changed_at")
_MARK = (
    update(coupon).where(coupon.c.id == bindparam("b_id")).values({name: bindparam(name) for name in _MARKED})
)
