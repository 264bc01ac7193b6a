from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailer.render.remarks import remarks

Published = Callable[..., dict[str, Any]]


def said(published: Published, body: str, *, commercial: bool = True, in_earnest: bool = True) -> list[str]:
    parts = published({"body.html": body})
    return [str(each) for each in remarks(parts, commercial=commercial, in_earnest=in_earnest)]


LEAVE = '<a href="{{ links.unsubscribe }}">x</a>'


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("https://kardelen.example/en", 1),
        ("http://www.example.com/", 1),
        ("https://example.org", 1),
        ("https://example.com.tr/", 0),
        ("https://for-example.de/", 0),
        ("https://dukkan.com/example/", 0),
    ],
)
def test_a_link_to_an_address_kept_for_examples_is_remarked_on(
    published: Published, link: str, told: int
) -> None:
    page = f'<p><a href="{link}">Shop</a></p>{LEAVE}'
    assert len(said(published, page)) == told
    assert said(published, page, in_earnest=False) == []


@pytest.mark.parametrize(("more", "said_of_them"), [(1, "1 more file,"), (2, "2 more files,")])
def test_a_template_is_remarked_on_once(published: Published, more: int, said_of_them: str) -> None:
    page = f'<p><a href="https://kardelen.example/en">Shop</a></p>{LEAVE}'
    files = {"body.html": page, **{f"body.{each}.html": page for each in ("tr", "de")[:more]}}
    (sentence,) = map(str, remarks(published(files), commercial=True, in_earnest=True))
    assert said_of_them in sentence


@pytest.mark.parametrize(
    ("body", "website", "told"),
    [
        ("{{ tenant.website }}/en", "https://kardelen.example", True),
        ("{{ tenant['website'] ~ '/en' }}", "https://www.example.com", True),
        ("{{ tenant.website }}/en", "https://www.zeytindukkani.com", False),
        ("{{ tenant.name }}", "https://kardelen.example", False),
    ],
)
def test_a_website_of_the_settings_that_is_kept_for_examples(
    published: Published, body: str, website: str, told: bool
) -> None:
    parts = published({"body.html": f'<a href="{body}">x</a>'})
    found = [str(each) for each in remarks(parts, commercial=False, in_earnest=True, website=website)]
    said = f"t/body.html: warning: leads to {website}, which nobody can open; set tenant.website to your shop's address"
    assert found == [said] * told
    assert list(remarks(parts, commercial=False, in_earnest=False, website=website)) == []


def test_a_commercial_page_shows_how_to_leave(published: Published) -> None:
    (sentence,) = said(published, "<p>Hello</p>")
    assert sentence.startswith("t/body.html: warning: shows no link to unsubscribe")
    assert said(published, "<p>Hello</p>", commercial=False) == []
    assert said(published, "<p>{{ links['unsubscribe'] }}</p>") == []
