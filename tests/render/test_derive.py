"""A text made of the page when it is published says what the page says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.core.message import Rendered
from mailer.files.templates import TemplateFolder
from mailer.render.publish import publish
from mailer.render.renderer import Template
from mailer.render.text import from_html
from tests.campaigns.stock import ALL, CUSTOMERS, a_scene

ROOT = Path(__file__).parents[2]
Render = Callable[..., Rendered]

DERIVED = {
    "plain": "<h1>Hi {{ n }}</h1><p>Some  text<br>and\n{{ n }}</p>",
    "links": '<p><a href="{{ u }}">{{ n }}</a> <a href="https://x.example/?n={{ n }}">there</a></p>',
    "conditions": "<p>Hello{% if n %} {{ n }}{% else %} you{% endif %}, {% if y %}a{% elif n %}b{% endif %} c</p>",
    "loops": "{% for i in items %}<h2>{{ i }}</h2><p>{{ loop.index }} {{ n }}</p>{% else %}<p>none</p>{% endfor %}",
    "lists": "<ul>{% for i in items %}<li>{{ i }} and {{ n }}</li>{% endfor %}</ul><p>end</p>",
    "tables": "<table><tr><td>{{ n }}</td><td>b {{ n }}</td></tr><tr><td>c</td><td>d</td></tr></table>",
    "tables in a loop": "{% for i in items %}<table><tr><td>{{ i }}<p>{{ n }}</p></td></tr></table>{% endfor %}",
    "attributes": "<p class='{% if n %}a{% endif %} {{ n }}' style='color:{{ n }}'>{{ n }}</p>",
    "out of sight": "<title>{{ n }}</title><!-- {{ n }} --><p style='display:none'>{{ n }}</p><p>x {{ n }}</p>",
    "sets": "{% set m = n %}<p>{{ m }}</p>",
    "filler": "<p>{{ n }} &#847;&nbsp;&#847;&nbsp;&#847;&nbsp;</p>",
    "branches in quotes": '<a href="https://x.example/{% if y %}a{% else %}b{% endif %}">{{ n }}</a>',
}
READ_EACH_TIME = {
    "numbers made by a loop": "<ol>{% for i in items %}<li>{{ i }}</li>{% endfor %}</ol>",
    "rows made by a loop": "<table>{% for i in items %}<tr><td>{{ i }}</td><td>x</td></tr>{% endfor %}</table>",
    "markup in an expression": "<p>{{ [n, n] | join('<br>' | safe) }}</p>",
    "macros": "{% macro m(x) %}<b>{{ x }}</b>{% endmacro %}<p>{{ m(n) }}</p>",
    "a whole set": "{% set m %}<b>{{ n }}</b>{% endset %}<p>{{ m }}</p>",
    "a condition on an attribute": "<p><a {% if y %}href='https://x.example'{% endif %}>{{ n }}</a></p>",
}
ITEMS: dict[str, Any] = {"items": ["one", "two"], "y": False, "u": "https://u.example"}


@pytest.mark.parametrize("source", DERIVED.values(), ids=DERIVED.keys())
@pytest.mark.parametrize("n", ["Ada", "Ada  King\n Lovelace", "", "<b>x</b>", "{{7*7}}", "ş\xa0x"], ids=ascii)
def test_the_words_are_those_of_the_page(
    source: str, n: str, published: Callable[..., dict[str, Any]], render: Render
) -> None:
    part = published({"body.html": source})["parts"]["text"][""]
    assert part["derived"] is True
    made = render({"body.html": source}, n=n, **ITEMS)
    assert made.text.split() == from_html(str(made.html)).split()
    none = render({"body.html": source}, n=n, **{**ITEMS, "items": []})
    assert none.text.split() == from_html(str(none.html)).split()


@pytest.mark.parametrize("source", READ_EACH_TIME.values(), ids=READ_EACH_TIME.keys())
def test_a_page_whose_words_would_differ_is_read_each_time(
    source: str, published: Callable[..., dict[str, Any]], render: Render
) -> None:
    assert "text" not in published({"body.html": source})["parts"]
    made = render({"body.html": source}, n="Ada", **ITEMS)
    assert made.text == from_html(str(made.html))


def test_one_page_that_is_read_keeps_all_from_being_derived(published: Callable[..., dict[str, Any]]) -> None:
    pages = {"body.html": DERIVED["plain"], "body.tr.html": DERIVED["links"]}
    assert set(published(pages)["parts"]["text"]) == {"", "tr"}
    assert "text" not in published({**pages, "body.de.html": READ_EACH_TIME["macros"]})["parts"]
    written = published({**pages, "body.txt": "x"})["parts"]["text"]
    assert set(written) == {""}
    assert "derived" not in written[""]


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Template]:
    """The stock templates, as if nobody had written their texts."""
    root = tmp_path_factory.mktemp("templates")
    for file in (ROOT / "templates").rglob("*"):
        if file.is_file() and not (file.name.startswith("body") and file.suffix == ".txt"):
            copy = root / file.relative_to(ROOT / "templates")
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(file.read_bytes())
    folder = TemplateFolder(root)
    return {name: Template(publish(name, folder, "https://mail.example", "tr")) for name in ALL}


@pytest.mark.parametrize("campaign", ALL)
@pytest.mark.parametrize("customer", CUSTOMERS.values(), ids=CUSTOMERS.keys())
def test_stock_templates_need_no_text_of_their_own(
    campaign: str, customer: Any, stock: dict[str, Template]
) -> None:
    for locale in ("tr", "en"):
        made = stock[campaign].render(a_scene(campaign, customer), locale, "tr", ZoneInfo("Europe/Istanbul"))
        assert made.text.split() == from_html(str(made.html)).split()


WORDS = st.sampled_from(
    ["<p>", "</p>", "<b>", "</b>", "<br>", "{{ n }}", " ", "\n", "text ", "{% if y %}", "{% if n %}", "{% else %}",
     "{% endif %}", "{% for i in items %}", "{{ i }}", "{% endfor %}", "<ul>", "<li>", "</ul>", "<table><tr><td>",
     "</td><td>", "</td></tr></table>", "<a href='{{ u }}'>", "</a>", "<pre>", "</pre>", "<ol>", "</ol>", "<h1>"]
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(words=st.lists(WORDS, max_size=16), n=st.text("ab <ş", max_size=6))
def test_no_page_is_derived_that_says_something_else(
    words: list[str], n: str, published: Callable[..., dict[str, Any]], render: Render
) -> None:
    files = {"body.html": "".join(words)}
    try:
        parts = published(files)["parts"]
        made = render(files, n=n, i="", **ITEMS)
    except Exception:  # noqa: BLE001 - what cannot be published is another test's
        return
    if "text" in parts:
        assert made.text.split() == from_html(str(made.html)).split()
