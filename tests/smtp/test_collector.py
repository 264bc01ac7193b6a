"""Replies as they arrive: in any pieces, within bounds, and only as many as were asked for."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.delivery import Accepted, Outcome
from mailer.core.message import Message
from mailer.errors import TooLarge
from mailer.smtp.collector import LIMIT, Collector, Raw
from tests.smtp.tape import Tape, session_over

TEXTS = st.text("aö .-2", max_size=12).map(str.encode)
REPLIES = st.tuples(
    st.integers(200, 599).filter(lambda code: code != 421), st.lists(TEXTS, max_size=3), TEXTS
)


def written(code: int, before: list[bytes], last: bytes, ending: bytes = b"\r\n") -> bytes:
    lines = [b"%d-%b" % (code, text) for text in before] + [b"%d %b" % (code, last)]
    return b"".join(line + ending for line in lines)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})
    return [stream[start:stop] for start, stop in pairwise(ends)]


@given(
    st.lists(REPLIES, min_size=1, max_size=5),
    st.lists(st.integers(0, 500)),
    st.sampled_from([b"\r\n", b"\n"]),
)
def test_however_the_replies_are_cut_they_are_the_same(
    replies: list[tuple[int, list[bytes], bytes]], cuts: list[int], ending: bytes
) -> None:
    async def collected() -> list[Raw]:
        collector = Collector(asyncio.get_running_loop())
        collector.expect(len(replies))
        taking = asyncio.ensure_future(collector.take(len(replies), 5))
        await asyncio.sleep(0)
        for piece in pieces(b"".join(written(*reply, ending) for reply in replies), cuts):
            collector.data_received(piece)
        assert collector.ended is None
        return await taking

    expected = [(code, b"\n".join([*before, last])) for code, before, last in replies]
    assert asyncio.run(collected()) == expected


CODES = {
    "MAIL": [250, 250, 250, 251, 421, 451, 550, 552, 354],
    "RCPT": [250, 250, 250, 251, 421, 450, 550, 354],
    "DATA": [354, 354, 354, 421, 451, 554, 250],
    "dot": [250, 250, 251, 421, 451, 552, 354],
    "RSET": [250, 250, 250, 500],
}


@settings(max_examples=150)
@given(
    st.fixed_dictionaries(
        {
            step: st.lists(
                st.builds(written, st.sampled_from(codes), st.lists(TEXTS, max_size=1), TEXTS), max_size=4
            )
            for step, codes in CODES.items()
        }
    ),
    st.lists(st.integers(1, 40), max_size=40),
)
def test_however_the_replies_are_cut_the_outcomes_are_the_same(
    answers: dict[str, list[bytes]], sizes: list[int]
) -> None:
    """Three messages, each glued to the one before: whole replies and replies in pieces mean the same."""
    whole, wrote = asyncio.run(three(answers, []))
    cut, wrote_then = asyncio.run(three(answers, sizes))
    assert [type(outcome) for outcome in cut] == [type(outcome) for outcome in whole]
    assert cut == whole
    assert wrote_then.startswith(wrote) or wrote.startswith(wrote_then)
    for number, outcome in enumerate(cut):
        assert not isinstance(outcome, Accepted) or b"body %d" % number in wrote_then


async def three(answers: dict[str, list[bytes]], sizes: list[int]) -> tuple[list[Outcome | None], bytes]:
    tape = Tape(answers, sizes)
    session = session_over(tape, "pipelining")
    queue = [
        Message("a@b.example", "c@d.example", b"\r\nbody %d\r\n" % number, f"<{number}@x>")
        for number in range(3)
    ]
    outcomes: list[Outcome | None] = []
    for number, message in enumerate(queue):
        after = queue[number + 1 : number + 2]
        try:
            outcomes.append(
                await session.send(
                    message, lambda: True, follow=lambda after=after: after[0] if after else None
                )
            )
        except TooLarge:
            outcomes.append(None)
    await session.close()
    return outcomes, b"".join(tape.writes)


@pytest.mark.parametrize(
    "chunk",
    [b"250 " + b"x" * 60_000, b"250-more\r\n" * 6_000, b"250-" + b"x" * 20_000 + b"\r\n", b"\r\n", b"what\r\n",
     b"25 ok\r\n", b"2500 ok\r\n", b"150 ok\r\n", b"650 ok\r\n", b"\xb250 ok\r\n", "²50 ok\r\n".encode()],
)  # fmt: skip
async def test_what_is_no_reply_is_kept_within_bounds(chunk: bytes) -> None:
    collector = Collector(asyncio.get_running_loop())
    collector.expect(1)
    taking = asyncio.ensure_future(collector.take(1, 5))
    await asyncio.sleep(0)
    for _ in range(80):
        collector.data_received(chunk)
        assert len(collector._rest) + sum(map(len, collector._lines)) <= LIMIT + len(chunk)
    assert await taking == []
    assert len(str(collector.ended)) < 1000


async def test_replies_without_end_are_not_piled_up() -> None:
    collector = Collector(asyncio.get_running_loop())
    collector.expect(2)
    for _ in range(100):
        collector.data_received(b"250 ok\r\n" * 1000)
    assert await collector.take(5, 5) == [(250, b"ok")] * 2
    assert str(collector.ended) == "the relay spoke out of turn"


async def test_nothing_is_read_behind_a_421() -> None:
    collector = Collector(asyncio.get_running_loop())
    collector.expect(3)
    collector.data_received(b"250 ok\r\n421 bye\r\n250 and yet\r\n")
    assert await collector.take(3, 5) == [(250, b"ok"), (421, b"bye")]


async def test_the_limit_of_time_begins_anew_with_each_reply() -> None:
    collector = Collector(asyncio.get_running_loop())
    collector.expect(3)
    taking = asyncio.ensure_future(collector.take(3, 0.2))
    for _ in range(2):
        await asyncio.sleep(0.15)
        collector.data_received(b"250 ok\r\n")
    assert await taking == [(250, b"ok")] * 2
    assert isinstance(collector.ended, TimeoutError)


async def test_one_timer_serves_many_messages() -> None:
    tape = Tape({})
    session = session_over(tape, "pipelining")
    message = Message("a@b.example", "c@d.example", b"\r\n", "<1@x>")
    timers = set()
    for _ in range(50):
        await session.send(message, lambda: True, follow=lambda: message)
        assert session._link is not None
        timers.add(id(session._link._collector._timer))
    assert len(timers) == 1
    await session.close()
