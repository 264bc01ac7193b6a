"""Large blocks go back to the system when they are let go.

A page of an audience, the rows of a claim and what is written of them come and go as single blocks of memory. As it
comes glibc maps the first such block by itself and unmaps it at its end, but then takes its size for a usual one, puts
the next ones between small things, and keeps the room: a megabyte in each sender, seven in the process that plans.
Naming the size it starts with ends that (mallopt(3), M_MMAP_THRESHOLD).
"""

from __future__ import annotations

import ctypes
import sys

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
LARGE = 128 * 1024  # bytes; what glibc starts with


def give_large_blocks_back() -> None:
    """From now on, in this process and whatever is forked from it; with other C libraries nothing changes."""
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, LARGE)
        except (OSError, AttributeError):
            return
