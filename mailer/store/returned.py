"""What came back about a mail, written down: its delivery, its address, its run, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.booking import NeverLeft, SoftRule, Step, step
from mailer.core.bounce import Fault, Kind, Returned
from mailer.core.customer import normalise_address
from mailer.core.delivery import Failure, State
from mailer.core.event import EventKind
from mailer.core.notice import RecipientState
from mailer.core.standing import Kind as NoticeKind
from mailer.store.barred import beside, forgotten
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.facts import Fact, move_coupons
from mailer.store.facts import record as record_fact
from mailer.store.returned_effects import bury, complained, given_up, pause
from mailer.store.tables import delivery, incident_recipient, returned, run

_EVENTS = {
    Kind.BOUNCE: EventKind.BOUNCED,
    Kind.DELAY: EventKind.DELAYED,
    Kind.COMPLAINT: EventKind.COMPLAINED,
}


@dataclass(frozen=True, slots=True)
class Booked:
    """What was written."""

    campaign: str = ""
    delivery_id: int | None = None
    address: str = ""
    suppressed: str | None = None  # the scope the address is new in
    paused: str | None = None  # `run 7`, `campaign offer`


class Book:
    """Writes down what came back."""

    def __init__(self, database: Database, soft: SoftRule) -> None:
        self._database = database
        self._soft = soft

    async def write(
        self,
        what: Returned,
        fault: Fault | None,
        now: datetime,
        *,
        delivery_id: int | None,
        number: int | None = None,
        message_id: str | None = None,
    ) -> Booked | None:
        """Book it to attempt `number` of a delivery, or to the last one of the delivery of that Message-ID.

        Without a delivery it is about an address only. None where it was known already.

        Raises:
            Later: the attempt is under way.
            NeverLeft: there is no such delivery, or it was not tried.
        """
        async with self._database.write() as connection:
            row, then = None, Step()
            if delivery_id is not None:
                row = await _delivery(connection, delivery_id)
                if row is None or (message_id is not None and row["message_id"] != message_id):
                    raise NeverLeft
                number = number or row["attempts"]
                if row["customer_id"] is None:  # erased: it is booked, and nobody is named
                    what = replace(what, recipient="", diagnostic="")
                then = step(what.kind, State(row["state"]), row["attempts"], number)
            address = row["email_key"] if row else normalise_address(what.recipient)
            if row is None:
                await beside(connection)
                if await forgotten(connection, address):  # it is barred, and not to come back in clear
                    return None
            new = await connection.scalar(
                insert(connection, returned)
                .values(
                    kind=what.kind, source=what.source, ext_id=what.event_id or None, delivery_id=delivery_id,
                    attempt=number, run_id=row and row["run_id"], email_key=address, fault=fault,
                    status=what.status, diagnostic=what.diagnostic, at=now,
                )
                .on_conflict_do_nothing()
                .returning(returned.c.id)
            )  # fmt: skip
            if new is None:
                return None
            if row is not None:
                await _book(connection, row, then, what, fault, now)
            suppressed = None
            if address:
                suppressed = await self._for_the_address(connection, what, fault, address, row, now)
            paused = await pause(connection, row, now) if row is not None and fault is Fault.POLICY else None
        return Booked(row["campaign"] if row else "", delivery_id, address, suppressed, paused)

    async def _for_the_address(
        self,
        connection: AsyncConnection,
        what: Returned,
        fault: Fault | None,
        address: str,
        row: RowMapping | None,
        now: datetime,
    ) -> str | None:
        """What follows for the address; the scope it is newly suppressed in."""
        if what.kind is Kind.COMPLAINT:
            return await complained(connection, what, address, row, now)
        said = f"{what.status or 'no code'} ({what.source})" + (f" of delivery {row['id']}" if row else "")
        if fault is Fault.DEAD:
            return await bury(connection, address, said, now)
        if fault is Fault.SOFT and await given_up(connection, address, self._soft, now):
            many = f"{self._soft.count} soft bounces in {self._soft.days} days, the last {said}"
            return await bury(connection, address, many, now)
        return None


async def _delivery(connection: AsyncConnection, delivery_id: int) -> RowMapping | None:
    return (
        (
            await connection.execute(
                select(delivery, run.c.state.label("run_state"), run.c.incident_id)
                .join(run, run.c.id == delivery.c.run_id)
                .where(delivery.c.id == delivery_id)
                .with_for_update(of=delivery)
            )
        )
        .mappings()
        .one_or_none()
    )


async def _book(
    connection: AsyncConnection,
    row: RowMapping,
    then: Step,
    what: Returned,
    fault: Fault | None,
    now: datetime,
) -> None:
    facts = []
    if then.evident:
        facts.append(Fact(row["id"], EventKind.SETTLED, now, {"as": "sent", "by": what.kind}))
    detail = {
        "source": what.source, "status": what.status, "diagnostic": what.diagnostic, "fault": fault,
        "recipient": what.recipient, "before": row["reply"] if then.state is State.FAILED else None,
    }  # fmt: skip
    facts.append(
        Fact(row["id"], _EVENTS[what.kind], now, {key: value for key, value in detail.items() if value})
    )
    await record_fact(connection, facts)
    if then.state is not None:
        said = {"reply": what.diagnostic or what.status} if then.state is State.FAILED else {}
        await connection.execute(
            update(delivery)
            .where(delivery.c.id == row["id"])
            .values(
                state=then.state,
                reason=Failure.BOUNCED if then.state is State.FAILED else None,
                sent_at=row["sent_at"] or row["updated_at"],
                sender_id=None,
                updated_at=now,
                **said,
            )
        )
    if then.coupon is not None:
        await move_coupons(connection, [row["id"]], then.coupon, now)
    lost = fault is Fault.DEAD or (then.state is State.FAILED and row["kind"] == NoticeKind.FIRST)
    if row["incident_id"] is not None and lost:
        await connection.execute(
            update(incident_recipient)
            .where(
                incident_recipient.c.incident_id == row["incident_id"],
                incident_recipient.c.customer_id == row["customer_id"],
                incident_recipient.c.state == RecipientState.AFFECTED,
            )
            .values(state=RecipientState.UNREACHABLE)
        )
