"""Loaded by Python at its start when this folder is on PYTHONPATH: kills the process group around a COMMIT.

`CHAOS_KILL=mark:before:3` means: in the process that commits its third transaction of that kind, right before the
COMMIT (or right after it). The program itself knows nothing of this. Kinds: `plan` (deliveries are written), `claim`,
`mark` (they become `sending`), `outcome`, `recover` (what a dead sender held).
"""

from __future__ import annotations

import os
import signal
from typing import Any

import aiosqlite
import psycopg
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

SIGNS = {  # how a transaction of each kind is known by one of its statements; the last that fits counts
    "plan": "insert into delivery ",
    "claim": "update claim set deliveries = ",
    "mark": "state = 'sending'",
    "outcome": "state = given.state",
    "recover": "delete from sender",
}


def key(dbapi_connection: Any) -> int:
    """By what a driver's connection is known, whoever hands it over."""
    return id(getattr(dbapi_connection, "_connection", dbapi_connection))


def install(kind: str, side: str, count: int) -> None:
    """Listen to everything the database is told."""
    left = [count]
    seen: set[int] = set()  # connections whose open transaction is of the kind
    commit = DefaultDialect.do_commit
    fetch = aiosqlite.Connection.execute_fetchall  # what the hot statements go by on SQLite,
    execute = psycopg.AsyncCursor.execute  # and on PostgreSQL

    def note(statement: str, of: int) -> None:
        said = " ".join(statement.lower().split())
        if SIGNS[kind] in said and not (kind == "mark" and "update delivery" not in said):
            seen.add(of)

    def told(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        note(statement, key(connection.connection.dbapi_connection))

    def fetched(self: aiosqlite.Connection, sql: str, parameters: Any = None) -> Any:
        note(sql, id(self))
        return fetch(self, sql, parameters)

    async def executed(self: Any, query: Any, *given: Any, **how: Any) -> Any:
        note(str(query), id(self.connection))
        return await execute(self, query, *given, **how)

    def rolled_back(connection: Connection) -> None:
        seen.discard(key(connection.connection.dbapi_connection))

    def do_commit(self: DefaultDialect, dbapi_connection: Any) -> None:
        raw = getattr(dbapi_connection, "dbapi_connection", dbapi_connection)
        ours = key(raw) in seen
        seen.discard(key(raw))
        left[0] -= ours
        fatal = ours and left[0] == 0
        if fatal and side == "before":
            os.killpg(0, signal.SIGKILL)
        commit(self, dbapi_connection)
        if fatal:
            os.killpg(0, signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", told)
    event.listen(Engine, "rollback", rolled_back)
    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign] - it is put in between
    aiosqlite.Connection.execute_fetchall = fetched  # type: ignore[method-assign] - as above
    psycopg.AsyncCursor.execute = executed  # type: ignore[method-assign] - as above


if "CHAOS_KILL" in os.environ:
    named, when, number = os.environ["CHAOS_KILL"].split(":")
    install(named, when, int(number))
