from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.core.campaign import Campaign
from mailer.core.handoff import CouponView
from mailer.core.message import Rendered
from mailer.files import catalog
from mailer.files.templates import TemplateFolder
from mailer.render.publish import publish
from mailer.render.renderer import Template
from tests.campaigns.stock import (
    ALL,
    COMMERCIAL,
    CUSTOMERS,
    LINKS,
    POINTS,
    POSTS,
    SHOP,
    SIX,
    a_scene,
    an_incident,
)

ROOT = Path(__file__).parents[2]
ISTANBUL = ZoneInfo("Europe/Istanbul")
LOCALES = ("tr", "en", "de", "")
UNPLANNED = ("investigating", "identified", "monitoring", "resolved", "reopened", "cancelled")
PLANNED = ("scheduled", "reminded", "in_progress", "completed", "rescheduled", "cancelled")
STATES = [*((state, False) for state in UNPLANNED), *((state, True) for state in PLANNED)]
KINDS = ("first", "update", "closure", "unaffected")

Render = Callable[..., Rendered]


@pytest.fixture(scope="module")
def stock() -> catalog.Catalog:
    return catalog.read(ROOT / "jobs")


@pytest.fixture(scope="module")
def render() -> Render:
    """A mail of the stock templates, published from the files once and filled in."""
    source = TemplateFolder(ROOT / "templates")
    published = {name: Template(publish(name, source, "https://mail.example")) for name in ALL}

    def make(name: str, seen: dict[str, Any], locale: str) -> Rendered:
        return published[name].render(seen, locale, SHOP.locale, ISTANBUL)

    return make


def words(html: str) -> str:
    """What a reader sees of HTML."""
    text = re.sub(r"<(style|title).*?</\1>|<!--.*?-->", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


# The campaigns -------------------------------------------------------------------------------------------


def test_all_load_without_a_fault_and_six_are_switched_on(stock: catalog.Catalog) -> None:
    assert stock.faults == ()
    assert set(stock.campaigns) == set(ALL)
    assert {name for name, campaign in stock.campaigns.items() if campaign.enabled} == set(SIX)
    assert len(stock.segments) >= 10


def test_they_have_no_budget_no_holdout_and_no_hidden_consent_rule(stock: catalog.Catalog) -> None:
    for campaign in stock.campaigns.values():
        assert campaign.holdout == 0
        assert campaign.coupon is None or campaign.coupon.budget is None
        assert "consent" not in str(
            campaign.audience.model_dump(exclude_none=True) if campaign.audience else ""
        )


@pytest.mark.parametrize(
    ("name", "priority", "once", "prefix"),
    [
        ("welcome", 90, "ever", "HG"),
        ("birthday", 80, "year", "DG"),
        ("anniversary", 75, "year", "YD"),
        ("spend-reward", 70, "ever", "TK"),
        ("referral", 50, "quarter", None),
        ("offer", 40, "run", "SS"),
        ("newsletter", 20, "run", None),
        ("outage", 40, "run", None),
    ],
)
def test_rank_repetition_and_coupon(
    stock: catalog.Catalog, name: str, priority: int, once: str, prefix: str | None
) -> None:
    campaign: Campaign = stock.campaigns[name]
    assert campaign.priority == priority
    assert campaign.once.per == once
    assert getattr(campaign.coupon, "prefix", None) == prefix
    assert campaign.commercial == (name in COMMERCIAL)


# Every mail ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("locale", ["tr", "en"])
@pytest.mark.parametrize("name", ALL)
def test_it_leads_to_the_shop_of_the_settings_and_nowhere_else(
    render: Render, name: str, locale: str
) -> None:
    seen = a_scene(name, CUSTOMERS["named"])
    seen["tenant"]["website"] = "https://lale.example/magaza"
    made = render(name, seen, locale)
    page = re.findall(r'href="(https://[^"]+)"', made.html or "")
    text = re.findall(r"https://[^\s<>\"]+", made.text)
    for addresses in (page, text):
        others = {each for each in addresses if not each.startswith("https://lale.example/magaza/")}
        assert others < set(addresses), "it leads to the shop at least once"
        assert others <= {*LINKS.values(), *(post["url"] for post in POSTS)}


@pytest.mark.parametrize(("name", "locale", "who"), list(product(ALL, LOCALES, CUSTOMERS)))
def test_every_mail_is_fit_to_send(render: Render, name: str, locale: str, who: str) -> None:
    customer = CUSTOMERS[who]
    mail = render(name, a_scene(name, customer), locale)
    turkish = locale in ("tr", "")
    html = mail.html or ""
    assert mail.subject.strip() == mail.subject != ""
    assert "\n" not in mail.subject
    assert len(mail.subject) < 150
    assert re.search(rf'<html[^>]* lang="{"tr" if turkish else "en"}"', html)
    assert len(html.encode()) < 15_000
    for text in (html, mail.text):
        assert "{%" not in text
        assert "{{" not in text.replace("{{7*7}}", "")
        assert SHOP.postal_address in unescape(text)
        for link in LINKS.values():
            assert (link in text) == (name in COMMERCIAL)


@pytest.mark.parametrize(("name", "locale"), list(product(ALL, ("tr", "en"))))
def test_every_mail_is_readable_everywhere(render: Render, name: str, locale: str) -> None:
    html = render(name, a_scene(name, CUSTOMERS["named"]), locale).html or ""
    assert "<img" not in html
    assert "url(" not in html
    assert html.count('class="button"') == 1
    assert '<meta name="viewport"' in html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "prefers-color-scheme: dark" in html
    assert "max-width: 480px" in html
    assert "max-width: 600px" in html
    for table in re.findall(r"<table[^>]*>", html):
        assert 'role="presentation"' in table or 'class="facts"' in table


@pytest.mark.parametrize(("name", "locale"), list(product(ALL, ("tr", "en"))))
def test_the_text_part_says_what_the_html_says(render: Render, name: str, locale: str) -> None:
    mail = render(name, a_scene(name, CUSTOMERS["named"]), locale)
    html = mail.html or ""
    for address in re.findall(r'href="([^"]+)"', html):
        assert unescape(address) in mail.text
    for number in re.findall(r"\d[\d.:%]*", words(html)):
        assert number in mail.text


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("locale", ["tr", "en"])
def test_a_name_is_text_and_nothing_else(render: Render, name: str, locale: str) -> None:
    mail = render(name, a_scene(name, CUSTOMERS["hostile"]), locale)
    html = mail.html or ""
    assert "<script" not in html
    assert "49" not in words(html).replace("K-20401", "")
    assert "script" not in mail.subject


@pytest.mark.parametrize(("name", "locale"), list(product(ALL, ("tr", "en"))))
def test_nobody_without_a_name_is_greeted_with_a_gap(render: Render, name: str, locale: str) -> None:
    mail = render(name, a_scene(name, CUSTOMERS["nameless"]), locale)
    for text in (words(mail.html or ""), mail.text):
        assert "None" not in text
        assert " ," not in text
        assert " !" not in text


@pytest.mark.parametrize("name", ALL)
def test_the_mail_speaks_the_customers_language_and_else_english(render: Render, name: str) -> None:
    turkish, english, german, unknown = (
        render(name, a_scene(name, CUSTOMERS["named"]), locale) for locale in LOCALES
    )
    assert turkish == unknown
    assert (english.subject, english.text) == (german.subject, german.text)
    assert turkish.text != english.text


# Coupons -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["welcome", "offer", "birthday", "anniversary"])
@pytest.mark.parametrize(
    ("locale", "written"),
    [("tr", ("%{}", "₺75,00", "8 Aralık 2026")), ("en", ("{}%", "TRY", "8 December 2026"))],
)
def test_a_coupon_is_shown_whatever_it_is_worth(
    render: Render, stock: catalog.Catalog, name: str, locale: str, written: tuple[str, str, str]
) -> None:
    percent, amount, day = written
    worth = stock.campaigns[name].coupon
    assert worth is not None
    mail = render(name, a_scene(name, CUSTOMERS["named"]), locale)
    for text in (words(mail.html or ""), mail.text):
        assert "XX-7KXQ9MBTRW" in text
        assert percent.format(worth.percent) in text
        assert day in text
    in_lira = CouponView("XX-LIRA", amount_e4=750_000, currency="TRY")
    mail = render(name, a_scene(name, CUSTOMERS["named"], coupon=in_lira), locale)
    for text in (words(mail.html or ""), mail.text):
        assert "XX-LIRA" in text
        assert amount in text
    mail = render(name, a_scene(name, CUSTOMERS["named"], coupon=None), locale)
    assert "%" not in mail.subject


@pytest.mark.parametrize(("locale", "label"), [("tr", "Kodunuz"), ("en", "Your code")])
def test_a_sample_is_a_code_without_a_worth(render: Render, locale: str, label: str) -> None:
    mail = render("spend-reward", a_scene("spend-reward", CUSTOMERS["named"]), locale)
    for text in (words(mail.html or ""), mail.text):
        assert f"{label} XX-7KXQ9MBTRW" in text.replace(":", "")
        assert "%" not in text


# The anniversary -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("joined", "turkish", "english"),
    [
        ("2025-11-24", "üzerinden 1 yıl geçti.", "been 1 year since"),
        ("2016-11-24", "üzerinden 10 yıl geçti.", "been 10 years since"),
        ("--11-24", "üzerinden bir yıl daha geçti.", "been another year since"),
        (None, "üzerinden bir yıl daha geçti.", "been another year since"),
    ],
)
def test_the_years_are_counted_where_the_first_is_known(
    render: Render, joined: str | None, turkish: str, english: str
) -> None:
    customer = replace(CUSTOMERS["named"], attributes={"member_since": joined} if joined else {})
    for locale, said in (("tr", turkish), ("en", english)):
        mail = render("anniversary", a_scene("anniversary", customer), locale)
        assert said in words(mail.html or "")
        assert said in mail.text


# The newsletter ------------------------------------------------------------------------------------------


def test_a_post_brings_its_own_english_where_it_has_any(render: Render) -> None:
    post = {"title": "Keten", "title_en": "Linen", "url": "javascript:alert(1)", "at": "2026-11-20T07:00:00Z"}
    seen = a_scene("newsletter", CUSTOMERS["named"], content={"posts": [post]})
    english, turkish = render("newsletter", seen, "en"), render("newsletter", seen, "tr")
    assert english.subject == "This week: Linen"
    assert turkish.subject == "Bu hafta: Keten"
    assert "javascript:" not in (english.html or "")


def test_a_title_of_several_lines_makes_one_line_of_subject(render: Render) -> None:
    post = {"title": "Bir\r\n iki", "url": "https://kardelen.example/", "at": "2026-11-20T07:00:00Z"}
    seen = a_scene("newsletter", CUSTOMERS["named"], content={"posts": [post]})
    assert render("newsletter", seen, "tr").subject == "Bu hafta: Bir iki"


# The outage ----------------------------------------------------------------------------------------------

TIMES = {
    "eta": "2026-11-21T17:30:00Z",
    "next_update": "2026-11-21T16:45:00Z",
    "starts_at": "2027-02-09T23:00:00Z",
    "ends_at": "2027-02-10T01:00:00Z",
}


@pytest.mark.parametrize("locale", ["tr", "en"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("state", "planned"), STATES)
def test_every_notice_renders_with_and_without_what_may_be_missing(
    render: Render, state: str, planned: bool, kind: str, locale: str
) -> None:
    said = {"state": state, "planned": planned, "title": "Kablo & <direk>"}
    subjects = set()
    for facts, points, services in product(
        ({}, TIMES, {"message": "Kazı\nsürüyor <b>", "resolved_at": "2026-11-21T17:10:00Z"}),
        ([], POINTS[:1], POINTS, [{"id": "", "service": "a, b", "postal_code": "", "label": ""}]),
        ([], ["fibre"], ["fibre", "tv"]),
    ):
        incident = an_incident(**said, **facts, services=services)
        seen = a_scene(
            "outage",
            CUSTOMERS["named"],
            kind=kind,
            content={"incident": incident},
            context={"points": points},
        )
        mail = render("outage", seen, locale)
        subjects.add(mail.subject)
        html = mail.html or ""
        assert "<direk>" not in html
        assert "INC-7" in words(html)
        assert "INC-7" in mail.text
        assert "None" not in words(html) + mail.text
        assert not re.search(r"\n{3,}", mail.text)
        assert not mail.subject.endswith((",", "–", " "))
        for point in points:
            assert point["postal_code"] in mail.text
            assert point["postal_code"] in words(html)
    assert len(subjects) > 1


@pytest.mark.parametrize(
    ("state", "kind", "locale", "subject"),
    [
        ("investigating", "first", "tr", "Kesintinin nedenini araştırıyoruz"),
        ("identified", "update", "tr", "Kesintinin nedenini bulduk, onarıyoruz"),
        ("resolved", "closure", "tr", "Kesinti giderildi"),
        ("resolved", "closure", "en", "The outage is over"),
        ("identified", "unaffected", "tr", "Adresiniz artık etkilenmiyor"),
        ("cancelled", "closure", "tr", "Kesinti bildirimi geri çekildi"),
        ("scheduled planned", "first", "tr", "Planlı çalışma yapacağız, 10 Şubat 02:00"),
        ("rescheduled planned", "update", "en", "Planned work has a new date, 10 February 02:00"),
        ("cancelled planned", "closure", "en", "Planned work is called off"),
        ("reminded planned", "update", "tr", "Hatırlatma: planlı çalışma, 10 Şubat 02:00"),
        ("reminded planned", "first", "tr", "Planlı çalışma yapacağız, 10 Şubat 02:00"),
        ("rescheduled planned", "first", "en", "Planned work ahead, 10 February 02:00"),
    ],
)
def test_the_subject_says_state_and_place(
    render: Render, state: str, kind: str, locale: str, subject: str
) -> None:
    state, _, planned = state.partition(" ")
    incident = an_incident(state=state, planned=bool(planned), **(TIMES if planned else {}))
    seen = a_scene(
        "outage",
        CUSTOMERS["named"],
        kind=kind,
        content={"incident": incident},
        context={"points": POINTS[:1]},
    )
    service = "fiber internet" if locale == "tr" else "fibre internet"
    assert render("outage", seen, locale).subject == f"{subject} – {service}, 34710"


def test_the_estimate_comes_before_the_cause(render: Render) -> None:
    incident = an_incident(state="identified", message="Kablo koptu.", **TIMES)
    seen = a_scene("outage", CUSTOMERS["named"], kind="first", content={"incident": incident})
    mail = render("outage", seen, "tr")
    for text in (words(mail.html or ""), mail.text):
        assert text.index("21 Kasım 20:30") < text.index("Kablo koptu.")
        assert "en geç 21 Kasım 19:45" in text


@pytest.mark.parametrize(("locale", "hello"), [("tr", "Merhaba Ayşe,"), ("en", "Hello Ayşe,")])
@pytest.mark.parametrize(("state", "planned"), STATES)
def test_a_notice_as_text_has_its_paragraphs(
    render: Render, state: str, planned: bool, locale: str, hello: str
) -> None:
    incident = an_incident(state=state, planned=planned, message="Kablo koptu.", **TIMES)
    seen = a_scene("outage", CUSTOMERS["named"], kind="first", content={"incident": incident})
    shop, title, greeting, *rest = render("outage", seen, locale).text.split("\n\n")
    assert (shop, greeting) == (SHOP.name, hello)
    assert "\n" not in title
    assert "Kablo koptu." in rest


@pytest.mark.parametrize("locale", ["tr", "en"])
def test_a_service_notice_promotes_nothing(render: Render, locale: str) -> None:
    folder = ROOT / "templates" / "outage"
    assert not any("coupon" in path.read_text("utf-8") for path in folder.iterdir())
    mail = render("outage", a_scene("outage", CUSTOMERS["named"], kind="first"), locale)
    shop = ("indirim", "fırsat", "%", "sale", "offer", "discount")
    assert not any(word in words(mail.html or "").lower() for word in shop)
