"""Run the candidate's `train` under the harness's clock.

    python -m train_target.harness_train JOB

JOB (JSON): code, data, out, report (paths), seed, context, budget {seconds | cpu_seconds | tokens: number}, grace,
threads, launched (the harness's monotonic clock when it started us).

The first line on stdout, printed before any of the candidate's code runs, is `ready SECONDS CPU_SECONDS`: what starting
up took. The budget counts from there. Everything after that line is the candidate's and is not believed. The timer
below ends the process when the budget and the grace are used; a candidate may disarm it, and then gains nothing: the
harness reads both clocks itself and rejects the run.
"""

from __future__ import annotations

import gc

gc.disable()  # collecting while torch is imported costs a fifth of the import

import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402

from train_target.prepare import Data  # noqa: E402

gc.enable()


def deadline(budget: dict[str, float], data: Data) -> Callable[[], float]:
    """A function that says which share of the budget is used, counted from now."""
    ((unit, amount),) = budget.items()
    if unit == "tokens":
        return lambda: data.drawn / amount
    clock = time.monotonic if unit == "seconds" else time.process_time
    start = clock()
    return lambda: (clock() - start) / amount


def arm(budget: dict[str, float], grace: float) -> None:
    """Let the kernel end this process when the budget and the grace are used."""
    if "seconds" in budget:
        signal.setitimer(signal.ITIMER_REAL, budget["seconds"] + grace)
    elif "cpu_seconds" in budget:
        signal.setitimer(signal.ITIMER_PROF, budget["cpu_seconds"] + grace)


def main(job: dict[str, Any]) -> int:
    """Train once; 0 if `train` returned."""
    torch.set_num_threads(job["threads"])
    if torch.cuda.is_available():
        torch.zeros(1, device="cuda")
    data = Data(Path(job["data"]), job["context"], job["seed"])
    sys.path.insert(0, job["code"])
    print(f"ready {time.monotonic() - job['launched']:.6f} {time.process_time():.6f}", flush=True)
    arm(job["budget"], job["grace"])
    try:
        claims = (
            importlib.import_module("train").train(data, Path(job["out"]), job["seed"], deadline(job["budget"], data))
            or {}
        )
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        used = {"tokens": data.drawn, "memory_mb": kilobytes / 1024}
        if torch.cuda.is_available():
            used["gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
        Path(job["report"]).write_text(json.dumps({**claims, **used}))
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main(json.loads(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking torch apart costs a tenth of a second, and exit hooks are not wanted
