"""Classical optimisers as baselines: Optuna's TPE and CMA-ES, with their own defaults, on the knobs of the target.

They need the extra `bench`. Numbers are given to them on the unit scale of their knobs, so that both see the ranges
that `wolf` sees; texts and statements they cannot change. Like the tools that they are, they believe every reading.
Both are folds over what was asked and told, with random streams of their own, so that a resumed run goes on as if it
had not been stopped.
"""

from __future__ import annotations

import importlib
import math
import random
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from population.evaluation import Evaluation
from population.genome import Genome
from population.knobs import Knob
from population.literals import Value
from population.pool import Population
from population.variant import Variant
from wolf.errors import SetupError
from wolf.strategy.asks import Ask, Outcome
from wolf.strategy.baselines import Walk
from wolf.strategy.operators import Draft, Scene
from wolf.streams import stream


class Tpe(Walk):
    """The tree-structured Parzen estimator (Bergstra et al. 2011; Optuna's `TPESampler`).

    The study is made anew for each ask, of all that was told and, as running trials, of what is under way.
    """

    def __init__(
        self, population: Population, seed_variant: Variant, seed: int, names: Sequence[str], evaluations: int | None
    ) -> None:
        """See `Walk`."""
        super().__init__(population, seed_variant, seed, names, evaluations)
        self._optuna = _extra("optuna", "tpe")
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        self._ranges = {name: self._range(population.space[name]) for name in population.space.names}
        self._trials: list[Any] = []
        self._running: dict[int, Any] = {}

    def asked(self, ask: Ask) -> None:
        """See `Walk`; the trial is running."""
        super().asked(ask)
        self._running[ask.ordinal] = self._trial(ask, state=self._optuna.trial.TrialState.RUNNING)

    def told(self, ask: Ask, evaluation: Evaluation) -> Outcome:
        """See `Walk`; the trial is complete, or it failed."""
        del self._running[ask.ordinal]
        if evaluation.score is not None:
            self._trials.append(self._trial(ask, value=self.population.goal.loss(evaluation.score)))
        return super().told(ask, evaluation)

    def _draft(self, rng: random.Random) -> Draft:
        sampler = self._optuna.samplers.TPESampler(seed=rng.getrandbits(31), constant_liar=bool(self._running))
        study = self._optuna.create_study(sampler=sampler)
        study.add_trials([*self._trials, *self._running.values()])
        params = study.ask(self._ranges).params
        space = self.population.space
        values = {name: unit if space[name].categorical else space[name].at(unit) for name, unit in params.items()}
        return _child(self.population, self._current, values, "sample:tpe")

    def _trial(self, ask: Ask, **said: Any) -> Any:
        space, values = self.population.space, self.population.genome(ask.variant.id).values
        params = {
            name: value if space[name].categorical else space[name].unit(value)
            for name, value in values.items()
            if name in self._ranges
        }
        ranges = {name: self._ranges[name] for name in params}
        return self._optuna.trial.create_trial(params=params, distributions=ranges, **said)

    def _range(self, knob: Knob) -> Any:
        if knob.categorical:
            return self._optuna.distributions.CategoricalDistribution(knob.choices)
        return self._optuna.distributions.FloatDistribution(0.0, 1.0)


class Cmaes(Walk):
    """The covariance matrix adaptation evolution strategy (Hansen 2016; `cma`), from the seed variant with sigma 0.3.

    Choices are bins of a unit interval. A generation is drawn when the last one is told, with as many spare points for
    slots that would wait otherwise; where it stops by its own criteria, it starts anew from a random point with twice
    the population (Auger & Hansen 2005).
    """

    def __init__(
        self, population: Population, seed_variant: Variant, seed: int, names: Sequence[str], evaluations: int | None
    ) -> None:
        """See `Walk`."""
        super().__init__(population, seed_variant, seed, names, evaluations)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has no matplotlib, and needs none
            self._cma = _extra("cma", "cmaes")
        values = Genome.of(seed_variant.files, population.space).values
        self._start = [_unit(population.space[name], values[name]) for name in population.space.names]
        self._generation = self._next = 0
        self._points: list[Any] = []
        self._places: dict[int, int] = {}  # ordinal -> index of its point
        self._losses: dict[int, float] = {}  # index -> loss
        self._begin(self._start, None)

    def asked(self, ask: Ask) -> None:
        """See `Walk`; its point is taken."""
        if self._current and ask.variant.id == self._draft(random.Random()).variant.id:  # no idea of a model's
            self._places[ask.ordinal] = self._next
            self._next += 1
        super().asked(ask)

    def told(self, ask: Ask, evaluation: Evaluation) -> Outcome:
        """See `Walk`; a full generation moves the distribution."""
        place = self._places.pop(ask.ordinal, None)
        if place is not None and place >= 0:
            score = evaluation.score
            self._losses[place] = math.inf if score is None else self.population.goal.loss(score)
        if len(self._losses) >= self._strategy.popsize:
            self._tell()
        return super().told(ask, evaluation)

    def _tell(self) -> None:
        chosen = list(self._losses)[: self._strategy.popsize]
        known = [self._losses[index] for index in chosen if math.isfinite(self._losses[index])]
        worst = max(known, default=0.0)
        losses = [min(self._losses[index], worst) for index in chosen]  # a crash is as bad as the worst, not infinitely
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._strategy.tell([self._points[index] for index in chosen], losses)
            stopped = bool(self._strategy.stop())
        self._generation += 1
        self._places = dict.fromkeys(self._places, -1)  # what is under way belongs to no generation any more
        if stopped:
            rng = stream(self._seed, self._generation, "restart")
            self._begin([rng.random() for _ in self._start], 2 * self._strategy.popsize)
        else:
            self._draw()

    def _begin(self, start: Sequence[float], size: int | None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = {"bounds": [0, 1], "verbose": -9, "seed": math.nan, "randn": self._normal, "popsize": size}
            said = {name: value for name, value in said.items() if value is not None}
            self._strategy = self._cma.CMAEvolutionStrategy(list(start), 0.3, said)
        self._draw()

    def _draw(self) -> None:
        self._rng = np.random.default_rng(stream(self._seed, self._generation, "generation").getrandbits(63))
        self._points = self._strategy.ask(2 * self._strategy.popsize)
        self._next, self._losses = 0, {}

    def _normal(self, *shape: int) -> Any:
        return self._rng.standard_normal(shape)

    def _draft(self, rng: random.Random) -> Draft:
        point = self._points[self._next % len(self._points)]
        space = self.population.space
        values = {name: _inverse(space[name], float(unit)) for name, unit in zip(space.names, point, strict=True)}
        return _child(self.population, self._current, values, "sample:cmaes")


def _child(population: Population, parent: str, values: Mapping[str, Value], origin: str) -> Draft:
    scene = Scene(population, parent, ())
    known = {name: value for name, value in values.items() if name in scene.genome.shape.index}
    draft = scene.draft(scene.genome.replace(known), origin)
    assert draft is not None, "there is a genome"
    return draft


def _unit(knob: Knob, value: Value) -> float:
    """Where a value lies; for a choice the middle of its bin."""
    return (knob.choices.index(value) + 0.5) / len(knob.choices) if knob.categorical else knob.unit(value)


def _inverse(knob: Knob, unit: float) -> Value:
    if not knob.categorical:
        return knob.at(unit)
    return knob.choices[min(int(unit * len(knob.choices)), len(knob.choices) - 1)]


def _extra(module: str, strategy: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SetupError(
            f"search.strategy: {strategy} needs {module}, which is not installed: pip install 'auto-wolf[bench]'"
        ) from error


OPTIMISERS: dict[str, type[Walk]] = {"tpe": Tpe, "cmaes": Cmaes}
