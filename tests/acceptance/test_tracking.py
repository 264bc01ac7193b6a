"""A running shop and those who get its mails: a scanner, a person, and somebody who leaves in the middle of a run."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import psycopg
import pytest

from mailer.core.token import Keyring, sign
from tests import ports
from tests.acceptance.conftest import OpenShop, StartRelay
from tests.acceptance.plays import event
from tests.acceptance.shop import PATIENCE, Shop, wait_until
from tests.core.test_tracking import CHROME

KEY = "a-key-for-these-tests-and-no-others"
NOW = "2027-05-10T09:00:00Z"
WEEK_BEFORE = "2027-05-03T08:00:00Z"
LONG_AGO = "2026-01-05T08:00:00Z"


@pytest.fixture
def port() -> Iterator[int]:
    with ports.held() as number:
        yield number


def open_web(here: Shop, port: int) -> str:
    """Give the shop an address on this machine."""
    address = f"127.0.0.1:{port}"
    here.set(listen=address, public_url=f"http://{address}", secret_key=KEY)
    return f"http://{address}"


def answers(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{address}/health", timeout=2).status_code == 200
    return False


def asked(here: Shop, question: str) -> list[tuple[Any, ...]]:
    """What the database of a shop says."""
    url = here.settings.get("database_url", "")
    if url.startswith("postgresql"):
        with psycopg.connect(url) as post:
            return post.execute(question.encode()).fetchall()
    file = url.removeprefix("sqlite:///") or f"{here.folder}/var/mailer.db"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as lite:
        return lite.execute(question).fetchall()


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
    found = asked(here, "select detail ->> 'by', detail ->> 'why' from delivery_event where kind = 'clicked'")
    return [(str(by), str(why)) for by, why in found]


def test_a_scanner_that_follows_every_link_changes_nothing(
    shop: OpenShop, relay: StartRelay, database_url: str, port: int
) -> None:
    post = relay()
    here = shop("referral", database_url=database_url)
    here.relay(post.port)
    address = open_web(here, port)
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

    before = {table: asked(here, f"select * from {table}") for table in STATE}
    assert before["customer"]
    assert before["customer_event"]
    statuses = asyncio.run(scan(links))
    assert {link.removeprefix(address)[1]: status for link, status in statuses.items()} == {
        "c": {302}, "p": {200}, "s": {200}, "u": {200}
    }  # fmt: skip
    followed = [link for link in links if "/c/" in link]
    wait_until(lambda: len(clicks(here)) == 2 * len(followed))
    assert {by for by, _why in clicks(here)} == {"machine"}
    assert {why for _by, why in clicks(here)} == {"head", "haste"}
    # Counted apart from people.
    [told] = here.mailer("report", "referral", "--json").rows
    assert (told["clicked_human"], told["clicked_machine"], told["unsubscribed"]) == (0, 1, 0)
    assert {table: asked(here, f"select * from {table}") for table in STATE} == before

    # A person: one link, and the buttons.
    headers = {"user-agent": CHROME}
    assert httpx.get(followed[0], headers=headers).headers["location"].startswith("https://kardelen.example/")
    survey, leave = (next(link for link in links if f"/{kind}/" in link) for kind in "su")
    assert httpx.post(survey, data={"score": "9"}, headers=headers).status_code == 200
    assert httpx.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    wait_until(lambda: len(clicks(here)) == 2 * len(followed) + 1)
    assert clicks(here)[-1][0] == "human"
    said = asked(here, "select name, properties ->> 'score' from customer_event where name like 'survey%'")
    assert [(name, int(score)) for name, score in said] == [("survey.answered", 9)]
    assert asked(here, "select consent from customer") == [("no",)]
    running.signal(15)
    running.end()


STATE = ("customer", "customer_event", "consent_entry", "suppression")


LETTER = "purpose: commercial\ntrigger: manual\naudience: {all: [{consent: commercial}]}\n"


def test_nothing_starts_for_somebody_who_left_in_the_middle_of_a_run(
    shop: OpenShop, relay: StartRelay, database_url: str, port: int
) -> None:
    count, leaving = 80, 10
    post = relay({"mail": "wait 0.1|250 ok", "dot": "wait 0.02|250 2.0.0 kept", "pause_after": 80})
    here = shop("offer", database_url=database_url)
    here.campaign("letter", LETTER, subject="Letter", body="Merhaba! {{ links.unsubscribe }}")
    here.relay(post.port, connections=4)
    here.set(
        policy={"quiet_hours": "", "cap": {"day": 9, "week": 9}}, sender={"processes": 2, "claim_size": 20}
    )
    address = open_web(here, port)
    here.customers(
        *({"id": f"c{n}", "email": f"c{n}@x.example", "consent": "yes"} for n in range(count)),
        now=LONG_AGO,
    )
    running = here.start("up")
    wait_until(lambda: answers(address))
    for campaign in ("offer", "letter"):
        here.mailer("campaigns", "run", campaign, "--confirm", str(count))
    post.wait_for_dots(count, running)  # half of all; the rest waits for the relay's word

    waiting = asked(
        here,
        "select id, customer_id, email from delivery where state in ('queued', 'sending') order by state desc, id",
    )
    assert len(waiting) >= 2 * leaving
    chosen = {
        each[2]: each for each in (*waiting[:leaving], *waiting[-leaving:])
    }  # those about to leave, and the last
    keys, left = Keyring.single(KEY), dict[str, float]()
    told: list[float] = []

    async def leave() -> None:
        async with httpx.AsyncClient(timeout=PATIENCE) as client:

            async def one(number: int, delivery: int, who: int, email: str) -> None:
                await asyncio.sleep(number * 0.02)  # while others leave, some have left
                answer = await client.post(f"{address}/u/{sign(keys, 'unsubscribe', [delivery, who, email])}")
                assert answer.status_code == 200
                left[email] = time.time()
                if len(left) == len(chosen) - 5:  # the run goes on while the last ones leave
                    told.append(time.time())
                    post.tell()

            await asyncio.gather(*(one(n, *each) for n, each in enumerate(chosen.values())))

    asyncio.run(leave())
    assert len(left) >= leaving
    wait_until(
        lambda: not asked(here, "select 1 from delivery where state in ('queued', 'sending', 'deferred')")
    )
    running.signal(15)
    running.end()

    # DATA was not said to a relay that took the recipient when they had left: it may have been read later.
    begun, taken = list[tuple[str, float]](), dict[str, float]()
    for note in post.notes:
        if note["phase"] == "rcpt":
            taken[note["recipient"]] = note["at"]
        elif note["phase"] == "data":
            begun.append((note["recipient"], taken[note["recipient"]]))
    assert [email for email, at in begun if email in left and at > left[email]] == []
    # The run went on afterwards, with mails to the same people before they left and to others after it.
    assert len([email for email, at in begun if at > told[0]]) >= leaving
    assert {email for email, _at in begun} & set(left)
    rows = here.deliveries()
    skipped = [row for row in rows if row["reason"] == "unsubscribed"]
    assert {row["address"] for row in skipped} <= set(left)
    assert len(skipped) >= leaving
    assert {row["state"] for row in rows if row not in skipped} == {"sent"}
    assert len(post.accepted) == len(rows) - len(skipped) == 2 * count - len(skipped)
