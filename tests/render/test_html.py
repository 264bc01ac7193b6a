from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from mailer.core.message import Rendered
from mailer.errors import TemplateFault

Render = Callable[..., Rendered]


def html_of(rendered: Rendered) -> str:
    assert rendered.html is not None
    return rendered.html


def test_rules_reach_rows_made_by_a_loop(render: Render) -> None:
    source = """<!doctype html>
<html><head><style>td { color: red } .odd td { color: blue }</style></head><body>
<table>{% for row in rows %}<tr{% if loop.first %} class="odd"{% endif %}><td>{{ row }}</td></tr>
{%- endfor %}</table>
</body></html>"""
    html = html_of(render({"body.html": source}, rows=["a", "b"]))
    assert html.count('<td style="color: red">') == 2
    assert "<tbody>" not in html
    assert '<table><tr class="odd"><td style="color: red">a</td></tr><tr><td' in html
    assert ".odd td" in html


def test_the_source_is_kept_but_for_its_styles(render: Render) -> None:
    source = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "x">
<html><head><!--[if mso]><style>p { margin: 0 }</style><![endif]-->
<style>p { margin: 1px } a:hover { color: red } @media (max-width: 9px) { p { margin: 2px } }</style></head>
<BODY><P ALIGN=center>x&nbsp;&amp;<br/><!--[if !mso]><!--><p style='color: "a"'>y<!--<![endif]--></BODY>
</html>"""
    html = html_of(render({"body.html": source}))
    assert '<P style="margin: 1px" ALIGN=center>x&nbsp;&amp;<br/>' in html
    assert "<!--[if mso]><style>p { margin: 0 }</style><![endif]-->" in html
    assert "a:hover" in html
    assert "@media (max-width: 9px)" in html
    assert "p { margin: 1px }" not in html
    assert html.startswith("<!DOCTYPE html PUBLIC")
    assert "margin: 1px;color: 'a'" in html.replace("&quot;", "'")


@pytest.mark.parametrize("how", ["keep", "ignore"])
def test_a_style_may_be_kept_whole(how: str, render: Render) -> None:
    source = f'<style data-css-inline="{how}">p {{ color: red }}</style><p>x</p>'
    html = html_of(render({"body.html": source}))
    assert "<style>p { color: red }</style>" in html
    assert ('style="color: red"' in html) is (how == "keep")


def test_a_style_with_logic_stays_as_it_is(render: Render) -> None:
    source = "<style>{% if dark %}p { color: red }{% endif %} b { color: blue }</style><p>x</p><b>y</b>"
    html = html_of(render({"body.html": source}, dark=False))
    assert html == "<style> b { color: blue }</style><p>x</p><b>y</b>"


@pytest.mark.parametrize(
    "source",
    [
        '<style>.a { color: red }</style><p class="{% if on %} a {% endif %}">x</p>',
        '<style>.a { color: red }</style><p {% if on %}class="a"{% endif %}>x</p>',
        '<style>[dir=rtl] { color: red }</style><p{% if on %} dir="rtl"{% endif %}>x</p>',
        "{% if on %}<style>p { color: red }</style>{% endif %}<p>x</p>",
        "{% for i in on %}<style>p { color: red }</style>{% endfor %}<p>x</p>",
    ],
)
def test_what_is_there_at_times_is_not_written_for_ever(source: str, render: Render) -> None:
    html = html_of(render({"body.html": source}, on=[]))
    assert "style=" not in html


def test_positions_are_not_written_into_the_rows_of_a_loop(
    published: Callable[..., dict[str, Any]], render: Render
) -> None:
    rows = "<table>{% for i in rows %}<tr><td>{{ i }}</td></tr>{% endfor %}</table>"
    with pytest.raises(TemplateFault, match="tr:first-child"):
        published({"body.html": f"<style>tr:first-child td {{ color: red }}</style>{rows}"})
    media = "<style>@media (max-width: 9px) { tr:first-child td { color: red } }</style>"
    assert "first-child" in html_of(render({"body.html": media + rows}, rows=[1]))


def test_a_style_under_a_condition_has_to_stand_in_its_quotes(
    published: Callable[..., dict[str, Any]],
) -> None:
    with pytest.raises(TemplateFault, match="inside the quotes"):
        published(
            {"body.html": '<style>p { color: red }</style><p {% if x %}style="top: 0"{% endif %}>x</p>'}
        )


def test_a_style_attribute_keeps_its_data(render: Render) -> None:
    style = "<style>p { color: red; margin: 0 }</style>"
    source = style + '<p style="width: {{ n }}%; {% if n %}top: 0{% endif %}">x</p>'
    assert html_of(render({"body.html": source}, n=50)) == (
        '<p style="color: red;margin: 0;width: 50%; top: 0">x</p>'
    )


def test_a_stylesheet_is_never_fetched(render: Render) -> None:
    source = '<link rel="stylesheet" href="http://127.0.0.1:9/x.css"><style>@import "http://127.0.0.1:9/y.css";</style><p>x'
    assert "<p>x" in html_of(render({"body.html": source}))


def test_a_macro_of_table_rows_keeps_its_rules(render: Render) -> None:
    source = (
        '{% macro row(x) %}<tr class="r"><td>{{ x }}</td></tr>{% endmacro %}'
        "<style>.r { color: red }</style><table>{{ row(1) }}</table>"
    )
    html = html_of(render({"body.html": source}))
    assert "<td>1</td></tr>" in html
    assert ".r { color: red }" in html


PICTURES = {"images/a.png": b"png", "_layout/images/logo.png": b"logo", "body.txt": "x"}


def test_pictures_get_their_public_address(render: Render) -> None:
    source = """<img src="images/a.png"><img src='images/logo.png'><td style="background: url(images/a.png)">
<img src="images/{{ n }}.png"><img src="https://x.example/images/a.png">"""
    html = html_of(render({"body.html": source, **PICTURES}, n="a"))
    assert '<img src="https://shop.example/images/t/a.png">' in html
    assert "<img src='https://shop.example/images/_layout/logo.png'>" in html
    assert "url(https://shop.example/images/t/a.png)" in html
    assert html.count("https://shop.example/images/t/a.png") == 3
    assert 'src="https://x.example/images/a.png"' in html


def test_a_picture_may_travel_inside(render: Render) -> None:
    made = render({"body.html": "<img src=\"{{ 'a.png' | inline }}\">", **PICTURES})
    [(cid, image)] = made.images.items()
    assert f'<img src="cid:{cid}">' in html_of(made)
    assert (image.name, image.media_type, image.data) == ("a.png", "image/png", b"png")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('\n<img src="images/b.png">', "t/body.html:2: there is no picture images/b.png"),
        ("{{ 'b.png' | inline }}", "there is no picture images/b.png"),
        ("{{ 'a.svg' | inline }}", "only PNG, JPEG and GIF"),
    ],
)
def test_missing_pictures_are_faults(
    source: str, message: str, published: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(TemplateFault, match=re.escape(message)):
        published({"body.html": source, **PICTURES})


MJML = """{% set who = name | upper %}
<mjml><mj-head><mj-title>{{ who }}</mj-title><mj-style inline="inline">.b { color: blue }</mj-style>
<mj-style>@media (prefers-color-scheme: dark) { .b { color: white !important } }</mj-style></mj-head>
<mj-body><mj-raw>{% for post in posts %}</mj-raw>
<mj-section><mj-column><mj-text>Hi {{ who }}, <b class="b">{{ post.title }}</b>
{%- if post.n < 3 and 'a"' %}!{% endif %}</mj-text>
<mj-button href="{{ post.url }}">Go</mj-button></mj-column></mj-section>
<mj-raw>{% endfor %}</mj-raw></mj-body></mjml>"""


def test_mjml_with_a_loop_of_sections(render: Render) -> None:
    posts = [
        {"title": "<A>", "url": "https://a.example", "n": 1},
        {"title": "B", "url": "javascript:x", "n": 5},
    ]
    html = html_of(render({"body.mjml": MJML, "body.txt": "x"}, name="ayşe", posts=posts))
    assert html.count("Hi AYŞE, ") == 2
    assert '<b style="color: blue" class="b">&lt;A&gt;</b>!' in html
    assert 'href="https://a.example"' in html
    assert 'href="#"' in html
    assert "<title>AYŞE</title>" in html
    assert "prefers-color-scheme" in html
    assert "fonts.googleapis" not in html
    assert html.lstrip().lower().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("<mjml><mj-body>\n<mj-nosuch/></mj-body></mjml>", 2, "MJML has no element <mj-nosuch>"),
        ("<mjml><mj-body>\n<mj-section></mj-body></mjml>", 1, "MJML cannot read this"),
        ("<mjml><mj-head>\n<mj-font name='{{ x }}'/></mj-head><mj-body/></mjml>", 2, "leaves this tag out"),
        ('<mjml><mj-body><mj-include path="/etc/passwd"/></mj-body></mjml>', 1, "is not read"),
        ("<p>no</p>", 1, "there is no <mjml>"),
    ],
)
def test_mjml_faults_have_a_line(
    source: str, line: int, message: str, published: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(TemplateFault) as caught:
        published({"body.mjml": source})
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line) == ("t/body.mjml", line)
