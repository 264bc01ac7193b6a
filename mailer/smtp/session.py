"""Handing messages to the relay, one after another over one connection that is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailer.core.delivery import Outcome, Phase, Reply, TryLater
from mailer.core.message import Message
from mailer.errors import NotRepresentable, RelayError, TooLarge
from mailer.smtp.link import Link
from mailer.smtp.relay import RelayConfig
from mailer.smtp.replies import CLOSING, SIZE_EXCEEDED, START_INPUT, done, verdict
from mailer.smtp.trouble import Trouble
from mailer.smtp.wire import envelope, stuffed

#: The detail of a message that was stopped right before DATA.
HELD = "held"


class Session:
    """A persistent way to the relay for one coroutine: connects when needed, reconnects after trouble."""

    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._link: Link | None = None

    async def send(
        self,
        message: Message,
        may_start: Callable[[], bool],
        *,
        before_dot: Callable[[], None] | None = None,
        follow: Callable[[], Message | None] | None = None,  # noqa: ARG002 -- used once envelopes are glued
    ) -> Outcome:
        """Hand one message over; `may_start` is asked right before DATA leaves, and no means it stays here.

        `before_dot` is called right before the final dot is written; if it raises OSError, the dot is not
        written, the connection is dropped, and the outcome is TryLater with BODY.

        Accepted: 2yz to the final dot. Refused and TryLater: the relay surely does not have it; the phase
        tells trouble with the relay (CONNECT, HELLO, TLS, AUTH) from trouble with this message. InDoubt: the
        dot may have left and no answer came (RFC 1047).

        Raises:
            NotRepresentable: the relay cannot carry its addresses; nothing was sent.
            TooLarge: it exceeds the relay's SIZE; nothing was sent.
            RelayError: the relay refuses our user name or password.
        """
        payload = stuffed(message.data)
        try:
            kept = self._link is not None and self._link.usable
            try:
                return await self._transact(message, payload, may_start, before_dot)
            except Trouble as trouble:
                # A relay may close an idle connection just as we write MAIL: nothing has begun, so ask anew.
                if not (kept and trouble.lost and trouble.phase is Phase.MAIL):
                    raise
                self._drop()
                return await self._transact(message, payload, may_start, before_dot)
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
            await self._ready()
        except Trouble as trouble:
            self._drop()
            outcome = trouble.outcome()
            return outcome if isinstance(outcome, TryLater) else TryLater(Phase.CONNECT, detail=str(trouble))
        return None

    async def probe(self) -> None:
        """Connect, encrypt, log in, NOOP and leave: can the relay be used as set?

        Raises:
            RelayError: no, and why, in one sentence.
        """
        waits = replace(self._config.timeouts, command=self._config.timeouts.connect)  # a person is waiting
        link = None
        try:
            link = await Link.open(replace(self._config, timeouts=waits))
            reply = await link.command(Phase.HELLO, b"NOOP")
        except Trouble as trouble:
            raise RelayError(f"The relay {self._config} cannot be used: {trouble}.") from trouble
        finally:
            if link is not None:
                await link.quit()
        if not done(reply):
            raise RelayError(f"The relay {self._config} cannot be used: it answered {reply} to NOOP.")

    async def close(self) -> None:
        """Take leave of the relay; the session may be used again."""
        link, self._link = self._link, None
        if link is not None:
            await link.quit()

    async def _transact(
        self,
        message: Message,
        payload: bytes,
        may_start: Callable[[], bool],
        before_dot: Callable[[], None] | None,
    ) -> Outcome:
        link = await self._ready()
        mail, rcpt = envelope(message, link.extensions)
        link.messages += 1
        for phase, line in ((Phase.MAIL, mail), (Phase.RCPT, rcpt)):
            reply = await link.command(phase, line)
            if not done(reply):
                return await self._stop(link, phase, reply)
        if not may_start():
            await self._clear(link)
            return TryLater(Phase.DATA, detail=HELD)
        reply = await link.command(Phase.DATA, b"DATA")
        if reply.code != START_INPUT:
            return await self._stop(link, Phase.DATA, reply)
        phase, reply = await link.body(payload, before_dot)
        outcome = verdict(phase, reply)
        if phase is Phase.BODY or reply.code == CLOSING or not (done(reply) or reply.code // 100 in (4, 5)):
            self._drop()  # the relay and we no longer agree on where we are
        return outcome

    async def _ready(self) -> Link:
        if self._link is not None and not self._link.usable:
            await self.close()
        if self._link is None:
            self._link = await Link.open(self._config)
        return self._link

    async def _stop(self, link: Link, phase: Phase, reply: Reply) -> Outcome:
        if reply.code // 100 in (4, 5) and reply.code != CLOSING:
            await self._clear(link)
        else:
            self._drop()
        if phase is Phase.MAIL and reply.code == SIZE_EXCEEDED:
            raise TooLarge(f"the relay refused the message's size ({reply})")
        return verdict(phase, reply)

    async def _clear(self, link: Link) -> None:
        if not await link.reset():
            self._drop()

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.drop()
