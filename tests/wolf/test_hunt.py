from __future__ import annotations

import random
from collections import Counter

import pytest
from msgspec.structs import replace

from population.evaluation import Evaluation, Status
from wolf.strategy.asks import Ask, Purpose
from wolf.strategy.escape import MAX_ALLOWANCE, SHARE
from wolf.strategy.gate import READINGS
from wolf.strategy.hunt import BASELINE_READINGS
from wolf.strategy.screen import modelled

NEW = {Purpose.SURVEY, Purpose.DEPARTURE, Purpose.HUNT, Purpose.EXPEDITION}
ABLATIONS = [
    {},
    {"survey": 0},
    {"departures": 0.0},
    {"departures": 1.0},
    {"novelty": False},
    {"noise_gate": False},
    {"escape": False},
    {"recombine": False},
    {"statements": True},
    {"surrogate": "off"},
    {"statements": True, "novelty": False, "noise_gate": False, "escape": False, "survey": 3},
]


def purposes(told) -> Counter[str]:
    return Counter(ask.purpose.value for ask, _ in told)


def trail(toy, curious: bool = False, budget: int = 50, seed: int = 0, **how) -> list[tuple[Ask, str]]:
    """A run; a curious one asks more often than it has to."""
    bench = toy(noise=0.1, fails=True)
    strategy, told = bench.strategy("wolf", seed, budget, **how), []
    for ordinal in range(budget):
        if curious:
            first, second = strategy.ask(ordinal), strategy.ask(ordinal)
            assert replace(first, genome=None) == replace(second, genome=None)
            strategy.ask(ordinal + 1)
        ask, outcome = bench.step(strategy, ordinal)
        told.append((replace(ask, genome=None), repr(outcome)))
    return told


@pytest.mark.parametrize("how", [{}, {"surrogate": "on"}, {"statements": True, "survey": 4}])
def test_the_same_seed_is_the_same_trajectory_and_to_ask_changes_nothing(toy, how) -> None:
    calm = trail(toy, **how)
    assert trail(toy, **how) == calm
    assert trail(toy, curious=True, **how) == calm
    assert trail(toy, seed=1, **how) != calm


@pytest.mark.parametrize("how", ABLATIONS, ids=str)
def test_every_switch_runs_and_spends_its_budget_on_what_is_new(toy, how) -> None:
    bench = toy(noise=0.05, fails=True)
    strategy = bench.strategy("wolf", 3, 60, **({"surrogate": "on"} | how))
    told = bench.run(strategy, 60)
    assert [ask.ordinal for ask, _ in told] == [*range(60)]
    seen: set[str] = set()
    for ask, _ in told:
        if ask.purpose in NEW:
            assert ask.variant.id not in seen, "a variant that is known is no news"
            assert ask.variant.parents and set(ask.variant.parents) <= seen
        else:
            assert ask.purpose is Purpose.BASELINE or ask.variant.id in seen
        seen.add(ask.variant.id)
    count = purposes(told)
    assert count["baseline"] == BASELINE_READINGS
    most = how.get("survey", 14) if how.get("surrogate", "on") == "on" else 0
    assert min(1, most) <= count["survey"] <= most, "as much as it was given, or as the budget can afford"
    assert strategy.champion in seen
    if how.get("noise_gate") is False:
        assert count["replicate"] == 0
    if how.get("escape") is False:
        assert count["expedition"] == 0 and not strategy.escape.expeditions
    if how.get("departures") == 0.0:
        assert count["departure"] == 0
    if how.get("departures") == 1.0:
        assert count["hunt"] == 0
    if how.get("recombine") is False:
        assert not any(ask.variant.origin.startswith("recombine") for ask, _ in told)


def test_it_begins_with_the_seed_then_surveys_then_hunts(toy) -> None:
    bench = toy()
    told = bench.run(bench.strategy("wolf", budget=None, surrogate="on"), 60)
    kinds = [ask.purpose for ask, _ in told if ask.purpose is not Purpose.REPLICATE]
    assert kinds[:3] == [Purpose.BASELINE] * 3
    assert kinds[3:17] == [Purpose.SURVEY] * 14
    assert Purpose.SURVEY not in kinds[17:] and kinds.count(Purpose.HUNT) > 15
    assert all(ask.variant.parents == (bench.variant.id,) for ask, _ in told if ask.purpose is Purpose.SURVEY)
    seeds = [ask.seed for ask, _ in told]
    assert len(set(seeds)) == len(seeds), "every evaluation has a seed of its own"


def test_a_share_of_the_hunt_is_random_departures(toy) -> None:
    shares = []
    for seed in range(3):
        bench = toy()
        count = purposes(bench.run(bench.strategy("wolf", seed, 90, escape=False, surrogate="on", survey=4), 90))
        shares.append(count["departure"] / (count["departure"] + count["hunt"]))
    assert 0.15 < sum(shares) / 3 < 0.35


def test_it_searches(toy) -> None:
    for surrogate in ("on", "off"):
        bench = toy(noise=0.02)
        strategy = bench.strategy("wolf", 1, 80, surrogate=surrogate)
        bench.run(strategy, 80)
        found = bench.loss(bench.known[strategy.champion])
        assert found < bench.loss(bench.variant) - 0.5
        assert found < min(bench.loss(v) or 9 for v in list(bench.known.values())[:17]), "more than the survey found"


def test_contenders_are_read_again_on_other_seeds_but_not_for_ever(toy) -> None:
    bench = toy(noise=0.3)
    told = bench.run(bench.strategy("wolf", 2, 120), 120)
    readings: dict[str, list[int]] = {}
    for ask, _ in told:
        readings.setdefault(ask.variant.id, []).append(ask.seed)
    again = [seeds for variant, seeds in readings.items() if variant != bench.variant.id and len(seeds) > 1]
    assert again
    assert all(len(seeds) == len(set(seeds)) <= READINGS for seeds in again)


def test_a_judge_that_always_says_the_same_is_asked_once(toy) -> None:
    bench = toy(noise=0.0)
    strategy = bench.strategy("wolf", 2, 100)
    assert purposes(bench.run(strategy, 100))["replicate"] == 0
    best = min(bench.loss(v) for v in bench.known.values() if bench.loss(v) is not None)
    assert bench.loss(bench.known[strategy.champion]) == best == bench.loss(bench.known[strategy.crowned])


def test_what_is_handed_over_is_no_lucky_reading(toy) -> None:
    bench = toy(noise=0.3)
    strategy = bench.strategy("wolf", 4, 100)
    bench.run(strategy, 100)
    assert strategy.population.estimate(strategy.champion).n >= 2


@pytest.mark.parametrize("slots", [2, 5])
def test_several_may_be_under_way_at_once(toy, slots) -> None:
    bench = toy(noise=0.1, fails=True)
    strategy, rng, waiting, asked = bench.strategy("wolf", 0, 80, surrogate="on"), random.Random(0), [], []
    while len(asked) < 80 or waiting:
        while len(waiting) < slots and len(asked) < 80:
            ask = strategy.ask(len(asked))
            assert ask.purpose not in NEW or ask.variant.id not in {a.variant.id for a in asked}
            strategy.asked(ask)
            bench.known.setdefault(ask.variant.id, ask.variant)
            asked.append(ask)
            waiting.append(ask)
            assert [a.purpose for a in waiting].count(Purpose.REPLICATE) <= 3
        ask = waiting.pop(rng.randrange(len(waiting)))
        strategy.told(ask, bench.judge(ask))
    assert not strategy.population.waiting


@pytest.mark.parametrize("surrogate", ["on", "off"])
def test_many_slots_are_filled_before_anything_is_known(toy, surrogate) -> None:
    for seed in range(20):
        strategy, ids = toy().strategy("wolf", seed, 60, surrogate=surrogate, statements=True), []
        for ordinal in range(16):
            ask = strategy.ask(ordinal)
            strategy.asked(ask)
            ids.append(ask.variant.id)
        assert len(set(ids[2:])) == 14


def test_expeditions_set_out_when_the_search_is_stuck_and_never_starve_it(toy) -> None:
    bench = toy(noise=0.02)
    strategy = bench.strategy("wolf", 0, 300)
    told = bench.run(strategy, 300)
    trips = strategy.escape.expeditions
    assert len(trips) >= 3
    assert strategy.escape.spent == purposes(told)["expedition"] <= SHARE * 300 + MAX_ALLOWANCE
    assert [trip.id for trip in trips] == [*range(len(trips))]
    launches = [ask for ask, _ in told if ask.launch]
    assert [(ask.launch, ask.expedition) for ask in launches] == [((t.kind, t.origin), t.id) for t in trips]
    assert all(ask.purpose is Purpose.EXPEDITION for ask in launches)
    for trip in trips[:-1]:
        assert trip.outcome in ("champion", "niche", "empty")
        assert trip.spent <= trip.allowance <= MAX_ALLOWANCE
    for ask, outcome in told:
        assert ask.expedition is not None or outcome.expedition is None


def test_expeditions_into_the_void_do_not_end_expeditions(toy) -> None:
    bench = toy()
    strategy = bench.strategy("wolf", 0, 300)
    for ordinal in range(300):
        ask = strategy.ask(ordinal)
        strategy.asked(ask)
        bench.known.setdefault(ask.variant.id, ask.variant)
        landed = ask.launch is None and ask.purpose is Purpose.BASELINE
        score, status = (1.0, Status.OK) if landed else (None, Status.CRASHED)
        strategy.told(ask, Evaluation(ask.variant.id, "j", status, score))
    trips = strategy.escape.expeditions
    assert len(trips) >= 3
    assert all(trip.outcome == "empty" and trip.best is None for trip in trips[:-1])
    assert strategy.champion == bench.variant.id


@pytest.mark.parametrize("surrogate", ["on", "off"])
def test_a_model_predicts_or_there_is_none(toy, surrogate) -> None:
    bench = toy(noise=0.05)
    asks = [ask for ask, _ in bench.run(bench.strategy("wolf", 0, 40, surrogate=surrogate), 40)]
    predicted = [ask for ask in asks if ask.predicted is not None]
    assert len(predicted) > 5 if surrogate == "on" else not predicted
    assert all(ask.purpose in (Purpose.HUNT, Purpose.EXPEDITION) for ask in predicted)


def test_auto_has_a_model_unless_the_judge_says_that_it_is_quicker_than_one() -> None:
    says = {None: True, 300.0: True, 0.05: True, 0.002: False}
    assert {expected: modelled("auto", expected) for expected in says} == says
    assert modelled("on", 0.002) and not modelled("off", 300.0)


def test_the_model_is_learned_anew_only_when_there_is_news(toy) -> None:
    bench = toy(noise=0.05)
    told = bench.run(bench.strategy("wolf", 0, 80, surrogate="on"), 80)
    learned = [ask.ordinal for ask, _ in told if ask.model]
    predicted = [ask.ordinal for ask, _ in told if ask.predicted]
    assert 3 <= len(learned) < len(predicted) / 3
    assert set(learned) <= set(predicted), "and what was learned is kept with the ask that needed it"


@pytest.mark.parametrize("surrogate", ["on", "off"])
def test_a_tiny_space_is_searched_and_then_there_is_nothing_to_ask(toy, surrogate) -> None:
    text = "ON = False\nBIG = True\n\n\ndef f(x):\n    return x\n"
    bench = toy(text=text)
    strategy = bench.strategy("wolf", 0, 40, surrogate=surrogate)
    for ordinal in range(40):
        ask = strategy.ask(ordinal)
        if ask is None:
            break
        strategy.asked(ask)
        bench.known.setdefault(ask.variant.id, ask.variant)
        score = 1.0 - ("ON = True" in ask.variant.files["toy.py"])
        strategy.told(ask, Evaluation(ask.variant.id, "j", Status.OK, score))
    assert "ON = True" in bench.known[strategy.champion].files["toy.py"]
    assert len(strategy.population) == 4
    assert ordinal < 12, "it does not spend the rest of the budget on what is known"


def test_a_judge_that_fails_on_everything_but_the_seed(toy) -> None:
    bench = toy()
    bench.loss = lambda variant: 1.0 if variant.id == bench.variant.id else None
    strategy = bench.strategy("wolf", 0, 60, surrogate="on")
    bench.run(strategy, 60)
    assert strategy.champion == strategy.crowned == bench.variant.id
