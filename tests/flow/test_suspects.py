"""When a sender has seen enough of a run to look at once."""

from __future__ import annotations

import pytest

from mailer.flow.suspects import Suspects


def urgent_at(suspects: Suspects, run_id: int, mails: int, *, looks: bool = True) -> list[int]:
    """The mails at which a look was urgent; the run went on each time."""
    found = []
    for number in range(1, mails + 1):
        if suspects.add(run_id):
            found.append(number)
            if looks:
                suspects.go_on(suspects.seen())
    return found


def test_looks_become_rarer_while_a_run_goes_on() -> None:
    assert urgent_at(Suspects(), 7, 10_000) == [50, 100, 200, 400, 800, 1_600, 3_200, 6_400]


def test_one_that_fails_is_not_asked_for_with_each_mail() -> None:
    assert urgent_at(Suspects(), 7, 1_000, looks=False) == [50]


def test_looks_by_the_clock_delay_none() -> None:
    suspects = Suspects()
    for _mail in range(49):
        suspects.add(7)
        suspects.go_on(suspects.seen())
    assert not suspects
    assert suspects.add(7)


@pytest.mark.parametrize("seen", [30, 60, 120])
def test_a_paused_run_begins_anew(seen: int) -> None:
    suspects = Suspects()
    urgent_at(suspects, 7, seen)
    suspects.forget([7])
    assert suspects.seen() == {}
    assert urgent_at(suspects, 7, 60) == [50]


def test_what_came_during_a_look_is_looked_at_again() -> None:
    suspects = Suspects()
    suspects.add(7)
    suspects.add(8)
    looked_at = suspects.seen()
    suspects.add(8)
    suspects.go_on(looked_at)
    assert suspects.seen() == {8: 2}
