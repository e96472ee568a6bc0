"""A toy with three knobs and a switch, and whole runs of it before a played model."""

from __future__ import annotations

import time

import pytest

from judges.cage import Level
from wolf import launch
from wolf.dev.server import FakeServer
from wolf.llm.client import Kind
from wolf.settings.config import load

JUDGE = """
import math
def score(folder, seed):
    space = {}
    exec((folder / "params.py").read_text(), space)
    x, y, z = (math.log10(space[name] / best) for name, best in (("X", 3.0), ("Y", 0.02), ("Z", 40.0)))
    return x * x + y * y + z * z + 0.8 * abs(x * y) + (0.5 if space["SLOW"] else 0.0)
"""
PARAMS = """X = 0.1  # knob: 1e-3 .. 1e3 log
Y = 1.0  # knob: 1e-4 .. 1e2 log
Z = 1.0  # knob: 1e-3 .. 1e4 log
SLOW = True
"""
CONFIG = """
name: toy
target: {root: toy, files: [params.py]}
judge: {kind: function, call: judge.py:score, metric: loss, goal: minimize, seconds: 10}
search: {survey: 4, surrogate: "on"}
budget: {evaluations: 30, usd: 5}
confirm: {seeds: 0}
workers: {slots: 2}
llm: {models: [claude-sonnet-5-5], base_url: URL, explain: 10}
"""


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/judge.py").write_text(JUDGE)
    (tmp_path / "toy/params.py").write_text(PARAMS)
    return tmp_path


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch):
    monkeypatch.setattr("wolf.llm.calls.Calls.__init__.__kwdefaults__", {
        "at_once": 4, "patience": 900.0, "longest_pause": 0.05, "clock": time.monotonic})  # fmt: skip


FATAL = ("400", "401", "402", "403", "404", "413", "spend-limit", "spend-limit-after")
BUSY = ("408", "429", "429-after-2", "429-after-3600", "429-after-date", "429-after-past", "429-after-nonsense",
        "500", "502-html", "503", "504", "529")  # fmt: skip
USELESS = ("max_tokens", "refusal", "pause_turn", "tool_use", "context-full", "no-content", "blank")


@pytest.fixture
def kind_of():
    """What each fault means for what happens next: those of no other kind are answers that were not received whole."""

    def kind(name):
        kinds = ((FATAL, Kind.FATAL), (BUSY, Kind.BUSY), (USELESS, Kind.USELESS))
        return next((kind for names, kind in kinds if name in names), Kind.BROKEN)

    return kind


class Runs:
    """Whole runs of the toy before a played model."""

    def write(self, toy, url):
        path = toy / "toy.yaml"
        path.write_text(CONFIG.replace("URL", url))
        return path

    def __call__(self, toy, player, *overrides, fault=lambda *_: None, latency=0.0, observers=()):
        """One run; returns its events, what `drive` returned and the server's log."""
        with FakeServer(player, fault, latency=latency) as server:
            config = load(str(self.write(toy, server.url)), [f"runs={toy / 'runs'}", *overrides])
            with launch.create(config, Level.NONE) as ledger:
                finished = launch.drive(ledger, config, Level.NONE, [*observers], lambda said: None)
                return list(ledger.events()), finished, server.log


@pytest.fixture
def run():
    return Runs()
