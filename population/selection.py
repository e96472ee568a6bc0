"""Who becomes a parent, who stays: novelty-weighted tournaments and survivors."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from deap import tools

from population.distance import Floats

TOURNAMENT_SIZE = 4


def ranks(values: Sequence[float]) -> Floats:
    """Ranks scaled to [0, 1], the lowest value at 0; equal values share their mean rank. Scales never have to match."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return np.zeros(len(array), dtype=np.float32)
    _, inverse, counts = np.unique(array, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts + 1) / 2.0
    return (mean_rank[inverse] / (len(array) - 1)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A member in a tournament. `fitness` is higher for better."""

    id: str
    fitness: float


def contestants(
    ids: Sequence[str], losses: Sequence[float], novelties: Sequence[float], weight: float
) -> list[Contestant]:
    """Fitness `rank(loss) + weight * rank(novelty)`, both ranks in [0, 1] with 1 the best.

    Args:
        ids: the members.
        losses: lower is better; inf is allowed.
        novelties: higher is more novel.
        weight: of novelty against loss; 0 turns novelty off, 1 makes them equal.
    """
    fitness = (1.0 - ranks(losses)) + weight * ranks(novelties)
    return [Contestant(member, float(value)) for member, value in zip(ids, fitness, strict=True)]


def tournament(members: Sequence[Contestant], count: int, rng: random.Random) -> list[str]:
    """Ids of the winners of `count` tournaments of TOURNAMENT_SIZE, with replacement (DEAP's `selTournament`).

    DEAP draws from the global `random`; its state is set from `rng` for the draw and put back afterwards.
    """
    state = random.getstate()
    random.seed(rng.random())
    try:
        winners = tools.selTournament(list(members), count, TOURNAMENT_SIZE, fit_attr="fitness")
    finally:
        random.setstate(state)
    return [winner.id for winner in winners]


def survivors(losses: Sequence[float], novelties: Sequence[float], size: int, novel_share: float) -> list[int]:
    """Indices of those who stay: the best by loss, and from the better half of the rest the most novel.

    Args:
        losses: lower is better.
        novelties: higher is more novel.
        size: how many stay at most.
        novel_share: share of the places that go to novelty.
    """
    order = sorted(range(len(losses)), key=lambda i: (losses[i], i))
    if len(order) <= size:
        return order
    elite = order[: size - int(size * novel_share)]
    rest = order[len(elite) : max(len(order) // 2, size)]
    novel = sorted(rest, key=lambda i: (-novelties[i], i))[: size - len(elite)]
    return sorted([*elite, *novel], key=lambda i: (losses[i], i))
