"""Fetches a small file over HTTPS, from an address somebody has looked at: no other place is gone to from there."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

_MOST = 64_000  # bytes
_PATIENCE = 10.0  # seconds


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any, **_options: Any) -> None:
        """Go nowhere else."""


async def https(url: str) -> bytes:
    """What is there, at most 64 kB of it.

    Raises:
        OSError: it cannot be had.
    """
    if not url.startswith("https://"):
        raise URLError("only https is fetched")
    return await asyncio.to_thread(_get, url)


def _get(url: str) -> bytes:
    opener = build_opener(_Stay)
    with opener.open(Request(url), timeout=_PATIENCE) as answer:  # noqa: S310 - https, as was seen above
        found: bytes = answer.read(_MOST)
    return found
