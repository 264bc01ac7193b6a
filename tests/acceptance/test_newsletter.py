"""The stock newsletter: an issue of what is new, in everybody's own morning, and no empty one."""

from __future__ import annotations

from typing import Any

from tests.acceptance.conftest import OpenShop, StartRelay


def post_of(key: str, at: str, title: str) -> dict[str, Any]:
    properties = {"title": title, "url": f"https://kardelen.example/{key}", "summary": "Kısaca."}
    return {"id": key, "customer": None, "name": "post.published", "at": at, "properties": properties}


def confirmed(customer: str, at: str) -> dict[str, Any]:
    return {"id": f"confirmed-{customer}", "customer": customer, "name": "consent.confirmed", "at": at}


def test_each_issue_holds_what_is_new(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop("newsletter"), relay()
    here.relay(post.port)
    here.customers(
        {"id": "ist", "email": "ist@x.example", "consent": "yes"},
        {
            "id": "ldn",
            "email": "ldn@x.example",
            "consent": "yes",
            "locale": "en",
            "timezone": "Europe/London",
        },
        {"id": "late", "email": "late@x.example"},
        now="2027-03-01T00:00:00Z",
    )
    here.run("2027-03-16T10:00:00Z")  # nothing was published yet
    here.events(
        post_of("p1", "2027-03-22T09:00:00Z", "Kış çorbaları"),
        post_of("p2", "2027-03-23T07:30:00Z", "Keten"),
        post_of("untitled", "2027-03-22T10:00:00Z", ""),  # one that cannot be shown spoils no issue
        confirmed("late", "2027-03-23T07:05:00Z"),
        now="2027-03-23T08:00:00Z",
    )
    here.run("2027-03-23T08:00:00Z")  # an hour late, so that the subscriber of 10:05 is there already
    assert post.accepted == ["ist@x.example"]
    here.run("2027-03-23T10:00:00Z")
    assert post.accepted == ["ist@x.example", "ldn@x.example"]
    here.run("2027-03-30T09:00:00Z")  # London has changed its clocks: both are due by now
    runs = [(run["occurrence"], run["state"], run["sent"]) for run in here.runs()]
    assert runs == [
        ("2027-03-16", "skipped_empty", 0),
        ("2027-03-23", "finished", 2),
        ("2027-03-30", "finished", 3),
    ]
    issues: dict[tuple[str, str], list[str]] = {}
    for mail in post.mails():
        text = mail.get_body(("plain",)).get_content()
        issues.setdefault(
            (mail["To"].addresses[0].username, mail["Date"].datetime.date().isoformat()), []
        ).extend(title for title in ("Kış çorbaları", "Keten") if title in text)
    assert issues == {
        ("ist", "2027-03-23"): ["Kış çorbaları"],
        ("ldn", "2027-03-23"): ["Kış çorbaları"],
        ("ist", "2027-03-30"): ["Keten"],
        ("ldn", "2027-03-30"): ["Keten"],
        ("late", "2027-03-30"): ["Keten"],
    }


def test_an_issue_from_a_feed_that_could_not_be_read_at_first(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop("newsletter"), relay()
    here.relay(post.port)
    here.set(tracking={"clicks": False})
    stock = (here.folder / "jobs/newsletter.yaml").read_text("utf-8")
    here.write("jobs/newsletter.yaml", stock.replace("events: post.published", "feed: feeds/yazilar.xml"))
    here.customers({"id": "ist", "email": "ist@x.example", "consent": "yes"}, now="2027-03-01T00:00:00Z")
    here.write("jobs/feeds/yazilar.xml", "<!DOCTYPE rss [<!ENTITY a 'b'>]><rss>&a;</rss>")
    told = here.run("2027-03-23T07:00:00Z").err
    assert (
        "The campaign newsletter cannot go out: feeds/yazilar.xml:1: the feed has a document type (DTD)"
        in told
    )
    assert here.runs() == []
    item = (
        "<item><title>Kış &amp; çorba</title><link>https://kardelen.example/c</link>"
        "<pubDate>Mon, 22 Mar 2027 09:00:00 +0300</pubDate><description>Üç tarif.</description></item>"
    )
    here.write("jobs/feeds/yazilar.xml", f"<rss version='2.0'><channel>{item}</channel></rss>")
    here.run("2027-03-23T07:30:00Z")
    here.run("2027-03-30T07:00:00Z")
    [mail] = post.mails()
    assert mail["Subject"] == "Bu hafta: Kış & çorba"
    text = mail.get_body(("plain",)).get_content()
    assert "Üç tarif." in text
    assert "https://kardelen.example/c" in text
    assert [(run["occurrence"], run["state"]) for run in here.runs()] == [
        ("2027-03-23", "finished"),
        ("2027-03-30", "skipped_empty"),
    ]
