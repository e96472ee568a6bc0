"""The hold-out alarm of a running search: when selection has learnt to please its judge, and where to go back to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from judges.watch import GAP_SHARE, Look, alarm
from population.evaluation import Evaluation
from population.pool import Population
from wolf.store.bodies import Body

if TYPE_CHECKING:
    from wolf.reading.records import Run

HOLDOUT = "holdout"  # the metric in which a judge that selection never sees writes its rating
CAUTION = "caution"  # how far a score lies below the rating that the judge would give, for doubt about the change
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


def gap_error(metrics: Mapping[str, float]) -> float:
    """Standard error of the hold-out's gain less half of the visible one, from the original to a text."""
    own = metrics.get("error", math.sqrt(2) * metrics.get("sigma", 0.0))
    return math.hypot(metrics.get("holdout_error", 0.0), own / 2)


class Gains(NamedTuple):
    """What a run's champion gains over its original; `error` is that of `confirmed` less half of `seen`."""

    seen: float
    confirmed: float
    error: float


def gains(run: Run) -> Gains | None:
    """Of a run that has a hold-out and another champion than the original, as far as it has come; else None."""
    seed, champion = run.header.seed_variant, run.champion
    if champion in (None, seed) or champion not in run.beliefs or seed not in run.beliefs:
        return None
    readings = {told.variant: told for told in run.searched if told.ok}
    last, first = readings[champion].metrics, readings[seed].metrics
    seen = run.beliefs[champion].mean + last.get(CAUTION, 0.0) - run.beliefs[seed].mean
    final = run.final and run.final.get("gain")
    judge = run.header.config.get("judge", {})
    if final and run.header.judge == "panel" and (judge.get("holdout") or judge.get("hidden")):
        error = math.hypot((final["high"] - final["low"]) / 4, last.get("sigma", 0.0) / math.sqrt(2))
        return Gains(seen, final["mean"], error)
    if HOLDOUT not in last or HOLDOUT not in first:
        return None
    return Gains(seen, last[HOLDOUT] - first[HOLDOUT], gap_error(last))


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
        told, readings = self._population.estimate(variant), self._holdout[variant]
        return Look(self._caution[variant] - told.mean, sum(readings) / len(readings), self._error[variant])
