"""This machine: its cores, its memory, and how many evaluations it has room for at a time."""

from __future__ import annotations

import os
from pathlib import Path

from wolf.machines import gpus

SHARED = 0.9  # of the machine's memory, by all slots together; the rest is for the engine and the system
LEAST = 16e6  # bytes of memory without which no evaluation gets anywhere: a Python that has just started takes 10 MB


def cores() -> list[int]:
    """The CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def memory() -> int:
    """Bytes of memory that this machine, or the container that we are in, has."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(total, int(Path(name).read_text()))
        except (OSError, ValueError):  # no such file, or `max`
            continue
    return total


def width(threads: int, gpus_per_job: float) -> int:
    """How many jobs fit on this machine at a time; at least 1."""
    on_cores = len(cores()) // threads
    if gpus_per_job:
        return max(1, int(len(gpus.alike(gpus.found())) / gpus_per_job + 1e-9))
    return max(1, on_cores)


def most() -> int:
    """How many slots leave each evaluation enough of this machine's memory to start at all."""
    return max(1, int(SHARED * memory() / LEAST))
