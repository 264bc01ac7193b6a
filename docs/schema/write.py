"""Writes the JSON Schemas that editors read: python docs/schema/write.py.

They come from the models that load the files, and the words an editor shows beside a key from the tables of
docs/campaigns.md and docs/segments.md, so neither can say something of its own.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from mailer.core.campaign import Campaign  # noqa: E402 - runs from a checkout that nobody installed
from mailer.core.segment import Rule  # noqa: E402 - the same

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ROW = re.compile(r"^\| `(?P<key>[a-z_]+)` \| (?P<said>.+?) \|", re.MULTILINE)


def explained(page: str, heading: str) -> dict[str, str]:
    """Key → what the first table below a heading of a page says of it."""
    text = (HERE.parent / page).read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {found["key"]: found["said"] for found in _ROW.finditer(text)}


def campaign() -> dict[str, Any]:
    """What one file of jobs/ may hold. A key left blank is its default; the file's name is the campaign's."""
    schema = Campaign.model_json_schema()
    said = explained("campaigns.md", "Keys")
    keys = schema["properties"]
    del keys["name"]
    schema["required"].remove("name")
    for key, value in keys.items():
        value.pop("default", None)
        value.pop("title", None)
        if key not in schema["required"]:
            keys[key] = {"anyOf": [*value.pop("anyOf", [value]), {"type": "null"}]}
        keys[key]["description"] = said[key]
    _explain_rules(schema)
    return {"$schema": DIALECT, **schema, "title": "Campaign", "description": "A campaign: jobs/NAME.yaml"}


def segments() -> dict[str, Any]:
    """What jobs/_segments.yaml may hold: a rule for each name."""
    rule = Rule.model_json_schema()
    schema = {"$defs": rule["$defs"]}
    _explain_rules(schema)
    return {
        "$schema": DIALECT,
        **schema,
        "title": "Segments",
        "description": "Named segments: jobs/_segments.yaml",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/Rule"},
    }


def _explain_rules(schema: dict[str, Any]) -> None:
    said = explained("segments.md", "What can be asked")
    for key, value in schema["$defs"]["Rule"]["properties"].items():
        if key in said:
            value["description"] = said[key]


SCHEMAS = {"campaign.schema.json": campaign, "segments.schema.json": segments}


def text(name: str) -> str:
    """A schema as its file holds it."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file in SCHEMAS:
        (HERE / file).write_text(text(file), "utf-8")
