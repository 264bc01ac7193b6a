"""Making messages: a handful in one go, and each step of it for all of them before the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from mailer.core.handoff import SendJob
from mailer.core.message import Draft, Message
from mailer.flow.work import Marked, Work

#: Messages made in one go: a processor that has just done a thing does it again in three quarters of the time.
AT_ONCE = 24


class ComposerPort(Protocol):
    """Makes messages, in two steps: templates have a say in the first alone."""

    async def prepare(self, jobs: Sequence[SendJob]) -> None: ...
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

    def _make(self, several: Iterable[Marked]) -> None:
        drafts = [(each, self._drafted(each)) for each in several]
        self._notes.made()
        for each, draft in drafts:
            each.made = draft if isinstance(draft, Exception) else self._put_together(draft)

    def _drafted(self, marked: Marked) -> Draft | Exception:
        self._notes.making(marked.attempt)
        try:
            return self._composer.draft(marked.job, self._clock())
        except Exception as error:  # noqa: BLE001 - whatever one row's data does, the others go out
            return error

    def _put_together(self, draft: Draft) -> Message | Exception:
        try:
            return self._composer.put_together(draft)
        except Exception as error:  # noqa: BLE001 - as above
            return error
