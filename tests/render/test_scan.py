from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailer.core.message import Rendered
from mailer.errors import TemplateFault

BAD = "javascript:alert(1)"
QUOTE = "x\" onmouseover='y' z="


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ('<a href="{{ u }}">', '<a href="#">'),
        ("<a href='{{ u }}'>", "<a href='#'>"),
        ('<a title="t" HREF = " {{- u -}} ">', '<a title="t" HREF = "#">'),
        ('<img src="{{ u }}">', '<img src="#">'),
        ('<td background="{{ u }}">', '<td background="#">'),
        ('<a href="{% if u %}{{ u }}{% else %}https://x.example{% endif %}">', '<a href="#">'),
        ('<a href="{{ u if u else u }}">', '<a href="#">'),
        ('<a href="{{ u }}{{ u }}">', f'<a href="#{BAD}">'),
        ('<a href="https://x.example/?u={{ u }}">', f'<a href="https://x.example/?u={BAD}">'),
        (
            '<a href="{% if u %}https://x.example{% else %}https://y.example{% endif %}/{{ n }}">',
            '<a href="https://x.example/7">',
        ),
        ('<!--[if mso]><v:rect href="{{ u }}"><![endif]-->', '<!--[if mso]><v:rect href="#"><![endif]-->'),
        ('<!--[if !mso]><!--><a href="{{ u }}"><!---->', '<!--[if !mso]><!--><a href="#"><!---->'),
        ('{% macro b(u) %}<a href="{{ u }}">{% endmacro %}{{ b(u) }}', '<a href="#">'),
        ('<p style="width: {{ n }}px">', '<p style="width: 7px">'),
        ('<p style="color: {{ q }}">', '<p style="color: ">'),
        ('<p title="{{ q }}">', '<p title="x&#34; onmouseover=&#39;y&#39; z=">'),
        ("<p>{{ q }}</p>", "<p>x&#34; onmouseover=&#39;y&#39; z=</p>"),
        ("<title>{{ q }}</title>", "<title>x&#34; onmouseover=&#39;y&#39; z=</title>"),
        ("<!-- {{ q }} -->", "<!-- x&#34; onmouseover=&#39;y&#39; z= -->"),
        ('<td{% if n %} class="a"{% endif %}>', '<td class="a">'),
        ('<p title="a {{ n }} b {{ n }}">', '<p title="a 7 b 7">'),
        ('<td {% if n %}class="a"{% endif %} >', '<td class="a" >'),
        ("<p>{% if n %}<b>{{ n }}</b>{% endif %} a < b {% for i in (1,) %}<i>{{ i }}</i>{% endfor %}</p>",
         "<p><b>7</b> a < b <i>1</i></p>"),
    ],
)  # fmt: skip
def test_data_goes_through_the_gate_of_its_place(
    source: str, html: str, render: Callable[..., Rendered]
) -> None:
    made = render({"body.html": source, "body.txt": "x"}, u=BAD, q=QUOTE, n=7).html
    assert made is not None
    assert " ".join(made.split()) == html


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("<a href={{ u }}>", "quotes"),
        ("<a href=x{{ u }}>", "quotes"),
        ("<a href=\n{{ u }}>", "quotes"),
        ("<a href={% if u %}x{% endif %}>", "quotes"),
        ("<a {{ u }}>", "cannot name a tag or an attribute"),
        ("<a{{ u }}>", "cannot name a tag or an attribute"),
        ("<{{ u }}>", "cannot name a tag or an attribute"),
        ("</{{ u }}>", "cannot name a tag or an attribute"),
        ('<a data-{{ u }}="x">', "cannot name a tag or an attribute"),
        ("<!DOCTYPE {{ u }}>", "cannot name a tag or an attribute"),
        ("<{% if u %}a{% endif %}>", "logic cannot stand here"),
        ('<a href="/{{ u }}">', "begin the address with https://"),
        ('<a href="java{{ u }}">', "begin the address with https://"),
        ('<a href="{% if a %}https://x.example{% endif %}/{{ u }}">', "begin the address with https://"),
        ('<a href="javascript:alert(1)">', "cannot begin with javascript:"),
        ('<a href=" java&#115;cript&colon;alert(1)">', "cannot begin with javascript:"),
        ("<a href=javascript:alert(1)>", "cannot begin with javascript:"),
        ('<img src="data:image/png;base64,x">', "cannot begin with data:"),
        ('<p onclick="{{ u }}">', "run as a script"),
        ("<style>p { color: {{ u }} }</style>", "inside <style>"),
        ("<script>x = {{ u }}</script>", "inside <script>"),
        ('<p {% if u %}title="a{% endif %}">', "has to end where it began"),
        ("{% if u %}<p {% endif %}>", "has to end where it began"),
        ("{% for i in u %}<!-- {% endfor %}", "has to end where it began"),
        ('{% if u %}<p title="{% else %}<p>{% endif %}', "has to end where it began"),
        ("{{ u | safe }}", "'safe' would let data write HTML"),
        ("{{ ('<b>' ~ u) | safe }}", "'safe' would let data write HTML"),
        ("{{ u | attr('x') }}", "no filter named 'attr'"),
        ("{{ u | xmlattr }}", "no filter named 'xmlattr'"),
        ("{{ u is nosuch }}", "no test named 'nosuch'"),
        ("{{ u | inline }}", "'inline' needs the picture's name"),
    ],
)
def test_unsafe_places_are_refused_with_their_line(
    source: str, message: str, published: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(TemplateFault) as caught:
        published({"body.html": f"<p>\n\n</p>\n{source}"})
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line) in (("t/body.html", 4), ("t/body.html", 5))


def test_markup_of_our_own_may_be_marked_safe(render: Callable[..., Rendered]) -> None:
    assert render({"body.html": "{{ '<br>' | safe }}"}).html == "<br>"
