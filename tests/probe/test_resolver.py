"""Real questions to a nameserver on loopback."""

from __future__ import annotations

import asyncio

import pytest

from mailer.core.doctor.dns import Answer, Question, Status
from mailer.errors import UsageError
from mailer.probe.resolver import Resolver
from tests import nameserver

PATIENCE = 60.0
LONG = "v=DKIM1; k=rsa; p=" + "A" * 400
ZONE: nameserver.Zone = {
    "TXT shop.example": ['"v=spf1 -all"', '"other"'],
    "TXT s1._domainkey.shop.example": f'"{LONG[:255]}" "{LONG[255:]}"',
    "CNAME s2._domainkey.shop.example": "s2.provider.example.",
    "TXT s2.provider.example": '"p=abc"',
    "CNAME s3._domainkey.shop.example": "gone.provider.example.",
    "TXT huge.example": [f'"{number:0250d}"' for number in range(40)],
    "MX shop.example": ["20 Backup.shop.example.", "10 mx.shop.example."],
    "MX null.example": "0 .",
    "A shop.example": "203.0.113.5",
    "PTR 5.113.0.203.in-addr.arpa": "Mail.shop.example.",
    "TXT servfail.example": "SERVFAIL",
    "TXT refused.example": "REFUSED",
    "TXT silent.example": "SILENT",
    "TXT garbage.example": "GARBAGE",
    "TXT odd.example": r'"\195\188 \255"',
}


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("TXT", "shop.example", Answer(Status.FOUND, ("other", "v=spf1 -all"))),
        ("TXT", "Shop.Example.", Answer(Status.FOUND, ("other", "v=spf1 -all"))),
        ("TXT", "s1._domainkey.shop.example", Answer(Status.FOUND, (LONG,))),
        ("TXT", "s2._domainkey.shop.example", Answer(Status.FOUND, ("p=abc",), "s2.provider.example")),
        ("TXT", "s3._domainkey.shop.example", Answer(Status.NO_NAME, (), "gone.provider.example")),
        ("TXT", "nowhere.example", Answer(Status.NO_NAME)),
        ("AAAA", "shop.example", Answer(Status.NO_DATA)),
        ("MX", "shop.example", Answer(Status.FOUND, ("10 mx.shop.example", "20 backup.shop.example"))),
        ("MX", "null.example", Answer(Status.FOUND, ("0 ",))),
        ("A", "shop.example", Answer(Status.FOUND, ("203.0.113.5",))),
        ("PTR", "5.113.0.203.in-addr.arpa", Answer(Status.FOUND, ("mail.shop.example",))),
        ("TXT", "servfail.example", Answer(Status.FAILED)),
        ("TXT", "refused.example", Answer(Status.FAILED)),
        ("TXT", "odd.example", Answer(Status.FOUND, ("ü \ufffd",))),
        ("TXT", "a..b.example", Answer(Status.NO_NAME)),
        ("TXT", f"{'x' * 64}.example", Answer(Status.NO_NAME)),
    ],
)
async def test_what_is_published_is_read(kind: str, name: str, expected: Answer) -> None:
    async with nameserver.serving(ZONE) as server:
        assert await Resolver(server.address, patience=PATIENCE).ask(Question.of(name, kind)) == expected


async def test_what_does_not_fit_a_datagram_comes_over_tcp() -> None:
    async with nameserver.serving(ZONE) as server:
        found = await Resolver(server.address, patience=PATIENCE).ask(Question.of("huge.example", "TXT"))
        assert len(found.values) == 40
        assert set(server.asked) == {"TXT huge.example"}
        assert len(server.asked) >= 2


async def test_silence_and_nonsense_end_in_time() -> None:
    async with nameserver.serving(ZONE) as server, asyncio.timeout(PATIENCE):
        resolver = Resolver(server.address, patience=0.5)
        found = await asyncio.gather(
            *(resolver.ask(Question.of(name, "TXT")) for name in ("silent.example", "garbage.example"))
        )
    assert found[0] == Answer(Status.SILENT)
    assert found[1].status in (Status.SILENT, Status.FAILED)


async def test_nobody_there_is_an_answer() -> None:
    async with nameserver.serving({}) as server:
        gone = server.address
    assert (await Resolver(gone, patience=0.3).ask(Question.of("shop.example", "TXT"))).known is False


@pytest.mark.parametrize("text", ["dns.example", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1:x", "[::1]:"])
def test_an_address_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="--nameserver"):
        Resolver(text)


@pytest.mark.parametrize(
    "text", ["9.9.9.9", "9.9.9.9:5353", "2620:fe::fe", "[2620:fe::fe]:53", "[2620:fe::fe]"]
)
def test_ways_to_write_an_address(text: str) -> None:
    Resolver(text)
