"""Hostile data and hostile templates: each costs itself one mail at most, and no mail is other than it should be."""

from __future__ import annotations

import json
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

from tests.acceptance.conftest import OpenShop, StartRelay

NOW = "2027-01-15T08:00:00Z"
BODY = """<html><body><p title="{{ customer.note | default('') }}">Hello {{ customer.first_name }}
{{ customer.note | default('') }}</p><a href="{{ customer.site | default('https://x.example/') }}">see</a></body></html>
"""

#: What becomes of each: a row the import refuses, a delivery that failed with its reason, or a harmless mail.
REFUSED, HEADER, HARMLESS = "refused", "header", "harmless"
HOSTILE: dict[str, tuple[str, dict[str, str]]] = {
    "template-in-a-name": (HARMLESS, {"first_name": "{{7*7}}{% raw %}"}),
    "include-in-a-name": (HARMLESS, {"first_name": "{% include '../../etc/passwd' %}"}),
    "script": (HARMLESS, {"first_name": "<script>alert(1)</script>"}),
    "handler": (HARMLESS, {"note": '" onmouseover="alert(1)'}),
    "handler-in-single-quotes": (HARMLESS, {"note": "' onmouseover='alert(1)"}),
    "script-link": (HARMLESS, {"site": " JaVa\tScript:alert(1)"}),
    "data-link": (HARMLESS, {"site": "data:text/html,<script>alert(1)</script>"}),
    "end-of-data": (HARMLESS, {"note": "a\r\n.\r\nMAIL FROM:<e@e.example>\n.\n\r.\rb"}),
    "long-line": (HARMLESS, {"note": "y" * 10_000}),
    "homoglyph": (HARMLESS, {"email": "a@раураl.example"}),
    "lf-in-a-subject": (HEADER, {"subject": "A\nBcc: e@e.example"}),
    "body-in-a-subject": (HEADER, {"subject": "A\r\n\r\n<b>body</b>"}),
    "next-line-in-a-subject": (HEADER, {"subject": "A\u0085Bcc: e@e.example"}),
    "line-separator-in-a-subject": (HEADER, {"subject": "A\u2028Bcc: e@e.example"}),
    "encoded-word-in-a-name": (HEADER, {"first_name": "=?utf-8?q?a=0D=0ABcc:_e@e.example?="}),
    "encoded-word-in-a-subject": (HEADER, {"subject": "=?utf-8?q?a=0D=0ABcc:_e@e.example?="}),
    "long-subject": (HEADER, {"subject": "x" * 3_000}),
    "direction-in-a-name": (HEADER, {"first_name": "\u202egnp.exe"}),
    "local-part-the-relay-cannot-carry": ("not_representable", {"email": "ayşe@x.example"}),
    "crlf-in-a-name": (REFUSED, {"first_name": "A\r\nBcc: e@e.example"}),
    "nul": (REFUSED, {"note": "a\0b"}),
    "vertical-tab": (REFUSED, {"subject": "a\vb"}),
    "command-in-an-address": (REFUSED, {"email": "a@x.example\r\nRCPT TO:<e@e.example>"}),
    "quoted-address": (REFUSED, {"email": '"e@e.example x"@internal.example'}),
    "two-addresses": (REFUSED, {"email": "a@x.example,e@e.example"}),
    "no-address": (REFUSED, {"email": "<>"}),
    "long-local-part": (REFUSED, {"email": "a" * 65 + "@x.example"}),
    "bracket-in-an-address": (REFUSED, {"email": "a@x.example><e@e.example"}),
}
GOOD = ("good-1", "good-2", "good-3")


class _Page(HTMLParser):
    """Tags, attributes and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _value in attrs]
        self.links += [value or "" for name, value in attrs if name == "href"]


def harmless(mail: EmailMessage) -> None:
    """One plain letter to its one recipient, whatever the data said."""
    assert sorted(mail.keys()) == sorted(
        ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted")
    )
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert not mail.defects
    page = _Page(mail.get_body(("html",)).get_content())
    assert page.tags == ["html", "body", "p", "a"]
    assert page.attributes == ["title", "href"]
    assert page.links in (["https://x.example/"], ["#"])


def test_hostile_customers_fail_alone_or_are_harmless(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay({"extensions": ["SIZE 10000000", "8BITMIME"]})
    here.relay(post.port)
    here.write("templates/letter/body.html", BODY)
    subject = "Hi {{ customer.first_name }} {{ customer.subject | default('') }}"
    here.campaign("letter", "purpose: service\ntrigger: manual\n", subject=subject)
    rows: list[dict[str, Any]] = [
        {"id": name, "email": f"{name}@x.example", "first_name": "Ada", **data}
        for name, (_, data) in HOSTILE.items()
    ]
    rows += [{"id": name, "email": f"{name}@x.example", "first_name": "Ada"} for name in GOOD]
    file = here.write("people.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    report = here.mailer(
        "customers", "import", str(file), "--json", now="2027-01-01T00:00:00Z", status=1
    ).rows[0]
    lines = {fault["line"] for fault in report["rejected"]}
    assert lines == {line for line, (fate, _) in enumerate(HOSTILE.values(), 1) if fate == REFUSED}
    here.mailer("campaigns", "run", "letter", now=NOW)
    answer = here.run(NOW)
    reasons = sorted(
        {
            fate
            for fate, _ in HOSTILE.values()
            if fate in ("header", "not_representable", "render", "too_large")
        }
    )
    told = answer.err.splitlines()
    assert [line.partition("(")[2].partition(")")[0] for line in told] == reasons
    assert all(line.startswith("letter: ") and "mailer deliveries --campaign letter" in line for line in told)
    became = {row["customer"]: row["reason"] or row["state"] for row in here.deliveries()}
    expected = {
        name: fate if fate != HARMLESS else "sent" for name, (fate, _) in HOSTILE.items() if fate != REFUSED
    }
    assert became == expected | dict.fromkeys(GOOD, "sent")
    mails = {mail["To"].addresses[0].username: mail for mail in post.mails()}
    assert len(mails) == len(post.mails()) == list(became.values()).count("sent")
    for mail in mails.values():
        harmless(mail)
    assert mails["template-in-a-name"]["Subject"] == "Hi {{7*7}}{% raw %}"
    assert mails["script"]["To"].addresses[0].display_name == "<script>alert(1)</script>"
    assert mails["a"]["To"].addresses[0].domain.startswith("xn--")
    assert not any("e@e.example" in note["recipient"] for note in post.notes if "recipient" in note)


TEMPLATES = {
    "classes": "{{ ''.__class__.__mro__ }}",
    "attr": "{{ customer|attr('__init__') }}",
    "globals": "{{ lipsum.__globals__ }}",
    "format-method": "{{ '{0.__class__}'.format(customer) }}",
    "memory": "{{ 'x'*200000000 }}",
    "format-width": "{{ '%200000000d'|format(1) }}",
    "include": "{% include '../../etc/passwd' %}",
}


def test_hostile_templates_stop_their_own_campaigns_only(shop: OpenShop, relay: StartRelay) -> None:
    here, post = shop(), relay()
    here.relay(post.port)
    at = "purpose: service\ntrigger: {at: 2027-01-15T10:00}\n"
    for name, body in TEMPLATES.items():
        here.campaign(name, at, body=body)
    here.campaign("good", at, body="Merhaba!")
    here.customers({"id": "1", "email": "one@x.example"}, now="2027-01-01T00:00:00Z")
    answer = here.run(NOW)
    lines = answer.err.splitlines()
    for name in TEMPLATES:
        assert [line for line in lines if f" {name} cannot go out: templates/{name}/body.txt" in line], (
            f"{name}: {answer.err}"
        )
    assert len(lines) == len(TEMPLATES)
    assert [(row["campaign"], row["state"]) for row in here.deliveries()] == [("good", "sent")]
    assert len(post.dots) == 1
