"""Everything wrong with a file of ours: each fault with the line it stands at, told once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from mailer.core.fault_words import fault_words
from mailer.core.segment import faults as rule_faults
from mailer.errors import FileFault
from mailer.files.variables import Key
from mailer.files.yaml import Document, Path_

_OF_ALL = ("value_error", "missing")  # where several keys have to go together


def dotted(path: Path_) -> str:
    """A key as people name it: `audience.all.0`."""
    return ".".join(map(str, path))


def of_model(
    kind: type[FileFault], error: ValidationError, document: Document, above: Path_, known: Collection[str]
) -> list[FileFault]:
    """The faults of a campaign, whose keys are `known`, or of the rule at `above`; in the order of their lines.

    Each at the deepest place the file has for it; a misspelt key explains the one that is missing for it.
    """
    found: list[FileFault] = []
    meant: set[str] = set()
    needed: dict[Path_, list[str]] = {}
    details = error.errors(include_url=False, include_input=False)
    for fault in details:
        if fault["type"] == "missing":
            needed.setdefault(fault["loc"][:-1], []).append(str(fault["loc"][-1]))
    for fault, (_, of_rule) in zip(details, rule_faults(error), strict=True):
        missing, misspelt = fault["type"] == "missing", fault["type"] == "extra_forbidden"
        path = _in_file((*above, *fault["loc"]), document.values, missing=missing)
        what = fault_words(fault)
        if above or fault["loc"][:1] == ("audience",):
            what = of_rule
        elif misspelt:
            might = known if len(fault["loc"]) == 1 else needed.get(fault["loc"][:-1], ())
            near = difflib.get_close_matches(str(fault["loc"][-1]), might, n=1)
            meant.update(dotted((*path[:-1], each)) for each in near)
            what = f"unknown key; {f'did you mean {near[0]!r}?' if near else 'take it out or correct its spelling'}"
        elif missing:
            what = "is missing; write it"
        found.append(kind(what, document.file, document.line(path) or 1, dotted(path) or None))
    explained = {(each, "is missing; write it") for each in meant}
    return in_order(each for each in found if (each.key, each.message) not in explained)


def of_settings(
    error: ValidationError, document: Document, named: Mapping[Key, str], *, whole: bool
) -> list[FileFault]:
    """The faults of settings: the line of the file, or the variable that says it. Never the value of a secret.

    Where they are not `whole`, because a variable could not be read, what the lack of it makes wrong is left out.
    """
    found = []
    for fault in error.errors(include_url=False):
        if not whole and fault["type"] in _OF_ALL and isinstance(fault["input"], Mapping):
            continue
        path = tuple(fault["loc"])
        # The fault may lie in a part of what a variable says (staff), or in how several go together (relay).
        variable = next(
            (
                said
                for of, said in named.items()
                if path and (path[: len(of)] == of or of[: len(path)] == path)
            ),
            None,
        )
        what = fault_words(fault)
        if fault["type"] == "extra_forbidden":
            what = "unknown key; take it out or correct its spelling"
        line = None if variable else document.line(path)
        found.append(FileFault(what, variable or document.file, line, dotted(path) or None))
    return in_order(found)


def in_order(faults: Iterable[FileFault]) -> list[FileFault]:
    """Each fault once, those of a file by their lines."""
    once = {(each.file, each.line, each.key, each.message): each for each in faults}
    return sorted(once.values(), key=lambda each: each.line or 0)


def _in_file(location: Path_, values: Any, *, missing: bool) -> Path_:
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
