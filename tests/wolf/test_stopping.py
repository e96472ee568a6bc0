"""When a search ends, and why: each rule at its edge, and which of two is named."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from population.evaluation import Estimate, Goal
from wolf.control.stopping import Progress, Rules, Standing

NOW = Standing(asked=10, seconds=100.0, champion=("c" * 12, Estimate(2.0, 0.1, 3)), progress=Progress())
FULL = Rules(evaluations=11, seconds=101.0, target=1.9, plateau=6, usd=3.0)


def rule(rules: Rules, now: Standing) -> str:
    ending = rules.ending(now)
    return ending.rule if ending else ""


def test_below_every_limit_it_goes_on() -> None:
    assert FULL.ending(replace(NOW, progress=Progress(fruitless=5))) is None
    assert Rules().ending(replace(NOW, asked=10**9, seconds=1e9)) is None


@pytest.mark.parametrize(("asked", "active", "room"), [(9, 9.0, True), (10, 9.0, False), (9, 10.0, False)])
def test_there_is_room_below_both_limits(asked: int, active: float, room: bool) -> None:
    assert Rules(evaluations=10, seconds=10.0).allows(asked, active) is room
    assert Rules().allows(10**9, 1e9) is True


def test_evaluations_and_time_end_it_at_the_limit_and_not_before() -> None:
    assert rule(FULL, replace(NOW, asked=11)) == "evaluations"
    assert rule(FULL, replace(NOW, seconds=101.0)) == "time"
    ending = Rules(evaluations=10).ending(NOW)
    assert ending is not None and ending.reason == "the budget of 10 evaluations is spent"


@pytest.mark.parametrize(
    ("goal", "target", "mean", "sigma", "reached"),
    [
        (Goal.MINIMIZE, 2.0, 1.9, 0.1, True),  # the estimate and its error, together
        (Goal.MINIMIZE, 2.0, 1.9, 0.11, False),
        (Goal.MAXIMIZE, 2.0, -2.1, 0.1, True),  # estimates are losses
        (Goal.MAXIMIZE, 2.0, -1.9, 0.0, False),
    ],
)
def test_a_target_is_reached_by_its_estimate_and_error(goal, target, mean, sigma, reached) -> None:
    rules = Rules(target=target, goal=goal)
    now = replace(NOW, champion=("abcdefghijkl", Estimate(mean, sigma, 2)))
    ending = rules.ending(now)
    assert (ending is not None) is reached
    if ending:
        spread = f" ± {sigma:.3g}" if sigma else ""
        assert ending.rule == "target"
        assert ending.reason == f"the target of 2 is reached: abcdefgh scores {abs(mean):g}{spread}"


def test_without_a_champion_or_a_score_no_target_is_reached() -> None:
    rules = Rules(target=1e9)
    assert rules.ending(replace(NOW, champion=None)) is None
    assert rules.ending(replace(NOW, champion=("c", Estimate(0.0, 0.0, 0)))) is None


def test_a_judge_that_cannot_be_paid_and_a_person_who_has_enough() -> None:
    ending = FULL.ending(replace(NOW, broke=True))
    assert ending is not None and (ending.rule, "$3 " in ending.reason) == ("dollars", True)
    assert rule(FULL, replace(NOW, enough=True, broke=True, asked=11)) == "person"


def test_the_alarm_of_the_hold_out_ends_only_where_it_is_told_to() -> None:
    now = replace(NOW, progress=Progress(alarms=1))
    assert rule(replace(FULL, alarm="stop"), now) == "alarm"
    assert rule(replace(FULL, alarm="stop"), NOW) == ""
    assert rule(FULL, now) == ""


def test_a_plateau_needs_an_expedition_that_came_home_and_none_away() -> None:
    stuck = replace(NOW, progress=Progress(fruitless=6, homecomings=1), escapes=True)
    ending = FULL.ending(stuck)
    assert ending is not None and ending.rule == "plateau"
    assert ending.reason == (
        "a plateau: no significant gain in 6 evaluations, and 1 expedition since came home without one"
    )
    two = FULL.ending(replace(stuck, progress=Progress(fruitless=7, homecomings=2)))
    assert two is not None and "7 evaluations, and 2 expeditions since" in two.reason
    assert rule(FULL, replace(stuck, away=True)) == ""
    assert rule(FULL, replace(stuck, progress=Progress(fruitless=6, homecomings=0))) == ""
    assert rule(FULL, replace(stuck, progress=Progress(fruitless=5, homecomings=1))) == ""
    alone = FULL.ending(replace(NOW, progress=Progress(fruitless=6)))  # where none is ever sent
    assert alone is not None and alone.reason == "a plateau: no significant gain in 6 evaluations"


def test_progress_begins_anew_with_each_significant_gain() -> None:
    progress = Progress(fruitless=3, homecomings=2)
    nothing, home = SimpleNamespace(crowning=None, expedition=None), SimpleNamespace(outcome="nothing")
    progress.told(nothing)
    assert (progress.fruitless, progress.homecomings) == (4, 2)
    progress.told(SimpleNamespace(crowning=None, expedition=home))
    assert (progress.fruitless, progress.homecomings) == (5, 3)
    progress.told(SimpleNamespace(crowning=None, expedition=SimpleNamespace(outcome=None)))
    assert (progress.fruitless, progress.homecomings) == (6, 3), "it is still away"
    progress.told(SimpleNamespace(crowning=object(), expedition=home))
    assert (progress.fruitless, progress.homecomings) == (0, 0)


def test_budgets_that_are_not_revised_stay() -> None:
    assert FULL.revised(None, 2.0) == replace(FULL, seconds=7200.0)
    assert FULL.revised(12, None) == replace(FULL, evaluations=12)
    assert Rules().revised(3, 0.5) == Rules(evaluations=3, seconds=1800.0)
    assert FULL.revised(None, None) == FULL
    assert (FULL.revised(usd=0.0).usd, FULL.revised(usd=9.0)) == (0.0, replace(FULL, usd=9.0))


def test_a_run_that_goes_on_has_no_target_that_it_reached_and_else_the_rules_it_had() -> None:
    reached = FULL.ending(replace(NOW, champion=("c" * 12, Estimate(1.0, 0.1, 3))))
    assert reached is not None and reached.rule == "target"
    assert FULL.after(reached) == replace(FULL, target=None)
    assert FULL.after(FULL.ending(replace(NOW, asked=11))) == FULL.after(None) == FULL
