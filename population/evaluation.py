"""What a judge said about a variant, and what we believe after hearing it.

Direction lives here and nowhere else: a judge reports scores in the user's units, `Goal` turns them into losses,
and everything that searches sees losses only (lower is better).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct


class Status(StrEnum):
    """How an evaluation ended. Only `OK` carries a score; the others are facts about the candidate, not errors."""

    OK = "ok"
    INVALID = "invalid"  # it ran, and its answer breaks the contract (NaN, short, a gate or a constraint failed)
    CRASHED = "crashed"  # its process ended with an error
    TIMEOUT = "timeout"  # killed by the harness's clock
    MEMORY = "memory"  # it ran out of memory, or was killed for using more than its share
    PRUNED = "pruned"  # stopped early as hopeless
    REFUSED = "refused"  # the judge declined to judge it


class Goal(StrEnum):
    """Which way a metric improves."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def loss(self, score: float) -> float:
        """A score in the user's units as a loss (lower is better). Its own inverse."""
        return score if self is Goal.MINIMIZE else -score

    @property
    def better(self) -> str:
        """Which scores are better, in a word: `lower` or `higher`."""
        return "lower" if self is Goal.MINIMIZE else "higher"


class Evaluation(Struct, frozen=True):
    """One reading of one variant by one judge.

    Attributes:
        variant: the variant's id.
        judge: the judge's name.
        status: see `Status`.
        score: the metric in the user's units; finite if and only if `status` is OK, otherwise None.
        metrics: every other number the judge read, finite values only.
        feedback: what the next proposal may see; untrusted text, already capped by the judge.
        seconds: wall-clock seconds.
        cost: dollars spent by the judge; 0 for local work, None if unknown.
        seed: the seed the judge was given.
        fidelity: share of a full evaluation that was run, in (0, 1].

    Raises:
        ValueError: if score and status disagree.
    """

    variant: str
    judge: str
    status: Status
    score: float | None = None
    metrics: Mapping[str, float] = {}
    feedback: str = ""
    seconds: float = 0.0
    cost: float | None = 0.0
    seed: int = 0
    fidelity: float = 1.0

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != (self.score is not None and math.isfinite(self.score)):
            raise ValueError(f"an evaluation that is {self.status.value} cannot have score {self.score!r}")

    @property
    def ok(self) -> bool:
        """Whether there is a score."""
        return self.status is Status.OK


class Estimate(Struct, frozen=True):
    """What we believe about a variant's true loss.

    Attributes:
        mean: expected loss (lower is better).
        sigma: standard error of `mean`; inf when nothing is known.
        n: number of readings behind it.
    """

    mean: float
    sigma: float
    n: int

    @staticmethod
    def of(readings: Sequence[float], noise: float) -> Estimate:
        """Mean of `readings` (losses), each with standard deviation `noise`; no readings give (inf, inf, 0)."""
        n = len(readings)
        return Estimate(math.fsum(readings) / n, noise / math.sqrt(n), n) if n else UNKNOWN


UNKNOWN = Estimate(math.inf, math.inf, 0)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is believed of a challenger before it is read, and how sure one must be to replace an incumbent.

    Attributes:
        mean: of challenger minus incumbent, in loss units; above 0, most challengers are worse.
        sigma: standard deviation of the same.
        accept: P(the challenger is better) from which on it replaces the incumbent.
        give_up: the probability from which down it is not read again.
    """

    mean: float
    sigma: float
    accept: float
    give_up: float

    def better(self, lead: float, error: float) -> float:
        """P(the challenger is better), given that it was read `lead` below the incumbent with a standard error."""
        if not error:
            return float(lead > 0)
        weights = 1 / error**2, 1 / self.sigma**2
        mean = (lead * weights[0] - self.mean * weights[1]) / sum(weights)
        return 0.5 * (1 + math.erf(mean * math.sqrt(sum(weights) / 2)))


def upper_bound(spread: float, freedom: int, confidence: float) -> float:
    """Of the standard deviation behind a sum of squares with `freedom` degrees of freedom (chi-squared bound)."""
    from scipy.special import gammaincinv

    return math.sqrt(spread / (2.0 * float(gammaincinv(freedom / 2.0, 1.0 - confidence))))
