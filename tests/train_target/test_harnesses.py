"""The two processes around a candidate's train.py, run as the judge runs them but for the sandbox."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
REPOSITORY = Path(__file__).parents[2]
VOCAB, CONTEXT = 8, 4
TRAIN = """
import os, time
from pathlib import Path
import numpy as np
def train(data, out, seed, used):
    print("candidate", seed, flush=True)
    HOW
    (out / "model").write_text("weights")
    return {"steps": 3, "tokens": -1}
def load(out):
    assert (out / "model").read_text() == "weights"
    print("loading")
    return lambda tokens: SHAPE
"""


def job(folder: Path, how: str = "pass", **options: Any) -> dict[str, Any]:
    for name in ("code", "data", "out"):
        (folder / name).mkdir()
    (folder / "code" / "train.py").write_text(TRAIN.replace("HOW", how))
    (folder / "data" / "corpus.json").write_text(json.dumps({"vocab": VOCAB, "bos": 0}))
    (np.arange(1000) % VOCAB).astype(np.uint16).tofile(folder / "data" / "tokens.bin")
    paths = {name: str(folder / name) for name in ("code", "data", "out", "report")}
    settings = {"seed": 5, "context": CONTEXT, "budget": {"tokens": 100}, "grace": 5.0, "threads": 1}
    return {**paths, **settings, "launched": time.monotonic(), **options}


def harness_train(given: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "train_target.harness_train", json.dumps(given)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


def test_training_is_under_the_clock_from_the_first_line_on(tmp_path: Path) -> None:
    """A budget of tokens is used up by drawing them; what it drew is counted for it, whatever it claims."""
    loop = "\n    while used() < 1: data.batch(2, 4)\n    assert used() >= 1"
    done = harness_train(job(tmp_path, loop))
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    word, seconds, cpu_seconds = first.split()
    assert word == "ready" and 0 < float(seconds) < 120 and 0 < float(cpu_seconds) < 120
    assert second == "candidate 5"
    report = json.loads((tmp_path / "report").read_text())
    assert report["steps"] == 3 and report["tokens"] >= 100 and report["memory_mb"] > 10


def test_an_exception_of_the_candidate_is_a_traceback_and_no_report(tmp_path: Path) -> None:
    done = harness_train(job(tmp_path, "raise ValueError('too deep')"))
    assert done.returncode == 1
    assert "ValueError: too deep" in done.stderr
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("unit", "how", "number"),
    [("seconds", "time.sleep(60)", 14), ("cpu_seconds", "\n    while used() < 9: pass", 27)],
)
def test_the_kernel_ends_it_when_budget_and_grace_are_used(tmp_path: Path, unit: str, how: str, number: int) -> None:
    """By SIGALRM and SIGPROF. Until then a share of the budget is what it is told that it has used."""
    done = harness_train(job(tmp_path, how, budget={unit: 0.2}, grace=0.2))
    assert done.returncode == -number
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(("unit", "clock"), [("seconds", "monotonic"), ("cpu_seconds", "process_time")])
def test_a_share_of_the_budget_is_told_and_a_timer_set(unit: str, clock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from train_target import harness_train as harness

    now, timers = [100.0], []
    monkeypatch.setattr(harness.time, clock, lambda: now[0])
    monkeypatch.setattr(harness.signal, "setitimer", lambda *said: timers.append(said))
    used = harness.deadline({unit: 20.0}, None)  # type: ignore[arg-type]  # only a budget of tokens looks at it
    now[0] = 105.0
    assert used() == 0.25
    for budget in ({unit: 20.0}, {"tokens": 5}):
        harness.arm(budget, 3.0)
    assert timers == [(getattr(signal, {"seconds": "ITIMER_REAL", "cpu_seconds": "ITIMER_PROF"}[unit]), 23.0)]


def questions(*rows: np.ndarray) -> bytes:
    return b"".join(struct.pack("<ii", *asked.shape) + asked.astype("<i4").tobytes() for asked in rows)


def harness_predict(folder: Path, shape: str, asked: bytes) -> subprocess.CompletedProcess[bytes]:
    given = job(folder, vocab=VOCAB, dtype="float32")
    train = folder / "code" / "train.py"
    train.write_text(train.read_text().replace("SHAPE", shape))
    (folder / "out" / "model").write_text("weights")
    command = [sys.executable, "-m", "train_target.harness_predict", json.dumps(given)]
    return subprocess.run(command, cwd=REPOSITORY, input=asked, capture_output=True, timeout=120)


def test_questions_are_answered_with_logits_and_nothing_else(tmp_path: Path) -> None:
    first, second = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[7]])
    done = harness_predict(tmp_path, "np.eye(8)[tokens] * 2", questions(first, second))
    assert done.returncode == 0, done.stderr
    assert b"loading" in done.stderr, "what the candidate prints is not an answer"
    answers = np.frombuffer(done.stdout, np.float32).reshape(7, VOCAB)
    assert (answers == 2 * np.eye(VOCAB)[[1, 2, 3, 4, 5, 6, 7]]).all()


def test_logits_of_another_shape_end_it(tmp_path: Path) -> None:
    done = harness_predict(tmp_path, "np.eye(7)[tokens % 7]", questions(np.array([[1, 2]])))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"predict gave logits (1, 2, 7), not (1, 2, 8)" in done.stderr
