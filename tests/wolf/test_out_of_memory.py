"""The search under a memory limit that the best variants lie close to: it stays away from what fails, and near it."""

from __future__ import annotations

from typing import Any

from population.evaluation import Evaluation, Status
from population.surrogate import Surrogate
from wolf.strategy.asks import Ask
from wolf.strategy.hunt import Wolf

BUDGET = 80
LIMIT = 1024  # WIDTH * DEPTH; of all drawn at random more than half are above


def search(toy: Any, seed: int) -> tuple[Wolf, list[bool]]:
    """A search in which too large variants run out of memory; for each evaluation whether it did."""
    strategy = toy.strategy(seed=seed, budget=BUDGET, surrogate="on")
    failed: list[bool] = []
    for ordinal in range(BUDGET):
        ask: Ask = strategy.ask(ordinal)
        strategy.asked(ask)
        toy.known[ask.variant.id] = ask.variant
        evaluation = toy.judge(ask)
        if not evaluation.ok:
            evaluation = Evaluation(ask.variant.id, "loss", Status.MEMORY, seed=ask.seed, feedback="CUDA out of memory")
        failed.append(not evaluation.ok)
        strategy.told(ask, evaluation)
    return strategy, failed


def test_it_learns_where_memory_ends(toy: Any) -> None:
    place = toy(noise=0.02, fails=True)
    shares = []
    for seed in range(3):
        strategy, failed = search(place, seed)
        hunted = failed[20:]
        shares.append(sum(hunted) / len(hunted))
        best = strategy.champion
        assert best and place.loss(place.known[best]) is not None
        data = strategy.population.observations()
        model = Surrogate(strategy.population.metric, data, strategy.population.noise)
        mean, _ = model.predict(data.units, data.signatures)
        lost = data.losses != data.losses
        assert lost.any()
        assert mean[lost].mean() > mean[~lost].mean()  # a failure is expected to be bad ...
        assert mean[lost].max() < 3 * data.losses[~lost].max()  # ... not so bad that nothing else matters
    assert sum(shares) / 3 < 0.15  # random departures included, which nobody screens


def test_failures_do_not_spoil_what_is_found(toy: Any) -> None:
    def found(fails: bool) -> float:
        place = toy(noise=0.02, fails=fails)
        champions = [search(place, seed)[0].champion for seed in range(3)]
        return sum(place.loss(place.known[champion]) for champion in champions) / 3

    assert found(True) < found(False) + 0.1
