from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from population.selection import Contestant, contestants, ranks, survivors, tournament

losses = st.floats(-10, 10) | st.just(math.inf)
crowd = st.lists(st.tuples(losses, st.floats(0, 5)), min_size=1, max_size=40)


def test_ranks_lie_in_0_to_1_and_ties_share_theirs() -> None:
    assert ranks([3.0, 1.0, 2.0]).tolist() == [1.0, 0.0, 0.5]
    assert ranks([1.0, 1.0, 2.0]).tolist() == [0.25, 0.25, 1.0]
    assert ranks([math.inf, 0.0]).tolist() == [1.0, 0.0]
    assert ranks([7.0]).tolist() == [0.0]
    assert ranks([]).tolist() == []


@given(st.lists(losses, min_size=2, max_size=30), st.floats(0.1, 10), st.floats(-5, 5))
def test_ranks_forget_the_scale(values, factor, shift) -> None:
    scaled = [round(v, 3) for v in values]
    assert ranks(scaled).tolist() == ranks([v * factor * 1024 + shift for v in scaled]).tolist()


def test_novelty_counts_as_much_as_its_weight() -> None:
    ids, loss, new = ["good", "novel", "neither"], [1.0, 2.0, 3.0], [0.0, 2.0, 1.0]
    order = {w: [c.id for c in sorted(contestants(ids, loss, new, w), key=lambda c: -c.fitness)] for w in (0.0, 3.0)}
    assert order == {0.0: ["good", "novel", "neither"], 3.0: ["novel", "neither", "good"]}


def test_tournaments_prefer_the_fit_but_not_only_them() -> None:
    members = [Contestant(str(i), float(i)) for i in range(20)]
    wins = Counter(int(w) for w in tournament(members, 2000, random.Random(0)))
    assert sum(n for w, n in wins.items() if w >= 10) > 1700
    assert len(wins) > 10


def test_a_tournament_draws_from_its_stream_and_leaves_the_global_one_alone() -> None:
    members = [Contestant(str(i), float(i)) for i in range(20)]
    random.seed(5)
    before = random.getstate()
    first = tournament(members, 8, random.Random(1))
    assert random.getstate() == before
    random.seed(6)
    assert tournament(members, 8, random.Random(1)) == first
    assert tournament(members, 8, random.Random(2)) != first


@settings(max_examples=200)
@given(crowd, st.integers(1, 20), st.floats(0, 1))
def test_survivors_are_as_many_as_fit_best_first_and_the_best_is_among_them(members, size, share) -> None:
    loss, new = [m[0] for m in members], [m[1] for m in members]
    stay = survivors(loss, new, size, share)
    assert len(stay) == len(set(stay)) <= size
    assert len(stay) == min(size, len(members)) or len(members) < 2 * size
    assert [loss[i] for i in stay] == sorted(loss[i] for i in stay)
    if share < 1:
        assert min(loss) == loss[stay[0]]


def test_places_for_novelty_go_to_the_most_novel_of_the_better_half() -> None:
    loss = [float(i) for i in range(20)]
    new = [0.0] * 20
    new[7], new[19] = 5.0, 9.0
    assert survivors(loss, new, 8, 0.25) == [0, 1, 2, 3, 4, 5, 6, 7]
    new[9] = 6.0
    assert survivors(loss, new, 8, 0.25) == [0, 1, 2, 3, 4, 5, 7, 9], "19 is novel, but far from good"


def test_the_only_member_is_its_own_best() -> None:
    assert survivors([math.inf], [0.0], 5, 0.5) == [0]
    assert tournament([Contestant("a", 0.0)], 3, random.Random(0)) == ["a"] * 3
    assert contestants(["a"], [1.0], [0.0], 1.0)[0].fitness == pytest.approx(1.0)
