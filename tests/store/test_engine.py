from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import IntegrityError

from mailer.errors import SettingsError, StoreBusy, StoreError
from mailer.store import dialect, engine
from mailer.store.dialect import driver_url
from mailer.store.engine import Database
from mailer.store.tables import customer, switch
from tests.store.rows import NOW


@pytest.fixture(params=["sqlite", "sqlite, short", "postgresql"])
def place(request: pytest.FixtureRequest) -> tuple[str, bool]:
    kind, _, short = request.param.partition(", ")
    return str(request.getfixturevalue(f"{kind}_url")), bool(short)


@pytest.fixture
async def database(place: tuple[str, bool]) -> AsyncIterator[Database]:
    url, short = place
    opened = await Database.connect(url, short=short)
    yield opened
    await opened.close()


async def write(database: Database, *names: str) -> None:
    async with database.write() as connection:
        for name in names:
            await connection.execute(insert(switch).values(name=name, at=NOW))


async def test_a_write_is_committed_and_a_failed_one_is_not(database: Database) -> None:
    await write(database, "kept")
    with pytest.raises(IntegrityError):
        await write(database, "lost", "kept")
    async with database.read() as connection:
        assert (await connection.scalars(select(switch.c.name))).all() == ["kept"]


async def test_a_reader_keeps_its_snapshot_and_never_waits_for_a_writer(database: Database) -> None:
    async with database.read() as reader:
        assert (await reader.execute(select(switch))).all() == []
        async with database.write() as writer:
            await writer.execute(insert(switch).values(name="new", at=NOW))
        assert (await reader.execute(select(switch))).all() == []
    async with database.read() as reader:
        assert len((await reader.execute(select(switch))).all()) == 1


async def test_many_writers_of_one_process_take_turns(database: Database) -> None:
    await asyncio.gather(*(write(database, str(number)) for number in range(40)))
    async with database.read() as connection:
        assert len((await connection.execute(select(switch))).all()) == 40


async def test_instants_come_back_in_utc(database: Database) -> None:
    await write(database, "a")
    async with database.read() as connection:
        assert await connection.scalar(select(switch.c.at)) == NOW


async def test_the_clock_runs_within_a_transaction(database: Database) -> None:
    async with database.read() as connection:
        first = await connection.scalar(select(dialect.clock()))
        await asyncio.sleep(0.02)
        second = await connection.scalar(select(dialect.clock()))
    assert first is not None
    assert second is not None
    assert 0.015 < second - first < 60
    assert abs(time.time() - second) < 60


async def test_a_log_that_a_reader_let_grow_is_cut_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailer.store.sqlite_file.LOG_PAGES", 50)
    database = await Database.connect(sqlite_url)
    log = Path(f"{database.where}-wal")

    def pages() -> int:
        return log.stat().st_size // 4096

    async def fill(many: int) -> None:
        async with database.write() as connection:
            await connection.exec_driver_sql("insert into t values (randomblob(?))", [(4000,)] * many)

    async with database.write() as connection:
        await connection.exec_driver_sql("create table t (x)")
    async with database.read() as connection:
        await connection.exec_driver_sql("select count(*) from t")
        for _ in range(5):
            await fill(50)
        assert pages() > 200
    await fill(60)  # brings it all into the file
    await fill(1)  # begins it anew
    assert pages() <= 50
    await database.close()


async def test_sqlite_is_set_for_safety(sqlite_database: Database) -> None:
    async with sqlite_database.read() as connection:
        found = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.parametrize("short", [False, True])
async def test_short_statements_run_where_they_are_asked_for(sqlite_url: str, *, short: bool) -> None:
    threads = set()
    database = await Database.connect(sqlite_url, short=short)
    async with database.write() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.create_function("note", 0, lambda: threads.add(threading.get_ident()))
        await connection.execute(text("select note()"))
    await database.close()
    assert (threads == {threading.get_ident()}) is short


async def test_a_short_writer_waits_for_its_turn_and_the_loop_goes_on(sqlite_url: str) -> None:
    other, ours = await Database.connect(sqlite_url), await Database.connect(sqlite_url, short=True)
    async with other.write() as connection:
        waiting = asyncio.create_task(write(ours, "second"))
        for _ in range(30):  # far beyond what SQLite itself waits
            await asyncio.sleep(0.01)
        await connection.execute(insert(switch).values(name="first", at=NOW))
    async with asyncio.timeout(20):
        await waiting
    async with ours.read() as connection:
        assert (await connection.scalars(select(switch.c.name))).all() == ["first", "second"]
    await ours.close()
    await other.close()


@pytest.mark.parametrize("short", [False, True])
async def test_a_writer_that_leaves_while_it_waits_for_its_turn_takes_nothing_along(
    sqlite_url: str, *, short: bool
) -> None:
    other, ours = await Database.connect(sqlite_url), await Database.connect(sqlite_url, short=short)
    async with other.write() as connection:
        waiting = asyncio.create_task(write(ours, "never"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        await connection.execute(insert(switch).values(name="first", at=NOW))
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(20):
        await write(other, "second")
        await write(ours, "third")
    async with ours.read() as connection:
        assert set(await connection.scalars(select(switch.c.name))) == {"first", "second", "third"}
    await ours.close()
    await other.close()


async def test_a_short_statement_that_finds_the_file_locked_waits_in_the_thread(sqlite_url: str) -> None:
    threads = []

    def statement() -> str:
        threads.append(threading.get_ident())
        if len(threads) < 4:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return "done"

    database = await Database.connect(sqlite_url, short=True)
    async with database.read() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        assert await driver._execute(statement) == "done"
    await database.close()
    assert threads[0] == threading.get_ident()
    assert set(threads[1:]).isdisjoint(threads[:1])


async def test_the_folder_of_an_sqlite_file_is_made(tmp_path: Path) -> None:
    database = await Database.connect(f"sqlite:///{tmp_path}/var/deep/mailer.db")
    await database.close()
    assert (tmp_path / "var/deep/mailer.db").exists()


async def test_only_its_owner_reads_a_new_database(tmp_path: Path) -> None:
    file = tmp_path / "mailer.db"
    database = await Database.connect(f"sqlite:///{file}")
    async with database.write() as connection:
        await connection.exec_driver_sql("create table t (x)")
    log = file.with_name("mailer.db-wal")
    assert [stat.S_IMODE(each.stat().st_mode) for each in (file, log)] == [0o600, 0o600]
    await database.close()
    file.chmod(0o640)
    database = await Database.connect(f"sqlite:///{file}")
    await database.close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize("short", [False, True])
async def test_a_writer_locked_out_says_so(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, *, short: bool
) -> None:
    for module in ("engine", "inline", "sqlite_file"):
        monkeypatch.setattr(f"mailer.store.{module}.LOCK_SECONDS", 0.2)
    one, two = [await Database.connect(sqlite_url, short=short) for _ in range(2)]
    async with one.write() as connection:
        await connection.execute(insert(switch).values(name="a", at=NOW))
        with pytest.raises(StoreBusy, match="stayed locked by another program"):
            async with two.write():
                pytest.fail("two writers at once")
        with pytest.raises(StoreBusy, match="another writer of this program"):
            async with one.write():
                pytest.fail("two writers at once")
    await one.close()
    await two.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        pytest.param("mysql://x/y", "knows sqlite: and postgresql: only", id="another database"),
        pytest.param("nonsense", "cannot be read", id="no url"),
        pytest.param("postgresql://u:s3cret@host:port/db", "cannot be read", id="a port that is none"),
        pytest.param("postgresql://u:x@s3cret@host/db", "password @ is %40", id="an at in a password"),
        pytest.param("postgresql://u:x@se/cret@host:1/db", "/ is %2F", id="an at and a slash in a password"),
        pytest.param("postgresql://u:x@se/c?ret@host/db", "/ is %2F", id="an at, a slash and a query in one"),
        pytest.param("sqlite://", "names no file", id="memory"),
        pytest.param("sqlite:///:memory:", "names no file", id="memory by name"),
    ],
)
async def test_a_url_we_cannot_use(url: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        await Database.connect(url)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["u:a?b/c@host/db", "host/db?user=shop@server", "u:p@host/db?user=shop@server"]
)
def test_an_at_that_is_no_part_of_a_password_is_taken(url: str) -> None:
    parsed = driver_url(f"postgresql://{url}")
    assert (parsed.host, parsed.database) == ("host", "db")


async def test_a_server_that_is_away_is_one_sentence_without_the_password() -> None:
    with pytest.raises(StoreError) as caught:
        await Database.connect("postgres://ada:s3cret@127.0.0.1:1/mailer?password=s3cret")
    said = str(caught.value)
    assert "postgresql://ada@127.0.0.1:1/mailer" in said
    assert "s3cret" not in said
    assert "\n" not in said


def test_a_password_is_never_shown() -> None:
    assert dialect.public_name(dialect.driver_url("postgres://a:pw@h/d")) == "postgresql://a@h/d"


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "mailer.db").write_text("just a letter" * 1000)
    with pytest.raises(StoreError, match="is not a SQLite file"):
        await Database.connect(f"sqlite:///{tmp_path}/mailer.db")


@pytest.mark.parametrize("short", [False, True])
def test_a_file_that_cannot_be_opened_leaves_no_thread_that_answers_a_closed_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: bool
) -> None:
    file = tmp_path / "mailer.db"
    file.symlink_to(tmp_path / "gone" / "mailer.db")
    told: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))
    before = set(threading.enumerate())
    for _ in range(100):
        with pytest.raises(StoreError, match="cannot be opened"):
            asyncio.run(Database.connect(f"sqlite:///{file}", short=short))
        assert set(threading.enumerate()) <= before
    assert told == []


@pytest.mark.parametrize("end", ["", "/", "/var/"])
def test_a_folder_is_no_database(tmp_path: Path, end: str) -> None:
    with pytest.raises(
        StoreError, match=f"{end} is a folder, and a file is wanted: .*{end.rstrip('/')}/mailer.db"
    ):
        asyncio.run(Database.connect(f"sqlite:///{tmp_path}{end}"))
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        await Database.connect(f"sqlite:///{tmp_path}/file/var/mailer.db")


async def test_a_full_database_is_one_sentence_and_nothing_is_written(sqlite_database: Database) -> None:
    async with sqlite_database.read() as connection:  # of the pool's one connection, which keeps the setting
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="no room left"):
        await write(sqlite_database, *(f"{number}" + "x" * 1000 for number in range(200)))
    async with sqlite_database.read() as connection:
        assert (await connection.execute(select(switch))).all() == []


async def test_a_survey_that_has_to_wait_for_too_long_is_left_out(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine._POSTGRESQL, "lock_timeout", "50ms")
    database = await Database.connect(postgresql_url)
    async with database.write() as connection:
        await connection.exec_driver_sql(
            "lock table customer in share update exclusive mode"
        )  # as VACUUM does
        await database.survey(customer)
    await database.survey(customer)
    await database.close()


async def test_a_connection_cut_by_the_server_is_replaced(postgresql_database: Database) -> None:
    with pytest.raises(StoreError):
        async with postgresql_database.write() as connection:
            await connection.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    async with postgresql_database.read() as connection:
        assert await connection.scalar(select(1)) == 1


async def test_a_cancelled_writer_leaves_nothing_locked(database: Database) -> None:
    started = asyncio.Event()

    async def hang() -> None:
        async with database.write() as connection:
            await connection.execute(insert(switch).values(name="lost", at=NOW))
            started.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hang())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(20):
        await write(database, "kept")
    async with database.read() as connection:
        assert (await connection.scalars(select(switch.c.name))).all() == ["kept"]


async def test_a_writer_cancelled_in_the_middle_of_a_statement_leaves_nothing_locked(
    database: Database,
) -> None:
    # A cursor of the statement that was under way outlives it, and kept the writer's place for half a minute.
    async def work() -> None:
        try:
            while True:
                async with database.write() as connection:
                    await connection.execute(
                        insert(switch), [{"name": f"{number}", "at": NOW} for number in range(50)]
                    )
                    await connection.execute(delete(switch))
        finally:
            await write(database, "kept")

    for rounds in range(1, 120, 4):
        task = asyncio.create_task(work())
        for _ in range(rounds):
            await asyncio.sleep(0)
        await asyncio.sleep(rounds / 20_000)
        task.cancel()
        async with asyncio.timeout(20):
            with pytest.raises(asyncio.CancelledError):
                await task
        async with database.write() as connection:
            assert (await connection.scalars(delete(switch).returning(switch.c.name))).all() == ["kept"]
