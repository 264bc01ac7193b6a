from __future__ import annotations

import pytest

from mailer.render.variants import canonical, choose, part_file, reading_locale, variant


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tr", "tr"),
        ("tr_TR", "tr-TR"),
        ("TR-tr", "tr-TR"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("en_GB.UTF-8", "en-GB"),
        ("de_DE@euro", "de-DE"),
        ("", ""),
    ],
)
def test_locales_have_one_spelling(given: str, said: str) -> None:
    assert canonical(given) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("subject.txt", ("subject", "", "txt")),
        ("subject.tr.txt", ("subject", "tr", "txt")),
        ("body.html", ("html", "", "html")),
        ("body.pt_br.mjml", ("html", "pt-BR", "mjml")),
        ("body.tr.txt", ("text", "tr", "txt")),
        ("subject.html", None),
        ("body.md", None),
        ("promo.html", None),
        ("body.tr.html.bak", None),
    ],
)
def test_part_files_are_known_by_name(name: str, said: tuple[str, str, str] | None) -> None:
    found = part_file(name)
    assert (found and (found.part, found.locale, found.suffix)) == said


@pytest.mark.parametrize(
    ("variants", "customer", "tenant", "chosen"),
    [
        (["", "tr"], "tr", "en", "tr"),
        (["", "tr"], "tr-TR", "en", "tr"),
        (["", "tr"], "tr_TR", "en", "tr"),
        (["", "pt", "pt-BR"], "pt-BR", "tr", "pt-BR"),
        (["", "pt", "pt-BR"], "pt_br", "tr", "pt-BR"),
        (["", "pt", "pt-BR"], "pt-PT", "tr", "pt"),
        (["", "tr"], "de", "tr", ""),
        (["", "tr"], "", "tr", "tr"),
        (["", "tr"], "", "en", ""),
        (["", "tr-TR"], "tr", "tr", ""),
        (["tr", "de"], "fr", "tr", "tr"),
        (["tr", "de"], "fr", "nl", "de"),
        ([], "tr", "tr", None),
    ],
)
def test_the_variant_a_customer_is_given(
    variants: list[str], customer: str, tenant: str, chosen: str | None
) -> None:
    parts = {"parts": {"html": {name: {} for name in variants}}}
    assert choose(parts, "html", customer, tenant) == chosen


@pytest.mark.parametrize(
    ("texts", "pages", "chosen"),
    [
        (["en"], ["", "tr"], None),  # made from the page, rather than English beside Turkish
        (["en"], [], "en"),
        (["en", ""], ["", "tr"], ""),
        (["en", "tr"], [""], "tr"),
    ],
)
def test_a_text_of_another_language_stands_beside_no_page(
    texts: list[str], pages: list[str], chosen: str | None
) -> None:
    parts = {"parts": {"text": {name: {} for name in texts}, "html": {name: {} for name in pages}}}
    assert choose(parts, "text", "tr", "tr") == chosen


@pytest.mark.parametrize(
    ("chosen", "variants", "customer", "tenant", "reads"),
    [
        ("tr", ["", "tr"], "tr", "tr", "tr"),
        ("tr", ["", "tr"], "tr-CY", "tr", "tr-CY"),
        ("", ["", "tr"], "en-GB", "tr", "en-GB"),
        ("", ["", "tr"], "de", "tr", "en"),
        ("", [""], "de", "tr", "tr"),
        ("", [""], "", "tr-TR", "tr-TR"),
        ("", [""], "", "", "en"),
        ("pt-BR", ["", "pt-BR"], "pt-BR", "tr", "pt-BR"),
    ],
)
def test_dates_are_written_in_the_language_around_them(
    chosen: str, variants: list[str], customer: str, tenant: str, reads: str
) -> None:
    assert reading_locale(chosen, variants, customer, tenant) == reads


@pytest.mark.parametrize(
    ("locale", "found"),
    [("tr", "footer.tr.html"), ("tr-CY", "footer.tr.html"), ("de", "footer.html"), ("", "footer.html")],
)
def test_a_file_to_include_has_variants_too(locale: str, found: str) -> None:
    assert variant("footer.html", locale, {"footer.html", "footer.tr.html", "footer.txt"}) == found
    assert variant("header.html", locale, {"footer.html"}) is None
