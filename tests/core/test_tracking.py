"""Who asked: people, machines, and those of whom nobody can tell."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.event import By, EventKind
from mailer.core.tracking import LOOKED, WINDOW, Hit, Judged, Why, in_haste, judge, sign_of
from mailer.files.agents import is_crawler

AT = datetime(2027, 5, 10, 7, tzinfo=UTC)
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
_ids = count()


def hit(
    seen: float = 0,
    url: str = "https://a.example/",
    kind: str = EventKind.CLICKED,
    mail: int = 1,
    **more: str,
) -> Hit:
    return Hit(f"h{next(_ids)}", kind, mail, AT, seen, url, **more)


@pytest.mark.parametrize(
    ("agent", "kind", "by"),
    [
        (CHROME, "clicked", By.HUMAN),
        (IPHONE, "clicked", By.HUMAN),
        (IPHONE, "opened", By.HUMAN),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.5", "opened", By.HUMAN),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0)", "opened", By.HUMAN),
        ("Mozilla/5.0", "opened", By.MACHINE),  # Apple's Mail Privacy Protection
        (
            "Mozilla/5.0 (Windows NT 5.1) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "opened",
            By.MACHINE,
        ),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "opened", By.MACHINE),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "clicked", By.MACHINE),
        ("curl/8.11", "clicked", By.MACHINE),
        ("python-requests/2.32", "clicked", By.MACHINE),
        ("Barracuda Sentinel (EE)", "clicked", By.MACHINE),
        (f"{CHROME} HeadlessChrome/131", "clicked", By.MACHINE),
        ("", "clicked", By.UNKNOWN),
        ("Mozilla/5.0", "clicked", By.UNKNOWN),
        ("My own reader", "opened", By.UNKNOWN),
        ("\x00\xff" * 100, "clicked", By.UNKNOWN),
    ],
)
def test_programs_say_who_they_are(agent: str, kind: str, by: By) -> None:
    assert judge(hit(kind=kind, agent=agent), is_crawler).by is by


@pytest.mark.parametrize(
    ("method", "purpose", "network", "sign"),
    [
        ("GET", "", False, ""),
        ("HEAD", "", False, Why.HEAD),
        ("GET", "prefetch;prerender", False, Why.PREFETCH),
        ("GET", " preview", False, Why.PREFETCH),
        ("GET", "", True, Why.NETWORK),
    ],
)
def test_some_give_themselves_away_at_once(method: str, purpose: str, network: bool, sign: str) -> None:
    assert sign_of(method, purpose, of_a_machine=network) == sign
    judged = judge(hit(agent=CHROME, sign=sign), is_crawler)
    assert judged == (Judged(By.MACHINE, Why(sign)) if sign else Judged(By.HUMAN))


@pytest.mark.parametrize(
    ("clicks", "hasty"),
    [
        ([(0, "a")], 0),
        ([(0, "a"), (0.2, "a"), (0.4, "a")], 0),  # one link, pressed again and again
        ([(0, "a"), (2.2, "b")], 0),
        ([(0, "a"), (2, "b")], 2),
        ([(0, "a"), (1.9, "b")], 2),  # a mail with two links, and no more
        ([(0, "a"), (1.4, "b"), (2.9, "c")], 3),
        ([(0, "a"), (2.2, "b"), (4.4, "c")], 0),
        ([(0, "a"), (60, "b"), (60.1, "c")], 2),  # the person before the scanner
    ],
)
def test_nobody_follows_the_links_of_a_mail_so_fast(clicks: list[tuple[float, str]], hasty: int) -> None:
    hits = [hit(seen, url) for seen, url in clicks]
    assert len(in_haste(reversed(hits))) == hasty
    assert len(in_haste([*hits, *(hit(seen, f"{url}!", mail=9) for seen, url in clicks[:1])])) == hasty


@pytest.mark.parametrize("urls", ["a", "ab"])
def test_a_link_asked_for_in_a_loop_costs_a_step_each_time(urls: str) -> None:
    hits = [hit(number / 1e5, urls[number % len(urls)]) for number in range(100_000)]
    begun = time.process_time()
    assert len(in_haste(hits)) == (0 if len(urls) == 1 else len(hits))
    assert time.process_time() - begun < 5  # each looked at again for each: hours


def test_whoever_asked_for_the_head_of_a_link_is_known_when_it_comes_for_the_rest() -> None:
    head, click, later = (
        replace(hit(0, agent=CHROME), sign=Why.HEAD),
        hit(0.4, agent=CHROME),
        hit(9, agent=CHROME),
    )
    hasty = in_haste([head, click, later])
    assert judge(click, is_crawler, hasty) == Judged(By.MACHINE, Why.HASTE)
    assert judge(later, is_crawler, hasty) == Judged(By.HUMAN)
    hovered = replace(head, sign=Why.PREFETCH)  # the browser, and then the person before it
    assert in_haste([hovered, click]) == set()


def test_a_look_at_a_page_of_ours_counts_for_haste() -> None:
    click, look = hit(0, agent=CHROME), hit(0.3, "unsubscribe", LOOKED)
    hasty = in_haste([click, look])
    assert judge(click, is_crawler, hasty) == Judged(By.MACHINE, Why.HASTE)
    picture = hit(0.1, "", EventKind.OPENED, agent=CHROME)
    assert in_haste([click, picture]) == set()


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from("abc"), st.integers(1, 2)), max_size=12))
def test_what_is_further_away_than_the_window_changes_nothing(clicks: list[tuple[float, str, int]]) -> None:
    hits = [hit(seen, url, mail=mail) for seen, url, mail in clicks]
    whole = in_haste(hits)
    for each in hits:
        near = [
            other for other in hits
            if other.delivery_id == each.delivery_id and abs(other.seen - each.seen) <= WINDOW
        ]  # fmt: skip
        assert (each.id in in_haste(near)) == (each.id in whole)
