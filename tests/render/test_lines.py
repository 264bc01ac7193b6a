"""Long lines of a page are broken where that changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailer.core.message import Rendered
from mailer.render.bodies import html
from mailer.render.environment import HTML
from mailer.render.lines import broken
from mailer.render.pieces import cut
from tests.render.test_letters import Said

Render = Callable[..., Rendered]

WORDS = st.sampled_from(
    ["<p ", "a='1 2' ", 'b="x y" ', ">", "text and more ", "</p>", "<!-- a comment -->", "<br/>", "\n", "< ", "c ",
     "/> ", "<style> p { color: red } </style>", "<pre> x  y </pre>", "{{ n }}", "<i title='{{ n }}' >", "&amp; "]
)  # fmt: skip


# Each ends what it began: of a tag that never ends browsers show nothing, and the parser here its blanks.
PAGES = st.lists(WORDS, max_size=120).map(lambda words: "".join([*words, ">"]))


@given(PAGES)
def test_a_broken_page_says_the_same(source: str) -> None:
    made = "".join(piece.text for piece in broken(cut(source, "", HTML)))
    assert Said(made).events == Said("".join(piece.text for piece in cut(source, "", HTML))).events


def wide(rows: str) -> str:
    return f"<table width='600' cellpadding='0'>{rows}</table>"


def test_a_page_on_one_line_travels_as_it_is(render: Render) -> None:
    cell = (
        "<tr align='left'><td class='a' style='color:red;padding:0 0 12px'>"
        + "word " * 40
        + "{{ n }}</td></tr>"
    )
    made = render({"body.html": wide(cell * 30), "body.txt": "x"}, n="ş" * 5)
    assert "7bit" in html(str(made.html), exact=made.exact).head


def test_rows_of_a_loop_begin_lines(render: Render) -> None:
    row = (
        "{% for i in range(50) %}<tr align='left'><td class='a'>"
        + "word " * 20
        + "{{ i }}</td></tr>{% endfor %}"
    )
    made = render({"body.html": wide(row), "body.txt": "x"})
    assert "7bit" in html(str(made.html), exact=made.exact).head


def test_short_pages_are_left_alone() -> None:
    source = "{% for i in x %}<tr align='left'><td class='a'>{{ i }}</td></tr>{% endfor %}"
    pieces: list[Any] = cut(wide(source), "", HTML)
    assert list(broken(pieces)) == pieces
