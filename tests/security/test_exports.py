"""What goes out as CSV runs nothing in the spreadsheet that opens it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mailer.cli.output import Output, harmless

BEGINS = ["=", "+", "-", "@", "\t", "\r", "\n", "\t=", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
FORMULAS = [f"{begin}cmd|' /C calc'!A0" for begin in BEGINS]


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_a_cell_that_could_be_a_formula_is_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "Ayşe", "a=1", "5-3", "'=1", 5, -5, 1.5, True])
def test_everything_else_stays_what_it_is(value: Any) -> None:
    assert harmless(value) == value


async def test_a_table_reads_back_with_every_cell_in_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    values = [*FORMULAS, "a,=1", 'a"\n=1', ";=1", "Ayşe"]

    async def rows() -> AsyncIterator[dict[str, Any]]:
        for value in values:
            yield {"code": "x", "note": value}

    await Output(as_json=False).csv(rows(), ["code", "note"])
    found = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert found[0] == ["code", "note"]
    assert [len(row) for row in found] == [2] * (len(values) + 1)
    assert not [row for row in found if row[1][:1] in BEGINS]
    assert [row[1].removeprefix("'") for row in found[1:]] == values


async def test_programs_get_the_value_itself(capsys: pytest.CaptureFixture[str]) -> None:
    async def rows() -> AsyncIterator[dict[str, Any]]:
        yield {"note": "=1+1"}

    await Output(as_json=True).csv(rows(), ["note"])
    assert json.loads(capsys.readouterr().out) == {"note": "=1+1"}
