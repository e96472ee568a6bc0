"""Real runs that are interrupted, doubled, cut off from their model, or older than the code (F7, F8, F15, F25)."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from judges.cage import Level
from wolf import launch
from wolf.dev.players import competent
from wolf.dev.server import FakeServer
from wolf.errors import LedgerError
from wolf.reading.records import load_run
from wolf.settings.config import load
from wolf.store.events import Event
from wolf.store.ledger import Ledger

REPOSITORY = Path(__file__).parents[2]
OLD = Path(__file__).parent / "old"
JUDGE = """
import math
import time


def score(folder, seed):
    time.sleep(0.3)
    space = {}
    exec((folder / "params.py").read_text(), space)
    return math.log10(space["X"] / 3.0) ** 2 + math.log10(space["Y"] / 0.02) ** 2
"""
CONFIG = """
name: toy
target: {root: toy, files: [params.py]}
judge: {kind: function, call: judge.py:score, metric: loss, seconds: 60}
search: {survey: 2, surrogate: "off"}
budget: {evaluations: 12, usd: 5}
confirm: {seeds: 1}
workers: {slots: 2}
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "judge.py").write_text(JUDGE)
    (tmp_path / "toy" / "params.py").write_text("X = 0.1  # knob: 1e-3 .. 1e3 log\nY = 1.0  # knob: 1e-4 .. 1e2 log\n")
    (tmp_path / "toy.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `wolf`; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def wolf(*arguments: str) -> subprocess.Popen[str]:
        env = os.environ | {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}
        command = [sys.executable, "-m", "wolf", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(command, cwd=tmp_path, env=env, text=True, start_new_session=True, **pipes))
        return started[-1]

    yield wolf
    for process in started:
        with process:
            process.kill()


def events(folder: Path) -> int:
    """How many the one run in a folder has by now."""
    for ledger in folder.glob("runs/*/ledger.db"):
        with suppress(LedgerError), Ledger.open(ledger.parent) as opened:
            return sum(1 for _ in opened.events())
    return 0


def wait_until(true: Callable[[], object]) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < 60, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_any_time_ends_it_soon_and_a_resume_goes_on(toy: Path, start, number) -> None:
    """Also while it starts, before there is a run, and in the middle of everything."""
    rng = random.Random(int(number))
    for after in (0, rng.randrange(1, 20), rng.randrange(20, 40)):
        shutil.rmtree(toy / "runs", ignore_errors=True)
        process = start("run", "--unsafe-no-sandbox", "toy.yaml")
        wait_until(lambda after=after, process=process: events(toy) >= after or process.poll() is not None)
        time.sleep(rng.uniform(0, 1.0))
        process.send_signal(number)
        began = time.monotonic()
        said = process.communicate(timeout=60)[0]
        assert time.monotonic() - began < 20
        young = not after and "KeyboardInterrupt" in said  # the first instants are Python's own
        assert process.returncode in (128 + number, -number, 0) or young, said
        assert "Traceback" not in said or young
        if events(toy):
            assert start("resume", "--unsafe-no-sandbox").wait(60) == (0 if process.returncode else 2)
            assert load_run(toy / "runs").status == "finished"


def test_of_two_resumes_at_once_one_goes_on(toy: Path, start) -> None:
    process = start("run", "--unsafe-no-sandbox", "toy.yaml")
    wait_until(lambda: events(toy) >= 8)
    process.kill()
    process.communicate()
    pair = [start("resume", "--unsafe-no-sandbox") for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in pair]
    assert sorted(process.returncode for process in pair) == [0, 75], said
    loser = said[[process.returncode for process in pair].index(75)]
    winner = pair[[process.returncode for process in pair].index(0)]
    assert f"another process (pid {winner.pid}) is running" in loser and loser.count("\n") == 1
    run = load_run(toy / "runs")
    assert run.status == "finished" and len(run.told) == len(run.asked) == 14
    assert sum(event.kind == "resumed" for event in run.events) == 1


def test_without_its_model_a_run_waits_and_goes_on_with_it_by_itself(toy: Path, monkeypatch) -> None:
    """Nobody answers at the address for three requests; nobody does anything about it; ideas come in the end."""
    monkeypatch.setattr("wolf.llm.calls.Calls.__init__.__kwdefaults__", {
        "at_once": 2, "patience": 900.0, "longest_pause": 0.2, "clock": time.monotonic})  # fmt: skip
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = f'llm: {{models: [claude-sonnet-5-5], base_url: "http://127.0.0.1:{port}"}}\n'
    (toy / "toy.yaml").write_text(CONFIG + line)
    servers: list[FakeServer] = []
    failures = 0

    def repair(event: Event) -> None:
        nonlocal failures
        failures += event.kind == "call" and event.body["state"] == "failed"
        if failures == 3 and not servers:
            servers.append(FakeServer(competent({"X": "3.0"}), port=port))
            servers[0].__enter__()

    config = load(str(toy / "toy.yaml"), [f"runs={toy / 'runs'}"])
    with launch.create(config, Level.NONE) as ledger:
        finished = launch.drive(ledger, config, Level.NONE, [repair], lambda said: None)
        calls = [event.body for event in ledger.events() if event.kind == "call"]
        origins = {event.body["origin"].partition(":")[0] for event in ledger.events() if event.kind == "asked"}
    servers[0].__exit__()
    assert finished is not None and finished["evaluations"] == 12
    assert sum(body["state"] == "failed" and body["again"] and not body["cost"] for body in calls) >= 3
    assert any(body["state"] == "answered" for body in calls) and "llm" in origins


def test_a_run_of_an_older_version_can_be_read_and_resumed(tmp_path: Path, start) -> None:
    """Its ledger was killed in the middle by 0.1.0; see old/README.md for how it was made."""
    shutil.copytree(OLD / "run-0.1.0", tmp_path / "runs" / "old")
    before = load_run(tmp_path / "runs" / "old")
    assert before.status == "killed" and before.evaluations >= 8
    process = start("resume", "--unsafe-no-sandbox", "runs/old")
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    run = load_run(tmp_path / "runs" / "old")
    assert run.status == "finished" and run.events[: len(before.events)] == before.events
