"""Trying a published template on real and worst-case data, in a child that may not take much.

A template that fills the memory or never ends kills the child, not the caller. Run as
`python -m mailer.render.vet`: one JSON value on stdin, one JSON line per sample on stdout.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from mailer.errors import RenderError, TemplateFault
from mailer.render.guard import limit_memory, limit_processor
from mailer.render.renderer import Template

#: What the child may use: bytes mapped, seconds of processor time, and seconds on the clock for all of it.
MEMORY = 768_000_000
PROCESSOR = 30
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
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mailer.render.vet",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        out, _ = await asyncio.wait_for(child.communicate(json.dumps(task).encode()), patience)
    except TimeoutError:
        out = b""
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return _faults(str(parts["template"]), samples, out)


def _faults(template: str, samples: Sequence[Sample], out: bytes) -> list[TemplateFault]:
    found: dict[tuple[str, int | None, str], TemplateFault] = {}
    lines = out.splitlines()
    for sample, line in zip(samples, lines, strict=False):
        said = json.loads(line)
        if said is not None:
            message, file, number = said
            key = (file, number, message)
            found.setdefault(key, TemplateFault(f"{message} (for {sample.name})", file or template, number))
    if len(lines) < len(samples):
        name = samples[len(lines)].name
        message = f"rendering took more memory or time than it may have, and was ended (for {name})"
        found.setdefault((template, None, message), TemplateFault(message, file=template))
    return list(found.values())[:_FAULTS_LIMIT]


def pack(value: Any) -> Any:
    """Plain data as JSON; what JSON has no form for becomes `{"$": kind, "v": text}`.

    Raises:
        RenderError: something that is not plain data.
    """
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, Mapping):
        return {"$": "map", "v": {str(key): pack(inner) for key, inner in value.items()}}
    if isinstance(value, (list, tuple)):
        return [pack(inner) for inner in value]
    if isinstance(value, (datetime, date)):
        return {"$": "instant" if isinstance(value, datetime) else "date", "v": value.isoformat()}
    if isinstance(value, Decimal):
        return {"$": "decimal", "v": str(value)}
    raise RenderError(f"a sample holds a {type(value).__name__}; templates take plain data only")


def unpack(value: Any) -> Any:
    """The inverse of `pack`; tuples come back as lists."""
    if isinstance(value, list):
        return [unpack(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    kind, inner = value["$"], value["v"]
    if kind == "map":
        return {key: unpack(each) for key, each in inner.items()}
    if kind == "decimal":
        return Decimal(inner)
    return datetime.fromisoformat(inner) if kind == "instant" else date.fromisoformat(inner)


def _main() -> None:
    task = json.load(sys.stdin)
    limit_memory(task["memory"])
    limit_processor(PROCESSOR)
    template = Template(task["parts"])
    for _name, context, locale, tenant_locale, zone in task["samples"]:
        said = None
        try:
            template.render(unpack(context), locale, tenant_locale, ZoneInfo(zone))
        except RenderError as error:
            said = [error.message, error.file, error.line]
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
