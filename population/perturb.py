"""Random perturbations of knobs, from a nudge of one to a redraw of all.

All are pure: the same genome and the same state of `rng` give the same child. All return None when there is no knob
to turn, and otherwise a genome that differs from the one they were given.
"""

from __future__ import annotations

import random

from population.genome import Genome
from population.knobs import Space
from population.literals import Value


def nudge(genome: Genome, space: Space, rng: random.Random, knobs: int = 1, scale: float = 0.15) -> Genome | None:
    """A Gaussian step on some knobs; choices and switches are drawn anew.

    Args:
        genome: where to start.
        space: the run's knobs.
        rng: the source of all randomness.
        knobs: how many knobs move.
        scale: standard deviation of a step on the unit scale.
    """
    names = _some(genome, rng, knobs)
    return _turn(genome, {name: _step(genome, space, name, rng.gauss(0.0, scale), rng) for name in names})


def kick(genome: Genome, space: Space, rng: random.Random) -> Genome | None:
    """A Levy flight: two knobs or more, P(at least k + 1) = 1/k; steps with tail exponent 1.2 beyond 0.1."""
    names = _some(genome, rng, 1 + int(min(rng.paretovariate(1.0), 1e6)))
    steps = {name: min(1.0, 0.1 * rng.paretovariate(1.2)) * rng.choice((-1.0, 1.0)) for name in names}
    return _turn(genome, {name: _step(genome, space, name, step, rng) for name, step in steps.items()})


def draw(genome: Genome, space: Space, rng: random.Random, share: float = 1.0) -> Genome | None:
    """A share of the knobs, at least one, uniformly anew."""
    names = _some(genome, rng, max(1, round(share * len(genome.settings))))
    child = _turn(genome, {name: _anew(space, name, rng) for name in names})
    return nudge(genome, space, rng) if child == genome else child


def _some(genome: Genome, rng: random.Random, count: int) -> list[str]:
    names = list(genome.shape.index)
    return rng.sample(names, min(count, len(names)))


def _turn(genome: Genome, values: dict[str, Value]) -> Genome | None:
    return genome.replace(values) if values else None


def _step(genome: Genome, space: Space, name: str, step: float, rng: random.Random) -> Value:
    knob, value = space[name], genome.settings[genome.shape.index[name]]
    return rng.choice(knob.others(value)) if knob.categorical else knob.moved(value, step)


def _anew(space: Space, name: str, rng: random.Random) -> Value:
    knob = space[name]
    return rng.choice(knob.choices) if knob.categorical else knob.at(rng.random())
