"""SQLite's tally of memory is off, and nothing depends on that."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Prints how many bytes SQLite says that it holds while a database is open.
PROGRAM = """
import ctypes, importlib.util, sqlite3
connection = sqlite3.connect(":memory:")
connection.execute("create table t as select 1 as x")
library = ctypes.CDLL(importlib.util.find_spec("_sqlite3").origin)
library.sqlite3_memory_used.restype = ctypes.c_int64
print(library.sqlite3_memory_used())
"""


def held(program: str) -> int:
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return int(ran.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere SQLite stays as it comes")
def test_sqlite_counts_no_memory() -> None:
    assert held("import mailer.store" + PROGRAM) == 0


def test_where_sqlite_is_in_use_already_it_goes_on_as_it_was() -> None:
    assert held(PROGRAM.replace("connection.execute", "import mailer.store\nconnection.execute")) > 0


def test_a_module_that_is_part_of_the_interpreter_is_left_alone() -> None:
    hidden = """
import importlib.util, importlib.machinery
from mailer.store import untallied
untallied.find_spec = lambda name: importlib.machinery.ModuleSpec(name, None)
untallied.set_up()
print(0)
"""
    assert held(hidden) == 0
