"""Timings on a machine that does other work, too."""

from __future__ import annotations

import os
import time


def urgent() -> str:
    """Ask for real-time priority, as `chrt -r 10` gives it, so that other work on the machine is not measured too."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
    except OSError:
        return "ordinary priority"
    return "real-time priority"


def yardstick() -> float:
    """Seconds that ten million turns of an empty loop take: how fast this machine is just now."""
    started = time.perf_counter()
    for _ in range(10_000_000):
        pass
    return time.perf_counter() - started
