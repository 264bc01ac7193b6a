"""The scripted relay of a shop, as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from tests import ports, started
from tests.acceptance.shop import LOOK, PATIENCE, ROOT, Running
from tests.noted import noted


class RelayProcess:
    """The scripted relay as a program; what it logged is on disk before each reply."""

    def __init__(self, folder: Path, steps: Mapping[str, Any] | None = None, *, port: int = 0) -> None:
        folder.mkdir(parents=True)
        self._port = None if port else ports.hold()  # ours while it is away, too
        self._told = folder / "told"
        self.log = folder / "relay.jsonl"
        self.keep = folder / "mails"
        self.keep.mkdir()
        self.log.touch()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.relay", "--until-stdin-ends"),
                *("--port", str(ports.number(self._port) if self._port else port), "--told", str(self._told)),
                *("--script", json.dumps(dict(steps or {}))),
                *("--log", str(self.log), "--keep", str(self.keep)),
            ],
            cwd=ROOT,
            env=started.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline())["port"])

    @property
    def notes(self) -> list[dict[str, Any]]:
        """What happened, in order."""
        return noted(self.log)

    @property
    def dots(self) -> list[dict[str, Any]]:
        """Every message that came whole."""
        return [note for note in self.notes if note["phase"] == "dot"]

    @property
    def accepted(self) -> list[str]:
        """The recipients of what it accepted, in order."""
        return [note["recipient"] for note in self.dots if note["accepted"]]

    def mails(self) -> list[EmailMessage]:
        """Every message that came whole, as a mail program reads it."""
        reader = BytesParser(policy=policy.default)
        return [reader.parsebytes(file.read_bytes()) for file in sorted(self.keep.glob("*.eml"))]

    def wait_for_dots(self, count: int, sender: Running) -> None:
        """Until so many messages came whole; `sender` must not end before."""
        end = time.monotonic() + PATIENCE
        while len(self.dots) < count:
            assert not sender.over(), f"it ended after {len(self.dots)} messages: {sender.end()}"
            assert time.monotonic() < end, f"only {len(self.dots)} messages came"
            time.sleep(LOOK)

    def tell(self) -> None:
        """Let it go on where its script says that it waits to be told."""
        self._told.touch()

    def close(self) -> None:
        """Away, in the middle of whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def let_go(self) -> None:
        """Away for good: its port may be anybody's."""
        self.close()
        if self._port is not None:
            self._port.close()
