"""What docs/ says is held against the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, SecretStr

from mailer import settings
from mailer.core.campaign import Campaign
from mailer.core.coupon import CouponState, GeneratedCoupon, PoolCoupon, ReminderCoupon, StaticCoupon
from mailer.core.delivery import Skip, State
from mailer.core.duration import Duration
from mailer.core.once import Once
from mailer.core.samples import vetting_scenes
from mailer.core.scene import Sender
from mailer.core.segment import Rule, check_segments
from mailer.core.segment_value import ValueTest
from mailer.files import catalog, yaml
from mailer.files.templates import TemplateFolder
from mailer.render.environment import HARMLESS
from mailer.render.filters import FILTERS
from mailer.render.publish import publish
from mailer.render.renderer import Template
from tests.project.pages import Block, blocks, pages, table
from tests.project.tree import DOCS, ROOT

LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#)([^)#\s]+)[^)]*\)")


def names(model: type[BaseModel]) -> set[str]:
    """The keys people write."""
    return {field.alias or name for name, field in model.model_fields.items()}


def of_kind(language: str, kind: str) -> list[Any]:
    found = [block for block in blocks(language) if block.kind == kind]
    return [pytest.param(block, id=str(block)) for block in found]


# Tests -------------------------------------------------------------------------------------------------


def test_every_test_that_a_page_names_is_there() -> None:
    named = [
        (page.name, file, test)
        for page in pages()
        for place in re.finditer(
            r"`(tests/[\w/.]+\.py)(?:::(\w+))?`((?:, `test_\w+`)*)", page.read_text("utf-8")
        )
        for file, test in [
            (place[1], place[2]),
            *((place[1], more) for more in re.findall(r"`(\w+)`", place[3])),
        ]
    ]
    assert len(named) > 90
    missing = [
        (page, file, test)
        for page, file, test in named
        if not (ROOT / file).is_file() or (test and f"def {test}(" not in (ROOT / file).read_text("utf-8"))
    ]
    assert missing == []


# Examples ----------------------------------------------------------------------------------------------


def test_every_example_is_of_a_kind_that_is_tried() -> None:
    kinds = {str(block): block.kind for block in blocks("yaml")}
    assert {
        place: kind for place, kind in kinds.items() if kind not in ("campaign", "segments", "settings")
    } == {}


@pytest.mark.parametrize("block", of_kind("yaml", "campaign"))
def test_a_campaign_example_can_be_used(block: Block, tmp_path: Path) -> None:
    beside = [each.body for each in blocks("yaml") if (each.page, each.kind) == (block.page, "segments")]
    segments = (ROOT / "jobs" / catalog.SEGMENTS_FILE).read_text("utf-8")
    (tmp_path / catalog.SEGMENTS_FILE).write_text("\n".join([segments, *beside]), "utf-8")
    (tmp_path / "example.yaml").write_text(block.body, "utf-8")
    found = catalog.read(tmp_path)
    assert [str(fault) for fault in found.faults] == []
    assert set(found.campaigns) == {"example"}


@pytest.mark.parametrize("block", of_kind("yaml", "segments"))
def test_a_segments_example_can_be_used(block: Block, tmp_path: Path) -> None:
    stock = yaml.read(ROOT / "jobs" / catalog.SEGMENTS_FILE).values
    values = yaml.parse(block.body, str(tmp_path)).values
    rules = {name: Rule.model_validate(value) for name, value in {**stock, **values}.items()}
    for name, rule in rules.items():
        check_segments(rule, rules, name=name)


@pytest.mark.parametrize("block", of_kind("yaml", "settings"))
def test_a_settings_example_can_be_used(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(block.body, "utf-8")
    assert settings.load(file, environment={}).tenant.name == "Kardelen"


@pytest.mark.parametrize("block", [pytest.param(each, id=str(each)) for each in blocks("jinja")])
def test_a_template_example_renders_for_every_sample(block: Block, tmp_path: Path) -> None:
    campaign = catalog.read(ROOT / "jobs").campaigns[block.kind]
    stock = ROOT / "templates" / "_layout"
    (tmp_path / "_layout").mkdir()
    for file in stock.iterdir():
        (tmp_path / "_layout" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "example").mkdir()
    (tmp_path / "example" / "subject.txt").write_text("An example", "utf-8")
    (tmp_path / "example" / "body.html").write_text(block.body, "utf-8")
    template = Template(publish("example", TemplateFolder(tmp_path), "https://kardelen.example"))
    for _who, locale, scene in vetting_scenes(campaign, SENDER):
        made = template.render(scene, locale, "tr", ZoneInfo("Europe/Istanbul"))
        assert made.html


# Tables ------------------------------------------------------------------------------------------------

SENDER = Sender("Kardelen", "Kardelen <merhaba@kardelen.example>", "Moda", "TRY", "TR", "tr")


def flat(model: type[BaseModel], above: str = "") -> dict[str, Any]:
    """`relay.port` → its default."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = above + (field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= flat(field.annotation, f"{key}.")
        else:
            found[key] = field.default
    return found


def as_written(value: Any) -> str:
    """A default as the tables write it."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ("", ()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def test_settings_are_explained_with_their_defaults() -> None:
    known = {key: as_written(value) for key, value in flat(settings.Settings).items()}
    del known["file"], known["places"]  # set by `load`, never written
    assert {key: row[0] for key, row in table("configuration.md").items()} == known


def test_keys_of_a_campaign_are_explained_with_their_defaults() -> None:
    rows = table("campaigns.md", "Keys")
    assert set(rows) == names(Campaign) - {"name"}
    for key, (_meaning, stated) in rows.items():
        default = Campaign.model_fields[key].default
        if stated.startswith("`") and isinstance(default, Duration):
            assert stated == f"`{default}`"
        elif stated.startswith("`") and isinstance(default, Once):
            assert stated == f"`{default.per}`"
        elif stated.startswith("`") and key != "holdout":
            assert stated == as_written(default)
        assert (stated == "needed") == Campaign.model_fields[key].is_required()


def test_kinds_of_coupon_are_explained() -> None:
    rows = table("campaigns.md", "Coupons")
    kinds = {
        "generated": GeneratedCoupon, "static": StaticCoupon, "pool": PoolCoupon, "reminder": ReminderCoupon,
    }  # fmt: skip
    shared = names(GeneratedCoupon) & names(StaticCoupon) & names(PoolCoupon) - {"kind"}
    assert {kind: row[0] for kind, row in rows.items()} == {
        kind: ", ".join(f"`{key}`" for key in sorted(names(model) - shared - {"kind"}))
        for kind, model in kinds.items()
    }
    text = (DOCS / "campaigns.md").read_text("utf-8")
    assert [key for key in shared if f"`{key}`" not in text] == []


def test_states_of_a_code_are_explained() -> None:
    assert list(table("coupons.md", "A code's life")) == [str(state) for state in CouponState]


def test_leaves_of_a_rule_are_explained_by_examples_that_read() -> None:
    rows = table("segments.md", "What can be asked")
    assert set(rows) == names(Rule)
    for key, (_meaning, example) in rows.items():
        rule = Rule.model_validate(yaml.parse(example.strip("`"), key).values)
        assert rule.model_dump(by_alias=True, exclude_none=True).keys() == {key}


def test_tests_of_a_value_are_explained() -> None:
    assert set(table("segments.md", "Values")) == names(ValueTest)


def test_states_and_skips_are_in_the_glossary() -> None:
    assert list(table("glossary.md", "States of a delivery")) == [str(state) for state in State]
    assert list(table("glossary.md", "Reasons of a skip")) == [str(reason) for reason in Skip]


def test_filters_are_explained() -> None:
    text = (DOCS / "templates.md").read_text("utf-8").split("\n## Filters\n")[1].split("\n## ")[0]
    also = text.split("Of Jinja's own there are also:")[1].split("\n\n")[0]
    told = set(table("templates.md", "Filters")) | set(re.findall(r"`([a-z]+)`", also))
    assert told == set(FILTERS) | HARMLESS


def test_everything_in_scope_is_explained() -> None:
    rows = table("templates.md", "What is in scope")
    seen: dict[str, set[str]] = {}
    for campaign in catalog.read(ROOT / "jobs").campaigns.values():
        for _who, _locale, scene in vetting_scenes(campaign, SENDER):
            for name, value in scene.items():
                first = value[0] if isinstance(value, list) and value else value
                seen.setdefault(name, set()).update(first if isinstance(first, dict) else ())
    assert set(rows) == set(seen)
    free = {"customer": {"birthday"}, "order": seen["order"], "event": seen["event"] - {"name"}}
    for name, (holds, _where) in rows.items():
        told = set(re.findall(r"`([a-z_]+)`", holds))
        assert told | free.get(name, set()) >= seen[name], name
        assert told <= seen[name], name


# Pages -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in pages()])
def test_links_lead_somewhere(page: Path) -> None:
    dead = [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()]
    assert dead == []


def test_decisions_are_numbered_without_gaps() -> None:
    decisions = sorted((DOCS / "decisions").glob("*.md"))
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for page in decisions:
        assert page.read_text("utf-8").startswith(f"# {int(page.name[:4])}. ")
