"""The lease of an open import: kept while it goes on, and noticed when it was lost."""

from __future__ import annotations

import pytest

from mailer.errors import UsageError
from mailer.flow import lots
from mailer.flow.lots import open_import


class Leases:
    """One lease in memory; `taken` says that somebody else has it."""

    def __init__(self) -> None:
        self.taken = False
        self.asked = 0
        self.released = 0

    async def acquire(self, name: str, owner: str, seconds: float) -> bool:
        del name, owner, seconds
        self.asked += 1
        return not self.taken

    async def release(self, name: str, owner: str) -> None:
        del name, owner
        self.released += 1


async def test_a_lease_is_renewed_by_and_by_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    leases = Leases()
    async with open_import(leases) as keep:
        await keep()
        assert leases.asked == 1  # it is young
        monkeypatch.setattr(lots, "RENEW_SECONDS", 0.0)
        await keep()
        assert leases.asked == 2
    assert leases.released == 1


async def test_an_import_that_lost_its_lease_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "RENEW_SECONDS", 0.0)
    leases = Leases()
    async with open_import(leases) as keep:
        leases.taken = True
        with pytest.raises(UsageError, match="Another import began"):
            await keep()
    assert leases.released == 1


async def test_who_finds_no_end_of_another_import_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lots, "PATIENCE_SECONDS", -1.0)
    leases = Leases()
    leases.taken = True
    with pytest.raises(UsageError, match="Another import is running"):
        async with open_import(leases):
            pytest.fail("it is not ours")
    assert leases.released == 0
