"""Clicks and openings, wired: how links are made, who notes what comes back, who books it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from mailer.app.base import seconds
from mailer.app.returning import Returning
from mailer.core.links import LinkMaker, Wanted
from mailer.core.metrics import Waiting
from mailer.core.tracking import APPLE
from mailer.files import spool
from mailer.flow.answers import Answers
from mailer.flow.replay import PartPort, Replay
from mailer.flow.trail import Trail
from mailer.store.answers import AnswerBook
from mailer.store.hits import Hits

_MB = 1_000_000


class Shelf:
    """The spool of this machine, as whoever takes it in sees it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def parts(self, most: int) -> list[spool.Part]:
        """The oldest stretches that are whole."""
        return spool.parts(self._folder, most)

    def remove(self, part: PartPort) -> None:
        """It stands in the database."""
        if isinstance(part, spool.Part):
            part.path.unlink(missing_ok=True)

    def waiting(self) -> Waiting:
        """What waits."""
        return Waiting(*spool.waiting(self._folder))

    def turn(self) -> contextlib.AbstractContextManager[bool]:
        """Whether it is our turn."""
        return spool.turn(self._folder)


class Trailing(Returning):
    """Links out, clicks back."""

    @cached_property
    def link_maker(self) -> LinkMaker:
        """Makes tracked links."""
        said = self.settings.tracking
        wanted = Wanted(said.clicks, said.opens, said.utm, said.opt_in)
        return LinkMaker(self.keys, self.settings.public_url, wanted)

    @cached_property
    def trail(self) -> Trail:
        """Notes who followed a link."""
        most = self.settings.tracking.spool * _MB
        own = spool.Spool(self._spool, seconds, most)
        return Trail(self.keys, own, self.clock, seconds, self.tell)

    @cached_property
    def replay(self) -> Replay:
        """Books what was noted on this machine."""
        from mailer.files.agents import is_crawler  # noqa: PLC0415 (time and memory that no sender should pay)

        return Replay(self.shelf, Hits(self.db), is_crawler, seconds, self.tell)

    @cached_property
    def answers(self) -> Answers:
        """Writes down what the pages of mails are told."""
        return Answers(self.keys, AnswerBook(self.db, self.rules.zone), self.clock)

    def topics(self, language: str) -> dict[str, str]:
        """What customers may choose among, and what it is called in a language."""
        own = {
            name: title if isinstance(title, str) else title.get(language) or next(iter(title.values()))
            for name, title in self.settings.topics.items()
        }
        used = sorted({each.topic for each in self.campaigns.values() if each.enabled and each.topic})
        return own | {topic: topic for topic in used if topic not in own}

    @property
    def machines(self) -> Sequence[str]:
        """Networks whose requests are those of machines."""
        return (*APPLE, *self.settings.tracking.machines)

    @property
    def shelf(self) -> Shelf:
        """What was noted on this machine and not booked yet."""
        return Shelf(self._spool)

    @property
    def _spool(self) -> Path:
        return self.settings.state / "spool"
