from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from population.distance import SIGNATURE_SIZE, Metric
from population.scale import CLIP_PERCENTILE, NEAR_PERCENTILE, SPAN, Scale
from population.surrogate import Observations, Surrogate


def falls(n: int = 80, steep: float = 10.0) -> Observations:
    """A search that has fallen by orders of magnitude: the nearer to 0.3, the more often looked at."""
    rng = np.random.default_rng(3)
    units = np.full((n, 1), 0.3, dtype=np.float32)
    units[:, 0] += np.concatenate([rng.uniform(-0.3, 0.7, n // 2), rng.normal(0.0, 0.02, n - n // 2)]).astype(
        np.float32
    )
    losses = np.expm1(steep * np.abs(units[:, 0].astype(float) - 0.3)) + 3.0
    return Observations(units, np.zeros((n, SIGNATURE_SIZE), dtype=np.float32), losses, np.ones(n))


def test_losses_of_one_order_of_magnitude_are_learned_as_they_are() -> None:
    losses = np.linspace(1.0, 3.0, 30)
    scale = Scale.of(losses, None)
    assert np.array_equal(scale.at(losses), losses) and scale.s == np.inf
    assert scale.clipped(np.array([0.5, np.nan, 9.0])).tolist() == [0.5, scale.clip, scale.clip]
    mean, sigma = np.array([2.0]), np.array([0.1])
    assert scale.back(mean, sigma) == (mean, sigma)


def test_losses_without_any_spread_are_learned_as_they_are() -> None:
    assert Scale.of(np.full(9, 2.0), 0.0).s == np.inf
    assert Scale.of(np.array([1.0] * 5 + [1e6] * 5), 0.0).s == np.inf  # nothing says what is near


@given(st.lists(st.floats(0.0, 1e6), min_size=5, max_size=60), st.floats(0.0, 10.0))
def test_it_takes_orders_of_magnitude_between_the_near_and_the_far_beyond_the_noise(
    losses: list[float], noise: float
) -> None:
    values = np.array(losses)
    near, far = np.percentile(values, [NEAR_PERCENTILE, CLIP_PERCENTILE]) - values.min()
    s = max(near, 3 * noise)
    assert (Scale.of(values, noise).s < np.inf) == (0 < SPAN * s < far)


@given(st.lists(st.floats(-50.0, 1e5), min_size=1, max_size=20))
def test_a_logarithm_keeps_the_order_and_can_be_undone(losses: list[float]) -> None:
    scale, values = Scale(clip=1e5, lowest=3.0, s=2.0), np.sort(np.array(losses))
    at = scale.at(values)
    assert np.all(np.diff(at) >= 0)
    assert scale.back(at, np.ones_like(at))[0] == pytest.approx(values, rel=1e-6, abs=1e-6)


def test_near_the_best_a_model_of_the_logarithm_knows_small_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    data, at = falls(), np.linspace(0.25, 0.35, 21, dtype=np.float32)[:, None]
    truth = np.expm1(10 * np.abs(at[:, 0].astype(float) - 0.3)) + 3.0
    signatures = np.zeros((len(at), SIGNATURE_SIZE), dtype=np.float32)
    model = Surrogate(Metric((False,)), data, 0.0)
    mean, sigma = model.predict(at, signatures)
    assert data.losses.max() > 500 and np.abs(mean - truth).max() < 0.2
    assert abs(float(at[model.improvement(at, signatures).argmax(), 0]) - 0.3) < 0.02
    monkeypatch.setattr("population.scale.SPAN", np.inf)
    assert np.all(Surrogate(Metric((False,)), data, 0.0).predict(at, signatures)[1] > 2 * sigma)
