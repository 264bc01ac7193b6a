"""What a person at a terminal sees: whole words, at eighty columns as at two hundred."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from mailer.cli.tables import Column, fold, in_fields, laid_out

RUNS = (
    Column("id", ("9", "10"), right=True),
    Column("campaign", ("offer", "newsletter")),
    Column("starts at", ("", "")),
    Column("occurrence", ("2026-11-22", "2026-11-24")),
    Column("sent", ("11", "4"), right=True),
    Column("note", ("the sale of the season, for all who may get it", "")),
)


def lines(columns: tuple[Column, ...], width: int) -> list[str]:
    return [line.plain for line in laid_out(columns, width)]


def test_wide_enough_is_one_line_each() -> None:
    assert lines(RUNS[:5], 80) == [
        "id  campaign    starts at  occurrence  sent",
        " 9  offer                  2026-11-22    11",
        "10  newsletter             2026-11-24     4",
    ]


def test_narrower_leaves_out_what_is_empty_and_folds_sentences() -> None:
    assert lines(RUNS, 64) == [
        "id  campaign    occurrence  sent  note",
        " 9  offer       2026-11-22    11  the sale of the season, for",
        "                                  all who may get it",
        "10  newsletter  2026-11-24     4",
    ]


def test_narrow_takes_several_lines_a_row() -> None:
    assert lines(RUNS[:5], 28) == [
        "id  campaign    occurrence",
        "    sent",
        " 9  offer       2026-11-22",
        "      11",
        "10  newsletter  2026-11-24",
        "       4",
    ]


@given(
    st.lists(st.lists(st.text(max_size=40), min_size=2, max_size=2), min_size=1, max_size=9),
    st.integers(20, 120),
)
def test_every_word_is_there_and_no_line_is_too_long(cells: list[list[str]], width: int) -> None:
    letters = [["".join(filter(str.isalnum, each)) for each in pair] for pair in cells]
    columns = tuple(Column(f"c{n}", tuple(pair)) for n, pair in enumerate(letters))
    shown = lines(columns, width)
    assert all(cell_len(line) <= width for line in shown)
    for row in (0, 1):
        for pair in letters:
            assert cell_len(pair[row]) > width - 4 or any(pair[row] in line for line in shown)


@pytest.mark.parametrize(
    ("text", "width", "folded"),
    [
        ("", 5, [""]),
        ("  skipped: capped", 20, ["  skipped: capped"]),
        ("bir iki üç", 7, ["bir iki", "üç"]),
        ("kocamanbirsözcük ve", 8, ["kocamanb", "irsözcük", "ve"]),
        ("中文字", 3, ["中", "文", "字"]),
        ("中", 1, ["中"]),
    ],
)
def test_folding(text: str, width: int, folded: list[str]) -> None:
    assert fold(text, width) == folded


def test_facts_within_facts_are_set_in() -> None:
    fact = {
        "id": "1",
        "area": {"services": ["fibre"], "postal": ["3471*", "3472*"], "lists": []},
        "ends_at": "",
        "updates": [
            {"number": "1", "message": "The cable is cut, and we are digging for both of its ends."},
            {"number": "2", "message": ""},
        ],
    }
    assert [line.plain.rstrip() for line in in_fields(fact, 52)] == [
        "id       1",
        "area     services fibre; postal 3471*, 3472*",
        "updates  - number   1",
        "           message  The cable is cut, and we are",
        "                    digging for both of its ends.",
        "         - number 2",
    ]
