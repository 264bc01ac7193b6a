"""One message over an open link: envelope, data, final dot, and what each reply means for it.

Where the relay offers PIPELINING (RFC 2920), MAIL, RCPT and DATA leave in one write, and the next message's behind the
final dot, so that a message costs one write and one wait. Otherwise the steps are taken one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mailer.core.delivery import Outcome, Phase, TryLater
from mailer.core.message import Message
from mailer.errors import NotRepresentable, TooLarge
from mailer.smtp.collector import Raw
from mailer.smtp.link import BLOCK, Link
from mailer.smtp.replies import CLOSING, SIZE_EXCEEDED, START_INPUT, kind, parsed, verdict
from mailer.smtp.wire import envelope, stuffed

#: The detail of a message that was stopped before its data could leave.
HELD = "held"

_DONE, _LATER, _NEVER = 2, 4, 5
_NO = (_LATER, _NEVER)
_STEPS = (Phase.MAIL, Phase.RCPT, Phase.DATA)
_ASTRAY = "the relay's replies do not fit our commands"


@dataclass(slots=True)  # not frozen: one for every mail, see core.message.Letter
class Asked:
    """What is asked of the caller on the way; all of it synchronous."""

    may_start: Callable[[], bool]
    before_dot: Callable[[], None] | None
    follow: Callable[[], Message | None] | None


class Transaction:
    """One message over an open link. Afterwards the link is either fit for the next one or dropped."""

    def __init__(self, link: Link, message: Message, asked: Asked) -> None:
        self._link = link
        self._message = message
        self._asked = asked
        self._timeouts = link.config.timeouts

    async def run(self) -> Outcome:
        """Hand the message over.

        Raises:
            Trouble: the link failed; the phase tells how far it got.
            NotRepresentable: the relay cannot carry it; nothing was sent.
            TooLarge: it exceeds the relay's SIZE; no data was sent.
        """
        link = self._link
        if link.glued is not None:
            link.glued = None
        else:
            mail, rcpt = envelope(self._message, link.extensions)
            link.messages += 1
            if not link.pipelining:
                return await self._step_by_step(mail, rcpt)
            if not self._may_start():
                return TryLater(Phase.DATA, detail=HELD)
            link.expect(len(_STEPS))
            link.write(Phase.MAIL, _group(mail, rcpt))
        replies = await link.take(len(_STEPS), self._timeouts.command)
        for step, raw in enumerate(replies):
            if not _agreed(step, raw):
                return await self._refused(step, raw, replies[step + 1 :])
        if len(replies) < len(_STEPS):
            raise link.trouble(_STEPS[len(replies)])
        return await self._data()

    async def _step_by_step(self, mail: bytes, rcpt: bytes) -> Outcome:
        link = self._link
        for step, line in enumerate((mail, rcpt, b"DATA")):
            if _STEPS[step] is Phase.DATA and not self._may_start():
                await self._reset(b"RSET\r\n", 1)
                return TryLater(Phase.DATA, detail=HELD)
            link.expect(1)
            link.write(_STEPS[step], line + b"\r\n")
            replies = await link.take(1, self._timeouts.command)
            if not replies:
                raise link.trouble(_STEPS[step])
            if not _agreed(step, replies[0]):
                return await self._refused(step, replies[0], None)
        return await self._data()

    async def _refused(self, step: int, raw: Raw, rest: list[Raw] | None) -> Outcome:
        """A step of the envelope got no yes. `rest`: the replies to the steps of the group behind it."""
        link, phase = self._link, _STEPS[step]
        detail = ""
        into_data = bool(rest) and rest is not None and rest[-1][0] == START_INPUT
        if rest is not None and any(
            kind(other) not in _NO and not (into_data and phase is Phase.RCPT) for other in rest
        ):
            detail = _ASTRAY  # who knows which of our commands they answer
            link.drop()
        elif kind(raw) not in _NO or raw[0] == CLOSING or not link.alive:
            link.drop()
        elif into_data:
            # RFC 2920 §3.1: nobody is to get it, so an empty message ends what the relay has begun.
            await self._reset(b".\r\nRSET\r\n", 2)
        else:
            await self._reset(b"RSET\r\n", 1)
        reply = parsed(raw)
        if detail:
            return TryLater(phase, reply, detail)
        if phase is Phase.MAIL and reply.code == SIZE_EXCEEDED:
            raise TooLarge(f"the relay refused the message's size ({reply})")
        return verdict(phase, reply)

    async def _reset(self, commands: bytes, replies: int) -> None:
        """Give the envelope up, so that the next one starts clean; without the relay's consent, drop the link."""
        link = self._link
        if link.alive:
            link.expect(replies)
            link.write(Phase.MAIL, commands)
            answers = await link.take(replies, self._timeouts.farewell)
            if len(answers) == replies and answers[-1][0] == 250:  # noqa: PLR2004 -- RFC 5321 §4.1.1.5
                return
        link.drop()

    async def _data(self) -> Outcome:
        """The relay waits for the data. The link is dropped unless the dot gets a plain yes or no."""
        link, payload = self._link, stuffed(self._message.data, whole_lines=self._message.whole_lines)
        link.expect(1)  # a relay may say 5yz before it has seen the dot
        if len(payload) > BLOCK:
            last = (len(payload) - 1) // BLOCK * BLOCK
            if not await link.pour(payload[:last]):
                return await self._interrupted()
            payload = payload[last:]
        if not link.alive:
            raise link.trouble(Phase.BODY)
        following, commands, held = self._about_to_leave()
        if held:
            link.drop()
            return TryLater(Phase.BODY, detail=held)
        link.write(
            Phase.BODY, payload + commands if commands else payload
        )  # from here on nobody can know what arrived
        if following is not None:
            link.glued = following
            link.messages += 1
            link.expect(len(_STEPS))
        replies = await link.take(1, self._timeouts.dot)
        if not replies:
            raise link.trouble(Phase.DOT)
        if kind(replies[0]) not in (_DONE, *_NO) or not (link.alive or link.awaited):
            link.drop()  # the relay and we no longer agree on where we are
        return verdict(Phase.DOT, parsed(replies[0]))

    async def _interrupted(self) -> Outcome:
        """The relay spoke or went in the middle of the body: no dot was written."""
        link = self._link
        replies = await link.take(1, 0)
        link.drop()
        if not replies:
            raise link.trouble(Phase.BODY)
        return verdict(Phase.BODY, parsed(replies[0]))

    def _may_start(self) -> bool:
        try:
            return self._asked.may_start()
        except BaseException:
            self._link.drop()  # the relay waits for something that will not come
            raise

    def _about_to_leave(self) -> tuple[Message | None, bytes, str]:
        """What comes next and its envelope, and why the dot must not be written, if it must not."""
        asked = self._asked
        try:
            if not asked.may_start():  # the wait for 354 may have outlasted what lets us send
                return None, b"", HELD
            following, commands = self._following()
            if asked.before_dot is not None:
                try:
                    asked.before_dot()
                except OSError as error:
                    return None, b"", f"the final dot could not be noted down: {error.strerror or error}"
        except BaseException:
            self._link.drop()
            raise
        return following, commands, ""

    def _following(self) -> tuple[Message | None, bytes]:
        """The message that comes next, and its envelope to be glued to the final dot."""
        link, follow = self._link, self._asked.follow
        message = follow() if follow is not None and link.pipelining and not link.full else None
        if message is None:
            return None, b""
        try:
            return message, _group(*envelope(message, link.extensions))
        except (NotRepresentable, TooLarge):
            return None, b""  # said again when its turn comes


def _group(mail: bytes, rcpt: bytes) -> bytes:
    return b"%b\r\n%b\r\nDATA\r\n" % (mail, rcpt)


def _agreed(step: int, raw: Raw) -> bool:
    return raw[0] == START_INPUT if _STEPS[step] is Phase.DATA else kind(raw) == _DONE
