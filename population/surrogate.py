"""A Gaussian process over variants: what an evaluation would probably say, before it is paid for.

    k(a, b) = s^2 * exp(-sum_k w_k d_k(a, b)^1.5)

with the parts d_k of `distance.Metric`. Powers up to 2 of such distances keep the kernel positive definite; 1.5 lies
between the roughness of 1, too wary on smooth landscapes, and the smoothness of 2, too bold on rugged ones.

The weights w_k, the signal s^2 and the noise are the maximum of the marginal likelihood under log-normal priors
(Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, ch. 5). The prior of the weights shrinks with
the number D of parts as D^-0.75, which is length scales growing with sqrt(D) (Hvarfner, Hellsten & Nardi, "Vanilla
Bayesian Optimization Performs Great in High Dimensions", 2024). Losses are clipped at their 80th
percentile and standardised: a bad variant is far from good, not infinitely far. A failure counts as a clipped loss.
Where they span orders of magnitude their logarithm is learned, see `scale`.

A fit is a pure function of the observations, so a resumed run fits the same model.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from population.distance import Floats, Metric
from population.scale import Array, Scale

MAX_POINTS = 300
_WEIGHT_PRIOR = (0.9, 1.5)  # w_k of one part, shrinking with their number; standard deviation of log w_k
_NOISE_PRIOR_SD = 1.0
_JITTER = 1e-6
_RAISES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)  # of the mean of the diagonal


@dataclass(frozen=True, slots=True)
class Observations:
    """What is known, one row per variant: where it stands and what it scored.

    Attributes:
        units: (N, K).
        signatures: (N, SIGNATURE_SIZE).
        losses: (N,) mean of the readings; NaN where every reading failed.
        counts: (N,) number of readings behind each.
    """

    units: Floats
    signatures: Floats
    losses: Array
    counts: Array


def newest_and_best(losses: Array, limit: int = MAX_POINTS) -> NDArray[np.int64]:
    """Rows worth modelling, at most `limit`, ascending: the best two thirds of it, and then the newest."""
    if len(losses) <= limit:
        return np.arange(len(losses))
    recent = np.arange(len(losses) - limit // 3, len(losses))
    older = np.nan_to_num(losses[: recent[0]], nan=np.inf)
    best = np.argsort(older, kind="stable")[: limit - len(recent)]
    return np.sort(np.concatenate([best, recent]))


@dataclass(frozen=True, slots=True)
class Hyper:
    """Learned hyperparameters in standardised loss units: weight per distance part, signal and noise variance."""

    weights: Array
    signal: float
    noise: float


class Surrogate:
    """A fitted model. Predictions are losses in their own units (lower is better)."""

    def __init__(self, metric: Metric, data: Observations, noise: float | None, hyper: Hyper | None = None) -> None:
        """Fit to `data` (at least two scored rows).

        Args:
            metric: the distance.
            data: see `Observations`. Cost grows with the cube of its rows: see `newest_and_best`.
            noise: standard deviation of one reading if it has been measured.
            hyper: hyperparameters to keep; None learns them.
        """
        self._metric = metric
        self._units, self._signatures = data.units, data.signatures
        self._on = Scale.of(data.losses, noise)
        losses = self._on.clipped(data.losses)
        self._centre, self._scale = float(losses.mean()), float(losses.std()) or 1.0
        target = (losses - self._centre) / self._scale
        if hyper is None:
            parts = _raised(metric.parts(data.units, data.signatures, data.units, data.signatures))
            flat = np.ascontiguousarray(parts.reshape(-1, parts.shape[-1]).T)
            guess = 0.1 if noise is None else max(noise / self._scale, 1e-3) ** 2
            hyper = _learn(flat, target, data.counts, guess)
        self.hyper = hyper
        kernel = self._kernel(data.units, data.signatures)
        self._root = _cholesky(kernel + np.diag(hyper.noise / data.counts + _JITTER))
        self._alpha = _solve(self._root, target)
        self._best = float((kernel @ self._alpha).min()) * self._scale + self._centre

    def predict(self, units: Floats, signatures: Floats) -> tuple[Array, Array]:
        """Posterior mean and standard deviation of the true loss of M variants: two (M,) arrays.

        Where the model learns a logarithm, the first is the loss of the mean, and the second holds to first order.
        """
        return self._on.back(*self._posterior(units, signatures))

    def improvement(self, units: Floats, signatures: Floats, best: float | None = None) -> Array:
        """Expected improvement of M variants on `best`, a loss: (M,), on the scale on which the model learns.

        None stands for the lowest posterior mean among the observed.
        """
        target = self._best if best is None else float(self._on.at(np.array(best)))
        return expected_improvement(*self._posterior(units, signatures), target)

    def _posterior(self, units: Floats, signatures: Floats) -> tuple[Array, Array]:
        cross = self._kernel(units, signatures)
        mean = cross @ self._alpha
        variance = np.maximum(self.hyper.signal - (_forward(self._root, cross.T) ** 2).sum(axis=0), 1e-12)
        return mean * self._scale + self._centre, np.sqrt(variance) * self._scale

    @property
    def _weights(self) -> Floats:
        return self.hyper.weights.astype(np.float32)

    def _kernel(self, units: Floats, signatures: Floats) -> Array:
        """Covariance with all that is known: (M, N)."""
        exponent = self._metric.weighted(self._weights, units, signatures, self._units, self._signatures)
        return self.hyper.signal * _decay(exponent)


def expected_improvement(mean: Array, sigma: Array, best: float) -> Array:
    """`E[max(best - loss, 0)]` for a normal posterior (Mockus 1975; Jones et al. 1998), in loss units."""
    from scipy.special import ndtr

    z = (best - mean) / sigma
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return cast(Array, (best - mean) * ndtr(z) + sigma * density)


def _decay(exponent: Floats) -> Array:
    return np.exp(-exponent).astype(np.float64)


def _forward(root: Array, right: Array) -> Array:
    from scipy.linalg import solve_triangular

    return cast(Array, solve_triangular(root, right, lower=True, check_finite=False))


def _raised(parts: Floats) -> Floats:
    """`d^1.5`, several times faster than by `**`."""
    return parts * np.sqrt(parts)


def _learn(parts: Floats, target: Array, counts: Array, noise_guess: float) -> Hyper:
    from scipy.optimize import minimize

    knobs, size = len(parts), len(target)
    typical = np.log(_WEIGHT_PRIOR[0] * knobs**-0.75)
    centre = np.concatenate([np.full(knobs, typical), [0.0, np.log(noise_guess)]])
    spread = np.concatenate([np.full(knobs, _WEIGHT_PRIOR[1]), [1.0, _NOISE_PRIOR_SD]])
    diagonal = np.diag(1.0 / counts)

    def objective(theta: Array) -> tuple[float, Array]:
        weights, signal, noise = np.exp(theta[:-2]), np.exp(theta[-2]), np.exp(theta[-1])
        smooth = signal * np.exp(-(weights.astype(np.float32) @ parts)).reshape(size, size).astype(np.float64)
        root = _cholesky(smooth + noise * diagonal + _JITTER * np.eye(size))
        alpha = _solve(root, target)
        slope = _solve(root, np.eye(size)) - np.outer(alpha, alpha)
        weighted = slope * smooth
        gradient = np.empty_like(theta)
        gradient[:-2] = -0.5 * weights * (parts @ weighted.ravel().astype(np.float32))
        gradient[-2] = 0.5 * weighted.sum()
        gradient[-1] = 0.5 * noise * (slope * diagonal).sum()
        z = (theta - centre) / spread
        value = 0.5 * target @ alpha + np.log(np.diag(root)).sum() + 0.5 * z @ z
        return float(value), gradient + z / spread

    found = minimize(
        objective, centre, jac=True, method="L-BFGS-B", bounds=[(-9.0, 6.0)] * len(centre), options={"maxiter": 40}
    )
    return Hyper(np.exp(found.x[:-2]), float(np.exp(found.x[-2])), float(np.exp(found.x[-1])))


def _cholesky(matrix: Array) -> Array:
    """The lower root. Late in a long search near twins without noise leave nothing that single precision tells apart.

    Then the diagonal is raised, by as little as does (as GPyTorch's `psd_safe_cholesky`).
    """
    from scipy.linalg import LinAlgError, cholesky

    whole = np.diag(np.full(len(matrix), matrix.diagonal().mean()))
    for part in _RAISES:
        with suppress(LinAlgError):
            return cast(Array, cholesky(matrix + part * whole if part else matrix, lower=True, check_finite=False))
    raise LinAlgError("a covariance is not positive, however much its diagonal is raised")


def _solve(root: Array, right: Array) -> Array:
    from scipy.linalg import cho_solve

    solved: Array = cho_solve((root, True), right, check_finite=False)
    return solved
