"""A post as a feed has it, and which posts make the next issue of a newsletter."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

MOST_POSTS = 50  # of one issue, as with events
MOST_LINK = 2_000  # characters
MOST_TEXT = 10_000  # characters of a post's title, summary and whatever else an event tells of it

#: The event by which a shop says that something was published.
PUBLISHED = "post.published"

#: A feed may be served from a cache: what it dates before the last issue, and shows only after, is still news.
LATE = timedelta(days=1)

#: The same of posts that come as events: stored after the last issue, they are still news for so long after their date.
#: An archive of years, imported one day, is none.
LATE_EVENT = timedelta(days=31)

_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_INVISIBLE = re.compile(
    "[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)  # hide or turn round text
_LINK = re.compile(
    r"https?://(?:[^\s\x00-\x20\x7f/?#@:\\\[\]\"<>]+|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:[/?#][^\s\x00-\x20\x7f\"<>\\]*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Post:
    """Something that was published."""

    id: str  # what the feed calls it: the same for good
    title: str  # one line
    url: str  # http or https
    summary: str = ""  # one line
    at: datetime | None = None  # when it was published, in UTC; none: the feed does not say


def is_link(text: str) -> bool:
    """Whether a text is an http or https address, without a name or a password in it (RFC 3986 §3.2.1)."""
    return len(text) <= MOST_LINK and _LINK.fullmatch(text) is not None


def one_line(text: str, most: int) -> str:
    """Text as one line of at most `most` characters, without controls and without what is not seen."""
    line = " ".join(_INVISIBLE.sub("", _BREAKS.sub(" ", text)).split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def unfit(post: Mapping[str, Any]) -> tuple[str, str] | None:
    """Which property of a `post.published` keeps it out of every issue, and why; None: an issue can carry it.

    One post that cannot be shown would keep the whole issue from everybody.
    """
    if not one_line(str(post.get("title") or ""), MOST_LINK):
        return "title", "The post has no title; newsletters leave it out."
    if not is_link(str(post.get("url") or "")):
        return (
            "url",
            "The post has no address that begins with http:// or https://; newsletters leave it out.",
        )
    return None


def shown(post: Mapping[str, Any]) -> dict[str, Any]:
    """A post as an issue carries it: each of its texts on one line, since a subject has but one."""
    return {
        name: one_line(value, MOST_TEXT) if isinstance(value, str) else value for name, value in post.items()
    }


def new_posts(
    posts: Iterable[Post], *, since: datetime | None, until: datetime, carried: Collection[str]
) -> list[dict[str, Any]]:
    """What a run keeps of the posts no issue has carried, newest first.

    `since` is when the last issue was due, `until` when this one is, `carried` the ids of earlier issues. What the
    feed does not date is new unless it was carried.
    """
    found: dict[str, Post] = {}
    for post in posts:
        dated = post.at is None or ((since is None or post.at > since - LATE) and post.at <= until)
        if dated and post.id not in carried:
            found.setdefault(post.id, post)
    newest = sorted(found.values(), key=lambda post: post.at or until, reverse=True)
    return [
        {
            "id": post.id,
            "title": post.title,
            "url": post.url,
            "summary": post.summary,
            "at": (post.at or until).isoformat(),
        }
        for post in newest[:MOST_POSTS]
    ]
