from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from markupsafe import Markup

from mailer.core.message import Rendered
from mailer.errors import RenderError

Render = Callable[..., Rendered]


def test_a_text_is_made_of_the_html(render: Render) -> None:
    html = """<html><head><title>t</title><style>p{color:red}</style></head><body><h1>Hi {{ n }}</h1>
<p>Go <a href='https://a.example/?x=1&amp;y=2'>there</a></p></body></html>"""
    made = render({"body.html": html}, n="<b>")
    assert made.text == "Hi <b>\n\nGo [there](https://a.example/?x=1&y=2)\n"


def test_a_text_alone_has_no_html(render: Render) -> None:
    made = render({"body.txt": "Hi  \n\n\n\n there\n\n"})
    assert (made.html, made.text) == (None, "Hi\n\n there\n")


def test_a_subject_is_one_line_and_not_escaped(render: Render) -> None:
    files = {"subject.txt": "{% if n %}\n  Hi {{ n }},\n  you\n{% endif %}\n", "body.txt": "x"}
    assert render(files, n="<Ayşe & Co>").subject == "Hi <Ayşe & Co>, you"


def test_controls_are_left_out_of_bodies(render: Render) -> None:
    made = render({"body.html": "<p>{{ n }}</p>", "body.txt": "{{ n }}"}, n="a\0b\x0bc\rd\ud800")
    assert made.html == "<p>abc\nd\ufffd</p>"
    assert made.text == "abc\nd\ufffd\n"


def test_parts_and_locales(render: Render) -> None:
    files = {
        "subject.txt": "Hi", "subject.tr.txt": "Selam",
        "body.html": "{{ d | date }}", "body.tr.html": "{{ d | date }}",
    }  # fmt: skip
    said = {
        locale: (made.subject, made.html, made.locale)
        for locale in ("tr", "tr-CY", "de", "en-GB", "")
        for made in [render(files, locale, "tr", d=date(2027, 5, 10))]
    }
    assert said == {
        "tr": ("Selam", "10 May&#305;s 2027", "tr"),
        "tr-CY": ("Selam", "10 May&#305;s 2027", "tr-CY"),
        "de": ("Hi", "May 10, 2027", "en"),
        "en-GB": ("Hi", "10 May 2027", "en-GB"),
        "": ("Selam", "10 May&#305;s 2027", "tr"),
    }


def test_money_is_in_the_tenants_currency(render: Render) -> None:
    made = render({"body.txt": "{{ 5 | money }}"}, "tr", "tr", tenant={"currency": "TRY"})
    assert made.text == "₺5,00\n"


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("a\n\n{{ nickname }}", 3, "'nickname' is not defined"),
        ("a\n{{ customer.nick }}", 2, "there is no 'nick' here; there is: id, name"),
        ("{% if customer.nick %}x{% endif %}", 1, "there is no 'nick'"),
        ("\n{{ 1 / 0 }}", 2, "ZeroDivisionError"),
        ("\n{{ customer.name.__class__ }}", 2, "'__class__' of a str is not allowed"),
        ("\n\n{{ customer.id | date }}", 3, "'date' needs a date"),
        ("<p>{{ customer.id\n + customer.name }}", 1, "TypeError"),
    ],
)
def test_a_fault_in_a_render_names_file_and_line(
    source: str, line: int, message: str, render: Render
) -> None:
    with pytest.raises(RenderError) as caught:
        render({"body.html": source}, customer={"id": 7, "name": "A"})
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line) == ("t/body.html", line)


def test_the_line_leads_into_an_included_file(render: Render) -> None:
    files = {
        "body.html": '<style>p { color: red }</style>\n<p>{% include "_layout/foot.html" %}</p>',
        "_layout/foot.html": "\n\n<b>{{ nope }}</b>",
    }
    with pytest.raises(RenderError, match=r"_layout/foot\.html:3: 'nope' is not defined"):
        render(files)


def test_an_empty_subject_is_refused(render: Render) -> None:
    with pytest.raises(RenderError, match=r"subject\.txt: the subject is empty"):
        render({"subject.txt": " {{ n }} ", "body.txt": "x"}, n="")


def test_a_part_has_a_bound(render: Render) -> None:
    with pytest.raises(RenderError, match=r"body\.txt.*longer than 2,000,000"):
        render({"body.txt": "{% for i in range(900) %}{{ n }}{% endfor %}"}, n="x" * 3000)


class Word(StrEnum):
    A = "a"


class Thing:
    name = "x"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Thing(), "customer.x is a Thing"),
        (Thing, "customer.x is a type"),
        (Word.A, "customer.x is a Word"),
        (Markup("<b>"), "customer.x is a Markup"),
        ({1: 2}, "customer.x has a key that is not text"),
        ([1, {"y": (object(),)}], r"customer.x\[1\].y\[0\] is a object"),
        (b"x", "is a bytes"),
        ({"a"}, "is a set"),
    ],
    ids=["object", "class", "enum", "markup", "number as a key", "deep inside", "bytes", "set"],
)
def test_templates_take_plain_data_only(value: Any, message: str, render: Render) -> None:
    with pytest.raises(RenderError, match=message):
        render({"body.txt": "x"}, customer={"x": value})


def test_data_too_deep_is_refused(render: Render) -> None:
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    with pytest.raises(RenderError, match="too deep"):
        render({"body.txt": "x"}, x=deep)


def test_every_plain_kind_passes(render: Render) -> None:
    made = render({"body.txt": "{{ x.a[0] }} {{ x.d }} {{ x.n is none }}"},
                  x={"a": [1, 2.5], "d": Decimal("1.20"), "n": None, "b": True, "t": ("a",)})  # fmt: skip
    assert made.text == "1 1.20 True\n"


def test_keys_come_before_methods(render: Render) -> None:
    assert (
        render(
            {"body.txt": "{{ x.update }} {{ x.items }} {{ x.get('items') }}"}, x={"update": 3, "items": 4}
        ).text
        == "3 4 4\n"
    )
