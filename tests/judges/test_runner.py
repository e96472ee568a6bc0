"""The runner of a function judge as a process: its numbers are on stdout, everything else is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[2] / "judges" / "runner.py"
JUDGE = """
import os, sys, atexit
atexit.register(lambda: os.write(1, b"an exit hook"))
def score(folder, seed):
    print("noise", folder, flush=True)
    os.write(1, b"more noise")
    return {body}
"""


def call(folder: Path, body: str, call: str = "tools/judge.py:score", metric: str = "loss") -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    (folder / "tools").mkdir()
    (folder / "tools" / "judge.py").write_text(JUDGE.replace("{body}", body))
    env = os.environ | {"WOLF_SEED": "7"}
    command = [sys.executable, "-I", str(RUNNER), call, metric]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("seed / 2", "loss: 3.5\n"),
        ("{'loss': 1, 'b': float('nan'), 'c': True}", "loss: 1.0\nb: nan\nc: 1.0\n"),
        ("0.1 + 0.2", "loss: 0.30000000000000004\n"),
    ],
)
def test_only_its_numbers_are_on_stdout(tmp_path: Path, body: str, said: str) -> None:
    code, out, err = call(tmp_path, body)
    assert (code, out) == (0, said)
    assert f"noise {tmp_path}" in err and "more noise" in err and "an exit hook" not in err


def test_without_a_metric_it_is_called_and_nothing_is_said(tmp_path: Path) -> None:
    assert call(tmp_path, "open('called', 'w').close()", metric="")[:2] == (0, "")
    assert (tmp_path / "called").exists()


def test_a_module_is_found_in_the_folder(tmp_path: Path) -> None:
    assert call(tmp_path, "2", "tools.judge:score")[:2] == (0, "loss: 2.0\n")


@pytest.mark.parametrize("body", ["'best'", "None", "{'loss': []}"])
def test_what_is_no_number_is_named(tmp_path: Path, body: str) -> None:
    code, out, err = call(tmp_path, body)
    assert (code, out) == (1, "")
    wanted = "tools/judge.py:score must return a number, or a dict of numbers with 'loss' in it"
    assert f"TypeError: {wanted}, not {eval(body)!r}" in err.splitlines()
