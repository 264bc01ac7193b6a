"""Incidents as programs open, update and end them: each once by its key, and answered with whom it reaches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from mailer.core.approval import Verdict, authors, needed, verdict, widens
from mailer.core.area import Reach
from mailer.core.incident import Incident, IncidentState, Once
from mailer.core.incident_asked import Closing, Opening
from mailer.core.incident_change import Change, next_update
from mailer.errors import Conflict
from mailer.flow.notify import Notifier


class KeysPort(Protocol):
    """Where it is kept what programs asked for."""

    async def known(self, key: str) -> tuple[int, int, str] | None:
        """What was done under a key: the incident, the update, and a digest of what was asked."""


class AnotherRequest(Exception):
    """Something else came under this key before; nothing was written."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and what they may do."""

    name: str  # as it is written down
    may_write: bool
    may_approve: bool


class MayNot(Exception):
    """They may not publish this."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a request."""

    incident: int
    update: int
    new: bool  # False: it was done before
    published: bool
    reach: Reach | None = None  # whom it covers; an update does not count them
    waits: bool = False  # for somebody else to publish it


class IncidentDesk:
    """The use case. `ready` brings the campaigns up to date, which whoever serves the web looks at seldom.

    What reaches more customers than `above` is published by another than who wrote of it; None: by anybody.
    """

    def __init__(
        self,
        notifier: Notifier,
        keys: KeysPort,
        clock: Callable[[], datetime],
        ready: Callable[[], Awaitable[None]],
        above: int | None = None,
    ) -> None:
        self._notifier = notifier
        self._keys = keys
        self._clock = clock
        self._ready = ready
        self._above = above

    async def open(self, opening: Opening, by: str, once: Once | None) -> Done:
        """Open an incident, and publish it where that was asked and nobody else has to look at it.

        Raises:
            UsageError: see `Notifier.open`.
            CampaignFault: the same.
            AnotherRequest: the key named something else.
        """
        done = await self._done(once)
        if done is None:
            await self._ready()
            alone = not needed((await self._notifier.reach(opening.new.area)).count, self._above)
            now, publish = self._clock(), opening.publish and alone
            number = await self._notifier.open(opening.new, now=now, by=by, publish=publish, once=once)
            done = Done(number, 1, new=True, published=publish)
        reach = await self._notifier.reach((await self._notifier.get(done.incident)).current.area)
        return replace(done, reach=reach, waits=not done.published and needed(reach.count, self._above))

    async def publish(self, incident_id: int, who: Asker, seen: int | None) -> Done:
        """Publish a draft, where `seen` is given as that update has it; of one that is published nothing changes.

        Raises:
            UsageError: see `Notifier.publish`.
            CampaignFault: the same.
            Conflict: somebody else has to, or it is not as it was seen.
            MayNot: they may not.
        """
        await self._ready()
        found = await self._notifier.get(incident_id)
        if found.published_at is not None:
            return Done(incident_id, found.current.number, new=False, published=True)
        reach = await self._notifier.reach(found.current.area)
        if not found.current.closes:  # of one that is over, that is said
            self._approve(found, reach.count, who)
        seen = seen or found.current.number  # what was looked at here, and nothing newer
        await self._notifier.publish(incident_id, now=self._clock(), by=who.name, seen=seen)
        return Done(incident_id, found.current.number, new=True, published=True, reach=reach)

    async def waits(self, incident_id: int) -> bool:
        """Whether a draft waits for somebody else to publish it."""
        found = await self._notifier.get(incident_id)
        if self._above is None or found.published_at is not None or found.current.closes:
            return False
        return needed((await self._notifier.reach(found.current.area)).count, self._above)

    async def update(self, incident_id: int, change: Change, by: str, once: Once | None) -> Done:
        """Publish what changed.

        Raises:
            UsageError: see `Notifier.update`; or it would tell of a published incident more than one person may tell.
            CampaignFault: the same.
            AnotherRequest: the key named something else.
        """
        done = await self._done(once)
        if done is not None:
            return done
        await self._ready()
        await self._widening(incident_id, change, by)
        number = await self._notifier.update(incident_id, change, now=self._clock(), by=by, once=once)
        published = not await self._notifier.is_draft(incident_id)
        return Done(incident_id, number, new=True, published=published, waits=await self.waits(incident_id))

    async def resolve(self, incident_id: int, words: Closing, by: str, once: Once | None) -> Done:
        """It works again; see `update`."""
        found = await self._notifier.get(incident_id)
        return await self._end(incident_id, found.good_end, words, by, once)

    async def cancel(self, incident_id: int, words: Closing, by: str, once: Once | None) -> Done:
        """It was a mistake, or will not be done; see `update`."""
        return await self._end(incident_id, IncidentState.CANCELLED, words, by, once)

    async def _end(
        self, incident_id: int, state: IncidentState, words: Closing, by: str, once: Once | None
    ) -> Done:
        change = Change(state=state, message=words.message, messages=words.messages)
        return await self.update(incident_id, change, by, once)

    def _approve(self, draft: Incident, reach: int, who: Asker) -> None:
        said = verdict(
            reach, self._above, authors(draft), who.name, may_write=who.may_write, may_approve=who.may_approve
        )
        if said is Verdict.SCOPE:
            raise MayNot
        if said is Verdict.ANOTHER:
            raise Conflict(
                f"Incident {draft.id} reaches {reach} customers, more than {self._above}: a token with the scope "
                "incidents:approve publishes it, and none that wrote of it"
            )

    async def _widening(self, incident_id: int, change: Change, by: str) -> None:
        found = await self._notifier.get(incident_id)
        if self._above is None or found.published_at is None:
            return
        area = next_update(found, change, self._clock(), by).area
        if area == found.current.area:
            return
        before = (await self._notifier.reach(found.current.area)).count
        after = (await self._notifier.reach(area)).count
        if widens(before, after, self._above):
            raise Conflict(
                f"Incident {incident_id} would reach {after} customers in place of {before}, more than {self._above}: "
                "open another for those who join, and let a second token publish it"
            )

    async def _done(self, once: Once | None) -> Done | None:
        """What was done under this key before."""
        known = await self._keys.known(once.key) if once is not None else None
        if once is None or known is None:
            return None
        incident_id, number, said = known
        if said != once.said:
            raise AnotherRequest
        return Done(incident_id, number, new=False, published=not await self._notifier.is_draft(incident_id))
