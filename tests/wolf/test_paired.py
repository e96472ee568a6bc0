"""Known answers of the statistics behind `wolf compare`."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolf.compare.paired import compare, holm, interval, probability, sign_flips

losses = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=8)


def test_students_interval_of_a_textbook_sample() -> None:
    # mean 5, sd sqrt(2.5), t(0.975, 4) = 2.776445
    low, high = interval([3, 4, 5, 6, 7])
    assert low == pytest.approx(5 - 2.776445 * math.sqrt(2.5 / 5), abs=1e-5)
    assert high == pytest.approx(10 - low, abs=1e-9)
    assert interval([1.0]) == (-math.inf, math.inf)


def test_sign_flips_are_exact_for_few_pairs() -> None:
    assert sign_flips([1.0, 2.0, 3.0]) == 2 / 8  # only all plus and all minus are as extreme
    assert sign_flips([1.0] * 10) == 2 / 2**10
    assert sign_flips([1.0, -1.0]) == 1.0
    assert sign_flips([0.0, 0.0, 0.0]) == 1.0
    assert sign_flips([3.0, 2.0, -1.0]) == 4 / 8  # |sum| >= 4: +++, ++- and their mirror images


def test_sign_flips_of_many_pairs_are_near_the_exact_answer() -> None:
    assert sign_flips([1.0] * 20) < 1e-3
    assert sign_flips([1.0, -1.0] * 10) == 1.0
    # eight of twenty against: P(Binomial(20, 1/2) <= 8 or >= 12) = 0.5034
    assert sign_flips([1.0] * 12 + [-1.0] * 8) == pytest.approx(0.5034, abs=0.02)


def test_probability_of_being_better() -> None:
    # means of 1 and 2/3 standard errors: the Cauchy's 3/4 for two pairs, 1/2 + t / (2 sqrt(2 + t^2)) for three
    assert probability([2.0, 0.0]) == pytest.approx(0.75)
    assert probability([1.0, 0.0, 0.0]) == pytest.approx(0.5 + 1 / (2 * math.sqrt(3)))
    assert probability([1.0, -1.0]) == probability([0.0, 0.0]) == probability([2.0]) == 0.5
    assert (probability([0.5, 0.5]), probability([-0.5, -0.5])) == (1.0, 0.0)


@pytest.mark.parametrize("count", [3, 6, 12])
def test_one_arm_in_twenty_that_is_level_is_called_better(count: int) -> None:
    rng = random.Random(count)
    called = [probability([rng.gauss(0, 1) for _ in range(count)]) >= 0.95 for _ in range(2000)]
    assert 0.04 < fmean(called) < 0.06  # the bootstrap that was here before: 0.18, 0.09, 0.07


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=8))
def test_the_interval_and_the_probability_say_the_same(gains: list[int]) -> None:
    low, high = interval(gains)
    if min(abs(low), abs(high)) > 1e-6:
        assert (low > 0, high < 0) == (probability(gains) > 0.975, probability(gains) < 0.025)


def test_holm_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_comparison_looks_at_pairs() -> None:
    ours, theirs = [1.0, 10.0, 100.0], [1.1, 10.1, 100.1]  # the spread between pairs hides nothing
    found = compare(ours, theirs)
    assert found.gain == pytest.approx(0.1) and (found.wins, found.ties, found.pairs) == (3, 0, 3)
    assert 0 < found.low <= found.gain <= found.high and found.better == pytest.approx(1.0)
    same = compare(ours, ours)
    assert (same.gain, same.low, same.high, same.ties, same.better, same.p) == (0.0, 0.0, 0.0, 3, 0.5, 1.0)


@given(losses)
def test_who_is_called_ours_only_turns_the_sign(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    one, other = compare(ours, theirs), compare(theirs, ours)
    assert one.gain == pytest.approx(-other.gain, abs=1e-6) and one.p == other.p
    assert one.better + other.better == pytest.approx(1.0, abs=1e-9)
    assert 0 < one.p <= 1 and one.low <= one.gain <= one.high
