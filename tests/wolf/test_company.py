"""Whether running several at a time changes the score is found out at the start of a run, and said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from population.evaluation import Evaluation, Status
from population.variant import Variant
from wolf.cli import main
from wolf.store.bodies import evaluated
from wolf.store.events import Event
from wolf.workers.company import Company
from wolf.workers.local import Job

CONFIG = """
name: demo
target: {root: ., files: [params.py]}
judge: {kind: command, run: python judge.py, metric: loss, seconds: 60, repeat: 3}
budget: {evaluations: 8}
confirm: {seeds: 0}
search: {surrogate: "off"}
workers: {slots: 2}
"""
# Whoever comes and goes leaves a file in a folder that all may write to; alone it scores LR, in company CROWD more.
# The three repeats of the first reading look whether somebody is there; the next evaluations wait for it, once each.
JUDGE = """
import os, runpy, time, uuid
rate, folder, me = runpy.run_path("params.py")["LR"], os.environ["MEET"], uuid.uuid4().hex
def came():
    return {name for name in os.listdir(folder) if "." not in name}
before, met = came(), os.path.join(folder, "met." + os.environ["WOLF_SEED"])
crowd = os.path.exists(met) or any(not os.path.exists(os.path.join(folder, name + ".gone")) for name in before)
open(os.path.join(folder, me), "w").close()
until = time.monotonic() + (0.3 if len(before) < 3 else PATIENCE if len(before) < 12 else 0)
while not crowd and time.monotonic() < until:
    time.sleep(0.01)
    crowd = bool(came() - before - {me})
if crowd:
    open(met, "w").close()
open(os.path.join(folder, me + ".gone"), "w").close()
noise = int(os.environ["WOLF_SEED"]) % 100 * NOISE
print("loss:", rate + CROWD * crowd + noise)
"""


def prepare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crowd: float, noise: float, patience: float = 50.0
) -> None:
    monkeypatch.chdir(tmp_path)
    meet = tmp_path / "meet"
    meet.mkdir()
    (tmp_path / "task.yaml").write_text(
        CONFIG.replace("repeat: 3", f"repeat: 3, env: {{MEET: {meet}}}, sandbox: {{writable: [{meet}]}}")
    )
    (tmp_path / "params.py").write_text("LR = 0.5  # knob: 0 .. 1\n")
    words = {"CROWD": crowd, "NOISE": noise, "PATIENCE": patience}
    (tmp_path / "judge.py").write_text(re.sub("|".join(words), lambda word: str(words[word[0]]), JUDGE))


def events() -> list[dict[str, Any]]:
    done = CliRunner().invoke(main, ["run", "task.yaml", "--json"])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("crowd", "noise", "matters"), [(0.3, 0.0001, True), (0.0, 0.0001, False), (0.01, 0.01, False)]
)
def test_the_seed_is_read_alone_and_in_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crowd: float, noise: float, matters: bool
) -> None:
    prepare(tmp_path, monkeypatch, crowd, noise)
    seen = events()
    (company,) = [event for event in seen if event["event"] == "company"]
    assert company["matters"] is matters
    assert company["alone"]["seed"] == company["beside"]["seed"]
    assert company["beside"]["score"] - company["alone"]["score"] == pytest.approx(crowd)
    first = next(event for event in seen if event["event"] == "told")
    assert first["evaluation"]["score"] == company["alone"]["score"]  # it is the first reading of the baseline
    assert sum(event["event"] == "told" for event in seen) == 8  # the other one is no reading of the search


def test_a_killed_run_takes_the_reading_in_company_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: Callable[[float], Result]
) -> None:
    prepare(tmp_path, monkeypatch, 0.3, 0.0001, patience=0.0)
    said = killed(0.5)
    assert said.exit_code == 0, said.output
    seen = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
    (company,) = [event for event in seen if event["event"] == "company"]
    assert (company["alone"]["score"], company["alone"]["seed"]) == (0.5, company["beside"]["seed"])
    assert company["beside"]["status"] == "ok"
    assert sum(event["event"] == "told" for event in seen) == 7


@pytest.mark.parametrize("kind", ["kind: command, run: python judge.py", "kind: function, call: judge.py:score"])
def test_a_score_that_is_read_once_may_be_said_to_depend_on_a_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.py").write_text("LR = 0.5  # knob: 0 .. 1\n")
    (tmp_path / "judge.py").write_text(
        "import runpy\n\ndef score(folder, seed):\n    return runpy.run_path(str(folder) + '/params.py')['LR']\n\n"
        "if __name__ == '__main__':\n    print('loss:', score('.', 0))\n"
    )
    task = CONFIG.replace("kind: command, run: python judge.py", kind).replace("repeat: 3", "clock: CLOCK")
    for clock in (True, False):
        (tmp_path / "task.yaml").write_text(task.replace("CLOCK", str(clock).lower()))
        assert any(event["event"] == "company" for event in events()) is clock


def test_one_worker_has_no_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path, monkeypatch, 0.3, 0.0, patience=0.0)
    task = tmp_path / "task.yaml"
    task.write_text(task.read_text().replace("slots: 2", "slots: 1"))
    assert not any(event["event"] == "company" for event in events())


def test_a_run_that_was_killed_in_between_finds_out_when_it_goes_on() -> None:
    """The reading alone was told in an earlier session; the one in company is taken now, beside the others."""
    seed = Variant({"a.py": "A = 1\n"})
    started: list[tuple[Job, Future[Evaluation]]] = []
    written: list[tuple[str, dict[str, Any]]] = []

    def submit(job: Job) -> Future[Evaluation]:
        started.append((job, Future()))
        return started[-1][1]

    def told(ordinal: int, score: float, purpose: str = "baseline") -> Event:
        said = evaluated(Evaluation(seed.id, "loss", Status.OK, score, seed=40 + ordinal))
        return Event(ordinal + 1, 0.0, "told", {"ordinal": ordinal, "purpose": purpose, "evaluation": said})

    company = Company(seed, 2, submit, written.extend, past=[told(0, 1.0), told(1, 1.51)])
    ((job, reading),) = started
    assert (job.variant.id, job.seed) == (seed.id, 40)
    company.submit(Job(seed, 42))
    assert len(started) == 2  # nothing is held back
    company(told(2, 1.52))
    assert not written
    reading.set_result(Evaluation(seed.id, "loss", Status.OK, 1.5, seed=40))
    company(told(3, 0.9, "hunt"))
    company(told(4, 0.9, "hunt"))
    ((kind, body),) = written
    assert kind == "company" and body["matters"] is True
    assert (body["alone"]["score"], body["beside"]["score"]) == (1.0, 1.5)
