"""The honest figure: champion and seed on fresh seeds, after the search, and what the difference is worth.

A finished run may be opened again. Each of its ends reads seeds of its own, which nobody has seen before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from population.evaluation import Evaluation, Goal
from population.variant import Variant
from wolf.strategy.asks import Ask, Purpose
from wolf.streams import judge_seed


class Confirmation:
    """Which readings on fresh seeds are to be taken, and what they were.

    Attributes:
        count: fresh seeds, the same for all variants.
        end: which end of the run this is, from 1.
    """

    def __init__(self, seed: int, count: int, goal: Goal, end: int = 1, before: int = 0) -> None:
        """`seed` is the run's; `before` says how many readings were asked for at earlier ends."""
        self.count = count
        self.end = end
        self._seed = seed
        self._seeds = [judge_seed(seed, number, "fresh") for number in range(count * (end - 1), count * end)]
        self._before = before
        self._goal = goal
        self._asked: set[tuple[str, int]] = set()  # variant and seed
        self._losses: dict[str, list[float]] = {}

    @property
    def begun(self) -> bool:
        """Whether any has been asked for."""
        return bool(self._asked)

    @property
    def readings(self) -> int:
        """How many were asked for at this end and at all before it; they count for no budget."""
        return self._before + len(self._asked)

    def again(self) -> Confirmation:
        """That of the next end, on other seeds."""
        return Confirmation(self._seed, self.count, self._goal, self.end + 1, self.readings)

    def asks(self, ordinal: int, variants: Sequence[Variant]) -> list[Ask]:
        """All readings of `variants` that were not asked for yet; `ordinal` is the first one's."""
        pairs = [(variant, seed) for seed in self._seeds for variant in variants]
        left = [(variant, seed) for variant, seed in pairs if (variant.id, seed) not in self._asked]
        return [Ask(ordinal + i, variant, seed, Purpose.CONFIRM) for i, (variant, seed) in enumerate(left)]

    def asked(self, ask: Ask) -> None:
        """One is under way."""
        self._asked.add((ask.variant.id, ask.seed))

    def told(self, ask: Ask, evaluation: Evaluation) -> None:
        """It is here."""
        if evaluation.score is not None:
            self._losses.setdefault(ask.variant.id, []).append(self._goal.loss(evaluation.score))

    def losses(self, variant: str) -> list[float]:
        """What came of a variant's readings, without those that failed."""
        return self._losses.get(variant, [])


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
