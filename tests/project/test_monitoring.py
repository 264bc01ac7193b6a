"""docs/monitoring.md is held against the figures there are."""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import YAML

from mailer.core.metrics import METRICS
from tests.project.pages import blocks, table
from tests.project.tree import DOCS

FAMILIES = {each.name: each for each in METRICS}


def rules() -> list[dict[str, Any]]:
    read: Any = YAML(typ="safe", pure=True)
    found = [read.load(block.body) for block in blocks("yml") if "groups:" in block.body]
    return [rule for each in found for group in each["groups"] for rule in group["rules"]]


def test_every_figure_is_explained() -> None:
    assert table("monitoring.md", "Figures") == {
        each.name: [each.kind, ", ".join(f"`{label}`" for label in each.labels), each.help]
        for each in METRICS
    }


def test_five_rules_speak_of_figures_there_are() -> None:
    assert len(rules()) == 5
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "annotations"}
        assert rule["annotations"]["summary"].endswith((".", "?", "`."))
    text = (DOCS / "monitoring.md").read_text("utf-8")
    for name, labels in re.findall(r"(mailer_[a-z_]+)(\{[a-z_]+=)?", text):
        if name.endswith("_"):
            continue
        assert name in FAMILIES, name
        if labels:
            assert labels.strip("{=") in FAMILIES[name].labels
