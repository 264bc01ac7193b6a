"""A segment: a rule tree over customers, as people write it in YAML or JSON."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from mailer.core.segment_leaves import (
    AreaRule,
    CouponRule,
    DateRule,
    EngagedRule,
    EventRule,
    IncidentRule,
    OrdersRule,
    RfmRule,
    SentRule,
    ServicesRule,
    ShareField,
    SpendRule,
)
from mailer.core.segment_value import LONGEST_NAME, Strict, TextField, ValueTest, ValueTests, is_date, refuse
from mailer.errors import SegmentFault

DEEPEST = 50
MOST_RULES = 400  # with the segments it names; SQLite refuses expressions nested a thousand deep

_BRANCHES = ("all", "any", "not")


class Rule(Strict):
    """One node of the tree. Keys beside each other all have to hold; an empty rule is everyone.

    `all`, `any` and `not` hold lists; `not` leaves out whoever any of its rules finds.
    """

    all: tuple[Rule, ...] | None = None
    any: Annotated[tuple[Rule, ...], Field(min_length=1)] | None = None
    not_: tuple[Rule, ...] | None = Field(None, alias="not")
    attr: ValueTests | None = None
    date: DateRule | None = None
    event: EventRule | None = None
    orders: OrdersRule | None = None
    spend: SpendRule | None = None
    rfm: RfmRule | None = None
    engaged: EngagedRule | None = None
    area: AreaRule | None = None
    services: ServicesRule | None = None
    consent: Literal["commercial"] | None = None
    sent: SentRule | None = None
    coupon: CouponRule | None = None
    incident: IncidentRule | None = None
    list: TextField | None = None
    segment: TextField | None = None
    random: ShareField | None = None

    @model_validator(mode="before")
    @classmethod
    def _bounded(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise refuse("a rule is a mapping, such as {attr: {city: İzmir}}")
        deepest, count = _measure(value)
        if deepest > DEEPEST:
            raise refuse(f"the rule is nested more than {DEEPEST} levels deep; name parts of it as segments")
        if count > MOST_RULES:
            raise refuse(
                f"the rule has more than {MOST_RULES} parts; use a list or name parts of it as segments"
            )
        for branch in _BRANCHES:
            if not isinstance(value.get(branch, ()), (list, tuple)) and value[branch] is not None:
                raise refuse(f"'{branch}' needs a list of rules: write [ ] around it or a dash before each")
        return value

    @model_validator(mode="after")
    def _day_of_joining(self) -> Self:
        test = (self.attr or {}).get("created_at")
        if test is not None:
            wanted = (test.equals, test.is_not, *(test.one_of or ()), test.gt, test.gte, test.lt, test.lte)
            days = all(one is None or (isinstance(one, str) and is_date(one)) for one in wanted)
            if test.has or test.contains or test.starts or not days:
                raise refuse("created_at is compared with days, such as {gte: 2026-05-10}")
        return self

    def branches(self) -> Iterator[Rule]:
        """The rules directly below this one."""
        for below in (self.all, self.any, self.not_):
            yield from below or ()

    @property
    def weight(self) -> int:
        """How many conditions this node itself comes to; ten values to choose from count as one more."""
        asked = [*(self.attr or {}).values(), *((self.event and self.event.where) or {}).values()]
        values = sum(len(test.one_of or ()) for test in asked) + len(self.area.postal if self.area else ())
        return len(self.model_fields_set) + sum(len(test.model_fields_set) for test in asked) + values // 10

    def walk(self) -> Iterator[Rule]:
        """This rule and every one below it."""
        yield self
        for below in self.branches():
            yield from below.walk()


def _measure(value: Any) -> tuple[int, int]:
    """How deep the tree of rules goes and how many rules it has, without following it by recursion."""
    deepest = count = 0
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting and deepest <= DEEPEST and count <= MOST_RULES:
        node, depth = waiting.pop()
        if not isinstance(node, Mapping):
            continue
        deepest, count = max(deepest, depth), count + max(1, len(node))
        for branch in _BRANCHES:
            below = node.get(branch)
            if isinstance(below, (list, tuple)):
                waiting.extend((inner, depth + 1) for inner in below)
    return deepest, count


def faults(error: ValidationError) -> list[tuple[tuple[str, ...], str]]:
    """Each thing wrong as (path, sentence): `(("all", "0", "atr"), "unknown key; did you mean 'attr'?")`."""
    found = []
    for one in error.errors(include_url=False, include_input=False):
        path = [part for part in one["loc"] if part != "[key]"]
        words = tuple(str(part)[:LONGEST_NAME] for part in path)
        found.append((words, _sentence(one["type"], one["msg"], path)))
    return found


def _sentence(kind: str, text: str, path: list[int | str]) -> str:
    if kind == "extra_forbidden":
        if path[-1] in _KEYS:
            return "this key does not belong here"
        near = difflib.get_close_matches(str(path[-1]), _KEYS, n=1)
        return f"unknown key; did you mean '{near[0]}'?" if near else "unknown key"
    if kind in _PLAIN:
        return _PLAIN[kind]
    text = text.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return text[:1].lower() + text[1:] if kind != "rule" else text


_PLAIN = {
    "missing": "this key is needed",
    "too_short": "at least one is needed here",
    "string_type": "a text is needed here; put numbers in quotes",
    "string_too_short": "an empty text is no name",
    "string_too_long": "this text is too long",
    "string_pattern_mismatch": "write it as it should be; a currency is three capitals, such as TRY",
    "bool_type": "write true or false",
    "dict_type": "a mapping is needed here, such as {city: İzmir}",
    "tuple_type": "a list is needed here",
}
_LEAVES = (
    DateRule,
    EventRule,
    OrdersRule,
    SpendRule,
    RfmRule,
    EngagedRule,
    AreaRule,
    ServicesRule,
    SentRule,
    CouponRule,
    IncidentRule,
)
_KEYS = sorted(
    {
        field.alias or name
        for model in (Rule, ValueTest, *_LEAVES)
        for name, field in model.model_fields.items()
    }
)


def check_segments(rule: Rule, segments: Mapping[str, Rule], *, name: str = "", file: str = "") -> None:
    """See that every segment `rule` names exists, none leads back to itself and all is bounded.

    `name` is the segment's own name, if it has one.

    Raises:
        SegmentFault: the unknown name, the loop, or more than `MOST_RULES` parts in all.
    """
    budget = [MOST_RULES]
    _follow(rule, segments, [name] if name else [], budget, file)


def _follow(rule: Rule, segments: Mapping[str, Rule], path: list[str], budget: list[int], file: str) -> None:
    key = path[0] if path else None
    for node in rule.walk():
        budget[0] -= max(1, node.weight)
        if budget[0] < 0:
            raise SegmentFault(
                f"with the segments it names, the rule has more than {MOST_RULES} parts", file, key=key
            )
        if node.segment is None:
            continue
        if node.segment in path:
            loop = " → ".join([*path[path.index(node.segment) :], node.segment])
            raise SegmentFault(f"the segments lead back to themselves: {loop}", file, key=key)
        if len(path) >= DEEPEST:
            raise SegmentFault(f"more than {DEEPEST} segments name one another in a row", file, key=key)
        _follow(named(node.segment, segments), segments, [*path, node.segment], budget, file)


def named(name: str, segments: Mapping[str, Rule]) -> Rule:
    """The segment called `name`.

    Raises:
        SegmentFault: there is none.
    """
    try:
        return segments[name]
    except KeyError:
        near = difflib.get_close_matches(name, segments, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SegmentFault(f"there is no segment {name!r:.100}{hint}") from None
