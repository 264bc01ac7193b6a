"""SQLite without its tally of memory, which all threads of a process wait for.

As it comes SQLite counts every piece of memory it takes, under one lock of the process, so two connections in two
threads hold each other up: reading a page of an audience while writing the one before took as long as one after the
other. Its makers recommend to leave the counting out (https://sqlite.org/compile.html, SQLITE_DEFAULT_MEMSTATUS);
Debian's library has it in. It can be set before the library's first use only.
"""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec

_MEMSTATUS = 9  # SQLITE_CONFIG_MEMSTATUS of sqlite3.h


def set_up() -> None:
    """Have SQLite count no memory; where that cannot be, everything works as well and planning takes longer."""
    # On other systems a call like the one below may be made otherwise.
    if sys.platform != "linux" or "sqlite3" in sys.modules:
        return
    module = find_spec("_sqlite3")
    if module is None or not module.has_location or module.origin is None:
        return  # built into the interpreter
    try:
        # By way of Python's own module, so that it is the library which that will use.
        ctypes.CDLL(module.origin).sqlite3_config(_MEMSTATUS, 0)
    except (OSError, AttributeError):
        return
