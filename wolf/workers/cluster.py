"""Workers on a Ray cluster: the same jobs, on whichever node has room.

What Ray does: placing, starting, noticing that a node is lost. What we add: every node is checked (software, data,
sandbox) before it may run a job; only GPUs of one kind are used, since scores under a clock do not compare between
kinds; a job whose node is lost is repeated once, and is one evaluation whatever happens to it. The ledger stays with
the process that started the run. If that is killed, Ray ends its jobs, and `wolf resume` starts them again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from population.evaluation import Evaluation, Status
from wolf.errors import SetupError
from wolf.machines.cluster import KIND, able_nodes, connect, nodes
from wolf.workers import node
from wolf.workers.local import Job, Task

if TYPE_CHECKING:
    from wolf.settings.sections import WorkersConfig
    from wolf.settings.target import Target

LOOK_SECONDS = 10.0  # how often a job that has no answer looks whether any node could still run it
REPEATS = 1  # of a job whose worker or node is lost


class RayWorkers:
    """As many jobs at a time as there are slots, each a Ray task."""

    def __init__(self, task: Task, config: WorkersConfig, target: Target) -> None:
        """Nothing is connected before `prepare`."""
        self._task = task
        self._config = config
        self._target = target
        self._say: Callable[[str], None] = lambda sentence: None
        self._refs: set[Any] = set()
        self._killed = False
        self._complained = 0.0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(config.slots, thread_name_prefix="worker")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close(kill=kind is not None)

    def prepare(self, say: Callable[[str], None]) -> None:
        """Connect, choose the kind of GPU, and have every node make itself ready and say what it is.

        Raises:
            SetupError: if there is no cluster, no node with room, or one that must not take part.
        """
        self._say = say
        ray = connect(self._config.address or "auto")
        kind, able = able_nodes(ray, self._config.threads, self._config.gpus_per_job)
        if not able:
            raise SetupError(f"no node of the Ray cluster has room for a job of {_needs(self._config)}")
        include = getattr(self._task.judge, "include", ())
        memory = int(self._config.memory_gb * 1e9) if self._config.memory_gb else None
        packed = node.pack(self._target, include)
        run = f"{os.getpid()}/{time.time_ns()}"
        charge = node.Charge(run, self._task, self._target, self._target.tree_hash(), packed, able, memory)
        self._charge = ray.put(charge)
        self._options = {"num_cpus": self._config.threads, "num_gpus": self._config.gpus_per_job,
                         "resources": {KIND + kind: 0.001} if kind else {}, "max_retries": REPEATS}  # fmt: skip
        self._expected = self._checked(ray, able)
        others = {k for _, k, _ in nodes(ray, self._config.threads, self._config.gpus_per_job)} - {kind}
        if kind and others:
            say(f"only the nodes with {kind} are used: scores on {', '.join(sorted(others))} would not compare")
        each = _needs(self._config)
        say(f"{len(able)} node{'s'[: len(able) != 1]} of Ray, room for {sum(able.values())} jobs of {each}")

    def submit(self, job: Job) -> Future[Evaluation]:
        """See `Workers.submit`."""
        return self._pool.submit(self._run, job)

    def close(self, kill: bool = False) -> None:
        """See `Workers.close`; the connection stays, for it belongs to the process."""
        if kill:
            import ray

            with self._lock:
                self._killed = True
                for ref in self._refs:
                    with suppress(ray.exceptions.RayError):
                        ray.cancel(ref, force=True)
        self._pool.shutdown(wait=True, cancel_futures=kill)

    def _checked(self, ray: Any, able: Mapping[str, int]) -> node.Facts:
        """What all nodes agree on."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ask = ray.remote(num_cpus=0, max_retries=REPEATS)(node.facts)
        refs = [
            ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(id, soft=False)).remote(self._charge)
            for id in able
        ]
        try:
            found: list[node.Facts] = ray.get(refs)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        expected = node.Facts(found[0].node, node.software(), "", found[0].data, found[0].processor)
        if wrong := list(dict.fromkeys(why for here in found if (why := node.mismatch(here, expected)))):
            raise SetupError("; ".join(wrong))
        for sentence in dict.fromkeys(sentence for here in found for sentence in here.said):
            self._say(sentence)
        if self._task.judge.timed and len(kinds := {here.processor for here in found}) > 1:
            self._say(f"WARNING: the nodes have different processors ({', '.join(sorted(kinds))}), and the score "
                      "depends on a clock: compare with care, or use nodes of one kind")  # fmt: skip
        return expected

    def _run(self, job: Job) -> Evaluation:
        import ray

        with self._lock:
            if self._killed:
                raise CancelledError
            bare = replace(job, llms={})  # models stay with the ledger, which has to know what they cost
            ref = ray.remote(**self._options)(_on_node).remote(self._charge, self._expected, bare)
            self._refs.add(ref)
        try:
            while not ray.wait([ref], timeout=LOOK_SECONDS)[0]:
                self._look(ray)
            evaluation: Evaluation = ray.get(ref)
            return evaluation
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            if self._killed:
                raise CancelledError from None
            return self._lost(job, ray, error)
        finally:
            with self._lock:
                self._refs.discard(ref)

    def _lost(self, job: Job, ray: Any, error: Exception) -> Evaluation:
        """A result for a job that has taken its worker with it every time."""
        memory = isinstance(error, ray.exceptions.OutOfMemoryError)
        said = f"{1 + REPEATS} workers in a row were lost with it ({type(error).__name__})"
        status = Status.MEMORY if memory else Status.CRASHED
        return Evaluation(job.variant.id, self._task.judge.name, status, feedback=said, seed=job.seed)

    def _look(self, ray: Any) -> None:
        """Say so if nothing is left that could run a job; Ray itself would wait in silence."""
        with self._lock:
            if time.monotonic() < self._complained + 6 * LOOK_SECONDS:
                return
            if not able_nodes(ray, self._config.threads, self._config.gpus_per_job)[1]:
                self._complained = time.monotonic()
                self._say("no node of the Ray cluster has room for a job: waiting for one; Ctrl-C stops, and "
                          "`wolf resume` goes on")  # fmt: skip


def _on_node(charge: node.Charge, expected: node.Facts, job: Job) -> Evaluation:
    import ray

    return node.run(charge, expected, ray.get_runtime_context().get_node_id(), job)


def _needs(config: WorkersConfig) -> str:
    gpus = f" and {config.gpus_per_job:g} GPU" if config.gpus_per_job else ""
    return f"{config.threads} CPU{gpus}"
