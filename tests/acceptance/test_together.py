"""Two of everything at once: one mail each all the same."""

from __future__ import annotations

from collections import Counter

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import balanced

COUNT = 300


def test_two_runs_started_together_are_one(shop: OpenShop, relay: StartRelay, database_url: str) -> None:
    here, post = shop(database_url=database_url, fresh=True), relay()
    here.relay(post.port, connections=4)
    here.campaign("morning", 'purpose: commercial\ntrigger: {cron: "0 10 * * *"}\n')
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(COUNT)),
        now="2027-01-14T12:00:00Z",
    )
    both = [here.start("run", "--until-idle", now="2027-01-15T07:00:00Z") for _ in range(2)]
    for each in both:
        each.end()
    assert Counter(post.accepted) == {f"c{n}@x.example": 1 for n in range(COUNT)}
    assert len({note["message_id"] for note in post.dots}) == COUNT
    runs = here.runs()
    assert sorted((run["campaign"], run["occurrence"], run["state"], run["sent"]) for run in runs) == [
        ("morning", "2027-01-15", "finished", COUNT),
    ]
    assert all(balanced(run) for run in runs)
