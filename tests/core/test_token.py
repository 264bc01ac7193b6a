"""Signed tokens: they say what was signed, for the purpose it was signed for, or nothing at all."""

from __future__ import annotations

import hmac
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.token import BadToken, Keyring, Mac, Stem, sign, sign_for, verify

KEYS = Keyring.single("a-key-of-some-length")
CLAIMS = [17, 4, "ayse@kardelen.example"]
URL_SAFE = set(string.ascii_letters + string.digits + "-_.")

plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()


@given(st.lists(plain, max_size=5), st.text(min_size=1, max_size=20))
def test_a_token_says_what_was_signed(claims: list[Any], purpose: str) -> None:
    token = sign(KEYS, purpose, claims)
    assert set(token) <= URL_SAFE
    assert verify(KEYS, purpose, token) == claims


@given(st.lists(plain, max_size=5))
def test_two_tokens_at_once_are_signed_as_the_library_signs(claims: list[Any]) -> None:
    for purpose, token in zip("ab", sign_for(KEYS, ("a", "b"), claims), strict=True):
        said, _, signature = token.rpartition(".")
        assert KEYS.signer(KEYS.current, purpose).get_signature(said).decode() == signature
        assert token == sign(KEYS, purpose, claims)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.lists(st.binary(max_size=200), max_size=3), st.binary(max_size=200))
def test_our_code_is_the_librarys(key: bytes, before: list[bytes], said: bytes) -> None:
    mac = Mac(key)
    for each in before:
        mac = mac.after(each)
    assert mac.of(said) == mac.of(said) == hmac.digest(key, b"".join(before) + said, "sha256")


@given(st.data())
def test_a_token_that_was_changed_anywhere_says_nothing(data: st.DataObject) -> None:
    token = sign(KEYS, "unsubscribe", CLAIMS)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(sorted(URL_SAFE - {token[place]})))
    with pytest.raises(BadToken):
        verify(KEYS, "unsubscribe", token[:place] + other + token[place + 1 :])


@given(st.integers(0, 200))
def test_a_token_that_was_cut_says_nothing(length: int) -> None:
    token = sign(KEYS, "unsubscribe", CLAIMS)
    if length < len(token):
        with pytest.raises(BadToken):
            verify(KEYS, "unsubscribe", token[:length])


@given(st.text() | st.text(alphabet=sorted(URL_SAFE)))
def test_no_text_is_a_token_by_chance(text: str) -> None:
    with pytest.raises(BadToken):
        verify(KEYS, "unsubscribe", text)


def test_a_token_is_for_one_purpose_and_one_key() -> None:
    token = sign(KEYS, "unsubscribe", CLAIMS)
    with pytest.raises(BadToken):
        verify(KEYS, "preferences", token)
    with pytest.raises(BadToken):
        verify(Keyring.single("another"), "unsubscribe", token)


def test_parts_of_two_tokens_make_none() -> None:
    mine, theirs = (sign(KEYS, "unsubscribe", [number, number, "x"]) for number in (1, 2))
    with pytest.raises(BadToken):
        verify(KEYS, "unsubscribe", ".".join([theirs.split(".")[0], *mine.split(".")[1:]]))


def test_an_older_key_is_still_believed_and_a_lost_one_is_not() -> None:
    old, new = Keyring.single("old"), Keyring.single("new")
    token = sign(old, "unsubscribe", CLAIMS)
    assert verify(Keyring(new.current, {**new.keys, **old.keys}), "unsubscribe", token) == CLAIMS
    with pytest.raises(BadToken):
        verify(new, "unsubscribe", token)


def test_claims_are_a_list_and_a_keyring_keeps_its_keys_to_itself() -> None:
    with pytest.raises(BadToken):
        verify(KEYS, "x", sign(KEYS, "x", {"a": 1}))  # type: ignore[arg-type]
    assert "a-key-of-some-length" not in repr(KEYS)


@given(st.text(max_size=80), st.integers(0, 2**53))
def test_a_stem_makes_the_tokens_of_its_address(first: str, last: int) -> None:
    stem = Stem(KEYS, "click", first)
    token = stem.token(last)
    assert set(token) <= URL_SAFE
    assert verify(KEYS, "click", token) == [first, last]
    assert stem.token(last) == token
    assert stem.token(last + 1) != token
    with pytest.raises(BadToken):
        verify(KEYS, "open", token)


def test_a_key_of_the_past_is_believed_and_signs_nothing() -> None:
    ring = Keyring.of(["new", "old"])
    assert sign(ring, "x", CLAIMS) == sign(Keyring.single("new"), "x", CLAIMS)
    assert verify(ring, "x", sign(Keyring.single("old"), "x", CLAIMS)) == CLAIMS
    assert verify(ring, "click", Stem(Keyring.single("old"), "click", "https://a.example/").token(7)) == [
        "https://a.example/",
        7,
    ]
    with pytest.raises(BadToken):
        verify(ring, "x", sign(Keyring.single("older"), "x", CLAIMS))
    assert Keyring.of(["same", "same"]) == Keyring.single("same")


def test_a_token_without_a_key_is_none() -> None:
    payload, _key, signature = sign(KEYS, "x", CLAIMS).split(".")
    for said in (f"{payload}..{signature}", f"{payload}.{signature}", f"..{signature}"):
        with pytest.raises(BadToken):
            verify(KEYS, "x", said)


def test_keys_that_cannot_be_told_apart_are_refused() -> None:
    first, second = next(
        (known, each)
        for seen in [dict[str, str]()]
        for number in range(5_000)
        for each in [f"key-{number}"]
        for known in [seen.setdefault(Keyring.single(each).current, each)]
        if known != each
    )
    with pytest.raises(ValueError, match="told apart"):
        Keyring.of([first, second])
