"""On which scale a model learns losses: their own, or a logarithmic one where they span orders of magnitude.

A search that has fallen from thousands to 3.1 wants to know whether 3.0 is next. A model of the losses themselves
cannot tell: its spread is that of the thousands. So it learns

    s * log(1 + (loss - lowest) / s)

once the 80th percentile lies more than SPAN times as far above the lowest loss as the 10th, which is s: below s almost
the losses themselves, above it their logarithm (as others warp what they model: Snelson, Rasmussen & Ghahramani,
"Warped Gaussian Processes", 2003). Where the spread is less, a logarithm only takes away what tells good basins from
bad ones, and the losses are learned as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CLIP_PERCENTILE = 80.0
NEAR_PERCENTILE = 10.0
SPAN = 200.0
ABOVE_NOISE = 3.0  # sigmas of a reading that s has at least: what is nearer is luck


@dataclass(frozen=True, slots=True)
class Scale:
    """Losses above `clip` count as `clip`; `s` is infinite where losses are learned as they are."""

    clip: float
    lowest: float
    s: float

    @classmethod
    def of(cls, losses: Array, noise: float | None) -> Scale:
        """The scale for losses (N,), NaN for failures, at least one scored; `noise` is the sigma of one reading."""
        scored = losses[np.isfinite(losses)]
        clip, lowest = float(np.percentile(scored, CLIP_PERCENTILE)), float(scored.min())
        s = max(float(np.percentile(scored, NEAR_PERCENTILE)) - lowest, ABOVE_NOISE * (noise or 0.0))
        return cls(clip, lowest, s if 0.0 < SPAN * s < clip - lowest else np.inf)

    def clipped(self, losses: Array) -> Array:
        """Losses on this scale, clipped; a failure counts as a clipped loss."""
        return self.at(np.minimum(np.nan_to_num(losses, nan=np.inf), self.clip))

    def at(self, losses: Array) -> Array:
        """Losses on this scale. Below the lowest it goes on straight."""
        if self.s == np.inf:
            return losses
        gap = losses - self.lowest
        return np.where(gap > 0, self.s * np.log1p(np.maximum(gap, 0.0) / self.s), gap)

    def back(self, mean: Array, sigma: Array) -> tuple[Array, Array]:
        """A mean and a sigma on this scale as a loss and, to first order, its sigma."""
        if self.s == np.inf:
            return mean, sigma
        steep = np.exp(np.maximum(mean, 0.0) / self.s)
        return self.lowest + np.where(mean > 0, self.s * (steep - 1.0), mean), sigma * steep
