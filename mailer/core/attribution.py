"""Which mail an order is put down to: the one whose code it used, else the one whose link was clicked last. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

#: How long before an order a click may lie.
WINDOW = timedelta(days=5)


class Via(StrEnum):
    """By what an order is put down to a mail."""

    CODE = "code"
    CLICK = "click"


@dataclass(frozen=True, slots=True)
class Touch:
    """A mail of a run that may have led to an order."""

    run_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody bought."""

    at: datetime
    net_e4: int | None = None
    currency: str | None = None  # none: the tenant's
    refunded_e4: int = 0
    refunded_whole: bool = False  # a refund that named no amount

    @property
    def left_e4(self) -> int:
        """What is left of it after refunds."""
        return 0 if self.refunded_whole else max(0, (self.net_e4 or 0) - self.refunded_e4)


@dataclass(frozen=True, slots=True)
class Credit:
    """The run an order is put down to."""

    run_id: int
    via: Via


def credit(at: datetime, codes: Iterable[Touch], clicks: Iterable[Touch]) -> Credit | None:
    """Whom an order placed at `at` is put down to; None: nobody.

    Args:
        at: when it was placed.
        codes: mails whose code it used; of several the first told.
        clicks: mails a link of which its customer clicked. A machine's clicks are none.
    """
    used = min(codes, key=lambda touch: touch.at, default=None)
    if used is not None:
        return Credit(used.run_id, Via.CODE)
    near = [touch for touch in clicks if at - WINDOW <= touch.at <= at]
    last = max(near, key=lambda touch: (touch.at, touch.run_id), default=None)
    return Credit(last.run_id, Via.CLICK) if last is not None else None
