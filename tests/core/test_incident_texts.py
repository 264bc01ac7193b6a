"""The words of an incident in several languages."""

from __future__ import annotations

import pytest

from mailer.core.incident_texts import Texts, in_tongue, merged, read_texts
from mailer.errors import UsageError


@pytest.mark.parametrize(
    ("said", "plain", "texts"),
    [
        ([], None, ()),
        (["Arıza"], "Arıza", ()),
        ([""], "", ()),
        (["Arıza", "en=Outage", "de_AT= Störung "], "Arıza", (("de-at", "Störung"), ("en", "Outage"))),
        (["EN=Outage"], None, (("en", "Outage"),)),
        (["en=One\nand two"], None, (("en", "One\nand two"),)),
        (["en="], None, (("en", ""),)),
        (["1=2"], "1=2", ()),
        (["a = b"], "a = b", ()),
        (["fibre=down"], "fibre=down", ()),  # no language has five letters
        (["=x"], "=x", ()),
    ],
)
def test_what_is_said(said: list[str], plain: str | None, texts: Texts) -> None:
    assert read_texts(said, "--title") == (plain, texts)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (["a b", "c d"], "Say --title once without a language; for another one write --title en=…"),
        (["en=a", "EN=b"], "--title EN=… is there twice; keep one of them"),
    ],
)
def test_what_cannot_be_meant(said: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_texts(said, "--title")
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("plain", "given", "stands"),
    [
        (None, (), (("de", "alt"), ("en", "old"))),
        (None, (("en", "new"),), (("de", "alt"), ("en", "new"))),
        (None, (("en", ""),), (("de", "alt"),)),
        ("Yeni", (), ()),  # what was said before is not what is meant now
        ("Yeni", (("en", "new"),), (("en", "new"),)),
    ],
)
def test_what_stands_after_a_change(plain: str | None, given: Texts, stands: Texts) -> None:
    assert merged((("de", "alt"), ("en", "old")), plain, given) == stands


@pytest.mark.parametrize(
    ("locale", "read"),
    [("en", "Outage"), ("en-GB", "Blackout"), ("en_GB", "Blackout"), ("en-US", "Outage"), ("EN", "Outage"),
     ("tr", "Arıza"), ("e", "Arıza"), ("", "Arıza")],
)  # fmt: skip
def test_who_reads_what(locale: str, read: str) -> None:
    assert in_tongue("Arıza", {"en": "Outage", "en-gb": "Blackout"}, locale) == read
