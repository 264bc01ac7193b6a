from __future__ import annotations

from datetime import date

from mailer.core.coupon import CouponState
from mailer.core.importing import RowFault
from mailer.core.merge import Fate, Noted
from mailer.core.pool import PoolCode
from mailer.core.run import Reserve
from mailer.store.coupons import Coupons
from mailer.store.engine import Database
from mailer.store.pools import Pools
from tests.store.planned import a_row, codes, customers, fill, in_pool, plan
from tests.store.rows import NOW


def rows(*texts: str) -> list[PoolCode]:
    return [PoolCode(line, text) for line, text in enumerate(texts, 1)]


def said(fates: list[Fate | Noted | RowFault]) -> list[str]:
    return [
        fate.reason
        if isinstance(fate, RowFault)
        else fate.warning.reason
        if isinstance(fate, Noted)
        else fate
        for fate in fates
    ]


async def test_codes_are_loaded_once_and_those_known_are_named(database: Database) -> None:
    pools = Pools(database)
    await fill(database, "other", ["TAKEN"])
    [person, shared] = await customers(database, 2)
    await plan(database, [a_row(person, Reserve(kind="generated", prefix="SS"))])
    await plan(database, [a_row(shared, Reserve(kind="static", code="HELLO"))], "welcome")
    [mine] = [row["code"] for row in await codes(database)]
    assert said(await pools.add("shop", rows("A1", "B2", "A1", "TAKEN", mine, "HELLO"), NOW)) == [
        "created",
        "created",
        "The code 'A1' is in the pool already.",
        "The code 'TAKEN' is in the pool other already.",
        f"The code {mine!r} is a code of the campaign offer already.",
        "The code 'HELLO' is a code of the campaign welcome already.",
    ]
    assert said(await pools.add("shop", rows("A1", "B2"), NOW)) == [
        "The code 'A1' is in the pool already.",
        "The code 'B2' is in the pool already.",
    ]
    assert await in_pool(database, "shop") == {"available": 2}


async def test_pools_are_counted_by_state(database: Database) -> None:
    await fill(database, "b", ["B1", "B2", "B3"])
    await fill(database, "a", ["A1"])
    people = await customers(database, 2)
    await plan(database, [a_row(key, Reserve(kind="pool", pool="b", budget=5)) for key in people])
    stocks = await Pools(database).all()
    assert [(stock.pool, stock.available, stock.total) for stock in stocks] == [("a", 1, 1), ("b", 1, 3)]
    assert stocks[1].codes[CouponState.RESERVED] == 2
    assert await Pools(database).used("offer") == 2


async def test_the_shop_is_told_what_was_promised_and_what_changed(database: Database) -> None:
    await fill(database, "b", ["B1", "B2"])
    people = await customers(database, 3)
    later = NOW.replace(day=12)
    await plan(database, [a_row(people[0], Reserve(kind="pool", pool="b"))])
    spec = Reserve(kind="generated", prefix="DG", percent=20, valid_until=date(2027, 6, 9))
    await plan(database, [a_row(people[1], spec)], "birthday", now=later)
    listed = Coupons(database)
    assert [(row["pool"], row["state"]) async for row in listed.export()] == [
        ("b", "reserved"),
        (None, "reserved"),
    ]
    [new] = [row async for row in listed.export(later)]
    assert (new["campaign"], new["percent"], new["valid_until"], new["kind"]) == (
        "birthday", 20, date(2027, 6, 9), "generated",
    )  # fmt: skip
    assert [row["code"] async for row in listed.list("offer", "reserved")] == ["B1"]
    assert [row["code"] async for row in listed.list(state="available")] == ["B2"]
