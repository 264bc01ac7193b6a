"""Words on consent that are told before their time: nothing until then, and then as if they had been told then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

from mailer.core.event_row import EventRow
from mailer.store import words
from mailer.store.engine import Database
from mailer.store.erasure import Erasure
from mailer.store.events import Events
from mailer.store.tables import consent_entry, customer, customer_event, suppression
from mailer.store.unsubscribes import Unsubscribes
from mailer.store.words import WordsAhead
from tests.store.rows import NOW, a_customer_row, one

ISTANBUL = ZoneInfo("Europe/Istanbul")
HOURS = 6

_numbers = count(1)


def at(hour: int) -> datetime:
    return NOW + timedelta(hours=hour)


@dataclass(frozen=True)
class Word:
    """What a customer says at an hour, and whether we are told at once or at hour 0."""

    name: str
    hour: int
    ahead: bool = True


@dataclass
class Person:
    """Somebody whose words are told."""

    database: Database
    name: str = field(default_factory=lambda: f"p{next(_numbers)}")
    key: int = 0

    @classmethod
    async def new(cls, database: Database, consent: str = "unknown") -> Person:
        person = cls(database)
        person.key = await a_customer_row(database, person.name, consent=consent)
        return person

    @property
    def address(self) -> str:
        return f"{self.name}@shop.example"

    async def tell(self, now: datetime, said: Sequence[Word]) -> None:
        rows = [
            EventRow(1, f"e{next(_numbers)}", self.name, f"consent.{word.name}", at(word.hour))
            for word in said
        ]
        if rows:
            await Events(self.database, ISTANBUL).add(rows, now)

    async def stands(self) -> tuple[str, datetime | None, list[tuple[str, str, datetime]]]:
        """Consent, since when, and what bars the address."""
        row = await one(self.database, customer, self.key)
        bars = select(suppression.c.scope, suppression.c.reason, suppression.c.at)
        async with self.database.read() as connection:
            found = await connection.execute(bars.where(suppression.c.email_key == self.address))
            return row["consent"], row["consent_at"], [(each.scope, each.reason, each.at) for each in found]

    async def consent(self) -> str:
        return (await self.stands())[0]

    async def entries(self) -> list[tuple[str, datetime, datetime]]:
        """The ledger: what, when it was said, when it was written."""
        wanted = select(consent_entry).where(consent_entry.c.customer_id == self.key)
        async with self.database.read() as connection:
            rows = await connection.execute(wanted.order_by(consent_entry.c.id))
            return [(row.action, row.at, row.stored_at) for row in rows]


WORDS = st.builds(Word, st.sampled_from(["confirmed", "revoked"]), st.integers(1, HOURS), st.booleans())


@settings(
    max_examples=40,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    before=st.sampled_from([None, "confirmed", "revoked"]),
    told=st.lists(WORDS, min_size=1, max_size=5),
    looks=st.sets(st.integers(1, HOURS)),
)
async def test_a_word_told_ahead_stands_from_its_time_as_one_told_then(
    database: Database, before: str | None, told: list[Word], looks: set[int]
) -> None:
    early, timely = await Person.new(database), await Person.new(database)
    for person in (early, timely):
        await person.tell(NOW, [Word(before, -1)] if before else [])
    nothing_new = await early.stands()
    await early.tell(NOW, [word for word in told if word.ahead])
    if all(word.name == "confirmed" for word in told if word.ahead):
        assert await early.stands() == nothing_new
    first = min(word.hour for word in told)
    for hour in range(1, HOURS + 1):
        await early.tell(at(hour), [word for word in told if word.hour == hour and not word.ahead])
        for word in told:
            await timely.tell(at(hour), [word] if word.hour == hour else [])
        if hour in looks or hour == HOURS:
            await WordsAhead(database).take(at(hour))
            if hour >= first:
                assert await early.stands() == await timely.stands()


@pytest.mark.parametrize("lot", [1, 2, 1_000])
async def test_words_are_taken_once_and_dated_when_they_were_said(
    database: Database, monkeypatch: pytest.MonkeyPatch, lot: int
) -> None:
    monkeypatch.setattr(words, "LOT", lot)
    people = [await Person.new(database) for _ in range(3)]
    for hour, person in zip((3, 1, 2), people, strict=True):
        await person.tell(NOW, [Word("confirmed", hour)])
    ahead = WordsAhead(database)
    taken = [
        await ahead.take(now) for now in (at(0), at(1) - timedelta(seconds=1), at(1), at(1), at(9), at(9))
    ]
    assert taken == [0, 0, 1, 0, 2, 0]
    assert [await person.entries() for person in people] == [
        [("granted", at(3), at(9))], [("granted", at(1), at(1))], [("granted", at(2), at(9))],
    ]  # fmt: skip


async def test_two_who_take_at_once_take_each_word_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "LOT", 2)
    people = [await Person.new(database) for _ in range(9)]
    for person in people:
        await person.tell(NOW, [Word("confirmed", 1)])
    taken = await asyncio.gather(*(WordsAhead(database).take(at(2)) for _ in range(4)))
    assert sum(taken) == len(people)
    assert [await person.entries() for person in people] == [[("granted", at(1), at(2))]] * len(people)


async def test_a_confirmation_to_come_lifts_no_unsubscribe_before_its_time(database: Database) -> None:
    person = await Person.new(database, "yes")
    await person.tell(NOW, [Word("confirmed", 3)])
    await Unsubscribes(database).revoke(person.key, person.address, delivery_id=0, how="link", now=at(1))
    ahead = WordsAhead(database)
    for hour, consent in ((2, "no"), (3, "yes")):
        await ahead.take(at(hour))
        assert await person.consent() == consent
    await Unsubscribes(database).revoke(person.key, person.address, delivery_id=0, how="link", now=at(4))
    await ahead.take(at(5))
    assert await person.stands() == ("no", at(4), [("commercial", "unsubscribed", at(4))])


async def test_a_no_to_come_counts_at_once_and_again_when_it_is_said(database: Database) -> None:
    person = await Person.new(database, "yes")
    await person.tell(NOW, [Word("revoked", 3), Word("confirmed", 2)])
    told = []
    for hour in range(4):
        await WordsAhead(database).take(at(hour))
        told.append(await person.consent())
    assert told == ["no", "no", "yes", "no"]
    assert [(action, when) for action, when, _stored in await person.entries()] == [
        ("revoked", NOW), ("granted", at(2)), ("revoked", at(3)),
    ]  # fmt: skip


async def test_what_somebody_who_is_erased_was_to_say_is_forgotten(database: Database) -> None:
    person = await Person.new(database)
    await person.tell(NOW, [Word("confirmed", 1)])
    await Erasure(database).erase(person.name, NOW, "salt")
    assert await WordsAhead(database).take(at(2)) == 0


async def test_the_ledger_says_where_a_word_came_from_whenever_it_counts(database: Database) -> None:
    person = await Person.new(database)
    told = [
        EventRow(
            1, f"{person.name}:{hour}", person.name, "consent.confirmed", at(hour), {"form": "f", **more}
        )
        for hour, more in ((0, {}), (1, {}), (2, {"source": "shop form"}))
    ]
    await Events(database, ISTANBUL).add(told, NOW)
    await WordsAhead(database).take(at(2))
    wanted = (
        select(consent_entry).where(consent_entry.c.customer_id == person.key).order_by(consent_entry.c.id)
    )
    async with database.read() as connection:
        rows = (await connection.execute(wanted)).all()
    assert [(row.source, row.proof, row.email_key, row.via) for row in rows] == [
        (f"event:{person.name}:0", {"event": f"{person.name}:0", "form": "f"}, person.address, "event"),
        (f"event:{person.name}:1", {"event": f"{person.name}:1", "form": "f"}, person.address, "event"),
        ("shop form", {"event": f"{person.name}:2", "form": "f", "source": "shop form"}, person.address, "event"),
    ]  # fmt: skip


async def test_to_look_for_words_takes_one_step(sqlite_database: Database) -> None:
    asked = select(customer_event.c.id).where(words._due(NOW)).limit(1)
    said = str(asked.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    async with sqlite_database.read() as connection:
        plan = " ".join(row[3] for row in await connection.execute(text(f"explain query plan {said}")))
    assert "INDEX ix_customer_event_ahead (at<?)" in plan
