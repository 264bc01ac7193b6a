"""Runs docs/walkthrough.md. As a program with --write it puts the real output into the page."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests import started

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "walkthrough.md"

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)

#: What differs from run to run: codes, signed links, Message-IDs, the folder, the numbers the mailbox gives.
_VARIABLE = (
    (re.compile(r"\b(IZ|SS)-[A-Z2-9]{10}\b"), r"\1-XXXXXXXXXX"),
    (re.compile(r"/(u|p)/[\w.-]+"), r"/\1/TOKEN"),
    (re.compile(r"kept as \d+"), "kept as N"),
)


@dataclass
class Step:
    """One command and what it printed."""

    command: str
    typed: list[str]  # the lines of the page
    output: list[str] = field(default_factory=list)


def steps(block: str) -> Iterator[Step]:
    """The commands of a console block."""
    step: Step | None = None
    for line in block.splitlines():
        if line.startswith("$ "):
            if step is not None:
                yield step
            step = Step(line[2:], [line])
        elif step is not None and line.startswith(">") and not step.output:
            step.command += "\n" + line[1:].removeprefix(" ")
            step.typed.append(line)
        elif step is not None:
            step.output.append(line)
    if step is not None:
        yield step


def play(page: str, folder: Path) -> str:
    """Run every command in `folder`; the page with what they printed."""
    for name in ("jobs", "templates"):
        shutil.copytree(ROOT / name, folder / name)
    scripts = started.scripts()
    environment = started.environment()
    environment |= {"PATH": f"{scripts}:{environment['PATH']}", "COLUMNS": "200"}
    environment["MAILER_RELAY__CONNECTIONS"] = "1"  # so that mails arrive in one order

    def rewritten(found: re.Match[str]) -> str:
        lines = []
        for step in steps(found[1]):
            done = subprocess.run(
                ["bash", "-c", step.command],  # noqa: S607
                cwd=folder, env=environment, check=False, timeout=120, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            output = done.stdout.replace(f"{folder}/", "")
            lines += [
                *step.typed,
                *(line.rstrip() for line in output.rstrip("\n").split("\n") if output.strip()),
            ]
        return "```console\n" + "\n".join(lines) + "\n```"

    return _BLOCK.sub(rewritten, page)


def masked(page: str) -> str:
    """The page without what differs from run to run."""
    for pattern, mask in _VARIABLE:
        page = pattern.sub(mask, page)
    return page


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        shop = Path(temporary).resolve() / "shop"
        shop.mkdir()
        played = play(PAGE.read_text("utf-8"), shop)
    if "--write" in sys.argv:
        PAGE.write_text(played, "utf-8")
    else:
        print(played)  # noqa: T201 - this is a program
