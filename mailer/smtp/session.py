"""Handing messages to the relay, one after another over one connection that is kept."""

from __future__ import annotations

from collections.abc import Callable

from mailer.core.delivery import Outcome, Phase, TryLater
from mailer.core.message import Message
from mailer.errors import NotRepresentable, RelayError, TooLarge
from mailer.smtp.link import Link
from mailer.smtp.opening import opened
from mailer.smtp.relay import RelayConfig
from mailer.smtp.transaction import Asked, Transaction
from mailer.smtp.trouble import Trouble


class Session:
    """A persistent way to the relay for one coroutine: connects when needed, reconnects after trouble."""

    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._link: Link | None = None

    def turn(self) -> bool:
        """Always: what paces a relay stands before it."""
        return True

    def elsewhere(self) -> bool:
        """Never: there is this relay alone."""
        return False

    async def send(
        self,
        message: Message,
        may_start: Callable[[], bool],
        *,
        before_dot: Callable[[], None] | None = None,
        follow: Callable[[], Message | None] | None = None,
    ) -> Outcome:
        """Hand one message over.

        All that is asked of the caller on the way is synchronous. `may_start` is asked right before DATA leaves and
        again before the final dot; no means that the message stays here. `before_dot` is called right before the dot
        is written; if it raises OSError, the dot is not written and the connection is dropped. `follow` gives, at
        that moment, the message that comes next, if one is ready: where the relay offers PIPELINING its envelope
        leaves with the dot, and the next `send` has to be for this very object.

        Accepted: 2yz to the final dot. Refused and TryLater: the relay surely does not have it; the phase
        tells trouble with the relay (CONNECT, HELLO, TLS, AUTH) from trouble with this message. InDoubt: the
        dot may have left and no answer came (RFC 1047).

        Raises:
            NotRepresentable: the relay cannot carry its addresses; nothing was sent.
            TooLarge: it exceeds the relay's SIZE; nothing was sent.
            RelayError: the relay refuses our user name or password.
        """
        asked = Asked(may_start, before_dot, follow)
        try:
            kept = self._link is not None and self._link.alive
            try:
                return await Transaction(await self._reached(message), message, asked).run()
            except Trouble as trouble:
                # A relay may close an idle connection just as we write MAIL: nothing has begun, so ask anew.
                if not (kept and trouble.lost and trouble.phase is Phase.MAIL):
                    raise
                self._drop()
                return await Transaction(await self._reached(message), message, asked).run()
        except Trouble as trouble:
            self._drop()
            return trouble.outcome()
        except (NotRepresentable, TooLarge, RelayError):
            raise  # the link, if there is one, is as good as before
        except BaseException:
            self._drop()
            raise

    async def ready(self) -> TryLater | None:
        """Connect where there is no connection, so that a delivery is begun only with a relay at hand.

        Returns what keeps us from the relay, none when it is there.

        Raises:
            RelayError: the relay refuses our user name or password.
        """
        try:
            await self._reached()
        except Trouble as trouble:
            self._drop()
            outcome = trouble.outcome()
            return outcome if isinstance(outcome, TryLater) else TryLater(Phase.CONNECT, detail=str(trouble))
        return None

    async def close(self) -> None:
        """Take leave of the relay; the session may be used again."""
        link, self._link = self._link, None
        if link is not None:
            await link.quit()

    async def _reached(self, message: Message | None = None) -> Link:
        """A link fit for `message`, or for whatever comes next."""
        link = self._link
        if link is not None and link.glued is not None:
            # Where another one comes, the relay waits for data that thus never arrives.
            if not link.awaited or (message is not None and message is not link.glued):
                self._drop()
        elif link is not None and not link.alive:
            self._drop()
        elif link is not None and link.full:
            await self.close()
        if self._link is None:
            self._link = await opened(self._config)
        return self._link

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.drop()
