"""What came back, on both databases: the delivery, its coupon, the address, consent, runs and incidents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from mailer.core.booking import Later, NeverLeft, SoftRule
from mailer.core.bounce import Fault, Kind, Returned
from mailer.core.consent import Action, Via
from mailer.core.delivery import State
from mailer.core.run import RunState
from mailer.store.consent import Said, record
from mailer.store.engine import Database
from mailer.store.incident_outcomes import Outcomes
from mailer.store.ledger import Ledger
from mailer.store.returned import Book, Booked
from mailer.store.returned_effects import bury
from mailer.store.runs import tally
from mailer.store.tables import (
    campaign_state,
    consent_entry,
    coupon,
    customer,
    delivery,
    delivery_event,
    incident,
    incident_recipient,
    incident_update,
    returned,
    run,
    suppression,
)
from tests.store import rows
from tests.store.rows import NOW

HARD = Returned(Kind.BOUNCE, "dsn", "x@away.example", "5.1.1", "550 5.1.1 no such user")
FULL = Returned(Kind.BOUNCE, "dsn", "x@away.example", "5.2.2", "552 5.2.2 full")
POLICY = Returned(Kind.BOUNCE, "dsn", "x@away.example", "5.7.1", "550 5.7.1 not wanted")
DELAY = Returned(Kind.DELAY, "dsn", "x@away.example", "4.4.1", "connection timed out")
COMPLAINT = Returned(Kind.COMPLAINT, "arf", diagnostic="abuse")
FAULTS = {"5.1.1": Fault.DEAD, "5.2.2": Fault.SOFT, "5.7.1": Fault.POLICY}
SENT: dict[str, Any] = {
    "state": State.SENT, "attempts": 1, "sent_at": NOW - timedelta(minutes=1), "message_id": "<1.a@shop.example>",
    "reply": "250 2.0.0 queued",
}  # fmt: skip


async def book(
    database: Database, what: Returned, delivery_id: int | None, number: int | None = 1, **more: Any
) -> Booked | None:
    wrong = FAULTS.get(what.status) if what.kind is Kind.BOUNCE else None
    now = more.pop("now", NOW)
    return await Book(database, SoftRule()).write(
        what, wrong, now, delivery_id=delivery_id, number=number, **more
    )


async def suppressed(database: Database) -> list[tuple[str, str, str, str]]:
    async with database.read() as connection:
        found = await connection.execute(select(suppression).order_by(suppression.c.scope))
        return [(row.email_key, row.scope, row.reason, row.source) for row in found]


async def count(database: Database, table: Any) -> int:
    async with database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(table)) or 0


async def test_a_hard_bounce_fails_the_delivery_and_gives_the_address_up(database: Database) -> None:
    one = await rows.a_delivery(database, **SENT)
    code = await rows.a_coupon(database, one, state="issued")
    booked = await book(database, HARD, one)
    row = await rows.one(database, delivery, one)
    assert booked == Booked("offer", one, row["email_key"], "all", None)
    assert (row["state"], row["reason"], row["reply"]) == (State.FAILED, "bounced", "550 5.1.1 no such user")
    assert row["sent_at"] == SENT["sent_at"]
    assert (await rows.one(database, coupon, code))["state"] == "quarantined"
    assert await rows.events(database, one) == ["bounced"]
    async with database.read() as connection:
        detail = await connection.scalar(select(delivery_event.c.detail))
        counts = (await tally(connection, [row["run_id"]]))[row["run_id"]]
    assert detail == {
        "source": "dsn", "status": "5.1.1", "diagnostic": "550 5.1.1 no such user", "fault": "dead",
        "recipient": "x@away.example", "before": "250 2.0.0 queued",
    }  # fmt: skip
    assert (counts.audience, counts.sent, counts.failed) == (1, 0, 1)
    assert await suppressed(database) == [
        (row["email_key"], "all", "bounced", f"5.1.1 (dsn) of delivery {one}")
    ]


async def test_the_same_report_counts_once_whatever_way_it_comes(database: Database) -> None:
    one = await rows.a_delivery(database, **SENT)
    assert await book(database, FULL, one) is not None
    assert await book(database, FULL, one) is None
    assert await book(database, Returned(Kind.BOUNCE, "ses", event_id="ses:1", status="5.1.1"), one) is None
    assert await rows.events(database, one) == ["bounced"]
    two = await rows.a_delivery(database, **SENT)
    by_provider = Returned(Kind.BOUNCE, "ses", event_id="ses:2", status="5.2.2")
    assert await book(database, by_provider, two) is not None
    assert await book(database, by_provider, None, None) is None  # the event is known, whatever it names now
    assert await suppressed(database) == []


async def test_a_delay_and_then_the_end_of_it_out_of_order(database: Database) -> None:
    one = await rows.a_delivery(database, **SENT)
    assert await book(database, FULL, one) is not None
    assert await book(database, DELAY, one) is not None
    assert await rows.events(database, one) == ["bounced", "delayed"]
    assert (await rows.one(database, delivery, one))["state"] == State.FAILED
    two = await rows.a_delivery(database, **SENT)
    for _again in range(2):
        await book(database, DELAY, two)
    assert (await rows.one(database, delivery, two))["state"] == State.SENT
    assert await rows.events(database, two) == ["delayed"]


@pytest.mark.parametrize(
    ("state", "what", "after", "code"),
    [
        (State.IN_DOUBT, HARD, State.FAILED, "quarantined"),
        (State.IN_DOUBT, DELAY, State.SENT, "issued"),
        (State.IN_DOUBT, COMPLAINT, State.SENT, "issued"),
        (State.QUEUED, HARD, State.FAILED, "quarantined"),
    ],
)
async def test_what_was_in_doubt_had_evidently_left(
    sqlite_database: Database, state: State, what: Returned, after: State, code: str
) -> None:
    database = sqlite_database
    before = {"state": state, "attempts": 1, "message_id": "<1.a@shop.example>"}
    one = await rows.a_delivery(database, **before)
    held = await rows.a_coupon(database, one, state="quarantined" if state is State.IN_DOUBT else "reserved")
    await book(database, what, one)
    row = await rows.one(database, delivery, one)
    assert row["state"] == after
    assert row["sent_at"] is not None
    assert (await rows.events(database, one))[0] == "settled"
    assert (await rows.one(database, coupon, held))["state"] == code


async def test_a_claimed_delivery_is_taken_back_from_its_sender(database: Database) -> None:
    sender = await rows.a_sender(database)
    run_id = await rows.a_run(database, purpose="service")
    one = await rows.a_delivery(database, run_id, state=State.QUEUED, attempts=1, purpose="service")
    await rows.a_claim(database, sender, one)
    assert await Ledger(database).claimed(sender) == [one]
    await book(database, HARD, one)
    assert await Ledger(database).claimed(sender) == []


async def test_what_cannot_be_is_not_booked(database: Database) -> None:
    under_way = await rows.a_delivery(database, state=State.SENDING, attempts=1)
    with pytest.raises(Later):
        await book(database, HARD, under_way)
    sent = await rows.a_delivery(database, **SENT)
    for wrong in ({"delivery_id": 10**15}, {"delivery_id": sent, "number": 2}):
        with pytest.raises(NeverLeft):
            await book(database, HARD, **{"number": 1, **wrong})  # type: ignore[arg-type]
    with pytest.raises(NeverLeft):
        await book(database, COMPLAINT, sent, None, message_id="<1.b@shop.example>")
    assert await count(database, returned) == 0
    assert (await rows.one(database, delivery, sent))["state"] == State.SENT


async def test_a_bounce_of_an_earlier_attempt_leaves_the_later_one_alone(database: Database) -> None:
    one = await rows.a_delivery(database, **{**SENT, "attempts": 2})
    await book(database, FULL, one, 1)
    assert (await rows.one(database, delivery, one))["state"] == State.SENT
    await book(database, FULL, one, 2)
    assert (await rows.one(database, delivery, one))["state"] == State.FAILED


async def test_an_address_that_fails_again_and_again_is_given_up(database: Database) -> None:
    to = await rows.a_customer_row(database)
    address = (await rows.one(database, customer, to))["email_key"]
    for day in (0, 6, 10, 14, 16):  # the first is too long ago to count with the last
        one = await rows.a_delivery(database, customer_id=to, **SENT)
        await book(database, FULL, one, now=NOW + timedelta(days=day))
        assert await suppressed(database) == []
    one = await rows.a_delivery(database, customer_id=to, **SENT)
    booked = await book(database, FULL, one, now=NOW + timedelta(days=17))
    assert booked is not None
    assert booked.suppressed == "all"
    source = f"5 soft bounces in 14 days, the last 5.2.2 (dsn) of delivery {one}"
    assert await suppressed(database) == [(address, "all", "bounced", source)]
    # Lifted by hand it has a new chance: what led to it does not count again.
    async with database.write() as connection:
        await connection.execute(suppression.delete())
    one = await rows.a_delivery(database, customer_id=to, **SENT)
    await book(database, FULL, one, now=NOW + timedelta(days=18))
    assert await suppressed(database) == []


async def test_a_refusal_for_policy_pauses_the_run_and_suppresses_nobody(database: Database) -> None:
    run_id = await rows.a_run(database)
    sent = [await rows.a_delivery(database, run_id, **SENT) for _ in range(3)]
    waiting = await rows.a_delivery(database, run_id)
    booked = await book(database, POLICY, sent[0])
    assert booked is not None
    assert (booked.paused, booked.suppressed) == (f"run {run_id}", None)
    row = await rows.one(database, run, run_id)
    assert (row["state"], row["reason"]) == (RunState.PAUSED, "breaker: 1 of 3 mails came back as unwanted")
    again = await book(database, POLICY, sent[1])
    assert again is not None
    assert again.paused is None  # it is already
    assert await suppressed(database) == []
    assert (await rows.one(database, delivery, waiting))["state"] == State.QUEUED


async def test_one_refusal_among_many_mails_stops_nothing(database: Database) -> None:
    run_id = await rows.a_run(database)
    await rows.add_many(database, run_id, 40, **SENT)
    one = await rows.a_delivery(database, run_id, **SENT)
    booked = await book(database, POLICY, one)
    assert booked is not None
    assert booked.paused is None


async def test_service_mail_goes_on_whatever_anybody_calls_it(database: Database) -> None:
    run_id = await rows.a_run(database, purpose="service")
    booked = await book(database, POLICY, await rows.a_delivery(database, run_id, **SENT))
    assert booked is not None
    assert booked.paused is None


async def test_a_campaign_of_single_mails_is_paused_by_several(database: Database) -> None:
    await rows.put(database, campaign_state, name="offer", first_seen_at=NOW)
    paused = []
    for _each in range(6):
        run_id = await rows.a_run(database, state=RunState.FINISHED, finished_at=NOW)
        booked = await book(database, POLICY, await rows.a_delivery(database, run_id, **SENT))
        assert booked is not None
        paused.append(booked.paused)
    assert paused == [None, None, None, None, "campaign offer", None]


async def test_a_complaint_withdraws_consent_and_no_confirmation_lifts_it(database: Database) -> None:
    one = await rows.a_delivery(database, **SENT)
    of = await rows.one(database, delivery, one)
    booked = await book(database, COMPLAINT, one, None, message_id=SENT["message_id"])
    assert booked is not None
    assert booked.suppressed == "commercial"
    assert (await rows.one(database, customer, of["customer_id"]))["consent"] == "no"
    async with database.read() as connection:
        entry = (await connection.execute(select(consent_entry))).one()
    assert (entry.action, entry.via, entry.source) == (
        "revoked",
        "report",
        f"complaint (arf) of delivery {one}",
    )
    assert entry.proof == {"how": "complaint", "by": "arf", "delivery": one, "message_id": SENT["message_id"]}
    assert await suppressed(database) == [
        (of["email_key"], "commercial", "complaint", f"complaint (arf) of delivery {one}")
    ]
    assert await rows.events(database, one) == ["complained"]
    assert (await rows.one(database, delivery, one))["state"] == State.SENT
    async with database.write() as connection:
        later = NOW + timedelta(days=1)
        word = Said(of["customer_id"], of["email_key"], Action.GRANTED, later, Via.EVENT, "event", None)
        await record(connection, [word], later)
    assert [row[2] for row in await suppressed(database)] == ["complaint"]


async def test_a_complaint_outweighs_an_unsubscribe(database: Database) -> None:
    one = await rows.a_delivery(database, **SENT)
    address = (await rows.one(database, delivery, one))["email_key"]
    await rows.put(
        database,
        suppression,
        email_key=address,
        scope="commercial",
        reason="unsubscribed",
        source="link",
        at=NOW,
    )
    await book(database, COMPLAINT, one)
    assert [row[2] for row in await suppressed(database)] == ["complaint"]


async def test_a_provider_may_speak_of_an_address_alone(database: Database) -> None:
    to = await rows.a_customer_row(database, email="Ayse@Away.example")
    dead = Returned(
        Kind.BOUNCE, "postmark", "ayse@away.example", "5.1.1", event_id="postmark:1", vouched=True
    )
    booked = await book(database, dead, None, None)
    assert booked is not None
    assert booked.address == "ayse@away.example"
    unwanted = Returned(Kind.COMPLAINT, "postmark", "AYSE@away.example", event_id="postmark:2", vouched=True)
    await book(database, unwanted, None, None)
    assert [row[:3] for row in await suppressed(database)] == [
        ("ayse@away.example", "all", "bounced"), ("ayse@away.example", "commercial", "complaint"),
    ]  # fmt: skip
    assert (await rows.one(database, customer, to))["consent"] == "no"


async def test_who_never_got_the_first_notice_is_not_reached(database: Database) -> None:
    number = await rows.add(
        database, incident, title="Cut", state="investigating", planned=False, opened_at=NOW, published_at=NOW,
        services=[], postal=[], lists=[], exclusions=[], last_update=1,
    )  # fmt: skip
    await rows.put(
        database, incident_update, incident_id=number, number=1, state="investigating", title="Cut", area={}, at=NOW,
        by="x",
    )  # fmt: skip
    run_id = await rows.a_run(database, "outage", purpose="service", incident_id=number, incident_update=1)
    sent = []
    for _each in range(3):
        to = await rows.a_customer_row(database)
        await rows.put(
            database, incident_recipient, incident_id=number, customer_id=to, state="affected", points=[],
            joined_at=NOW,
        )  # fmt: skip
        sent.append(await rows.a_delivery(database, run_id, to, kind="first", **SENT))

    async def reach() -> tuple[int, int]:
        [line] = [line async for line in Outcomes(database).list(NOW)]
        return line["reached"], line["unreachable"]

    assert await reach() == (3, 0)
    await book(database, HARD, sent[0])
    assert await reach() == (2, 1)
    await book(database, FULL, sent[1])  # this once they were not told either
    assert await reach() == (1, 2)
    await book(database, DELAY, sent[2])
    assert await reach() == (1, 2)


async def test_an_address_given_up_before_keeps_its_reason(database: Database) -> None:
    async with database.write() as connection:
        assert await bury(connection, "x@away.example", "first", NOW) == "all"
        assert await bury(connection, "x@away.example", "second", NOW) is None
    assert [row[3] for row in await suppressed(database)] == ["first"]
