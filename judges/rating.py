"""Ratings with uncertainty from ballots: Plackett-Luce, of which Bradley-Terry is the case of two.

At every stage of a ranking the best of those that are left is taken: P(i) = softmax over them of

    s_j (theta_i + gamma . x_i) + delta_j position_i

theta: ratings in log odds, normal priors; s_j: how much judge j is trusted; gamma: what style (length) earns,
estimated with the rest and so not part of theta; delta_j: what judge j gives for being shown first, position from 1/2
(first) to -1/2 (last). MAP by Newton's method, covariance by Laplace (Plackett 1975; Bradley and Terry 1952).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POSITION_VARIANCE = 1.0
STYLE_VARIANCE = 0.25
DRAWS = 4000  # for P(best)


@dataclass(frozen=True, slots=True)
class Ballot:
    """One judge's ranking of two or more texts.

    Attributes:
        judge: who.
        shown: the texts in the order in which they were shown.
        ranking: the same texts, best first.

    Raises:
        ValueError: if the two do not hold the same texts, each once.
    """

    judge: str
    shown: tuple[str, ...]
    ranking: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.shown) < 2 or len(set(self.shown)) < len(self.shown) or sorted(self.shown) != sorted(self.ranking):
            raise ValueError(f"a ballot ranks what it shows, each text once: {self.ranking} of {self.shown}")


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of a text before any vote."""

    mean: float = 0.0
    sigma: float = 1.0


@dataclass(frozen=True, slots=True)
class Ratings:
    """The posterior.

    Attributes:
        texts: whom it is about, in the order of `mean`.
        mean: ratings in log odds, higher is better.
        covariance: of them.
        position: per judge, log odds for being shown first.
        style: log odds per unit of each style covariate.
        votes: per text, on how many ballots it stood.
    """

    texts: tuple[str, ...]
    mean: Floats
    covariance: Floats
    position: Mapping[str, float]
    style: Floats
    votes: Mapping[str, int]

    def rating(self, text: str) -> tuple[float, float]:
        """A text's rating and its standard error."""
        i = self.texts.index(text)
        return float(self.mean[i]), math.sqrt(float(self.covariance[i, i]))

    def beats(self, one: str, other: str) -> float:
        """P(one is truly better than other)."""
        i, j = self.texts.index(one), self.texts.index(other)
        lead = float(self.mean[i] - self.mean[j])
        variance = float(self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j])
        return 0.5 * (1 + math.erf(lead / math.sqrt(2 * max(variance, 1e-12))))

    def best(self, among: Sequence[str] | None = None) -> dict[str, float]:
        """Per text, the probability that it is truly the best of all, or of those `among` them."""
        names = [*(self.texts if among is None else among)]
        rows = [self.texts.index(name) for name in names]
        covariance = self.covariance[np.ix_(rows, rows)]
        draws = np.random.default_rng(0).multivariate_normal(self.mean[rows], covariance, DRAWS, method="eigh")
        wins = np.bincount(draws.argmax(1), minlength=len(names)) / DRAWS
        return dict(zip(names, (float(win) for win in wins), strict=True))


@dataclass(frozen=True, slots=True)
class Electorate:
    """Who votes, and what is known before the first vote.

    Attributes:
        trust: per judge, the factor s_j; 1 for those not named, 0 ignores a judge.
        style: per text, covariates whose effect is taken out; () for none.
        priors: per text; `Prior()` for those not named.
    """

    trust: Mapping[str, float] = field(default_factory=dict)
    style: Mapping[str, Sequence[float]] = field(default_factory=dict)
    priors: Mapping[str, Prior] = field(default_factory=dict)


def rate(texts: Sequence[str], ballots: Sequence[Ballot], known: Electorate | None = None) -> Ratings:
    """The ratings of `texts` that `ballots` (of these texts only) support."""
    known = known or Electorate()
    index = {text: i for i, text in enumerate(texts)}
    judges = sorted({ballot.judge for ballot in ballots})
    width = len(next(iter(known.style.values()), ()))
    n, size = len(texts), len(texts) + width + len(judges)
    priors = [known.priors.get(text, Prior()) for text in texts]
    mean = np.array([prior.mean for prior in priors] + [0.0] * (size - n))
    variances = [prior.sigma**2 for prior in priors] + [STYLE_VARIANCE] * width + [POSITION_VARIANCE] * len(judges)
    precision = 1.0 / np.array(variances)

    rows = np.zeros((sum(len(ballot.ranking) for ballot in ballots) + 1, size))  # the last stays empty
    widest = max((len(ballot.ranking) for ballot in ballots), default=1)
    stages: list[list[int]] = []  # of each stage: the row of the text taken, then those that were left
    row = 0
    for ballot in ballots:
        trust, end = known.trust.get(ballot.judge, 1.0), row + len(ballot.ranking)
        for text in ballot.ranking:
            rows[row, index[text]] = trust
            rows[row, n : n + width] = trust * np.asarray(known.style.get(text, [0.0] * width))
            rows[row, n + width + judges.index(ballot.judge)] = 0.5 - ballot.shown.index(text) / (len(ballot.shown) - 1)
            if row < end - 1:
                left = [*range(row, end)]
                stages.append(left + [len(rows) - 1] * (widest - len(left)))
            row += 1
    places = np.array(stages, dtype=int).reshape(-1, widest)
    parts, there = rows[places], places < len(rows) - 1
    flat = parts.reshape(-1, size)

    found, hessian = mean.copy(), np.diag(precision)
    for _ in range(50):
        utility = np.where(there, parts @ found, -np.inf)
        share = np.exp(utility - utility.max(1, keepdims=True, initial=-1e300))
        share /= share.sum(1, keepdims=True)
        middle = (share[..., None] * parts).sum(1)
        gradient = (parts[:, 0] - middle).sum(0) - precision * (found - mean)
        hessian = (share.reshape(-1, 1) * flat).T @ flat - middle.T @ middle + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        found += step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    covariance = np.asarray(np.linalg.inv(hessian), dtype=np.float64)
    votes = {text: sum(text in ballot.shown for ballot in ballots) for text in texts}
    position = dict(zip(judges, (float(value) for value in found[n + width :]), strict=True))
    return Ratings(tuple(texts), found[:n], covariance[:n, :n], position, found[n : n + width], votes)
