"""Fixtures for every floor: `database` is SQLite, then PostgreSQL, each test with a fresh one."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mailer.store.engine import Database
from tests import counterparts, started

# On a machine with other work an example may take any time: what is slow is no fault.
settings.register_profile("mailer", deadline=None)
settings.load_profile("mailer")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        counterparts.make_scratch()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        counterparts.drop_scratch()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: looking through it for garbage took a quarter of the time it takes,
    and seconds again whenever some test happened to make much."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """`-n auto` is one more than there are cores: some tests wait for time to pass or for other processes."""
    cores = yield
    return cores if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") else cores + 1


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program in this process starts others as its commands do: forked, above all to try templates."""
    monkeypatch.setattr(sys, "executable", str(started.scripts() / "mailer"))


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[counterparts.PostgresTemplate]:
    template = counterparts.PostgresTemplate()
    yield template
    template.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> counterparts.SqliteTemplate:
    return counterparts.SqliteTemplate(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture
def sqlite_url(sqlite_template: counterparts.SqliteTemplate, tmp_path: Path) -> str:
    """A migrated SQLite database of this test."""
    return sqlite_template.copy(tmp_path)


@pytest.fixture
def postgresql_url(postgres_template: counterparts.PostgresTemplate) -> Iterator[str]:
    """A migrated PostgreSQL database of this test."""
    url = postgres_template.copy()
    yield url
    postgres_template.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of this test, of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await Database.connect(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = await Database.connect(sqlite_url)
    yield opened
    await opened.close()


@pytest.fixture
async def postgresql_database(postgresql_url: str) -> AsyncIterator[Database]:
    opened = await Database.connect(postgresql_url)
    yield opened
    await opened.close()
