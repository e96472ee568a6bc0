"""What a resume takes for granted of the variants that a history names."""

from __future__ import annotations

import pytest

from population.genome import Genome
from wolf.strategy.asks import Purpose
from wolf.strategy.operators import TUNING


@pytest.mark.parametrize("name", ["wolf", "greedy", "random", "tpe", "cmaes"])
def test_what_tunes_makes_its_first_parent_but_for_the_values_of_knobs(toy, name) -> None:
    if name in ("tpe", "cmaes"):
        pytest.importorskip({"tpe": "optuna", "cmaes": "cma"}[name])
    bench, seen = toy(noise=0.05), set[str]()
    for seed in range(4):
        strategy = bench.strategy(name, seed, statements=name in ("wolf", "greedy"))
        for ask, _ in bench.run(strategy, 40):
            if ask.variant.origin in TUNING and ask.purpose is not Purpose.REPLICATE:
                seen.add(ask.variant.origin)
                parent = Genome.of(bench.known[ask.variant.parents[0]].files, bench.space)
                child = parent.replace({name: new for name, (_, new) in ask.changes.items()})
                assert child == Genome.of(ask.variant.files, bench.space)
    assert seen, "none of them tunes"
