"""Large blocks of memory go back to the system, whatever was let go before."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

#: Lets a block of a megabyte go, and prints how many of five more the system gave by themselves.
PROGRAM = """
import ctypes
library = ctypes.CDLL(None)
class Told(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena free fast mapped room a b c d e".split()]
library.mallinfo2.restype = Told
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
library.free(library.malloc(1 << 20))
before = library.mallinfo2().mapped
blocks = [library.malloc(1 << 20) for _ in range(5)]
print(library.mallinfo2().mapped - before)
"""
OURS = "from mailer.cluster.malloc import give_large_blocks_back\ngive_large_blocks_back()\n"


def given(program: str) -> int:
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return int(ran.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="other C libraries stay as they come")
def test_a_block_let_go_makes_none_of_its_size_usual() -> None:
    assert given(PROGRAM) == 0  # as glibc comes; else there is nothing to do
    assert given(OURS + PROGRAM) == 5


def test_a_library_that_knows_nothing_of_it_is_left_alone() -> None:
    hidden = "import ctypes\nctypes.CDLL = lambda name: object()\n"
    assert given(hidden + OURS + "print(0)") == 0
