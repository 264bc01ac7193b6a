"""The filters templates are given: dates and money as people write them, and the gates data passes through.

What depends on the reader (locale, zone, currency) comes from the `Scene`, which travels in the context under
a name no template can spell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jinja2 import pass_context
from jinja2.exceptions import FilterArgumentError
from jinja2.runtime import Context, Undefined
from markupsafe import Markup, escape

from mailer.core.customer import PartialDate
from mailer.render import locales

#: The name of the scene in a context; not an identifier, so out of a template's reach.
SCENE = " scene"
_STYLES = frozenset({"short", "medium", "long", "full"})
_PATTERN_LIMIT = 40
_WIDTH_LIMIT = 1_000
_SUM_LIMIT = 64
_TEXT_LIMIT = 100_000
_LINK = re.compile(r"(?:https?://|mailto:|cid:)[^\s\x00-\x20\x7f]*", re.IGNORECASE)
_CSS = re.compile(r"[\w #%.,+-]*")
_PLACEHOLDER = re.compile(r"%(?:%|\(\w{1,50}\)s|s|d|\.\d{1,2}f)")


@dataclass(slots=True)
class Scene:
    """Who reads: how to write for them, and which pictures the part asked for so far."""

    locale: str  # BCP 47
    zone: tzinfo
    currency: str | None = None
    pictures: Mapping[str, str] = field(default_factory=dict)  # name → Content-ID
    used: set[str] = field(default_factory=set)
    track: Callable[[str], str] | None = None  # what an address becomes where clicks are counted


def _scene(context: Context) -> Scene:
    scene: Scene = context.parent[SCENE]
    return scene


def _moment(value: Any, name: str) -> date | datetime | PartialDate:
    """A date, an instant, or ISO 8601 / RFC 3339 text of one."""
    if isinstance(value, (date, PartialDate)):
        return value
    if isinstance(value, Undefined):
        str(value)  # says which name is missing
    read = _read(value) if isinstance(value, str) and len(value) <= _PATTERN_LIMIT else None
    if read is not None:
        return read
    shown = "nothing" if value in (None, "") else repr(value)[:50]
    raise FilterArgumentError(f"'{name}' needs a date, and was given {shown}")


@lru_cache(maxsize=1024)
def _read(text: str) -> date | datetime | PartialDate | None:
    partial = PartialDate.parse(text)
    if partial is not None:
        return partial if partial.year is None else date(partial.year, partial.month, partial.day)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _here(moment: datetime, scene: Scene) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(scene.zone)


def _style(pattern: str, name: str) -> str:
    if len(pattern) > _PATTERN_LIMIT:
        raise FilterArgumentError(f"the pattern of '{name}' is longer than {_PATTERN_LIMIT} characters")
    return pattern


@pass_context
def date_filter(context: Context, value: Any, style: str = "long") -> str:
    """A day: `short`, `medium`, `long`, `full`, or a pattern of Unicode TR35 such as `d MMMM`.

    An instant is first taken to the reader's zone. A day whose year nobody knows is written without one.
    """
    scene, moment = _scene(context), _moment(value, "date")
    if isinstance(moment, PartialDate):
        if style in _STYLES:
            return locales.day_of_year(moment.month, moment.day, scene.locale)
        return locales.day(date(2000, moment.month, moment.day), _style(style, "date"), scene.locale)
    if isinstance(moment, datetime):
        moment = _here(moment, scene)
        if style not in _STYLES:
            return locales.moment(moment, _style(style, "date"), scene.locale)
        moment = moment.date()
    return locales.day(moment, _style(style, "date"), scene.locale)


@pass_context
def datetime_filter(context: Context, value: Any, style: str = "medium") -> str:
    """A day and the time of it in the reader's zone, to the minute; the style is the day's, or a pattern."""
    scene, moment = _scene(context), _moment(value, "datetime")
    if not isinstance(moment, datetime):
        return str(date_filter(context, value, style))
    moment = _here(moment, scene)
    if style not in _STYLES:
        return locales.moment(moment, _style(style, "datetime"), scene.locale)
    day = locales.day(moment.date(), style, scene.locale)
    time = locales.clock(moment, "short", scene.locale)
    return locales.joined(style, scene.locale).replace("{0}", time).replace("{1}", day)


@pass_context
def time_filter(context: Context, value: Any, style: str = "short") -> str:
    """The time of day of an instant in the reader's zone."""
    scene, moment = _scene(context), _moment(value, "time")
    if not isinstance(moment, datetime):
        raise FilterArgumentError("'time' needs an instant, and was given a day")
    return locales.clock(_here(moment, scene), _style(style, "time"), scene.locale)


@pass_context
def money_filter(context: Context, value: Any, currency: str | None = None) -> str:
    """An amount in `currency` (ISO 4217), else in the tenant's, written for the reader."""
    scene = _scene(context)
    if isinstance(value, Undefined):
        str(value)
    code = currency or scene.currency
    digits = str(value) if type(value) in (int, float, str, Decimal) else ""
    if digits and not code:
        raise FilterArgumentError("'money' needs a currency, such as money('TRY'), since the tenant has none")
    try:
        if len(digits) <= _SUM_LIMIT:
            return locales.money(digits, str(code), scene.locale)
    except ValueError:
        pass
    raise FilterArgumentError(f"'money' needs an amount, and was given {str(value)[:50]!r}")


@pass_context
def inline_filter(context: Context, name: str) -> str:
    """The address of a picture that travels inside the message (RFC 2392)."""
    scene = _scene(context)
    content_id = scene.pictures.get(name)
    if content_id is None:
        raise FilterArgumentError(f"there is no picture {name!r} to put in the message")
    scene.used.add(content_id)
    return f"cid:{content_id}"


def link_gate(value: Any) -> str:
    """An address to follow: `http`, `https` or `mailto` only, whatever else data says becomes `#`."""
    text = (value.unescape() if isinstance(value, Markup) else str(value)).strip(" ")
    return text if _LINK.fullmatch(text) else "#"


@pass_context
def tracked_filter(context: Context, value: Any) -> Any:
    """An address as it stands in a mail whose clicks are counted; in all others, and whatever else it is, unchanged."""
    track = _scene(context).track
    if track is None:
        return value
    if type(value) is str:
        return track(value)
    if isinstance(value, Markup):  # an address with data in it, put together and escaped
        url = value.unescape().strip()
        made = track(url)
        return value if made == url else escape(made)
    return value


def css_gate(value: Any) -> str:
    """A value inside a `style`: letters, digits and ` #%.,+-`; else nothing, so data adds no declaration."""
    text = str(value)
    return text if _CSS.fullmatch(text) else ""


def default_filter(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """What stands where a value is missing or blank, as of who gave no name; `boolean`: for 0 and false as well."""
    blank = value is None or isinstance(value, Undefined) or (isinstance(value, str) and not value)
    return default_value if blank or (boolean and not value) else value


def format_filter(value: Any, *args: Any, **kwargs: Any) -> str:
    """printf-like `%s`, `%d`, `%.2f`, `%(name)s`; no widths, which are a way to fill the memory."""
    text = str(value)
    if "%" in _PLACEHOLDER.sub("", text):
        raise FilterArgumentError("'format' takes %s, %d, %.2f and %(name)s only")
    try:
        return text % (kwargs or args)
    except (TypeError, ValueError, KeyError) as error:
        raise FilterArgumentError(f"'format' could not fill its text: {error}") from None


def replace_filter(value: Any, old: str, new: str, count: int = -1) -> str:
    """Every `old` replaced, within bounds. The result is data again, escaped where it lands."""
    text = value.unescape() if isinstance(value, Markup) else str(value)
    found = len(text) + 1 if old == "" else text.count(old)
    if len(text) + found * len(new) > _TEXT_LIMIT:
        raise FilterArgumentError("the text that 'replace' would build is too long")
    return text.replace(str(old), str(new), count)


def indent_filter(value: Any, width: int = 4, first: bool = False) -> str:
    """Every line after the first moved in by `width` spaces (at most 40)."""
    if not 0 <= width <= _PATTERN_LIMIT:
        raise FilterArgumentError(f"the width of 'indent' is at most {_PATTERN_LIMIT}")
    text = value.unescape() if isinstance(value, Markup) else str(value)
    moved = ("\n" + " " * width).join(text.split("\n"))
    return " " * width + moved if first else moved


def center_filter(value: Any, width: int = 80) -> str:
    """The text in the middle of `width` columns (at most 1,000)."""
    if not 0 <= width <= _WIDTH_LIMIT:
        raise FilterArgumentError(f"the width of 'center' is at most {_WIDTH_LIMIT}")
    return str(value).center(width)


FILTERS: dict[str, Callable[..., Any]] = {
    "center": center_filter,
    "css": css_gate,
    "d": default_filter,
    "date": date_filter,
    "datetime": datetime_filter,
    "default": default_filter,
    "format": format_filter,
    "indent": indent_filter,
    "inline": inline_filter,
    "link": link_gate,
    "money": money_filter,
    "replace": replace_filter,
    "time": time_filter,
    "tracked": tracked_filter,
}
