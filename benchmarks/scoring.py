"""What trust costs: starting a candidate at every level of isolation, and auditing a model beside scoring it.

    python benchmarks/scoring.py

Starts are of /bin/true, interleaved, so that a busy machine burdens all alike; the audit is of the shipped seed of the
CPU target. Figures go to docs/measurements.md by hand.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from judges import sandbox
from judges.base import Context
from judges.cage import Level, Need, lock
from judges.process import Limits, environment, run
from wolf.config import load
from wolf.target import Target

STARTS = 40


def cost(action: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock seconds, and CPU seconds of what was started, which a busy machine does not inflate as much."""
    started, before = time.perf_counter(), os.times()
    action()
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - started, used


def starts() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, env = Path(name), environment(Path(name), 1)
        python = [sys.executable, "-I", "-S", "-c", "pass"]
        ways: dict[str, Callable[[], object]] = {
            "plain subprocess, true": lambda: subprocess.run(["true"], cwd=folder, env=env, check=True),
            "plain subprocess, python": lambda: subprocess.run(python, cwd=folder, env=env, check=True),
        }
        for level in Level:
            if not sandbox.absent(level) or level is Level.NONE:
                cage = lock(level, Need(folder))
                ways[f"supervised, {level}"] = lambda cage=cage: run(  # type: ignore[misc]  # bound now
                    ["true"], cwd=folder, env=env, limits=Limits(20), cage=cage
                )
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(STARTS):
            for way, start in ways.items():
                times[way].append(cost(start))
    plain = statistics.median(wall for wall, _ in times["plain subprocess, true"])
    print(f"{'ms':<26} {'median':>8} {'least':>8} {'over plain':>11} {'CPU, mean':>10}")
    for way, took in times.items():
        walls = [wall for wall, _ in took]
        middle, used = statistics.median(walls), statistics.mean(used for _, used in took)
        figures = (middle, min(walls), middle - plain, used)
        print("{:<26} {:8.1f} {:8.1f} {:11.1f} {:10.1f}".format(way, *(1e3 * figure for figure in figures)))


def audit() -> None:
    config = load("val_bpb_cpu")
    target = Target.of(config.target)
    config.judge.prepare(target.root, print)
    level = sandbox.strongest().level
    with tempfile.TemporaryDirectory() as name:
        evaluation = config.judge.evaluate(target.seed(), Context(target.root, Path(name), seed=1, level=level))
    told = evaluation.metrics
    scored = told["eval_seconds"] - told["audit_seconds"]
    print(f"val_bpb {evaluation.score:.4f}, {told['audited']:.0f} rows audited, leak {told['leak']:.2g} ({level})")
    print(f"scoring {scored:.1f} s, audit {told['audit_seconds']:.1f} s: {told['audit_seconds'] / scored:.2f} times")


if __name__ == "__main__":
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    starts()
    audit()
