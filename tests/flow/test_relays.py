"""Several relays: who stands in for whom, and what a message sees of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, Reply, TryLater
from mailer.core.message import Message
from mailer.core.relays import Part
from mailer.errors import RelayError
from mailer.flow import relays
from mailer.flow.connection import SessionPort
from mailer.flow.purse import Purse
from mailer.flow.relays import Fleet
from mailer.testing import FakeTransport

DOWN = TryLater(Phase.CONNECT, detail="connection refused")
LOST = TryLater(Phase.DATA, detail="the connection was lost")
MAIL = Message("shop@k.example", "a@x.example", b"x\r\n", "<1@k.example>")


class Told(list[str]):
    """What people were told."""


def fleet(
    *posts: FakeTransport,
    homes: tuple[int, ...] = (0, 1),
    most: tuple[int, ...] | None = None,
    rate: float | None = None,
    told: list[str] | None = None,
) -> Fleet:
    names = [f"relay{number}" for number in range(len(posts))]

    def opened(index: int) -> SessionPort:
        return posts[index]

    return Fleet(
        names,
        [1] * len(posts),
        Part(homes, most or (9,) * len(posts)),
        [Purse(name, rate) for name in names],
        opened,
        (told if told is not None else []).append,
    )


async def send(session: SessionPort, may_start: Callable[[], bool] = lambda: True, **hooks: Any) -> Outcome:
    return await session.send(MAIL, may_start, **hooks)


async def test_each_goes_to_its_own_while_all_are_up() -> None:
    posts = FakeTransport(), FakeTransport()
    ours = fleet(*posts)
    for _number in range(2):
        session = ours.session()
        assert session.turn()
        assert await session.ready() is None
        assert isinstance(await send(session), Accepted)
    assert [len(post.sent) for post in posts] == [1, 1]
    assert ours.used == [1, 1]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (TryLater(Phase.CONNECT, detail="connection refused"), "does not answer (connection refused)"),
        (TryLater(Phase.CONNECT, Reply(554, "5.7.1 go away")), "cannot be used now (554 5.7.1 go away)"),
        (TryLater(Phase.TLS, detail="TLS failed"), "cannot be used now (TLS failed)"),
    ],
)
def test_whoever_says_no_has_answered(trouble: TryLater, said: str) -> None:
    assert trouble.kept_out == said


async def test_another_stands_in_and_is_left_when_the_own_is_up_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relays, "LOOK_SECONDS", 0.0)
    told: list[str] = []
    away, there = FakeTransport(), FakeTransport()
    away.down = DOWN
    ours = fleet(away, there, told=told)
    session = ours.session()
    assert await session.ready() is None
    assert isinstance(await send(session), Accepted)
    assert (len(there.sent), ours.used) == (1, [0, 1])
    assert told == ["The relay relay0 does not answer (connection refused); the others take its mails."]

    assert not session.turn()  # it looks for its own first
    assert session.turn()
    assert await session.ready() is None
    assert ours.used == [0, 1]  # which is still away

    away.down = None
    await send(session)
    assert not session.turn()
    assert session.turn()
    assert await session.ready() is None
    assert isinstance(await send(session), Accepted)
    assert (len(away.sent), ours.used) == (1, [1, 0])
    assert told[1:] == ["The relay relay0 answers again."]


def test_nobody_looks_for_a_relay_that_has_no_room() -> None:
    ours = fleet(FakeTransport(), FakeTransport(), most=(1, 2))
    ours.used = [0, 2]
    assert ours.homewards(0)
    ours.used = [1, 1]
    assert not ours.homewards(0)


@pytest.mark.parametrize(
    ("outcome", "elsewhere"),
    [
        pytest.param(DOWN, True, id="gone before it began"),
        pytest.param(TryLater(Phase.TLS, detail="handshake"), True, id="TLS"),
        pytest.param(LOST, True, id="lost before the data"),
        pytest.param(TryLater(Phase.BODY, detail="lost"), False, id="in the body"),
        pytest.param(TryLater(Phase.RCPT, Reply(451, "later")), False, id="an answer"),
        pytest.param(Refused(Phase.RCPT, Reply(550, "no")), False, id="a refusal"),
        pytest.param(InDoubt("lost"), False, id="after the dot"),
    ],
)
async def test_a_message_goes_elsewhere_only_where_the_first_surely_has_not_got_it(
    outcome: Outcome, elsewhere: bool
) -> None:
    first, second = FakeTransport(lambda _message: outcome), FakeTransport()
    session = fleet(first, second).session()
    assert await session.ready() is None
    found = await send(session)
    assert (len(first.tried), len(second.sent)) == (1, int(elsewhere))
    assert isinstance(found, Accepted) if elsewhere else found is outcome


@pytest.mark.parametrize(
    ("outcome", "found_first"),
    [
        (Accepted(Reply(250)), False),
        (Refused(Phase.RCPT, Reply(550)), False),
        (InDoubt("lost"), True),
        (TryLater(Phase.BODY, detail="lost"), True),
    ],
)
async def test_after_a_broken_connection_a_relay_is_found_before_the_next_mail_is_taken(
    outcome: Outcome, found_first: bool
) -> None:
    session = fleet(FakeTransport(lambda _message: outcome), FakeTransport()).session()
    await session.ready()
    await send(session)
    assert [session.turn(), session.turn()] == [not found_first, True]


async def test_nothing_goes_elsewhere_once_it_may_not_start() -> None:
    first, second = FakeTransport(lambda _message: LOST), FakeTransport()
    session = fleet(first, second).session()
    await session.ready()
    answers = iter([True, False])
    assert await send(session, lambda: next(answers)) is LOST
    assert second.tried == []


async def test_only_when_none_is_there_do_mails_wait() -> None:
    posts = FakeTransport(), FakeTransport()
    for post in posts:
        post.down = DOWN
    ours = fleet(*posts)
    one, other = ours.session(), ours.session()
    assert await one.ready() == DOWN
    assert other.turn()
    assert await other.ready() == DOWN  # and nobody is asked again at once
    assert ours.used == [0, 0]


async def test_a_relay_that_refuses_our_login_is_down_for_all_but_the_only_one() -> None:
    class Strict(FakeTransport):
        async def ready(self) -> TryLater | None:
            raise RelayError("wrong password")

    there = FakeTransport()
    session = fleet(Strict(), there).session()
    assert await session.ready() is None
    assert isinstance(await send(session), Accepted)
    with pytest.raises(RelayError):
        await fleet(Strict(), homes=(0,)).session().ready()


async def test_a_connection_waits_where_the_others_have_no_room() -> None:
    away, there = FakeTransport(), FakeTransport()
    away.down = DOWN
    ours = fleet(away, there, homes=(1, 0, 0), most=(2, 1))
    first, second, third = ours.session(), ours.session(), ours.session()
    assert await first.ready() is None
    assert second.turn()
    assert await second.ready() == DOWN
    assert not third.turn()
    await first.close()
    assert third.turn()
    assert await third.ready() is None
    assert ours.used == [0, 1]


async def test_a_relay_whose_own_connections_are_on_their_way_is_waited_for() -> None:
    """Where few mails go out, the connections of a relay that is away are turned down before any other got through."""
    away, there = FakeTransport(), FakeTransport()
    away.down = DOWN
    ours = fleet(away, there, most=(1, 1))
    ours.used[1] = 1  # that one is connecting
    first = ours.session()
    assert first.turn()
    assert await first.ready() == DOWN
    assert first.elsewhere()
    assert not first.turn()
    ours.used[1] = 0
    ours.down(1, DOWN)
    assert not first.elsewhere()


async def test_a_rate_gives_one_turn_a_token() -> None:
    post = FakeTransport()
    ours = fleet(post, homes=(0, 0), rate=10)
    one, other = ours.session(), ours.session()
    assert not one.turn()
    ours.purses[0].put([0.0, relays.time.monotonic(), relays.time.monotonic() + 60])
    assert one.turn()
    assert one.turn()  # it is still its turn
    assert not other.turn()
    await one.ready()
    await send(one)
    assert not one.turn()
