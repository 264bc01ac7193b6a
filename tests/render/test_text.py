from __future__ import annotations

import pytest

from mailer.render.text import from_html

FRAME = '<table role="presentation"><tr><td>{}</td></tr></table>'


def test_frames_within_frames_indent_nothing() -> None:
    inner = FRAME.format("<div>Merhaba</div>") + FRAME.format('<a href="https://x.example/">Git</a>')
    page = f"<html><body><div>{FRAME.format(f'<div>{inner}</div>')}</div></body></html>"
    assert from_html(page) == "Merhaba\n\n[Git](https://x.example/)\n"


@pytest.mark.parametrize("role", ["", ' role="presentation"'])
def test_a_table_with_columns_stays_one(role: str) -> None:
    rows = "<tr><td>Since</td><td>noon</td></tr><tr><td>Where</td><td>Izmir</td></tr>"
    lines = from_html(f"<html><body><table{role}>{rows}</table></body></html>").splitlines()
    assert [line.split() for line in lines] == [["Since", "noon"], ["Where", "Izmir"]]


def test_nothing_is_nothing() -> None:
    assert from_html("").strip() == ""
    assert from_html("presentation").strip() == "presentation"
