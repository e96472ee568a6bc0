from __future__ import annotations

import gc
import platform
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from wolf.memory import GiveBack
from wolf.store.events import Event

SCRIPT = """
import sys
import numpy as np
from wolf.memory import GiveBack

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

if sys.argv[1] == "give":
    GiveBack()
np.ones(500_000)  # once it is freed, glibc keeps what is smaller
before, kept, large = resident(), [], []
for _ in range(30):
    large.append(np.ones(400_000))
    kept.append(bytearray(100_000))
large.clear()
print(resident() - before)
"""

THREADS = """
import ctypes, sys, threading
from wolf.memory import GiveBack

if sys.argv[1] == "give":
    GiveBack()
together = threading.Barrier(6)

def work():
    kept = [bytearray(9_000) for _ in range(100)]
    together.wait()
    return kept

threads = [threading.Thread(target=work) for _ in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(library.fopen(sys.argv[2].encode(), b"w"))
library.malloc_info(0, out)
library.fclose(out)
"""


HOLES = """
import sys
from wolf.memory import GiveBack
from wolf.store.events import Event

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

give = GiveBack()
before, much = resident(), [bytes(50_000) for _ in range(1_000)]
last = bytes(50_000)  # the heap ends behind it
much.clear()
if sys.argv[1] == "give":
    give(Event(1, 0.0, "told", {}))
print(resident() - before)
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do as they like")


def left(script: str) -> dict[str, float]:
    """MB that a process keeps, with and without."""
    return {
        how: float(subprocess.run([sys.executable, "-c", script, how], capture_output=True, check=True).stdout)
        for how in ("give", "keep")
    }


@glibc
def test_free_pages_inside_the_heap_go_back_to_the_system():
    kept = left(HOLES)
    assert kept["give"] < 5 < 40 < kept["keep"], "MB of 50"


@glibc
def test_large_blocks_that_are_freed_go_back_to_the_system_whatever_lies_between_them():
    kept = left(SCRIPT)
    assert kept["give"] < 10 < 50 < kept["keep"], "MB of 99"


@glibc
def test_threads_share_a_heap(tmp_path: Path) -> None:
    heaps = {}
    for how in ("give", "keep"):
        subprocess.run([sys.executable, "-c", THREADS, how, str(tmp_path / how)], check=True)
        heaps[how] = (tmp_path / how).read_text().count("<heap nr=")
    assert heaps["give"] < heaps["keep"]
    assert heaps["give"] <= 2, "one, and one if a library made a thread while it was imported"


def test_where_no_library_can_be_loaded_nothing_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: None) -> None:
        raise OSError("dynamic loading is not supported")

    monkeypatch.setattr("ctypes.CDLL", refuse)
    GiveBack()(Event(1, 0.0, "told", {}))


class Cycle:
    """It holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_a_cycle_that_has_grown_old_is_found_when_something_happens() -> None:
    give, gone = GiveBack(), []
    old = Cycle()
    gc.collect()  # it is among the old objects now
    weakref.finalize(old, gone.append, True)
    del old
    gc.collect(1)
    assert not gone
    give(Event(1, 0.0, "told", {}))
    assert gone
