"""What comes back about mails. How it comes is imported where it is wanted: no sender pays for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mailer.app.gateway import Gateway
from mailer.core.verp import ReturnPath
from mailer.errors import SettingsError
from mailer.flow.returns import Returns
from mailer.store.returned import Book

if TYPE_CHECKING:
    from mailer.app.ways_back import WaysBack


class Returning(Gateway):
    """The return path, and who takes in what comes by it."""

    @cached_property
    def return_path(self) -> ReturnPath | None:
        """Where bounces go; None: to the sender, whom nobody reads for us."""
        address = self.settings.bounces.address
        return ReturnPath(address, self.keys) if address is not None else None

    @cached_property
    def returns(self) -> Returns:
        """Books what came back."""
        return Returns(self.keys, Book(self.db, self.settings.bounces.soft.rule), self.clock, self.tell)

    @cached_property
    def ways_back(self) -> WaysBack:
        """The listener, the mailboxes and the webhooks of the settings."""
        from mailer.app.ways_back import WaysBack  # noqa: PLC0415 (see above)

        return WaysBack(self.settings, self.return_path, self.returns, self.clock, self.tell)

    def check_webhooks(self) -> None:
        """See that the events of providers can be believed, before any comes.

        Raises:
            SettingsError: a key of the settings cannot be read.
        """
        sendgrid = self.settings.webhooks.sendgrid
        if sendgrid is None:
            return
        from mailer.inbound.sendgrid import read_key  # noqa: PLC0415 (see above)

        try:
            read_key(sendgrid)
        except SettingsError as fault:
            key = "webhooks.sendgrid.public_key"
            place = self.settings.places.get(key, str(self.settings.file))
            raise SettingsError(f"{place}: {key}: {fault}") from None

    @asynccontextmanager
    async def taking_returns(
        self,
    ) -> AsyncIterator[Callable[[asyncio.Event], Coroutine[Any, Any, object]]]:
        """Take mail that comes back, until the block ends; what it gives looks into mailboxes until told to stop.

        Raises:
            SettingsError: the address to listen at cannot be had.
        """
        if not self.settings.bounces.reads:
            yield asyncio.Event.wait
            return
        async with self.ways_back.listening() as door:
            if door is not None:
                self.tell(f"Mail that comes back is taken at {door.host}:{door.port}.")
            yield self.ways_back.keep
