"""Data as it travels, and replies as they are read."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, Reply, TryLater
from mailer.smtp.replies import clean, read, verdict
from mailer.smtp.wire import stuffed


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n..b\r\n", b"a\r\n...b\r\n.\r\n"),
        (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\n.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\r\n.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
    ],
)
def test_line_endings_and_dots(data: bytes, wire: bytes) -> None:
    assert stuffed(data) == wire


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b"MAIL FROM:<e@evil.example>"])))
def test_only_the_last_line_can_end_the_data(parts: list[bytes]) -> None:
    data = b"".join(parts)
    wire = stuffed(data)
    assert stuffed(re.sub(rb"\r\n|\r|\n|$", b"\r\n", data), whole_lines=True) == stuffed(data + b"\r\n")
    lines = wire.split(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", wire)
    assert lines[-2:] == [b".", b""]
    assert b"." not in lines[:-2]
    arrived = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:-2])
    meant = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    assert arrived == (meant if not meant or meant.endswith(b"\r\n") else meant + b"\r\n")


@pytest.mark.parametrize(
    ("code", "text", "reply"),
    [
        (250, "2.0.0 Ok: queued as 4F1", Reply(250, "Ok: queued as 4F1", "2.0.0")),
        (250, "ok", Reply(250, "ok")),
        (250, "2.0.0", Reply(250, "", "2.0.0")),
        (550, "5.1.1 no\n5.1.1 such user", Reply(550, "no such user", "5.1.1")),
        (550, "4.1.1 of another class", Reply(550, "4.1.1 of another class")),
        (550, "5.1.1234 not a code", Reply(550, "5.1.1234 not a code")),
        (451, "4.7.1\ttry\x1b[31m \x00\u202elater\u2028 \udcff", Reply(451, "try [31m later", "4.7.1")),
    ],
)
def test_reading_a_reply(code: int, text: str, reply: Reply) -> None:
    assert read(code, text) == reply


@given(st.text(max_size=3000))
def test_what_is_kept_of_a_reply_is_one_bounded_printable_line(text: str) -> None:
    kept = clean(text)
    assert len(kept) <= 512
    assert kept.isprintable()
    kept.encode()


@pytest.mark.parametrize("phase", list(Phase))
@given(code=st.integers(200, 599))
def test_every_reply_has_a_meaning(phase: Phase, code: int) -> None:
    """The definite answers: 4yz and 5yz are a no, 2yz to the dot is a yes; the rest of the dot is doubt."""
    outcome = verdict(phase, Reply(code))
    kinds: dict[int, type[Outcome]] = {2: Accepted, 3: InDoubt} if phase is Phase.DOT else {}
    if code // 100 in (4, 5):
        assert isinstance(outcome, (TryLater, Refused))
        assert isinstance(outcome, TryLater) or code // 100 == 5
    else:
        assert isinstance(outcome, kinds.get(code // 100, TryLater))


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.HELLO, Phase.TLS, Phase.AUTH])
def test_the_relays_own_trouble_never_refuses_a_recipient(phase: Phase) -> None:
    assert verdict(phase, Reply(554)) == TryLater(phase, Reply(554))
