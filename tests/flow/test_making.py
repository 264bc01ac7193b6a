"""Messages made in one go: as many as may wait, in order, and one bad row costs itself alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailer.core.handoff import SendJob
from mailer.core.message import Draft, Image, Letter, Message, Rendered
from mailer.flow import making
from mailer.flow.making import AT_ONCE, ENOUGH_OCTETS, Maker
from mailer.flow.mark import Marked
from mailer.flow.work import Work
from tests.flow.test_compose import JOB
from tests.store.rows import NOW


class Notes:
    """What stood there, one after the other."""

    def __init__(self) -> None:
        self.said: list[int | None] = []

    def making(self, attempt: tuple[int, int]) -> None:
        self.said.append(attempt[0])

    def made(self) -> None:
        self.said.append(None)


class Letters:
    """Makes messages of a size, in a time."""

    def __init__(self, *, size: int = 10, picture: int = 0, bad: int = 0, unfit: int = 0) -> None:
        self.size, self.picture, self.bad, self.unfit = size, picture, bad, unfit
        self.together: list[int] = []

    async def prepare(self, jobs: object) -> None: ...
    async def foresee(self) -> None: ...

    def message_id(self, job: SendJob) -> str:
        return f"<{job.delivery_id}@k.example>"

    def draft(self, job: SendJob, now: datetime) -> Draft:
        if job.delivery_id == self.bad:
            raise ValueError("a bad row")
        images = {"p": Image("p.png", "image/png", b"x" * self.picture)} if self.picture else {}
        rendered = Rendered("s", "x" * self.size, images=images)
        return rendered, Letter("", "", "", job.email, self.message_id(job), now)

    def put_together(self, draft: Draft) -> Message:
        number = int(draft[1].message_id[1:].partition("@")[0])
        self.together.append(number)
        if number == self.unfit:
            raise ValueError("a bad address")
        return Message("", draft[1].to_address, b"", draft[1].message_id)


def marked(count: int) -> tuple[Work, list[Marked]]:
    work = Work(1)
    several = [Marked(replace(JOB, delivery_id=number), 0.0) for number in range(1, count + 1)]
    work.marked.extend(several[1:])
    return work, several


def maker(letters: Letters, work: Work, notes: Notes) -> Maker:
    return Maker(letters, lambda: NOW, work, notes)


def test_several_are_made_step_by_step_and_each_is_noted_at_each_step() -> None:
    notes, letters = Notes(), Letters()
    work, several = marked(AT_ONCE + 5)
    first = maker(letters, work, notes).made(several[0])
    assert isinstance(first, Message)
    assert notes.said == [*range(1, AT_ONCE + 1), *range(1, AT_ONCE + 1), None]
    assert letters.together == [*range(1, AT_ONCE + 1)]
    assert [each.made is None for each in several] == [False] * AT_ONCE + [True] * 5
    assert maker(letters, work, notes).made(several[0]) is first
    assert len(letters.together) == AT_ONCE


def test_what_cannot_be_made_costs_itself_alone() -> None:
    letters = Letters(bad=2, unfit=3)
    work, several = marked(4)
    made = [maker(letters, work, Notes()).made(each) for each in several]
    assert [str(each) if isinstance(each, Exception) else type(each) for each in made] == [
        Message, "a bad row", "a bad address", Message,
    ]  # fmt: skip
    assert letters.together == [1, 3, 4]


def test_long_ones_are_not_kept_by_the_dozen() -> None:
    third = ENOUGH_OCTETS // 3 + 1
    for letters in (Letters(size=third), Letters(picture=third)):
        work, several = marked(9)
        maker(letters, work, Notes()).made(several[0])
        assert letters.together == [1, 2, 3]


def test_slow_ones_do_not_keep_the_connections_waiting() -> None:
    class Slow(Letters):
        def draft(self, job: SendJob, now: datetime) -> Draft:
            until = making.time.monotonic() + making.ENOUGH_SECONDS
            while making.time.monotonic() < until:
                pass
            return super().draft(job, now)

    letters = Slow()
    work, several = marked(9)
    maker(letters, work, Notes()).made(several[0])
    assert len(letters.together) in (1, 2)
