"""The bytes of a file that is a file: whatever waits for a writer, or never ends, is not read."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_whole(path: Path, most: int = -1) -> bytes:
    """What the file holds, or its first `most` bytes.

    Raises:
        OSError: it cannot be read, or is a pipe, a socket or a device, which a second look would not find the same.
    """
    # Without O_NONBLOCK opening a pipe (FIFO) waits for somebody to write to it.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
        return file.read(most)
