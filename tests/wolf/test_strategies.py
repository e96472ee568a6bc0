from __future__ import annotations

import math
import random

import pytest
from msgspec.structs import replace

from population.evaluation import Evaluation, Status
from population.genome import Genome, changes
from wolf.errors import SetupError
from wolf.strategy.asks import Ask, Purpose
from wolf.strategy.baselines import Anneal
from wolf.streams import judge_seed

BASELINES = ["greedy", "random", "restart", "anneal"]


def scripted(toy, name: str, losses: list[float | None], seed: int = 0, budget: int | None = None):
    """What a strategy asks and answers when the readings follow a script, whatever the variants are."""
    knobs = bool(toy.space.names)
    strategy, told = toy.strategy(name, seed, budget or len(losses), statements=not knobs, knobs=knobs), []
    for ordinal, loss in enumerate(losses):
        ask = strategy.ask(ordinal)
        if ask is None:
            break
        strategy.asked(ask)
        toy.known.setdefault(ask.variant.id, ask.variant)
        status = Status.CRASHED if loss is None else Status.OK
        told.append((ask, strategy.told(ask, Evaluation(ask.variant.id, "j", status, loss))))
    return strategy, told


def script(seed: int, length: int = 120) -> list[float | None]:
    """A first reading, then better, worse, equal and failed ones."""
    rng = random.Random(seed)
    losses: list[float | None] = [5.0]
    for _ in range(length - 1):
        losses.append(rng.choice([None, 5.0, round(rng.uniform(1, 9), 1), 5.0 - len(losses) / 50]))
    return losses


@pytest.mark.parametrize("seed", range(4))
def test_greedy_is_keep_or_discard_exactly(toy, seed) -> None:
    losses = script(seed)
    strategy, told = scripted(toy(), "greedy", losses, seed)
    kept, best = "", math.inf
    for (ask, outcome), loss in zip(told, losses, strict=True):
        assert ask.variant.parents == ((kept,) if kept else ()), "a step starts from what was kept last"
        if loss is not None and loss < best:
            assert (outcome.crowning.previous if outcome.crowning else "") == kept
            kept, best = ask.variant.id, loss
            assert outcome.admission.reason == "kept"
        else:
            assert outcome.admission.reason == ("crashed" if loss is None else "discarded")
            assert outcome.crowning is None
    assert strategy.champion == kept


def test_greedy_changes_what_it_kept_by_the_shared_mutation_and_never_repeats_itself(toy) -> None:
    bench = toy()
    told = bench.run(bench.strategy("greedy"), 150)
    asks = [ask for ask, _ in told]
    assert len({ask.variant.id for ask in asks}) == 150
    assert {ask.variant.origin for ask in asks[1:]} == {"perturb:nudge", "perturb:kick"}
    assert [ask.purpose for ask in asks] == [Purpose.BASELINE, *[Purpose.STEP] * 149]
    assert [ask.seed for ask in asks] == [judge_seed(0, i) for i in range(150)]
    for ask in asks[1:]:
        parent = Genome.of(bench.known[ask.variant.parents[0]].files, bench.space)
        assert changes(parent, Genome.of(ask.variant.files, bench.space)) == ask.changes != {}


def test_greedy_believes_a_lucky_reading(toy) -> None:
    strategy, told = scripted(toy(), "greedy", [5.0, 1.0, *[4.0] * 20])
    assert strategy.champion == told[1][0].variant.id


@pytest.mark.parametrize("name", BASELINES)
def test_a_first_reading_that_fails_is_read_again(toy, name) -> None:
    _, told = scripted(toy(), name, [None, 2.0, 1.0])
    seed = told[0][0].variant.id
    assert [ask.variant.id == seed for ask, _ in told] == [True, True, False]


@pytest.mark.parametrize("name", BASELINES)
def test_the_champion_is_the_best_single_reading_and_failures_never_are(toy, name) -> None:
    losses = script(7)
    strategy, told = scripted(toy(), name, losses)
    best = min(x for x in losses if x is not None)
    assert strategy.champion == told[losses.index(best)][0].variant.id
    crowned = [outcome.crowning.variant for _, outcome in told if outcome.crowning]
    assert crowned[-1] == strategy.champion
    assert not any(outcome.crowning for (_, outcome), loss in zip(told, losses, strict=True) if loss is None)


def test_random_draws_every_knob_anew_every_time(toy) -> None:
    bench = toy()
    asks = [ask for ask, _ in bench.run(bench.strategy("random"), 80)][1:]
    assert {ask.variant.origin for ask in asks} == {"perturb:draw"}
    rates = [Genome.of(ask.variant.files, bench.space).values["RATE"] for ask in asks]
    assert min(rates) < 1e-3 < 0.1 < max(rates)
    assert len(set(rates)) > 70


def test_restart_starts_over_after_25_fruitless_steps_and_goes_on_from_there(toy) -> None:
    losses: list[float | None] = [5.0, *[6.0] * 25, 9.0, *[9.5] * 25, None, 8.0, 8.5]
    _, told = scripted(toy(), "restart", losses)
    leaps = [i for i, (ask, _) in enumerate(told) if ask.variant.origin == "perturb:draw"]
    assert leaps == [26, 52, 53], "a leap that fails is taken again"
    assert told[26][1].admission.reason == "kept", "even though it is worse"
    assert told[27][0].variant.parents == (told[26][0].variant.id,)
    assert told[54][0].variant.parents == (told[53][0].variant.id,)


def test_restart_has_patience_while_it_gains(toy) -> None:
    losses: list[float | None] = [50.0 - i // 24 for i in range(200)]
    _, told = scripted(toy(), "restart", losses)
    assert not any(ask.variant.origin == "perturb:draw" for ask, _ in told)


def test_anneal_takes_worse_steps_early_and_hardly_any_late(toy) -> None:
    taken = {"early": 0, "late": 0}
    for seed in range(6):
        losses: list[float | None] = []
        bench = toy()
        strategy = bench.strategy("anneal", seed, 300)
        for ordinal in range(300):
            ask = strategy.ask(ordinal)
            strategy.asked(ask)
            bench.known.setdefault(ask.variant.id, ask.variant)
            now = strategy._current_loss if losses else 5.0
            losses.append(now + (0.3 if ordinal else 0.0))
            outcome = strategy.told(ask, Evaluation(ask.variant.id, "j", Status.OK, losses[-1]))
            if 2 <= ordinal < 60:
                taken["early"] += outcome.admission.reason == "kept"
            if ordinal >= 240:
                taken["late"] += outcome.admission.reason == "kept"
    assert taken["early"] > 40
    assert taken["late"] <= 6


def test_anneal_keeps_every_better_step_and_no_failure(toy) -> None:
    losses = script(3)
    strategy, told = scripted(toy(), "anneal", losses)
    current = math.inf
    for (_, outcome), loss in zip(told, losses, strict=True):
        if loss is None:
            assert outcome.admission.reason == "crashed"
        elif loss < current:
            assert outcome.admission.reason == "kept"
        if outcome.admission.reason == "kept":
            current = loss
    assert isinstance(strategy, Anneal)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("statements", [False, True])
def test_the_same_seed_is_the_same_walk_and_to_ask_changes_nothing(toy, name, statements) -> None:
    def trail(seed: int, curious: bool) -> list[tuple[Ask, str]]:
        bench, told = toy(noise=0.2, fails=True), []
        strategy = bench.strategy(name, seed, statements=statements)
        for ordinal in range(60):
            if curious:
                assert strategy.ask(ordinal) == strategy.ask(ordinal)
                strategy.ask(ordinal + 1)
            ask, outcome = bench.step(strategy, ordinal)
            told.append((replace(ask, genome=None), outcome.admission.reason))
        return told

    assert trail(1, curious=False) == trail(1, curious=True)
    assert trail(1, curious=False) != trail(2, curious=False)


@pytest.mark.parametrize("name", BASELINES)
def test_a_tiny_space_is_exhausted_gracefully(toy, name) -> None:
    bench = toy(text="ON = False\n\n\ndef f(x):\n    return x\n")
    losses: list[float | None] = [5.0, 6.0, 7.0, 8.0, 9.0]
    strategy, told = scripted(bench, name, losses)
    assert len({ask.variant.id for ask, _ in told}) == len(told) == 2, "nothing is asked twice"
    assert strategy.champion == told[0][0].variant.id
    if name == "greedy":
        assert all(ask.variant.parents == (strategy.champion,) for ask, _ in told[1:]), "worse is never kept"


def test_without_knobs_it_steps_by_statements_and_says_so_when_there_are_none(toy) -> None:
    lines = "def f(x):\n" + "".join(f"    x = g{n}(x)\n    y = h{n}(x)\n" for n in range(6)) + "    return y\n"
    _, told = scripted(toy(text=lines), "greedy", [5.0, *[6.0] * 30])
    assert {ask.variant.origin for ask, _ in told[1:]} == {"perturb:rearrange"}
    with pytest.raises(SetupError, match="can be changed"):
        scripted(toy(text=""), "greedy", [5.0, 6.0])
