"""Consent, quiet hours and ends, as they stand at the moment a mail would leave."""

from __future__ import annotations

from typing import Any

from tests.acceptance.conftest import OpenShop, StartRelay


def event(key: str, customer: str, name: str, at: str, **properties: Any) -> dict[str, Any]:
    return {"id": key, "customer": customer, "name": name, "at": at, "properties": properties}


def told(rows: list[dict[str, Any]]) -> list[tuple[str, str, str, str | None]]:
    return sorted((row["campaign"], row["customer"], row["state"], row["reason"]) for row in rows)


def test_case_10_an_unsubscribe_in_the_last_half_minute(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop("birthday", "offer", "outage"), relay()
    here.relay(post.port)
    someone = {"consent": "yes", "locale": "tr", "postal_code": "34710"}
    here.customers(
        {"id": "gone", "email": "gone@x.example", "birthday": "--04-05", **someone},
        {"id": "left", "email": "left@x.example", **someone},
        {"id": "stays", "email": "stays@x.example", **someone},
        now="2027-01-01T00:00:00Z",
    )
    # The offer is written down the evening before and waits for the morning; the birthday is due at ten.
    here.mailer("campaigns", "run", "offer", now="2027-04-04T19:00:00Z")
    last = "2027-04-05T06:59:30Z"
    here.events(
        event("e1", "gone", "consent.revoked", last), event("e2", "left", "consent.revoked", last), now=last
    )
    here.run("2027-04-05T07:00:00Z")
    assert post.accepted == ["stays@x.example"]
    here.mailer("incidents", "open", "--title", "Kesinti", "--postal", "34710", now="2027-04-05T07:05:00Z")
    here.run("2027-04-05T07:05:00Z")
    assert told(here.deliveries()) == [
        ("birthday", "gone", "skipped", "unsubscribed"),
        ("offer", "gone", "skipped", "capped"),  # it yielded to the birthday when it was planned
        ("offer", "left", "skipped", "unsubscribed"),
        ("offer", "stays", "sent", None),
        ("outage", "gone", "sent", None),
        ("outage", "left", "sent", None),
        ("outage", "stays", "sent", None),
    ]
    coupons = here.mailer("coupons", "list", "--json").rows
    assert {row["customer"]: row["state"] for row in coupons if row["state"] != "released"} == {
        "stays": "issued"
    }


def test_cases_7_and_8_the_night_holds_a_reward_not_a_welcome_and_ends_a_flash_offer(
    shop: OpenShop, relay: StartRelay
) -> None:
    here, post = shop("welcome"), relay()
    here.relay(post.port)
    here.campaign(
        "reward", "purpose: commercial\ntrigger: {event: reward.due}\naudience: {consent: commercial}\n"
    )
    flash = "purpose: commercial\ntrigger: {event: flash.begun}\nends_at: 2027-04-03T08:00\n"
    here.campaign("flash", flash)
    here.customers(
        {"id": "1", "email": "one@x.example", "consent": "yes"},
        {"id": "2", "email": "two@x.example"},
        now="2027-04-01T00:00:00Z",
    )
    night = "2027-04-02T20:40:00Z"
    here.events(
        event("r1", "1", "reward.due", night),
        event("f1", "1", "flash.begun", "2027-04-02T19:00:00Z"),
        event("w1", "2", "consent.confirmed", night),
        now=night,
    )
    here.run(night)
    assert told(here.deliveries()) == [
        ("flash", "1", "expired", None),
        ("reward", "1", "queued", None),
        ("welcome", "2", "sent", None),
    ]
    here.run("2027-04-03T05:59:59Z")
    assert post.accepted == ["two@x.example"]
    here.run("2027-04-03T06:00:00Z")
    assert post.accepted == ["two@x.example", "one@x.example"]
    here.events(event("w2", "2", "consent.confirmed", "2027-04-04T10:00:00Z"), now="2027-04-04T10:00:00Z")
    here.run("2027-04-04T10:00:00Z")  # confirming twice earns no second code
    assert len(post.accepted) == 2
