"""Making messages: a handful in one go, and each step of it for all of them before the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from mailer.core.handoff import SendJob
from mailer.core.message import Draft, Message, length
from mailer.flow.mark import Marked
from mailer.flow.work import Work

#: Messages made in one go: a processor that has just done a thing does it again in three quarters of the time. Fewer
#: where they are long or take their time, so that neither memory nor the connections' patience is at stake.
AT_ONCE = 48
ENOUGH_OCTETS = 1_000_000
ENOUGH_SECONDS = 0.02


class ComposerPort(Protocol):
    """Makes messages, in two steps: templates have a say in the first alone."""

    async def prepare(self, jobs: Sequence[SendJob]) -> None: ...
    async def foresee(self) -> None: ...
    def message_id(self, job: SendJob) -> str: ...
    def draft(self, job: SendJob, now: datetime) -> Draft: ...
    def put_together(self, draft: Draft) -> Message: ...


class NotesPort(Protocol):
    """Where it stands what is being made, for whoever finds this process dead of it."""

    def making(self, attempt: tuple[int, int]) -> None: ...
    def made(self) -> None: ...


class Maker:
    """Makes the messages of one sender."""

    def __init__(
        self, composer: ComposerPort, clock: Callable[[], datetime], work: Work, notes: NotesPort
    ) -> None:
        self._composer = composer
        self._clock = clock
        self._work = work
        self._notes = notes

    def made(self, marked: Marked) -> Message | Exception:
        """The message of a delivery, or why there is none."""
        if marked.made is None:
            self._make([marked, *(each for each in self._work.soon(AT_ONCE - 1) if each.made is None)])
        assert marked.made is not None  # noqa: S101 - one or the other
        return marked.made

    def _make(self, several: Sequence[Marked]) -> None:
        drafts: list[tuple[Marked, Draft | Exception]] = []
        enough, size = time.monotonic() + ENOUGH_SECONDS, 0
        for each in several:
            draft = self._drafted(each)
            drafts.append((each, draft))
            if not isinstance(draft, Exception):
                size += length(draft[0])
            if size > ENOUGH_OCTETS or time.monotonic() > enough:
                break
        for each, draft in drafts:
            each.made = draft if isinstance(draft, Exception) else self._put_together(each, draft)
        self._notes.made()

    def _drafted(self, marked: Marked) -> Draft | Exception:
        self._notes.making(marked.attempt)
        try:
            return self._composer.draft(marked.job, self._clock())
        except Exception as error:  # noqa: BLE001 - whatever one row's data does, the others go out
            return error

    def _put_together(self, marked: Marked, draft: Draft) -> Message | Exception:
        self._notes.making(marked.attempt)
        try:
            return self._composer.put_together(draft)
        except Exception as error:  # noqa: BLE001 - as above
            return error
