from __future__ import annotations

import contextlib
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.doctor.dns import Answer, Book, Question, Status
from mailer.core.doctor.finding import Verdict
from mailer.core.doctor.spf import is_spf, parse
from mailer.core.doctor.spf_check import check
from mailer.core.doctor.spf_macro import expand
from mailer.core.doctor.spf_walk import Broken, Walk
from tests.core.doctoring import Zone, only, run, sending, verdicts

OK, WARN, FAULT, UNKNOWN = Verdict.OK, Verdict.WARN, Verdict.FAULT, Verdict.UNKNOWN


def chain(length: int) -> Zone:
    """A record that includes `length` others, one after the other."""
    zone = {"TXT shop.example": "v=spf1 include:s1.example -all"}
    for number in range(1, length):
        zone[f"TXT s{number}.example"] = f"v=spf1 include:s{number + 1}.example -all"
    return zone | {f"TXT s{length}.example": "v=spf1 ip4:203.0.113.0/24 -all"}


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        pytest.param({}, {"spf.record": FAULT}, id="no such domain"),
        pytest.param({"TXT shop.example": ["other", "v=spf10 -all"]}, {"spf.record": FAULT}, id="none"),
        pytest.param({"TXT shop.example": "SERVFAIL"}, {"spf.record": UNKNOWN}, id="servfail"),
        pytest.param({"TXT shop.example": "SILENT"}, {"spf.record": UNKNOWN}, id="silent"),
        pytest.param(
            {"TXT shop.example": ["v=spf1 -all", "v=spf1 mx ~all"]}, {"spf.record": FAULT}, id="several"
        ),
        pytest.param(
            {"TXT shop.example": "v=spf1 ipv4:1.2.3.4 -all"}, {"spf.record": FAULT}, id="unreadable"
        ),
        pytest.param(
            {"TXT shop.example": "V=SPF1 ip4:203.0.113.5 -all"},
            {"spf.record": OK, "spf.lookups": OK, "spf.address": UNKNOWN},
            id="good",
        ),
        pytest.param(
            chain(10), {"spf.record": OK, "spf.lookups": OK, "spf.address": UNKNOWN}, id="ten looks"
        ),
        pytest.param(
            chain(11), {"spf.record": OK, "spf.lookups": FAULT, "spf.address": UNKNOWN}, id="eleven looks"
        ),
        pytest.param(
            {"TXT shop.example": "v=spf1 include:gone.example -all"},
            {"spf.record": OK, "spf.lookups": FAULT, "spf.address": UNKNOWN},
            id="an include that is gone",
        ),
        pytest.param(
            {"TXT shop.example": "v=spf1 include:shop.example -all"},
            {"spf.record": OK, "spf.lookups": FAULT, "spf.address": UNKNOWN},
            id="itself",
        ),
        pytest.param(
            {"TXT shop.example": "v=spf1 include:slow.example -all", "TXT slow.example": "SILENT"},
            {"spf.record": OK, "spf.lookups": UNKNOWN, "spf.address": UNKNOWN},
            id="an include that is silent",
        ),
        pytest.param(
            {"TXT shop.example": "v=spf1 a:x.example a:y.example a:z.example -all"},
            {"spf.record": OK, "spf.lookups": FAULT, "spf.address": UNKNOWN},
            id="three names without records",
        ),
        pytest.param(
            {"TXT shop.example": "v=spf1 +all"},
            {"spf.record": OK, "spf.lookups": OK, "spf.rest": FAULT, "spf.address": UNKNOWN},
            id="everybody",
        ),
        pytest.param(
            {"TXT shop.example": "v=spf1 ip4:203.0.113.5"},
            {"spf.record": OK, "spf.lookups": OK, "spf.rest": WARN, "spf.address": UNKNOWN},
            id="no end",
        ),
        pytest.param(
            {"TXT shop.example": "v=spf1 ptr -all"},
            {"spf.record": OK, "spf.lookups": OK, "spf.rest": WARN, "spf.address": UNKNOWN},
            id="ptr",
        ),
        pytest.param(
            {"TXT shop.example": "v=spf1 redirect=s1.example", "TXT s1.example": "v=spf1 -all"},
            {"spf.record": OK, "spf.lookups": OK, "spf.address": UNKNOWN},
            id="redirect",
        ),
    ],
)
def test_a_record_is_judged(zone: Zone, expected: dict[str, Verdict]) -> None:
    assert verdicts(run(check, zone)) == expected


ZONE: Zone = {
    "TXT shop.example": "v=spf1 a mx/28 include:relay.example exists:%{ir}.%{v}.list.example ?all",
    "A shop.example": "192.0.2.1",
    "MX shop.example": ["10 mx.shop.example"],
    "A mx.shop.example": "192.0.2.17",
    "AAAA shop.example": "2001:db8::1",
    "TXT relay.example": "v=spf1 ip4:203.0.113.0/25 -ip4:203.0.113.128/25 ip6:2001:db8:5::/48 -all",
    "A 9.100.51.198.in-addr.list.example": "127.0.0.2",
}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", OK),
        ("192.0.2.20", OK),  # beside the MX
        ("192.0.2.32", FAULT),
        ("203.0.113.5", OK),
        ("203.0.113.200", FAULT),  # an include that fails is no match
        ("2001:db8::1", OK),
        ("2001:db8:5::25", OK),
        ("198.51.100.9", OK),  # by exists
        ("198.51.100.8", FAULT),
    ],
)
def test_an_address_passes_or_not(address: str, expected: Verdict) -> None:
    found = run(check, ZONE, sending(ips=[ip_address(address)]))
    assert only(found, "spf.address").verdict is expected


@pytest.mark.parametrize(
    ("pointer", "address", "expected"),
    [
        ("mail.shop.example", "203.0.113.5", OK),
        ("mail.shop.example", "203.0.113.6", FAULT),
        ("mail.other.example", "203.0.113.5", FAULT),
    ],
)
def test_an_address_passes_by_its_name(pointer: str, address: str, expected: Verdict) -> None:
    zone = {
        "TXT shop.example": "v=spf1 ptr -all",
        "PTR 5.113.0.203.in-addr.arpa": ["gone.shop.example", pointer],
        f"A {pointer}": address,
    }
    found = run(check, zone, sending(ips=[ip_address("203.0.113.5")]))
    assert only(found, "spf.address").verdict is expected


@pytest.mark.parametrize(("hosts", "expected"), [(10, OK), (11, FAULT)])
def test_an_mx_may_lead_to_ten_names(hosts: int, expected: Verdict) -> None:
    names = [f"mx{number}.shop.example" for number in range(hosts)]
    zone: Zone = {
        "TXT shop.example": "v=spf1 mx -all",
        "MX shop.example": [f"10 {name}" for name in names],
        **{f"A {name}": "203.0.113.5" for name in names},
    }
    found = run(check, zone, sending(ips=[ip_address("203.0.113.5")]))
    assert only(found, "spf.address").verdict is expected


def test_a_name_too_long_is_cut_from_the_left() -> None:
    made = expand(
        "%{l}.%{d}", domain="shop.example", sender=f"{'a' * 60 + '.'}" * 5 + "@shop.example", ip="192.0.2.3"
    )
    assert len(made) <= 253
    assert made.endswith(".shop.example")


def test_what_is_missing_is_ready_to_paste() -> None:
    zone = {"TXT shop.example": "v=spf1 mx -all", "MX shop.example": "10 mx.shop.example"}
    found = run(check, zone, sending(ips=[ip_address("203.0.113.5")]))
    assert only(found, "spf.address").paste == ('shop.example. IN TXT "v=spf1 mx ip4:203.0.113.5 -all"',)
    several = run(check, {"TXT shop.example": ["v=spf1 mx -all", "v=spf1 mx include:a.example ~all"]})
    assert only(several, "spf.record").paste == ('shop.example. IN TXT "v=spf1 mx include:a.example -all"',)


@pytest.mark.parametrize("ending", ["all", "+ALL", "?all"])
def test_only_the_last_term_is_changed_where_a_record_lets_everybody_send(ending: str) -> None:
    found = run(check, {"TXT shop.example": f"v=spf1 include:all.example {ending}"})
    assert only(found, "spf.rest").paste == ('shop.example. IN TXT "v=spf1 include:all.example ~all"',)


@pytest.mark.parametrize(
    ("relay", "text"),
    [
        ("email-smtp.eu-central-1.amazonaws.com", "v=spf1 include:amazonses.com ~all"),
        ("smtp.shop.example", "v=spf1 a:smtp.shop.example ~all"),
        ("smtp.provider.example", "v=spf1 include:PROVIDER ~all"),
    ],
)
def test_a_first_record_names_the_relay_as_far_as_it_is_known(relay: str, text: str) -> None:
    assert only(run(check, {}, sending(relays=[relay])), "spf.record").paste == (
        f'shop.example. IN TXT "{text}"',
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("v=spf1 include:amazonses.com -all", OK), ("v=spf1 -all", WARN)]
)
def test_a_known_provider_is_looked_for(text: str, expected: Verdict) -> None:
    zone = {"TXT shop.example": text, "TXT amazonses.com": "v=spf1 ip4:203.0.113.0/24 -all"}
    found = run(check, zone, sending(relays=["email-smtp.eu-central-1.amazonaws.com"]))
    assert only(found, "spf.address").verdict is expected


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 all:x", "v=spf1 include", "v=spf1 include: -all", "v=spf1 ip4:1.2.3 -all", "v=spf1 ip4:2001:db8::1",
        "v=spf1 a/33", "v=spf1 a//129", "v=spf1 mx:x.example/a", "v=spf1 redirect=a redirect=b", "v=spf1 redirect=",
        "v=spf1 exists", "v=spf1 ptr:", "v=spf1 foo -all", "v=spf1 --all", "v=spf1 a:museum", "v=spf1 a:museum.",
        "v=spf1 a:203.0.113.5", "v=spf1 a:shop.123", "v=spf1 a:shop.example:25", "v=spf1 a:shop.-x", "v=spf1 a:foo-bar",
        "v=spf1 include:shop.example/24", "v=spf1 exists:shop.example/24", "v=spf1 ptr/24", "v=spf1 a/24/64",
        "v=spf1 ip4:203.0.113.0/024", "v=spf1 ip4:203.0.113.0/255.255.255.0", "v=spf1 ip4:203.0.113.5:25",
        "v=spf1 ip4:203.0.113.5//32", "v=spf1 ip6::2001:db8::1", "v=spf1 ip6:fe80::1%1", "v=spf1 a/024",
        "v=spf1 a:shop.example\rptr -all", "v=spf1 a:müşteri.example -all", "v=spf1 \x80all",
        "v=spf1 redirect:x.example",
        "v=spf1 exists:%{x}.shop.example", "v=spf1 exists:%{t}.shop.example", "v=spf1 exists:%{d0}.shop.example",
        "v=spf1 exists:%(d).shop.example", "v=spf1 a:%", "v=spf1 a:%{d12345}",
        "v=spf1 exp=a.example exp=b.example", "v=spf1 exp=",
        "v=spf1 x=%", "v=spf1 1x=y", "v=spf1 x/y=z",
    ],
)  # fmt: skip
def test_terms_that_break_a_record(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 a:foo:bar/baz.example -all", "v=spf1 a:foo.xn--zckzah/24//64 -all", "v=spf1 a/0//0", "v=spf1 a:%{d}",
        "v=spf1 exists:%{ir}.%{v}._spf.%{d2}", "v=spf1 include:_spf.%{o} redirect=%{d2}", "v=spf1 ip6:2001:DB8::/0",
        "v=spf1 exists:%%.shop.example", "v=spf1 x=%{t}",
    ],
)  # fmt: skip
def test_terms_that_are_odd_and_well_formed(text: str) -> None:
    parse(text)


def test_unknown_modifiers_are_passed_over() -> None:
    record = parse("v=spf1 x-y.z=%{i} exp=why.example  ~all")
    assert [each.name for each in record.mechanisms] == ["all"]


# The examples of RFC 7208 §7.4.
@pytest.mark.parametrize(
    ("text", "ip", "expected"),
    [
        ("%{s}", "192.0.2.3", "strong-bad@email.example.com"),
        ("%{o}", "192.0.2.3", "email.example.com"),
        ("%{d4}", "192.0.2.3", "email.example.com"),
        ("%{d2}", "192.0.2.3", "example.com"),
        ("%{d1}", "192.0.2.3", "com"),
        ("%{dr}", "192.0.2.3", "com.example.email"),
        ("%{d2r}", "192.0.2.3", "example.email"),
        ("%{l-}", "192.0.2.3", "strong.bad"),
        ("%{lr-}", "192.0.2.3", "bad.strong"),
        ("%{l1r-}", "192.0.2.3", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "192.0.2.3", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "192.0.2.3", "bad.strong.lp._spf.example.com"),
        ("%{S}", "192.0.2.3", "strong-bad%40email.example.com"),
        ("%{d}%%%_%-", "192.0.2.3", "email.example.com% %20"),
        ("%{p}", "192.0.2.3", "unknown"),
        ("%{d2}.trusted-domains.example.net", "192.0.2.3", "example.com.trusted-domains.example.net"),
    ],
)
def test_macros(text: str, ip: str, expected: str) -> None:
    made = expand(text, domain="email.example.com", sender="strong-bad@email.example.com", ip=ip)
    assert made == expected


@given(st.lists(st.text(" -~", max_size=30), max_size=4).map(lambda words: " ".join(["v=spf1", *words])))
def test_no_record_breaks_the_reader(text: str) -> None:
    assert is_spf(text)
    with contextlib.suppress(ValueError):
        parse(text)


@given(st.integers(0, 3), st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_a_walk_ends_whatever_includes_whatever(start: int, targets: list[int]) -> None:
    answers = {
        Question(f"s{number}.example", "TXT"): Answer(
            Status.FOUND, ("v=spf1 " + " ".join(f"include:s{each}.example" for each in targets[number::10]),)
        )
        for number in range(10)
    }
    walk = Walk(Book(answers, closed=True), "a@s.example")
    with contextlib.suppress(Broken):
        assert walk.result(f"s{start}.example") == "neutral"
    assert walk.lookups <= 11
