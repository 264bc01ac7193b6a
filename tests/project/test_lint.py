from __future__ import annotations

from tests.project.tree import run

LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def test_ruff_has_nothing_to_say() -> None:
    run("-m", "ruff", "check", "--output-format", "concise")


def test_the_formatter_has_nothing_to_change() -> None:
    run("-m", "ruff", "format", "--check", "--quiet")


def test_types_hold() -> None:
    run("-m", "mypy")


def test_floors_hold() -> None:
    run("-c", LINT_IMPORTS, "--no-logo", "--no-cache")
