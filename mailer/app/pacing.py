"""Which relays a sender's connections go to, and how fast."""

from __future__ import annotations

from collections.abc import Callable

from mailer.app.mails import Mails
from mailer.core.relays import part
from mailer.flow.connection import SessionPort
from mailer.flow.gate import Gate
from mailer.flow.pacer import Pacer
from mailer.flow.purse import Purse
from mailer.flow.relays import Fleet
from mailer.flow.tally import CountedSession, Tally
from mailer.flow.warm import WarmUpDays
from mailer.smtp.session import Session
from mailer.store.pace import Paces


class Paced(Mails):
    """Relays and pacing, wired. Where nothing is set, nothing stands between a sender and its relay."""

    def departure(
        self, connections: int, first: int, tally: Tally | None = None
    ) -> tuple[Callable[[], SessionPort], Pacer | None]:
        """How a sender with so many connections, from number `first` on, opens one; and what paces it.

        What relays answer is counted in `tally`.

        Raises:
            UsageError: no relay is set.
        """
        ways, configs = self.settings.ways, self.relays()

        def opened(index: int) -> SessionPort:
            session = Session(configs[index])
            return session if tally is None else CountedSession(session, ways[index].key, tally)

        pacing = self.settings.pacing
        purses = [Purse(f"relay {way.key}", way.rate) for way in ways]
        rated = any(purse.rate is not None for purse in purses)
        pacer: Pacer | None = None
        if rated or pacing.domains or pacing.warm_up is not None:
            paces = Paces(self.db)
            pacer = Pacer(
                port=paces,
                ledger=self.ledger,
                gate=Gate(pacing.limit),
                purses=purses,
                warm_up=WarmUpDays(paces, pacing.warm_up, self.rules.zone, self.tell)
                if pacing.warm_up
                else None,
                clock=self.clock,
                tell=self.tell,
            )
        if len(ways) == 1 and not rated:
            return lambda: opened(0), pacer
        weights = [way.share for way in ways]
        mine = part([way.connections for way in ways], weights, first, connections)
        fleet = Fleet(
            [str(way) for way in ways],
            weights,
            mine,
            purses,
            opened,
            self.tell,
        )
        return fleet.session, pacer
