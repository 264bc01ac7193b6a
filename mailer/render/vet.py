"""Trying a published template on real and worst-case data, in a child that may not take much.

A template that fills the memory or never ends kills the child (`trial.py`), not the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailer.errors import TemplateFault
from mailer.render.trial import pack

#: What the child may use: bytes mapped, and seconds on the clock for all of it.
MEMORY = 768_000_000
PATIENCE = 120.0
_FAULTS_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """One customer to try a template on; `name` says who it is in a fault."""

    name: str
    context: Mapping[str, Any]
    locale: str = ""
    tenant_locale: str = ""
    zone: str = "UTC"  # IANA


async def vet(
    parts: Mapping[str, Any], samples: Sequence[Sample], *, memory: int = MEMORY, patience: float = PATIENCE
) -> list[TemplateFault]:
    """Every fault found by rendering `parts` for each sample; empty when all is well.

    Returns at most fifty, and each fault of one line once.
    """
    task = {
        "parts": dict(parts),
        "memory": memory,
        "samples": [[s.name, pack(s.context), s.locale, s.tenant_locale, s.zone] for s in samples],
    }
    child = await _trial()
    try:
        out, _ = await asyncio.wait_for(child.communicate(json.dumps(task).encode()), patience)
    except TimeoutError:
        out = b""
    finally:
        if child.returncode is None:
            await _end(child)
    return _faults(str(parts["template"]), samples, out)


async def _trial() -> asyncio.subprocess.Process:
    """The child. Broken off while it starts, it is ended and its pipes are closed all the same."""
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            sys.executable, "-m", "mailer.render.trial",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            process_group=0,  # a terminal's Ctrl-C is for us: a trial ended by it would look like a fault
        )
    )  # fmt: skip
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _end(await starting)
        raise


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.communicate()  # wait() would leave its pipes open


def _faults(template: str, samples: Sequence[Sample], out: bytes) -> list[TemplateFault]:
    found: dict[tuple[str, int | None, str], tuple[str, list[str]]] = {}
    lines = out.splitlines()
    for sample, line in zip(samples, lines, strict=False):
        for message, file, number in json.loads(line):
            # What there is instead is another list for each customer, and the same fault.
            key = (file or template, number, message.partition(";")[0])
            found.setdefault(key, (message, []))[1].append(sample.name)
    if len(lines) < len(samples):
        message = "rendering took more memory or time than it may have, and was ended"
        found.setdefault((template, None, message), (message, [samples[len(lines)].name]))
    return [
        TemplateFault(f"{message} (for {_and_others(names)})", file, number)
        for (file, number, _), (message, names) in list(found.items())[:_FAULTS_LIMIT]
    ]


def _and_others(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}, and others"
