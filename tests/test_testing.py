"""The fakes we ship behave as what they stand for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mailer.core.delivery import Accepted, Phase, Refused, Reply, TryLater
from mailer.core.message import Message
from mailer.testing import FakeTransport, FrozenClock, a_customer

MESSAGE = Message("shop@kardelen.example", "ayse@example.com", b"\r\n", "<1@kardelen.example>")


async def test_the_fake_transport_holds_what_may_not_start_and_keeps_what_it_accepts() -> None:
    transport = FakeTransport()
    assert await transport.ready() is None
    transport.down = TryLater(Phase.CONNECT)
    assert await transport.ready() == TryLater(Phase.CONNECT)
    assert await transport.send(MESSAGE, lambda: False) == TryLater(Phase.DATA, detail="held")
    assert transport.tried == []
    assert isinstance(await transport.send(MESSAGE, lambda: True), Accepted)
    await transport.close()
    assert (transport.sent, transport.closed) == ([MESSAGE], 1)


async def test_the_fake_transport_refuses_as_told() -> None:
    refusal = Refused(Phase.RCPT, Reply(550, "nobody", "5.1.1"))
    transport = FakeTransport(lambda _message: refusal)
    assert await transport.send(MESSAGE, lambda: True) == refusal
    assert (transport.tried, transport.sent) == ([MESSAGE], [])


def test_the_clock_stands_until_it_is_moved() -> None:
    clock = FrozenClock(datetime.fromisoformat("2027-05-10T10:00:00+03:00"))
    assert clock() == clock() == datetime(2027, 5, 10, 7, tzinfo=UTC)
    assert clock.advance(days=1, hours=2) == datetime(2027, 5, 11, 9, tzinfo=UTC)
    assert clock() - datetime(2027, 5, 10, 7, tzinfo=UTC) == timedelta(hours=26)


def test_a_customer_is_changed_by_name() -> None:
    assert a_customer(id="c2", locale="en").locale == "en"
    assert a_customer() == a_customer()
