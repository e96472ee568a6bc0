from __future__ import annotations

import math

import pytest

from population.evaluation import Estimate, upper_bound
from population.readings import NOISE_CONFIDENCE, Readings


def made(*rows):
    readings = Readings()
    for index, losses in enumerate(rows):
        readings.add()
        for loss in losses:
            readings.read(index, loss)
    return readings


def test_readings_are_what_was_read_in_this_order():
    readings = made([], [2.5], [3.0, 1.0, 2.0])
    assert [list(readings.of(n)) for n in range(3)] == [[], [2.5], [3.0, 1.0, 2.0]]
    assert math.isnan(readings.means[0])
    assert [*readings.means[1:3]] == [2.5, 2.0]
    assert [*readings.counts[:3]] == [1, 1, 3], "a failure weighs as much as a reading"


def test_there_is_room_for_more_than_at_first():
    readings = made(*([float(n)] for n in range(300)))
    assert [*readings.means[:300]] == [float(n) for n in range(300)]
    assert [*readings.counts[:300]] == [1.0] * 300


@pytest.mark.parametrize("before", [[], [2.0], [2.0, 4.0]])
def test_votes_move_the_mean_and_no_reading(before):
    readings = made(before)
    readings.sway(0, 0.5)
    readings.sway(0, -1.0)  # instead of the first
    assert [*readings.of(0)] == before
    readings.read(0, 6.0)
    assert [*readings.of(0)] == [*before, 6.0]
    assert readings.means[0] == pytest.approx(sum([*before, 6.0]) / (len(before) + 1) - 1.0)


def test_repeats_tell_of_the_noise_and_nothing_else_does():
    readings = made([1.0], [2.0], [])
    readings.sway(1, 5.0)
    assert readings.noise is None
    spread = 0.0
    for freedom, (index, loss) in enumerate([(0, 3.0), (1, 6.0), (0, 2.0)], start=1):
        assert readings.read(index, loss) == len(readings.of(index))
        spread = sum(sum((x - sum(own) / len(own)) ** 2 for x in own) for own in map(readings.of, (0, 1)))
        assert readings.noise == pytest.approx(upper_bound(spread, freedom, NOISE_CONFIDENCE))
    assert readings.read(2, 1.0) == 1, "the first says nothing of the noise"
    assert readings.noise == pytest.approx(upper_bound(spread, 3, NOISE_CONFIDENCE))
    assert readings.estimate(1) == Estimate(9.0, pytest.approx(readings.noise / math.sqrt(2)), 2)
