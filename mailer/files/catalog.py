"""jobs/*.yaml → campaigns and named segments. A file that cannot be loaded is named and stops no other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mailer.core.campaign import NAME, Campaign
from mailer.core.mentions import mentions
from mailer.core.segment import Rule, check_segments
from mailer.core.trigger import EventTrigger, SegmentTrigger
from mailer.errors import CampaignFault, FileFault, SegmentFault
from mailer.files import yaml
from mailer.files.faults import dotted, in_order, of_model

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
            campaign, wrong = _campaign(path, segments)
        except FileFault as fault:
            campaign, wrong = None, [fault]
        faults.extend(wrong)
        if campaign is None:
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
        faults.append(_of_kind(SegmentFault, fault))
        return {}
    found = [_of_kind(SegmentFault, each) for each in document.faults]
    segments: dict[str, Rule] = {}
    for name, value in document.values.items():
        try:
            segments[name] = _rules.validate_python(value)
        except ValidationError as error:
            found += of_model(SegmentFault, error, document, (name,), ())
    for name, rule in list(segments.items()):
        wrong = _unknown(SegmentFault, document, (name,), rule, segments)
        if wrong:
            found += wrong
            del segments[name]
    faults.extend(in_order(found))
    return segments


def _campaign(path: Path, segments: Mapping[str, Rule]) -> tuple[Campaign | None, list[FileFault]]:
    """The campaign, or everything that is wrong with its file.

    Raises:
        CampaignFault: it cannot be read at all.
    """
    name = path.stem
    if not NAME.fullmatch(name):
        raise CampaignFault(
            "a campaign file's name is small letters, digits, - and _, such as spring-offer.yaml", str(path)
        )
    try:
        document = yaml.read(path)
    except FileFault as fault:
        raise _of_kind(CampaignFault, fault) from None
    found = [_of_kind(CampaignFault, each) for each in document.faults]
    if "name" in document.values:
        what = "the file's name is the campaign's name; take this key out"
        found.append(CampaignFault(what, document.file, document.line(("name",)), "name"))
    values = {key: value for key, value in document.values.items() if value is not None}
    campaign = None
    try:
        campaign = Campaign.model_validate({**values, "name": name})
    except ValidationError as error:
        found += of_model(CampaignFault, error, document, (), tuple(Campaign.model_fields))
    found += _of_rules(document, values, segments)
    return (None if found else campaign), in_order(found)


def _of_rules(
    document: yaml.Document, values: Mapping[str, Any], segments: Mapping[str, Rule]
) -> list[FileFault]:
    """What is wrong with the segments a campaign names, whatever else is wrong with it."""
    found: list[FileFault] = []
    alone = {"name": "it", "purpose": "service", "trigger": "manual"}
    trigger = None
    with contextlib.suppress(ValidationError):
        trigger = Campaign.model_validate({**alone, "trigger": values.get("trigger")}).trigger
    if isinstance(trigger, SegmentTrigger):
        what = _unknown_segment(Rule(segment=trigger.segment), segments)
        if what:
            line = document.line(("trigger", "segment"))
            found.append(CampaignFault(what, document.file, line, "trigger.segment"))
    try:
        audience = Campaign.model_validate({**alone, "audience": values.get("audience")}).audience
    except ValidationError:
        return found
    if unknown := _unknown(CampaignFault, document, ("audience",), audience, segments):
        return found + unknown
    if trigger is not None and not isinstance(trigger, EventTrigger) and mentions(audience, segments).origin:
        what = "`until: event` needs a trigger of the kind {event: NAME}; nothing else has an event to look back from"
        found.append(CampaignFault(what, document.file, document.line(("audience",)), "audience"))
    return found


def _unknown_segment(rule: Rule, segments: Mapping[str, Rule]) -> str | None:
    """A sentence when `rule` names a segment that is not there, or leads back to itself."""
    try:
        check_segments(rule, segments)
    except SegmentFault as fault:
        return fault.message
    return None


def _unknown(
    kind: type[FileFault],
    document: yaml.Document,
    above: yaml.Path_,
    rule: Rule,
    segments: Mapping[str, Rule],
) -> list[FileFault]:
    """Each place where the rule at `above` names a segment that is not there; else what is wrong with all of it."""
    what = _unknown_segment(rule, segments)
    if what is None:
        return []
    unknown = {node.segment for node in rule.walk() if node.segment is not None} - set(segments)

    def find(value: Any, path: yaml.Path_) -> Iterator[tuple[yaml.Path_, str]]:
        if isinstance(value, str) and value in unknown and path[-1] in ("segment", above[-1]):
            yield path, value
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, part in inner:
            yield from find(part, (*path, key))

    places = [
        (path, _unknown_segment(Rule(segment=name), segments) or what)
        for path, name in find(document.values[str(above[0])], above)
    ] or [(above, what)]
    return [kind(said, document.file, document.line(path), dotted(path)) for path, said in places]


def _of_kind(kind: type[FileFault], fault: FileFault) -> FileFault:
    return kind(fault.message, fault.file, fault.line, fault.key)
