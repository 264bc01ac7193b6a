"""An unsubscribe stops what is waiting already, and nothing a customer needs to know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mailer.core.delivery import Accepted, Reply, Skip, State
from mailer.core.handoff import Drop, Finish, Go, HandoffFacts, Start, Verdict
from mailer.core.policy import judge
from mailer.flow.track import UNSUBSCRIBE
from mailer.store.engine import Database
from mailer.store.tables import delivery
from tests.store import rows
from tests.store.rows import NOW
from tests.web.conftest import Stand


async def test_what_is_queued_is_skipped_at_hand_off(
    make_stand: Callable[[Database], Stand], database: Database
) -> None:
    stand = make_stand(database)
    who = await rows.a_customer_row(database, email="ayse@example.com")
    twin = await rows.a_customer_row(database, email="Ayse@example.com")
    offer = await rows.a_delivery(database, customer_id=who)
    to_twin = await rows.a_delivery(database, customer_id=twin)
    outage = await rows.a_run(database, campaign="outage", purpose="service")
    notice = await rows.a_delivery(database, outage, who)
    async with stand.client("203.0.113.7") as client:
        link = stand.token(UNSUBSCRIBE, offer, who, "ayse@example.com")
        assert (await client.post(f"/u/{link}")).status_code == 200

    def as_ever(facts: HandoffFacts) -> Verdict:
        return judge(facts, stand.app.rules, NOW)

    ledger, mine = stand.app.ledger, await rows.a_sender(database)
    assert set(await ledger.claim(mine, NOW, 9)) == {offer, to_twin, notice}
    starts = [Start(each, f"<{each}@x>") for each in (offer, to_twin, notice)]
    verdicts = await ledger.advance(mine, NOW, [], starts, as_ever)
    assert isinstance(verdicts[notice], Go)
    for each in (offer, to_twin):
        assert isinstance(verdicts[each], Drop)
        row = await rows.one(database, delivery, each)
        assert (row["state"], row["reason"]) == (State.SKIPPED, Skip.UNSUBSCRIBED)


async def test_the_answer_waits_for_a_mail_that_is_marked_to_leave(
    make_stand: Callable[[Database], Stand], database: Database
) -> None:
    stand = make_stand(database)
    who = await rows.a_customer_row(database, email="ayse@example.com")
    offer = await rows.a_delivery(database, customer_id=who, email="ayse@example.com")
    ledger, mine = stand.app.ledger, await rows.a_sender(database)
    await ledger.claim(mine, NOW, 9)
    await ledger.advance(mine, NOW, [], [Start(offer, "<m@x>")], lambda _facts: Go())
    link = stand.token(UNSUBSCRIBE, offer, who, "ayse@example.com")
    async with stand.client("203.0.113.7") as client:
        answer = asyncio.create_task(client.post(f"/u/{link}"))
        await asyncio.sleep(0.4)
        assert not answer.done()  # the mail may still begin
        await ledger.advance(mine, NOW, [Finish(offer, NOW, Accepted(Reply(250)))], [], lambda _facts: Go())
        assert (await asyncio.wait_for(answer, 30)).status_code == 200
