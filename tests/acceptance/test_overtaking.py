"""Case 17 in small: an outage overtakes a newsletter that is being sent, and the newsletter completes all the same."""

from __future__ import annotations

from collections import Counter

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.plays import event, small
from tests.acceptance.shop import Shop, balanced

READERS, AFFECTED = 1_000, 210
TUESDAY = "2027-03-23T07:00:00Z"
FIRST_BEHIND = 5 * 125  # mails: what leaves in five seconds


def opened(shop: OpenShop, port: int) -> Shop:
    here = small(shop("newsletter", "outage"), "outage")
    here.relay(port, connections=5)
    readers = ({"id": f"n{n}", "email": f"n{n}@x.example", "consent": "yes"} for n in range(READERS))
    # Some of them are readers too.
    affected = (
        {
            "id": f"i{n}",
            "email": f"i{n}@x.example",
            "postal_code": "34710",
            "consent": "yes" if n % 3 == 0 else "",
        }
        for n in range(AFFECTED)
    )
    here.customers(*readers, *affected, now="2027-03-01T00:00:00Z")
    post = {"title": "Keten", "url": "https://k.example/keten", "summary": "Kısaca."}
    here.events(
        event("p", None, "post.published", "2027-03-22T09:00:00Z", **post), now="2027-03-22T10:00:00Z"
    )
    return here


def test_case_17_an_outage_overtakes_a_newsletter(shop: OpenShop, relay: StartRelay) -> None:
    post = relay({"dot": "wait 0.04|250 2.0.0 kept", "pause_after": 50})
    here = opened(shop, post.port)
    running = here.start("run", "--until-idle", now=TUESDAY, before=("/usr/bin/env",))  # the console script
    post.wait_for_dots(55, running)  # all connections wait for its word
    here.mailer("incidents", "open", "--title", "Kesinti", "--postal", "34710", now=TUESDAY)
    post.tell()
    running.end()

    dots = post.dots
    urgent = [place for place, note in enumerate(dots) if "<incident." in note["message_id"]]
    assert urgent[0] - 55 < FIRST_BEHIND
    assert len(dots) - urgent[-1] > 100  # the newsletter went on afterwards
    between = urgent[-1] - urgent[0] + 1 - len(urgent)
    assert between < len(urgent)  # and stood aside meanwhile, but for what was on its way
    told = Counter((note["recipient"], "<incident." in note["message_id"]) for note in dots)
    assert set(told.values()) == {1}
    assert len({note["message_id"] for note in dots}) == len(dots) == READERS + AFFECTED + AFFECTED // 3
    runs = {run["campaign"]: run for run in here.runs()}
    assert all(balanced(run) and run["state"] == "finished" for run in runs.values())
    assert (runs["newsletter"]["sent"], runs["outage"]["sent"]) == (READERS + AFFECTED // 3, AFFECTED)
