"""Whole runs of the real command on a disk that fails at any instant: killed, torn, unplugged, full, broken, slow.

Every call that changes a file of the run is a point where something can go wrong; `make faults` tries them all, CI
some. Whatever happens, what was acknowledged is there, a resume goes on, and the end is that of an untouched run.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wolf.dev.players import competent
from wolf.dev.server import FakeServer
from wolf.reading.records import Run, load_run

REPOSITORY = Path(__file__).parents[2]
HERE = Path(__file__).parent
KILL, TORN, POWER, CACHE, SLOW, CLOCK = -1, -2, -3, -4, -5, -6
SLOTS = 2
AT_ONCE = 2  # requests to a model
PARAMS = "X = 0.1  # knob: 1e-3 .. 1e3 log\nY = 1.0  # knob: 1e-4 .. 1e2 log\nSLOW = True\n"
JUDGE = """
exec awk -F'[ =]+' '
    /^X/ {x = log($2 / 3)}
    /^Y/ {y = log($2 / 0.02)}
    END {if (!NR) exit 1; print "loss:", x * x + y * y + x * y / 2}' params.py
"""
CONFIG = """
name: toy
target: {root: toy, files: [params.py]}
judge: {kind: command, run: sh judge.sh, metric: loss, seconds: 60}
search: {survey: 2, surrogate: "off"}
budget: {evaluations: 14, usd: 5}
confirm: {seeds: 1}
workers: {slots: 2}
llm: {models: [claude-sonnet-5-5], base_url: URL, explain: 6}
"""
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="preloads a library that is compiled here"
)


class Host:
    """Runs commands in `folder` on its failing disk."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], url: str) -> None:
        self.folder = folder
        self.run_dir = folder / "runs"
        self._process = process
        (folder / "toy").mkdir()
        (folder / "toy" / "params.py").write_text(PARAMS)
        (folder / "toy" / "judge.sh").write_text(JUDGE)
        (folder / "toy.yaml").write_text(CONFIG.replace("URL", url))

    def wolf(self, *arguments: str, action: int = 0, at: int = 0, seed: int = 0) -> dict[str, Any]:
        """Run the command; see host.py for the answer."""
        job = {"arguments": arguments, "folder": str(self.folder), "action": action, "at": at, "seed": seed}
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "Traceback" not in answer["said"], answer["said"]
        return answer

    def run(self, action: int = 0, at: int = 0, seed: int = 0) -> dict[str, Any]:
        """A new run on a new disk."""
        shutil.rmtree(self.run_dir, ignore_errors=True)
        return self.wolf("run", "--unsafe-no-sandbox", "--json", "toy.yaml", action=action, at=at, seed=seed)

    def finish(self) -> Run | None:
        """Resume until the end; None if the run had not even begun."""
        if not list(self.run_dir.glob("*/ledger.db")):
            return None
        resumed = self.wolf("resume", "--unsafe-no-sandbox")
        assert resumed["code"] == 0 or "is finished" in resumed["said"], resumed["said"]
        return load_run(self.run_dir)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """One for all tests: its children share the imports."""
    folder = tmp_path_factory.mktemp("disk").resolve()
    shim = folder / "shim.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", shim, HERE / "shim.c", "-ldl", "-lpthread"], check=True)
    with FakeServer(competent({"X": "3.0"})) as server:
        env = os.environ | {"LD_PRELOAD": str(shim), "PYTHONPATH": str(REPOSITORY), "ANTHROPIC_API_KEY": "x"}
        process = subprocess.Popen(
            [sys.executable, HERE / "host.py", shim], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        yield Host(folder, process, server.url)
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def untouched(host: Host) -> tuple[int, list[Any]]:
    """How many calls a run makes, and what it decides."""
    answer = host.run()
    assert answer["code"] == 0, answer["said"]
    return answer["calls"], decisions(load_run(host.run_dir))


def decisions(run: Run) -> list[Any]:
    """All that was asked and told, without what the clock says."""
    asked = [(a.ordinal, a.variant, a.purpose, a.origin) for a in run.asked.values()]
    told = [(t.ordinal, t.variant, t.score, t.champion) for t in run.told]
    return [asked, told]


def strike(host: Host, untouched: tuple[int, list[Any]], action: int, at: int) -> None:
    """One sudden end at one point, and all that has to hold after it."""
    struck = host.run(action, at, seed=at)
    assert struck["code"] in (-9, 0), struck["said"]
    shown = [json.loads(line) for line in struck["said"].splitlines() if line.startswith("{")]
    run = host.finish()
    if run is None:
        assert not shown
        return
    assert run.status == "finished"
    assert decisions(run) == untouched[1]
    kept = [(event.seq, event.kind) for event in run.events]
    assert [(line["seq"], line["event"]) for line in shown] == kept[: len(shown)], "what was shown is there"
    under_way: set[int] = set()
    repeated = asked_again = 0
    for event in run.events:
        if event.kind == "asked" and event.body["purpose"] != "confirm":
            under_way.add(event.body["ordinal"])
        elif event.kind in ("told", "evaluated"):
            under_way.discard(event.body["ordinal"])
        elif event.kind == "resumed":
            repeated += len(under_way)
        asked_again += event.kind == "call" and event.body.get("fault") == "interrupted"
    assert repeated <= SLOTS and asked_again <= AT_ONCE


def fail(host: Host, untouched: tuple[int, list[Any]], number: int, at: int) -> None:
    """From one point on a disk that refuses: the run ends with a sentence, and goes on when the disk is sound again."""
    failed = host.run(number, at)
    if failed["code"] != 0:  # it is 0 if all was written, but for the summary beside the ledger
        sentence = [line for line in failed["said"].splitlines() if line.startswith("cannot ")][-1]
        assert failed["code"] == 3
        assert re.search("the disk is full|the disk fails or is full|No space left|Input/output error", sentence)
        assert "wolf resume" in sentence or "set runs:" in sentence
    run = host.finish()
    if run is None:
        assert failed["code"] == 3
        return
    assert run.status == "finished" and decisions(run) == untouched[1]


SUDDEN = {"kill": KILL, "torn write": TORN, "power cut": POWER, "power cut, cache half written": CACHE}
BROKEN = {"full": errno.ENOSPC, "failing": errno.EIO}


@pytest.mark.parametrize("action", SUDDEN)
def test_a_sudden_end_at_some_points(host, untouched, action) -> None:
    for at in range(1, untouched[0] + 1, 61):
        strike(host, untouched, SUDDEN[action], at)


@pytest.mark.parametrize("action", BROKEN)
def test_a_disk_that_refuses_from_some_points_on(host, untouched, action) -> None:
    for at in (2, 24, *range(63, untouched[0] + 1, 61)):  # 24: the log of a new ledger is folded in
        fail(host, untouched, BROKEN[action], at)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("action", SUDDEN)
def test_a_sudden_end_at_every_point(host, untouched, action) -> None:
    for at in range(1, untouched[0] + 1):
        strike(host, untouched, SUDDEN[action], at)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("action", BROKEN)
def test_a_disk_that_refuses_from_every_point_on(host, untouched, action) -> None:
    for at in range(1, untouched[0] + 1, 2):
        fail(host, untouched, BROKEN[action], at)


def test_a_slow_disk_delays_and_changes_nothing(host, untouched) -> None:
    answer = host.run(SLOW, 200)
    assert answer["code"] == 0, answer["said"]
    assert decisions(load_run(host.run_dir)) == untouched[1]


@pytest.mark.parametrize("direction", ["a day ahead", "a day back"])
def test_a_clock_that_jumps_changes_nothing(host, untouched, direction) -> None:
    answer = host.run(CLOCK, 100, seed=direction == "a day back")
    assert answer["code"] == 0, answer["said"]
    run = load_run(host.run_dir)
    assert decisions(run) == untouched[1]
    assert run.final is not None and run.final["seconds"] < 600
    times = [event.time for event in run.events]
    assert times == sorted(times) and times[-1] - times[0] < 600


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_of_its_own_and_space_again(host, untouched) -> None:
    """No shim: a tmpfs that really is full, with the run, its summary and its notes on it."""
    shutil.rmtree(host.run_dir, ignore_errors=True)
    host.run_dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(host.run_dir)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        full = host.wolf("run", "--unsafe-no-sandbox", "toy.yaml")
        assert full["code"] == 3
        assert "the disk is full (`df -h` says which); nothing that was written is lost" in full["said"]
        again = host.wolf("resume", "--unsafe-no-sandbox")
        assert again["code"] == 3 and "the disk is full" in again["said"]
        subprocess.run(["mount", "-o", "remount,size=20m", str(host.run_dir)], check=True)
        run = host.finish()
        assert run is not None and decisions(run) == untouched[1]
    finally:
        subprocess.run(["umount", "-l", str(host.run_dir)], check=True)
