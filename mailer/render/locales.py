"""Days, times and sums of money as a locale writes them, each written once and remembered.

Mails of one run show the same few days and prices a hundred thousand times, and Babel takes longer for one of
them than the rest of a mail takes to be made. What is remembered is bounded, and keyed by everything the text
depends on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache

from babel import Locale, UnknownLocaleError, dates, numbers

_REMEMBERED = 4096
_DIGITS = 30
_FORM_DIGITS = 20  # well within the 28 that decimal arithmetic keeps


@lru_cache(maxsize=256)
def babel_locale(name: str) -> Locale:
    """The locale data for a BCP 47 name, or for what is left of it without its last subtags; else English."""
    words = name.split("-")
    for length in range(len(words), 0, -1):
        try:
            return Locale.parse("_".join(words[:length]))
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse("en")


@lru_cache(maxsize=_REMEMBERED)
def day(value: date, style: str, locale: str) -> str:
    """A day in one of the four styles, or by a pattern of Unicode TR35."""
    return dates.format_date(value, style, locale=babel_locale(locale))


@lru_cache(maxsize=_REMEMBERED)
def day_of_year(month: int, number: int, locale: str) -> str:
    """A day without its year: `10 May`."""
    return dates.format_skeleton("MMMMd", date(2000, month, number), locale=babel_locale(locale))


def moment(value: datetime, pattern: str, locale: str) -> str:
    """An instant by a pattern, in the zone it carries."""
    return _moment(value.replace(tzinfo=None), value.fold, value.tzinfo, pattern, locale)


@lru_cache(maxsize=_REMEMBERED)
def _moment(wall: datetime, fold: int, zone: tzinfo | None, pattern: str, locale: str) -> str:
    # Two equal aware datetimes may read differently, so the key is what the wall shows, and where it hangs.
    value = wall.replace(tzinfo=zone, fold=fold)
    return dates.format_datetime(value, pattern, tzinfo=zone, locale=babel_locale(locale))


def clock(value: datetime, style: str, locale: str) -> str:
    """The time of day of an instant, in the zone it carries."""
    return _clock(value.replace(tzinfo=None), value.fold, value.tzinfo, style, locale)


@lru_cache(maxsize=_REMEMBERED)
def _clock(wall: datetime, fold: int, zone: tzinfo | None, style: str, locale: str) -> str:
    value = wall.replace(tzinfo=zone, fold=fold)
    return dates.format_time(value, style, tzinfo=zone, locale=babel_locale(locale))


@lru_cache(maxsize=256)
def joined(style: str, locale: str) -> str:
    """How a locale puts a day and a time together: `{1}, {0}`."""
    return str(babel_locale(locale).datetime_formats[style]).replace("'", "")


@lru_cache(maxsize=_REMEMBERED)
def money(amount: str, currency: str, locale: str) -> str:
    """A sum: `amount` as digits, `currency` by ISO 4217.

    Raises:
        ValueError: it is no number, or beyond any sum of money.
    """
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise ValueError(amount) from None
    if not value.is_finite() or abs(value.adjusted()) > _DIGITS:
        raise ValueError(amount)
    form = _form(currency, locale)
    if form is not None and not value.is_signed() and len(amount) <= _FORM_DIGITS:
        return form.write(value)
    return numbers.format_currency(value, currency, locale=babel_locale(locale))


@dataclass(frozen=True, slots=True)
class _Form:
    """How sums of a currency are written in a locale that groups digits by three, as most do."""

    before: str
    after: str
    group: str
    point: str
    decimals: int

    def write(self, value: Decimal) -> str:
        """A sum that is not negative, rounded half to even as Babel does it."""
        digits = f"{value.quantize(Decimal(1).scaleb(-self.decimals), ROUND_HALF_EVEN):,f}"
        whole, _, rest = digits.partition(".")
        return f"{self.before}{whole.replace(',', self.group)}{self.point if rest else ''}{rest}{self.after}"


#: Sums that show how a locale rounds, groups and fills up.
_TRIED = (
    "0",
    "0.005",
    "0.5",
    "1.015",
    "9.99",
    "10",
    "999.995",
    "1000",
    "9999.5",
    "12345.678",
    "9876543210.125",
)


@lru_cache(maxsize=256)
def _form(currency: str, locale: str) -> _Form | None:
    """The form read off Babel's own writing; None where it does not write every sum tried as Babel does."""

    def babel(value: str) -> str:
        return numbers.format_currency(Decimal(value), currency, locale=babel_locale(locale))

    found = re.fullmatch(r"(\D*)1(\D)234(\D)567(?:(\D)(0+))?(\D*)", babel("1234567"))
    if found is None or found[2] != found[3]:
        return None
    form = _Form(found[1], found[6], found[2], found[4] or "", len(found[5] or ""))
    return form if all(form.write(Decimal(each)) == babel(each) for each in _TRIED) else None
