"""Letters that are not ASCII as character references: only where that says the same."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.files.templates import TemplateFolder
from mailer.render.bodies import html
from mailer.render.environment import HTML
from mailer.render.filters import SCENE, Scene
from mailer.render.letters import Letters, letters
from mailer.render.plain import ODD, check_plain
from mailer.render.publish import publish
from mailer.render.renderer import Template
from mailer.render.text import clean


class Said(HTMLParser):
    """Everything a reader of HTML is told."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.events: list[Any] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.events.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.events.append(tag)

    def handle_data(self, data: str) -> None:
        self.events.append(("text", data))

    def handle_comment(self, data: str) -> None:
        inner = Said(data.partition(">")[2]).events if data.startswith("[if") else data
        self.events.append(("comment", inner))

    def handle_decl(self, decl: str) -> None:
        self.events.append(("declaration", decl))


@pytest.mark.parametrize(
    ("source", "exact"),
    [
        ("<p>plain</p>", True),
        ("<p>ş {{ n }}</p>", True),
        ("<p title='ş {{ n }}'>x</p>", True),
        ("<title>ş {{ n }}</title>", True),
        ("<textarea>ş</textarea>", True),
        ("<a title=ş>x</a>", True),
        ("a & ş &amp; {{ n }} &ş", True),
        ("1 < 2 and {{ n }}", True),
        ("<!--[if mso]><b>ş {{ n }}</b><![endif]-->", True),
        ("{% if n %}<b>ş</b>{% endif %}<p{% if n %} class='ş'{% endif %}>{{ n }}</p>", True),
        ("{{ [n] | join('<br>' | safe) }}ş", True),
        ("<style>/* ş */</style>", False),
        ("<script>'ş'</script>", False),
        ("<!-- ş -->", False),
        ("<!-- {{ n }} -->", False),
        ("<!doctype ş>", False),
        ("<aş>", False),
        ("<a ş=1>", False),
        ("<a b='1' ş>", False),
        ("1 <ş", False),  # text to a reader, but not to everybody's
        ("<svg><title>ş</title></svg>", False),
        ("<noscript>x</noscript>ş", False),
        ("<![CDATA[x]]>ş", False),
        ("{{ '<!--' | safe }}ş-->", False),
        ("{{ 'ş' | safe }}", False),
        ("{{ '<b>ş' }}", True),
        ("{{ '\\x81' }}", False),
        ("<p>\x81</p>", False),
        ("{{ n | striptags }}", False),
    ],
)
def test_where_references_are_read(source: str, exact: bool) -> None:
    assert letters(source, markup=True).exact is exact


def test_a_text_makes_no_odd_letters_unless_it_spells_them() -> None:
    assert letters("ş {{ n }}\n", markup=False) == Letters(even=True, exact=False)
    assert not letters("{{ '\\x07' }}", markup=False).even
    assert not letters("{{ n | striptags }}", markup=False).even


@pytest.mark.parametrize(
    "letter", ["\x00", "\x0b", "\r", "\x7f", "\x80", "\x9f", "\ud800", "\ufdd0", "\U0001ffff"]
)
def test_odd_letters_are_found_wherever_they_lie(letter: str) -> None:
    assert ODD.fullmatch(letter)
    for odd in (letter, f"x{letter}", [letter], {"a": [("x", {letter: 1})]}, {"a": {"b": f"\n{letter}"}}):
        assert check_plain(odd) is False
    assert check_plain({"a": ["ş\n\t\xa0\u200d", {"ğ": 1}, None, 1.5]}) is True


PAGE = """<!doctype html><html><head><title>{{ n }} ş</title><style>p { color: red }</style></head><body>
<!--[if mso]><i>{{ n }}</i><![endif]--><p title="ğ{{ n }}">ş{{ n }}&amp;{{ n }}&#351;&nbsp{{ n }}</p>
<a href="{{ n }}" alt='{{ n }}'>{{ n | upper }}</a>
{% for i in [n, n] %}<b class="{{ i }}">{{ i }}</b>{% endfor %}</body></html>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Template, jinja2.Template]:
    """A page as it is made for a mail, and as Jinja makes it."""
    root = tmp_path_factory.mktemp("templates")
    (root / "t").mkdir()
    for name, text in {"subject.txt": "Hi", "body.html": PAGE, "body.txt": "x"}.items():
        (root / "t" / name).write_text(text, encoding="utf-8")
    published = publish("t", TemplateFolder(root), "https://shop.example")
    return Template(published), HTML.from_string(published["parts"]["html"][""]["source"])


@settings(max_examples=200)
@given(data=st.text(max_size=40))
def test_a_page_of_references_says_what_the_page_says(
    data: str, page: tuple[Template, jinja2.Template]
) -> None:
    made = page[0].render({"n": data}, "", "en", ZoneInfo("UTC"))
    assert made.exact is not bool(ODD.search(data))
    meant = clean(page[1].render({"n": data, SCENE: Scene("en", ZoneInfo("UTC"))}))
    assert Said(str(made.html)).events == Said(meant).events
    part = html(str(made.html), exact=made.exact)
    if made.exact and "7bit" in part.head:
        assert part.body.isascii()
        assert Said(part.body.decode().replace("\r\n", "\n")).events == Said(f"{meant}\n").events


def test_a_page_that_is_mostly_other_letters_is_not_blown_up() -> None:
    assert HTML.ready("Привет {{ n }}", references=True).render(n="мир") == "Привет мир"
    assert HTML.ready(f"{'-' * 99}ş {{{{ n }}}}", references=True).render(n="ş").endswith("&#351; &#351;")
    assert "base64" in html("<p>" + "Привет " * 400 + "</p>", exact=True).head
    assert "7bit" in html("<p>Merhaba Ayşe</p>" * 40, exact=True).head
    assert "quoted-printable" in html("<p>Merhaba Ayşe</p>" * 40).head
