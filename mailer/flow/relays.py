"""Several relays, and relays with a rate: which one a connection goes to, and where when that one is down.

Every connection belongs to one relay. While that is down it goes to another with room, and looks for its own again by
and by; only where none is there do deliveries wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mailer.core.delivery import InDoubt, Outcome, Phase, TryLater
from mailer.core.message import Message
from mailer.core.relays import Part, stand_in
from mailer.errors import RelayError
from mailer.flow.connection import RELAY_PHASES, SessionPort
from mailer.flow.purse import Purse

#: Seconds between two looks at a relay that was down.
LOOK_SECONDS = 4.0

#: Seconds such a look may take while nobody else looks.
LONGEST_LOOK = 60.0

_NOTHING_LEFT = (Phase.MAIL, Phase.RCPT, Phase.DATA)


class Fleet:
    """The relays as one sender sees them."""

    def __init__(
        self,
        names: Sequence[str],
        weights: Sequence[int],
        part: Part,
        purses: Sequence[Purse],
        open_session: Callable[[int], SessionPort],
        tell: Callable[[str], None],
    ) -> None:
        self._tell = tell
        self.names = names
        self.purses = purses
        self.used = [0] * len(names)  # connections that go there
        self.open_session = open_session
        self._weights = weights
        self._most = part.most
        self._homes = iter(part.homes)
        self._trouble: dict[
            int, tuple[TryLater, float]
        ] = {}  # of those that are down, and when to look again

    def session(self) -> SessionPort:
        """One more connection; there are as many as homes."""
        return RelaySession(self, next(self._homes))

    def choose(self, home: int, *, but: int | None = None) -> int | None:
        """Where a connection goes now: to its own relay, else to one with room, `but` that one; None: nowhere."""
        if home != but and self.well(home) and self.used[home] < self._most[home]:
            return home
        well = [index != but and self.well(index) for index in range(len(self.names))]
        return stand_in(well, self.used, self._most, self._weights)

    def full(self, home: int) -> bool:
        """Whether a connection has to wait, since its own relay is down and those that are up have no room."""
        return self.choose(home) is None and any(self.well(index) for index in range(len(self.names)))

    def homewards(self, home: int) -> bool:
        """Whether a connection that stands elsewhere should look for its own relay; one at a time does."""
        if self.used[home] >= self._most[home] or not self.well(home):
            return False
        if home in self._trouble:
            self._trouble[home] = self._trouble[home][0], time.monotonic() + LOOK_SECONDS + LONGEST_LOOK
        return True

    def well(self, index: int) -> bool:
        """Whether a relay is up, or it is time to look."""
        return index not in self._trouble or time.monotonic() >= self._trouble[index][1]

    def down(self, index: int, trouble: TryLater) -> None:
        """A relay does not let us in. Others of this sender do not try it for a while."""
        if index not in self._trouble and len(self.names) > 1:
            self._tell(f"The relay {self.names[index]} {trouble.kept_out}; the others take its mails.")
        self._trouble[index] = trouble, time.monotonic() + LOOK_SECONDS

    def up(self, index: int) -> None:
        """A relay let us in."""
        if self._trouble.pop(index, None) is not None and len(self.names) > 1:
            self._tell(f"The relay {self.names[index]} answers again.")

    @property
    def trouble(self) -> TryLater:
        """Why there is no relay."""
        for trouble, _until in self._trouble.values():
            return trouble
        return TryLater(Phase.CONNECT, detail="the relays have no room for one more connection")


class RelaySession:
    """A connection that belongs to one of several relays."""

    def __init__(self, fleet: Fleet, home: int) -> None:
        self._fleet = fleet
        self._home = home
        self._at: int | None = None  # the relay it goes to now
        self._session: SessionPort | None = None
        self._turn = False  # whether it has leave to send one more
        self._homewards = False  # whether it is to look for its own relay
        self._lost = False  # whether the last message broke the connection

    def turn(self) -> bool:
        """Whether there is a relay with room whose rate lets one more leave. Asked with nothing in hand."""
        fleet = self._fleet
        if self._lost:
            self._lost = False  # a relay is found first, with nothing in hand
            return False
        if self._turn:
            return True
        if self._at not in (None, self._home) and not self._homewards and fleet.homewards(self._home):
            self._homewards = True  # before the next delivery is taken
            return False
        at = fleet.choose(self._home) if self._at is None else self._at
        if at is None:
            return not fleet.full(self._home)  # where all are down, `ready` says so
        self._turn = fleet.purses[at].spend(time.monotonic())
        return self._turn

    def elsewhere(self) -> bool:
        """Whether one of the relays is up, or nobody knows better yet: its own connections may just be on their way."""
        return any(self._fleet.well(index) for index in range(len(self._fleet.names)))

    async def ready(self) -> TryLater | None:
        """Connect to a relay that lets us in; what keeps us from all of them, if none does.

        Raises:
            RelayError: the only relay refuses our user name or password.
        """
        fleet = self._fleet
        if self._homewards:
            self._homewards = False
            await self._look(self._home)
        if self._session is not None:
            trouble = await self._entered(self._session)
            if trouble is None:
                return None
            await self._failed(trouble)
        at: int | None = None
        for _try in fleet.names:
            at = fleet.choose(self._home, but=at)
            if at is None:
                break
            if await self._look(at):
                return None
        self._turn = False  # it was for a relay that is down
        return fleet.trouble

    async def send(
        self,
        message: Message,
        may_start: Callable[[], bool],
        *,
        before_dot: Callable[[], None] | None = None,
        follow: Callable[[], Message | None] | None = None,
    ) -> Outcome:
        """Hand one message over; where a relay fails before it can have it, to another. See `SessionPort`."""
        self._turn = False
        if self._session is None and await self.ready() is not None:
            return self._fleet.trouble
        outcome = await self._sent(message, may_start, before_dot, follow)
        for _other in self._fleet.names[1:]:
            failed = self._at
            if not _without_relay(outcome) or not may_start():
                break
            await self._failed(outcome)
            at = self._fleet.choose(self._home, but=failed)
            if at is None or not await self._look(at):
                break
            outcome = await self._sent(message, may_start, before_dot, follow)
        self._lost = isinstance(outcome, InDoubt) or (isinstance(outcome, TryLater) and outcome.reply is None)
        return outcome

    async def close(self) -> None:
        """Take leave."""
        await self._leave()

    async def _sent(
        self,
        message: Message,
        may_start: Callable[[], bool],
        before_dot: Callable[[], None] | None,
        follow: Callable[[], Message | None] | None,
    ) -> Outcome:
        assert self._session is not None  # noqa: S101 - `send` sees to it
        try:
            return await self._session.send(message, may_start, before_dot=before_dot, follow=follow)
        except RelayError as error:
            if len(self._fleet.names) == 1:
                raise
            return TryLater(Phase.AUTH, detail=str(error))

    async def _entered(self, session: SessionPort) -> TryLater | None:
        try:
            return await session.ready()
        except RelayError as error:
            if len(self._fleet.names) == 1:
                raise
            return TryLater(Phase.AUTH, detail=str(error))  # the others may want us

    async def _look(self, at: int) -> bool:
        """Go to a relay, if it lets us in; until it does we stay where we are."""
        fleet = self._fleet
        fleet.used[at] += 1
        session = fleet.open_session(at)
        try:
            trouble = await self._entered(session)
        except BaseException:
            fleet.used[at] -= 1
            await session.close()
            raise
        if trouble is not None:
            fleet.used[at] -= 1
            fleet.down(at, trouble)
            await session.close()
            return False
        fleet.up(at)
        await self._leave()
        self._at, self._session = at, session
        return True

    async def _failed(self, outcome: Outcome) -> None:
        """The relay is lost to this connection; where it was not even reached, to the others as well."""
        if self._at is not None and isinstance(outcome, TryLater) and outcome.phase in RELAY_PHASES:
            self._fleet.down(self._at, outcome)
        await self._leave()

    async def _leave(self) -> None:
        session, self._session = self._session, None
        if self._at is not None:
            self._fleet.used[self._at] -= 1
        self._at = None
        if session is not None:
            await session.close()


def _without_relay(outcome: Outcome) -> bool:
    """Whether the relay went away before it can have the message, so that another may have it."""
    if not isinstance(outcome, TryLater):
        return False
    return outcome.phase in RELAY_PHASES or (outcome.phase in _NOTHING_LEFT and outcome.reply is None)
