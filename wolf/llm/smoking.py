"""Smoke runs: does an idea run at all? Beside the evaluations, one at a time, at the lowest priority, without a GPU."""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from judges.base import Context, Judge, JudgeError
from judges.cage import Level
from judges.killswitch import KillSwitch
from population.evaluation import Evaluation
from population.variant import Variant
from wolf.workers.local import remove

MEMORY = 8 << 30  # bytes that a smoke run may use beside the evaluations


class SmokeRuns:
    """Runs the smoke runs of one judge. Leaving its `with` block ends what still runs."""

    def __init__(self, judge: Judge, root: Path, slot: int, level: Level, above: Path | None = None) -> None:
        """`slot` is one that no evaluation has; scratch folders are made in `above`. Start no thread yet."""
        self._judge = judge
        self._root = root
        self._slot = slot
        self._level = level
        self._above = above
        self._switch = KillSwitch()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="smoke", initializer=_humble)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._switch.pull()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def glance(self, variant: Variant) -> str:
        """What is certainly wrong with `variant`, seen without running it. In the caller's thread."""
        return self._judge.glance(variant.files, self._root)

    def submit(self, variant: Variant) -> Future[Evaluation | None]:
        """How `variant` fails; None if nothing is wrong or nothing is known."""
        return self._pool.submit(self._run, variant)

    def _run(self, variant: Variant) -> Evaluation | None:
        scratch = Path(tempfile.mkdtemp(prefix="wolf-", dir=self._above))
        try:
            with self._switch.armed():
                context = Context(self._root, scratch, slot=self._slot, level=self._level, memory=MEMORY)
                return self._judge.smoke_run(variant, context)
        except JudgeError:
            return None  # the evaluation will say what is wrong
        finally:
            remove(scratch)


def _humble() -> None:
    """Let everybody else go first: on Linux this thread and what it starts, elsewhere it would be the whole process."""
    if sys.platform == "linux":
        os.nice(19)
