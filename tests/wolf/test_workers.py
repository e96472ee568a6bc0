from __future__ import annotations

import os
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from judges.base import Context, JudgeConfig, JudgeError
from judges.command import CommandJudge
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant
from wolf.workers import LocalWorkers


class Watching(JudgeConfig):
    """A judge that records its contexts and what was in their scratch folders."""

    seen: list[Any] = Field(default_factory=list)
    meet: Any = None
    name: str = "score"
    goal: Goal = Goal.MINIMIZE

    def prepare(self, root: Path, say: Any) -> None: ...

    def evaluate(self, variant: Variant, context: Context) -> Evaluation:
        if variant.files.get("fail"):
            raise JudgeError("no corpus")
        self.seen.append((context, os.listdir(context.scratch)))
        if self.meet:
            self.meet.wait(10)
        locked = context.scratch / "locked"
        locked.mkdir()
        (locked / "file").touch()
        locked.chmod(0o500)
        return Evaluation(variant.id, self.name, Status.OK, float(context.seed), seed=context.seed)


def test_each_evaluation_has_its_own_slot_and_scratch(tmp_path: Path) -> None:
    judge = Watching(meet=threading.Barrier(3))
    with LocalWorkers(3, threads=2, scratch=tmp_path) as workers:
        futures = [workers.submit(judge, Variant({"n": str(n)}), Path("root"), seed=n, holdout=n > 3) for n in range(6)]
        assert [future.result(20).score for future in futures] == [0, 1, 2, 3, 4, 5]
    contexts = [context for context, _ in judge.seen]
    assert {context.slot for context in contexts[:3]} == {0, 1, 2}
    assert len({context.scratch for context in contexts}) == 6
    assert {(context.root, context.threads) for context in contexts} == {(Path("root"), 2)}
    assert sorted(context.seed for context in contexts if context.holdout) == [4, 5]
    assert all(contents == [] for _, contents in judge.seen)
    assert os.listdir(tmp_path) == []


def test_a_broken_setup_reaches_the_caller_and_the_slot_lives_on(tmp_path: Path) -> None:
    with LocalWorkers(1, scratch=tmp_path) as workers:
        with pytest.raises(JudgeError, match="no corpus"):
            workers.submit(Watching(), Variant({"fail": "yes"}), tmp_path, seed=0).result(20)
        assert workers.submit(Watching(), Variant({}), tmp_path, seed=1).result(20).ok


def test_killing_ends_what_runs_and_drops_what_waits(tmp_path: Path) -> None:
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    root.mkdir()
    scratch.mkdir()
    judge = CommandJudge(run=("sh", "-c", "touch started; sleep 60"), metric="loss")
    workers = LocalWorkers(1, scratch=scratch)
    futures = [workers.submit(judge, Variant({"n": str(n)}), root, seed=n) for n in range(3)]
    while not [*scratch.glob("*/work/started")]:
        time.sleep(0.01)
    begun = time.monotonic()
    workers.close(kill=True)
    assert time.monotonic() - begun < 5
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(0)
    assert os.listdir(scratch) == []


def test_an_exception_inside_the_block_kills(tmp_path: Path) -> None:
    judge = CommandJudge(run=("sleep", "60"), metric="loss")
    with pytest.raises(KeyboardInterrupt), LocalWorkers(1, scratch=tmp_path) as workers:
        future = workers.submit(judge, Variant({}), tmp_path, seed=0)
        raise KeyboardInterrupt
    with pytest.raises(CancelledError):
        future.result(0)
