"""TLS is never downgraded, and a wrong password is told apart."""

from __future__ import annotations

from typing import Any

import pytest

from mailer.core.delivery import Accepted, Phase, TryLater
from mailer.core.message import Message
from mailer.errors import RelayError
from mailer.smtp.relay import RelayConfig, Timeouts, Tls
from mailer.smtp.session import Session
from tests.relay import TLS, Relay, running

QUICK = Timeouts(connect=0.5, command=0.5, block=0.5, dot=0.5, farewell=0.5)
MESSAGE = Message("shop@kardelen.example", "ayse@example.com", b"Subject: x\r\n\r\n", "<1@kardelen.example>")
LOGIN = {"user": "shop", "password": "s3cret ç"}


def session(relay: Relay, **changes: Any) -> Session:
    options: dict[str, Any] = {"tls": Tls.STARTTLS, "timeouts": QUICK, "ca_file": str(TLS / "ca.pem")}
    return Session(RelayConfig("localhost", relay.port, **(options | changes)))


async def outcome_of(opened: Session) -> object:
    try:
        return await opened.send(MESSAGE, lambda: True)
    finally:
        await opened.close()


@pytest.mark.parametrize("mode", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_the_message_travels_encrypted(mode: Tls) -> None:
    async with running({"tls": mode.value}) as relay:
        assert isinstance(await outcome_of(session(relay, tls=mode)), Accepted)
    assert [received.tls for received in relay.accepted] == [True]
    assert relay.verbs().count("EHLO") == (2 if mode is Tls.STARTTLS else 1)  # RFC 3207 §4.2: greet again


async def test_a_large_message_passes_through_tls() -> None:
    data = b"Subject: x\r\n\r\n" + (b".line of text".ljust(900) + b"\r\n") * 2_000
    async with running({"tls": "starttls"}) as relay:
        opened = session(relay)
        outcome = await opened.send(Message("a@b.example", "c@d.example", data, "<1@x>"), lambda: True)
        await opened.close()
    assert isinstance(outcome, Accepted)
    assert relay.accepted[0].data == data


TLS_FAULTS = {
    "stripped": ({}, Tls.STARTTLS, "does not offer STARTTLS"),
    "refused": ({"tls": "starttls", "starttls": "454 4.7.0 not now"}, Tls.STARTTLS, "454 4.7.0 not now"),
    "refused for good": ({"tls": "starttls", "starttls": "554 5.7.0 never"}, Tls.STARTTLS, "554 5.7.0 never"),
    "cut": ({"tls": "starttls", "starttls": "cut"}, Tls.STARTTLS, "the connection was lost"),
    "plain text after 220": (
        {
            "tls": "starttls",
            "starttls": r"raw 220 go\r\n250 injected\r\n|wait 0.1|raw 250 no TLS here\r\n|close",
        },
        Tls.STARTTLS,
        "TLS failed",
    ),
    "no handshake": ({"tls": "starttls", "starttls": "220 go|silence"}, Tls.STARTTLS, "in time"),
    "certificate expired": ({"tls": "starttls", "certificate": "expired.pem"}, Tls.STARTTLS, "expired"),
    "certificate of another": ({"tls": "starttls", "certificate": "stranger.pem"}, Tls.STARTTLS, "localhost"),
    "implicit, expired": ({"tls": "implicit", "certificate": "expired.pem"}, Tls.IMPLICIT, "expired"),
    "implicit, another's": ({"tls": "implicit", "certificate": "stranger.pem"}, Tls.IMPLICIT, "localhost"),
    "implicit, relay speaks plainly": ({}, Tls.IMPLICIT, "set tls: starttls"),
}


@pytest.mark.parametrize(("script", "mode", "says"), TLS_FAULTS.values(), ids=TLS_FAULTS)
async def test_tls_that_fails_is_never_done_without(script: dict[str, Any], mode: Tls, says: str) -> None:
    async with running(script) as relay:
        outcome = await outcome_of(session(relay, tls=mode))
    assert isinstance(outcome, TryLater)
    assert outcome.phase is Phase.TLS
    assert says in f"{outcome.detail} {outcome.reply}"
    assert not {"MAIL", "AUTH"} & set(relay.verbs())


async def test_a_certificate_nobody_vouches_for_is_refused_unless_allowed() -> None:
    async with running({"tls": "starttls"}) as relay:
        outcome = await outcome_of(session(relay, ca_file=None))
        allowed = await outcome_of(session(relay, ca_file=None, verify=False))
    assert isinstance(outcome, TryLater)
    assert "certificate of localhost is not valid" in outcome.detail
    assert isinstance(allowed, Accepted)


async def test_a_ca_file_that_cannot_be_read_is_named() -> None:
    async with running({"tls": "starttls"}) as relay:
        with pytest.raises(RelayError, match=r"relay\.ca_file /nowhere\.pem"):
            await outcome_of(session(relay, ca_file="/nowhere.pem"))


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("mode", [Tls.NONE, Tls.STARTTLS])
async def test_login(mechanism: str, mode: Tls) -> None:
    async with running({"tls": mode.value, "mechanisms": [mechanism], **LOGIN}) as relay:
        opened = session(relay, tls=mode, username="shop", password="s3cret ç")
        assert isinstance(await outcome_of(opened), Accepted)
    assert relay.accepted[0].user == "shop"


@pytest.mark.parametrize("mechanisms", [["PLAIN"], ["LOGIN"], ["CRAM-MD5"], ["PLAIN", "LOGIN", "CRAM-MD5"]])
async def test_a_wrong_password_is_said_once_and_never_shown(mechanisms: list[str]) -> None:
    async with running({"tls": "starttls", "mechanisms": mechanisms, **LOGIN}) as relay:
        opened = session(relay, username="shop", password="open sesame")
        with pytest.raises(
            RelayError, match=r"refused the user name or password .*relay\.username"
        ) as sending:
            await outcome_of(opened)
    assert "sesame" not in str(sending.value)
    assert relay.verbs().count("AUTH") == 1
    assert relay.messages == []


async def test_a_mechanism_the_relay_only_pretends_to_know_is_passed_over() -> None:
    answers = ["504 5.5.4 unknown mechanism", "334 UGFzc3dvcmQ6", "235 2.7.0 ok"]
    async with running({"mechanisms": ["PLAIN", "CRAM-MD5"], "auth": answers, **LOGIN}) as relay:
        outcome = await outcome_of(session(relay, tls=Tls.NONE, username="shop", password="x"))
    assert relay.verbs()[:3] == ["EHLO", "AUTH", "AUTH"]
    assert isinstance(outcome, TryLater)


LOGIN_FAULTS = {
    "later": ({"auth": "454 4.7.0 the password book is away", **LOGIN}, "454"),
    "too weak": ({"auth": "534 5.7.9 mechanism too weak", **LOGIN}, "534"),
    "closing": ({"auth": "421 4.7.0 bye|close", **LOGIN}, "421"),
    "cut": ({"auth": "cut", **LOGIN}, "lost"),
    "silent": ({"auth": "silence", **LOGIN}, "in time"),
    "not offered": ({}, "offers no login"),
    "unknown mechanisms": ({"mechanisms": ["GSSAPI", "NTLM"], **LOGIN}, "offers no login"),
}


@pytest.mark.parametrize(("script", "says"), LOGIN_FAULTS.values(), ids=LOGIN_FAULTS)
async def test_a_login_that_may_pass_later(script: dict[str, Any], says: str) -> None:
    async with running(script) as relay:
        outcome = await outcome_of(session(relay, tls=Tls.NONE, username="shop", password="s3cret ç"))
    assert isinstance(outcome, TryLater)
    assert outcome.phase is Phase.AUTH
    assert says in f"{outcome.detail} {outcome.reply}"


async def test_a_relay_that_greets_nobody_is_not_waited_for() -> None:
    async with running({"banner": "silence"}) as relay:
        outcome = await outcome_of(session(relay))
    assert isinstance(outcome, TryLater)
    assert outcome.phase is Phase.CONNECT
    assert (
        outcome.detail == "no greeting within 0.5 s; where TLS comes first, as on port 465, set tls: implicit"
    )


async def test_a_mode_given_as_a_word_is_the_mode() -> None:
    async with running() as relay:
        outcome = await outcome_of(session(relay, tls="starttls"))
    assert outcome == TryLater(
        Phase.TLS, detail="the relay does not offer STARTTLS, which relay.tls asks for"
    )
    with pytest.raises(ValueError, match="maybe"):
        session(relay, tls="maybe")


def test_the_password_is_not_in_a_repr() -> None:
    assert "sesame" not in repr(RelayConfig("relay.test", username="shop", password="open sesame"))
