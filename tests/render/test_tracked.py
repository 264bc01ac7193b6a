"""Where links stand: what a template's author wrote as an address is found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.links import LinkMaker, Wanted
from mailer.core.token import Keyring
from mailer.files.templates import TemplateFolder
from mailer.render.publish import publish
from mailer.render.renderer import Template
from tests.campaigns.stock import COMMERCIAL, CUSTOMERS, LINKS, SHOP, a_job
from tests.campaigns.stock import scene as stock_scene

ZONE = ZoneInfo("Europe/Istanbul")
Published = Callable[..., dict[str, Any]]


def marked(url: str) -> str:
    """An address made one that can be told."""
    return f"~{url}~"


def said(published: Published, source: str, **context: Any) -> tuple[str, str]:
    """The page and the text of a page, the addresses of its links marked; without marks it says what it always said."""
    template = Template(published({"body.html": source}))
    plain, tracked = (template.render(context, "", "en", ZONE, track=each) for each in (None, marked))
    assert plain.html == (tracked.html or "").replace("~", "").replace("~", "")
    return tracked.html or "", tracked.text


@pytest.mark.parametrize(
    ("source", "page"),
    [
        ('<a href="https://a.example/b">x</a>', '<a href="~https://a.example/b~">x</a>'),
        ("<a href='https://a.example/b'>x</a>", "<a href='~https://a.example/b~'>x</a>"),
        ('<A class=x HREF="HTTP://a.example">x</A>', '<A class=x HREF="~HTTP://a.example~">x</A>'),
        ('<map><area href="https://a.example"></map>', '<map><area href="~https://a.example~"></map>'),
        (
            '<a href="https://a.example/?b=1&amp;c=2">x</a>',
            '<a href="~https://a.example/?b=1&amp;c=2~">x</a>',
        ),
        ('<a href="{{ url }}&amp;c=3">x</a>', '<a href="~https://d.example/?a=1&amp;b=2&amp;c=3~">x</a>'),
        ('<a href="{{ url }}">x</a>', '<a href="~https://d.example/?a=1&amp;b=2~">x</a>'),
        (
            '<a href="https://a.example/{{ name }}?c=1&amp;d">x</a>',
            '<a href="~https://a.example/&lt;n&gt;?c=1&amp;d~">x</a>',
        ),
        (
            '<a href="{% if name %}https://a.example{% else %}https://b.example{% endif %}">x</a>',
            '<a href="~https://a.example~">x</a>',
        ),
        ('<a href="https://a.example/{% for x in [1, 2] %}{{ x }}{% endfor %}">x</a>',
         '<a href="~https://a.example/12~">x</a>'),
        ('{% if name %}<a href="https://a.example">x</a>{% endif %}', '<a href="~https://a.example~">x</a>'),
        ('<!--[if mso]><v:roundrect href="https://a.example"></v:roundrect><![endif]-->',
         '<!--[if mso]><v:roundrect href="~https://a.example~"></v:roundrect><![endif]-->'),
        ('{% raw %}<a href="https://a.example/}}{{">x</a>{% endraw %}', '<a href="~https://a.example/}}{{~">x</a>'),
    ],
)  # fmt: skip
def test_links_of_a_page(published: Published, source: str, page: str) -> None:
    found, _text = said(published, f"<p>{source}</p>", url="https://d.example/?a=1&b=2", name="<n>")
    assert page in found


@pytest.mark.parametrize(
    "source",
    [
        '<a href="mailto:a@b.example">x</a>',
        '<a href="mailto:{{ name }}">x</a>',
        '<a href="tel:+90">x</a>',
        '<a href="#top">x</a>',
        '<a href="{{ links.unsubscribe }}">x</a>',
        '<a href="{{ links.preferences }}">x</a>',
        '<img src="https://a.example/x.png" alt="">',
        '<p style="background: url(https://a.example/x.png)">x</p>',
        "<!-- <a href='https://a.example'> -->",
        "<p>https://a.example/ as a word</p>",
        "<p>{{ url }}</p>",
        '<p title="https://a.example">x</p>',
    ],
)
def test_what_is_no_link_of_a_page(published: Published, source: str) -> None:
    links = {"unsubscribe": "https://m.example/u/x", "preferences": "https://m.example/p/x"}
    found, _text = said(published, source, name="a@b.example", url="https://d.example/", links=links)
    assert "~" not in found


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("see https://a.example/b.", "see ~https://a.example/b~."),
        ("(https://a.example/b), more", "(~https://a.example/b~), more"),
        ("<https://a.example/b>", "<~https://a.example/b~>"),
        ("https://a.example/?n={{ n }} more", "~https://a.example/?n=7~ more"),
        ("https://a.example/{{ n }}/{{ n }}.", "~https://a.example/7/7~."),
        ("https://a.example/{{ n }}", "~https://a.example/7~"),
        ("https://a.example/{% if n %}x{% endif %}", "https://a.example/x"),
        ("{{ url }}", "https://d.example/"),  # data that looks like one is not signed
        ("{{ url | link }}", "~https://d.example/~"),
        ("{{ (url ~ 'en') | link }}.", "~https://d.example/en~."),
        ("mail a@b.example or ftp://a.example", "mail a@b.example or ftp://a.example"),
        ("https://a.example/ https://b.example/", "~https://a.example/~ ~https://b.example/~"),
        ("Ayşe: https://a.example/\nhttps://b.example/", "Ayşe: ~https://a.example/~\n~https://b.example/~"),
    ],
)
def test_links_of_a_text(published: Published, source: str, text: str) -> None:
    template = Template(published({"body.txt": source}))
    context = {"n": 7, "url": "https://d.example/"}
    assert template.render(context, "", "en", ZONE, track=marked).text == text + "\n"
    assert template.render(context, "", "en", ZONE).text == text.replace("~", "").replace("~", "") + "\n"


def test_a_text_that_nobody_wrote_has_the_links_of_its_page(published: Published) -> None:
    source = '<p>Hi <a href="https://a.example/b">there</a>, <a href="{{ url }}">and here</a></p>'
    _page, text = said(published, source, url="https://d.example/")
    assert "~https://a.example/b~" in text
    assert "~https://d.example/~" in text


def test_the_name_of_a_customer_is_never_signed(published: Published) -> None:
    page, text = said(published, "<p>Hi {{ name }}</p>", name="https://evil.example/")
    assert "~" not in page + text


@pytest.mark.parametrize("campaign", COMMERCIAL)
@pytest.mark.parametrize("locale", ["tr", "en"])
def test_every_link_of_the_stock_mails_is_counted_but_those_that_let_go(campaign: str, locale: str) -> None:
    parts = publish(campaign, TemplateFolder(Path("templates")), "https://mail.example", "tr")
    links = LinkMaker(Keyring.single("k" * 32), "https://mail.example", Wanted(clicks=True))
    job = a_job(campaign, CUSTOMERS["hostile"])
    context = stock_scene(job, "", SHOP, {**LINKS, "survey": "https://mail.example/s/one.two"})
    rendered = Template(parts).render(
        context, locale, "tr", ZONE, track=links.track(7, campaign, agreed=None)
    )
    for body in (rendered.html or "", rendered.text):
        assert "https://kardelen.example" not in body
        assert body.count("https://mail.example/c/") >= 1
        assert LINKS["unsubscribe"] in body
        assert LINKS["preferences"] in body
    assert max(map(len, (rendered.html or "").split("\n"))) < 998
