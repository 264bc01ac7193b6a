"""Which posts make the next issue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailer.core.post import LATE, MOST_POSTS, Post, is_link, new_posts, shown, unfit

DUE = datetime(2027, 3, 30, 7, tzinfo=UTC)
LAST = datetime(2027, 3, 23, 7, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"2027-{text}:00+00:00")


@pytest.mark.parametrize(
    ("at", "carried", "new"),
    [
        pytest.param(day("03-25T10:00"), (), True, id="since the last issue"),
        pytest.param(DUE, (), True, id="that very instant"),
        pytest.param(day("03-30T07:01"), (), False, id="after the cut"),
        pytest.param(day("03-20T10:00"), (), False, id="long ago"),
        pytest.param(LAST - LATE, (), False, id="a day before the last issue"),
        pytest.param(LAST - LATE + timedelta(microseconds=1), (), True, id="a moment later"),
        pytest.param(day("03-23T06:00"), (), True, id="dated before the last issue, shown only after it"),
        pytest.param(day("03-23T06:00"), ("p",), False, id="dated before the last issue, which had it"),
        pytest.param(day("03-29T06:00"), ("p",), False, id="changed since it was carried"),
        pytest.param(None, (), True, id="no date"),
        pytest.param(None, ("p",), False, id="no date, and carried"),
    ],
)
def test_what_is_new(at: datetime | None, carried: tuple[str, ...], new: bool) -> None:
    post = Post("p", "A", "https://k.example/", at=at)
    assert bool(new_posts([post], since=LAST, until=DUE, carried=carried)) == new


def test_newest_first_each_once_and_no_more_than_an_issue_holds() -> None:
    posts = [Post(f"{n}", f"{n}", "https://k.example/", at=day(f"03-24T{n % 24:02d}:00")) for n in range(24)]
    found = new_posts([*posts, *posts], since=None, until=DUE, carried=())
    assert [post["title"] for post in found] == [f"{n}" for n in range(23, -1, -1)]
    assert found[0]["at"] == "2027-03-24T23:00:00+00:00"
    many = [Post(f"{n}", f"{n}", "https://k.example/") for n in range(60)]
    found = new_posts(many, since=None, until=DUE, carried=())
    assert [post["title"] for post in found] == [f"{n}" for n in range(MOST_POSTS)]
    assert {post["at"] for post in found} == {DUE.isoformat()}


@pytest.mark.parametrize(
    "link",
    [
        "https://k.example",
        "http://k.example:8080/a?b#c",
        "HTTPS://K.EXAMPLE/",
        "http://[::1]/",
        "https://ş.example/ğ",
    ],
)
def test_links(link: str) -> None:
    assert is_link(link)


@pytest.mark.parametrize(
    ("post", "property_"),
    [
        ({"title": "A", "url": "https://k.example/a", "summary": ""}, None),
        ({"title": "A", "url": "https://k.example/a"}, None),
        ({"title": 2027, "url": "http://k.example/a"}, None),
        ({"url": "https://k.example/a"}, "title"),
        ({"title": " \u200b\n", "url": "https://k.example/a"}, "title"),
        ({"title": "A"}, "url"),
        ({"title": "A", "url": "javascript:alert(1)"}, "url"),
        ({"title": "A", "url": "/a"}, "url"),
    ],
)
def test_a_post_that_cannot_be_shown_is_left_out(post: dict[str, Any], property_: str | None) -> None:
    found = unfit(post)
    assert (found and found[0]) == property_


def test_each_text_of_a_post_is_one_line() -> None:
    assert shown({"title": "A\r\nBcc: b", "n": 2}) == {"title": "A Bcc: b", "n": 2}
