"""Environment variables laid over what a settings file says: `MAILER_RELAY__PORT` stands for `port` below `relay`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mailer.errors import FileFault
from mailer.files.whole import read_whole

PREFIX = "MAILER_"
TESTS_OWN = "MAILER_TEST_"

Key = tuple[str | int, ...]

#: Keys that take several values, parted by commas.
LISTS = {("staff",), ("previous_secret_keys",), ("tracking", "machines"), ("tracking", "proxies")}

#: Keys under which names or numbers of the owner's stand, so that a variable may give all of it at once, as JSON.
WHOLE = {("relays",), ("pacing", "domains"), ("topics",)}


#: Keys, by their last word, whose value may lie in a file that `…_FILE` names, as containers are handed secrets.
SECRETS = {"database_url", "secret_key", "previous_secret_keys", "password", "signing_key", "token"}

_FROM_FILE = "_file"
_MOST_SECRET = 100_000  # bytes


def without_blanks(value: Any) -> Any:
    """A key left blank (`password:`) means its default."""
    if isinstance(value, dict):
        return {key: without_blanks(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_blanks(inner) for inner in value]
    return value


def overlay(
    values: dict[str, Any], variables: Mapping[str, str], folder: Path
) -> tuple[dict[Key, str], list[FileFault]]:
    """Lay MAILER_A__B over values: which variable set which key, and those that are no setting or cannot be read.

    Files of secrets count from `folder`. No value is ever shown.
    """
    named: dict[Key, str] = {}
    faults: list[FileFault] = []
    for variable in sorted(variables):
        if not variable.startswith(PREFIX) or variable.startswith(TESTS_OWN):
            continue
        try:
            key = _laid(values, variables, variable, folder)
        except FileFault as fault:
            faults.append(fault)
            continue
        if key is not None:
            named[key] = variable
    return named, faults


def _laid(values: dict[str, Any], variables: Mapping[str, str], variable: str, folder: Path) -> Key | None:
    """Lay one variable over values; the key it set, if it says anything.

    Raises:
        FileFault: it is no setting, or cannot be read.
    """
    path = tuple(variable[len(PREFIX) :].lower().split("__"))
    if path in {("file",), ("places",)}:
        raise FileFault(f"{variable} is not a setting; take it out of the environment")
    text = variables[variable]
    if path[-1].removesuffix(_FROM_FILE) in SECRETS and path[-1] not in SECRETS:
        if not text:
            return None
        path = (*path[:-1], path[-1].removesuffix(_FROM_FILE))
        text = _secret(folder / text, variable, variables)
        if path in LISTS:
            text = ",".join(text.splitlines())
    return _lay(values, path, text, variable)


def _secret(file: Path, variable: str, variables: Mapping[str, str]) -> str:
    """What a file of a secret holds, without the end of its last line."""
    beside = variable[: -len(_FROM_FILE)]
    if variables.get(beside):
        raise FileFault(f"{variable} and {beside} are both set; keep one of them")
    try:
        text = read_whole(file, _MOST_SECRET).decode("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise FileFault(f"{variable}: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FileFault(f"{variable}: {file} is not UTF-8 text") from None
    if not text.strip():
        raise FileFault(f"{variable}: {file} holds nothing; write the secret there, or take the variable out")
    return text


def _lay(values: dict[str, Any], path: tuple[str, ...], text: str, variable: str) -> Key:
    place: Any = values
    key: Key = ()
    for number, name in enumerate(path, 1):
        if isinstance(place, list):
            if not name.isdecimal() or int(name) >= len(place):
                raise FileFault(
                    f"{variable} is not a setting: {'.'.join(map(str, key))} has no number {name}"
                )
            step: Any = int(name)
        elif isinstance(place, dict):
            step = name
        else:
            raise FileFault(f"{variable} is not a setting: {key[-1]} has no keys below it")
        key = (*key, step)
        if number < len(path):
            place = place[step] if isinstance(place, list) else place.setdefault(name, {})
    if path in LISTS:
        place[step] = _listed(text)
    elif text == "" and isinstance(place, dict):
        place.pop(step, None)
    else:
        place[step] = _whole(text, variable) if path in WHOLE else text
    return key


def _listed(text: str) -> list[Any]:
    """Parts between commas; or, as some tools write lists, JSON."""
    if text.lstrip().startswith("["):
        try:
            found: list[Any] = json.loads(text)
        except ValueError:
            pass  # a part that begins so
        else:
            return found
    return [part.strip() for part in text.split(",") if part.strip()]


def _whole(text: str, variable: str) -> Any:
    try:
        return without_blanks(json.loads(text))
    except ValueError:  # its own sentence would show a part of it
        raise FileFault(f"{variable}: cannot be read as JSON") from None
