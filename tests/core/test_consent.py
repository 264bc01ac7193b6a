from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.consent import Action, Effect, Entry, Standing, Via, effect, fold, imported

START = datetime(2027, 1, 1, tzinfo=UTC)
YES, NO = Action.GRANTED, Action.REVOKED


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def file(action: Action, number: int) -> Entry:
    return Entry(action, day(number), Via.IMPORT)


def said(action: Action, number: int, via: Via = Via.EVENT) -> Entry:
    return Entry(action, day(number), via)


@pytest.mark.parametrize(
    ("entries", "consent"),
    [
        ([], "unknown"),
        ([file(YES, 1)], "yes"),
        ([file(NO, 1)], "no"),
        ([file(NO, 1), file(YES, 2)], "yes"),
        ([file(YES, 2), file(NO, 1)], "yes"),
        ([file(NO, 1), file(YES, 1)], "yes"),
        ([file(YES, 1), said(NO, 2)], "no"),
        ([said(NO, 2), file(YES, 3)], "no"),
        ([file(YES, 3), said(NO, 2)], "no"),
        ([said(NO, 2, Via.LINK), file(YES, 3)], "no"),
        ([said(NO, 2), said(YES, 3)], "yes"),
        ([said(YES, 3), said(NO, 2)], "yes"),
        ([said(YES, 3), said(NO, 3)], "no"),
        ([said(NO, 3), said(YES, 3)], "no"),
        ([said(YES, 3), file(NO, 4)], "no"),
        ([said(YES, 3), file(NO, 2)], "yes"),
        ([said(YES, 3), file(NO, 3)], "yes"),
        ([said(YES, 3), file(NO, 4), file(YES, 5)], "yes"),
        ([said(NO, 1), said(YES, 3), file(NO, 2)], "yes"),
    ],
)
def test_what_stands(entries: list[Entry], consent: str) -> None:
    assert fold(entries).consent == consent


def test_what_stands_has_the_instant_and_the_way_of_the_deciding_word() -> None:
    assert fold([file(YES, 1), said(NO, 2)]) == Standing("no", day(2), Via.EVENT)


@pytest.mark.parametrize(
    ("entries", "yes", "at", "barred", "changes"),
    [
        ([], True, 5, False, "yes"),
        ([], False, 5, False, "no"),
        ([], True, 5, True, None),
        ([], False, 5, True, "no"),
        ([file(NO, 1)], True, 5, False, "yes"),
        ([file(NO, 6)], True, 5, False, None),
        ([file(YES, 1)], True, 5, False, None),
        ([file(YES, 6)], False, 5, False, "no"),
        ([said(YES, 1), file(YES, 6)], False, 5, False, "no"),
        ([said(YES, 6), file(YES, 7)], False, 5, False, None),
        ([said(YES, 5), file(YES, 7)], False, 5, False, "no"),
        ([said(NO, 1)], True, 5, False, None),
        ([said(YES, 1)], False, 5, False, "no"),
        ([said(YES, 6)], False, 5, False, None),
    ],
)
def test_what_an_import_may_change(
    entries: list[Entry], yes: bool, at: int, barred: bool, changes: str | None
) -> None:
    found = imported(entries, yes, day(at), barred)
    assert (found and found[1].consent) == changes


@pytest.mark.parametrize(
    ("standing", "words", "does"),
    [
        ("no", [NO], Effect.BAR),
        ("no", [YES], Effect.NONE),
        ("yes", [YES], Effect.LIFT),
        ("yes", [NO], Effect.NONE),
        ("no", [YES, NO], Effect.BAR),
        ("yes", [YES, NO], Effect.LIFT),
        ("yes", [], Effect.NONE),
    ],
)
def test_what_a_word_does_to_the_address(standing: str, words: list[Action], does: Effect) -> None:
    assert effect(Standing(standing, day(1)), words) is does


entries = st.lists(
    st.builds(Entry, st.sampled_from(Action), st.integers(0, 5).map(day), st.sampled_from(Via)), max_size=8
)


@given(entries, st.randoms(use_true_random=False))
def test_a_persons_words_weigh_the_same_in_whatever_order_they_become_known(
    several: list[Entry], random: Random
) -> None:
    words = [entry for entry in several if entry.via is not Via.IMPORT]
    mixed = list(words)
    random.shuffle(mixed)
    assert fold(mixed).consent == fold(words).consent


@given(entries)
def test_no_import_ever_lifts_a_persons_refusal(several: list[Entry]) -> None:
    words = [entry for entry in several if entry.via is not Via.IMPORT]
    if fold(words).consent == "no":
        assert fold(several).consent == "no"
        assert imported(several, True, day(9), False) is None
