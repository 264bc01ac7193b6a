"""A running shop and those who get its mails: a scanner, a person, and somebody who leaves in the middle of a run."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sqlite3
import time
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from mailer.core.token import Keyring, sign
from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.plays import event
from tests.acceptance.shop import PATIENCE, Shop, wait_until
from tests.core.test_tracking import CHROME

KEY = "a-key-for-these-tests"
NOW = "2027-05-10T09:00:00Z"
WEEK_BEFORE = "2027-05-03T08:00:00Z"
LONG_AGO = "2026-01-05T08:00:00Z"


def open_web(here: Shop) -> str:
    """Give the shop an address on this machine that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    here.set(listen=address, public_url=f"http://{address}", secret_key=KEY)
    return f"http://{address}"


def answers(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/health", timeout=2).status_code == 200
    return False


def asked(folder: Path, question: str) -> list[tuple[Any, ...]]:
    """What the database of a shop says."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/var/mailer.db?mode=ro", uri=True)) as database:
        return database.execute(question).fetchall()


async def scan(links: list[str]) -> dict[str, set[int]]:
    """As mail gateways do: every link at once, its head and all of it; they say they are browsers."""
    async with httpx.AsyncClient(headers={"user-agent": CHROME}, timeout=20) as client:
        heads = await asyncio.gather(*(client.head(link) for link in links))
        pages = await asyncio.gather(*(client.get(link) for link in links))
    return {
        link: {head.status_code, page.status_code}
        for link, head, page in zip(links, heads, pages, strict=True)
    }


def clicks(here: Shop) -> list[tuple[str, str]]:
    found = asked(
        here.folder, "select detail ->> 'by', detail ->> 'why' from delivery_event where kind = 'clicked'"
    )
    return [(str(by), str(why)) for by, why in found]


def test_a_scanner_that_follows_every_link_changes_nothing(shop: OpenShop, relay: StartRelay) -> None:
    post = relay()
    here = shop("referral")
    here.relay(post.port)
    address = open_web(here)
    here.customers({"id": "a", "email": "ayse@x.example", "locale": "tr", "consent": "yes"}, now=WEEK_BEFORE)
    orders = [
        event(f"o{n}", "a", "order.placed", f"2027-04-0{n}T08:00:00Z", order=f"A{n}", net=90) for n in (1, 2)
    ]
    arrived = event("d", "a", "order.delivered", "2027-05-03T08:30:00Z", order="A2")
    here.events(*orders, arrived, now="2027-05-03T09:00:00Z")
    running = here.start("up", now=NOW)
    wait_until(lambda: answers(address))
    post.wait_for_dots(1, running)
    wait_until(post.mails)  # kept after it was noted
    (mail,) = post.mails()
    html, text = (mail.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert text is not None
    body = html.get_content() + text.get_content() + str(mail["List-Unsubscribe"])
    links = sorted({unescape(link) for link in re.findall(rf"{address}/[a-z]/[\w.-]+", body)})
    assert {link.removeprefix(address)[1] for link in links} == {"c", "p", "s", "u"}

    before = {table: asked(here.folder, f"select * from {table}") for table in STATE}
    statuses = asyncio.run(scan(links))
    assert {link.removeprefix(address)[1]: status for link, status in statuses.items()} == {
        "c": {302}, "p": {200}, "s": {200}, "u": {200}
    }  # fmt: skip
    followed = [link for link in links if "/c/" in link]
    wait_until(lambda: len(clicks(here)) == 2 * len(followed))
    assert {by for by, _why in clicks(here)} == {"machine"}
    assert {why for _by, why in clicks(here)} == {"head", "haste"}
    assert {table: asked(here.folder, f"select * from {table}") for table in STATE} == before

    # A person: one link, and the buttons.
    headers = {"user-agent": CHROME}
    assert httpx.get(followed[0], headers=headers).headers["location"].startswith("https://kardelen.example/")
    survey, leave = (next(link for link in links if f"/{kind}/" in link) for kind in "su")
    assert httpx.post(survey, data={"score": "9"}, headers=headers).status_code == 200
    assert httpx.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    wait_until(lambda: len(clicks(here)) == 2 * len(followed) + 1)
    assert clicks(here)[-1][0] == "human"
    said = asked(
        here.folder, "select name, properties ->> 'score' from customer_event where name like 'survey%'"
    )
    assert said == [("survey.answered", 9)]
    assert asked(here.folder, "select consent from customer") == [("no",)]
    running.signal(15)
    running.end()


STATE = ("customer", "customer_event", "consent_entry", "suppression")


def test_nothing_starts_for_somebody_who_left_in_the_middle_of_a_run(
    shop: OpenShop, relay: StartRelay
) -> None:
    count, leaving = 200, 10
    post = relay({"dot": "wait 0.02|250 2.0.0 kept"})
    here = shop("offer")
    here.relay(post.port, connections=4)
    here.set(policy={"quiet_hours": ""}, sender={"processes": 2, "claim_size": 40})
    address = open_web(here)
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(count)),
        now=LONG_AGO,
    )
    running = here.start("up")
    wait_until(lambda: answers(address))
    here.mailer("campaigns", "run", "offer", "--confirm", str(count))
    post.wait_for_dots(count // 2, running)

    waiting = asked(
        here.folder,
        "select id, customer_id, email from delivery where state in ('queued', 'sending') order by id desc",
    )
    chosen = [*waiting[:leaving], *waiting[-leaving:]]  # the last, and those that are about to leave
    keys = Keyring.single(KEY)

    async def leave() -> dict[str, float]:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:

            async def one(delivery: int, who: int, email: str) -> tuple[str, float]:
                answer = await client.post(f"{address}/u/{sign(keys, 'unsubscribe', [delivery, who, email])}")
                assert answer.status_code == 200
                return email, time.time()

            return dict(await asyncio.gather(*(one(*each) for each in chosen)))

    left = asyncio.run(leave())
    assert len(left) >= leaving
    wait_until(
        lambda: (
            not asked(here.folder, "select 1 from delivery where state in ('queued', 'sending', 'deferred')")
        )
    )
    running.signal(15)
    running.end()

    begun = {note["recipient"]: note["at"] for note in post.notes if note["phase"] == "data"}
    assert [email for email, at in left.items() if begun.get(email, 0.0) > at] == []
    skipped = {row["address"] for row in here.deliveries() if row["reason"] == "unsubscribed"}
    assert skipped == set(left) - set(post.accepted)
    assert len(skipped) >= leaving
    assert len(post.accepted) == count - len(skipped)
