"""A judge that measures nothing is noticed before the search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wolf.cli import main
from wolf.streams import judge_seed

CONFIG = """
name: demo
target: {root: ., files: [params.py]}
judge: {kind: function, call: "judge.py:score", metric: loss, seconds: 20}
budget: {evaluations: 4}
confirm: {seeds: 0}
workers: {slots: 1}
"""


def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: str, *overrides: str) -> tuple[int, str]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(CONFIG)
    (tmp_path / "params.py").write_text("LR = 0.5  # knob: 0 .. 1\n")
    (tmp_path / "judge.py").write_text(judge)
    done = CliRunner().invoke(main, ["run", "task.yaml", *overrides])
    return done.exit_code, done.output


def test_a_judge_that_measures_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = run(tmp_path, monkeypatch, "def score(folder, seed): return 1.0\n")
    assert code == 3, said
    assert ", to be beaten" in said
    assert "the null candidate, which does nothing, scores 1 and the seed 1" in said


def test_a_judge_that_needs_the_files_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = "import runpy\ndef score(folder, seed): return runpy.run_path(str(folder / 'params.py'))['LR']\n"
    code, said = run(tmp_path, monkeypatch, judge)
    assert code == 0, said
    assert "null candidate, which does nothing: crashed, as it should" in said
    audited = CliRunner().invoke(main, ["audit"])
    assert audited.exit_code == 0, audited.output
    assert "the champion holds" in audited.output


def test_an_audit_repeats_what_the_run_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = [judge_seed(0, number, "fresh") for number in range(5)]
    judge = f"""import runpy
def score(folder, seed):
    rate = runpy.run_path(str(folder / 'params.py'))['LR']
    if rate != 0.5 and seed in {fresh[:4]}:
        raise SystemExit(1)
    return float(rate == 0.5)
"""
    assert run(tmp_path, monkeypatch, judge, "confirm.seeds=5")[0] == 0
    said = " ".join(CliRunner().invoke(main, ["audit"]).output.split())
    assert "the champion holds WARNING: 4 of 5 fresh readings of the champion failed and do not count" in said


def test_an_audit_notices_a_score_that_nobody_can_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = "import runpy\ndef score(folder, seed): return runpy.run_path(str(folder / 'params.py'))['LR'] + SHIFT\n"
    assert run(tmp_path, monkeypatch, judge.replace("SHIFT", "0"))[0] == 0
    (tmp_path / "judge.py").write_text(judge.replace("SHIFT", "1"))
    audited = CliRunner().invoke(main, ["audit"])
    assert audited.exit_code == 1
    assert "does NOT hold" in audited.output


def test_a_run_that_was_killed_before_it_hears_of_the_null_candidate_when_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: Callable[[float], Result]
) -> None:
    def go_on(judge: str, score: float) -> Result:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "task.yaml").write_text(CONFIG)
        (tmp_path / "params.py").write_text("LR = 0.5  # knob: 0 .. 1\n")
        (tmp_path / "judge.py").write_text(judge)
        return killed(score)

    said = go_on("def score(folder, seed): return 1.0\n", 1.0)
    assert said.exit_code == 3 and "scores 1 and the seed 1" in said.output
    judge = "import runpy\ndef score(folder, seed): return runpy.run_path(str(folder / 'params.py'))['LR']\n"
    said = go_on(judge, 0.5)
    assert said.exit_code == 0 and said.output.count('"event": "null"') == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["knobs", "speed", "headline", "argument", "val_bpb_cpu", "starter"])
def test_the_null_candidate_of_everything_that_is_shipped_loses(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "starter":
        assert CliRunner().invoke(main, ["init", "."]).exit_code == 0
        name = "task.yaml"
    done = CliRunner().invoke(main, ["run", name, "budget.evaluations=1", "confirm.seeds=0"])
    assert done.exit_code == 0, done.output
    assert "null candidate, which does nothing:" in done.output
