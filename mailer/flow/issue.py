"""What is new for the next issue of a newsletter, since the last one that went out; and what will go out at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from mailer.core.campaign import Campaign
from mailer.core.content import Content, FeedContent
from mailer.core.coupon import PoolCoupon, ReminderCoupon
from mailer.core.post import PUBLISHED, Post, new_posts, shown, unfit
from mailer.core.run import RunState

#: How long what a feed said is believed when only a look ahead asks.
BELIEVED = timedelta(minutes=5)


class PastPort(Protocol):
    """What the shop published, and what earlier issues carried."""

    async def posts(self, name: str, after: datetime | None, until: datetime) -> list[dict[str, Any]]: ...
    async def last_issue(self, campaign: str) -> datetime | None: ...
    async def carried(self, campaign: str) -> Collection[str]: ...


class StockPort(PastPort, Protocol):
    """And what codes there are to promise."""

    async def pool_empty(self, pool: str) -> bool: ...
    async def used(self, campaign: str) -> int: ...


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
    """Whether what falls due later will go out at all, as far as is known now.

    Lower mails yield to no empty issue, nor to a coupon there is no code for; should codes be loaded in time after
    all, the lower mail has the day. Each question is answered once in a pass.
    """

    def __init__(self, book: RunsPort, past: StockPort, feeds: FeedsPort) -> None:
        self._book = book
        self._stock = past
        self._feeds = _Believed(feeds)
        self._issues = Issues(past, self._feeds)
        self._known: dict[tuple[str, str], bool] = {}
        self._codes: dict[str, bool] = {}

    def begin(self, now: datetime) -> None:
        """A pass begins: what was known before may have changed."""
        self._known.clear()
        self._codes.clear()
        self._feeds.begin(now)

    async def goes_out(self, campaign: Campaign, occurrence: str, due: datetime) -> bool:
        """Whether a run stands, or there is something for the issue that is due then; and codes, if it gives any."""
        if not await self.has_codes(campaign):
            return False
        asked = campaign.name, occurrence
        if asked not in self._known:
            self._known[asked] = await self._look(campaign, occurrence, due)
        return self._known[asked]

    async def has_codes(self, campaign: Campaign) -> bool:
        """Whether its pool and its budget leave a code for one customer more, or it promises none."""
        if campaign.name not in self._codes:
            self._codes[campaign.name] = await self._count(campaign)
        return self._codes[campaign.name]

    async def _count(self, campaign: Campaign) -> bool:
        spec = campaign.coupon
        if spec is None or isinstance(spec, ReminderCoupon):
            return True
        if isinstance(spec, PoolCoupon) and await self._stock.pool_empty(spec.pool):
            return False
        return spec.budget is None or await self._stock.used(campaign.name) < spec.budget

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
