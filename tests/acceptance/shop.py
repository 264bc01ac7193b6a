"""A shop for each test: a folder with settings, campaigns and templates, and the program as its owner runs it.

Its commands and their senders come from the starter (`tests/starter.py`); those of a `fresh` shop are the console
script itself, and real ones all the way down.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import started
from tests.started import Started

ROOT = Path(__file__).parents[2]
SCRIPT = Path(sys.executable).with_name("mailer")
PATIENCE = 60.0  # seconds a command may take, waiting for a dead sender's lease included
LOOK = 0.01

SETTINGS: dict[str, Any] = {
    "tenant": {
        "name": "Kardelen",
        "from": "Kardelen <merhaba@kardelen.example>",
        "timezone": "Europe/Istanbul",
        "country": "TR",
        "locale": "tr",
        "currency": "TRY",
        "postal_address": "Moda Cad. No. 12, 34710 Kadıköy/İstanbul",
    },
    "state_dir": "var",
    "sender": {"processes": 1},
}


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Running:
    """A command that was started, in a process group of its own."""

    def __init__(self, process: Started) -> None:
        self._process = process

    def signal(self, number: int) -> None:
        """Tell the command itself."""
        self._process.send_signal(number)

    def signal_all(self, number: int) -> None:
        """Tell the command and all its children at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask_to_stop(self) -> None:
        """Tell it, and wait until it has heard: from then on a second word ends it at once."""
        self.signal(signal.SIGTERM)
        wait_until(lambda: self.over() or not self._listens())

    def _listens(self) -> bool:
        """Whether it takes being told as a wish."""
        with suppress(OSError):
            said = Path(f"/proc/{self.pid}/status").read_text()
            caught = next(line for line in said.splitlines() if line.startswith("SigCgt:"))
            return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
        return False

    def below(self, name: str) -> list[int]:
        """The processes of this name among those that it started, or they did."""
        return _below(self.pid, name)

    @property
    def status(self) -> int | None:
        """Its exit status, negative the signal that ended it; None while it runs."""
        return self._process.poll()

    def over(self) -> bool:
        return self.status is not None

    def end(self, status: int = 0) -> Answer:
        """Wait for its end."""
        out, err = self._process.communicate(timeout=PATIENCE)
        answer = Answer(self._process.returncode, out, err)
        assert answer.status == status, f"status {answer.status}, not {status}:\n{err}"
        assert "Traceback" not in err, err
        return answer

    def kill(self) -> None:
        """End it and its children, whatever they do."""
        self.signal_all(signal.SIGKILL)
        self._process.communicate(timeout=PATIENCE)


def _below(pid: int, name: str) -> list[int]:
    with suppress(OSError):
        started = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        named = [each for each in started if Path(f"/proc/{each}/comm").read_text() == f"{name}\n"]
        return named + [each for child in started for each in _below(child, name)]
    return []


class Shop:
    """The stock campaigns that are named, or none, and the program run in their folder."""

    def __init__(
        self,
        folder: Path,
        *campaigns: str,
        database_url: str | None = None,
        fresh: bool = False,
    ) -> None:
        self.folder = folder
        self._fresh = fresh
        self._started: list[Running] = []
        shutil.copytree(ROOT / "templates", folder / "templates")
        (folder / "jobs").mkdir()
        for name in ("_segments", *campaigns):
            shutil.copy(ROOT / "jobs" / f"{name}.yaml", folder / "jobs")
        self.settings = json.loads(json.dumps(SETTINGS))
        if database_url is not None:
            self.settings["database_url"] = database_url
        self.set()

    def set(self, **changes: Any) -> None:
        """Change settings; they are written as JSON, which is YAML."""
        self.settings |= changes
        self.write("settings.yaml", json.dumps(self.settings, ensure_ascii=False, indent=1))

    def relay(self, port: int, *, connections: int = 4, **more: Any) -> None:
        """Send through a relay on this machine."""
        self.set(relay={"host": "127.0.0.1", "port": port, "tls": "none", "connections": connections, **more})

    def write(self, name: str, content: str | bytes) -> Path:
        """A file of the shop."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def campaign(self, name: str, text: str, *, subject: str = "Merhaba", body: str = "Merhaba!") -> None:
        """A campaign of the shop's own, with a template as small as it gets."""
        self.write(f"jobs/{name}.yaml", text)
        self.write(f"templates/{name}/subject.txt", subject)
        if not (self.folder / f"templates/{name}/body.html").exists():
            self.write(f"templates/{name}/body.txt", body)

    def start(
        self,
        *words: str,
        now: str | None = None,
        env: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> Running:
        """Start `mailer WORDS`, at the instant `now`; with words `before`, by another program."""
        words = (*words, *(("--now", now) if now else ()))
        environment = started.environment() | dict(env or {})
        program: Path | str | None = SCRIPT if self._fresh else None
        if before:
            program, *words = (*before, str(SCRIPT), *words)
        running = Running(started.start(words, cwd=self.folder, env=environment, program=program))
        self._started.append(running)
        return running

    def mailer(
        self, *words: str, now: str | None = None, status: int = 0, env: Mapping[str, str] | None = None
    ) -> Answer:
        """Run `mailer WORDS` to its end, which must be of this status and without a traceback."""
        return self.start(*words, now=now, env=env).end(status)

    def run(self, now: str, **more: Any) -> Answer:
        """Do everything due at `now`."""
        return self.mailer("run", "--until-idle", now=now, **more)

    def customers(self, *rows: Mapping[str, Any], now: str) -> None:
        """Import customers."""
        self.take("customers", rows, now)

    def events(self, *rows: Mapping[str, Any], now: str) -> None:
        """Import events."""
        self.take("events", rows, now)

    def take(self, what: str, rows: Sequence[Mapping[str, Any]], now: str) -> None:
        """Import customers, events or points."""
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        file = self.write(f"{what}.jsonl", lines)
        self.mailer(what, "import", str(file), now=now)

    def deliveries(self, *words: str) -> list[dict[str, Any]]:
        """The ledger."""
        return self.mailer("deliveries", *words, "--json").rows

    def runs(self) -> list[dict[str, Any]]:
        """Every run."""
        return self.mailer("runs", "--json").rows

    def close(self) -> None:
        """End what is still running."""
        for running in self._started:
            if not running.over():
                running.kill()


def wait_until(holds: Callable[[], object]) -> None:
    """Look until it holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(LOOK)


def balanced(run: Mapping[str, Any]) -> bool:
    """The ledger equation (docs: the states of a run)."""
    ended = ("sent", "failed", "skipped", "cancelled", "expired", "in_doubt")
    return bool(run["audience"] == sum(run[state] for state in ended))


def states(deliveries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Customer → state, of deliveries of one run."""
    return {row["customer"]: row["state"] for row in deliveries}
