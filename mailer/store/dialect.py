"""What differs between SQLite and PostgreSQL: URLs, the clock, locks, and what their errors mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Interval,
    Join,
    ScalarSelect,
    Table,
    Text,
    TextClause,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from mailer.errors import SettingsError

#: Seconds a statement waits for a lock before it gives up.
LOCK_SECONDS = 30

#: Values a statement may bind: SQLite takes 32,766, PostgreSQL 65,535. Lists are asked for in slices.
SLICE = 5_000

_SCHEMES = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}

#: SQLSTATEs of PostgreSQL that pass when the same transaction is tried again: serialisation failure,
#: deadlock, lock not available (PostgreSQL documentation, appendix A).
_BUSY = {"40001", "40P01", "55P03"}

#: SQLITE_BUSY and SQLITE_LOCKED, primary result codes (sqlite.org/rescode.html).
_SQLITE_BUSY = {5, 6}


def slices(items: Sequence[Any], size: int = SLICE) -> Iterator[Sequence[Any]]:
    """`items` in pieces of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


class DatabaseClock(FunctionElement[float]):
    """Seconds since the epoch on the database's own clock, to about a millisecond."""

    type = Float()
    name = "database_clock"
    inherit_cache = True


@compiles(DatabaseClock, "sqlite")
def _clock_sqlite(element: DatabaseClock, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ARG001 (signature is SQLAlchemy's)
    # SQLite 3.40 has no unixepoch('subsec'); a julian day is good to 0.04 ms.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(DatabaseClock, "postgresql")
def _clock_postgresql(element: DatabaseClock, compiler: SQLCompiler, **_: Any) -> str:  # noqa: ARG001 (signature is SQLAlchemy's)
    # now() stands still for a whole transaction; a lease must not.
    return "extract(epoch from clock_timestamp())::double precision"


def clock() -> ColumnElement[float]:
    """The database's clock as an expression, in seconds since the epoch."""
    return DatabaseClock()


_WRITE = "write sqlite:///path/to/file.db or postgresql://user@host/name; in a password @ is %40, / is %2F"


def driver_url(url: str) -> URL:
    """`sqlite:///path`, `postgresql://…` or `postgres://…` with the driver we use.

    Raises:
        SettingsError: anything else.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # whose words may hold a part of the password
        raise SettingsError(f"database_url cannot be read; {_WRITE}") from None
    scheme = parsed.drivername.partition("+")[0]
    if scheme not in _SCHEMES:
        raise SettingsError(
            f"database_url begins with {scheme}:, and mailer knows sqlite: and postgresql: only."
        )
    if scheme == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise SettingsError(
            "database_url names no file; the processes of mailer share one, such as sqlite:///var/mailer.db."
        )
    behind = url.partition("@")[2].partition("=")[0]  # an option may hold one: ?user=shop@server
    if "@" in f"{parsed.host or ''}{parsed.database or ''}{behind}":  # of the password, which would be shown
        raise SettingsError(f"database_url cannot be read; {_WRITE}")
    return parsed.set(drivername=_SCHEMES[scheme])


def public_name(url: URL) -> str:
    """The database as it may be shown: never a password, wherever in the URL it stood."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    user = f"{url.username}@" if url.username else ""
    return f"postgresql://{user}{host}{port}/{url.database or ''}"


def is_store_trouble(error: DBAPIError) -> bool:
    """Whether an error is about the database being usable, not about the statement we sent."""
    if isinstance(error, (OperationalError, InterfaceError, InternalError)) or error.connection_invalidated:
        return True
    if "invalid connection option" in str(error.orig):
        return True
    # sqlite3's plain DatabaseError: not a database
    return type(error.orig).__name__ == "DatabaseError" or _sqlstate(error) in _UNFIT


#: A table, a column or a unique row is not there (PostgreSQL, appendix A).
_OF_ANOTHER_VERSION = {"42P01", "42703", "42P10"}
_UNFIT = _OF_ANOTHER_VERSION | {"42501"}  # or there is no right to it


def is_busy(error: DBAPIError) -> bool:
    """Whether the same transaction may well succeed when tried again."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return _sqlstate(error) in _BUSY or (code is not None and code & 0xFF in _SQLITE_BUSY)


def explain(error: BaseException, where: str) -> str:
    """One sentence for a person: what went wrong with the database at `where`, and what to do."""
    cause = getattr(error, "orig", None) or error
    said = str(cause).strip().splitlines()[0].rstrip(".") if str(cause).strip() else type(cause).__name__
    said = re.sub(r"(?i)(password\s*=\s*)\S+", r"\1***", said)
    # In whatever language it says so.
    if isinstance(error, DBAPIError) and _sqlstate(error) in _OF_ANOTHER_VERSION:
        return f"The database {where} {_ANOTHER_VERSION.format(said=said)}"
    for pattern, advice in _ADVICE:
        if re.search(pattern, said):
            return f"The database {where} {advice.format(said=said)}"
    return f"The database {where} cannot be used: {said}."


_ANOTHER_VERSION = (
    "was made by another version of mailer than this one ({said}). Run `mailer migrate`; where that changes nothing, "
    "it is of a state in development: name a new one in database_url and import your data again."
)
_ADVICE = (
    (r"unable to open database file", "cannot be opened; its folder must exist and be writable."),
    (r"database is locked|database table is locked|lock timeout",
     f"stayed locked by another program for {LOCK_SECONDS} seconds; try again when it has finished."),
    (r"disk is full|disk full|No space left", "has no room left on its disk; nothing was written."),
    (r"readonly database|read-only", "is read-only, nothing was written; let us write to it and to its folder."),
    (r"permission denied", "does not let us in everywhere; make its user the owner of the database."),
    (r"not a database", "is not a SQLite file; check database_url."),
    (r"disk I/O error", "could not be read or written; look at its disk, and at limits on the size of files."),
    (r"malformed", "is damaged; restore it from a backup."),
    (r"deadlock detected|could not serialize", "was busy with a conflicting change; try again."),
    (r"no such (column|table)|has no column named|ON CONFLICT clause", _ANOTHER_VERSION),
)  # fmt: skip


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def insert(connection: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what happens when the row is there already."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def later(at: ColumnElement[datetime], length: timedelta, dialect: str) -> ColumnElement[datetime]:
    """The instant so much elapsed time after another, in SQL."""
    if dialect == "postgresql":
        return at + literal(length, Interval)
    # As instants are kept: text that sorts, with six digits of a second, of which SQLite counts three.
    moved = func.strftime("%Y-%m-%d %H:%M:%f", at, f"{length.total_seconds():+.3f} seconds", type_=Text)
    return type_coerce(moved + "999", at.type)


def has_one(table: FromClause, *where: ColumnElement[bool] | TextClause) -> ColumnElement[bool]:
    """Whether a row of `table` fits what is asked of each row outside: one step into an index for each of those.

    Not EXISTS. Of rows just written PostgreSQL has no statistics and takes them to be few: it made a join of it, or
    gathered all that wait first, and either grew with every page that was planned.
    """
    return _first(table, *where).is_not(None)


def has_none(table: FromClause, *where: ColumnElement[bool] | TextClause) -> ColumnElement[bool]:
    """Whether no row does; see `has_one`.

    In words by which PostgreSQL expects this of nearly every row: of NOT it expected it of one in two hundred, and
    sorted all customers for each page.
    """
    return _first(table, *where).is_distinct_from(literal_column("1"))


def _first(table: FromClause, *where: ColumnElement[bool] | TextClause) -> ScalarSelect[int]:
    found = literal_column("1", Integer)
    return select(found).select_from(table).where(*where).limit(1).scalar_subquery()


class InOrder(Join):
    """A join whose left side is looked through first: SQLite, which counts nothing, would often choose the other."""

    __visit_name__ = "in_order"
    inherit_cache = True


@compiles(InOrder)
def _in_order(element: InOrder, compiler: SQLCompiler, **options: Any) -> str:
    options["asfrom"] = True
    left, right = (compiler.process(side, **options) for side in (element.left, element.right))
    on = compiler.process(element.onclause, **options) if element.onclause is not None else "true"
    # https://www.sqlite.org/optoverview.html: tables of a CROSS JOIN are never taken in another order.
    word = "CROSS JOIN" if compiler.dialect.name == "sqlite" else "JOIN"
    return f"{left} {word} {right} ON {on}"
