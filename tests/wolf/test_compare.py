"""`wolf compare` as a person uses it: real runs of a judge that takes no time, stopped, resumed and extended."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from judges.workspace import tree
from population.evaluation import Goal
from wolf.cli import main
from wolf.compare.arms import Arm, parse, plan
from wolf.compare.bands import chart
from wolf.compare.command import table
from wolf.compare.standings import Line, Outcome, Standings, ranked
from wolf.errors import UsageError

CONFIG = """
target: {root: ., files: [params.py]}
judge: {kind: function, call: "judge.py:score", metric: gain, goal: maximize, seconds: 20}
search: {surrogate: "off"}
budget: {evaluations: 5}
stop: {target: 0.0, plateau: 1}  # neither ends a run of a comparison
check_in: every 1
confirm: {seeds: 2}
"""
JUDGE = """
import random
import runpy


def score(folder, seed):
    knobs = runpy.run_path(f"{folder}/params.py")
    return 1 - (knobs["RATE"] - 0.3) ** 2 - abs(knobs["DEPTH"] - 4) / 10 + random.Random(seed).gauss(0, 0.01)
"""
ENV = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a target, a judge and a configuration, which is the current directory."""
    (tmp_path / "wolf.yaml").write_text(CONFIG)
    (tmp_path / "judge.py").write_text(JUDGE)
    (tmp_path / "params.py").write_text("RATE = 0.9  # knob: 0.0 .. 1.0\nDEPTH = 9  # knob: 1 .. 16\nON = True\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ENV["PYTHONPATH"])
    return tmp_path


def wolf(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["compare", "wolf.yaml", "--unsafe-no-sandbox", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def stamps(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.glob("*/*/ledger.db")}


def test_a_comparison_is_made_kept_and_extended(project: Path) -> None:
    code, out = wolf("--strategies", "wolf,greedy", "--seeds", "2", "--jobs", "2", "--good", "0.5", "--out", "o")
    assert code == 0, out
    assert "0 of 4 runs are finished" in out and "gain (higher is better) of 2 paired seeds at 5 evaluations" in out
    assert "2 pairs cannot show a difference" in out and "P(better) takes gains to be normal" in " ".join(out.split())
    assert "2 fresh seeds" in out and "| of 2 |" not in out
    found = json.loads((project / "o/comparison.json").read_text())
    assert [arm["name"] for arm in found["arms"]] == ["wolf", "greedy"] and found["seeds"] == [0, 1]
    assert {run["run"] for run in found["arms"][0]["runs"]} == {"o/wolf/seed-0", "o/wolf/seed-1"}
    mean = sum(run["score"] for run in found["arms"][0]["runs"]) / 2
    assert found["arms"][0]["mean"] == pytest.approx(mean) and found["arms"][0]["against"] == "greedy"
    gains = [a["score"] - b["score"] for a, b in zip(*(arm["runs"] for arm in found["arms"]), strict=True)]
    assert found["arms"][0]["versus"]["gain"] == pytest.approx(sum(gains) / 2)  # maximised: more is better
    starts = {run["seed"]: run["start"] for run in found["arms"][0]["runs"]}
    assert starts == {run["seed"]: run["start"] for run in found["arms"][1]["runs"]}  # the same fresh seeds
    assert all(len(run["curve"]) == 5 for arm in found["arms"] for run in arm["runs"])

    tree.cache_clear()  # a new process lists the files anew, and finds no result among the target's
    before = stamps(project / "o")
    code, out = wolf("--strategies", "greedy,wolf,random", "--ablate", "escape", "--seeds", "2", "--out", "o", "--json")
    assert code == 0 and "4 of 8 runs are finished" in out, out
    again = json.loads(next(text for text in out.splitlines() if text.startswith("{")))
    assert [(arm["name"], arm["against"]) for arm in again["arms"]] == [
        ("greedy", None), ("wolf", "greedy"), ("random", "greedy"), ("wolf-escape", "wolf"),
    ]  # fmt: skip
    after = stamps(project / "o")
    assert {path: after[path] for path in before} == before and len(after) == 8

    code, out = wolf("--strategies", "wolf,greedy", "--seeds", "2", "--out", "o", "--evaluations", "9")
    assert code == 2 and "budget.evaluations (now 9, then 5) has changed" in out and "--out" in out
    (project / "params.py").write_text("RATE = 0.8  # knob: 0.0 .. 1.0\n")
    code, out = wolf("--strategies", "wolf,greedy", "--seeds", "2", "--out", "o")
    assert code == 2 and "the files of" in out and stamps(project / "o") == after


@pytest.mark.slow
def test_what_was_stopped_goes_on(project: Path) -> None:
    said = [sys.executable, "-m", "wolf", "compare", "wolf.yaml", "--strategies", "greedy,random", "--seeds", "2",
            "--jobs", "2", "--out", "o", "--unsafe-no-sandbox", "budget.evaluations=12"]  # fmt: skip
    process = subprocess.Popen(said, cwd=project, env=ENV, text=True, stdout=subprocess.PIPE, start_new_session=True)
    started = time.monotonic()
    while not any(told(path) > 1 for path in project.glob("o/*/*")):
        assert time.monotonic() - started < 60
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143 and "the same command goes on" in out
    partly = {str(path): told(path) for path in project.glob("o/*/*")}
    assert 0 < sum(partly.values()) < 4 * 16
    out = subprocess.run(said, cwd=project, env=ENV, text=True, capture_output=True, check=True).stdout
    assert "P(better)" in out
    seqs = {str(path): told(path) for path in project.glob("o/*/*")}
    assert set(seqs.values()) <= {14, 16}  # nothing twice: 12, and 2 fresh readings of champion and seed


def told(run: Path) -> int:
    from wolf.errors import LedgerError
    from wolf.store.ledger import Ledger

    try:
        with Ledger.open(run) as ledger:
            return sum(event.kind == "told" for event in ledger.events())
    except LedgerError:
        return 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--strategies", "wolf,gredy"], "no strategy 'gredy'; did you mean 'greedy'?"),
        (["--strategies", "wolf"], "needs two arms or more, found wolf"),
        (["--strategies", "wolf,wolf"], "'wolf' is there twice"),
        (["--seeds", "1"], "needs two seeds at least, found 1"),
        (["--good", "nan"], "--good: expected a score, found nan"),
        (["--ablate", "escapes"], "no mechanism 'escapes'; did you mean 'escape'?"),
        (["--baseline", "anneal"], "there is no arm 'anneal'; the arms are wolf, greedy, random"),
        (["--arm", "mine"], "expected `name: key=value key=value`, found 'mine'"),
        (["--arm", "../up: search.survey=1"], "expected `name: key=value"),
        (["--arm", "mine: search.surveys=1"], "did you mean 'survey'?"),
        (["--arm", "mine: budget.evaluations=99"], "must have the same judge, budget.evaluations"),
        (["budget.evaluations=null", "budget.hours=1"], "limits hours only"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_made(project: Path, arguments: list[str], sentence: str) -> None:
    code, out = wolf("--out", "o", *arguments)
    assert code == 2 and sentence in out and not (project / "o").exists()


def test_a_judge_that_is_a_command_can_be_compared_by(project: Path) -> None:
    command = "judge: {kind: command, run: cat params.py, metric: RATE, goal: minimize, seconds: 5, env: {A: b}}"
    (project / "wolf.yaml").write_text(CONFIG.replace(CONFIG.splitlines()[2], command))
    chosen = [Arm("wolf", (), None), Arm("greedy", ("search.strategy=greedy",), None)]
    assert len(plan("wolf.yaml", (), chosen, 2, 3, None)) == 4
    chosen.append(Arm("other", ("judge.env={A: c}",), None))
    with pytest.raises(UsageError, match="arms must have the same judge"):
        plan("wolf.yaml", (), chosen, 2, 3, None)


def test_a_run_that_cannot_go_on_ends_the_comparison_with_its_sentence(project: Path) -> None:
    (project / "judge.py").write_text("def score(folder, seed):\n    raise ValueError('no data')\n")
    code, out = wolf("--strategies", "greedy,random", "--seeds", "2", "--out", "o")
    assert code == 3 and "the seed variant fails" in out and "no data" in out, out


def outcome(seed: int, loss: float, curve: tuple[float, ...], curse: float | None = None) -> Outcome:
    return Outcome(seed, Path(f"o/seed-{seed}"), loss, 2.0, loss, curse, curve, 1.0)


def line(name: str, outcomes: tuple[Outcome, ...], **said: Any) -> Line:
    known: dict[str, Any] = {"mean": 1.0, "median": 1.0, "low": 0.9, "high": 1.1, "reach": math.inf, "good": None}
    return Line(Arm(name, (), None), outcomes, **known | {"versus": None, "holm": None} | said)


def test_reaching_a_score() -> None:
    run = outcome(0, 1.0, (math.nan, 3.0, 2.0, 2.0, 1.0))
    assert [run.reach(target) for target in (3.5, 2.0, 1.0, 0.5)] == [2, 3, 5, math.inf]


def test_the_chart_is_one_svg_and_hostile_names_are_harmless() -> None:
    from xml.etree import ElementTree

    runs = tuple(outcome(seed, 1.0, (math.nan, 3.0 + seed, 2.0)) for seed in range(3))
    result = Standings((line("<b>&", runs), line("flat", runs)), "a<b", Goal.MAXIMIZE, 3, 0, None)
    tree = ElementTree.fromstring(chart(result))
    assert tree.tag.endswith("svg") and "<b>&" in [node.text for node in tree.iter() if node.text]
    assert "confirm.seeds is 0" in table(result) and "> 3" in table(result)


def test_a_comparison_does_not_go_into_a_run(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    with pytest.raises(UsageError, match="is a run; name a folder that the runs of the comparison go into"):
        plan("knobs", [], parse("wolf,greedy", "", [], None), 2, 5, tmp_path)


def test_a_gain_has_the_digits_of_its_own_interval() -> None:
    def arm(name: str, losses: list[float], against: str | None = "greedy") -> tuple[Arm, tuple[Outcome, ...]]:
        return Arm(name, (), against), tuple(outcome(seed, loss, (loss,)) for seed, loss in enumerate(losses))

    base = [5000.0, 6000.0, 7000.0, 8000.0]
    made = [
        arm("greedy", base, None),
        arm("far", [4200.0, 6800.0, 6500.0, 8476.0]),
        arm("near", [loss - gain for loss, gain in zip(base, (0.1, -0.3, -0.4, -0.152), strict=True)]),
        arm("same", base),
        arm("exact", [loss - 0.188 for loss in base]),
    ]
    result = ranked([arm for arm, _ in made], {arm.name: runs for arm, runs in made}, "ms", Goal.MINIMIZE, 3, 2, None)
    cells = [[cell.strip() for cell in row.split("|")] for row in table(result).splitlines()[3:7]]
    assert [row[6:8] for row in cells] == [
        ["6", "[-1212, 1224]"],
        ["-0.19", "[-0.53, 0.16]"],
        ["0.0000", "[0.0000, 0.0000]"],
        ["0.1880", "[0.1880, 0.1880]"],
    ]


def test_in_a_narrow_terminal_an_arm_is_a_column() -> None:
    runs = tuple(outcome(seed, 1.0, (3.0,)) for seed in range(3))
    result = Standings((line("wolf", runs), line("greedy", runs)), "loss", Goal.MINIMIZE, 3, 2, None)
    wide, narrow = table(result).splitlines(), table(result, 80).splitlines()
    assert wide[0].startswith("| arm    | mean | 95 % interval |")
    assert [row.split("|")[1].strip() for row in narrow[2:4]] == ["mean", "95 % interval"]
    assert narrow[0].split() == ["|", "arm", "|", "wolf", "|", "greedy", "|"]
    assert max(map(len, narrow)) <= 80 < max(map(len, wide))


def test_champions_that_fail_on_fresh_seeds_are_said_to(project: Path) -> None:
    (project / "judge.py").write_text(
        JUDGE.replace(
            "    return 1",
            "    if knobs['RATE'] != 0.9 and seed % 2:\n        raise ValueError('diverged')\n    return 1",
        )
    )
    code, out = wolf(
        "--strategies", "random,greedy", "--seeds", "2", "--out", "o", "budget.evaluations=20", "confirm.seeds=6"
    )
    assert code == 0, out
    failed = {
        arm["name"]: sum(run["failed"] for run in arm["runs"])
        for arm in json.loads((project / "o/comparison.json").read_text())["arms"]
    }
    assert all(0 < count < 12 for count in failed.values())
    said = ", ".join(f"{name} {count}" for name, count in failed.items())
    assert f"Fresh readings of champions that failed, and do not count: {said}." in " ".join(out.split())
    assert "the score is the search's own" not in " ".join(out.split())


def test_a_champion_that_fails_on_all_fresh_seeds_has_the_score_of_the_search() -> None:
    lines = tuple(line(name, (replace(outcome(0, 1.0, (1.0,)), failed=2),)) for name in ("wolf", "greedy"))
    said = table(Standings(lines, "loss", Goal.MINIMIZE, 1, 2, None))
    assert "do not count: wolf 2, greedy 2. Where none was left, the score is the search's own." in said
