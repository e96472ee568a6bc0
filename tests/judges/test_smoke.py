"""Smoke runs: what surely fails is told in words, and everything else is left to the evaluation."""

from __future__ import annotations

import pytest

from judges.base import Context
from judges.command import CommandJudge
from judges.function import FunctionJudge
from judges.imports import unresolved
from judges.training import Budget, TrainingJudge
from population.evaluation import Status
from population.variant import Variant
from wolf.settings.shipped import resolve

TRAIN = (resolve("builtin:train_target") / "train.py").read_text()


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ("import os, json\nimport numpy as np\nfrom pathlib import Path", ""),
        ("import helper\nfrom tools.more import x\nfrom . import y", ""),
        ("import sibling", ""),
        ("try:\n    import flash_attention_9\nexcept ImportError:\n    pass", ""),
        ("def f():\n    import no_such_thing.at_all", "no_such_thing"),
        ("from no_such_thing import x", "no_such_thing"),
        ("def f(:", ""),
    ],
)
def test_imports_that_lead_nowhere_are_named(tmp_path, code, missing):
    (tmp_path / "helper.py").touch()
    (tmp_path / "tools").mkdir()
    said = unresolved({"a/main.py": code, "a/sibling.py": "", "notes.txt": "import no_such_thing"}, tmp_path)
    assert bool(said) == bool(missing)
    if missing:
        assert said.startswith(f"a/main.py, line {code.count(chr(10)) + 1}: ") and f"'{missing}'" in said


def test_other_pythons_than_ours_are_left_alone(tmp_path):
    files = {"a.py": "import no_such_thing"}
    assert CommandJudge(run=["python", "a.py"], metric="m").glance(files, tmp_path)
    assert not CommandJudge(run=["uv", "run", "a.py"], metric="m").glance(files, tmp_path)


def context(tmp_path, root):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Context(root, scratch, slot=2)


@pytest.mark.parametrize(
    ("text", "why"), [("ok", None), ("broken", "it failed its smoke run (exited with code 3)"), ("slow", None)]
)
def test_a_command_of_ones_own_decides(tmp_path, monkeypatch, text, why):
    monkeypatch.setattr("judges.command.SMOKE_SECONDS", 0.5)
    (tmp_path / "root").mkdir()
    script = 'grep -q broken x.txt && echo "it is broken: $CUDA_VISIBLE_DEVICES." && exit 3; grep -q slow x.txt'
    judge = CommandJudge(run=["cat", "x.txt"], metric="m", smoke=["sh", "-c", f"{script} && sleep 9; exit 0"])
    assert judge.smokes
    assert not CommandJudge(run=["cat", "x.txt"], metric="m").smokes
    found = judge.smoke_run(Variant({"x.txt": text}), context(tmp_path, tmp_path / "root"))
    assert (found and found.feedback) == (why and f"{why}\nit is broken: .")
    assert found is None or found.status is Status.CRASHED


@pytest.mark.parametrize(
    ("code", "why"), [("X = 1", None), ("X = 0", "ZeroDivisionError"), ("import nonsens", "nonsens")]
)
def test_a_function_of_ones_own_decides(tmp_path, code, why):
    (tmp_path / "root").mkdir()
    (tmp_path / "root/judge.py").write_text(
        "def score(folder, seed): return 1\ndef check(folder, seed):\n    import p\n    1 / p.X\n"
    )
    judge = FunctionJudge(call="judge.py:score", smoke="judge.py:check")
    judge.check(tmp_path / "root")
    assert bool(judge.glance({"p.py": code}, tmp_path / "root")) == (code == "import nonsens")
    found = judge.smoke_run(Variant({"p.py": code}), context(tmp_path, tmp_path / "root"))
    assert (found is None) == (why is None)
    assert found is None or (found.status is Status.CRASHED and why in found.feedback)


def test_a_training_run_is_smoked_if_it_is_long():
    assert TrainingJudge(budget=Budget(seconds=300)).smokes
    assert TrainingJudge(budget=Budget(tokens=10**9)).smokes
    assert not TrainingJudge(budget=Budget(cpu_seconds=3)).smokes
    code = "import torch\nimport flash_attention_9\n"
    assert "'flash_attention_9'" in TrainingJudge().glance({"train.py": code}, resolve("builtin:train_target"))
    assert not TrainingJudge().glance({"train.py": TRAIN}, resolve("builtin:train_target"))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("", "", None),
        (
            "(F.embedding(tokens, self.embed))",
            "(F.embedding(tokens, self.embd))",
            "no attribute 'embd'",
        ),
        ("BATCH_TOKENS = ", "BATCH_TOKENS = 2**19 # ", None),  # nothing is known of it within two seconds on a CPU
    ],
)
def test_a_few_steps_of_training_show_what_cannot_run(tmp_path, old, new, why):
    assert old in TRAIN
    judge = TrainingJudge(budget=Budget(seconds=300))
    root = resolve("builtin:train_target")
    found = judge.smoke_run(Variant({"train.py": TRAIN.replace(old, new, 1)}), context(tmp_path, root))
    assert (found is None) == (why is None), found
    assert found is None or (found.status is Status.CRASHED and why in found.feedback)
