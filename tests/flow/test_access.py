"""Who asks by machine, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pytest

from mailer.core.access import Token
from mailer.errors import UsageError
from mailer.flow import access
from mailer.flow.access import Doorkeeper, TooOften, Unknown
from tests.store.rows import NOW


class Tokens:
    """In memory."""

    def __init__(self) -> None:
        self.kept: dict[str, Token] = {}

    async def add(self, token: Token) -> bool:
        new = all(each.name != token.name for each in self.kept.values())
        if new:
            self.kept[token.ident] = token
        return new

    async def find(self, ident: str) -> Token | None:
        return self.kept.get(ident)

    async def all(self) -> Sequence[Token]:
        return list(self.kept.values())

    async def revoke(self, name: str, now: datetime) -> bool:
        del name, now
        return False


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def doorkeeper(clock: Clock, rate: float = 2) -> Doorkeeper:
    numbers = iter(range(1_000))
    return Doorkeeper(Tokens(), rate, clock, lambda: (f"{next(numbers):012x}", "s" * 43))


async def test_a_token_has_two_seconds_worth_and_then_its_rate() -> None:
    clock = Clock()
    door = doorkeeper(clock)
    shown = await door.create("shop", ["events:write"], NOW)
    for _each in range(4):
        assert (await door.admit(shown)).name == "shop"
    with pytest.raises(TooOften) as often:
        await door.admit(shown)
    assert often.value.seconds == 0.5
    clock.now += 0.5
    await door.admit(shown)
    clock.now -= 3_600  # a clock that was set back gives nothing, and takes nothing
    with pytest.raises(TooOften):
        await door.admit(shown)
    clock.now += 1
    await door.admit(shown)


async def test_what_opens_nothing_is_not_told_apart() -> None:
    door = doorkeeper(Clock())
    shown = await door.create("shop", ["events:write"], NOW)
    for other in ("", "nonsense", shown[:-1] + "t", shown.replace("mailer_0", "mailer_1")):
        with pytest.raises(Unknown):
            await door.admit(other)
    with pytest.raises(UsageError, match="There is a token shop already"):
        await door.create("shop", ["events:write"], NOW)


async def test_rates_are_remembered_of_so_many_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_REMEMBERED", 3)
    door = doorkeeper(Clock())
    for number in range(10):
        await door.admit(await door.create(f"t{number}", ["events:write"], NOW))
        assert len(door._left) <= 3
