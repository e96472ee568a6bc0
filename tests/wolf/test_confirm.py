from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolf.confirm import gain, standard_error

readings = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=8)


def test_the_interval_is_welchs() -> None:
    from scipy.stats import ttest_ind

    seed, champion = [3.1, 3.3, 3.2, 3.6], [2.9, 3.0, 2.8]
    found = gain(seed, champion)
    low, high = ttest_ind(seed, champion, equal_var=False).confidence_interval()
    assert found.mean == pytest.approx(3.3 - 2.9)
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("sides", [([], []), ([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0], [1.0, 2.0])])
def test_one_reading_is_no_interval(sides) -> None:
    assert gain(*sides) is None


def test_readings_that_do_not_vary_give_one_without_width() -> None:
    found = gain([2.0, 2.0], [1.5, 1.5])
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)


def test_one_side_that_does_not_vary_is_no_trouble() -> None:
    found = gain([2.0, 2.0, 2.0], [1.4, 1.5, 1.6])
    assert found.low < found.mean < found.high < math.inf


@given(readings, readings)
def test_to_swap_sides_is_to_turn_the_sign(a, b) -> None:
    there, back = gain(a, b), gain(b, a)
    assert there.low <= there.mean <= there.high
    assert (back.mean, back.low, back.high) == pytest.approx((-there.mean, -there.high, -there.low))


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    rng, held = random.Random(0), 0
    for _ in range(1000):
        found = gain([rng.gauss(3.0, 0.1) for _ in range(5)], [rng.gauss(2.8, 0.3) for _ in range(5)])
        held += found.low < 0.2 < found.high
    assert 925 < held < 980


def test_standard_error() -> None:
    assert standard_error([1.0, 2.0, 3.0]) == pytest.approx(1 / math.sqrt(3))
    assert standard_error([1.0]) == standard_error([]) == math.inf
