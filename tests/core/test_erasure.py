from __future__ import annotations

import pytest

from mailer.core.erasure import bar_key, blank_detail, blank_reply, blank_source


@pytest.mark.parametrize(
    ("reply", "left"),
    [
        ("550 5.1.1 <a@b.example>: no", "550 5.1.1"),
        ("250 ok", "250"),
        ("the connection to a@b was lost", None),
        (None, None),
    ],
)
def test_of_a_reply_its_codes_are_left(reply: str | None, left: str | None) -> None:
    assert blank_reply(reply) == left


def test_of_a_detail_what_names_nobody_is_left() -> None:
    assert blank_detail({"by": "human", "url": "https://a", "agent": "X", "recipient": "a@b"}) == {
        "by": "human"
    }
    assert blank_detail({"code": "X"}) is None
    assert blank_detail(None) is None


def test_a_barred_address_cannot_be_read() -> None:
    assert "b.example" not in bar_key("s", "a@b.example")
    assert bar_key("s", "a@b.example") == bar_key("s", "a@b.example") != bar_key("t", "a@b.example")


@pytest.mark.parametrize(
    ("source", "left"),
    [("event:evt-77", "event"), ("import", "import"), ("form of the shop", "form of the shop")],
)
def test_a_source_names_no_event(source: str, left: str) -> None:
    assert blank_source(source) == left
