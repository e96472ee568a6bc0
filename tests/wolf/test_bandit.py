from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolf.strategy.bandit import FLOOR, Bandit

PRIOR = {"a": 0.3, "b": 0.2, "c": 0.1}
pulls = st.lists(st.tuples(st.sampled_from([*PRIOR, "unknown"]), st.floats(0, 1)), max_size=100)


def after(told) -> Bandit:
    bandit = Bandit(PRIOR)
    for arm, pay in told:
        bandit.told(arm, pay)
    return bandit


def test_it_starts_from_its_prior() -> None:
    assert Bandit(PRIOR).shares() == pytest.approx({"a": 0.5, "b": 1 / 3, "c": 1 / 6})
    assert list(Bandit(PRIOR).shares()) == list(PRIOR)


def test_what_pays_gets_more_and_what_does_not_gets_less() -> None:
    before, shares = Bandit(PRIOR).shares(), after([("c", 1.0), ("a", 0.0)] * 10).shares()
    assert shares["c"] > 2 * before["c"]
    assert shares["a"] < before["a"] / 2


def test_it_forgets() -> None:
    then = after([("c", 1.0)] * 20)
    rich = then.rate("c")
    for _ in range(200):
        then.told("a", 0.0)
    assert rich > 0.8
    assert then.rate("c") == pytest.approx(PRIOR["c"], abs=0.02)


@given(pulls)
def test_shares_are_shares_and_nobody_is_given_up(told) -> None:
    for arms in (None, ["a", "b"], ["c"]):
        shares = after(told).shares(arms)
        assert list(shares) == (arms or list(PRIOR))
        assert sum(shares.values()) == pytest.approx(1)
        assert all(share > 0.8 * FLOOR for share in shares.values())


@given(pulls)
def test_unknown_arms_are_ignored_and_asking_changes_nothing(told) -> None:
    bandit, known = after(told), after([pull for pull in told if pull[0] in PRIOR])
    bandit.shares(["a"])
    assert bandit.shares() == known.shares()
