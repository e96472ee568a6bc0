"""The null candidate: one that does nothing, scored beside the seed, to notice a judge that measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress

from judges.base import Judge
from population.evaluation import Evaluation
from population.variant import Variant
from wolf.errors import SetupError
from wolf.store.bodies import Record, evaluated
from wolf.store.events import Event


class Null:
    """An observer: at the seed's first score, or as soon as may be, it says what the null candidate scores."""

    def __init__(
        self,
        judge: Judge,
        seed: Variant,
        submit: Callable[[Variant], Future[Evaluation]],
        record: Callable[[list[Record]], None],
        past: Sequence[Event] = (),
    ) -> None:
        """Start the evaluation, unless the judge has no null candidate; `record` writes events down and shows them.

        `past` are the `told` events of the seed in earlier sessions, which have not come to the null candidate.
        """
        files = judge.null(seed.files)
        self._goal = judge.goal
        self._seed = seed.id
        self._record = record
        scores = [event.body["evaluation"]["score"] for event in past]
        self._known = next((score for score in scores if score is not None), None)
        self._future = submit(Variant(files)) if files is not None else None

    def __call__(self, event: Event) -> None:
        """Take in an event.

        Raises:
            SetupError: if the null candidate is as good as the seed.
        """
        if self._future is None or event.kind != "told":
            return
        if self._known is None and event.body["variant"] != self._seed:
            return
        if self._known is not None and not self._future.done():
            return  # the search is under way, and does not wait for it
        future, self._future = self._future, None
        with suppress(CancelledError):
            evaluation = future.result()
            self._record([("null", evaluated(evaluation))])
            known = event.body["evaluation"]["score"] if self._known is None else self._known
            self._compare(evaluation.score, known)

    def _compare(self, null: float | None, seed: float | None) -> None:
        if null is not None and seed is not None and self._goal.loss(seed) >= self._goal.loss(null):
            raise SetupError(
                f"the null candidate, which does nothing, scores {null:g} and the seed {seed:g}: the judge does not "
                "measure what the files do; see judge: in the configuration"
            )
