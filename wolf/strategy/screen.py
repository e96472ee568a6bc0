"""Screening: of many cheap drafts, which one deserves an evaluation?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from population.distance import Floats
from population.knobs import Space
from population.pool import Population
from population.scale import Array
from population.surrogate import Hyper, Surrogate
from wolf.strategy.operators import Draft

POOL = 150  # drafts per ask
CLIMBERS = 5  # the best drafts climb the model ...
STEPS = 2  # ... so many steps ...
NEIGHBOURS = 24  # ... each the best of so many single-knob moves
LEAST_SCORED = 6  # variants with a score before there is a model
REFIT = 8  # new evaluations before the weights are learned again, at first; later an eighth of all
SECONDS = 0.05  # what an ask with a model takes, at most (make bench-engine)

Mode = Literal["auto", "on", "off"]


def modelled(mode: Mode, expected: float | None) -> bool:
    """Whether a search has a model: with `auto` unless the judge says that its evaluations take less than an ask.

    Args:
        mode: what the configuration says.
        expected: seconds of an evaluation, where the judge can tell. They are not measured: a search that looks at
            the clock is not the same search twice.
    """
    return mode == "on" or (mode == "auto" and (expected is None or expected >= SECONDS))


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen draft and what the model expects of it: (mean, sigma) of its loss."""

    draft: Draft
    predicted: tuple[float, float]


class Screen:
    """Owns the surrogate's upkeep: when to learn, and what to take."""

    def __init__(self, on: bool = True, climb: bool = True) -> None:
        """Args: whether there is a model; whether the best drafts climb it."""
        self.on = on
        self.pool = POOL
        self._climb = climb
        self._hyper: Hyper | None = None
        self._hyper_size = 0
        self.learned: tuple[float, ...] | None = None

    def adopt(self, model: tuple[float, ...] | None) -> None:
        """Take over hyperparameters that came with an ask (size, signal, noise, weights...)."""
        self.learned = None
        if model:
            self._hyper_size = int(model[0])
            self._hyper = Hyper(np.array(model[3:]), model[1], model[2])

    def model(self, population: Population) -> Surrogate | None:
        """The surrogate for the next ask, or None if there is to be none or it knows too little.

        When it has learned new weights they are in `learned`, to be recorded with the ask.
        """
        self.learned = None
        if not self.on:
            return None
        data = population.observations()
        if np.isfinite(data.losses).sum() < LEAST_SCORED or np.nanstd(data.losses) == 0:
            return None
        due = self._hyper is None or len(population) >= self._hyper_size + max(REFIT, self._hyper_size // 8)
        model = Surrogate(population.metric, data, population.noise, None if due else self._hyper)
        if due:
            hyper = model.hyper
            self.learned = (float(len(population)), hyper.signal, hyper.noise, *map(float, hyper.weights))
        return model

    def choose(
        self,
        population: Population,
        model: Surrogate,
        drafts: Sequence[Draft],
        rng: random.Random,
        best: float | None = None,
        climbers: int = CLIMBERS,
    ) -> Choice | None:
        """The draft with the largest expected improvement, after a short climb; None if all are known already.

        Args:
            population: to tell what is known.
            model: the surrogate.
            drafts: the candidates.
            rng: for the climb.
            best: the loss to improve on; None takes the lowest posterior mean among the observed.
            climbers: so many of the best drafts climb; with 0 each is taken as it is.
        """
        if not drafts:
            return None
        features = [population.features(draft.genome) for draft in drafts]
        units = np.array([f.units for f in features])
        signatures = np.array([f.signature for f in features])
        gain = model.improvement(units, signatures, best)
        order = [int(i) for i in np.argsort(-gain, kind="stable")]
        candidates = [(float(gain[i]), drafts[i]) for i in order[:40]]
        if self._climb and climbers and len(population.space.names):
            top = order[:climbers]
            peaks, gains = climb(population.space, model, units[top], signatures[top], gain[top], best, rng)
            for i, peak, value in zip(top, peaks, gains, strict=True):
                candidates.append((float(value), _moved(drafts[i], population.space, units[i], peak)))
        candidates.sort(key=lambda pair: -pair[0])
        for _, draft in candidates:
            if draft.variant.id not in population:
                mean, sigma = model.predict(*_row(population, draft))
                return Choice(draft, (float(mean[0]), float(sigma[0])))
        return None


def climb(
    space: Space,
    model: Surrogate,
    starts: Floats,
    signatures: Floats,
    gains: Array,
    best: float | None,
    rng: random.Random,
) -> tuple[Floats, Array]:
    """Knob-wise ascent of expected improvement on `best` from each of C starts, side by side.

    Returns:
        Where each arrived, (C, K), and the expected improvement there, (C,); never less than at its start.
    """
    here, value = starts.copy(), gains.copy()
    rows = np.arange(len(starts))
    for _ in range(STEPS):
        steps = np.repeat(here, NEIGHBOURS, axis=0)
        for row in steps:
            _step(space, row, rng)
        found = model.improvement(steps, np.repeat(signatures, NEIGHBOURS, axis=0), best)
        found = found.reshape(len(starts), NEIGHBOURS)
        top = found.argmax(axis=1)
        better = found[rows, top] > value
        here[better] = steps.reshape(len(starts), NEIGHBOURS, -1)[rows, top][better]
        value[better] = found[rows, top][better]
    return here, value


def _step(space: Space, row: Floats, rng: random.Random) -> None:
    """Move one knob of a unit row, in place, to where a value of that knob lies; a knob that is absent stays so."""
    k = rng.randrange(len(row))
    if np.isnan(row[k]):
        return
    knob = space[space.names[k]]
    unit = rng.random() if space.categorical[k] else float(row[k]) + rng.gauss(0.0, 0.2)
    row[k] = knob.unit(knob.at(unit))


def _moved(draft: Draft, space: Space, before: Floats, after: Floats) -> Draft:
    """The draft with the knobs that differ between two unit rows set to the second."""
    moved = [k for k in range(len(space.names)) if after[k] != before[k] and not np.isnan(after[k])]
    values = {space.names[k]: space[space.names[k]].at(float(after[k])) for k in moved}
    return Draft(draft.genome.replace(values), draft.parents, draft.origin, draft.base)


def _row(population: Population, draft: Draft) -> tuple[Floats, Floats]:
    features = population.features(draft.genome)
    return features.units[None], features.signature[None]
