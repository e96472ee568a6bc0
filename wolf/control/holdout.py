"""The hold-out alarm of a running search: when selection has learnt to please its judge, and where to go back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judges.watch import CAUTION, GAP_SHARE, HOLDOUT, Look, alarm, gap_error
from population.evaluation import Evaluation
from population.pool import Population
from wolf.store.bodies import Body

LOOKS = 40  # moments of a run that the alarm compares


@dataclass(frozen=True, slots=True)
class Ring:
    """The alarm, and what follows from it.

    Attributes:
        reason: one sentence.
        champion: who led.
        back: the best variant on which judge and hold-out agree.
        aside: variants that look better and on which they do not agree; parents no more.
    """

    reason: str
    champion: str
    back: str
    aside: tuple[str, ...]

    def body(self, evaluations: int) -> Body:
        """Of the `alarm` event."""
        return {"reason": self.reason, "champion": self.champion, "back": self.back, "aside": list(self.aside),
                "evaluations": evaluations}  # fmt: skip


def sample(looks: Sequence[Look]) -> list[Look]:
    """`LOOKS` of them at most, evenly spread, the latest among them."""
    step = -(-len(looks) // LOOKS) or 1
    return [*reversed(looks[::-1][::step])]


class Watch:
    """A fold over the evaluations of a search: the leader of each moment as its judge and as the hold-out see it."""

    def __init__(self, population: Population, seed_variant: str) -> None:
        """Nothing has been seen."""
        self._population = population
        self._seed = seed_variant
        self._holdout: dict[str, list[float]] = {}
        self._error: dict[str, float] = {}
        self._caution: dict[str, float] = {}
        self._looks: list[Look] = []

    def told(self, evaluation: Evaluation, champion: str | None) -> None:
        """One evaluation is here, and this variant leads now."""
        if evaluation.ok and HOLDOUT in evaluation.metrics:
            self._holdout.setdefault(evaluation.variant, []).append(evaluation.metrics[HOLDOUT])
            self._error[evaluation.variant] = gap_error(evaluation.metrics)
            self._caution[evaluation.variant] = evaluation.metrics.get(CAUTION, 0.0)
        if champion in self._holdout:
            self._looks.append(self._look(champion))

    def ring(self, champion: str | None) -> Ring | None:
        """The alarm if there is cause, with the way back; None while all is well."""
        if champion is None or champion == self._seed or not {champion, self._seed} <= self._holdout.keys():
            return None
        reason = alarm(sample(self._looks)) if len(self._looks) > 1 else None
        if reason is None:
            return None
        known = [id for id in self._holdout if not self._population.barred(id)]
        back = min((id for id in known if self._agrees(id)), key=self._loss, default=self._seed)
        aside = [id for id in known if not self._agrees(id) and self._loss(id) < self._loss(back)]
        return Ring(reason.partition("; go back")[0], champion, back, tuple(aside)) if aside else None

    def turn_back(self, alarm: Mapping[str, Any]) -> None:
        """Take in an `alarm` event: what it sets aside is no parent any more, and one looks on from where it says."""
        for variant in alarm["aside"]:
            self._population.veto(variant, line=False)
        self._looks = [self._look(alarm["back"])]

    def _agrees(self, variant: str) -> bool:
        """Whether the hold-out sees at least half of the gain over the seed that the judge sees."""
        here, there = self._look(variant), self._look(self._seed)
        return here.holdout - there.holdout >= GAP_SHARE * (here.visible - there.visible)

    def _loss(self, variant: str) -> float:
        return self._population.estimate(variant).mean

    def _look(self, variant: str) -> Look:
        told, readings = (
            self._population.measured(variant),
            self._holdout[variant],
        )  # votes are people's word, not the judge's
        return Look(self._caution[variant] - told.mean, sum(readings) / len(readings), self._error[variant])
