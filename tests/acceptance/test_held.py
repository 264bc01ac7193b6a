"""Marketing to whom an outage affects waits until it is over, by the commands people have."""

from __future__ import annotations

from typing import Any

from tests.acceptance.conftest import OpenShop
from tests.acceptance.plays import (
    Play,
    both,
    do,
    look,
    people,
    played,
    rehearse,
    sent,
    shop_of,
    skipped,
    small,
)
from tests.acceptance.shop import Shop

BEFORE = "2027-03-23T06:55:00Z"
TEN = "2027-03-23T07:00:00Z"  # in the morning, in Istanbul
OFFER = "purpose: commercial\ntrigger: manual\n"


def opened(shop: OpenShop, **settings: Any) -> Shop:
    """A shop with an outage where `dark` lives, and an offer that was started."""
    here = small(shop("outage"), "outage")
    here.set(**settings)
    here.campaign("offer", OFFER)
    codes = {"dark": "34710", "lit": "06100"}
    here.customers(
        *({"id": name, "email": f"{name}@x.example", "postal_code": code, "consent": "yes"}
          for name, code in codes.items()),
        now="2027-03-01T00:00:00Z",
    )  # fmt: skip
    here.mailer("incidents", "open", "--title", "Kesinti", "--postal", "34710", now=BEFORE)
    return here


def offers(here: Shop) -> dict[str, tuple[str, str | None, str | None]]:
    rows = here.deliveries("--campaign", "offer")
    return {row["customer"]: (row["state"], row["reason"], row["sent_at"]) for row in rows}


def test_marketing_waits_for_the_end_of_an_outage_and_for_the_morning(shop: OpenShop) -> None:
    here = opened(shop, policy={"hold_affected": True})
    foretold = here.mailer("campaigns", "run", "offer", "--dry-run", "--json", now=TEN)
    assert [(row["agreed"], row["held"]) for row in foretold.rows] == [(2, 1)]
    assert "An incident affects 1 of them" in foretold.err
    here.mailer("campaigns", "run", "offer", now=TEN)
    window = ("--from", TEN, "--until", "2027-03-26T00:00:00Z", "--campaign", "offer")
    rehearsed = here.mailer("rehearse", "--json", *window, now=TEN).rows
    assert {row["customer"]: (row["at"], row["outcome"], row["reason"], row.get("waits")) for row in rehearsed} == {
        "lit": (TEN, "send", None, None),
        "dark": (TEN, "skip", "paused", "affected"),
    }  # fmt: skip

    said = here.run(TEN).err
    assert "An incident holds 1 mail to customers it affects (run 2)" in said
    assert offers(here) == {"lit": ("sent", None, TEN), "dark": ("queued", "affected", None)}
    assert {run["campaign"]: run["held"] for run in here.runs()} == {"outage": 0, "offer": 1}
    told = here.mailer("customers", "show", "dark", now=TEN)
    assert "waits until the incident that affects the customer is over" in told.out

    ticket = {
        "id": "t1",
        "customer": "dark",
        "name": "ticket.opened",
        "at": "2027-03-23T08:00:00Z",
        "properties": {},
    }
    here.events(ticket, now="2027-03-23T08:00:00Z")
    night = "2027-03-23T19:00:00Z"
    here.mailer("incidents", "resolve", "1", now=night)
    here.run(night)
    assert offers(here)["dark"] == ("queued", None, None), "it ended at ten in the evening"
    morning = "2027-03-24T06:00:00Z"
    here.run(morning)
    assert offers(here)["dark"] == ("sent", None, morning)
    assert here.mailer("incidents", "show", "1", "--json", now=morning).rows[0]["contacts"] == {
        "tickets": 1, "customers": 1, "affected": 1, "per_1000": 1000.0, "since": BEFORE,
        "until": "2027-03-24T19:00:00Z",
    }  # fmt: skip


def test_it_is_off_until_it_is_set(shop: OpenShop) -> None:
    here = opened(shop)
    here.mailer("campaigns", "run", "offer", now=TEN)
    here.run(TEN)
    assert offers(here) == {"lit": ("sent", None, TEN), "dark": ("sent", None, TEN)}


DAY = "2027-02-10"
AT_TEN = {"purpose": "commercial", "trigger": {"at": f"{DAY}T10:00"}}
TIMES = ("--starts", f"{DAY}T09:30", "--ends", f"{DAY}T10:30")
WORK = Play(
    [people("2027-01-01T00:00:00Z", {"id": "dark", "postal_code": "34710"}, {"id": "lit"}),
     do("2027-02-05T08:00:00Z", "incidents", "open", "--title", "Bakım", "--postal", "34710", *TIMES),
     rehearse("2027-02-06T00:00:00Z", "2027-02-11T00:00:00Z"),
     *look("2027-02-07T07:00:00Z", "2027-02-09T07:00:00Z", f"{DAY}T06:30:00Z", f"{DAY}T07:00:00Z",
           f"{DAY}T07:20:00Z", f"{DAY}T07:30:00Z")],
    [sent("outage", "1:1", "dark", "2027-02-07T07:00:00Z"), sent("outage", "1:2", "dark", "2027-02-09T07:00:00Z"),
     sent("letter", DAY, "lit", f"{DAY}T07:00:00Z"), sent("flash", DAY, "lit", f"{DAY}T07:00:00Z"),
     sent("letter", DAY, "dark", f"{DAY}T07:30:00Z"), skipped("flash", DAY, "dark", "expired")],
    stock=("outage",),
    own={"letter": AT_TEN, "flash": AT_TEN | {"ttl": "20m"}},
    settings={"policy": {"cap": {"day": 2, "week": 2}, "hold_affected": True}},
)  # fmt: skip


def test_work_holds_marketing_while_it_is_done_and_a_rehearsal_knows(shop: OpenShop) -> None:
    assert played(WORK, shop_of(WORK, shop)) == both(WORK)
