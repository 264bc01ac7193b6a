"""Whose fault it is that a mail came back, by code and, where there is none, by words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.bounce import Fault, fault, status_in, status_of

DEAD, SOFT, POLICY, CONTENT = Fault.DEAD, Fault.SOFT, Fault.POLICY, Fault.CONTENT


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("5.1.1", DEAD), ("5.1.2", DEAD), ("5.1.3", DEAD), ("5.1.6", DEAD), ("5.1.10", DEAD), ("5.2.1", DEAD),
        ("5.1.0", SOFT), ("5.1.4", SOFT), ("5.1.7", POLICY), ("5.1.8", POLICY), ("5.1.9", POLICY),
        ("5.2.0", SOFT), ("5.2.2", SOFT), ("5.2.3", CONTENT), ("5.2.4", SOFT),
        ("5.3.0", SOFT), ("5.3.1", SOFT), ("5.3.2", SOFT), ("5.3.3", CONTENT), ("5.3.4", CONTENT), ("5.3.5", SOFT),
        ("5.4.0", SOFT), ("5.4.1", SOFT), ("5.4.4", SOFT), ("5.4.6", SOFT), ("5.4.7", SOFT),
        ("5.5.0", SOFT), ("5.5.4", SOFT), ("5.6.0", CONTENT), ("5.6.7", CONTENT),
        ("5.7.0", POLICY), ("5.7.1", POLICY), ("5.7.17", POLICY), ("5.7.26", POLICY), ("5.7.606", POLICY),
        ("4.2.2", SOFT), ("4.4.1", SOFT), ("4.4.7", SOFT), ("4.1.1", SOFT), ("4.7.0", POLICY), ("4.7.28", POLICY),
        ("5.0.0", SOFT), ("", SOFT), ("2.1.1", DEAD),
    ],
)  # fmt: skip
def test_by_code(status: str, expected: Fault) -> None:
    assert fault(status) is expected


@pytest.mark.parametrize(
    ("stated", "diagnostic", "expected"),
    [
        # the code wins over the words
        ("5.2.2", "550 5.2.2 mailbox full, user unknown to quota", SOFT),
        ("5.7.1", "550 5.7.1 user unknown; blocked", POLICY),
        ("5.1.1", "554 5.1.1 blocked as spam", DEAD),
        # a code that says nothing gives way to one that does
        ("5.0.0", "550 5.1.1 no such user", DEAD),
        ("", "smtp; 552-5.2.2 The recipient's inbox is out of storage space", SOFT),
        ("5.0.0", "550 5.7.26 unauthenticated", POLICY),
        ("5.1.1", "550 5.2.2 full", DEAD),
        # words alone
        ("5.0.0", "550 User unknown", DEAD),
        (
            "5.0.0",
            "554 delivery error: dd This user doesn't have a away.example account (x@away.example)",
            DEAD,
        ),
        ("5.0.0", "554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30).", DEAD),
        ("5.5.0", "550 no such recipient", DEAD),
        ("", "Sorry, no mailbox here by that name. (#5.1.1)", DEAD),
        ("", "550 Unknown local part x in <x@y.example>", DEAD),
        ("5.0.0", "554 The user x@y.example does not exist", DEAD),
        ("5.0.0", "554 Message rejected as spam by content filter; no such user", POLICY),
        ("", "554 blocked using zen.example DNSBL", POLICY),
        ("", "421 try again later, user unknown right now", SOFT),
        ("", "", SOFT),
        ("", "it did not work", SOFT),
        ("5.2.2", "550 5.1.1 no such user", SOFT),
        ("5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable", SOFT),
        # Exchange Online's edge
        ("5.4.1", "550 5.4.1 Recipient address rejected: Access denied. [x.outlook.example]", DEAD),
        ("5.4.1", "550 5.4.1 no answer from host", SOFT),
        ("4.4.1", "450 4.4.1 Recipient address rejected: Access denied.", SOFT),
    ],
)
def test_by_words(stated: str, diagnostic: str, expected: Fault) -> None:
    assert fault(status_of(stated, diagnostic), diagnostic) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("550 5.1.1 no", "5.1.1"), ("(#5.1.1)", "5.1.1"), ("5.01.001", "5.1.1"), ("10.5.1.1", ""), ("5.1.1.1", ""),
        ("version 15.1.2", ""), ("5.1.1000", ""), ("3.1.1", ""), ("no", ""), ("5.7.1; 5.1.1", "5.7.1"),
        ("5.1.1.", "5.1.1"), ("id 2.0.0 then 5.2.2", "2.0.0"),
    ],
)  # fmt: skip
def test_a_code_in_a_text(text: str, expected: str) -> None:
    assert status_in(text) == expected


@given(st.text(max_size=600), st.text(max_size=600))
def test_every_text_has_an_answer(stated: str, diagnostic: str) -> None:
    assert fault(status_of(stated, diagnostic), diagnostic) in set(Fault)


@given(st.integers(4, 5), st.integers(0, 999), st.text(max_size=100))
def test_policy_never_gives_an_address_up(family: int, detail: int, diagnostic: str) -> None:
    assert fault(f"{family}.7.{detail}", diagnostic) is POLICY


@pytest.mark.parametrize(
    ("stated", "diagnostic", "status"),
    [
        ("5.0.0", "550 5.2.2 full", "5.2.2"),
        ("", "550 5.2.2 full", "5.2.2"),
        ("5.1.1", "550 5.2.2 full", "5.1.1"),
        ("5.0.0", "550 full", "5.0.0"),
        ("5.1.0", "550 5.2.2 full", "5.1.0"),
    ],
)
def test_the_code_that_says_most(stated: str, diagnostic: str, status: str) -> None:
    assert status_of(stated, diagnostic) == status
