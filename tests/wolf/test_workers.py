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
from judges.cage import Level
from judges.command import CommandJudge
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant
from wolf.workers.local import Job, LocalWorkers, Task
from wolf.workers.slots import Slot


def workers(judge: Any, root: Path, count: int, scratch: Path, threads: int = 1) -> LocalWorkers:
    return LocalWorkers(Task(judge, root, Level.NONE, threads), [Slot(n) for n in range(count)], scratch)


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
    with workers(judge, Path("root"), 3, tmp_path, threads=2) as pool:
        futures = [pool.submit(Job(Variant({"n": str(n)}), n, holdout=n > 3)) for n in range(6)]
        assert [future.result(20).score for future in futures] == [0, 1, 2, 3, 4, 5]
    contexts = [context for context, _ in judge.seen]
    assert {context.slot for context in contexts[:3]} == {0, 1, 2}
    assert len({context.scratch for context in contexts}) == 6
    assert {(context.root, context.threads) for context in contexts} == {(Path("root"), 2)}
    assert sorted(context.seed for context in contexts if context.holdout) == [4, 5]
    assert all(contents == [] for _, contents in judge.seen)
    assert os.listdir(tmp_path) == []


def test_a_broken_setup_reaches_the_caller_and_the_slot_lives_on(tmp_path: Path) -> None:
    with workers(Watching(), tmp_path, 1, tmp_path) as pool:
        with pytest.raises(JudgeError, match="no corpus"):
            pool.submit(Job(Variant({"fail": "yes"}), 0)).result(20)
        assert pool.submit(Job(Variant({}), 1)).result(20).ok


def test_what_a_crash_says_is_the_same_wherever_it_ran(tmp_path: Path) -> None:
    judge = CommandJudge(run="python broken.py", metric="loss", goal=Goal.MINIMIZE, seconds=20)  # type: ignore[call-arg]
    (tmp_path / "root").mkdir()
    broken = Variant({"broken.py": "raise ValueError(__file__)\n"})
    with workers(judge, tmp_path / "root", 1, tmp_path) as pool:
        said = [pool.submit(Job(broken, 0)).result(20).feedback for _ in range(2)]
    assert said[0] == said[1] and "work/broken.py" in said[0] and str(tmp_path) not in said[0]


def test_killing_ends_what_runs_and_drops_what_waits(tmp_path: Path) -> None:
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    root.mkdir()
    scratch.mkdir()
    judge = CommandJudge(run=("sh", "-c", "touch started; sleep 60"), metric="loss")
    pool = workers(judge, root, 1, scratch)
    futures = [pool.submit(Job(Variant({"n": str(n)}), n)) for n in range(3)]
    while not [*scratch.glob("*/work/started")]:
        time.sleep(0.01)
    begun = time.monotonic()
    pool.close(kill=True)
    assert time.monotonic() - begun < 5
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(0)
    assert os.listdir(scratch) == []


def test_an_exception_inside_the_block_kills(tmp_path: Path) -> None:
    judge = CommandJudge(run=("sleep", "60"), metric="loss")
    with pytest.raises(KeyboardInterrupt), workers(judge, tmp_path, 1, tmp_path) as pool:
        future = pool.submit(Job(Variant({}), 0))
        raise KeyboardInterrupt
    with pytest.raises(CancelledError):
        future.result(0)
