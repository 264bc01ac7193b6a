"""What people may do to runs and deliveries, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update

from mailer.core.delivery import State
from mailer.core.run import RunState
from mailer.errors import UsageError
from mailer.store.control import Control
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.tables import coupon, customer, delivery, run, suppression
from tests.store.rows import NOW, a_coupon, a_customer_row, a_delivery, a_run, a_version, one, put

LATER = NOW + timedelta(hours=1)


async def _states(database: Database, run_id: int) -> tuple[str, list[str]]:
    async with database.read() as connection:
        state = await connection.scalar(select(run.c.state).where(run.c.id == run_id))
        rows = await connection.scalars(
            select(delivery.c.state).where(delivery.c.run_id == run_id).order_by(delivery.c.id)
        )
        return state, list(rows)


async def _one_each(database: Database) -> int:
    run_id = await a_run(database, state=RunState.RUNNING)
    for number, state in enumerate((State.QUEUED, State.DEFERRED, State.SENDING, State.SENT, State.FAILED)):
        key = await a_customer_row(database, ext_id=f"c{number}")
        await a_delivery(database, run_id, key, state=state)
    return run_id


async def test_a_cancelled_run_sends_nothing_more_and_takes_nothing_back(database: Database) -> None:
    run_id = await _one_each(database)
    assert await Control(database).cancel(run_id, NOW) == 2
    assert await _states(database, run_id) == (
        "cancelled",
        ["cancelled", "cancelled", "sending", "sent", "failed"],
    )


async def test_a_paused_run_goes_on_where_it_stood(database: Database) -> None:
    run_id = await _one_each(database)
    await Control(database).pause(run_id)
    assert (await _states(database, run_id))[0] == "paused"
    await Control(database).resume(run_id)
    assert (await _states(database, run_id))[0] == "queued"


@pytest.mark.parametrize("act", ["cancel", "pause", "resume"])
async def test_what_has_ended_stays_ended(database: Database, act: str) -> None:
    run_id = await a_run(database, state=RunState.FINISHED)
    control = Control(database)
    with pytest.raises(UsageError, match="is finished already"):
        await (control.cancel(run_id, NOW) if act == "cancel" else getattr(control, act)(run_id))
    with pytest.raises(UsageError, match="There is no run 999"):
        await (control.cancel(999, NOW) if act == "cancel" else getattr(control, act)(999))


async def test_a_failed_delivery_is_tried_again_and_its_run_with_it(database: Database) -> None:
    run_id = await a_run(database, state=RunState.FINISHED)
    key = await a_customer_row(database, ext_id="c1")
    failed = await a_delivery(database, run_id, key, state=State.FAILED, reason="refused")
    await Control(database).retry(failed, LATER)
    assert await _states(database, run_id) == ("running", ["queued"])
    with pytest.raises(UsageError, match="is queued"):
        await Control(database).retry(failed, LATER)


async def test_a_retry_never_makes_a_second_mail_of_one_occasion(database: Database) -> None:
    first, second = await a_run(database, occurrence="a"), await a_run(database, occurrence="b")
    key = await a_customer_row(database, ext_id="c1")
    failed = await a_delivery(database, first, key, state=State.FAILED, once_key="birthday:c1:2027")
    await a_delivery(database, second, key, state=State.SENT, once_key="birthday:c1:2027")
    with pytest.raises(UsageError, match="same occasion"):
        await Control(database).retry(failed, LATER)


async def test_a_retry_of_what_holds_no_once_key_waits_for_nobody_elses(database: Database) -> None:
    failed = await a_delivery(database, await a_run(database), state=State.FAILED, once_key=None)
    await a_delivery(database, await a_run(database), state=State.SENT, once_key=None)
    await Control(database).retry(failed, LATER)
    assert (await one(database, delivery, failed))["state"] == "queued"


@pytest.mark.parametrize(
    ("valid", "until", "expires_at"),
    [("2d", date(2027, 5, 22), datetime(2027, 5, 22, 21, tzinfo=UTC)), (None, None, None)],
)
async def test_a_retry_brings_a_code_that_is_good_from_now_on(
    database: Database, valid: str | None, until: date | None, expires_at: datetime | None
) -> None:
    version = await a_version(database, definition={"coupon": {"kind": "generated", "valid": valid}})
    run_id = await a_run(database, state=RunState.FINISHED, version_id=version)
    failed = await a_delivery(database, run_id, state=State.EXPIRED, expires_at=NOW, once_key="offer:c1")
    number = await a_coupon(
        database, delivery_id=failed, once_key="offer:c1", state="released", valid_until=NOW.date()
    )
    await Control(database, ZoneInfo("Europe/Istanbul")).retry(failed, NOW + timedelta(days=10))
    found = await one(database, coupon, number)
    assert (found["state"], found["valid_until"]) == ("reserved", until)
    assert (await one(database, delivery, failed))["expires_at"] == expires_at


@pytest.mark.parametrize("act", ["retry", "settle"])
async def test_one_delivery_of_a_run_that_was_called_off_brings_back_nobody_else(
    database: Database, act: str
) -> None:
    over = NOW + timedelta(hours=10)  # in the west it falls due only then
    run_id = await a_run(database, state=RunState.CANCELLED, closes_at=over)
    state = State.CANCELLED if act == "retry" else State.IN_DOUBT
    found = await a_delivery(database, run_id, state=state)

    async def again(now: datetime) -> None:
        if act == "retry":
            await Control(database).retry(found, now)
        else:
            await Ledger(database).settle(found, as_sent=False, now=now)

    with pytest.raises(
        UsageError, match=r"everybody .* would come back; try again after 2027-05-10T17:00:00Z"
    ):
        await again(LATER)
    assert await _states(database, run_id) == ("cancelled", [state])
    await again(over)
    assert await _states(database, run_id) == ("running", ["queued"])


@pytest.mark.parametrize(("kind", "refused"), [("generated", True), ("pool", True), ("static", False)])
async def test_whose_code_was_used_has_the_mail(database: Database, kind: str, refused: bool) -> None:
    found = await a_delivery(database, state=State.IN_DOUBT)
    await a_coupon(database, delivery_id=found, kind=kind, state="redeemed")
    if refused:
        with pytest.raises(UsageError, match="arrived, for its code was used"):
            await Ledger(database).settle(found, as_sent=False, now=NOW)
    await Ledger(database).settle(found, as_sent=refused, now=NOW)
    assert (await one(database, delivery, found))["state"] == ("sent" if refused else "queued")


@pytest.mark.parametrize(
    ("ends", "zone", "expires_at"),
    [
        ({"ttl": "2h"}, None, NOW + timedelta(hours=2)),  # from now: somebody wants it once more
        ({"ends_at": "2027-05-10T13:00:00"}, None, datetime(2027, 5, 10, 10, tzinfo=UTC)),
        ({"ends_at": "2027-05-10T10:00:00"}, "Europe/London", datetime(2027, 5, 10, 9, tzinfo=UTC)),
        ({"ends_at": "2027-05-10T10:00:00"}, None, None),
    ],
)
async def test_a_retry_never_outlives_its_campaign(
    database: Database, ends: dict[str, str], zone: str | None, expires_at: datetime | None
) -> None:
    run_id = await a_run(database, version_id=await a_version(database, definition=ends))
    key = await a_customer_row(database, zone=zone)
    found = await a_delivery(database, run_id, key, state=State.EXPIRED, expires_at=NOW)
    control = Control(database, ZoneInfo("Europe/Istanbul"))
    if expires_at is None:
        with pytest.raises(UsageError, match="comes too late: its campaign ended 2027-05-10T07:00:00Z"):
            await control.retry(found, NOW)
    else:
        await control.retry(found, NOW)
        assert (await one(database, delivery, found))["expires_at"] == expires_at


@pytest.mark.parametrize(
    ("now_at", "purpose", "refusal"),
    [
        ("right@x.example", "commercial", None),
        ("other@x.example", "commercial", "of the same run goes to that address already"),
        ("other@x.example", "service", None),
        ("dead@x.example", "service", "goes to a suppressed address"),
        ("", "service", "goes to a suppressed address"),
    ],
)
async def test_a_retry_goes_where_its_customer_is_now(
    database: Database, now_at: str, purpose: str, refusal: str | None
) -> None:
    run_id = await a_run(database, purpose=purpose)
    key = await a_customer_row(database, email="wrong@x.example")
    found = await a_delivery(database, run_id, key, purpose=purpose, state=State.FAILED, reason="refused")
    other = await a_customer_row(database, email="other@x.example")
    await a_delivery(database, run_id, other, purpose=purpose, state=State.SENT)
    await put(database, suppression, email_key="dead@x.example", scope="all", reason="r", source="s", at=NOW)
    async with database.write() as connection:
        await connection.execute(
            update(customer).where(customer.c.id == key).values(email=now_at, email_key=now_at)
        )
    if refusal is None:
        await Control(database).retry(found, LATER)
        assert (await one(database, delivery, found))["email"] == now_at
    else:
        with pytest.raises(UsageError, match=refusal):
            await Control(database).retry(found, LATER)
