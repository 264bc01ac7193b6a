"""The address an attempt comes back to: nobody else can make one, and relays may shout."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.token import BadToken, Keyring
from mailer.core.verp import MOST_ATTEMPT, MOST_LOCAL, PURPOSE, Attempt, ReturnPath, Tokens, read, tokens_in

KEYS = Keyring.single("k" * 32)
PATH = ReturnPath("bounces@Bounce.shop.example", KEYS)
TOKENS = Tokens(KEYS)

numbers = st.integers(1, 2**63 - 1)
attempts = st.integers(1, MOST_ATTEMPT)


def address(delivery_id: int = 77, number: int = 1) -> str:
    return PATH.around(TOKENS.of(delivery_id, number))


@given(numbers, attempts)
def test_an_address_names_its_attempt_whatever_becomes_of_its_case(delivery_id: int, number: int) -> None:
    made = address(delivery_id, number)
    local, _, domain = made.rpartition("@")
    assert len(local) <= 64
    assert domain == "bounce.shop.example"
    for each in (made, made.upper(), f"<{made}>", f"{local}@{domain}."):
        assert PATH.read(each) == Attempt(delivery_id, number)
    assert tokens_in(f"rfc822; <{made.upper()}>") == [made.partition("+")[2].rpartition("@")[0]]


def test_the_longest_address_fits() -> None:
    longest = ReturnPath(f"{'b' * MOST_LOCAL}@x.example", KEYS).around(TOKENS.of(2**63 - 1, 10**9))
    assert len(longest.rpartition("@")[0]) == 64


def test_the_signature_is_an_hmac_for_this_purpose() -> None:
    said = TOKENS.of(0x4D, 1)[:-24]
    key = KEYS.signer(KEYS.current, PURPOSE).derive_key()
    assert TOKENS.of(0x4D, 1)[-24:] == hmac.digest(key, said.encode(), "sha256")[:12].hex()


@pytest.mark.parametrize("place", range(len(TOKENS.of(77, 1))))
def test_no_letter_can_be_changed(place: int) -> None:
    token = TOKENS.of(77, 1)
    other = "0" if token[place] != "0" else "1"
    with pytest.raises(BadToken):
        read(KEYS, token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize(
    "made_up",
    [
        "bounces@bounce.shop.example",
        "",
        "<>",
        "bounces+@bounce.shop.example",
        address().replace("bounces+", "b+"),
        address().replace("bounce.shop.example", "evil.example"),
        address().replace("@", "@evil@"),
        ReturnPath("bounces@bounce.shop.example", KEYS).around(Tokens(Keyring.single("another")).of(77, 1)),
        f"bounces+{TOKENS.of(77, 1)}x@bounce.shop.example",
        f"bounces+{TOKENS.of(77, 1)}\n@bounce.shop.example",
        f"bounces+{'9' * 5000}@bounce.shop.example",
        "bounces+４d-1-aaaa-" + "0" * 24 + "@bounce.shop.example",
    ],
)
def test_what_we_did_not_make_is_refused(made_up: str) -> None:
    with pytest.raises(BadToken):
        PATH.read(made_up)


def test_an_older_key_is_still_believed() -> None:
    old = TOKENS.of(77, 2)
    ring = Keyring("beef", {"beef": "n" * 32, **KEYS.keys})
    assert read(ring, old) == Attempt(77, 2)
    assert read(ring, Tokens(ring).of(78, 1)) == Attempt(78, 1)
