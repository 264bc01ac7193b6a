"""A port of the loopback that stays one's own while nobody listens there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


def hold() -> socket.socket:
    """Take a free port until the socket is closed.

    Whoever is told its number can listen there, as servers let addresses be used again; the system gives it to
    nobody else. Until then, and when they are gone, whoever connects is refused.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def number(held: socket.socket) -> int:
    return int(held.getsockname()[1])


@contextmanager
def held() -> Iterator[int]:
    """Such a port until the block ends."""
    with hold() as taken:
        yield number(taken)
