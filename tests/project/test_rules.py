"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.project.tree import MAILER, dotted, imported, name, python_files, tree

LONGEST = 300
#: What a revision of the schema did is never edited again, so its length is nobody's burden.
RECORDS = "mailer/store/migrations/versions/"

CLOCK = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv"}


def uses(path: Path, names: set[str]) -> Iterator[str]:
    """Where a file speaks of any of these, under whatever name it imported them."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Attribute | ast.Name):
            continue
        first, dot, rest = dotted(node).partition(".")
        said = aliases.get(first, first) + dot + rest
        if any(said == wanted or said.endswith(f".{wanted}") for wanted in names):
            yield f"{name(path)}:{node.lineno}: {said}"


def everywhere_but(allowed: str, names: set[str]) -> list[str]:
    return [place for path in python_files("mailer") if name(path) != allowed for place in uses(path, names)]


def test_the_clock_is_read_in_one_place() -> None:
    assert everywhere_but("mailer/app/base.py", CLOCK) == []
    assert list(uses(MAILER / "app" / "base.py", CLOCK))


def test_the_environment_is_read_in_one_place() -> None:
    assert everywhere_but("mailer/settings.py", ENVIRONMENT) == []
    assert list(uses(MAILER / "settings.py", ENVIRONMENT))


def test_nothing_is_patched() -> None:
    places = [
        f"{name(path)}:{line}: {module}"
        for path in python_files("mailer", "tests", "bench")
        for module, line in imported(path)
        if module.startswith(("unittest.mock", "mock."))
    ]
    assert places == []


def test_core_takes_only_triggers_from_apscheduler() -> None:
    places = [
        f"{name(path)}:{line}: {module}"
        for path in python_files("mailer/core")
        for module, line in imported(path)
        if module.startswith("apscheduler") and not module.startswith("apscheduler.triggers.")
    ]
    assert places == []


def test_no_module_is_a_drawer() -> None:
    assert [
        name(path) for path in python_files("mailer") if path.stem in {"utils", "util", "helpers", "common"}
    ] == []


def test_no_module_grows_too_long() -> None:
    lengths = {
        name(path): len(path.read_text("utf-8").splitlines())
        for path in python_files("mailer")
        if not name(path).startswith(RECORDS)
    }
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name(path)
        for path in python_files("mailer")
        if path.read_text("utf-8").strip() and ast.get_docstring(tree(path)) is None
    ]
    assert silent == []
