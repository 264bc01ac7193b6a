"""A look at a relay, with a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailer.smtp.look import look
from mailer.smtp.relay import RelayConfig, Tls
from tests import relay

CA = str(Path(__file__).parents[1] / "tls" / "ca.pem")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_relay_that_can_be_used(tls: str) -> None:
    async with relay.running({"tls": tls, "user": "shop", "password": "pw"}) as running:
        config = RelayConfig("localhost", running.port, "shop", "pw", Tls(tls), "shop.example", ca_file=CA)
        seen = await look(config)
    assert (seen.trouble, seen.username, seen.tls) == ("", True, tls)
    assert seen.version in ("TLSv1.2", "TLSv1.3")
    assert seen.ends is not None
    assert seen.ends.year == 2120
    assert running.messages == []
    assert "MAIL" not in running.verbs()


async def test_what_it_offers_is_seen_where_no_tls_is_asked_for() -> None:
    async with relay.running({"tls": "starttls"}) as running:
        seen = await look(RelayConfig("localhost", running.port, tls=Tls.NONE, local_hostname="shop.example"))
    assert (seen.trouble, seen.offers_tls, seen.version) == ("", True, None)


async def test_a_certificate_nobody_looks_at_is_not_told() -> None:
    async with relay.running({"tls": "starttls"}) as running:
        config = RelayConfig("localhost", running.port, local_hostname="shop.example", verify=False)
        seen = await look(config)
    assert (seen.trouble, seen.verify, seen.ends) == ("", False, None)
    assert seen.version is not None


@pytest.mark.parametrize(
    ("script", "changes", "phase", "said"),
    [
        ({"tls": "none"}, {}, "tls", "does not offer STARTTLS"),
        ({"tls": "starttls", "certificate": "expired.pem"}, {}, "tls", "certificate has expired"),
        ({"tls": "starttls", "certificate": "stranger.pem"}, {}, "tls", "not valid for 'localhost'"),
        ({"tls": "starttls"}, {"ca_file": "/nowhere.pem"}, "tls", "cannot be read"),
        (
            {"tls": "starttls", "user": "shop", "password": "other"},
            {"username": "shop", "password": "pw"},
            "auth",
            "refused the user name or password",
        ),
        ({"banner": "554 5.7.1 go away"}, {}, "connect", "554 5.7.1 go away"),
        ({"banner": r"raw HTTP/1.1 400 Bad Request\r\n"}, {}, "connect", "does not speak SMTP"),
    ],
)
async def test_what_keeps_a_relay_from_being_used(
    script: dict[str, Any], changes: dict[str, Any], phase: str, said: str
) -> None:
    async with relay.running(script) as running:
        config = RelayConfig(
            "localhost", running.port, local_hostname="shop.example", **{"ca_file": CA} | changes
        )
        seen = await look(config)
    assert (seen.phase, said in seen.trouble) == (phase, True), seen.trouble


async def test_nobody_there() -> None:
    async with relay.running() as running:
        port = running.port
    seen = await look(RelayConfig("localhost", port, tls=Tls.NONE, local_hostname="shop.example"))
    assert (seen.phase, seen.trouble) == ("connect", "the connection was refused: nothing listens there")


async def test_a_name_nobody_knows() -> None:
    seen = await look(RelayConfig("relay.invalid"))
    assert seen.phase == "connect"
    assert seen.trouble.startswith("the name relay.invalid is not known")
