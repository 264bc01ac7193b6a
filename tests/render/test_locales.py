from __future__ import annotations

from decimal import Decimal

import pytest
from babel import numbers
from hypothesis import given
from hypothesis import strategies as st

from mailer.render.locales import babel_locale, money

LOCALES = ["tr", "en", "en-GB", "de", "de-CH", "fr", "es", "pl", "ru", "ar", "fa", "hi", "ja", "pt-BR", "sv"]
CURRENCIES = ["TRY", "EUR", "USD", "GBP", "JPY", "BHD", "CHF", "XAU", "SAR", "INR"]
SUMS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=5)


@given(value=SUMS, locale=st.sampled_from(LOCALES), currency=st.sampled_from(CURRENCIES))
def test_sums_are_written_as_babel_writes_them(value: Decimal, locale: str, currency: str) -> None:
    assert money(str(value), currency, locale) == numbers.format_currency(
        value, currency, locale=babel_locale(locale)
    )


@pytest.mark.parametrize(
    ("amount", "locale", "currency"),
    [
        pytest.param("0.125", "en", "USD", id="half to even, down"),
        pytest.param("0.135", "en", "USD", id="half to even, up"),
        pytest.param("1e3", "tr", "TRY", id="with an exponent"),
        pytest.param("1E-7", "tr", "TRY", id="next to nothing"),
        pytest.param("-0", "tr", "TRY", id="minus nothing"),
        pytest.param("9" * 25, "de", "EUR", id="as many digits as are taken"),
        pytest.param("0." + "3" * 29, "de", "EUR", id="as many decimals"),
    ],
)
def test_odd_sums_too(amount: str, locale: str, currency: str) -> None:
    said = numbers.format_currency(Decimal(amount), currency, locale=babel_locale(locale))
    assert money(amount, currency, locale) == said
