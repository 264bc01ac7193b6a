"""Rehearsing through the command: what it prints, that it changes nothing, and that it cleans up behind itself."""

from __future__ import annotations

import hashlib
import signal
import time
from pathlib import Path

from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.shop import PATIENCE, Shop


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def opened(shop: OpenShop) -> Shop:
    here = shop("birthday", "newsletter", "offer")
    here.customers(
        {"id": "a", "email": "a@x.example", "birthday": "--05-10", "consent": "yes"},
        {"id": "b", "email": "b@x.example", "birthday": "--05-10", "consent": "no"},
        {
            "id": "c",
            "email": "c@x.example",
            "birthday": "--05-11",
            "consent": "yes",
            "timezone": "Asia/Tokyo",
        },
        now="2027-01-01T00:00:00Z",
    )
    return here


def test_a_rehearsal_says_what_sending_then_does_and_changes_nothing(
    shop: OpenShop, relay: StartRelay
) -> None:
    here, post = opened(shop), relay()
    here.relay(post.port)
    before = fingerprints(here.folder / "var")
    window = ("--from", "2027-05-10", "--until", "2027-05-12")
    answer = here.mailer("rehearse", *window, "--json")
    told = here.mailer("rehearse", *window)
    assert fingerprints(here.folder / "var") == before
    assert answer.rows == [
        {"at": "2027-05-10T07:00:00Z", "campaign": "birthday", "occurrence": "2027-05-10", "customer": "a",
         "outcome": "send", "reason": None},
        {"at": "2027-05-10T07:00:00Z", "campaign": "birthday", "occurrence": "2027-05-10", "customer": "b",
         "outcome": "skip", "reason": "no_consent"},
        {"at": "2027-05-11T01:00:00Z", "campaign": "birthday", "occurrence": "2027-05-11", "customer": "c",
         "outcome": "send", "reason": None},
    ]  # fmt: skip
    assert [line.split() for line in told.out.splitlines()] == [
        ["day", "campaign", "send", "skip", "why"],
        ["2027-05-10", "birthday", "1", "1", "no_consent", "1"],
        ["2027-05-11", "birthday", "1", "0"],
    ]
    assert "newsletter would have nothing new (2027-05-11)" in told.err
    assert "2 mails would go out, 1 would not." in told.err
    assert here.mailer("coupons", "list", "--json").rows == []
    for now in ("2027-05-10T07:00:00Z", "2027-05-11T01:00:00Z"):
        here.run(now)
    assert sorted(post.accepted) == ["a@x.example", "c@x.example"]
    again = here.mailer("rehearse", *window, "--json", "--campaign", "birthday")
    assert again.rows == answer.rows  # what has gone by now stands as it went


def test_what_cannot_be_rehearsed_is_said_in_one_sentence(shop: OpenShop) -> None:
    here = opened(shop)
    here.write("jobs/broken.yaml", "purpose: comercial\ntrigger: manual\n")
    window = ("--from", "2027-05-10", "--until", "2027-05-11")
    by_hand = here.mailer("rehearse", *window, "--campaign", "offer")
    assert "jobs/broken.yaml:1: purpose:" in by_hand.err
    assert by_hand.err.count("broken.yaml") == 1
    assert "offer is started by hand" in by_hand.err
    assert "Nothing falls due." in by_hand.err
    for words in (
        ("--from", "2027-05-11", "--until", "2027-05-10"),
        ("--from", "tomorrow", "--until", "2027-05-10"),
        (*window, "--campaign", "nobody"),
    ):
        answer = here.mailer("rehearse", *words, status=2)
        assert len([line for line in answer.err.splitlines() if "broken" not in line]) == 1


def test_a_rehearsal_that_is_told_to_end_leaves_nothing_behind(shop: OpenShop) -> None:
    here = opened(shop)
    place = here.folder / "tmp"
    place.mkdir()
    minutely = "purpose: service\ntrigger: {cron: '* * * * *'}\n"
    here.campaign("minutely", minutely)  # so that it takes its time
    running = here.start(
        "rehearse", "--from", "2027-01-01", "--until", "2028-01-01", env={"TMPDIR": str(place)}
    )
    end = time.monotonic() + PATIENCE
    while not any(place.iterdir()):
        assert not running.over()
        assert time.monotonic() < end
        time.sleep(0.01)
    running.signal(signal.SIGTERM)
    running.end(143)
    assert list(place.iterdir()) == []
