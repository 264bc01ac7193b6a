"""What is read to find a few rows among many.

Partial indexes serve only where their condition is written out: of a bound value SQLite cannot know enough.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer.core.audience import KeyRule, Selection, Watch
from mailer.core.coupon import CouponState
from mailer.core.delivery import Phase, TryLater
from mailer.core.handoff import Finish, Go, Start
from mailer.core.segment import Rule
from mailer.core.segment_facts import EvalContext
from mailer.store import claims, engine, facts, handoff, hits, sendjobs
from mailer.store.audience import Audience
from mailer.store.bulk import among
from mailer.store.dialect import has_none
from mailer.store.engine import Database
from mailer.store.pages import HOLDS, as_page, page_of
from mailer.store.selection import in_run
from mailer.store.senders import Senders
from mailer.store.tables import WAITING, coupon, customer, delivery
from mailer.store.tables.mail import UNSENT
from tests.store.rows import NOW, a_run, add_many


@pytest.mark.parametrize(
    ("index", "column", "condition"),
    [
        pytest.param("uq_delivery_once_key", "once_key", HOLDS, id="once-keys that are held"),
        pytest.param("ix_delivery_unsent", "customer_id", UNSENT, id="what waits for a customer"),
        pytest.param(
            "ix_delivery_claim", "run_id", f"{WAITING} and not_before <= :it", id="what a sender may claim"
        ),
        pytest.param(
            "ix_delivery_sender", "sender_id", "delivery.sender_id is not null", id="what is being sent"
        ),
    ],
)
async def test_a_partial_index_is_used(
    sqlite_database: Database, index: str, column: str, condition: str
) -> None:
    asked = text(f"explain query plan select id from delivery where delivery.{column} = :it and {condition}")
    async with sqlite_database.read() as connection:
        plan = " ".join(row[3] for row in await connection.execute(asked, {"it": 1}))
    assert f"INDEX {index} " in plan


async def test_whether_somebody_is_in_a_run_is_one_step(sqlite_database: Database) -> None:
    """However much they got before."""
    asked = select(customer.c.id).where(
        has_none(delivery, delivery.c.customer_id == customer.c.id, *in_run(1))
    )
    said = str(asked.compile(dialect=sqlite.dialect()))
    async with sqlite_database.read() as connection:
        rows = await connection.exec_driver_sql(f"explain query plan {said}", (1,) * said.count("?"))
        plan = " ".join(row[3] for row in rows)
    assert "(customer_id=? AND campaign=? AND run_id=?)" in plan


@pytest.fixture(params=[1, 8], ids=["planned anew", "as prepared"])
def rounds(request: pytest.FixtureRequest) -> int:
    """How often the same is asked: the driver prepares what it is asked again and again."""
    return int(request.param)


@pytest.fixture
async def just_filled(postgresql_url: str) -> AsyncIterator[Database]:
    """As a sender finds it while 3,000 mails wait that nobody has counted yet."""
    database = await Database.connect(postgresql_url, short=True)
    await add_many(database, await a_run(database), 3_000)
    yield database
    await database.close()


async def test_a_sender_reads_what_it_names_of_tables_postgresql_knows_nothing_of(
    just_filled: Database, rounds: int
) -> None:
    sender_id = await Senders(just_filled).register("h", 1, NOW, 60, "")
    for _ in range(rounds):
        async with just_filled.write() as connection:
            before = await rows_read(connection)
            ids = await claims.claim(connection, sender_id, NOW, 20)
            jobs = await sendjobs.load(connection, ids)
            starts = [Start(job.delivery_id, f"<{job.delivery_id}@k.example>") for job in jobs]
            verdicts = await handoff.advance(
                connection, sender_id, NOW, ends=[], starts=starts, judge=lambda _facts: Go()
            )
            after = await rows_read(connection)
    assert len(verdicts) == 20
    assert before.keys() == {"customer", "delivery", "coupon", "cap_slot"}
    assert max(after[table] - before[table] for table in before) < 600, "20 must be found among 3,000"


@pytest.mark.parametrize("counted", [False, True], ids=["never counted", "counted while they were few"])
async def test_a_sender_reads_what_it_names_of_tables_that_grew_since_it_asked_first(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, *, counted: bool
) -> None:
    """What it asks is prepared while hardly a mail is there, as in a shop's first minute."""
    database = await Database.connect(postgresql_url, short=True)
    run_id = await a_run(database)
    await add_many(database, run_id, 5)
    if counted:
        async with database.write() as connection:
            await connection.execute(text("analyze"))
    sender_id = await Senders(database).register("h", 1, NOW, 60, "")
    for _ in range(8):  # the driver prepares what it is asked again and again
        await a_wave(database, sender_id, 5)
    await add_many(database, run_id, 3_000)
    if counted:  # then the old plans last for a moment
        monkeypatch.setattr(engine, "PLANS_LAST", 0.0)
    read = await a_wave(database, sender_id, 20)
    await database.close()
    assert read.keys() == {"customer", "delivery", "coupon", "cap_slot"}
    assert max(read.values()) < 600, "20 must be found among 3,000"


async def test_coupons_are_found_by_their_mail_in_tables_postgresql_knows_nothing_of(
    just_filled: Database, rounds: int
) -> None:
    async with just_filled.write() as connection:
        of = [*await connection.scalars(select(delivery.c.id).order_by(delivery.c.id))]
        coupons = [
            {"code": f"A{number}", "kind": "generated", "state": CouponState.RESERVED, "campaign": "offer",
             "delivery_id": number, "created_at": NOW, "changed_at": NOW}
            for number in of
        ]  # fmt: skip
        await connection.execute(insert(coupon), coupons)
    for chunk in range(rounds):
        async with just_filled.write() as connection:
            before = await rows_read(connection)
            await facts.move_coupons(connection, of[chunk * 20 : chunk * 20 + 20], CouponState.ISSUED, NOW)
            after = await rows_read(connection)
    async with just_filled.read() as connection:
        issued = [*await connection.scalars(select(coupon.c.delivery_id).where(coupon.c.issued_at == NOW))]
    assert sorted(issued) == of[: rounds * 20]
    assert after["coupon"] - before["coupon"] < 600, "20 must be found among 3,000"


@pytest.mark.parametrize("standing", [True, False], ids=["a run that grows", "a run nobody wrote down"])
async def test_a_planner_reads_what_a_page_needs_of_tables_postgresql_knows_nothing_of(
    postgresql_url: str, standing: bool
) -> None:
    database = await Database.connect(postgresql_url)
    await add_many(database, await a_run(database), 3_000)  # that wait, for everybody
    mine = await a_run(database) if standing else None
    selection = Selection(Rule.model_validate({}), run_id=mine, outside=None if standing else ("offer", "1"))
    watch = Watch(NOW, (KeyRule(frozenset({None}), "offer:", ":1"),), "offer", shared=True, capped=True)
    people = Audience(database, lambda: EvalContext(now=NOW, tenant_zone=ZoneInfo("Europe/Istanbul")))
    async with database.read() as connection:
        context = await people._context(NOW)
        asked = page_of(selection, watch, context)
        before = await rows_read(connection)
        page = as_page((await connection.execute(asked, {"after": 0, "limit": 100})).all())
        after = await rows_read(connection)
    await database.close()
    assert page is not None
    assert page.count == 100
    assert max(after[table] - before[table] for table in before) < 600, "a page of 100 among 3,000"


async def test_rows_are_found_by_their_numbers_where_all_of_a_table_are_wanted(
    postgresql_database: Database,
) -> None:
    """Read from its beginning each row would be compared with each number."""
    await add_many(postgresql_database, await a_run(postgresql_database), 3_000)
    await postgresql_database.survey(customer)
    async with postgresql_database.read() as connection:
        ids = [*await connection.scalars(select(customer.c.id))]
        wanted = select(customer.c.email).where(among(customer.c.id, ids, "postgresql"))
        said = wanted.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        plan = "\n".join((await connection.exec_driver_sql(f"explain {said}")).scalars())
        found = (await connection.execute(wanted)).all()
    assert "Index Cond: (id = ANY" in plan
    assert len(found) == 3_000


async def a_wave(database: Database, sender_id: int, most: int) -> dict[str, int]:
    """Mails are marked, put off, and opened by their readers; the rows read for it, by table."""
    async with database.write() as connection:
        before = await rows_read(connection)
        ids = await claims.claim(connection, sender_id, NOW, most)
        jobs = await sendjobs.load(connection, ids)
        starts = [Start(job.delivery_id, f"<{job.delivery_id}@k.example>") for job in jobs]
        await handoff.advance(
            connection, sender_id, NOW, ends=[], starts=starts, judge=lambda facts: Go(facts.due_at.date())
        )
        later = TryLater(phase=Phase.MAIL)
        ends = [Finish(each, NOW, later, next_attempt=NOW) for each in ids]
        await handoff.advance(connection, sender_id, NOW, ends=ends, starts=[], judge=lambda _facts: Go())
        opened = [(each, "opened", NOW.isoformat(), "{}", f"{each} {uuid4()}") for each in ids]
        await hits._ADD.run(connection, opened)
        after = await rows_read(connection)
    assert len(ids) == most
    return {table: after[table] - before[table] for table in before}


async def rows_read(connection: AsyncConnection) -> dict[str, int]:
    """By table, as this connection counts them."""
    asked = text(
        "select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) as read from pg_stat_xact_user_tables"
        " where relname in ('delivery', 'customer', 'coupon', 'cap_slot')"
    )
    return {str(row.relname): int(row.read) for row in await connection.execute(asked)}
