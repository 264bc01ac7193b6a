"""YAML 1.2 as people write it: plain values, and the line of every key for the day something is wrong.

`at: 10:00` is text, `NO` is Norway and a repeated key is an error (YAML 1.1 readers differ on all three).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mailer.errors import FileFault
from mailer.files.whole import read_whole

MOST_BYTES = 1_000_000
MOST_KEYS = 100_000  # aliases can make a short file unfold without end

_TWICE = "a key is written twice; keep one of the two"
TOO_DEEP = "is nested too deeply; a settings or campaign file is a page of text"

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A file's values, and where each key stands."""

    file: str
    values: dict[str, Any]
    lines: Mapping[Path_, int]
    faults: tuple[FileFault, ...] = ()  # of what could be read past

    def line(self, path: Path_) -> int | None:
        """The line (1-based) of the key at `path`, or of the nearest key above it that the file has."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


class _Constructor(RoundTripConstructor):
    """The library's, but for what people write by mistake."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.twice: list[int] = []  # the lines of keys that were there before

    def check_mapping_key(self, node: Any, key_node: Any, mapping: Any, key: Any, value: Any) -> bool:
        """A key that is written twice is noted, and the others looked at. The first of the two counts meanwhile."""
        try:
            return bool(super().check_mapping_key(node, key_node, mapping, key, value))
        except DuplicateKeyError:
            self.twice.append(key_node.start_mark.line + 1)
            return False

    def date(self, node: Any) -> Any:
        """A date that no calendar has stays text: the key's own check says what is wrong with it, and where."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            return self.construct_scalar(node)

    def nothing(self, node: Any) -> None:
        """An anchor with nothing behind it was meant as text: a password, say."""
        if node.anchor:
            raise ConstructorError(None, None, "text that begins with & belongs in quotes", node.start_mark)


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.date)
_Constructor.add_constructor("tag:yaml.org,2002:null", _Constructor.nothing)


def read(path: Path) -> Document:
    """Read one file that holds a mapping; its `faults` are what could be read past, such as a repeated key.

    Raises:
        FileFault: not there, not text, not YAML, or not a mapping; with its line.
    """
    try:
        raw = read_whole(path, MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise FileFault("is larger than 1 MB; a settings or campaign file is a page of text", str(path))
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise FileFault("there is no such file", str(path)) from None
    except UnicodeDecodeError:
        raise FileFault("is not UTF-8 text; save it as UTF-8", str(path)) from None
    except OSError as error:
        raise FileFault(f"cannot be read: {error.strerror}", str(path)) from None
    return parse(text, str(path))


#: The library's words → what a person is to write. Its own would name an alias, which may be a password that begins
#: with *; and a share is written %10 in Turkish.
_PLAINLY = {
    "alias": "text that begins with * belongs in quotes",
    "'%'": "a value may not begin with %; a share is written 10%, and text goes in quotes",
    "mapping values": "no key may stand here; keys begin in one column, and a text with a colon in it goes in quotes",
    "'\\t'": "a tab begins a line or a value; use blanks",
}


def parse(text: str, file: str) -> Document:
    """Read YAML text; `file` is named in faults."""
    reader = YAML(typ="rt")
    reader.Constructor = _Constructor
    reader.allow_duplicate_keys = False
    try:
        loaded = reader.load(text)
    except DuplicateKeyError as error:  # `<<`, which is no key
        line = error.problem_mark.line + 1 if error.problem_mark is not None else None
        raise FileFault(_TWICE, file, line) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else None
        problem = " ".join((error.problem or "nothing a reader knows").split())
        problem = next((ours for theirs, ours in _PLAINLY.items() if theirs in problem), problem)
        raise FileFault(f"cannot be read as YAML: {problem}", file, line) from None
    except YAMLError as error:
        raise FileFault(f"cannot be read as YAML: {str(error).splitlines()[0]}", file) from None
    except RecursionError:
        raise FileFault(TOO_DEEP, file) from None
    except ValueError:
        raise FileFault("cannot be read as YAML: it holds a number or a date nobody can read", file) from None
    if loaded is None:
        loaded = CommentedMap()
    if not isinstance(loaded, CommentedMap):
        raise FileFault("must be a mapping of keys to values", file, 1)
    lines: dict[Path_, int] = {}
    # The library's own sentence quotes both values; one of them may be a password.
    faults = [FileFault(_TWICE, file, line) for line in reader.constructor.twice]
    try:
        values = _plain(loaded, (), lines, file, faults)
        return Document(file, values, lines, tuple(faults))
    except RecursionError:
        raise FileFault(TOO_DEEP, file) from None


def _plain(value: Any, path: Path_, lines: dict[Path_, int], file: str, faults: list[FileFault]) -> Any:
    """Plain dicts, lists and scalars, noting each key's line on the way."""
    if len(lines) > MOST_KEYS:
        raise FileFault("unfolds to more than 100,000 keys; take the aliases out", file)
    if isinstance(value, CommentedMap):
        result: dict[str, Any] = {}
        for key, inner in value.items():
            here = (*path, str(key))
            position = value.lc.data.get(key) if value.lc.data else None
            lines[here] = position[0] + 1 if position is not None else lines.get(path, 1)
            if not isinstance(key, str | int):
                faults.append(FileFault(f"the key {key!r} is not a word", file, lines.get(here)))
                continue
            result[str(key)] = _plain(inner, here, lines, file, faults)
        return result
    if isinstance(value, CommentedSeq):
        items = []
        for index, inner in enumerate(value):
            here = (*path, index)
            position = value.lc.data.get(index) if value.lc.data else None
            lines[here] = position[0] + 1 if position is not None else lines.get(path, 1)
            items.append(_plain(inner, here, lines, file, faults))
        return items
    if isinstance(value, TaggedScalar) and not str(value.tag.value).startswith("tag:yaml.org,2002:"):
        faults.append(FileFault("text that begins with ! belongs in quotes", file, lines.get(path)))
        return str(value)
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    return str(value)  # times and dates stay what was written: their meaning is the field's
