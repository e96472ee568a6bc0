"""The honest figure: champion and seed on fresh seeds, after the search, and what the difference is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True)
class Gain:
    """A difference in loss units, positive is better, with its 95 % interval."""

    mean: float
    low: float
    high: float


def standard_error(readings: Sequence[float]) -> float:
    """Of the mean of independent readings; inf for fewer than two."""
    return stdev(readings) / math.sqrt(len(readings)) if len(readings) > 1 else math.inf


def gain(seed: Sequence[float], champion: Sequence[float]) -> Gain | None:
    """How far the champion's losses lie below the seed's: Welch's t interval (Welch 1947).

    Readings that do not vary at all give an interval of no width. None if either side has fewer than two readings.
    """
    if len(seed) < 2 or len(champion) < 2:
        return None
    from scipy.special import stdtrit

    mean = fmean(seed) - fmean(champion)
    parts = [standard_error(side) ** 2 for side in (seed, champion)]
    if not sum(parts):
        return Gain(mean, mean, mean)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (seed, champion), strict=True)
    )
    reach = float(stdtrit(freedom, 0.975)) * math.sqrt(sum(parts))
    return Gain(mean, mean - reach, mean + reach)
