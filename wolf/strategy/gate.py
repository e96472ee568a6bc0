"""The noise gate: what counts as better.

The *incumbent* is where the search stands; it may move on a hunch. The *champion* is a claim: it changes only when the
difference is far beyond the noise. A contender whose lead could be luck is read again on another seed first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from population.evaluation import Estimate
from population.pool import Population

CROWNING_Z = 3.1  # one-sided p = 0.001: of 1,000 changes without effect one may be crowned
READINGS = 3  # a contender is read this often before it is left alone
LASTING = 4  # evaluations that an incumbent must have held before it is read again
INTERVAL_Z = 1.96


@dataclass(frozen=True, slots=True)
class Crowning:
    """A new champion. `gain` is its lead in loss units (positive is better) with its 95 % interval."""

    variant: str
    previous: str
    estimate: Estimate
    gain: float
    low: float
    high: float


def lead(challenger: Estimate, holder: Estimate) -> tuple[float, float]:
    """How far the challenger's mean lies below the holder's, and the standard error of that difference."""
    return holder.mean - challenger.mean, math.hypot(challenger.sigma, holder.sigma)


class NoiseGate:
    """Holds the champion."""

    def __init__(self, enabled: bool = True) -> None:
        """`enabled=False` is the ablation: the best mean reading is champion at once and nothing is repeated."""
        self._enabled = enabled
        self._incumbent: str | None = None
        self._held = 0  # evaluations since it became the incumbent
        self._weighed: tuple[str | None, str | None, float | None] = None, None, None  # incumbent, champion, noise
        self.champion: str | None = None

    def told(self, population: Population, variant: str) -> Crowning | None:
        """Judge the claim of the variant that was just read, or of the incumbent."""
        incumbent, champion = population.incumbent, self.champion
        self._held = self._held + 1 if incumbent == self._incumbent else 0
        self._incumbent = incumbent
        weighed, self._weighed = self._weighed, (incumbent, champion, population.noise)
        again = self._weighed != weighed or variant in weighed  # else the incumbent's claim is what it was
        best = population.loss(champion) if champion else math.inf
        for claimant in (variant, incumbent) if again and incumbent != variant else (variant,):
            if claimant is None or not population.loss(claimant) < best or population.barred(claimant):
                continue
            if champion is None:
                self.champion = claimant
                return None
            estimate, holder = population.estimate(claimant), population.estimate(champion)
            if self._deserves(estimate, holder, population.noise):
                return self._crown(claimant, estimate, holder)
        return None

    def steered(self, population: Population) -> None:
        """A person has intervened: a champion that is barred now hands its title to the incumbent."""
        self._weighed = None, None, None
        if self.champion is not None and population.barred(self.champion):
            self.champion = population.incumbent

    def contender(self, population: Population) -> str | None:
        """Whom to read again: an incumbent that lasts, while its lead could be luck, up to READINGS times.

        Where the judge has doubts, a challenger that leads without replacing the incumbent comes first.

        One that has only just come is left alone: while gains come fast, the next one replaces it anyway.
        """
        challenger = population.challenger if self._enabled else None
        if challenger is not None and population.estimate(challenger).n < READINGS:
            return challenger
        incumbent = population.incumbent
        if not self._enabled or incumbent is None or population.noise == 0.0 or incumbent == self.champion:
            return None
        if self._held < LASTING:
            return None
        return incumbent if population.estimate(incumbent).n < READINGS else None

    def _deserves(self, estimate: Estimate, holder: Estimate, noise: float | None) -> bool:
        gain, error = lead(estimate, holder)
        return gain > CROWNING_Z * error and noise is not None if self._enabled else gain > 0.0

    def _crown(self, claimant: str, estimate: Estimate, holder: Estimate) -> Crowning:
        gain, error = lead(estimate, holder)
        previous, self.champion = self.champion or "", claimant
        return Crowning(claimant, previous, estimate, gain, gain - INTERVAL_Z * error, gain + INTERVAL_Z * error)
