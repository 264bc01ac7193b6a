"""Where this machine is to listen, as the settings say it: host:port, an IPv6 address in brackets."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

LAST_PORT = 65_535


def _with_port(text: str) -> str:
    if not 0 < int(text.rpartition(":")[2]) <= LAST_PORT:
        raise ValueError(f"{text!r} has no port between 1 and {LAST_PORT}")
    return text


Listen = Annotated[
    str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):[0-9]{1,5}$"), AfterValidator(_with_port)
]
