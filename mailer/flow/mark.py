"""A mark: leave to hand one delivery over, for as long as what was looked at when it was made is not old."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mailer.core.handoff import SendJob
from mailer.core.message import Message

#: A mark is good for so long: whoever unsubscribes is told so when every mail marked before has begun, or never will.
MARK_SECONDS = 2.0


@dataclass(slots=True)
class Marked:
    """A delivery that may leave, and since when (monotonic seconds); its message, or why there is none, made early."""

    job: SendJob
    since: float
    made: Message | Exception | None = None

    @property
    def fresh(self) -> bool:
        """Whether its message may begin."""
        return time.monotonic() < self.since + MARK_SECONDS

    @property
    def attempt(self) -> tuple[int, int]:
        """The delivery and the number of this attempt."""
        return self.job.delivery_id, self.job.attempts + 1
