from __future__ import annotations

import random

import numpy as np
import pytest

from population.distance import SIGNATURE_SIZE, Features, Metric, Terrain
from population.neighbours import Neighbours

MEMBERS = 6


def features(rng: random.Random, structures: int) -> Features:
    units = np.array([rng.random(), rng.random(), rng.randrange(2)], dtype=np.float32)
    drawn = np.random.default_rng(rng.randrange(structures)).random(SIGNATURE_SIZE, dtype=np.float32)
    return Features(units, drawn / np.linalg.norm(drawn))


@pytest.mark.parametrize("structures", [1, 20, 300])
@pytest.mark.parametrize("seed", range(6))
def test_asked_late_they_are_to_the_last_bit_what_they_are_when_asked_each_time(structures: int, seed: int) -> None:
    """Also where there are so many structures that a product with some of them depends on which they are."""
    rng, terrain = random.Random(seed), Terrain(Metric([False, False, True]), 3)
    at_once, late, members = Neighbours(terrain), Neighbours(terrain), list[int]()
    for _ in range(400):
        row = terrain.add(features(rng, structures))
        at_once.meet()
        if rng.random() < 0.2:
            back, size = (rng.randrange(row), len(terrain)) if row and rng.random() < 0.2 else (row, row)
            for neighbours in (at_once, late):
                neighbours.enter(back, size)
            at_once.novelties([back])
            members = list(dict.fromkeys((*members, back)))
            rng.shuffle(members)
            del members[rng.choice((MEMBERS, MEMBERS, MEMBERS, 2)) :]
            for neighbours in (at_once, late):
                neighbours.keep(members)
    assert late.novelties(members) == at_once.novelties(members)
