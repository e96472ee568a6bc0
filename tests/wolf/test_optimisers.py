"""TPE and CMA-ES as strategies: they improve, they repeat themselves, and a fold over the history restores them."""

from __future__ import annotations

import importlib
import warnings
from statistics import fmean

import pytest

from population.evaluation import Evaluation, Status
from wolf.errors import SetupError
from wolf.strategy.asks import Ask

NAMES = ["tpe", "cmaes"]
NEEDS = {"tpe": "optuna", "cmaes": "cma"}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cma says on import that matplotlib is missing
        pytest.importorskip(NEEDS[request.param])
    return str(request.param)


def key(ask: Ask) -> tuple[int, str, int]:
    return ask.ordinal, ask.variant.id, ask.seed


def test_it_gets_far_below_where_it_started_and_below_random(toy, name) -> None:
    found: dict[str, list[float]] = {}
    for strategy in (name, "random"):
        for seed in range(4):
            bench = toy(noise=0.02)
            searching = bench.strategy(strategy, seed, 100)
            bench.run(searching, 100)
            found.setdefault(strategy, []).append(bench.loss(bench.known[searching.champion]))
    start = toy().loss(toy().variant)
    assert fmean(found[name]) < fmean(found["random"]) < start


@pytest.mark.parametrize("slots", [1, 5])
def test_replaying_the_history_restores_it_exactly(toy, name, slots) -> None:
    bench = toy(noise=0.05, fails=True)
    live, history = bench.strategy(name, 3, 60), []
    for first in range(0, 60, slots):
        batch = []
        for ordinal in range(first, first + slots):
            ask = live.ask(ordinal)
            assert key(live.ask(ordinal)) == key(ask), "to ask changes nothing"
            live.asked(ask)
            bench.known.setdefault(ask.variant.id, ask.variant)
            batch.append(ask)
            history.append(("asked", ask, None))
        for ask in batch:
            evaluation = bench.judge(ask)
            live.told(ask, evaluation)
            history.append(("told", ask, evaluation))
    for cut in (1, 2, len(history) // 2, len(history) - slots - 1):
        again = bench.strategy(name, 3, 60)
        for step, ask, evaluation in history[:cut]:
            if step == "asked":
                again.asked(ask)
            else:
                again.told(ask, evaluation)
        for step, ask, evaluation in history[cut:]:  # and from there on it asks what the first one asked
            if step == "asked":
                assert key(again.ask(ask.ordinal)) == key(ask)
                again.asked(ask)
            else:
                again.told(ask, evaluation)


def test_other_seeds_are_other_searches(toy, name) -> None:
    bench = toy()
    one, other = ([ask.variant.id for ask, _ in bench.run(bench.strategy(name, seed), 20)] for seed in (0, 1))
    assert one[0] == other[0] and one[1:] != other[1:]


def test_all_crashing_is_survived(toy, name) -> None:
    bench = toy()
    searching = bench.strategy(name, 0, 40)
    for ordinal in range(40):
        ask = searching.ask(ordinal)
        searching.asked(ask)
        bench.known.setdefault(ask.variant.id, ask.variant)
        status = Status.CRASHED if ordinal else Status.OK
        searching.told(ask, Evaluation(ask.variant.id, "loss", status, None if ordinal else 1.0, seed=ask.seed))
    assert searching.champion == bench.variant.id


def test_without_the_extra_there_is_one_sentence(toy, name, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ImportError(module)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(SetupError, match=rf"search.strategy: {name} needs {NEEDS[name]}.*auto-wolf\[bench\]"):
        toy().strategy(name)
