"""What monitoring asks the database."""

from __future__ import annotations

from datetime import timedelta

from mailer.core.metrics import Present
from mailer.store.engine import Database
from mailer.store.metrics import Figures
from mailer.store.relay_answers import RelayAnswers
from mailer.store.tables import campaign_state, coupon, delivery_event, incident, pace, switch
from tests.store import rows
from tests.store.rows import NOW

QUIET = Present({}, 0, halted=False, senders=0, planned_at=None, incidents=0, oldest={}, shares={}, domains=0)
INCIDENT = {
    "title": "x",
    "planned": False,
    "opened_at": NOW,
    "services": [],
    "postal": [],
    "lists": [],
    "exclusions": [],
}


async def test_an_empty_database_has_its_figures(database: Database) -> None:
    figures = Figures(database)
    assert await figures.present(NOW) == QUIET
    counts = await figures.counts()
    assert (counts.deliveries, counts.events, counts.pools) == ({}, {}, {})


async def test_what_stands_now(database: Database) -> None:
    run = await rows.a_run(database, state="running")
    await rows.a_delivery(database, run, not_before=NOW - timedelta(hours=2))
    await rows.a_delivery(database, run, not_before=NOW - timedelta(hours=1))
    await rows.a_delivery(database, purpose="service", not_before=NOW + timedelta(hours=1))
    stopped = await rows.a_run(database, state="paused", reason="breaker: 50 of 60 attempts were refused")
    await rows.a_delivery(database, stopped, not_before=NOW - timedelta(days=1))
    await rows.a_run(database, state="paused", reason="by hand")
    await rows.a_run(database, state="finished")
    await rows.a_sender(database)
    await rows.a_sender(database, -1)
    await rows.put(
        database, campaign_state, name="a", first_seen_at=NOW, planned_at=NOW - timedelta(minutes=1)
    )
    await rows.put(database, campaign_state, name="b", first_seen_at=NOW)
    await rows.add(database, incident, state="investigating", **INCIDENT)
    await rows.add(database, incident, state="resolved", **INCIDENT)
    for key, share in (("relay r.example:25", 0.5), ("x.example", 0.25), ("y.example", 1.0)):
        await rows.put(database, pace, key=key, empty_at=0.0, share=share, slowed_at=9e9)
    found = await Figures(database).present(NOW)
    assert found == Present(
        {"running": 1, "queued": 1, "paused": 2},
        1,
        halted=False,
        senders=1,
        planned_at=NOW - timedelta(minutes=1),
        incidents=1,
        oldest={"commercial": NOW - timedelta(hours=2)},
        shares={"r.example:25": 0.5},
        domains=1,
    )


async def test_what_nobody_may_take_does_not_wait(database: Database) -> None:
    run = await rows.a_run(database, "birthday")
    await rows.a_delivery(database, run, not_before=NOW - timedelta(hours=2))
    figures = Figures(database)
    assert (await figures.present(NOW)).oldest == {"commercial": NOW - timedelta(hours=2)}
    await rows.put(database, campaign_state, name="birthday", first_seen_at=NOW, paused=True)
    assert (await figures.present(NOW)).oldest == {}
    other = await rows.a_run(database)
    await rows.a_delivery(database, other)
    await rows.put(database, switch, name="halt", at=NOW)
    found = await figures.present(NOW)
    assert (found.oldest, found.halted) == ({}, True)


async def test_what_is_counted(database: Database) -> None:
    run = await rows.a_run(database)
    first = await rows.a_delivery(database, run, state="sent")
    await rows.a_delivery(database, run, state="sent")
    await rows.a_delivery(database, run, state="skipped")
    await rows.a_delivery(database, purpose="service", state="in_doubt")
    common = {"kind": "pool", "created_at": NOW, "changed_at": NOW}
    for number, (pool, state) in enumerate((("p", "available"), ("p", "issued"), ("q", "redeemed"))):
        await rows.add(database, coupon, code=f"P{number}", pool=pool, state=state, **common)
    await rows.a_coupon(database, first)
    figures = Figures(database)
    counts = await figures.counts()
    assert counts.deliveries == {
        ("offer", "commercial", "sent"): 2,
        ("offer", "commercial", "skipped"): 1,
        ("offer", "service", "in_doubt"): 1,
    }
    assert counts.pools == {"p": 1, "q": 0}


async def test_events_are_counted_once_however_often_one_looks(database: Database) -> None:
    mail = await rows.a_delivery(database)
    figures = Figures(database)
    said = [
        ("clicked", {"by": "human"}), ("clicked", {"by": "machine"}), ("bounced", {"code": "5.1.1"}),
        ("opened", None), ("clicked", {"by": "human"}), ("settled", {"by": "hand"}),
    ]  # fmt: skip
    for kind, detail in said:
        await rows.add(database, delivery_event, delivery_id=mail, kind=kind, at=NOW, detail=detail)
        await figures.counts()
    for _again in range(3):
        counts = await figures.counts()
        assert counts.events == {
            ("clicked", "human"): 2, ("clicked", "machine"): 1, ("bounced", ""): 1, ("opened", ""): 1,
            ("settled", ""): 1,
        }  # fmt: skip


async def test_what_relays_answered_adds_up_over_senders(database: Database) -> None:
    answers = RelayAnswers(database)
    await answers.add({("r:25", "accepted"): 2, ("s:25", "away"): 1})
    await answers.add({("r:25", "accepted"): 3, ("r:25", "refused"): 1})
    found = await Figures(database).present(NOW)
    assert found.answers == {("r:25", "accepted"): 5, ("r:25", "refused"): 1, ("s:25", "away"): 1}
