"""What is new for the next issue of a newsletter: since the last one that went out; and whether there will be one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from mailer.core.campaign import Campaign
from mailer.core.content import Content, FeedContent
from mailer.core.post import PUBLISHED, Post, new_posts, shown, unfit
from mailer.core.run import RunState

#: How long what a feed said is believed when only a look ahead asks.
BELIEVED = timedelta(minutes=5)


class PastPort(Protocol):
    """What the shop published, and what earlier issues carried."""

    async def posts(self, name: str, after: datetime | None, until: datetime) -> list[dict[str, Any]]: ...
    async def last_issue(self, campaign: str) -> datetime | None: ...
    async def carried(self, campaign: str) -> Collection[str]: ...


class FeedsPort(Protocol):
    """Feeds by the name a campaign file gives them."""

    async def posts(self, feed: str) -> Sequence[Post]: ...


class RunsPort(Protocol):
    """Runs as they were written down."""

    async def ids(self, campaign: str, occurrences: Sequence[str]) -> Mapping[str, tuple[int, RunState]]: ...


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


class Prospects:
    """Whether what falls due later will go out at all, as far as is known now: lower mails yield to no empty issue.

    Each question is answered once in a pass.
    """

    def __init__(self, book: RunsPort, past: PastPort, feeds: FeedsPort) -> None:
        self._book = book
        self._feeds = _Believed(feeds)
        self._issues = Issues(past, self._feeds)
        self._known: dict[tuple[str, str], bool] = {}

    def begin(self, now: datetime) -> None:
        """A pass begins: what was known before may have changed."""
        self._known.clear()
        self._feeds.begin(now)

    async def goes_out(self, campaign: Campaign, occurrence: str, due: datetime) -> bool:
        """Whether a run stands, or there is something for the issue that is due then."""
        asked = campaign.name, occurrence
        if asked not in self._known:
            self._known[asked] = await self._look(campaign, occurrence, due)
        return self._known[asked]

    async def _look(self, campaign: Campaign, occurrence: str, due: datetime) -> bool:
        standing = (await self._book.ids(campaign.name, [occurrence])).get(occurrence)
        if standing is not None:
            return standing[1] not in (RunState.CANCELLED, RunState.SKIPPED_EMPTY)
        if campaign.content is None:
            return True
        try:
            return bool(await self._issues.posts(campaign.name, campaign.content, due))
        except Exception:  # noqa: BLE001 - told when its turn comes; until then it may go out
            return True


class _Believed:
    """Feeds, asked again after a while: customers are planned for all day, and whoever publishes is asked little."""

    def __init__(self, feeds: FeedsPort) -> None:
        self._feeds = feeds
        self._said: dict[str, Sequence[Post]] = {}
        self._since: datetime | None = None

    def begin(self, now: datetime) -> None:
        if self._since is None or not timedelta() <= now - self._since < BELIEVED:
            self._said.clear()
            self._since = now

    async def posts(self, feed: str) -> Sequence[Post]:
        if feed not in self._said:
            self._said[feed] = await self._feeds.posts(feed)
        return self._said[feed]
