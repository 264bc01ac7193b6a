"""Named lists of customers. A list is loaded beside the one in use and takes its place in one small step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy import insert as plain_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.customer import normalise_address
from mailer.errors import UsageError
from mailer.store.dialect import insert
from mailer.store.engine import Database
from mailer.store.tables import customer, list_member, named_list

_ASIDE = ".aside:"  # a list being loaded or taken away; no list people name begins with a dot
_MOST_NAME = 100
_AT_ONCE = 20_000  # members deleted in one transaction


class Lists:
    """Named lists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, members: Sequence[str]) -> list[list[int]]:
        """The customers (customer.id) each text means: the one with that id, else all with that address."""
        keys = {text: normalise_address(text) for text in members if "@" in text}
        async with self._database.read() as connection:
            by_id = await connection.execute(
                select(customer.c.ext_id, customer.c.id).where(customer.c.ext_id.in_(set(members)))
            )
            known = {row.ext_id: [row.id] for row in by_id}
            by_address = await connection.execute(
                select(customer.c.email_key, customer.c.id)
                .where(customer.c.email_key.in_(set(keys.values())))
                .order_by(customer.c.id)
            )
            reached: dict[str, list[int]] = {}
            for row in by_address:
                reached.setdefault(row.email_key, []).append(row.id)
        return [known.get(text) or reached.get(keys.get(text, ""), []) for text in members]

    async def begin(self, name: str, now: datetime) -> int:
        """An empty list beside `name`, to be filled; one left by a load that never ended is taken away."""
        list_name(name)
        async with self._database.read() as connection:
            left = await connection.scalar(
                select(named_list.c.id).where(named_list.c.name == f"{_ASIDE}{name}")
            )
        if left is not None:
            await self.discard(left)
        async with self._database.write() as connection:
            return int(
                await connection.scalar(
                    plain_insert(named_list)
                    .values(name=f"{_ASIDE}{name}", loaded_at=now)
                    .returning(named_list.c.id)
                )
                or 0
            )

    async def fill(self, list_id: int, customers: Sequence[int]) -> None:
        """Add members; those it has are left."""
        if not customers:
            return
        async with self._database.write() as connection:
            await connection.execute(
                insert(connection, list_member).on_conflict_do_nothing(),
                [{"list_id": list_id, "customer_id": key} for key in customers],
            )

    async def compare(self, list_id: int, name: str) -> tuple[int, int, int]:
        """Members of the filled list that `name` lacks, that both have, and that only `name` has."""
        async with self._database.read() as connection:
            return await _compare(connection, list_id, name)

    async def swap(self, list_id: int, name: str) -> None:
        """Let the filled list be `name` from now on; what `name` was before goes."""
        async with self._database.write() as connection:
            old = await connection.scalar(select(named_list.c.id).where(named_list.c.name == name))
            if old is not None:
                await connection.execute(
                    update(named_list).where(named_list.c.id == old).values(name=f"{_ASIDE}old:{old}")
                )
            await connection.execute(update(named_list).where(named_list.c.id == list_id).values(name=name))
        if old is not None:
            await self.discard(old)

    async def discard(self, list_id: int) -> None:
        """Take a list away, a piece at a time so that other writers come in between."""
        some = select(list_member.c.customer_id).where(list_member.c.list_id == list_id).limit(_AT_ONCE)
        while True:
            async with self._database.write() as connection:
                gone = await connection.scalars(
                    delete(list_member)
                    .where(list_member.c.list_id == list_id, list_member.c.customer_id.in_(some))
                    .returning(list_member.c.customer_id)
                )
                if gone.first() is None:
                    await connection.execute(delete(named_list).where(named_list.c.id == list_id))
                    return

    async def all(self) -> list[dict[str, Any]]:
        """Every list: its name, members and when it was loaded."""
        question = (
            select(
                named_list.c.name,
                func.count(list_member.c.customer_id).label("members"),
                named_list.c.loaded_at,
            )
            .outerjoin(list_member)
            .where(~named_list.c.name.startswith(_ASIDE, autoescape=True))
            .group_by(named_list.c.id)
            .order_by(named_list.c.name)
        )
        async with self._database.read() as connection:
            return [dict(row) for row in (await connection.execute(question)).mappings()]


async def _compare(connection: AsyncConnection, list_id: int, name: str) -> tuple[int, int, int]:
    old = await connection.scalar(select(named_list.c.id).where(named_list.c.name == name))
    mine = list_member.alias()
    both = select(func.count()).where(
        mine.c.list_id == list_id,
        exists().where(list_member.c.list_id == old, list_member.c.customer_id == mine.c.customer_id),
    )
    shared = int(await connection.scalar(both) or 0)

    async def size(one: int | None) -> int:
        return int(
            await connection.scalar(select(func.count()).select_from(mine).where(mine.c.list_id == one)) or 0
        )

    return await size(list_id) - shared, shared, await size(old) - shared


def list_name(text: str) -> str:
    """A name for a list.

    Raises:
        UsageError: one that is empty, long, or holds more than letters, digits and `_ . -`.
    """
    if (
        not text
        or len(text) > _MOST_NAME
        or text.startswith(".")
        or not all(c.isalnum() or c in "_.-" for c in text)
    ):
        raise UsageError(f"{text!r} cannot name a list; use letters, digits, '_', '.' and '-'.")
    return text
