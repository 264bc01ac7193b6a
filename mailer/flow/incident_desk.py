"""Incidents as programs open, update and end them: each once by its key, and answered with whom it reaches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from mailer.core.area import Reach
from mailer.core.incident import IncidentState, Once
from mailer.core.incident_asked import Closing, Opening
from mailer.core.incident_change import Change
from mailer.flow.notify import Notifier


class KeysPort(Protocol):
    """Where it is kept what programs asked for."""

    async def known(self, key: str) -> tuple[int, int, str] | None:
        """What was done under a key: the incident, the update, and a digest of what was asked."""


class AnotherRequest(Exception):
    """Something else came under this key before; nothing was written."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a request."""

    incident: int
    update: int
    new: bool  # False: it was done before
    published: bool
    reach: Reach | None = None  # whom it covers; an update does not count them


class IncidentDesk:
    """The use case. `ready` brings the campaigns up to date, which whoever serves the web looks at seldom."""

    def __init__(
        self,
        notifier: Notifier,
        keys: KeysPort,
        clock: Callable[[], datetime],
        ready: Callable[[], Awaitable[None]],
    ) -> None:
        self._notifier = notifier
        self._keys = keys
        self._clock = clock
        self._ready = ready

    async def open(self, opening: Opening, by: str, once: Once | None) -> Done:
        """Open an incident, and publish it where that was asked.

        Raises:
            UsageError: see `Notifier.open`.
            CampaignFault: the same.
            AnotherRequest: the key named something else.
        """
        done = await self._done(once)
        if done is None:
            await self._ready()
            now = self._clock()
            number = await self._notifier.open(
                opening.new, now=now, by=by, publish=opening.publish, once=once
            )
            done = Done(number, 1, new=True, published=opening.publish)
        return replace(done, reach=await self._notifier.reach(opening.new.area))

    async def publish(self, incident_id: int, by: str) -> Done:
        """Publish a draft; of one that is published nothing changes.

        Raises:
            UsageError: see `Notifier.publish`.
            CampaignFault: the same.
        """
        await self._ready()
        found = await self._notifier.get(incident_id)
        if found.published_at is not None:
            return Done(incident_id, found.current.number, new=False, published=True)
        area = await self._notifier.publish(incident_id, now=self._clock(), by=by)
        reach = await self._notifier.reach(area)
        return Done(incident_id, found.current.number, new=True, published=True, reach=reach)

    async def update(self, incident_id: int, change: Change, by: str, once: Once | None) -> Done:
        """Publish what changed.

        Raises:
            UsageError: see `Notifier.update`.
            CampaignFault: the same.
            AnotherRequest: the key named something else.
        """
        done = await self._done(once)
        if done is not None:
            return done
        await self._ready()
        number = await self._notifier.update(incident_id, change, now=self._clock(), by=by, once=once)
        return Done(incident_id, number, new=True, published=not await self._notifier.is_draft(incident_id))

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

    async def _done(self, once: Once | None) -> Done | None:
        """What was done under this key before."""
        known = await self._keys.known(once.key) if once is not None else None
        if once is None or known is None:
            return None
        incident_id, number, said = known
        if said != once.said:
            raise AnotherRequest
        return Done(incident_id, number, new=False, published=not await self._notifier.is_draft(incident_id))
