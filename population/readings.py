"""What was read of each variant, by its number: a few bytes each, for there may be a hundred thousand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from population.evaluation import UNKNOWN, Estimate, upper_bound

NOISE_CONFIDENCE = 0.75  # noise is taken at this upper bound: two lucky replicates must not look like silence


class Readings:
    """Losses and how many readings are behind each.

    Attributes:
        means: (at least as many as there are,) the mean of a variant's readings and what votes add to it; NaN before
            the first.
        counts: how many readings that is, 1 at least.
        noise: standard deviation of one reading, pooled over all that were repeated, at an upper confidence bound; None
            before the first repeat.
    """

    def __init__(self) -> None:
        """Of nobody."""
        self.means = np.empty(64)
        self.counts = np.empty(64)
        self.noise: float | None = None
        self._size = 0
        self._several: dict[int, list[float]] = {}  # of those that were read more than once, or are swayed
        self._sways: dict[int, float] = {}
        self._spread, self._freedom = 0.0, 0  # sum of squares within the variants, and its degrees of freedom

    def add(self) -> None:
        """One more variant, without a reading."""
        if self._size == len(self.means):
            self.means = np.concatenate([self.means, np.empty_like(self.means)])
            self.counts = np.concatenate([self.counts, np.empty_like(self.counts)])
        self.means[self._size] = np.nan
        self.counts[self._size] = 1.0
        self._size += 1

    def of(self, index: int) -> Sequence[float]:
        """All readings of one variant."""
        if index in self._several:
            return self._several[index]
        only = self.means.item(index)
        return () if math.isnan(only) else (only,)

    def estimate(self, index: int) -> Estimate:
        """What they, and votes, say of a variant."""
        if math.isnan(mean := self.means.item(index)):
            return UNKNOWN
        n = int(self.counts.item(index))
        return Estimate(mean, (self.noise or 0.0) / math.sqrt(n), n)

    def bounds(self, indices: Sequence[int]) -> NDArray[np.float64]:
        """`mean + sigma` of the estimates of some."""
        found: NDArray[np.float64] = self.means[indices] + (self.noise or 0.0) / np.sqrt(self.counts[indices])
        return found

    def read(self, index: int, loss: float) -> int:
        """One more reading of a variant; returns how many that makes."""
        if before := self.of(index):
            self._pool(before, loss)
            self._several[index] = [*before, loss]
            self._settle(index)
        else:
            self.means[index] = loss + self._sways.get(index, 0.0)
            if index in self._sways:
                self._several[index] = [loss]
        return len(before) + 1

    def sway(self, index: int, shift: float) -> None:
        """Votes move a variant by so much against its readings, instead of by what they did before."""
        self._several[index], self._sways[index] = [*self.of(index)], shift
        self._settle(index)

    def _pool(self, before: Sequence[float], loss: float) -> None:
        """A repeat tells of the noise, by Welford's update."""
        n = len(before)
        self._spread += (loss - math.fsum(before) / n) ** 2 * n / (n + 1)
        self._freedom += 1
        self.noise = upper_bound(self._spread, self._freedom, NOISE_CONFIDENCE)

    def _settle(self, index: int) -> None:
        readings = self._several[index]
        if readings:
            self.means[index] = math.fsum(readings) / len(readings) + self._sways.get(index, 0.0)
            self.counts[index] = len(readings)
