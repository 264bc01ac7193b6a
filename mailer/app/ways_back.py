"""The ways back, wired: a listener, mailboxes that are looked into, and the requests of providers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog

from mailer.app.base import Tell
from mailer.core.bounce import Returned
from mailer.core.token import BadToken
from mailer.core.verp import ReturnPath
from mailer.errors import SettingsError, StoreError, why
from mailer.flow.returns import Returns, Taken
from mailer.inbound import reading
from mailer.inbound.hooks import Hooks
from mailer.inbound.imap import ImapBox
from mailer.inbound.listener import Door, Listener, listen
from mailer.inbound.maildir import MaildirBox
from mailer.inbound.proof import Forged, Malformed
from mailer.settings import Settings

log = structlog.get_logger()

_MOMENTS = (0.1, 0.2, 0.4, 0.8)  # seconds; then it is to be brought again


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider is answered."""

    status: int
    said: str


class WaysBack:
    """Everything that brings reports, and one place they go to."""

    def __init__(
        self,
        settings: Settings,
        path: ReturnPath | None,
        returns: Returns,
        clock: Callable[[], datetime],
        tell: Tell,
    ) -> None:
        self._settings = settings
        self._path = path
        self._returns = returns
        self._tell = tell
        self._hooks = Hooks(settings.webhooks, clock)
        self._told: dict[str, str] = {}

    # By mail

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Listener | None]:
        """Take mail at the address of the settings, if there is one, until the block ends.

        Raises:
            SettingsError: it cannot be had.
        """
        bounces = self._settings.bounces
        if bounces.listen is None:
            yield None
            return
        place = self._settings.places.get("bounces.listen", str(self._settings.file))
        listener = await listen(
            bounces.listen, Door(self._knows, self._take), protocol=bounces.protocol, place=place
        )
        try:
            yield listener
        finally:
            await listener.close()

    async def look(self) -> int:
        """Look once into every mailbox there is; how many mails were read.

        Raises:
            MailerError: one cannot be read.
        """
        bounces, read = self._settings.bounces, 0
        if bounces.maildir is not None:
            read += await MaildirBox(Path(bounces.maildir)).look(self._take)
        if bounces.imap is not None:
            read += await ImapBox(bounces.imap).look(self._take)
        return read

    async def keep(self, stop: asyncio.Event) -> None:
        """Look into the mailboxes again and again until told to stop. Trouble is told once and tried again."""
        while self._settings.bounces.polls and not stop.is_set():
            await self._patiently()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._settings.bounces.every)
        await stop.wait()

    async def _patiently(self) -> None:
        try:
            await self.look()
            self._told.pop("look", None)
        except Exception as trouble:  # whatever a mail or a mail server says, mails go on being sent
            said = why(trouble)
            if self._told.get("look") != said:
                self._told["look"] = said
                log.debug("look_failed", exc_info=trouble)
                self._tell(f"Mail that came back waits: {said}")

    def _knows(self, address: str) -> bool:
        """Whether it is an address we made, or the one complaints go to."""
        if address.lower() == self._settings.bounces.complaints:
            return True
        with contextlib.suppress(BadToken):
            return self._path is not None and self._path.read(address) is not None
        return False

    async def _take(self, data: bytes, recipients: list[str] | None = None) -> bool:
        """Book what a mail says; False: it is to be brought again."""
        found = await asyncio.to_thread(reading.read, data, recipients or ())
        try:
            taken = await self._patient(found)
        except StoreError as trouble:
            if self._told.get("store") != str(trouble):
                self._told["store"] = str(trouble)
                self._tell(f"What came back waits: {trouble}")
            return False
        self._told.pop("store", None)
        return not taken.later

    async def _patient(self, found: Sequence[Returned]) -> Taken:
        """Book it all, waiting a moment for mails that are being written down as sent: bounces can be quick."""
        total = await self._returns.take(found)
        for seconds in _MOMENTS:
            if not total.later:
                break
            await asyncio.sleep(seconds)
            again = await self._returns.take(found)
            total = replace(total, booked=total.booked + again.booked, later=again.later)
        return total

    # From providers

    async def hook(self, provider: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Book what a provider's request says. Whatever it is not answered 200 for, it brings again."""
        try:
            found = await self._hooks.read(provider, headers, body)
            if found is None:
                return Answer(404, "there is no such webhook")
            taken = await self._patient(found)
        except Forged as fault:
            return Answer(403, f"refused: {fault}")
        except Malformed as fault:
            return Answer(400, f"not understood: {fault}")
        except StoreError as trouble:
            self._tell(f"A webhook of {provider} could not be written down: {trouble}")
            return Answer(503, "not now")
        except (OSError, SettingsError) as trouble:
            self._tell(f"A webhook of {provider} could not be checked: {trouble}")
            return Answer(503, "not now")
        return _answer(taken)


def _answer(taken: Taken) -> Answer:
    if taken.later:
        return Answer(503, "not now")
    return Answer(200, f"booked {taken.booked}, known {taken.known}, not ours {taken.strange}")
