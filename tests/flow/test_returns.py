"""Whom we believe when mail comes back, and what we tell people of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from mailer.core.booking import Later, NeverLeft
from mailer.core.bounce import Fault, Kind, Returned
from mailer.core.token import Keyring
from mailer.core.verp import Tokens
from mailer.flow.returns import Returns, Taken
from tests.store.rows import NOW

KEYS = Keyring.single("k" * 32)
TOKEN = Tokens(KEYS).of(77, 2)
FORGED = Tokens(Keyring.single("other")).of(77, 2)
OURS, THEIRS = "<77.0123456789abcdef0123@shop.example>", "<abc@else.example>"
BOUNCE = Returned(Kind.BOUNCE, "dsn", "ayse@away.example", "5.1.1")


@dataclass(frozen=True)
class Booked:
    """What the book answers."""

    campaign: str = "offer"
    delivery_id: int | None = 77
    address: str = "ayse@away.example"
    suppressed: str | None = None
    paused: str | None = None


@dataclass
class Book:
    """Remembers what it was to write, and answers as told."""

    answer: Booked | Exception | None = field(default_factory=Booked)
    written: list[tuple[Kind, Fault | None, int | None, int | None, str | None]] = field(default_factory=list)

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
        assert now == NOW
        self.written.append((what.kind, fault, delivery_id, number, message_id))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def take(what: Returned, book: Book, told: list[str] | None = None) -> Taken:
    return await Returns(KEYS, book, lambda: NOW, (told if told is not None else []).append).take([what])


@pytest.mark.parametrize(
    ("what", "whose"),
    [
        # by mail: a token, or for a complaint the Message-ID
        (replace(BOUNCE, tokens=(TOKEN,)), (77, 2, None)),
        (replace(BOUNCE, tokens=(FORGED, "nonsense", TOKEN)), (77, 2, None)),
        (replace(BOUNCE, tokens=(FORGED,)), None),
        (BOUNCE, None),
        (replace(BOUNCE, message_id=OURS), None),
        (replace(BOUNCE, kind=Kind.DELAY, message_id=OURS), None),
        (replace(BOUNCE, kind=Kind.COMPLAINT, message_id=OURS), (77, None, OURS)),
        (replace(BOUNCE, kind=Kind.COMPLAINT, message_id=THEIRS), None),
        (replace(BOUNCE, kind=Kind.COMPLAINT, tokens=(TOKEN,), message_id=OURS), (77, 2, None)),
        (replace(BOUNCE, kind=Kind.COMPLAINT), None),
        (replace(BOUNCE, kind=Kind.COMPLAINT, message_id="<" + "9" * 30 + ".0123456789abcdef0123@x>"), None),
        # vouched for by a provider: whatever names a mail, or the address
        (replace(BOUNCE, vouched=True, tokens=(TOKEN,)), (77, 2, None)),
        (replace(BOUNCE, vouched=True, message_id=OURS), (77, None, OURS)),
        (replace(BOUNCE, vouched=True, message_id=THEIRS), (None, None, None)),
        (replace(BOUNCE, vouched=True), (None, None, None)),
        *(
            (replace(BOUNCE, vouched=True, recipient=each), None)
            for each in ("nobody", "no address@@@ <x>", "a@" + "b" * 400, "x y@away.example")
        ),
    ],
)
async def test_what_can_be_checked_is_believed(
    what: Returned, whose: tuple[int | None, int | None, str | None] | None
) -> None:
    book = Book()
    taken = await take(what, book)
    if whose is None:
        assert (taken, book.written) == (Taken(strange=1), [])
    else:
        wrong = Fault.DEAD if what.kind is Kind.BOUNCE else None
        assert (taken, book.written) == (Taken(booked=1), [(what.kind, wrong, *whose)])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(None, Taken(known=1)), (Later(), Taken(later=1)), (NeverLeft(), Taken(strange=1))],
)
async def test_what_the_book_says_is_passed_on(answer: Exception | None, expected: Taken) -> None:
    assert await take(replace(BOUNCE, tokens=(TOKEN,)), Book(answer)) == expected


@pytest.mark.parametrize(
    ("changes", "expected", "asked"),
    [
        ({"vouched": True, "message_id": OURS}, Taken(booked=1), 2),
        ({"vouched": True, "message_id": OURS, "recipient": ""}, Taken(strange=1), 1),
        ({"kind": Kind.COMPLAINT, "message_id": OURS}, Taken(strange=1), 1),
        ({"vouched": True, "tokens": (TOKEN,)}, Taken(strange=1), 1),
    ],
)
async def test_a_mail_of_another_mailer_with_the_same_provider(
    changes: dict[str, Any], expected: Taken, asked: int
) -> None:
    """Its Message-ID looks like ours, and no mail of ours has it: the address counts."""

    class Ours(Book):
        calls = 0

        async def write(self, *words: Any, delivery_id: int | None, **more: Any) -> Booked:
            self.calls += 1
            if delivery_id is not None:
                raise NeverLeft
            return await super().write(*words, delivery_id=delivery_id, **more)

    book = Ours()
    assert await take(replace(BOUNCE, **changes), book) == expected
    assert book.calls == asked


async def test_a_refusal_for_policy_is_told_and_a_dead_address_is_not() -> None:
    told: list[str] = []
    await take(replace(BOUNCE, tokens=(TOKEN,)), Book(), told)
    assert told == []
    refused = replace(BOUNCE, tokens=(TOKEN,), status="5.7.26", diagnostic="550 5.7.26 fails DMARC")
    book = Book()
    returns = Returns(KEYS, book, lambda: NOW, told.append)
    await returns.take([refused] * 100)
    sentence = (
        "A mail of offer to ayse@away.example was refused for what it is or where it comes from: "
        "550 5.7.26 fails DMARC."
    )
    assert told == [sentence]
    book.answer = Booked(paused="run 3")
    await returns.take([refused])
    assert told[1:] == [f"{sentence} Run 3 is paused; resume it when the cause is gone."]
