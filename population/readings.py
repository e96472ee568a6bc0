"""What was read of each variant, by its number: a few bytes each, for there may be a hundred thousand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


class Readings:
    """Losses and how many readings are behind each.

    Attributes:
        means: (at least as many as there are,) the mean of a variant's readings and what votes add to it; NaN before
            the first.
        counts: how many readings that is, 1 at least.
    """

    def __init__(self) -> None:
        """Of nobody."""
        self.means = np.empty(64)
        self.counts = np.empty(64)
        self._size = 0
        self._several: dict[int, list[float]] = {}  # of those that were read more than once, or are swayed
        self._sways: dict[int, float] = {}

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

    def read(self, index: int, loss: float) -> None:
        """One more reading of a variant."""
        if before := self.of(index):
            self._several[index] = [*before, loss]
            self._settle(index)
        else:
            self.means[index] = loss + self._sways.get(index, 0.0)
            if index in self._sways:
                self._several[index] = [loss]

    def sway(self, index: int, shift: float) -> None:
        """Votes move a variant by so much against its readings, instead of by what they did before."""
        self._several[index], self._sways[index] = [*self.of(index)], shift
        self._settle(index)

    def swayed(self, index: int) -> float:
        """By how much votes have moved a variant."""
        return self._sways.get(index, 0.0)

    def _settle(self, index: int) -> None:
        readings = self._several[index]
        if readings:
            self.means[index] = math.fsum(readings) / len(readings) + self.swayed(index)
            self.counts[index] = len(readings)
