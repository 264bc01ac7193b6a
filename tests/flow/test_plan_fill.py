"""Pages of an audience, written several at a time."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, insert, select

from mailer.flow import plan_fill
from mailer.flow.plan_fill import Abreast
from mailer.store.engine import Database
from mailer.store.tables import coupon, customer
from tests.flow.planning import LONG_AGO, OFFER, Shop, at


async def test_so_many_at_a_time_and_all_before_it_is_over() -> None:
    now, most, ended = 0, 0, []

    async def work(number: int) -> None:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0.01 if number % 2 else 0.001)
        now -= 1
        ended.append(number)

    async with Abreast(2) as writing:
        for number in range(6):
            writing.begin(work(number))
            await writing.room()
    assert (most, sorted(ended)) == (2, list(range(6)))


async def test_what_must_come_after_others_waits_for_them() -> None:
    ended = []

    async def work(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append(name)

    async with Abreast(2) as writing:
        writing.begin(work("slow", 0.02))
        await writing.rest()
        writing.begin(work("quick", 0.0))
    assert ended == ["slow", "quick"]


async def well_and_badly(where: str, ended: list[bool]) -> None:
    """Something is written well, and beside it or after it something fails."""

    async def work() -> None:
        await asyncio.sleep(0.01)
        ended.append(True)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise OSError("the disk is full")

    async with Abreast(2) as writing:
        writing.begin(work())
        if where == "between two":
            raise OSError("the disk is full, said whoever read the next page")
        writing.begin(fail())
        if where == "beside another":
            await writing.room()


@pytest.mark.parametrize("where", ["in the last", "beside another", "between two"])
async def test_a_failure_is_told_once_everything_has_ended(where: str) -> None:
    ended: list[bool] = []
    with pytest.raises(OSError, match="the disk is full"):
        await well_and_badly(where, ended)
    assert ended == [True]


async def test_over_several_pages_the_oldest_of_an_address_gets_the_mail_and_each_its_code(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_fill, "PAGE", 500)
    monkeypatch.setattr(plan_fill, "FIRST", 500)
    shop = Shop(database, offer=OFFER | {"coupon": {"kind": "generated", "prefix": "YZ", "percent": 10}})
    many = 2 * 500 + 50
    twins = {3: "twin@shop.example", many - 2: "twin@shop.example"}  # between them a page that waits for none
    rows = [
        {
            "ext_id": f"p{number}", "email": (address := twins.get(number, f"p{number}@shop.example")),
            "email_key": address, "stored_at": LONG_AGO, "updated_at": LONG_AGO, "consent_at": LONG_AGO,
            "services": [], "attributes": {}, "consent": "yes",
        }
        for number in range(many)
    ]  # fmt: skip
    async with database.write() as connection:
        await connection.execute(insert(customer), rows)
    await shop.seen()
    _key, added = await shop.planner().run_by_hand(shop.campaigns["offer"], at("2026-05-01T07:00"))
    found = [row.split()[1:3] for row in await shop.rows()]
    assert added == many
    assert [who for who, said in found if said == "duplicate"] == [f"p{many - 2}"]
    assert sum(said == "queued" for _who, said in found) == many - 1
    async with database.read() as connection:
        codes = select(func.count(coupon.c.code.distinct()), func.count(coupon.c.delivery_id.distinct()))
        assert (await connection.execute(codes)).one() == (many - 1, many - 1)
