"""Shops and relays, closed when their test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.post import RelayProcess
from tests.acceptance.shop import Shop
from tests.counterparts import SqliteTemplate

OpenShop = Callable[..., Shop]
StartRelay = Callable[..., RelayProcess]


@pytest.fixture
def shop(tmp_path: Path, sqlite_template: SqliteTemplate) -> Iterator[OpenShop]:
    """Open a shop: `shop("birthday", database_url=…)`. Its database is made already, unless it is `fresh`."""
    opened: list[Shop] = []

    def open_shop(*campaigns: str, **options: Any) -> Shop:
        folder = tmp_path / f"shop{len(opened)}"
        folder.mkdir()
        opened.append(Shop(folder, *campaigns, **options))
        if not options.keys() & {"fresh", "database_url"}:
            (folder / "var").mkdir()
            sqlite_template.copy(folder / "var")
        return opened[-1]

    yield open_shop
    for each in opened:
        each.close()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[StartRelay]:
    """Start a relay: `relay({"rcpt": "451 later"})`."""
    started: list[RelayProcess] = []

    def start(steps: dict[str, Any] | None = None, *, port: int = 0) -> RelayProcess:
        started.append(RelayProcess(tmp_path / f"relay{len(started)}", steps, port=port))
        return started[-1]

    yield start
    for each in started:
        each.let_go()
