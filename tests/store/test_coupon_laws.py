"""Whatever happens to mails: nobody shares a code, no code gets lost, no budget is exceeded, no mail lacks its code."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mailer.core.coupon import COUNTED
from mailer.core.delivery import HOLDING, Accepted, Failure, InDoubt, Reply, State, TryLater
from mailer.core.delivery import Phase as Far
from mailer.core.handoff import Drop, Finish, Go, Start
from mailer.core.pool import PoolCode
from mailer.core.redemption import Redemption
from mailer.core.run import Reserve
from mailer.errors import UsageError
from mailer.store.control import Control
from mailer.store.engine import Database
from mailer.store.ledger import Ledger
from mailer.store.pools import Pools
from mailer.store.redemptions import Redemptions
from mailer.store.senders import Senders
from mailer.store.tables import coupon, delivery, sender
from tests.store.planned import a_row, codes, customers, plan
from tests.store.rows import NOW, a_sender

ISTANBUL = ZoneInfo("Europe/Istanbul")
PEOPLE, BUDGET = 5, 2

_examples = count(1)

ENDS: dict[str, dict[str, Any]] = {
    "sent": {"outcome": Accepted(Reply(250, "ok"))},
    "doubt": {"outcome": InDoubt("cut")},
    "later": {"outcome": TryLater(Far.RCPT, Reply(451, "later")), "next_attempt": NOW},
    "over": {"outcome": TryLater(Far.RCPT, Reply(451, "later"))},
    "failed": {"failure": Failure.RENDER},
}
WHO = st.lists(st.integers(0, PEOPLE - 1), min_size=1, unique=True)
STEPS = st.one_of(
    st.tuples(st.just("load"), st.integers(1, 4)),
    st.tuples(st.just("plan"), st.sampled_from(["spend", "pool", "both"]), WHO, st.sampled_from(["a", "b"])),
    st.tuples(
        st.just("hand over"), st.lists(st.sampled_from([*ENDS, "drop", "die"]), min_size=1, max_size=6)
    ),
    st.tuples(st.just("settle"), st.booleans()),
    st.tuples(st.just("retry"), st.integers(0, 9)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("redeem"), st.integers(0, 9)),
)


@dataclass
class World:
    """One example's campaigns and pool, under names of their own."""

    database: Database
    number: int
    people: list[int]
    loaded: int = 0
    holders: dict[str, int] = field(default_factory=dict)

    def name(self, kind: str) -> str:
        return f"{kind}{self.number}"

    @property
    def campaigns(self) -> list[str]:
        return [self.name(kind) for kind in ("spend", "pool", "both")]

    def reserve(self, kind: str) -> Reserve:
        budget = None if kind == "pool" else BUDGET
        if kind == "spend":
            return Reserve(kind="generated", prefix="SS", budget=budget)
        return Reserve(kind="pool", pool=self.name("shop"), budget=budget)

    async def rows(self) -> list[dict[str, Any]]:
        """The deliveries of our campaigns."""
        async with self.database.read() as connection:
            found = await connection.execute(
                select(delivery).where(delivery.c.campaign.in_(self.campaigns)).order_by(delivery.c.id)
            )
            return [dict(row) for row in found.mappings()]

    async def load(self, wanted: int) -> None:
        texts = [f"C{self.number}-{self.loaded + each}" for each in range(wanted)]
        rows = [PoolCode(line, text) for line, text in enumerate(texts, 1)]
        await Pools(self.database).add(self.name("shop"), rows, NOW)
        self.loaded += wanted

    async def plan(self, kind: str, who: list[int], occasion: str) -> None:
        """An occasion of a campaign; a once-key that is held is left out, as the planner does."""
        keys = {key: f"{self.name(kind)}:{occasion}:{key}" for key in (self.people[each] for each in who)}
        held = {row["once_key"] for row in await self.rows() if row["state"] in HOLDING}
        rows = [
            a_row(key, self.reserve(kind), once_key=f"{occasion}:{key}")
            for key, once_key in keys.items()
            if once_key not in held
        ]
        await plan(self.database, rows, self.name(kind))

    async def hand_over(self, ends: list[str]) -> None:
        """Hand over one delivery after the other, each with the next of these ends."""
        ledger = Ledger(self.database)
        for end in ends:
            mine = await a_sender(self.database)
            for each in await ledger.claim(mine, NOW, 1):
                drop = Drop(State.SKIPPED, "unsubscribed")
                judge = (lambda _facts, drop=drop: drop) if end == "drop" else (lambda _facts: Go())
                await ledger.advance(mine, NOW, [], [Start(each, "<m@x>")], judge)
                if end in ENDS:
                    await ledger.advance(mine, NOW, [Finish(each, NOW, **ENDS[end])], [], judge)
            if end == "die":
                async with self.database.write() as connection:
                    await connection.execute(sender.update().values(lease_until=0))
                await Senders(self.database).recover(NOW)

    async def settle(self, as_sent: bool) -> None:
        for row in [row for row in await self.rows() if row["state"] == State.IN_DOUBT][:1]:
            try:
                await Ledger(self.database).settle(row["id"], as_sent, NOW)
            except UsageError:
                found = await codes(self.database, row["campaign"])
                used = [each["state"] for each in found if each["delivery_id"] == row["id"]]
                assert (as_sent, used) == (False, ["redeemed"])

    async def retry(self, which: int) -> None:
        ended = [row for row in await self.rows() if row["state"] in ("failed", "expired", "cancelled")]
        for row in ended[which % (len(ended) or 1) :][:1]:
            try:
                await Control(self.database).retry(row["id"], NOW)
            except UsageError:
                continue  # the budget is used up, or another delivery stands for the same occasion

    async def cancel(self, which: int) -> None:
        waiting = [row for row in await self.rows() if row["state"] in ("queued", "deferred")]
        for row in waiting[which % (len(waiting) or 1) :][:1]:
            await Control(self.database).cancel(row["run_id"], NOW)

    async def redeem(self, which: int) -> None:
        mine = [row for campaign in self.campaigns for row in await codes(self.database, campaign)]
        for row in mine[which % (len(mine) or 1) :][:1]:
            try:
                await Redemptions(self.database, ISTANBUL).tell(Redemption(row["code"], NOW, "o1"), NOW)
            except UsageError:
                assert row["state"] in ("reserved", "released")

    async def check(self) -> None:
        """The laws."""
        deliveries = {row["id"]: row for row in await self.rows()}
        given: dict[int, dict[str, Any]] = {}
        for campaign in self.campaigns:
            mine = await codes(self.database, campaign)
            for row in mine:
                assert self.holders.setdefault(row["code"], row["customer_id"]) == row["customer_id"]
                if row["state"] in COUNTED:
                    assert row["delivery_id"] not in given
                    given[row["delivery_id"]] = row
            if not campaign.startswith("pool"):
                assert sum(row["state"] in COUNTED for row in mine) <= BUDGET
        held = {number for number, row in deliveries.items() if row["state"] in HOLDING}
        assert held <= given.keys(), "a mail without its code"
        assert {number for number in given.keys() - held if given[number]["state"] != "redeemed"} == set()
        async with self.database.read() as connection:
            pool = list(
                await connection.scalars(select(coupon.c.code).where(coupon.c.pool == self.name("shop")))
            )
        assert len(pool) == len(set(pool)) == self.loaded

    async def clear(self) -> None:
        """Leave nothing that another example's sender would find."""
        for row in await self.rows():
            if row["state"] in ("queued", "deferred"):
                async with self.database.write() as connection:
                    await connection.execute(
                        delivery.update().where(delivery.c.id == row["id"]).values(state="cancelled")
                    )


@settings(
    max_examples=30,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(steps=st.lists(STEPS, min_size=8, max_size=16))
async def test_the_laws_of_coupons(database: Database, steps: list[tuple[Any, ...]]) -> None:
    world = World(database, next(_examples), await customers(database, PEOPLE))
    acts: dict[str, Any] = {
        "load": world.load, "plan": world.plan, "hand over": world.hand_over, "settle": world.settle,
        "retry": world.retry, "cancel": world.cancel, "redeem": world.redeem,
    }  # fmt: skip
    try:
        for act, *rest in steps:
            await acts[act](*rest)
            await world.check()
    finally:
        await world.clear()
