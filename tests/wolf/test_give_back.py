from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import numpy as np
from wolf.commands.running import give_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

if sys.argv[1] == "give":
    give_back()
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
from wolf.commands.running import give_back

if sys.argv[1] == "give":
    give_back()
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do as they like")
def test_large_blocks_that_are_freed_go_back_to_the_system_whatever_lies_between_them():
    left = {
        how: float(subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, check=True).stdout)
        for how in ("give", "keep")
    }
    assert left["give"] < 10 < 50 < left["keep"], "MB of 99"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do as they like")
def test_threads_share_a_heap(tmp_path: Path) -> None:
    heaps = {}
    for how in ("give", "keep"):
        subprocess.run([sys.executable, "-c", THREADS, how, str(tmp_path / how)], check=True)
        heaps[how] = (tmp_path / how).read_text().count("<heap nr=")
    assert heaps["give"] < heaps["keep"]
    assert heaps["give"] <= 2, "one, and one if a library made a thread while it was imported"
