"""Does running several at a time change the score? The seed variant is read alone and in company, to see.

Where a score depends on the clock, evaluations that run side by side can slow each other down. A fresh run with
several slots and such a judge therefore starts with one reading by itself (the first of the baseline, which it needs
anyway), and repeats it on the same random seed beside the others. That one evaluation is extra: it is in the ledger,
its time counts, and it is no reading of the seed.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from statistics import stdev

from population.evaluation import Evaluation
from population.variant import Variant
from wolf.store.bodies import Record, evaluated, to_evaluation
from wolf.store.events import Event
from wolf.workers.local import Job

READINGS = 3  # of the seed in company, before we know how much they vary
BEYOND_NOISE = 4.3 * math.sqrt(2)  # standard deviations between two readings; Student's t with two degrees of freedom


class Company:
    """Between the search and the workers: holds everything back until the seed's first reading is there."""

    def __init__(
        self,
        seed: Variant,
        slots: int,
        submit: Callable[[Job], Future[Evaluation]],
        record: Callable[[list[Record]], None],
        stopping: Callable[[], bool] = lambda: False,
        past: Sequence[Event] = (),
    ) -> None:
        """Hold back nothing if the seed's first reading is in the `past`; then only that in company is missing.

        Args:
            seed: the seed variant.
            slots: evaluations at the same time.
            submit: starts one.
            record: writes events down and shows them.
            stopping: whether to begin no more.
            past: `told` events of the seed, of earlier sessions.
        """
        self._seed = seed.id
        self._slots = slots
        self._submit = submit
        self._record = record
        self._stopping = stopping
        self._lock = threading.Lock()
        self._alone: Future[Evaluation] | None = None
        self._beside: Future[Evaluation] | None = None
        self._held: list[tuple[Job, Future[Evaluation]]] | None = []  # None: nothing is held back any more
        self._company: list[float] = []  # scores of the seed beside others
        self._told = False
        for event in past:
            self(event)
        first = next((event.body["evaluation"] for event in past if event.body["ordinal"] == 0), None)
        if first is not None:
            self._alone = Future()
            self._alone.set_result(to_evaluation(first, seed.id, ""))
            self._held, self._beside = None, submit(Job(seed, first["seed"]))

    def submit(self, job: Job) -> Future[Evaluation]:
        """See `Workers.submit`; the seed's first reading runs at once and alone, the others after it."""
        with self._lock:
            if self._held is not None:
                if self._alone is None and job.variant.id == self._seed:
                    alone = self._alone = self._submit(job)
                else:
                    self._held.append((job, later := Future[Evaluation]()))
                    return later
            else:
                return self._submit(job)
        alone.add_done_callback(partial(self._release, job))
        return alone

    def __call__(self, event: Event) -> None:
        """Take in an event; once both readings are there, and how much readings vary, say what came of it."""
        if self._told or event.kind != "told":
            return
        score, baseline = event.body["evaluation"]["score"], event.body["purpose"] == "baseline"
        if baseline and event.body["ordinal"] and score is not None:
            self._company.append(score)
        if not (self._alone and self._beside and self._beside.done()) or (
            baseline and len(self._company) < READINGS - 1
        ):
            return
        self._told = True
        try:
            alone, beside = self._alone.result(), self._beside.result()
        except CancelledError:
            return
        body = {"slots": self._slots, "alone": evaluated(alone), "beside": evaluated(beside)}
        self._record([("company", {**body, "matters": _matters(alone.score, beside.score, self._company)})])

    def _release(self, first: Job, _done: Future[Evaluation]) -> None:
        with self._lock:
            held, self._held = self._held or [], None
        if self._stopping():
            for _, later in held:
                later.cancel()
            return
        try:
            self._beside = self._submit(first)
            for waiting, later in held:
                if later.set_running_or_notify_cancel():
                    self._submit(waiting).add_done_callback(partial(_pass_on, later))
        except RuntimeError:  # the workers are closed already
            for _, later in held:
                later.cancel()


def _pass_on(later: Future[Evaluation], done: Future[Evaluation]) -> None:
    if done.cancelled():
        later.set_exception(CancelledError())
    elif error := done.exception():
        later.set_exception(error)
    else:
        later.set_result(done.result())


def _matters(alone: float | None, beside: float | None, company: list[float]) -> bool | None:
    """Whether a reading alone differs from one in company by more than those in company vary; None if nobody knows."""
    if alone is None or beside is None:
        return (alone is None) != (beside is None)
    if len(company) < READINGS - 1:
        return None
    return abs(beside - alone) > BEYOND_NOISE * stdev([beside, *company]) + 1e-12
