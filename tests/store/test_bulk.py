"""Many rows in one statement come back as they would one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import Column, select
from sqlalchemy import insert as plain_insert

from mailer.store.bulk import among, rows_of, stretch
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.tables import customer, customer_event, delivery, incident_recipient
from tests.store.rows import a_customer_row, a_run

NOW = datetime(2027, 5, 10, 7, 0, 0, 123456, tzinfo=UTC)


def deep(levels: int) -> Any:
    value: Any = "end"
    for _ in range(levels):
        value = [value]
    return value


CONTEXTS = [
    None,
    {},
    {"a": None, "b": [1, 2.5, True, "İ\u2028\"'\\ \n"], "c": {"d": "\u0001"}},
    MappingProxyType({"points": [{"id": "p"}]}),
    {"deep": deep(300)},
    {"large": 2**70, "text": "x" * 10_000},
]


@pytest.mark.parametrize("context", CONTEXTS, ids=["none", "empty", "mixed", "mapping", "deep", "large"])
async def test_the_same_as_one_by_one(database: Database, context: Any) -> None:
    run_id, key = await a_run(database), await a_customer_row(database)
    row: dict[str, Any] = {
        "customer_id": key, "once_key": "k'\"\\%s:é", "email": "A@x.example", "email_key": "a@x.example",
        "state": "queued", "reason": None, "context": context, "message_id": "<1@x>", "expires_at": None,
        "due_at": NOW, "not_before": datetime(2027, 5, 10, 10, 0, tzinfo=timezone(timedelta(hours=3))),
    }  # fmt: skip
    same: dict[str, Any] = {
        "run_id": run_id, "campaign": "offer", "purpose": "service", "priority": 7, "phase": None,
        "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    async with database.write() as conn:
        columns = rows_of(conn, delivery, tuple(row), [tuple(row.values())], same)
        await conn.execute(insert(conn, delivery).from_select(*columns).on_conflict_do_nothing())
        bulk = (await conn.execute(select(delivery))).mappings().one()
        await conn.execute(delivery.delete())
        plain = row | same | {"context": json.loads(json.dumps(context, default=dict))}
        await conn.execute(plain_insert(delivery).values(**plain))
        single = (await conn.execute(select(delivery))).mappings().one()
    assert dict(bulk) | {"id": 0} == dict(single) | {"id": 0}
    assert bulk["not_before"] == datetime(2027, 5, 10, 7, 0, tzinfo=UTC)


async def test_null_is_sql_null_and_order_is_kept(database: Database) -> None:
    rows = [(f"e{number}", None, {"n": number}) for number in range(50)]
    async with database.write() as conn:
        columns = rows_of(
            conn, customer_event, ("ext_id", "customer_id", "properties"), rows,
            {"name": "n", "at": NOW, "stored_at": NOW},
        )  # fmt: skip
        await conn.execute(insert(conn, customer_event).from_select(*columns))
        wanted = select(customer_event.c.ext_id).where(customer_event.c.customer_id.is_(None))
        found = (await conn.scalars(wanted.order_by(customer_event.c.id))).all()
    assert found == [row[0] for row in rows]


@pytest.mark.parametrize("values", [[], ["a'b", "İ"], [f"c{number}" for number in range(20_000)]])
async def test_among(database: Database, values: list[str]) -> None:
    for name in ("a'b", "İ", "c7", "z"):
        await a_customer_row(database, name)
    async with database.read() as conn:
        wanted = select(customer.c.ext_id).where(among(customer.c.ext_id, values, conn.dialect.name))
        found = set(await conn.scalars(wanted))
    assert found == {"a'b", "İ", "c7", "z"} & set(values)


_OF_INCIDENT = incident_recipient.c.customer_id


async def test_numbers_are_looked_up_before_anything_is_known(postgresql_database: Database) -> None:
    """PostgreSQL hashes a list that is part of the statement; another it walks through, for each row it reads."""
    async with postgresql_database.read() as conn:

        async def plan(column: Column[int]) -> str:
            wanted = select(column).where(among(column, [3, 1, 2], "postgresql"))
            compiled = wanted.compile(conn.sync_connection, compile_kwargs={"render_postcompile": True})
            return "\n".join((await conn.exec_driver_sql(f"EXPLAIN {compiled}", compiled.params)).scalars())

        assert "= ANY ('{3,1,2}'::bigint[])" in await plan(_OF_INCIDENT)
        for column in (customer.c.id, delivery.c.id):
            assert re.search(r"Index Cond: \(id = ANY", await plan(column))


@pytest.mark.parametrize("column", [customer.c.id, _OF_INCIDENT])
def test_of_numbers_only_numbers_get_into_a_statement(column: Column[int]) -> None:
    odd: Any = ["1}'::bigint[]) or true --"]
    with pytest.raises(ValueError, match="invalid literal"):
        among(column, odd, "postgresql")


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(lambda at: at >= 0, id="all"),
        pytest.param(lambda at: 3 <= at < 17, id="one after the other"),
        pytest.param(lambda at: at % 3 != 1, id="most"),
        pytest.param(lambda at: at in {0, 8, 9, 15, 17}, id="at the edges of bytes"),
        pytest.param(lambda at: at in {0, 19}, id="far apart"),
        pytest.param(lambda at: at == 7, id="one"),
    ],
)
async def test_a_stretch_has_the_rows_whose_numbers_are_given(
    database: Database, wanted: Callable[[int], bool]
) -> None:
    keys = [await a_customer_row(database) for _ in range(20)]
    given = [key for at, key in enumerate(keys) if wanted(at)]
    async with database.read() as conn:
        found = select(customer.c.id).where(
            stretch(customer.c.id, [*given[::-1], given[0]], conn.dialect.name)
        )
        assert sorted((await conn.scalars(found)).all()) == given
