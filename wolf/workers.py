"""Workers: evaluations at the same time, each in a scratch folder of its own.

Threads are enough, since a judge waits for processes. Workers never touch the ledger.
"""

from __future__ import annotations

import os
import queue
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from judges import sandbox
from judges.base import Context, Judge
from judges.cage import Level
from judges.killswitch import KillSwitch
from judges.llm import LLM
from population.evaluation import Evaluation
from population.variant import Variant


class LocalWorkers:
    """Runs up to `slots` evaluations at a time on this machine, `threads` CPU threads each.

    Leaving its `with` block closes it: normally after what was submitted has finished, at once after an exception.
    """

    def __init__(self, slots: int, threads: int = 1, scratch: Path | None = None, level: Level | None = None) -> None:
        """Start no thread yet.

        Args:
            slots: how many evaluations run at a time.
            threads: what each of them is told it may use.
            scratch: where to make the scratch folders; None: where the system keeps temporary files.
            level: what candidates are locked into; None: the strongest that holds here.

        Raises:
            JudgeError: if none holds and `level` is None.
        """
        self._level = sandbox.choose() if level is None else level
        self._threads = threads
        self._scratch = scratch
        self._switch = KillSwitch()
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(slots):
            self._free.put(slot)
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="worker")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(kill=kind is not None)

    def submit(
        self,
        judge: Judge,
        variant: Variant,
        root: Path,
        seed: int,
        holdout: bool = False,
        llms: Mapping[str, LLM] | None = None,
    ) -> Future[Evaluation]:
        """Evaluate `variant` as soon as a slot is free; `llms` are the models that its judge may ask.

        Returns:
            A future. It raises what `judge.evaluate` raises, and `CancelledError` after `close(kill=True)`.
        """
        return self._pool.submit(self._evaluate, judge, variant, root, seed, holdout, llms or {})

    def close(self, kill: bool = False) -> None:
        """Take no more work, and wait until none is left.

        Args:
            kill: end the running candidates and drop the waiting ones instead of letting them finish.
        """
        if kill:
            self._switch.pull()
        self._pool.shutdown(wait=True, cancel_futures=kill)

    def _evaluate(
        self, judge: Judge, variant: Variant, root: Path, seed: int, holdout: bool, llms: Mapping[str, LLM]
    ) -> Evaluation:
        slot = self._free.get()  # there are as many slots as threads, so one is free
        scratch = Path(tempfile.mkdtemp(prefix="wolf-", dir=self._scratch))
        try:
            context = Context(root, scratch, seed, slot, self._threads, holdout, self._level, llms)
            with self._switch.armed():
                return judge.evaluate(variant, context)
        finally:
            remove(scratch)
            self._free.put(slot)


def remove(folder: Path) -> None:
    """Remove a folder and all in it, even folders that a candidate has made read-only."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for where, folders, _ in os.walk(folder):
            for name in folders:
                if not os.path.islink(path := os.path.join(where, name)):
                    os.chmod(path, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
