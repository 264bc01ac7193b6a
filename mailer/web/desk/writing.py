"""How numbers, dates and sums are written on the private pages, by their language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, dates, numbers
from markupsafe import Markup, escape

from mailer.core.plain import instant_text

_KB, _MB = 1_000, 1_000_000

#: Twenty-four hours in both: a campaign's file says 18:00, and so does the page.
_MOMENT: Mapping[str, str] = {"en": "d MMM y, HH:mm", "tr": "d MMMM y HH:mm"}
_DAY: Mapping[str, str] = {"en": "d MMM y", "tr": "d MMMM y"}
_UNITS: Mapping[str, Sequence[tuple[int, str, str]]] = {
    "en": (
        (86_400, "day", "days"),
        (3_600, "hour", "hours"),
        (60, "minute", "minutes"),
        (1, "second", "seconds"),
    ),
    "tr": (
        (86_400, "gün", "gün"),
        (3_600, "saat", "saat"),
        (60, "dakika", "dakika"),
        (1, "saniye", "saniye"),
    ),
}
_LOCALES = {"en": Locale("en", "GB"), "tr": Locale("tr")}


class Writing:
    """Writes in one language, times in one zone."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self._language = language
        self._locale = _LOCALES[language]
        self._zone = zone

    def number(self, value: float) -> str:
        """`1,234`, `1.234`."""
        return numbers.format_decimal(value, locale=self._locale)

    def moment(self, instant: datetime) -> str:
        """`10 May 2027, 10:00`, `10 Mayıs 2027 10:00`."""
        return dates.format_datetime(instant, _MOMENT[self._language], tzinfo=self._zone, locale=self._locale)

    def day(self, day: date) -> str:
        """`10 May 2027`, `10 Mayıs 2027`."""
        return dates.format_date(day, _DAY[self._language], locale=self._locale)

    def yearly(self, month: int, day: int) -> str:
        """`10 May`, `10 Mayıs`: every year."""
        leap = 2000  # has every day there is
        return dates.format_date(date(leap, month, day), "d MMMM", locale=self._locale)

    def time(self, instant: datetime) -> Markup:
        """The same, for programs too."""
        said = self.moment(instant)
        return Markup('<time datetime="{}">{}</time>').format(instant_text(instant), said)

    def lasting(self, seconds: float) -> str:
        """`30 days`, `30 gün`; `1.5 minutes`, `0,6 saniye`."""
        size, one, more = next(each for each in _UNITS[self._language] if seconds >= each[0] or each[0] == 1)
        count = round(seconds / size, 1)
        return f"{self.number(count)} {one if count == 1 else more}"

    def share(self, part: int, whole: int) -> str:
        """`12.3%`, `%12,3`; empty where there is no whole."""
        return numbers.format_percent(part / whole, "#,##0.0%" if self._language == "en" else "%#,##0.0",
                                      locale=self._locale) if whole else ""  # fmt: skip

    def points(self, share: float) -> str:
        """A difference of two shares in percentage points, with its sign: `+2.0`, `-0,5`."""
        said = numbers.format_decimal(abs(100 * share), "0.0", locale=self._locale)
        return f"{'-' if share < 0 else '+'}{said}"

    def money(self, amount: Decimal, currency: str) -> str:
        """`1,234.50 TRY`, `₺1.234,50`: letters stand apart from the sum."""
        symbol = numbers.get_currency_symbol(currency, locale=self._locale)
        if not symbol.isalpha():
            return numbers.format_currency(amount, currency, locale=self._locale)
        sum_ = numbers.format_decimal(amount, "#,##0.00##", locale=self._locale)
        return f"{sum_}\u00a0{symbol}"

    def tongue(self, tag: str) -> str:
        """`Turkish`, `Türkçe`; a language nobody knows by its letters."""
        try:
            name = Locale.parse(tag.replace("-", "_")).get_display_name(self._locale)
        except (UnknownLocaleError, ValueError):
            return tag
        return name or tag

    def size(self, count: int) -> str:
        """Bytes, as files are listed."""
        if count < _KB:
            unit = "bayt" if self._language == "tr" else "bytes"
            return f"{count} {unit}"
        if count < _MB:
            return f"{self.number(round(count / _KB))} kB"
        return f"{numbers.format_decimal(count / _MB, '0.0', locale=self._locale)} MB"

    def value(self, value: object) -> str:
        """A value within a sentence."""
        match value:
            case bool() | str():
                return str(value)
            case int() | float():
                return self.number(value)
            case datetime():
                return self.moment(value)
        return str(value)


def marked(template: str, values: Mapping[str, str]) -> Markup:
    """A sentence with its values in it, all of them escaped; what stands between `backticks` is for the terminal."""
    parts = [escape(part.format(**values)) for part in template.split("`")]
    return Markup().join(
        Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in enumerate(parts)
    )
