"""The API over a real database, asked as a program of the shop asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mailer import settings as settings_file
from mailer.app import App
from mailer.core.access import Scope
from mailer.store.engine import Database
from mailer.testing import FrozenClock
from mailer.web.api.site import Doors
from tests.store.rows import NOW
from tests.web import made_once

BASE = "https://mail.shop.example"


@dataclass
class Gate:
    """An App with its doors, and what it told."""

    app: App
    told: list[str]

    async def token(self, name: str = "shop", scopes: Iterable[str] = tuple(Scope)) -> str:
        return await self.app.doorkeeper.create(name, scopes, NOW)

    def doors(self) -> Doors:
        return Doors(made_once.api(self.app), made_once.pages(self.app))

    def client(self, token: str | None) -> httpx.AsyncClient:
        """A program with a token, somewhere on the internet."""
        transport = httpx.ASGITransport(
            app=self.doors(),  # type: ignore[arg-type] # litestar's own ASGI types
            client=("203.0.113.7", 50_000),
            raise_app_exceptions=False,
        )
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)


@pytest.fixture
def make_gate(tmp_path: Path, forked: None) -> Callable[..., Gate]:
    def make(database: Database, **settings: Any) -> Gate:
        shop = tmp_path / "shop"
        (shop / "jobs").mkdir(parents=True)
        (shop / "templates").mkdir()
        lines = "".join(f"{name}: {value}\n" for name, value in settings.items())
        (shop / "settings.yaml").write_text(
            f"secret_key: only-for-tests-and-nothing-besides\n{lines}", encoding="utf-8"
        )
        told: list[str] = []
        found = settings_file.load(shop / "settings.yaml", environment={})
        return Gate(App(found, database, FrozenClock(NOW), told.append), told)

    return make


@pytest.fixture
def gate(make_gate: Callable[..., Gate], database: Database) -> Gate:
    """Over each database in turn."""
    return make_gate(database, api="{rate: 10000}")


@pytest.fixture
async def program(gate: Gate) -> AsyncIterator[httpx.AsyncClient]:
    """One that may do everything."""
    async with gate.client(await gate.token()) as client:
        yield client
