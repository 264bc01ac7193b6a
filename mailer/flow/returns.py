"""What came back is believed as far as it can be checked, and booked to the mail it is about."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from mailer.core import verp
from mailer.core.address import read_address
from mailer.core.booking import Later, NeverLeft
from mailer.core.bounce import Fault, Kind, Returned, fault
from mailer.core.token import BadToken, Keyring

log = structlog.get_logger()

#: What we write into every mail; the number of its delivery comes first. The database says whether it is that.
_OUR_MESSAGE_ID = re.compile(r"<([0-9]{1,18})\.[0-9a-f]{20}@[^<>@\s]{1,255}>")


class BookedPort(Protocol):
    """What was written down."""

    @property
    def campaign(self) -> str: ...
    @property
    def delivery_id(self) -> int | None: ...
    @property
    def address(self) -> str: ...
    @property
    def suppressed(self) -> str | None: ...
    @property
    def paused(self) -> str | None: ...


class BookPort(Protocol):
    """Where it is written down."""

    async def write(
        self,
        what: Returned,
        fault: Fault | None,
        now: datetime,
        *,
        delivery_id: int | None,
        number: int | None = None,
        message_id: str | None = None,
    ) -> BookedPort | None: ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some reports."""

    booked: int = 0
    known: int = 0  # said before
    strange: int = 0  # about no mail of ours, as far as can be checked
    later: int = 0  # their mails are under way this moment: to be brought again

    def __add__(self, other: Taken) -> Taken:
        """The sum."""
        return Taken(
            self.booked + other.booked,
            self.known + other.known,
            self.strange + other.strange,
            self.later + other.later,
        )


@dataclass(frozen=True, slots=True)
class _Whose:
    """The mail a report is about; without a delivery an address only, which a provider vouches for."""

    delivery_id: int | None = None
    number: int | None = None
    message_id: str | None = None


class Returns:
    """Takes in what came back, whatever way."""

    def __init__(
        self, keys: Keyring, book: BookPort, clock: Callable[[], datetime], tell: Callable[[str], None]
    ) -> None:
        self._keys = keys
        self._book = book
        self._clock = clock
        self._tell = tell
        self._alarmed: set[str] = set()  # campaigns: of many such refusals one is told

    async def take(self, found: Iterable[Returned]) -> Taken:
        """Book each report once, in the order given.

        Raises:
            StoreError: what was not booked is to be brought again.
        """
        total = Taken()
        for what in found:
            total += await self._take(what)
        return total

    async def _take(self, what: Returned) -> Taken:
        wrong = fault(what.status, what.diagnostic) if what.kind is Kind.BOUNCE else None
        whose = self._whose(what)
        if whose is None:
            return self._strange(what)
        try:
            booked = await self._write(what, wrong, whose)
        except Later:
            return Taken(later=1)
        except NeverLeft:
            return self._strange(what)
        if booked is None:
            return Taken(known=1)
        log.info("returned", kind=what.kind, source=what.source, delivery=booked.delivery_id, fault=wrong)
        if wrong is Fault.POLICY:
            self._alarm(what, booked)
        return Taken(booked=1)

    async def _write(self, what: Returned, wrong: Fault | None, whose: _Whose) -> BookedPort | None:
        """Book it to that mail. What only looks like one of ours may be of another mailer with the same provider."""
        try:
            return await self._book.write(
                what,
                wrong,
                self._clock(),
                delivery_id=whose.delivery_id,
                number=whose.number,
                message_id=whose.message_id,
            )
        except NeverLeft:
            if whose.message_id is None or not what.vouched or not _is_address(what.recipient):
                raise
            return await self._book.write(what, wrong, self._clock(), delivery_id=None)

    def _whose(self, what: Returned) -> _Whose | None:
        """Which mail a report is about; None: it cannot be checked.

        A bounce by mail counts with a token only, since anybody may send us one. A reader who complains may have taken
        the return path off, and knows the Message-ID.
        """
        for token in what.tokens:
            with contextlib.suppress(BadToken):
                attempt = verp.read(self._keys, token)
                return _Whose(attempt.delivery_id, attempt.number)
        ours = _OUR_MESSAGE_ID.fullmatch(what.message_id)
        if ours is not None and (what.vouched or what.kind is Kind.COMPLAINT):
            return _Whose(int(ours[1]), message_id=what.message_id)
        return _Whose() if what.vouched and _is_address(what.recipient) else None

    @staticmethod
    def _strange(what: Returned) -> Taken:
        log.info("returned_strange", kind=what.kind, source=what.source)
        return Taken(strange=1)

    def _alarm(self, what: Returned, booked: BookedPort) -> None:
        if booked.paused is None and booked.campaign in self._alarmed:
            return
        self._alarmed.add(booked.campaign)
        said = (what.diagnostic or what.status).rstrip(".")
        whose = f" of {booked.campaign}" if booked.campaign else ""
        told = f"A mail{whose} to {booked.address} was refused for what it is or where it comes from: {said}."
        if booked.paused is not None:
            told += f" {booked.paused[:1].upper()}{booked.paused[1:]} is paused; resume it when the cause is gone."
        self._tell(told)


def _is_address(text: str) -> bool:
    """Whether it can be suppressed: there are customers with such an address, or there may be."""
    try:
        return bool(read_address(text))
    except ValueError:
        return False
