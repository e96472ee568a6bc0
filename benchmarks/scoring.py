"""What trust costs: starting a candidate at every level of isolation, and auditing a model beside scoring it.

    python benchmarks/scoring.py

Starts are of /bin/true, interleaved and compared in pairs, so that a busy machine burdens all alike; the first round,
in which the zygote starts, does not count. The audit is of the shipped seed of the CPU target, as it is configured,
with 512 audited rows, and with those and 8,192 tokens. The last figure is what a GPU cannot make shorter: the logits
of a million tokens on their way through the pipe, from a predictor that does not compute to a scorer that does not.
Figures go to docs/engine.md by hand.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import priority

from judges import sandbox, scorer
from judges.base import Context
from judges.cage import Level, Need, lock
from judges.corpus import program
from judges.process import Limits, environment, run, start
from judges.training import TrainingJudge
from wolf.settings.config import load
from wolf.settings.target import Target

STARTS = 40
SILENT = """import functools, torch
@functools.cache
def zeros(*shape): return torch.zeros((*shape, VOCAB), dtype=torch.float16)
def load(out): return lambda tokens: zeros(*tokens.shape)
"""


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds that it takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


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
                    ["true"], cwd=folder, env=env, limits=Limits(20, memory_bytes=8 << 30), cage=cage
                )
        rounds = [{way: 1e3 * seconds(start) for way, start in ways.items()} for _ in range(1 + STARTS)][1:]
    print(f"{'start to end, ms':<26} {'median':>8} {'least':>8} {'over plain, paired median':>26}")
    for way in ways:
        took = [one[way] for one in rounds]
        over = statistics.median(one[way] - one["plain subprocess, true"] for one in rounds)
        print(f"{way:<26} {statistics.median(took):8.1f} {min(took):8.1f} {over:26.1f}")


def audit(*overrides: str) -> None:
    config = load("val_bpb_cpu", overrides)
    target = Target.of(config.target)
    config.judge.prepare(target.root, print)
    level = sandbox.strongest().level
    with tempfile.TemporaryDirectory() as name:
        evaluation = config.judge.evaluate(target.seed(), Context(target.root, Path(name), seed=1, level=level))
    told = evaluation.metrics
    scored = told["eval_seconds"] - told["audit_seconds"]
    print(f"val_bpb_cpu {' '.join(overrides)}".rstrip())
    print(f"  {evaluation.status}, val_bpb {evaluation.score} ({level})")
    print(f"  {told['eval_tokens']:.0f} tokens scored, {told['audited']:.0f} rows audited, leak {told['leak']:.2g}")
    print(f"  scoring {scored:.1f} s, audit {told['audit_seconds']:.1f} s: {told['audit_seconds'] / scored:.2f} times")


def transport(tokens: int, length: int = 2048) -> None:
    """The scoring of `configs/val_bpb_h100.yaml` without arithmetic on either side."""
    judge = load("val_bpb_h100", []).judge
    assert isinstance(judge, TrainingJudge) and judge.corpus.kind == "stdlib"
    vocab, rows = judge.corpus.vocab, tokens // length
    code = SILENT.replace("VOCAB", str(vocab))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "code")
        folder.mkdir()
        (folder / "train.py").write_text(code)
        job = {"code": str(folder), "out": str(folder), "vocab": vocab, "threads": 1, "dtype": "float16"}
        inputs = np.zeros((rows, length), np.int32)
        cage = lock(sandbox.strongest().level, Need(folder))
        command = program("train_target.harness_predict", json.dumps(job))
        with start(command, cwd=folder, env=environment(Path(name), 1), limits=Limits(600), cage=cage) as predictor:
            began = time.perf_counter()
            scorer.ask(predictor, inputs[:1])
            scorer.receive(predictor, np.empty((1, length, vocab), "<f2"))
            ready = time.perf_counter()
            scorer.score(predictor, inputs, inputs, vocab, lambda _, targets: np.zeros(targets.shape), "float16")
            took = time.perf_counter() - ready
            predictor.finished()
    print(f"logits of {inputs.size:,} tokens of {vocab:,}, in half precision {2e-9 * inputs.size * vocab:.1f} GB")
    print(f"  start of the predictor {ready - began:.1f} s, all its answers {took:.1f} s")


if __name__ == "__main__":
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, starts at {priority.urgent()}")
    starts()
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    audit()
    audit("judge.tokens=150000", "judge.patience=400")  # enough for 512 cut rows and 64 that are repeated
    audit("judge.tokens=150000", "judge.patience=400", "judge.corpus.vocab=8192")
    transport(1_000_000)
