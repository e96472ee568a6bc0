"""The baselines: greedy, random, restart and anneal, over the same operators, judge and budget as `wolf`.

Each is a rule or two on top of `Walk`. They believe single readings, as the tools that they stand for do.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import ClassVar

from population.admission import Admission, Verdict
from population.evaluation import Evaluation
from population.pool import Population
from population.variant import Variant
from wolf.errors import SetupError
from wolf.strategy.asks import Ask, Outcome, Purpose
from wolf.strategy.escape import Escape
from wolf.strategy.gate import Crowning
from wolf.strategy.ideas import Ideas
from wolf.strategy.operators import OPERATORS, Draft, Scene, mutate
from wolf.streams import judge_seed, stream

TRIES = 50  # drafts before the search calls the neighbourhood exhausted and leaps


class Walk:
    """A walk from the seed variant. A step is a mutation of the current variant; a leap draws all knobs anew.

    This class is autoresearch's rule: keep a step if and only if it reads strictly better, else discard it.
    """

    leaps_after: ClassVar[float] = math.inf  # fruitless steps before a leap

    def __init__(
        self, population: Population, seed_variant: Variant, seed: int, names: Sequence[str], evaluations: int | None
    ) -> None:
        """`names` are the operators; `evaluations` is the budget, for rules that plan with it."""
        self.population = population
        self.escape = Escape(enabled=False)
        self._seed_variant = seed_variant
        self._seed = seed
        self._names = names
        self._evaluations = evaluations
        self.ideas: Ideas | None = None
        self._current, self._current_loss = "", math.inf
        self._best, self._best_loss = "", math.inf
        self._fruitless = 0

    @property
    def champion(self) -> str | None:
        """The variant with the best single reading."""
        return self._best or None

    def ask(self, ordinal: int) -> Ask | None:
        """The seed variant first, then steps and leaps."""
        seed = judge_seed(self._seed, ordinal)
        if not self._current:
            return Ask(ordinal, self._seed_variant, seed, Purpose.BASELINE)
        draft = self._idea(ordinal) or self._draft(stream(self._seed, ordinal, "step"))
        if draft is None:
            return None
        return Ask(ordinal, draft.variant, seed, Purpose.STEP, changes=draft.changes, genome=draft.genome)

    def asked(self, ask: Ask) -> None:
        """An ask is under way."""
        self.population.expect(ask.variant, ask.genome)
        if self.ideas:
            self.ideas.asked(ask)

    def told(self, ask: Ask, evaluation: Evaluation) -> Outcome:
        """Keep it or discard it."""
        admission = self.population.tell(ask.variant, evaluation)
        loss = math.inf
        if evaluation.score is not None and not self.population.barred(ask.variant.id):
            loss = self.population.goal.loss(evaluation.score)
        leapt = ask.variant.origin == "perturb:draw" and self.leaps_after < math.inf
        kept = loss < math.inf and (leapt or self._keeps(loss, ask.ordinal))
        self._fruitless = 0 if kept and (leapt or loss < self._current_loss) else self._fruitless + 1
        if kept:
            self._current, self._current_loss = ask.variant.id, loss
        crowning = self._crown(ask.variant.id, loss)
        if self.ideas:
            self.ideas.told(ask, evaluation, float(kept))
        self.escape.told(self.population, ask.variant.id, None, crowning.variant if crowning else None)
        if admission.verdict is Verdict.FAILED:
            return Outcome(admission)
        return Outcome(
            Admission(Verdict.ADMITTED, "kept") if kept else Admission(Verdict.REJECTED, "discarded"), crowning
        )

    def replan(self, evaluations: int | None, seconds: float | None, usd: float | None) -> None:
        """Plan with these budgets from now on."""
        self._evaluations = evaluations
        if self.ideas:
            self.ideas.replan(evaluations, seconds, usd)

    def steered(self) -> None:
        """A walk that stands on a barred variant goes back to the best that is left."""
        fallback = self.population.incumbent or ""
        loss = self.population.estimate(fallback).mean
        if self.population.barred(self._current):
            self._current, self._current_loss = fallback, loss
        if self.population.barred(self._best):
            self._best, self._best_loss = fallback, loss

    def _keeps(self, loss: float, ordinal: int) -> bool:
        return loss < self._current_loss

    def _idea(self, ordinal: int) -> Draft | None:
        """A language model's idea, the oldest first."""
        drafts = self.ideas.drafts(ordinal) if self.ideas and self.ideas.turn(ordinal) else []
        return drafts[0] if drafts else None

    def _draft(self, rng: random.Random) -> Draft | None:
        """A variant that is new; None if none was found."""
        scene = Scene(self.population, self._current, ())
        made = False
        stepping = self._fruitless < self.leaps_after or not scene.space.names
        for turn in range(2 * TRIES if stepping else TRIES):
            step = stepping and turn < TRIES
            draft = mutate(scene, rng, self._names) if step else OPERATORS["perturb:draw"](scene, rng)
            if draft and draft.variant.id not in self.population:
                return draft
            made = made or draft is not None
        if not made:
            raise SetupError("the target has no knobs, and no statement or sentence of it can be changed")
        return None

    def _crown(self, variant: str, loss: float) -> Crowning | None:
        previous, gain = self._best, self._best_loss - loss
        if gain <= 0 or loss == math.inf:
            return None
        self._best, self._best_loss = variant, loss
        return Crowning(variant, previous, self.population.estimate(variant), gain, gain, gain) if previous else None


class Greedy(Walk):
    """autoresearch's keep or discard."""


class Random(Walk):
    """Every variant is drawn anew."""

    leaps_after = 0


class Restart(Walk):
    """Greedy; after 25 fruitless steps it starts over somewhere else."""

    leaps_after = 25


class Anneal(Walk):
    """Simulated annealing (Kirkpatrick et al. 1983): a worse step is kept with probability exp(-loss gap / T).

    T starts at the size of the first gap seen and falls geometrically to a hundredth of it at the end of the budget.
    """

    def __init__(
        self, population: Population, seed_variant: Variant, seed: int, names: Sequence[str], evaluations: int | None
    ) -> None:
        """See `Walk`."""
        super().__init__(population, seed_variant, seed, names, evaluations)
        self._first_gap: float | None = None

    def _keeps(self, loss: float, ordinal: int) -> bool:
        gap = loss - self._current_loss
        if gap < 0 or not math.isfinite(gap):
            return gap < 0
        self._first_gap = self._first_gap or gap or None
        if not self._first_gap:
            return False
        temperature = self._first_gap * 0.01 ** min(1.0, ordinal / (self._evaluations or 100))
        return stream(self._seed, ordinal, "anneal").random() < math.exp(-gap / temperature)


BASELINES: dict[str, type[Walk]] = {"greedy": Greedy, "random": Random, "restart": Restart, "anneal": Anneal}
