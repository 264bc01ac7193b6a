"""One value of an imported row: read strictly, refused with one sentence. Pure functions of the value."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from mailer.core.customer import PartialDate

MOST_ID = 200  # characters of an id
MOST_NAME = 100  # characters of an attribute's name
MOST_LINE = 1_000  # characters of a one-line field
MOST_TEXT = 20_000  # characters of an attribute's value
MOST_DEPTH = 8  # lists and objects inside one another
MOST_MONEY = 10**14  # units of a currency: ten-thousandths of it still fit a database's integer

_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # bend a line, or are no character
_UNKEEPABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # PostgreSQL keeps no NUL
_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:(?:[Zz]|[+-]\d{2}:?\d{2}))?)?"
)
_LOCALE = re.compile(  # RFC 5646 §2.1, and what POSIX writes behind it
    r"([a-z]{2,3})((?:[-_][a-z]{3}){0,3}(?:[-_][a-z]{4})?(?:[-_](?:[a-z]{2}|\d{3}))?"  # script, region
    r"(?:[-_](?:[a-z\d]{5,8}|\d[a-z\d]{3}))*"  # variants
    r"(?:[-_][a-wy-z\d](?:[-_][a-z\d]{2,8})+)*(?:[-_]x(?:[-_][a-z\d]{1,8})+)?)(?:[.@].*)?",  # extensions
    re.ASCII | re.IGNORECASE,
)
_DAY = re.compile(r"((?:\d{4}|-)-\d{2}-\d{2})(?:[Tt ]\d{2}:\d{2}.*)?")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[Tt ]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_DAY_OTHERWISE = re.compile(r"(?:\d{1,4}|-)[./-]\d{1,2}[./-]\d{1,4}")
_COMMA_NUMBER = re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+|\d+),\d{1,2}")
_SCRIPT_LETTERS, _REGION_LETTERS = 4, 2

YES = frozenset({"yes", "y", "true", "1", "evet", "e"})
NO = frozenset({"no", "n", "false", "0", "hayır", "hayir", "h"})


class CellFault(ValueError):
    """A value that cannot be taken; its text is the sentence."""


def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these keys and values. One that says something twice is read in two ways (RFC 8259 §4).

    Raises:
        CellFault: it does.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise CellFault(f"The key {twice[:MOST_NAME]!r} is written twice; keep one of the two.")
    return found


def text_of(value: Any) -> str:
    """A cell's text, trimmed; JSON numbers as written; nothing is the empty text."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CellFault("This must be text.")
    if isinstance(value, float) and not math.isfinite(value):
        raise CellFault("This is a larger number than can be read.")
    return str(value)


def line_of(value: Any, most: int = MOST_LINE) -> str:
    """Text of one line, of at most `most` characters: no control character and no line break of any kind."""
    text = text_of(value)
    if len(text) > most:
        raise CellFault(f"This is longer than {most} characters.")
    if _BREAKS.search(text):
        raise CellFault("This holds a line break or another control character.")
    return text


def instant_of(value: Any, zone: tzinfo) -> datetime | None:
    """An RFC 3339 instant or a date, in UTC; without an offset it is wall time in `zone`; None when empty.

    Also `10.05.2027` and `10.05.2027 09:30`, as Turkish and many European spreadsheets write them.
    """
    text = iso_of(line_of(value))
    if not text:
        return None
    if _INSTANT.fullmatch(text):
        try:
            found = datetime.fromisoformat(text.upper())
            # Python reads a wall time of a gap with the offset before it, which shifts it forward: our rule.
            return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise CellFault("This is not a date or an instant; write 2027-05-10, 10.05.2027 or 2027-05-10T09:30:00Z.")


def yes_or_no(value: Any) -> bool | None:
    """`yes` or `no` (also evet, hayır, true, false, 1, 0); None when empty, which means unknown."""
    if isinstance(value, bool):
        return value
    text = line_of(value).casefold()
    if not text:
        return None
    if text in YES or text in NO:
        return text in YES
    raise CellFault("This must be yes, no or empty.")


def country_of(value: Any) -> str:
    """An ISO 3166-1 alpha-2 code in capitals, or the empty text."""
    text = line_of(value).upper()
    if text and not (len(text) == 2 and text.isascii() and text.isalpha()):  # noqa: PLR2004 (the 2 of alpha-2)
        raise CellFault("This is not a country code of two letters, such as TR.")
    return text


def locale_of(value: Any) -> str | None:
    """A language tag in its usual case (RFC 5646 §2.1.1), `tr-TR` for `tr_TR.UTF-8`; None for no tag."""
    text = line_of(value)
    if not text:
        return ""
    found = _LOCALE.fullmatch(text)
    if found is None:
        return None
    parts = [found[1].lower()]
    extended = False  # what stands behind a single letter is small
    for part in re.split("[-_]", found[2])[1:]:
        extended = extended or len(part) == 1
        if extended:
            parts.append(part.lower())
        elif len(part) == _REGION_LETTERS and part.isalpha():
            parts.append(part.upper())
        else:
            parts.append(part.title() if len(part) == _SCRIPT_LETTERS and part.isalpha() else part.lower())
    return "-".join(parts)


def words_of(value: Any) -> tuple[str, ...]:
    """A list written with `;` between its words, or a JSON list of texts; each trimmed, none twice."""
    given = value if isinstance(value, list) else text_of(value).split(";")
    return tuple(dict.fromkeys(word for word in map(line_of, given) if word))


def attribute_name(text: str) -> str:
    """The name under which a column is kept as an attribute."""
    name = text.strip()
    if len(name) > MOST_NAME:
        raise CellFault(f"The name of a column is longer than {MOST_NAME} characters.")
    if not name or '"' in name or "\\" in name or _BREAKS.search(name):
        raise CellFault(
            f"{name!r} cannot name an attribute; it may hold no quotation mark, backslash or control."
        )
    return name


def attribute_of(value: Any, depth: int = 0) -> Any:
    """A plain value as JSON has it, fit for both databases; None for an empty one.

    The text of a CSV file stays text, so that a phone number keeps its zero and a long order number its
    digits; segments read numbers in text as numbers where they compare by size.
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) > MOST_TEXT:
            raise CellFault(f"This is longer than {MOST_TEXT} characters.")
        if _UNKEEPABLE.search(text):
            raise CellFault("This holds a control character.")
        return text or None
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CellFault("This is not a number that can be kept.")
        return value
    if depth >= MOST_DEPTH:
        raise CellFault(f"Lists and objects are nested deeper than {MOST_DEPTH}.")
    if isinstance(value, list):
        return [attribute_of(item, depth + 1) for item in value]
    return {attribute_name(key): attribute_of(item, depth + 1) for key, item in value.items()}


def day_of(value: Any) -> PartialDate | None:
    """The day an attribute names, if any: `1990-05-10`, `--05-10`, or either with a time behind it."""
    if not isinstance(value, str) or (value[4:5] != "-" and value[:2] != "--"):
        return None
    found = _DAY.fullmatch(value)
    return PartialDate.parse(found[1]) if found else None


def iso_of(text: str) -> str:
    """A date with dots as ISO 8601 has it, any other text as it is.

    With dots the day stands first wherever dates are written so; with slashes it may be the month, and nobody
    can tell. Midnight, which spreadsheets add to a date, is left out.
    """
    found = _DOTTED.fullmatch(text)
    if found is None:
        return text
    day, month, year, hour, minute, second = found.groups()
    written = f"{year}-{month:0>2}-{day:0>2}"
    if PartialDate.parse(written) is None:
        return text
    time = f"{hour or '0':0>2}:{minute or '00'}:{second or '00'}"
    return written if time == "00:00:00" else f"{written}T{time}"


def odd_number(value: Any) -> bool:
    """Whether this is text that somebody meant as a number, with a comma before its decimals (`1.250,50`)."""
    return isinstance(value, str) and bool(_COMMA_NUMBER.fullmatch(value))


def looks_like_a_day(value: Any) -> bool:
    """Whether somebody meant a date, though not in the way we read them (`10.05.1990`)."""
    return isinstance(value, str) and bool(
        _DAY_OTHERWISE.fullmatch(value.partition("T")[0].partition(" ")[0])
    )


def money_of(value: Any) -> int | None:
    """Ten-thousandths of a currency's unit, from a JSON number or decimal text; None when empty."""
    text = text_of(value) if _may_be_number(value) else "NaN"
    if not text:
        return None
    try:
        amount = Decimal("NaN" if "_" in text else text)
    except InvalidOperation:
        amount = Decimal("NaN")
    # Not abs(), which rounds, and of 1e1000000 fails by that.
    if not amount.is_finite() or amount.copy_abs() >= MOST_MONEY:
        raise CellFault("This is not a sum of money; write a number such as 129.90.")
    return int((amount * 10_000).to_integral_value())


def _may_be_number(value: Any) -> bool:
    """Not so what JSON has besides: true, lists, objects."""
    return value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool))


def degrees_of(value: Any, most: int) -> float | None:
    """A latitude or longitude in degrees, between -`most` and `most`; None when empty."""
    text = text_of(value) if _may_be_number(value) else "nan"
    if not text:
        return None
    try:
        degrees = math.nan if "_" in text else float(text.replace(",", "."))
    except ValueError:
        degrees = math.nan
    if not -most <= degrees <= most:
        raise CellFault(f"This is not a number between -{most} and {most}.")
    return degrees
