"""What is new for the next issue of a newsletter: since the last one that went out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Protocol

from mailer.core.content import Content, FeedContent
from mailer.core.post import PUBLISHED, Post, new_posts, shown, unfit


class PastPort(Protocol):
    """What the shop published, and what earlier issues carried."""

    async def posts(self, name: str, after: datetime | None, until: datetime) -> list[dict[str, Any]]: ...
    async def last_issue(self, campaign: str) -> datetime | None: ...
    async def carried(self, campaign: str) -> Collection[str]: ...


class FeedsPort(Protocol):
    """Feeds by the name a campaign file gives them."""

    async def posts(self, feed: str) -> Sequence[Post]: ...


class Issues:
    """Makes issues."""

    def __init__(self, past: PastPort, feeds: FeedsPort) -> None:
        self._past = past
        self._feeds = feeds

    async def posts(self, campaign: str, content: Content, due: datetime) -> list[dict[str, Any]]:
        """The posts of the issue that is due then, newest first; none: there is nothing new.

        Raises:
            FeedFault: its feed cannot be read now.
        """
        since, carried = await self._past.last_issue(campaign), await self._past.carried(campaign)
        if isinstance(content, FeedContent):
            posts = await self._feeds.posts(content.feed)
            return new_posts(posts, since=since, until=due, carried=carried)
        found = await self._past.posts(content.events, since, due)
        return [
            {**shown(post), "at": post["at"].isoformat()}
            for post in found
            if post["id"] not in carried and not (content.events == PUBLISHED and unfit(post))
        ]
