from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from mailer.core.doctor import names_check, web_check
from mailer.core.doctor.finding import Verdict
from mailer.core.doctor.seen import WebSeen
from tests.core.doctoring import Zone, only, run, sending, verdicts

OK, WARN, FAULT, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAULT, Verdict.UNKNOWN

FOUR, SIX = "203.0.113.5", "2001:db8::5"
PTR4 = "PTR 5.113.0.203.in-addr.arpa"
PTR6 = f"PTR {ip_address(SIX).reverse_pointer}"


@pytest.mark.parametrize(
    ("address", "zone", "expected"),
    [
        (FOUR, {PTR4: "mail.shop.example", "A mail.shop.example": FOUR}, OK),
        (
            FOUR,
            {PTR4: ["x.shop.example", "mail.shop.example"], "A mail.shop.example": [FOUR, "203.0.113.6"]},
            OK,
        ),
        (SIX, {PTR6: "mail.shop.example", "AAAA mail.shop.example": "2001:db8:0::5"}, OK),
        (FOUR, {}, FAULT),
        (FOUR, {PTR4: "mail.shop.example"}, FAULT),
        (FOUR, {PTR4: "mail.shop.example", "A mail.shop.example": "203.0.113.6"}, FAULT),
        (FOUR, {PTR4: "mail.shop.example", "A mail.shop.example": "SERVFAIL"}, UNKNOWN),
        (FOUR, {PTR4: "SILENT"}, UNKNOWN),
    ],
)
def test_addresses_have_names_that_lead_back(address: str, zone: Zone, expected: Verdict) -> None:
    found = run(names_check.reverse, zone, sending(ips=[ip_address(address)]))
    assert verdicts(found) == {"reverse.ptr": expected}


def test_what_to_ask_for_is_ready_to_paste() -> None:
    found = only(run(names_check.reverse, {}, sending(ips=[ip_address(FOUR)])), "reverse.ptr")
    assert found.paste == (
        "5.113.0.203.in-addr.arpa. IN PTR mail.shop.example.",
        f"mail.shop.example. IN A {FOUR}",
    )


def test_without_addresses_the_provider_is_to_be_asked() -> None:
    found = only(run(names_check.reverse, {}), "reverse.ptr")
    assert found.verdict is UNKNOWN
    assert "--ip" in found.todo


HOST: Zone = {"A mx.shop.example": "203.0.113.7"}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ({**HOST, "MX shop.example": "10 mx.shop.example"}, OK),
        ({"AAAA mx.shop.example": SIX, "MX shop.example": ["10 gone.example", "20 mx.shop.example"]}, OK),
        ({"A shop.example": FOUR}, WARN),
        ({}, FAULT),
        ({"TXT shop.example": "x"}, FAULT),
        ({"MX shop.example": "0 "}, FAULT),
        ({"MX shop.example": "10 gone.example"}, FAULT),
        ({"MX shop.example": "10 mx.shop.example", "A mx.shop.example": "SERVFAIL"}, UNKNOWN),
        ({"MX shop.example": "SILENT"}, UNKNOWN),
    ],
)
def test_bounces_and_replies_come_in(zone: Zone, expected: Verdict) -> None:
    assert verdicts(run(names_check.returns, zone))["returns.mx"] is expected
    assert verdicts(run(names_check.sender, zone))["sender.replies"] is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"returns.read": WARN, "returns.complaints": WARN}),
        ({"own_returns": True}, {"returns.read": FAULT, "returns.complaints": WARN}),
        (
            {"own_returns": True, "takes_returns": True, "takes_complaints": True},
            {"returns.read": OK},
        ),
    ],
)
def test_somebody_reads_what_comes_back(changes: dict[str, Any], expected: dict[str, Verdict]) -> None:
    found = verdicts(
        run(names_check.returns, {**HOST, "MX shop.example": "10 mx.shop.example"}, sending(**changes))
    )
    assert found == {"returns.mx": OK} | expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"postal_address": "Moda"}, {"sender.domain": OK, "sender.apart": WARN}),
        ({"commercial": False}, {"sender.domain": OK, "sender.apart": OK}),
        ({"service": False}, {"sender.domain": OK, "sender.apart": OK, "sender.address": WARN}),
        (
            {"postal_address": "Moda", "apart": sending(from_address="info@shop.example")},
            {"sender.domain": OK, "sender.apart": WARN},
        ),
        (
            {"postal_address": "Moda", "apart": sending(from_domain="service.shop.example")},
            {"sender.domain": OK, "sender.apart": OK},
        ),
    ],
)
def test_the_sender(changes: dict[str, Any], expected: dict[str, Verdict]) -> None:
    zone = {**HOST, "MX shop.example": "10 mx.shop.example"}
    assert verdicts(run(names_check.sender, zone, sending(**changes))) == {"sender.replies": OK} | expected


def test_nobody_writes_from_gmail() -> None:
    found = run(names_check.sender, {}, sending(from_domain="gmail.com", from_address="shop@gmail.com"))
    assert verdicts(found)["sender.domain"] is FAULT


# Unsubscribing -----------------------------------------------------------------------------------------


def reached(url: str, host: str, **more: Any) -> Any:
    return sending(public_url=url, public_host=host, **more)


@pytest.mark.parametrize(
    ("url", "host", "zone", "expected"),
    [
        (
            "https://m.shop.example",
            "m.shop.example",
            {"A m.shop.example": "198.51.100.1"},
            {"address": FAULT, "https": OK},
        ),
        ("https://m.shop.example", "m.shop.example", {"A m.shop.example": "1.1.1.1"}, {"https": OK}),
        ("http://m.shop.example", "m.shop.example", {"A m.shop.example": "1.1.1.1"}, {"https": FAULT}),
        (
            "https://m.shop.example",
            "m.shop.example",
            {"A m.shop.example": "10.0.0.5"},
            {"https": OK, "address": FAULT},
        ),
        ("https://m.shop.example", "m.shop.example", {}, {"https": OK, "address": FAULT}),
        (
            "https://m.shop.example",
            "m.shop.example",
            {"A m.shop.example": "SILENT"},
            {"https": OK, "address": UNKNOWN},
        ),
        ("https://1.1.1.1", "1.1.1.1", {}, {"https": OK, "address": WARN}),
        ("http://127.0.0.1:8080", "127.0.0.1", {}, {"address": FAULT}),
        ("http://localhost:8080", "localhost", {}, {"address": FAULT}),
        ("https://10.1.2.3", "10.1.2.3", {}, {"address": FAULT}),
        ("https://intranet", "intranet", {}, {"address": FAULT}),
    ],
)
def test_the_public_address(url: str, host: str, zone: Zone, expected: dict[str, Verdict]) -> None:
    found = run(web_check.address, zone, reached(url, host))
    assert verdicts(found) == {f"unsubscribe.{name}": verdict for name, verdict in expected.items()}


def test_while_mails_are_caught_an_address_of_this_machine_will_do() -> None:
    at_home = reached("http://127.0.0.1:8080", "127.0.0.1", relays=())
    assert verdicts(run(web_check.address, {}, at_home)) == {"unsubscribe.address": WARN}
    assert web_check.answer(at_home, WebSeen(trouble="nothing listens there")) == []


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (WebSeen(200, "ok\n"), OK),
        (WebSeen(200, "<html>"), FAULT),
        (WebSeen(301), FAULT),
        (WebSeen(404), FAULT),
        (WebSeen(503, "the database does not answer"), FAULT),
        (WebSeen(trouble="nothing listens there"), FAULT),
    ],
)
def test_what_the_public_address_answers(seen: WebSeen, expected: Verdict) -> None:
    [found] = web_check.answer(reached("https://m.shop.example", "m.shop.example"), seen)
    assert found.verdict is expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (WebSeen(404, "<p>Tom &amp; Co</p>"), OK),
        (WebSeen(404, "<h1>nginx</h1>"), FAULT),
        (WebSeen(403), FAULT),
        (WebSeen(302), FAULT),
        (WebSeen(trouble="it takes the request and says nothing"), FAULT),
    ],
)
def test_the_request_of_a_mail_program_gets_through(seen: WebSeen, expected: Verdict) -> None:
    [found] = web_check.posted(reached("https://m.shop.example", "m.shop.example", tenant="Tom & Co"), seen)
    assert found.verdict is expected


def test_the_signature_covers_the_header() -> None:
    assert verdicts(run(web_check.signed, {}, sending(dkim_domain="shop.example"))) == {
        "unsubscribe.signed": OK
    }
    assert verdicts(run(web_check.signed, {})) == {"unsubscribe.signed": UNKNOWN}
