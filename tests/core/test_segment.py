from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from mailer.core.mentions import mentions
from mailer.core.segment import DEEPEST, MOST_RULES, Rule, check_segments, faults
from mailer.core.segment_branch import outline
from mailer.core.segment_recast import among_affected, without_exclusions
from mailer.errors import SegmentFault

GOOD: list[dict[str, Any]] = [
    {},
    {"all": []},
    {
        "all": [
            {
                "date": {
                    "attr": "birthday",
                    "is": "today",
                    "tz": "customer",
                    "leap": "feb28",
                    "set_before": "30d",
                }
            }
        ]
    },
    {
        "all": [{"consent": "commercial"}],
        "not": [{"segment": "costly"}, {"sent": {"campaign": "offer", "in": "7d"}}],
    },
    {
        "all": [
            {"attr": {"interests": {"has": "coffee"}}},
            {"area": {"postal": ["35*"]}},
            {
                "event": {
                    "name": "product_viewed",
                    "count": "2..",
                    "in": "30d",
                    "where": {"sku": {"in": ["a", 1]}},
                }
            },
        ]
    },
    {"event": {"name": "order.placed", "never": True}},
    {"attr": {"şehir": "İzmir", "age": {"gte": 18, "lt": 65}, "vip": True, "since": {"gt": "2026-01-01"}}},
    {
        "orders": {"count": 2, "net": "100..", "in": "90d"},
        "spend": {"net": "1000..", "currency": "TRY", "settled": "14d"},
    },
    {
        "services": {"has": "fibre"},
        "list": "vip",
        "random": "12.5%",
        "incident": {"open": True},
        "coupon": {"campaign": "birthday", "state": "redeemed"},
    },
]


def nested(depth: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"list": "x"}
    for _ in range(depth - 1):
        rule = {"any": [rule]}
    return rule


@pytest.mark.parametrize("written", [*GOOD, nested(DEEPEST)], ids=lambda rule: str(rule)[:60])
def test_a_rule_reads_back_from_its_own_json(written: dict[str, Any]) -> None:
    rule = Rule.model_validate(written)
    assert Rule.model_validate(json.loads(rule.model_dump_json(by_alias=True))) == rule


@pytest.mark.parametrize(
    ("written", "key", "sentence"),
    [
        ({"all": [{"atr": {"city": "İzmir"}}]}, "all.0.atr", "unknown key; did you mean 'attr'?"),
        ({"event": {"name": "x", "cuont": "2.."}}, "event.cuont", "unknown key; did you mean 'count'?"),
        ({"postal": ["35*"]}, "postal", "this key does not belong here"),
        ({"not": [{"sent": {"campaign": "offer", "in": "7 days"}}]}, "not.0.sent.in", "not a duration"),
        ({"event": {"count": 2}}, "event.name", "this key is needed"),
        ({"rfm": {}}, "rfm", "say which scores"),
        ({"rfm": {"r": "0..2"}}, "rfm.r", "from 1 to 5"),
        ({"rfm": {"r": "6.."}}, "rfm.r", "from 1 to 5"),
        ({"rfm": {"r": 4.5}}, "rfm.r", "whole numbers"),
        ({"rfm": {"recency": 5}}, "rfm.recency", "unknown key"),
        ({"engaged": {"by": []}}, "engaged.by", "at least one"),
        ({"engaged": {"by": ["clik"]}}, "engaged.by.0", "'click', 'order' or 'open'"),
        ({"attr": {'a"b': 1}}, 'attr.a"b', "quote"),
        ({"attr": {"a\\": 1}}, "attr.a\\", "backslash"),
        ({"attr": {"a\nb": 1}}, "attr.a\nb", "control"),
        ({"attr": {"x" * 101: 1}}, "attr." + "x" * 100, "1 to 100"),
        ({"attr": {" ": 1}}, "attr. ", "1 to 100"),
        ({"attr": {"x": ["a"]}}, "attr.x.is", "in: […]"),
        ({"attr": {"x": None}}, "attr.x", "missing: true"),
        ({"attr": {"x": ""}}, "attr.x.is", "missing: true"),
        ({"attr": {"x": {"gt": "abc"}}}, "attr.x.gt", "cannot be ordered"),
        ({"attr": {"x": {"gte": "2026-02-30"}}}, "attr.x.gte", "cannot be ordered"),
        ({"attr": {"x": {"is": float("inf")}}}, "attr.x.is", "digits"),
        ({"attr": {"x": {"is": 1234567890123456}}}, "attr.x.is", "digits"),
        ({"attr": {"x": "a\0b"}}, "attr.x.is", "NUL"),
        ({"attr": {"x": "a" * 1001}}, "attr.x.is", "1000"),
        ({"attr": {"x": {"missing": "yes"}}}, "attr.x.missing", "true or false"),
        ({"attr": {"created_at": {"contains": "2026"}}}, "", "compared with days"),
        ({"attr": {"created_at": 5}}, "", "compared with days"),
        ({"attr": {}}, "attr", "at least one"),
        ({"date": {"attr": "birthday"}}, "date", "is: today"),
        ({"date": {"attr": "birthday", "is": "today", "in_days": "0..7"}}, "date", "is: today"),
        ({"date": {"attr": "birthday", "in_days": "0.."}}, "date.in_days", "both ends"),
        ({"event": {"name": "x", "never": True, "count": 2}}, "event", "contradict"),
        ({"event": {"name": "x", "in": None}}, "event", "'in' has no value"),
        ({"area": {"postal": [35000]}}, "area.postal", "leading zeros"),
        ({"area": {"postal": ["%5*"]}}, "area.postal", "postal"),
        ({"area": {"postal": ["3*5"]}}, "area.postal", "postal"),
        ({"area": {"postal": []}}, "area.postal", "at least one"),
        ({"spend": {"net": "1000..", "currency": "try"}}, "spend.currency", "TRY"),
        ({"consent": "service"}, "consent", "commercial"),
        ({"random": 10}, "random", "percentage"),
        ({"random": "101%"}, "random", "percentage"),
        ({"random": "1e1000000%"}, "random", "percentage"),
        ({"random": "1_0%"}, "random", "percentage"),
        ({"not": {"segment": "x"}}, "", "list of rules"),
        ({"not": None}, "", "'not' has no value"),
        ({"any": []}, "any", "at least one"),
        ({"all": [1]}, "all.0", "a rule is a mapping"),
        (["x"], "", "a rule is a mapping"),
        (nested(DEEPEST + 1), "", f"{DEEPEST} levels"),
        ({"any": [{"list": "x"}] * (MOST_RULES + 1)}, "", f"{MOST_RULES} parts"),
        (
            {"attr": {"x": {"matches": "(a+)+$"}}},
            "attr.x.matches",
            "unknown key",
        ),  # there are no patterns but 35*
        ({"attr": {"name; DROP": "x"}, "x'); --": 1}, "x'); --", "unknown key"),
    ],
    ids=lambda part: str(part)[:50].replace("\0", "0"),
)
def test_one_fault_is_told_once_where_it_is(written: Any, key: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate(written)
    [(path, told)] = faults(caught.value)
    assert ".".join(path) == key
    assert sentence in told


def test_a_rule_a_thousand_levels_deep_is_one_fault() -> None:
    with pytest.raises(ValidationError, match=f"{DEEPEST} levels"):
        Rule.model_validate(nested(1_000))


RULES = {
    "a": Rule.model_validate({"segment": "b"}),
    "b": Rule.model_validate({"not": [{"segment": "c"}]}),
    "c": Rule.model_validate({"any": [{"segment": "a"}]}),
    "own": Rule.model_validate({"segment": "own"}),
    "champions": Rule.model_validate({"list": "vip"}),
}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a", "a → b → c → a"),
        ("own", "own → own"),
        ("champion", "did you mean 'champions'?"),
        ("zzz", "no segment 'zzz'"),
    ],
)
def test_segments_that_lead_nowhere_are_named(name: str, sentence: str) -> None:
    with pytest.raises(SegmentFault, match=sentence.replace("?", r"\?")):
        check_segments(Rule.model_validate({"all": [{"segment": name}]}), RULES)


def test_segments_that_multiply_are_refused() -> None:
    rules = {f"s{n}": Rule.model_validate({"all": [{"segment": f"s{n + 1}"}] * 10}) for n in range(30)}
    rules["s30"] = Rule()
    with pytest.raises(SegmentFault, match="more than"):
        check_segments(rules["s0"], rules, name="s0")


def test_a_choice_of_many_values_counts_for_more() -> None:
    rule = Rule.model_validate({"all": [{"attr": {"x": {"in": list(range(500))}}}] * 20})
    with pytest.raises(SegmentFault, match="more than"):
        check_segments(rule, {})


def test_mentions_follow_named_segments() -> None:
    rule = Rule.model_validate(
        {
            "segment": "champions",
            "event": {"name": "viewed"},
            "attr": {"city": "x"},
            "not": [{"sent": {"campaign": "offer"}}],
        }
    )
    found = mentions(rule, RULES)
    assert found.lists == {"vip"}
    assert (found.segments, found.events, found.attributes) == ({"champions"}, {"viewed"}, {"city"})
    assert found.campaigns == {"offer"}
    assert mentions(Rule.model_validate({"segment": "a"}), RULES).segments == {"a", "b", "c"}


def test_a_rule_without_its_exclusions_keeps_the_rest() -> None:
    rule = Rule.model_validate({"list": "vip", "not": [{"segment": "x"}]})
    assert without_exclusions(rule) == Rule.model_validate({"list": "vip"})


def test_an_outline_is_one_line() -> None:
    written = Rule.model_validate({"sent": {"campaign": "offer", "in": "7d"}, "attr": {"vip": True}})
    assert outline(written) == "attr: {vip: {is: true}}, sent: {campaign: offer, in: 7d}"


def test_the_schema_names_every_leaf() -> None:
    schema = Rule.model_json_schema()["$defs"]["Rule"]["properties"]
    assert set(schema) == {field.alias or name for name, field in Rule.model_fields.items()}


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ({"incident": {"open": True}, "list": "vip"}, {"list": "vip"}),
        ({"incident": {"open": False}}, {"not": [{}]}),  # nobody
        ({"any": [{"incident": {"open": True}}, {"list": "vip"}]}, {"any": [{}, {"list": "vip"}]}),
        ({"segment": "vip"}, {"segment": "vip"}),
        (
            {"segment": "deep", "list": "x"},
            {"all": [{"all": [{}], "attr": {"city": {"is": "İzmir"}}}], "list": "x"},
        ),
        ({"not": [{"segment": "hit"}]}, {"not": [{"all": [{}]}]}),
    ],
)
def test_of_whoever_is_about_to_hear_no_rule_asks_whether_they_are_affected(
    written: dict[str, Any], asked: dict[str, Any]
) -> None:
    segments = {
        "vip": Rule.model_validate({"list": "vip"}),
        "hit": Rule.model_validate({"incident": {"open": True}}),
        "deep": Rule.model_validate({"segment": "hit", "attr": {"city": "İzmir"}}),
    }
    found = among_affected(Rule.model_validate(written), segments)
    assert found.model_dump(mode="json", by_alias=True) == asked
