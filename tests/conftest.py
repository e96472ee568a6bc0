"""A toy to search: a Python file with knobs in odd spellings, and a judge that is a pure function."""

from __future__ import annotations

import os

# Before numpy is imported: matrices here are small, and BLAS threads fighting for busy cores take minutes for seconds.
os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import random
import signal
from dataclasses import dataclass, field
from math import log2, log10
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from population.evaluation import Evaluation, Goal, Status
from population.knobs import Space
from population.pool import Population
from population.variant import Variant
from wolf.strategy.asks import Ask, Outcome, Strategy
from wolf.strategy.baselines import BASELINES
from wolf.strategy.hunt import Options, Wolf
from wolf.strategy.operators import available
from wolf.strategy.optimisers import OPTIMISERS
from wolf.strategy.screen import Screen

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # in a shell's background job, whose programs would not hear Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOY = '''"""Knobs as people write them."""

RATE = 3e-2  # knob: 1e-4 .. 1 log
DECAY = 0.50  # knob: 0 .. 1
BATCH = 8 * 16  # knob: 8 .. 2048 log
WIDTH = 2**6  # knob: 2**3 .. 2**10
DEPTH = 4  # knob: 1 .. 12
KIND = 'a'  # knob: a | b | c
ON = False


def value(x):
    """What a statement operator may rearrange."""
    y = x * RATE
    z = y + DECAY
    return z - y
'''

settings.register_profile("house", deadline=None)  # an example that a busy machine delays is no failure
settings.load_profile("house")

if "COVERAGE_PROCESS_CONFIG" in os.environ:  # `make coverage`
    from judges import spawn

    spawn.ZYGOTE = Path(__file__).with_name("covered.py")

    def pytest_sessionfinish() -> None:
        """xdist gives its workers ten seconds to end, which is not always enough to write down what was measured."""
        import coverage

        if (measured := coverage.Coverage.current()) is not None:
            measured.save()


@dataclass
class Toy:
    """The toy, and what a run of it needs. Every reading is a function of the variant and the judge's seed."""

    noise: float = 0.0
    fails: bool = False  # wide and deep variants crash
    text: str = TOY
    known: dict[str, Variant] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.variant = Variant({"toy.py": self.text})
        self.known[self.variant.id] = self.variant
        self.space = Space.of(self.variant.files)

    def loss(self, variant: Variant) -> float | None:
        """The true loss; None for a variant that crashes."""
        knobs: dict[str, Any] = {}
        try:
            exec(variant.files["toy.py"], knobs)
            knobs["value"](1.0)
        except Exception:
            return None
        if self.fails and knobs["WIDTH"] * knobs["DEPTH"] > 1024:
            return None
        rate = log10(knobs["RATE"] / 0.004) + 0.3 * log2(knobs["BATCH"] / 64)
        size = log2(knobs["WIDTH"] / 128) + (knobs["DEPTH"] - 6) / 3
        kind = {"a": 0.3, "b": 0.0, "c": 0.4}[knobs["KIND"]] * (1 if knobs["ON"] else -0.5)
        return 1 + 0.2 * rate**2 + 0.1 * size**2 + (knobs["DECAY"] - 0.2) ** 2 + kind + 0.05 * (knobs["DEPTH"] - 5) ** 2

    def judge(self, ask: Ask, seconds: float = 0.01) -> Evaluation:
        """What the judge says."""
        loss = self.loss(ask.variant)
        if loss is None:
            return Evaluation(
                ask.variant.id, "loss", Status.CRASHED, seconds=seconds, seed=ask.seed, feedback="it broke"
            )
        reading = loss + self.noise * random.Random(f"{ask.variant.id}/{ask.seed}").gauss(0.0, 1.0)
        return Evaluation(ask.variant.id, "loss", Status.OK, reading, seconds=seconds, seed=ask.seed)

    def population(self, recall: Any = None) -> Population:
        """An empty one."""
        return Population(self.space, Goal.MINIMIZE, recall or self.known.__getitem__)

    def strategy(self, name: str = "wolf", seed: int = 0, budget: int | None = 60, **how: Any) -> Strategy:
        """A strategy with nothing told yet. `how`: switches of `Options`; surrogate, knobs, recombine, ..."""
        surrogate, recall = how.pop("surrogate", "off"), how.pop("recall", None)
        names = available(how.pop("knobs", True), how.pop("recombine", True), how.pop("statements", False))
        population = self.population(recall)
        if name != "wolf":
            return (BASELINES | OPTIMISERS)[name](population, self.variant, seed, names, budget)
        screen = Screen(surrogate == "on", climb=False)
        screen.pool = 16  # a real one has ten times as many drafts, which costs ten times as long
        return Wolf(population, self.variant, seed, names, budget, Options(**how), screen)

    def step(self, strategy: Strategy, ordinal: int) -> tuple[Ask, Outcome]:
        """Ask, judge, tell."""
        ask = strategy.ask(ordinal)
        assert ask is not None
        strategy.asked(ask)
        self.known.setdefault(ask.variant.id, ask.variant)
        return ask, strategy.told(ask, self.judge(ask))

    def run(self, strategy: Strategy, budget: int = 60) -> list[tuple[Ask, Outcome]]:
        """A whole search, one evaluation at a time."""
        return [self.step(strategy, ordinal) for ordinal in range(budget)]


@pytest.fixture
def toy() -> type[Toy]:
    """The toy's class: `toy()` has no noise, `toy(noise=0.1, fails=True)` has both."""
    return Toy
