from __future__ import annotations

import itertools
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.delivery import Accepted, InDoubt, Outcome, Phase, Refused, Reply, TryLater
from mailer.core.intent import Dotted, Making, Told
from mailer.errors import FileFault
from mailer.files import journal as module
from mailer.files.journal import Journals

OK = Accepted(Reply(250, "Ok: queued", "2.0.0"))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40).map(lambda text: " ".join(text.split()))
REPLIES = st.builds(Reply, st.integers(200, 599), TEXTS, st.sampled_from(["", "2.0.0", "5.7.1"]))
PHASES = st.sampled_from(list(Phase))
OUTCOMES = st.one_of(
    st.builds(Accepted, REPLIES),
    st.builds(Refused, PHASES, REPLIES),
    st.builds(TryLater, PHASES, st.none() | REPLIES, TEXTS),
    st.builds(InDoubt, TEXTS),
)


@pytest.fixture
def journals(tmp_path: Path) -> Journals:
    return Journals(tmp_path / "journal")


def test_the_last_word_on_each_attempt_is_read_once_its_writer_is_gone(journals: Journals) -> None:
    mine = journals.create()
    mine.dot((7, 1))
    mine.told((7, 1), OK)
    mine.dot((8, 2))
    mine.making((9, 1))
    assert not journals.dead(mine.token)  # it lives: what it says may change
    assert journals.read(mine.token) is None
    mine.close()
    assert journals.dead(mine.token)
    assert journals.read(mine.token) == {(7, 1): Told(OK), (8, 2): Dotted(), (9, 1): Making()}
    journals.remove(mine.token)
    assert journals.read(mine.token) is None


def test_a_message_that_is_made_is_being_made_no_more(journals: Journals) -> None:
    mine = journals.create()
    mine.making((123_456, 1))
    mine.made()
    mine.dot((5, 1))
    mine.close()
    assert journals.read(mine.token) == {(5, 1): Dotted()}


def test_a_journal_that_leaves_nothing_open_is_gone_with_its_sender(journals: Journals) -> None:
    mine = journals.create()
    mine.dot((1, 1))
    mine.told((1, 1), OK)
    mine.done([1])
    mine.close()
    assert not journals.dead(mine.token)


def test_what_is_over_is_cut_away_and_what_comes_later_is_kept(journals: Journals, tmp_path: Path) -> None:
    mine = journals.create()
    mine.dot((1, 1))
    mine.told((1, 1), Refused(Phase.RCPT, Reply(550, "<ayse@ev.example> is unknown", "5.1.1")))
    mine.done([1])
    assert b"ayse" not in (tmp_path / "journal" / f"{mine.token}.log").read_bytes()
    mine.dot((2, 1))
    mine.making((3, 1))
    mine.close()
    assert journals.read(mine.token) == {(2, 1): Dotted(), (3, 1): Making()}


def test_it_stays_small_and_forgets_nothing_that_is_open(
    journals: Journals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "COMPACT_AT", 10_000)
    mine = journals.create()
    mine.dot((1, 1))
    for each in range(2, 2_000):
        mine.dot((each, 1))
        mine.told((each, 1), OK)
        mine.done([each])
    assert (tmp_path / "journal" / f"{mine.token}.log").stat().st_size < 70_000
    assert not journals.dead(mine.token)  # the new file is locked as the old one was
    mine.close()
    assert (journals.read(mine.token) or {})[1, 1] == Dotted()


def test_where_much_is_open_it_is_not_written_anew_each_time(
    journals: Journals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "COMPACT_AT", 10_000)
    mine = journals.create()
    path = tmp_path / "journal" / f"{mine.token}.log"
    files: list[int] = []
    for each in range(1, 1_001):
        mine.dot((each, 1))
    for each in range(1_001, 3_001):
        mine.told((each, 1), OK)
        mine.done([each])
        if files[-1:] != [path.stat().st_ino]:
            files.append(path.stat().st_ino)
    assert 1 < len(files) < 10
    mine.close()
    assert (journals.read(mine.token) or {}).keys() >= {(each, 1) for each in range(1, 1_001)}


@given(outcome=OUTCOMES)
def test_an_outcome_is_read_as_it_was_told(
    tmp_path_factory: pytest.TempPathFactory, outcome: Outcome
) -> None:
    journals = Journals(tmp_path_factory.mktemp("journal"))
    mine = journals.create()
    mine.told((3, 2), outcome)
    mine.close()
    assert journals.read(mine.token) == {(3, 2): Told(outcome)}


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_record_that_was_cut_says_nothing(journals: Journals, tmp_path: Path, cut: int) -> None:
    mine = journals.create()
    mine.dot((1, 1))
    mine.dot((2, 1))
    mine.close()
    path = tmp_path / "journal" / f"{mine.token}.log"
    os.truncate(path, path.stat().st_size - cut)
    assert journals.read(mine.token) == {(1, 1): Dotted()}


def test_a_journal_of_another_boot_is_not_gone_by(
    journals: Journals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = journals.create()
    mine.dot((1, 1))
    mine.close()
    boot = tmp_path / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(module, "_BOOT", boot)
    assert journals.read(mine.token) is None
    assert not journals.dead(mine.token)


def test_a_disk_that_is_full_lets_no_dot_be_noted(journals: Journals) -> None:
    mine = journals.create()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    noted = itertools.count()
    try:
        with pytest.raises(OSError, match="File too large"):  # noqa: PT012 - until there is no room
            while True:
                mine.dot((next(noted), 1))
        mine.told((1, 1), OK)  # only makes doubt
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    mine.close()
    assert len(journals.read(mine.token) or {}) == next(noted) - 1 > 1_000


_KILLED = """
import os, signal, sys
from pathlib import Path
from mailer.files.journal import Journals
mine = Journals(Path(sys.argv[1])).create()
print(mine.token, flush=True)
mine.dot((4, 1))
mine.making((5, 1))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_outlives_a_process_that_is_killed(journals: Journals, tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "journal")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert journals.read(killed.stdout.strip()) == {(4, 1): Dotted(), (5, 1): Making()}


def test_where_none_can_be_kept_it_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("not a folder")
    with pytest.raises(FileFault, match=r"no journal can be kept there .File exists., and no mail starts"):
        Journals(tmp_path / "journal").create()


def test_a_journal_that_finds_no_room_leaves_no_file(journals: Journals, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(FileFault, match="no mail starts without one"):
            journals.create()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_journal_whose_first_page_is_not_whole_is_not_gone_by(journals: Journals, tmp_path: Path) -> None:
    mine = journals.create()
    mine.close()
    again = journals.create()
    path = tmp_path / "journal" / f"{again.token}.log"
    again.dot((1, 1))
    again.close()
    os.truncate(path, 4_000)
    assert journals.read(again.token) is None
    assert not journals.dead(again.token)


def test_a_journal_that_was_put_in_place_while_it_was_looked_at_is_that_of_one_who_lives(
    journals: Journals, tmp_path: Path
) -> None:
    mine = journals.create()
    mine.dot((1, 1))
    path = tmp_path / "journal" / f"{mine.token}.log"

    class Late(type(path)):  # type: ignore[misc]  # the path class of this system
        def open(self, *how: Any, **more: Any) -> Any:
            opened = super().open(*how, **more)
            mine._compact()  # from here on what was opened is nobody's, and not locked
            return opened

    with module._held(Late(path)) as text:
        assert text is None
    mine.close()
