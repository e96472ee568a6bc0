from __future__ import annotations

import platform
import subprocess
import sys

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do as they like")
def test_large_blocks_that_are_freed_go_back_to_the_system_whatever_lies_between_them():
    left = {
        how: float(subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, check=True).stdout)
        for how in ("give", "keep")
    }
    assert left["give"] < 10 < 50 < left["keep"], "MB of 99"
