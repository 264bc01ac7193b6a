"""`mailer WORDS` in a shop's folder, in this process."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailer.cli.invocation import Invocation, this
from mailer.cli.main import status

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable  # itself, for what a process is and leaves behind

SETTINGS = """\
database_url: {url}
state_dir: var
tenant: {{from: "Kardelen <merhaba@kardelen.example>", timezone: Europe/Istanbul}}
"""

CUSTOMERS = [
    {"id": "A", "email": "ayse@x.example", "first_name": "Ayşe", "consent": "yes", "birthday": "1990-05-10"},
    {"id": "B", "email": "b@x.example", "first_name": "Bora", "consent": "no"},
]


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


Mailer = Callable[..., Answer]


@pytest.fixture
def mailer(
    tmp_path: Path,
    sqlite_url: str,
    forked: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Mailer]:
    """`mailer WORDS` in a shop's folder, with two campaigns that work and one that does not."""
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    (tmp_path / "jobs").mkdir()
    for name in ("_segments", "offer", "birthday"):
        shutil.copy(ROOT / "jobs" / f"{name}.yaml", tmp_path / "jobs")
    (tmp_path / "jobs" / "broken.yaml").write_text("purpose: commercial\ntrigger: {cron: often}\n")
    (tmp_path / "settings.yaml").write_text(SETTINGS.format(url=sqlite_url))
    (tmp_path / "customers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CUSTOMERS))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MAILER_")]:
        if not name.startswith("MAILER_TEST_"):
            monkeypatch.delenv(name)

    def call(*words: str) -> Answer:
        fresh = Invocation()
        for name in ("settings_path", "settings_given", "now", "json", "debug"):
            setattr(this, name, getattr(fresh, name))
        ended = status(words)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Answer(ended, said.out, said.err)

    yield call
    this.json = False
