"""Feeds by the name a campaign file gives them: an address, or a file below jobs_dir."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from mailer.core.post import Post, is_link
from mailer.errors import FeedFault
from mailer.feed import document
from mailer.feed.web import MOST_BYTES, fetch


class Feeds:
    """Reads feeds as they are now."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def posts(self, feed: str) -> Sequence[Post]:
        """The posts of a feed, in its own order.

        Raises:
            FeedFault: it cannot be had, or cannot be read.
        """
        try:
            if is_link(feed):
                data, base = await fetch(feed)
            else:
                data, base = await asyncio.to_thread(self._file, feed), ""
            return await asyncio.to_thread(document.read, data, base)
        except FeedFault as fault:
            raise FeedFault(fault.message, feed, fault.line) from None
        except Exception as fault:  # noqa: BLE001 - whatever anybody publishes, it costs this issue and no other mail
            raise FeedFault(f"the feed cannot be read ({type(fault).__name__}: {fault})", feed) from None

    def _file(self, name: str) -> bytes:
        root = self._folder.resolve()
        place = (root / name).resolve()
        if not place.is_relative_to(root):
            raise FeedFault("this leads out of jobs_dir; keep the feed below it")
        if not place.is_file():
            raise FeedFault("there is no such file below jobs_dir")
        try:
            with place.open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
        except OSError as error:
            raise FeedFault(f"the file cannot be read: {error.strerror}") from None
        if len(data) > MOST_BYTES:
            raise FeedFault(f"it is larger than {MOST_BYTES // 1_000_000} MB")
        return data


class KeptFeeds(Feeds):
    """The same while time stands still: each feed is fetched once, a faulty one too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._kept: dict[str, Sequence[Post] | FeedFault] = {}

    async def posts(self, feed: str) -> Sequence[Post]:
        """The posts of a feed; see `Feeds.posts`."""
        if feed not in self._kept:
            try:
                self._kept[feed] = await super().posts(feed)
            except FeedFault as fault:
                self._kept[feed] = fault
        kept = self._kept[feed]
        if isinstance(kept, FeedFault):
            raise FeedFault(kept.message, kept.file, kept.line)
        return kept
