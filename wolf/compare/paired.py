"""What paired runs say about two ways to search: the statistics of `wolf compare`.

All values are gains or scores of runs that share their seed, so a comparison looks at the differences within the pairs.
The interval is Student's, and P(better) is what the same distribution says of gains above zero; p is the two-sided
sign-flip permutation test (Fisher 1935), exact up to 14 pairs; and families of tests are corrected by Holm (1979).
Everything is deterministic. How often each is right: `benchmarks/calibration.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from wolf.confirm import standard_error

EXACT = 14  # pairs whose 2^n sign flips are all looked at
SAMPLES = 20_000  # of the sign flips of more pairs
ROUNDING = 1e-9  # of the size of the values: differences below are ties


@dataclass(frozen=True, slots=True)
class Comparison:
    """One way to search against another, over pairs.

    Attributes:
        gain: mean difference within the pairs; positive is better.
        low: lower end of its 95 % interval.
        high: upper end.
        wins: pairs that it wins; `ties` count in neither direction.
        ties: pairs without a difference.
        pairs: all of them.
        better: probability that its mean is the better one.
        p: that a difference of this size comes from chance alone.
    """

    gain: float
    low: float
    high: float
    wins: int
    ties: int
    pairs: int
    better: float
    p: float


def compare(ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Paired losses (lower is better) of two ways to search; two pairs at least."""
    scale = max(map(abs, (*ours, *theirs)), default=0.0)
    gains = [b - a if abs(b - a) > ROUNDING * scale else 0.0 for a, b in zip(ours, theirs, strict=True)]
    low, high = interval(gains)
    return Comparison(
        gain=fmean(gains), low=low, high=high, wins=sum(gain > 0 for gain in gains),
        ties=sum(gain == 0 for gain in gains), pairs=len(gains), better=probability(gains), p=sign_flips(gains),
    )  # fmt: skip


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean; unbounded for a single value."""
    if len(values) < 2:
        return -math.inf, math.inf
    from scipy.special import stdtrit

    mean = fmean(values)
    reach = float(stdtrit(len(values) - 1, 0.975)) * standard_error(values)
    return mean - reach, mean + reach


def probability(gains: Sequence[float]) -> float:
    """P(the mean gain is above zero), Student's posterior under a flat prior (Box & Tiao 1973); a half if unknown.

    It is above 0.975 exactly where the 95 % interval lies above zero. Gains that do not vary at all leave no doubt.
    """
    from scipy.special import stdtr

    mean, error = fmean(gains), standard_error(gains)
    if not error or mean == 0:
        return (mean > 0) + (mean == 0) / 2
    return float(stdtr(len(gains) - 1, mean / error)) if math.isfinite(error) else 0.5


def sign_flips(gains: Sequence[float]) -> float:
    """Two-sided p: how often random signs make the mean gain as large as it is; exact for few pairs."""
    count, values = len(gains), np.asarray(gains)
    if count <= EXACT:
        signs = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    else:
        signs = np.random.default_rng(0).choice((-1.0, 1.0), (SAMPLES, count))
        signs[0] = 1.0  # the signs that were seen are one of the possibilities
    sums = np.abs(signs @ values)
    return float((sums >= abs(values.sum()) * (1 - ROUNDING)).mean())


def holm(ps: Sequence[float]) -> list[float]:
    """The p values corrected for their number, in the same order (Holm 1979)."""
    corrected, floor = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        floor = max(floor, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = floor
    return corrected
