"""Taking the spool in: at what pace, in what portions, and what is too much of one mail."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from mailer.core.event import By
from mailer.core.tracking import Hit, Judged
from mailer.errors import StoreError
from mailer.flow.replay import MOST_OF_A_MAIL, PartPort, Replay, bounded, hits_of, rest

AT = datetime(2027, 5, 10, 7, tzinfo=UTC)
NOW = 1_000.0
HUMAN = Judged(By.HUMAN)


@pytest.mark.parametrize(
    ("took", "spent", "away", "seconds"),
    [
        (0, 0.01, False, 0.5),  # nothing there: look again soon
        (900, 0.4, False, 0.4),  # as long as the work lasted: half of the time at most
        (900, 60.0, False, 5.0),
        (900, -3_600.0, False, 0.0),  # the clock was set back meanwhile
        (900, 3_600.0, False, 5.0),  # and forth
        (0, 0.01, True, 5.0),
        (0, 30.0, True, 5.0),
    ],
)
def test_between_two_portions(took: int, spent: float, away: bool, seconds: float) -> None:
    assert rest(took, spent, away=away) == seconds


def hit(number: int, mail: int) -> tuple[Hit, Judged]:
    return Hit(f"h{number}", "clicked", mail, AT, NOW, "https://a.example/"), HUMAN


def test_of_one_mail_the_first_are_booked_and_of_the_others_all() -> None:
    judged = [hit(number, 7 if number % 2 else number) for number in range(10 * MOST_OF_A_MAIL)]
    kept = bounded(judged)
    assert [each for each in kept if each[0].delivery_id == 7] == judged[1::2][:MOST_OF_A_MAIL]
    assert [each for each in kept if each[0].delivery_id != 7] == judged[::2]


@dataclass(eq=False)
class Part:
    text: Sequence[str]
    read: int = 0

    @property
    def name(self) -> str:
        return str(id(self))

    @property
    def lines(self) -> Sequence[str]:
        self.read += 1
        return self.text


@dataclass
class Shelf:
    """Stretches of the spool, and the book they go into."""

    waiting: list[Part]
    ours: bool = True
    booked: list[str] = field(default_factory=list)
    away: bool = False

    def parts(self, most: int) -> list[Part]:
        return self.waiting[:most]

    def remove(self, part: PartPort) -> None:
        assert isinstance(part, Part)
        self.waiting.remove(part)

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        yield self.ours

    async def book(self, hits: Sequence[tuple[Hit, Judged]]) -> int:
        if self.away:
            raise StoreError("away")
        self.booked += [each.id for each, _judged in hits]
        return len(hits)


def part(*seen: float, mail: int = 7) -> Part:
    lines = [f'["h{place}-{at}","clicked",{mail},"{AT.isoformat()}",{at},"https://a.example/","",""]'
             for place, at in enumerate(seen)]  # fmt: skip
    return Part([*lines, "[half a li"])


def replay(shelf: Shelf, told: list[str] | None = None) -> Replay:
    say = (told if told is not None else []).append
    return Replay(shelf, shelf, lambda _agent: False, lambda: NOW, say)


async def test_what_is_ripe_is_taken_in_small_portions_the_oldest_first() -> None:
    shelf = Shelf([part(NOW - 60 + number) for number in range(5)] + [part(NOW - 1), part(NOW - 0.5)])
    taker = replay(shelf)
    found = []
    while await taker.once():
        found.append(len(shelf.waiting))
    assert found == [5, 3, 2]
    assert shelf.booked == [f"h0-{NOW - 60 + number}" for number in range(5)]


async def test_a_stretch_is_read_once_however_long_it_is_looked_at() -> None:
    early, late = part(NOW - 60), part(NOW - 1)
    taker = replay(Shelf([early, late]))
    assert [await taker.once() for _look in range(4)] == [1, 0, 0, 0]
    assert (early.read, late.read) == (1, 1)


async def test_what_a_clock_says_that_was_set_back_since_does_not_wait_for_it() -> None:
    shelf = Shelf([part(NOW + 86_400)])
    assert await replay(shelf).once() == 1
    assert not shelf.waiting


async def test_nothing_is_let_go_before_it_is_booked() -> None:
    shelf = Shelf([part(NOW - 60)], away=True)
    with pytest.raises(StoreError):
        await replay(shelf).once()
    assert len(shelf.waiting) == 1
    shelf.ours = False  # another process's turn
    assert await replay(shelf).once() == 0


async def test_it_tells_once_that_the_database_is_away_and_goes_on() -> None:
    shelf, stop = Shelf([part(NOW - 60)], away=True), asyncio.Event()
    told: list[str] = []
    keeping = asyncio.create_task(replay(shelf, told).keep(stop))
    async with asyncio.timeout(30):
        while not told:  # noqa: ASYNC110 -- nothing else tells of a look
            await asyncio.sleep(0.01)
        stop.set()
        await keeping
    assert told == ["Clicks and openings wait on disk: away"]


async def test_a_link_in_a_loop_is_told_and_does_not_fill_the_database() -> None:
    told: list[str] = []
    shelf = Shelf([part(*[NOW - 60] * (MOST_OF_A_MAIL + 30)), part(NOW - 60, mail=8)])
    assert await replay(shelf, told).once() == MOST_OF_A_MAIL + 31
    assert len(shelf.booked) == MOST_OF_A_MAIL + 1
    assert told[0].startswith("30 requests for links of one mail")


def test_lines_of_a_damaged_disk_are_passed_over() -> None:
    whole = json.dumps(["k", "click", 7, AT.isoformat(), 1.0, "https://k.example/", "", ""])
    junk = ["", "\0" * 9, "null", "[]", "{" * 100_000, "[" * 100_000, whole[:-1]]
    junk += [whole.replace("7", odd, 1) for odd in ("1e999", "-7", "9" * 30, "null", "[7]")]
    assert [hit.delivery_id for hit in hits_of([*junk, whole])] == [7]
