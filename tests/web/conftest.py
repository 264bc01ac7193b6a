"""The site over a real database, asked as a browser on this machine would ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from mailer import settings as settings_file
from mailer.app import App
from mailer.core.token import sign
from mailer.store.engine import Database
from mailer.testing import FrozenClock
from mailer.web.links import Links
from tests.store.rows import NOW
from tests.web.made_once import pages

BASE = "http://127.0.0.1:8080"


@dataclass
class Stand:
    """An App with its site, and what it told."""

    app: App
    told: list[str] = field(default_factory=list)

    def client(self, host: str = "127.0.0.1", base: str = BASE, **options: Any) -> httpx.AsyncClient:
        """A reader who connects from `host`."""
        transport = httpx.ASGITransport(
            app=Links(self.app, pages(self.app)),  # type: ignore[arg-type] # litestar's own ASGI types
            client=(host, 50_000),
            raise_app_exceptions=False,
        )
        return httpx.AsyncClient(transport=transport, base_url=base, **options)

    def token(self, purpose: str, delivery_id: int, customer_key: int, email: str) -> str:
        """A link's token as a mail has it."""
        return sign(self.app.keys, purpose, [delivery_id, customer_key, email])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation of its own."""
    shop = tmp_path / "shop"
    (shop / "jobs").mkdir(parents=True)
    (shop / "templates").mkdir()
    (shop / "settings.yaml").write_text("secret_key: only-for-tests-and-nothing-besides\n", encoding="utf-8")
    return shop


@pytest.fixture
def make_stand(folder: Path) -> Callable[[Database], Stand]:
    def make(database: Database) -> Stand:
        settings = settings_file.load(folder / "settings.yaml", environment={})
        told: list[str] = []
        return Stand(App(settings, database, FrozenClock(NOW), told.append), told)

    return make


@pytest.fixture
def stand(make_stand: Callable[[Database], Stand], sqlite_database: Database) -> Stand:
    return make_stand(sqlite_database)


@pytest.fixture
async def web(stand: Stand) -> AsyncIterator[httpx.AsyncClient]:
    """A browser on this machine."""
    async with stand.client() as client:
        yield client
