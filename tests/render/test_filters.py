from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from jinja2 import TemplateError

from mailer.render.environment import HTML
from mailer.render.filters import SCENE, Scene

NOON = datetime(2027, 5, 10, 22, 30, tzinfo=UTC)  # 01:30 the next day in Istanbul


def fill(source: str, locale: str = "en-GB", currency: str | None = "TRY", **context: Any) -> str:
    scene = Scene(locale, ZoneInfo("Europe/Istanbul"), currency)
    return (
        HTML.from_string(source).render({SCENE: scene, **context}).replace("\u202f", " ").replace("\xa0", " ")
    )


@pytest.mark.parametrize(
    ("source", "locale", "said"),
    [
        ("{{ d | date }}", "tr", "10 Mayıs 2027"),
        ("{{ d | date }}", "en", "May 10, 2027"),
        ("{{ d | date('long') }}", "en-GB", "10 May 2027"),
        ("{{ d | date('d MMMM') }}", "tr", "10 Mayıs"),
        ("{{ d | date('full') }}", "tr", "10 Mayıs 2027 Pazartesi"),
        ("{{ '2027-05-10' | date }}", "tr", "10 Mayıs 2027"),
        ("{{ '--02-29' | date }}", "tr", "29 Şubat"),
        ("{{ '--02-29' | date('d MMMM') }}", "en", "29 February"),
        ("{{ i | date }}", "tr", "11 Mayıs 2027"),
        ("{{ i | datetime }}", "tr", "11 May 2027 01:30"),
        ("{{ i | datetime('long') }}", "en-GB", "11 May 2027, 01:30"),
        ("{{ i | datetime('HH.mm, d.M.') }}", "tr", "01.30, 11.5."),
        ("{{ '2027-05-10T22:30:00Z' | datetime }}", "en-GB", "11 May 2027, 01:30"),
        ("{{ '2027-05-11T01:30:00+03:00' | time }}", "tr", "01:30"),
        ("{{ i | time }}", "en", "1:30 AM"),
        ("{{ i | date('HH:mm') }}", "tr", "01:30"),
        ("{{ d | datetime }}", "tr", "10 May 2027"),
        ("{{ 1250 | money }}", "tr", "₺1.250,00"),
        ("{{ m | money }}", "tr", "₺49,90"),
        ("{{ '49.9' | money('EUR') }}", "de", "49,90 €"),
        ("{{ -3.5 | money('GBP') }}", "en-GB", "-£3.50"),
        ("{{ x | default('none') }}", "en", "none"),
        (
            "{{ '' | default('none') }} {{ none | d('none') }}",
            "en",
            "none none",
        ),  # as an empty cell is nothing
        (
            "{{ 0 | default('none') }} {{ false | default('none') }} {{ [] | default('none') }}",
            "en",
            "0 False []",
        ),
        ("{{ 0 | default('none', true) }} {{ x | default }}", "en", "none "),
        ("{{ '%s of %d' | format('a', 2) }}", "en", "a of 2"),
        ("{{ 'aba' | replace('a', '<') }}", "en", "&lt;b&lt;"),
        ("{{ 'a\nb' | indent(2) }}", "en", "a\n  b"),
        ("{{ 'a' | center(3) }}", "en", " a "),
        ("{{ ['b', 'a'] | sort | join(', ') | upper }}", "en", "A, B"),
        ("{{ d.year }}-{{ d.month }}", "en", "2027-5"),
    ],
)
def test_filters_write_for_the_reader(source: str, locale: str, said: str) -> None:
    assert fill(source, locale, d=date(2027, 5, 10), i=NOON, m=Decimal("49.90")) == said


def test_a_locale_is_not_remembered_from_another_reader() -> None:
    source = "{{ '2027-05-10' | date }}"
    assert fill(source, "tr") == "10 Mayıs 2027"
    assert fill(source, "de") == "10. Mai 2027"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ none | date }}", "needs a date, and was given nothing"),
        ("{{ '' | datetime }}", "needs a date, and was given nothing"),
        ("{{ 'soon' | date }}", "was given 'soon'"),
        ("{{ missing | date }}", "'missing' is not defined"),
        ("{{ missing | money }}", "'missing' is not defined"),
        ("{{ '2027-05-10' | time }}", "needs an instant"),
        ("{{ 'much' | money }}", "was given 'much'"),
        ("{{ none | money }}", "needs an amount"),
        ("{{ true | money }}", "needs an amount"),
        ("{{ 'NaN' | money }}", "needs an amount"),
        ("{{ '1e999999' | money }}", "needs an amount"),
        ("{{ 'a.png' | inline }}", "there is no picture"),
        ("{{ '2027-05-10' | date('d' * 90) }}", "longer than 40"),
        ("{{ 'x' | center(100000) }}", "at most 1000"),
        ("{{ 'x' | indent(100000) }}", "at most 40"),
        ("{{ ('x' * 1000) | replace('', 'y' * 1000) }}", "too long"),
    ],
)
def test_what_a_filter_cannot_write_is_said(source: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        fill(source)


def test_what_was_written_once_is_not_taken_for_another() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first, second = (datetime(2027, 10, 31, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1))
    source = "{{ a | datetime('HH:mm z') }}, {{ b | datetime('HH:mm z') }}"

    def said(zone: ZoneInfo) -> str:
        return HTML.from_string(source).render({SCENE: Scene("en-GB", zone), "a": first, "b": second})

    assert said(berlin) == "02:30 CEST, 02:30 CET"
    assert said(ZoneInfo("UTC")) == "00:30 UTC, 01:30 UTC"
    assert (
        fill("{{ 1 | money }} {{ 1.0 | money }} {{ '1.00' | money }} {{ 1 | money('EUR') }}")
        == "TRY1.00 " * 3 + "€1.00"
    )
    assert [fill("{{ 1 | money }}", locale) for locale in ("tr", "en", "tr")] == [
        "₺1,00",
        "TRY1.00",
        "₺1,00",
    ]


def test_money_without_any_currency_is_said() -> None:
    with pytest.raises(TemplateError, match="needs a currency"):
        fill("{{ 5 | money }}", currency=None)


@pytest.mark.parametrize(
    ("data", "link"),
    [
        ("https://a.example/?x=1&y=2", "https://a.example/?x=1&amp;y=2"),
        ("HTTP://a.example", "HTTP://a.example"),
        (" https://a.example ", "https://a.example"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("javascript:alert(1)", "#"),
        ("JaVaScRiPt:alert(1)", "#"),
        ("java\tscript:alert(1)", "#"),
        ("\x01javascript:alert(1)", "#"),
        ("https://a.example/\njavascript:x", "#"),
        ("data:text/html,<script>", "#"),
        ("vbscript:x", "#"),
        ("//evil.example", "#"),
        ("/path", "#"),
        ("", "#"),
    ],
)
def test_only_web_and_mail_links_pass(data: str, link: str) -> None:
    assert fill("{{ u | link }}", u=data) == link


def test_a_link_that_is_markup_is_escaped_once() -> None:
    assert fill("{% set u %}https://a.example/?x=1&{{ y }}{% endset %}{{ u | link }}", y="&") == (
        "https://a.example/?x=1&amp;&amp;"
    )


@pytest.mark.parametrize(
    ("data", "css"), [("#1f6b4f", "#1f6b4f"), ("50%", "50%"), ("red;x:url(//e)", ""), ("a:b", "")]
)
def test_data_adds_no_declaration_to_a_style(data: str, css: str) -> None:
    assert fill("{{ v | css }}", v=data) == css
