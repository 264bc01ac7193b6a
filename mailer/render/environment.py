"""The sandbox templates run in: plain data in, text out, nothing else within reach.

The sandbox of Jinja is not a resource limit and trusts the objects it is given. So the context may hold plain
data only, attributes are an allow-list, and whatever builds text from a number (`*`, `%`, widths) is bounded.
Time and memory are bounded by `guard`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from jinja2 import StrictUndefined, Template, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as STOCK_FILTERS
from jinja2.runtime import LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from mailer.render.filters import FILTERS
from mailer.render.gathering import Pieces, collected, gathered

#: The longest text or list one expression may build.
EXPRESSION_LIMIT = 100_000
#: The longest loop `range` may drive.
RANGE_LIMIT = 1_000
_EXPONENT_LIMIT = 64
_BASE_LIMIT = 10**6

#: Jinja's own filters that neither make markup, nor reach attributes, nor grow with a number.
HARMLESS = frozenset({
    "abs", "capitalize", "count", "dictsort", "e", "escape", "first", "float", "groupby",
    "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr",
    "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "string", "striptags", "sum",
    "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount",
})  # fmt: skip

_WORTH = 1.2  # times as long as it was: base64 would be shorter than a page that grows far beyond
_MARKS = re.compile("[&<>\"']").search
_BLANKS = re.compile(r"\s+")
_ROWS = re.compile(r"\s\s|[^\S ]").search
_DICT_METHODS = frozenset({"get", "items", "keys", "values"})
_TEXT_METHODS = frozenset({
    "capitalize", "casefold", "count", "endswith", "find", "isalpha", "isdigit", "isnumeric", "lower",
    "lstrip", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
})  # fmt: skip
_DATE_PARTS = frozenset({"year", "month", "day", "hour", "minute", "second", "weekday", "isoweekday", "date"})
_SAFE_ATTRIBUTES: dict[type, frozenset[str]] = {
    dict: _DICT_METHODS,
    str: _TEXT_METHODS,
    list: frozenset({"count", "index"}),
    tuple: frozenset({"count", "index"}),
    date: _DATE_PARTS - {"hour", "minute", "second", "date"},
    datetime: _DATE_PARTS,
}


class Missing(StrictUndefined):
    """A name nobody gave: any use of it ends the render, and says which names there are."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name = self._undefined_name
        if isinstance(self._undefined_obj, Mapping):
            known = ", ".join(sorted(str(key) for key in self._undefined_obj)[:30])
            if "attributes" in self._undefined_obj:  # a customer, whose attributes others may have
                ask = f'customer.{name} | default("")'
                return f"there is no {name!r} here; where a customer may be without it, write {ask}; there is: {known}"
            return f"there is no {name!r} here; there is: {known}" if known else f"there is no {name!r} here"
        return f"{name!r} is not defined"


def escaped(value: Any) -> str:
    """What `escape` makes of a value, at a third of its price where there is nothing to escape."""
    if type(value) is str:
        return value if value.isalnum() or _MARKS(value) is None else escape(value)
    return str(value) if type(value) is int else escape(value)


def referenced(value: Any) -> str:
    """The same for a page that is to be ASCII; letters no reference can say stay as they are."""
    made: str = escaped(value)
    return made if made.isascii() or not made.isprintable() else _in_ascii(made)


def _in_ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def in_one_line(value: Any) -> Any:
    """A text with every row of blanks and line ends as one blank."""
    return value if type(value) is not str or _ROWS(value) is None else _BLANKS.sub(" ", value)


def bounded_range(*args: int) -> range:
    """`range`, no longer than RANGE_LIMIT."""
    made = range(*args)
    if len(made) > RANGE_LIMIT:
        raise SecurityError(f"a range of more than {RANGE_LIMIT:,} steps is not allowed")
    return made


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja with the allow-lists above. One for HTML (`markup`), one for text and subjects."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self, *, markup: bool, finalize: Callable[[Any], Any] | None = None) -> None:
        super().__init__(undefined=Missing, autoescape=markup, finalize=finalize)
        self.globals = {"range": bounded_range}
        self.filters = {name: STOCK_FILTERS[name] for name in HARMLESS} | FILTERS

    def ready(self, source: str, *, references: bool = False) -> Template:
        """A template compiled for many renders.

        `references` says that a character reference may stand for each letter that is not ASCII. Where these are few,
        that makes a page half as long in memory, which travels as it is.
        """
        tree = self.parse(source)
        escape = escaped
        if references and len(_in_ascii(source)) <= len(source) * _WORTH:
            escape = referenced
            for said in tree.find_all(nodes.TemplateData):
                said.data = _in_ascii(said.data)
        code = gathered(self.compile(tree, raw=True))
        template = Template.from_code(self, code or self.compile(tree), self.make_globals(None), None)
        root = template.root_render_func
        root.__globals__["escape"] = escape  # used for what is output, and nothing else
        root.__globals__[Pieces.__name__] = Pieces
        if code is None:
            template.root_render_func = lambda context: iter(collected(root(context)))
        return template

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A key of a dict before any method: `incident.update` is data, not `dict.update`."""
        if type(obj) is dict:  # as all are that come from outside
            try:
                return obj[attribute]
            except KeyError:
                pass
        return super().getattr(obj, attribute)

    def wrap_str_format(self, value: Any) -> None:
        """`str.format` stands on no allow-list here."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only what is listed, and what `loop` offers."""
        for kind in type(obj).__mro__:
            allowed = _SAFE_ATTRIBUTES.get(kind)
            if allowed is not None:
                return attr in allowed
        return isinstance(obj, LoopContext) and bool(super().is_safe_attribute(obj, attr, value))

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Refused access ends the render like a missing name."""
        kind = type(obj).__name__
        return self.undefined(
            f"{attribute!r} of a {kind} is not allowed", name=attribute, obj=obj, exc=SecurityError
        )

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse the few operations whose result is far larger than their operands."""
        if operator == "**" and not _small_power(left, right):
            raise SecurityError("such a large power is not allowed")
        if operator == "%" and isinstance(left, str):
            raise SecurityError("'%' on text is not allowed; write the text with {{ }} in it")
        if operator == "*":
            _check_repetition(left, right)
        result = super().call_binop(context, operator, left, right)
        if operator == "+" and isinstance(result, (str, list, tuple)) and len(result) > EXPRESSION_LIMIT:
            raise SecurityError("the text or list that '+' would build is too long")
        return result


def _small_power(base: Any, exponent: Any) -> bool:
    numbers = isinstance(base, (int, float, Decimal)) and isinstance(exponent, (int, float, Decimal))
    return numbers and -_BASE_LIMIT <= base <= _BASE_LIMIT and -_EXPONENT_LIMIT <= exponent <= _EXPONENT_LIMIT


def _check_repetition(left: Any, right: Any) -> None:
    pairs: tuple[tuple[Any, Any], ...] = ((left, right), (right, left))
    for many, times in pairs:
        if (
            isinstance(many, (str, list, tuple))
            and isinstance(times, int)
            and len(many) * times > EXPRESSION_LIMIT
        ):
            raise SecurityError("the text or list that '*' would build is too long")


HTML = Sandbox(markup=True)
TEXT = Sandbox(markup=False)
#: For a text made of a page (`derive`): a page shows each row of blanks as one.
DERIVED = Sandbox(markup=False, finalize=in_one_line)
