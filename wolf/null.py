"""The null candidate: one that does nothing, scored before the search, to notice a judge that measures nothing."""

from __future__ import annotations

from pathlib import Path

from judges.base import Judge
from population.variant import Variant
from wolf.bodies import Body, evaluated
from wolf.errors import SetupError
from wolf.events import Event
from wolf.workers import LocalWorkers


class Null:
    """Scores the null candidate and watches that the seed beats it."""

    def __init__(self, judge: Judge, seed: Variant) -> None:
        self._judge = judge
        self._seed = seed.id
        self._loss: float | None = None

    def score(self, seed: Variant, workers: LocalWorkers, root: Path) -> list[tuple[str, Body]]:
        """Evaluate it. The event `null`, to be recorded; none if this judge has no null candidate."""
        files = self._judge.null(seed.files)
        if files is None:
            return []
        evaluation = workers.submit(self._judge, Variant(files), root, seed=0).result()
        if evaluation.score is not None:
            self._loss = self._judge.goal.loss(evaluation.score)
        return [("null", evaluated(evaluation))]

    def __call__(self, event: Event) -> None:
        """An observer: looks at the first score of the seed.

        Raises:
            SetupError: if the null candidate is as good.
        """
        if self._loss is None or event.kind != "told" or event.body["variant"] != self._seed:
            return
        score, null = event.body["evaluation"]["score"], self._judge.goal.loss(self._loss)
        if score is not None and self._judge.goal.loss(score) >= self._loss:
            raise SetupError(
                f"the null candidate, which does nothing, scores {null:g} and the seed {score:g}: the judge does not "
                "measure what the files do; see judge: in the configuration"
            )
        self._loss = None
