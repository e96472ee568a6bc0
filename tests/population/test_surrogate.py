from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from population.distance import SIGNATURE_SIZE, Metric
from population.scale import CLIP_PERCENTILE
from population.surrogate import (
    MAX_POINTS,
    Hyper,
    Observations,
    Surrogate,
    expected_improvement,
    newest_and_best,
)

METRIC = Metric((False, False, True))


def observations(n: int = 40, noise: float = 0.0, seed: int = 0, failures: int = 0) -> Observations:
    """A bowl in the first knob, a step for the choice, nothing in the second; some failures at the end."""
    rng = np.random.default_rng(seed)
    units = rng.random((n, 3), dtype=np.float32)
    units[:, 2] = rng.integers(0, 2, n)
    signs = np.zeros((n, SIGNATURE_SIZE), dtype=np.float32)
    signs[:, 0] = 1
    losses = truth(units) + noise * rng.standard_normal(n)
    if failures:
        losses[-failures:] = np.nan
    return Observations(units, signs, losses, rng.integers(1, 4, n).astype(float))


def truth(units: Any) -> Any:
    return 5 + 4 * (units[:, 0].astype(float) - 0.3) ** 2 + 0.5 * units[:, 2]


def fresh(n: int = 200) -> tuple[Any, Any]:
    data = observations(n, seed=99)
    return data.units, data.signatures


@pytest.mark.parametrize("signal", [1.0, 400.0])
def test_near_twins_without_noise_can_be_modelled(signal: float) -> None:
    """As late in a long search, where single precision cannot tell the best variants apart."""
    data = observations(MAX_POINTS)
    data.units[:] = 0.5 + (data.units - 0.5) * 1e-4
    data.counts[:] = 1e6
    model = Surrogate(METRIC, data, 1e-9, Hyper(np.ones(4), signal, 1e-9))
    mean, sigma = model.predict(data.units, data.signatures)
    assert np.isfinite(mean).all() and (sigma > 0).all()
    learned = Surrogate(METRIC, data, 1e-9).predict(data.units, data.signatures)
    assert np.isfinite(learned).all()


def test_the_gradient_of_the_marginal_likelihood_is_that_of_finite_differences(monkeypatch) -> None:
    caught: list[tuple[Callable[[Any], tuple[float, Any]], Any]] = []
    minimize = scipy.optimize.minimize

    def spy(objective, start, **how):
        caught.append((objective, start))
        return minimize(objective, start, **how)

    monkeypatch.setattr(scipy.optimize, "minimize", spy)
    found = Surrogate(METRIC, observations(25, noise=0.1, failures=2), 0.1).hyper
    objective, start = caught[0]
    rng = np.random.default_rng(3)
    learned = np.log([*found.weights, found.signal, found.noise])
    for theta in (start, learned, start + rng.normal(0, 0.7, len(start))):
        gradient = objective(theta)[1]
        for i in range(len(theta)):
            step = np.zeros(len(theta))
            step[i] = 1e-2
            slope = (objective(theta + step)[0] - objective(theta - step)[0]) / 2e-2
            assert gradient[i] == pytest.approx(slope, rel=0.02, abs=0.02)
    assert objective(learned)[0] < objective(start)[0]


def test_it_predicts_what_it_has_not_seen_and_knows_which_knobs_matter() -> None:
    units, signs = fresh()
    model = Surrogate(METRIC, observations(60, noise=0.02), 0.02)
    mean, sigma = model.predict(units, signs)
    expected = np.minimum(truth(units), np.percentile(truth(observations(60).units), CLIP_PERCENTILE))
    assert np.sqrt(np.mean((mean - expected) ** 2)) < 0.25 * expected.std()
    assert np.all(sigma > 0)
    matters, idle = model.hyper.weights[0], model.hyper.weights[1]
    assert matters > 3 * idle


def test_it_is_surer_where_it_has_looked() -> None:
    data = observations(30)
    model = Surrogate(METRIC, data, 0.01)
    seen = model.predict(data.units, data.signatures)[1]
    far = np.array([[0.5, 0.5, np.nan]], dtype=np.float32)
    elsewhere = np.zeros((1, SIGNATURE_SIZE), dtype=np.float32)
    assert model.predict(far, elsewhere)[1][0] > 2 * seen.max()


def test_more_readings_are_believed_more() -> None:
    data = observations(20)
    hyper = Hyper(np.full(4, 2.0), 1.0, 0.3)
    spike = data.losses.copy()
    spike[3] = data.losses.min() - 1
    few, many = (
        Surrogate(
            METRIC, Observations(data.units, data.signatures, spike, np.where(np.arange(20) == 3, n, 1.0)), 0.1, hyper
        )
        for n in (1.0, 50.0)
    )
    at = data.units[3:4], data.signatures[3:4]
    assert many.predict(*at)[0][0] < few.predict(*at)[0][0] - 0.1


def test_the_worst_are_clipped_and_failures_count_as_the_worst() -> None:
    data = observations(40, seed=4)
    hyper = Hyper(np.full(4, 1.0), 1.0, 0.01)
    awful = data.losses.copy()
    worst = awful > np.percentile(awful, 90)
    awful[worst] = 1e6
    failed = np.where(worst, np.nan, data.losses)
    units, signs = fresh(50)
    bad, plain, none = (
        Surrogate(METRIC, Observations(data.units, data.signatures, x, data.counts), 0.01, hyper).predict(units, signs)[
            0
        ]
        for x in (awful, data.losses, failed)
    )
    assert np.array_equal(bad, plain), "beyond the 80th percentile it does not matter how bad"
    clip = np.nanpercentile(failed, CLIP_PERCENTILE)
    assert np.isfinite(none).all() and none.max() < clip + 2 * (clip - np.nanmin(failed))
    at_failures = data.units[worst], data.signatures[worst]
    model = Surrogate(METRIC, Observations(data.units, data.signatures, failed, data.counts), 0.01, hyper)
    assert np.all(model.predict(*at_failures)[0] > np.nanmedian(failed))


def test_a_fit_is_a_pure_function() -> None:
    units, signs = fresh(20)
    one, two = (Surrogate(METRIC, observations(30, 0.05, failures=3), 0.05) for _ in range(2))
    assert np.array_equal(one.hyper.weights, two.hyper.weights)
    assert (one.hyper.signal, one.hyper.noise) == (two.hyper.signal, two.hyper.noise)
    before = one.predict(units, signs)
    assert all(np.array_equal(a, b) for a, b in zip(before, two.predict(units, signs), strict=True))


def test_kept_hyperparameters_give_the_model_they_were_learned_for() -> None:
    data, (units, signs) = observations(30, 0.05), fresh(20)
    learned = Surrogate(METRIC, data, 0.05)
    kept = Surrogate(METRIC, data, 0.05, learned.hyper)
    assert np.array_equal(learned.predict(units, signs), kept.predict(units, signs))


@pytest.mark.parametrize("scores", [[1.0, 1.0], [1.0, 1.0 + 1e-12], [1e9, 1e9 + 1], [-1e-9, 1e-9]])
def test_strange_losses_do_not_break_it(scores) -> None:
    data = observations(2)
    model = Surrogate(METRIC, Observations(data.units, data.signatures, np.array(scores), data.counts), None)
    mean, sigma = model.predict(*fresh(5))
    assert np.isfinite(mean).all() and np.isfinite(sigma).all()


def test_the_same_place_twice_does_not_break_it() -> None:
    data = observations(10)
    twice = Observations(*(np.concatenate([x, x]) for x in (data.units, data.signatures, data.losses, data.counts)))
    assert np.isfinite(Surrogate(METRIC, twice, 0.0).predict(*fresh(5))).all()


@given(st.floats(-3, 3), st.floats(0.01, 3), st.floats(-3, 3))
def test_expected_improvement_is_the_mean_of_improvements(mean, sigma, best) -> None:
    value = expected_improvement(np.array([mean]), np.array([sigma]), best)[0]
    z = (np.arange(4000) + 0.5) / 4000
    from scipy.special import ndtri

    by_hand = np.maximum(best - (mean + sigma * ndtri(z)), 0).mean()
    assert value == pytest.approx(by_hand, abs=0.01 * sigma)
    assert value >= max(0.0, best - mean) - 1e-9


@settings(max_examples=60)
@given(st.lists(st.floats(-5, 5) | st.just(np.nan), min_size=1, max_size=60), st.integers(3, 50))
def test_rows_worth_modelling(losses, limit) -> None:
    rows = newest_and_best(np.array(losses), limit)
    assert len(rows) == len({*rows.tolist()}) == min(limit, len(losses))
    assert rows.tolist() == sorted(rows.tolist())
    if len(losses) > limit:
        newest = set(range(len(losses) - limit // 3, len(losses)))
        assert newest <= {*rows.tolist()}
        left = [losses[i] for i in range(len(losses)) if i not in rows]
        old = [losses[i] for i in rows if i not in newest]
        worst = max((x for x in old if x == x), default=-np.inf)
        assert all(x != x or x >= worst for x in left), "nothing better was left out"
    assert MAX_POINTS >= 100
