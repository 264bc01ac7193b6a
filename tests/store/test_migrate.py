from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.errors import StoreError
from mailer.store import migrate
from mailer.store.engine import Database
from mailer.store.migrations import regenerate
from mailer.store.tables import metadata
from tests.counterparts import PostgresTemplate, admin

ADVICE = "tables.py and the first revision differ: run `python -m mailer.store.migrations.regenerate`"

OPEN = """
import asyncio, sys
from mailer.store import migrate
from mailer.store.engine import Database
async def main():
    database = await Database.connect(sys.argv[1])
    await migrate.require(database)
    print(await migrate.current(database), "alembic" in sys.modules)
    await database.close()
asyncio.run(main())
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    template: PostgresTemplate = request.getfixturevalue("postgres_template")
    url = template.empty()
    yield url
    template.drop(url)


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(empty_url)
    yield database
    await database.close()


def schema(connection: Connection) -> dict[str, Any]:
    """Every table as the database itself describes it, conditions of partial indexes included."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("select name, sql from sqlite_master where sql is not null"))
        return {row.name: sorted(part.strip(" \t,") for part in row.sql.split("\n")) for row in rows}
    found: dict[str, Any] = {
        row.indexname: row.indexdef
        for row in connection.execute(text("select * from pg_indexes where schemaname = current_schema()"))
    }
    of = inspect(connection)
    for table in of.get_table_names():
        found[table] = [
            sorted(
                (column["name"], str(column["type"]), column["nullable"], str(column["default"]))
                for column in of.get_columns(table)
            ),
            sorted(str(key) for key in of.get_foreign_keys(table)),
            of.get_pk_constraint(table)["name"],
        ]
    return found


async def made_by_metadata(connection: AsyncConnection) -> dict[str, Any]:
    await connection.run_sync(metadata.create_all)
    return await connection.run_sync(schema)


async def test_the_revisions_make_exactly_the_tables(empty: Database) -> None:
    async with empty.write() as connection:
        expected = await made_by_metadata(connection)
        await connection.run_sync(metadata.drop_all)
    await migrate.upgrade(empty)
    async with empty.read() as connection:
        made = await connection.run_sync(schema)
    for bookkeeping in ("alembic_version", "alembic_version_pkc", "sqlite_sequence"):
        made.pop(bookkeeping, None)
        expected.pop(bookkeeping, None)
    assert made == expected, ADVICE


async def test_alembic_finds_nothing_to_change(database: Database) -> None:
    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with database.read() as connection:
        assert await connection.run_sync(differences) == [], ADVICE


def test_a_revision_is_named_as_its_file_and_they_are_in_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    config.set_main_option("path_separator", "os")
    history = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(history)) == migrate.revisions()


def test_the_first_revision_is_written_by_its_program() -> None:
    def plain(source: str) -> str:
        return "".join(source.split()).replace(",", "").replace("'", '"')

    assert plain(regenerate.source()) == plain(regenerate.TARGET.read_text()), ADVICE


async def test_two_processes_start_together_on_nothing(empty_url: str) -> None:
    async def start() -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", OPEN, empty_url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out

    outputs = await asyncio.gather(start(), start())
    assert {out.split()[0] for out in outputs} == {migrate.revisions()[-1].encode()}
    assert (await start()).split()[1] == b"False", "alembic was imported with nothing to do"


async def test_upgrading_again_changes_nothing(database: Database) -> None:
    await migrate.upgrade(database)
    await migrate.require(database)
    assert await migrate.current(database) == migrate.revisions()[-1]


async def stamp(database: Database, revision: str) -> None:
    async with database.write() as connection:
        await connection.execute(text("update alembic_version set version_num = :to"), {"to": revision})


@pytest.mark.parametrize(
    "asked",
    [
        "select gone from customer", "select 1 from gone", "insert into customer (gone) values (1)",
        "insert into list_member (list, customer_id) values ('x', 1) on conflict (list) do nothing",
    ],
)  # fmt: skip
async def test_a_database_of_another_state_of_development_says_what_to_do(
    database: Database, asked: str
) -> None:
    with pytest.raises(
        StoreError, match=r"made by another version of mailer than this one \(.+\)\. Run `mailer mi"
    ):
        async with database.write() as connection:
            await connection.exec_driver_sql(asked)


async def test_a_newer_database_is_refused(database: Database) -> None:
    await stamp(database, "r9999")
    for act in (migrate.require, migrate.upgrade):
        with pytest.raises(StoreError, match="made by a newer version"):
            await act(database)


async def test_tables_of_somebody_else_are_left_alone(empty: Database) -> None:
    async with empty.write() as connection:
        await connection.execute(text("create table customer (x integer)"))
    for act in (migrate.require, migrate.upgrade):
        with pytest.raises(
            StoreError, match=r"tables that are not mailer's \(customer\); point database_url at"
        ):
            await act(empty)


async def test_a_database_that_cannot_hold_every_letter_is_refused(
    postgres_template: PostgresTemplate,
) -> None:
    name = "mailer_test_latin"
    admin(postgres_template.server, f"CREATE DATABASE {name} ENCODING 'LATIN5' LOCALE 'C' TEMPLATE template0")
    url = postgres_template.server.set(database=name).render_as_string(hide_password=False)
    database = await Database.connect(url)
    try:
        with pytest.raises(
            StoreError, match="is kept in LATIN5, which has not every letter; make it anew with"
        ):
            await migrate.upgrade(database)
    finally:
        await database.close()
        postgres_template.drop(url)


async def test_an_older_postgresql_waits_for_migrate(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "revisions", lambda: ("r0001", "r0002"))
    with pytest.raises(StoreError, match="run `mailer migrate`"):
        await migrate.require(postgresql_database)


async def test_a_failed_upgrade_leaves_nothing_behind(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = migrate._run

    def half(connection: Connection) -> None:
        run(connection)
        raise ZeroDivisionError

    monkeypatch.setattr(migrate, "_run", half)
    with pytest.raises(ZeroDivisionError):
        await migrate.upgrade(empty)
    monkeypatch.setattr(migrate, "_run", run)
    assert await migrate.current(empty) is None
    await migrate.require(empty)
    assert await migrate.current(empty) == migrate.revisions()[-1]
