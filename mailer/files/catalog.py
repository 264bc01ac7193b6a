"""jobs/*.yaml → campaigns and named segments. A file that cannot be loaded is named and stops no other."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mailer.core.campaign import NAME, Campaign
from mailer.core.fault_words import fault_words
from mailer.core.mentions import mentions
from mailer.core.segment import Rule, check_segments
from mailer.core.segment import faults as rule_faults
from mailer.core.trigger import EventTrigger, SegmentTrigger
from mailer.errors import CampaignFault, FileFault, SegmentFault
from mailer.files import yaml

SEGMENTS_FILE = "_segments.yaml"

_rules: TypeAdapter[Rule] = TypeAdapter(Rule)


@dataclass(frozen=True)
class Catalog:
    """What jobs_dir holds: the campaigns and segments that could be read, and the faults of the others."""

    campaigns: Mapping[str, Campaign] = field(default_factory=dict)
    segments: Mapping[str, Rule] = field(default_factory=dict)
    faults: tuple[FileFault, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)  # campaign → file


def read(folder: Path) -> Catalog:
    """Read every campaign below `folder`."""
    faults: list[FileFault] = []
    if not folder.is_dir():
        return Catalog(
            faults=(CampaignFault("there is no such folder; set jobs_dir or make it", str(folder)),)
        )
    segments = _segments(folder / SEGMENTS_FILE, faults)
    campaigns: dict[str, Campaign] = {}
    sources: dict[str, str] = {}
    for path in sorted(folder.glob("*.y*ml")):
        if path.name.startswith(("_", ".")) or path.suffix not in {".yaml", ".yml"}:
            continue
        try:
            campaign = _campaign(path, segments)
        except FileFault as fault:
            faults.append(fault)
            continue
        if campaign.name in campaigns:
            faults.append(CampaignFault("a second file of this name; keep one", str(path)))
            continue
        campaigns[campaign.name] = campaign
        sources[campaign.name] = str(path)
    return Catalog(campaigns, segments, tuple(faults), sources)


def _segments(path: Path, faults: list[FileFault]) -> dict[str, Rule]:
    if not path.exists():
        return {}
    try:
        document = yaml.read(path)
    except FileFault as fault:
        faults.append(SegmentFault(fault.message, fault.file, fault.line, fault.key))
        return {}
    segments: dict[str, Rule] = {}
    for name, value in document.values.items():
        try:
            segments[name] = _rules.validate_python(value)
        except ValidationError as error:
            faults.append(_fault(SegmentFault, error, document, (name,)))
    for name, rule in list(segments.items()):
        problem = _unknown_segment(rule, {**segments, name: rule})
        if problem:
            place = _place(document, (name,), rule, segments)
            faults.append(SegmentFault(problem, document.file, document.line(place), _dotted(place)))
            del segments[name]
    return segments


def _campaign(path: Path, segments: Mapping[str, Rule]) -> Campaign:
    name = path.stem
    if not NAME.fullmatch(name):
        raise CampaignFault(
            "a campaign file's name is small letters, digits, - and _, such as spring-offer.yaml", str(path)
        )
    try:
        document = yaml.read(path)
    except FileFault as fault:
        raise CampaignFault(fault.message, fault.file, fault.line, fault.key) from None
    if "name" in document.values:
        raise CampaignFault(
            "the file's name is the campaign's name; take this key out",
            document.file,
            document.line(("name",)),
            "name",
        )
    values = {key: value for key, value in document.values.items() if value is not None}
    try:
        campaign = Campaign.model_validate({**values, "name": name})
    except ValidationError as error:
        raise _fault(CampaignFault, error, document, ()) from None
    problem = _unknown_segment(campaign.audience, segments)
    if problem:
        place = _place(document, ("audience",), campaign.audience, segments)
        raise CampaignFault(problem, document.file, document.line(place), _dotted(place))
    trigger = campaign.trigger
    if isinstance(trigger, SegmentTrigger):
        problem = _unknown_segment(Rule(segment=trigger.segment), segments)
        if problem:
            raise CampaignFault(problem, document.file, document.line(("trigger",)), "trigger.segment")
    if mentions(campaign.audience, segments).origin and not isinstance(trigger, EventTrigger):
        what = "`until: event` needs a trigger of the kind {event: NAME}; nothing else has an event to look back from"
        raise CampaignFault(what, document.file, document.line(("audience",)), "audience")
    return campaign


def _unknown_segment(rule: Rule, segments: Mapping[str, Rule]) -> str | None:
    """A sentence when `rule` names a segment that is not there, or leads back to itself."""
    try:
        check_segments(rule, segments)
    except SegmentFault as fault:
        return fault.message
    return None


def _place(
    document: yaml.Document, above: yaml.Path_, rule: Rule, segments: Mapping[str, Rule]
) -> yaml.Path_:
    """Where the rule at `above` names a segment that is not there; else the rule itself."""
    unknown = {node.segment for node in rule.walk() if node.segment is not None} - set(segments)

    def find(value: Any, path: yaml.Path_) -> yaml.Path_ | None:
        if isinstance(value, str):
            return path if value in unknown and path[-1] in ("segment", above[-1]) else None
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        return next((found for key, part in inner if (found := find(part, (*path, key)))), None)

    return find(document.values[str(above[0])], above) or above


def _dotted(path: yaml.Path_) -> str:
    return ".".join(str(part) for part in path)


def _fault(
    kind: type[FileFault], error: ValidationError, document: yaml.Document, above: tuple[str, ...]
) -> FileFault:
    """The first fault, at the deepest place the file has for it; a misspelt key explains a missing one."""
    faults = error.errors(include_url=False, include_input=False)
    chosen = next((n for n, each in enumerate(faults) if each["type"] == "extra_forbidden"), 0)
    fault = faults[chosen]
    path = _in_file((*above, *fault["loc"]), document.values, missing=fault["type"] == "missing")
    what = fault_words(fault)
    if above or fault["loc"][:1] == ("audience",):
        what = rule_faults(error)[chosen][1]
    elif fault["type"] == "extra_forbidden":
        known = Campaign.model_fields if len(fault["loc"]) == 1 else ()
        near = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "take it out or correct its spelling"
        what = f"unknown key; {hint}"
    elif fault["type"] == "missing":
        what = "is missing; write it"
    more = error.error_count() - 1
    if more:
        what += f" ({more} more fault{'s' if more > 1 else ''} after this one)"
    return kind(what, document.file, document.line(path) or 1, _dotted(path) or None)


def _in_file(location: tuple[str | int, ...], values: Any, *, missing: bool) -> tuple[str | int, ...]:
    """Drop the parts of pydantic's path that name union branches and not keys of the file."""
    path: list[str | int] = []
    here = values
    for index, part in enumerate(location):
        indexed = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if indexed or (isinstance(here, dict) and part in here):
            here = here[part]
            path.append(part)
        elif missing and index == len(location) - 1:
            path.append(part)  # it is named though the file has it not
    return tuple(path)
