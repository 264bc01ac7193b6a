"""Who is in a holdout hangs on nothing but the customer, the campaign and what the database keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mailer import settings
from mailer.app import App, fixed_clock
from mailer.core.policy import held_out

ROOT = Path(__file__).parents[1]
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)


async def held(folder: Path, url: str, key: str) -> list[bool]:
    """Who of two hundred is in a holdout of half of them, under a secret key."""
    given = {"MAILER_DATABASE_URL": url, "MAILER_STATE_DIR": str(folder), "MAILER_SECRET_KEY": key}
    found = settings.load(ROOT / "settings.yaml", environment=given)
    async with App.open(found, fixed_clock(NOW), print) as app:
        return [held_out(app.rules.seed, "offer", f"c{number}", 50) for number in range(200)]


async def test_a_new_secret_key_moves_nobody(tmp_path: Path, database_url: str) -> None:
    before = await held(tmp_path, database_url, "a" * 40)
    assert 50 < sum(before) < 150
    assert await held(tmp_path, database_url, "b" * 40) == before


async def test_two_shops_draw_differently(tmp_path: Path, sqlite_url: str, postgresql_url: str) -> None:
    assert await held(tmp_path, sqlite_url, "a" * 40) != await held(tmp_path, postgresql_url, "b" * 40)
