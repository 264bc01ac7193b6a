"""The JSON Schemas that editors read say what the loader says."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from docs.schema.write import HERE, SCHEMAS, text
from mailer.files import yaml
from tests.project.pages import blocks
from tests.project.tree import ROOT

CAMPAIGNS = sorted(path for path in (ROOT / "jobs").glob("*.yaml") if not path.name.startswith("_"))


def faults(name: str, values: Any) -> list[str]:
    schema = SCHEMAS[name]()
    Draft202012Validator.check_schema(schema)
    return [
        f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(schema).iter_errors(values)
    ]


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_published_is_current(name: str) -> None:
    assert (HERE / name).read_text("utf-8") == text(name), "run python docs/schema/write.py"


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_the_stock_campaigns_pass(path: Any) -> None:
    assert faults("campaign.schema.json", yaml.read(path).values) == []


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_the_examples_pass(block: Any) -> None:
    values = yaml.parse(block.body, str(block)).values
    if block.kind != "settings":
        name = "campaign.schema.json" if block.kind == "campaign" else "segments.schema.json"
        assert faults(name, values) == []


def test_the_stock_segments_pass() -> None:
    assert faults("segments.schema.json", yaml.read(ROOT / "jobs" / "_segments.yaml").values) == []


def test_a_key_left_blank_passes() -> None:
    blank = dict.fromkeys(("ttl", "ends_at", "coupon", "goal", "audience", "once"))
    assert faults("campaign.schema.json", {"purpose": "service", "trigger": "manual", **blank}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"trigger": "manual"}, id="no purpose"),
        pytest.param({"purpose": "commercial"}, id="no trigger"),
        pytest.param({"purpose": "commercial", "trigger": "manual", "porpoise": 1}, id="unknown key"),
        pytest.param({"purpose": "commercial", "trigger": "manual", "name": "x"}, id="a name of its own"),
        pytest.param({"purpose": "commercial", "trigger": {"corn": "* * * * *"}}, id="unknown trigger"),
        pytest.param({"purpose": "commercial", "trigger": "manual", "catch_up": "soon"}, id="no duration"),
        pytest.param({"purpose": "commercial", "trigger": "manual", "holdout": 10}, id="a share without %"),
        pytest.param({"purpose": "commercial", "trigger": "manual", "ends_at": "2026-12-31"}, id="no time"),
        pytest.param(
            {"purpose": "commercial", "trigger": "manual", "audience": {"atr": {}}}, id="unknown leaf"
        ),
        pytest.param(
            {"purpose": "commercial", "trigger": "manual", "coupon": {"kind": "magic"}}, id="unknown coupon"
        ),
    ],
)
def test_what_the_loader_refuses_is_marked(wrong: dict[str, Any]) -> None:
    assert faults("campaign.schema.json", wrong)
