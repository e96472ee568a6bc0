"""Workers: evaluations at the same time, each in a scratch folder of its own.

The engine knows one method, `submit(job) -> Future`. Here are the workers of this machine; `cluster.py` has those of a
Ray cluster. Workers never touch the ledger.
"""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from msgspec import structs

from judges.base import Context, Judge
from judges.cage import Level
from judges.killswitch import KillSwitch
from judges.llm import LLM
from population.evaluation import Evaluation
from population.variant import Variant
from wolf.workers.slots import Slot


@dataclass(frozen=True, slots=True)
class Task:
    """What all jobs of a run share.

    Attributes:
        judge: who evaluates.
        root: the target's tree.
        level: what candidates are locked into.
        threads: CPU threads of one evaluation.
    """

    judge: Judge
    root: Path
    level: Level
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation: of what, on which seed, on data that the search never reads or not, with models to ask.

    `beside`: files of the champion, for a judge that compares.
    """

    variant: Variant
    seed: int
    holdout: bool = False
    llms: Mapping[str, LLM] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)


class Workers(Protocol):
    """Whoever runs jobs. Leaving its `with` block closes it: after an exception at once, else when all is done."""

    def submit(self, job: Job) -> Future[Evaluation]:
        """Run a job as soon as there is room.

        Returns:
            A future. It raises `JudgeError` for a broken setup, and `CancelledError` after `close(kill=True)`.
        """
        ...

    def prepare(self, say: Callable[[str], None]) -> None:
        """Make ready what all jobs share; raises `JudgeError` or `SetupError` if that cannot be."""
        ...

    def close(self, kill: bool = False) -> None:
        """Take no more jobs and wait until none is left; `kill` ends what runs and drops what waits."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: object, *_: object) -> None: ...


class LocalWorkers:
    """Runs one job at a time in each slot. Threads are enough, since a judge waits for processes."""

    def __init__(self, task: Task, slots: Sequence[Slot], scratch: Path | None = None) -> None:
        """Start no thread yet; scratch folders are made in `scratch`, or where the system keeps temporary files."""
        self._task = task
        self._scratch = scratch
        self._switch = KillSwitch()
        self._free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for slot in slots:
            self._free.put(slot)
        self._pool = ThreadPoolExecutor(len(slots), thread_name_prefix="worker")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(kill=kind is not None)

    def prepare(self, say: Callable[[str], None]) -> None:
        """See `Workers.prepare`."""
        self._task.judge.prepare(self._task.root, say)

    def submit(self, job: Job) -> Future[Evaluation]:
        """See `Workers.submit`."""
        return self._pool.submit(self._run, job)

    def close(self, kill: bool = False) -> None:
        """See `Workers.close`."""
        if kill:
            self._switch.pull()
        self._pool.shutdown(wait=True, cancel_futures=kill)

    def _run(self, job: Job) -> Evaluation:
        slot = self._free.get()  # there are as many slots as threads, so one is free
        try:
            if slot.cores:
                os.sched_setaffinity(0, slot.cores)  # of this thread, and of the processes that it starts
            with self._switch.armed():
                return evaluate(self._task, job, slot, self._scratch)
        finally:
            self._free.put(slot)


def evaluate(task: Task, job: Job, slot: Slot, above: Path | None = None) -> Evaluation:
    """Run one job here and now, in a fresh scratch folder below `above`."""
    scratch = Path(tempfile.mkdtemp(prefix="wolf-", dir=above))
    try:
        place = (task.root, scratch, job.seed, slot.index, task.threads, job.holdout, task.level, job.llms)
        context = Context(*place, beside=job.beside, gpu=slot.gpu, memory=slot.memory)
        evaluation = task.judge.evaluate(job.variant, context)
        said = evaluation.feedback.replace(f"{scratch}/", "")  # its name is luck, and prompts quote what is said
        return structs.replace(evaluation, feedback=said)
    finally:
        remove(scratch)


def remove(folder: Path) -> None:
    """Remove a folder and all in it, even folders that a candidate has made read-only."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for where, folders, _ in os.walk(folder):
            for name in folders:
                if not os.path.islink(path := os.path.join(where, name)):
                    os.chmod(path, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
