"""Ways to make a child. Each is a function of the population and a random stream, and makes one draft or none.

Drafts are cheap: most are made to be screened by the surrogate and thrown away, so a draft has no text until somebody
wants its variant.
"""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from population import statements
from population.genome import Genome, changes, describe
from population.knobs import Space
from population.perturb import draw, kick, nudge
from population.pool import Population
from population.recombine import cross, join, merge
from population.variant import Variant

NEAR_MISS_KNOBS = 6  # a pool member that differs from the incumbent in at most so many knobs can be joined to it


@dataclass(frozen=True)
class Draft:
    """A child before anybody pays for it: its genome, who made it and of whom."""

    genome: Genome
    parents: tuple[str, ...]
    origin: str
    base: Genome  # the first parent's
    said: str = ""  # what was done, where knobs do not tell

    @cached_property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Knob -> (value in the first parent, value here)."""
        return changes(self.base, self.genome)

    @cached_property
    def variant(self) -> Variant:
        """The child itself."""
        note = self.said or describe(self.changes) or self.origin.partition(":")[2]
        return Variant(self.genome.files(), self.parents, self.origin, note)


REARRANGEMENTS = {
    "swap": statements.swap,
    "drop": statements.drop,
    "double": statements.double,
    "move": statements.move,
    "trim": statements.trim,
    "turn": statements.turn,
}

# What these make is their first parent but for the values of knobs.
TUNING = frozenset(
    ("perturb:nudge", "perturb:kick", "perturb:scatter", "perturb:draw", "recombine:join", "recombine:reopen",
     "sample:tpe", "sample:cmaes")
)  # fmt: skip

Operator = Callable[["Scene", random.Random], Draft | None]


@dataclass(frozen=True)
class Scene:
    """What an operator sees: the population, the variant it is to start from, and likely mates."""

    population: Population
    centre: str
    mates: Sequence[str]

    @property
    def space(self) -> Space:
        """The knobs."""
        return self.population.space

    @cached_property
    def genome(self) -> Genome:
        """The centre's genome."""
        return self.population.genome(self.centre)

    def draft(self, genome: Genome | None, origin: str, *others: str) -> Draft | None:
        """A draft with the centre as its first parent; None stays None."""
        return None if genome is None else Draft(genome, (self.centre, *others), origin, self.genome)


def _nudge(scene: Scene, rng: random.Random) -> Draft | None:
    """A small step of one to three knobs."""
    knobs, scale = rng.choice((1, 1, 1, 2, 3)), rng.choice((0.05, 0.1, 0.2, 0.3))
    return scene.draft(nudge(scene.genome, scene.space, rng, knobs, scale), "perturb:nudge")


def _kick(scene: Scene, rng: random.Random) -> Draft | None:
    """Several knobs at once, far: Levy-distributed numbers and lengths."""
    return scene.draft(kick(scene.genome, scene.space, rng), "perturb:kick")


def _scatter(scene: Scene, rng: random.Random) -> Draft | None:
    """A random share of the knobs drawn anew."""
    return scene.draft(draw(scene.genome, scene.space, rng, rng.choice((0.15, 0.3, 0.5))), "perturb:scatter")


def _draw(scene: Scene, rng: random.Random) -> Draft | None:
    """Every knob drawn anew."""
    return scene.draft(draw(scene.genome, scene.space, rng, 1.0), "perturb:draw")


def _cross(scene: Scene, rng: random.Random) -> Draft | None:
    """The centre and a mate: knob by knob where they share a structure, else merged against the seed."""
    if not scene.mates:
        return None
    mate = rng.choice(scene.mates)
    other = scene.population.genome(mate)
    if other.skeleton_id == scene.genome.skeleton_id:
        return scene.draft(cross(scene.genome, other, rng), "recombine:cross", mate)
    if rng.random() < 0.5 and (edit := statements.borrow(scene.genome, other, rng)) is not None:
        genome = Genome.of(edit.files, scene.space)
        return Draft(genome, (scene.centre, mate), "recombine:cross", scene.genome, edit.note)
    files = merge(scene.population.genome(next(iter(scene.population))), scene.genome, other, rng)
    return None if files is None else scene.draft(Genome.of(files, scene.space), "recombine:merge", mate)


def _join(scene: Scene, rng: random.Random) -> Draft | None:
    """The departures of several near misses, together: many true gains are smaller than the noise of one reading."""
    near = [member for member in scene.population.pool if 0 < _apart(scene, member) <= NEAR_MISS_KNOBS]
    if len(near) < 2:
        return None
    chosen = rng.sample(near, min(len(near), rng.choice((2, 2, 3))))
    genomes = [scene.population.genome(member) for member in chosen]
    return scene.draft(join(scene.genome, genomes), "recombine:join", *chosen)


def _apart(scene: Scene, member: str) -> int:
    """In how many knobs a member differs from the centre; 0 if their structures differ too."""
    genome = scene.population.genome(member)
    if genome.skeleton_id != scene.genome.skeleton_id:
        return 0
    return sum(map(operator.ne, genome.settings, scene.genome.settings))


def _reopen(scene: Scene, rng: random.Random) -> Draft | None:
    """What some variant once changed in its parent, changed in the centre: a discard is one only in its own basin."""
    if not scene.population.pool:
        return None
    member = rng.choice(scene.population.pool)
    parents = scene.population.variant(member).parents
    if member == scene.centre or not parents:
        return None
    then = changes(scene.population.genome(parents[0]), scene.population.genome(member))
    values = {name: new for name, (_, new) in then.items() if new is not None and name in scene.genome.values}
    if not values or len(values) > NEAR_MISS_KNOBS:
        return None
    return scene.draft(scene.genome.replace(values), "recombine:reopen", member)


def _rearrange(scene: Scene, rng: random.Random) -> Draft | None:
    """A statement or a sentence swapped, dropped, doubled, moved or reworded; a bare number changed."""
    kind = rng.choice(("number", *REARRANGEMENTS))
    edit = (
        statements.number(scene.genome, scene.space, rng)
        if kind == "number"
        else REARRANGEMENTS[kind](scene.genome, rng)
    )
    if edit is None:
        return None
    genome = Genome.of(edit.files, scene.space)
    return Draft(genome, (scene.centre,), "perturb:rearrange", scene.genome, edit.note)


def _reframe(scene: Scene, rng: random.Random) -> Draft | None:
    """The slots of a text in another of its templates."""
    edit = statements.reframe(scene.genome, scene.space, rng)
    if edit is None:
        return None
    return Draft(Genome.of(edit.files, scene.space), (scene.centre,), "perturb:reframe", scene.genome, edit.note)


OPERATORS: dict[str, Operator] = {
    "perturb:nudge": _nudge,
    "perturb:kick": _kick,
    "perturb:scatter": _scatter,
    "perturb:draw": _draw,
    "recombine:cross": _cross,
    "recombine:join": _join,
    "recombine:reopen": _reopen,
    "perturb:rearrange": _rearrange,
    "perturb:reframe": _reframe,
}


def available(knobs: bool, recombine: bool, statements: bool, frames: bool = False) -> tuple[str, ...]:
    """Names of the operators that a target and its switches leave; `frames`: whether it has templates."""
    return tuple(
        name
        for name in OPERATORS
        if (knobs or name == "perturb:rearrange")
        and (frames or name != "perturb:reframe")
        and (recombine or not name.startswith("recombine:"))
        and (statements or name != "perturb:rearrange")
    )


def mutate(scene: Scene, rng: random.Random, names: Sequence[str]) -> Draft | None:
    """The shared mutation: mostly a nudge, sometimes a kick or a rearrangement. All strategies step with it."""
    weights = {"perturb:nudge": 0.75, "perturb:kick": 0.15, "perturb:rearrange": 0.10, "perturb:reframe": 0.15}
    usable = [name for name in weights if name in names]
    return OPERATORS[rng.choices(usable, [weights[name] for name in usable])[0]](scene, rng)
