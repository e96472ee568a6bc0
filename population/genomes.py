"""How those are written who may become parents, or are being judged."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import lru_cache

import numpy as np
from msgspec import Struct

from population.distance import Features, Floats, signature
from population.genome import Genome, Heir
from population.knobs import Space
from population.literals import Value
from population.variant import Variant

STRUCTURES = 512  # whose features are remembered
PARSED = 192  # genomes of others that are remembered


class Descent(Struct, frozen=True):
    """How to make the genome of a variant of which a history speaks, when somebody asks for it."""

    base: Genome | str  # an ancestor's; of the one with this id, what its files say
    values: Mapping[str, Value]  # what differs


class Genomes:
    """Genome by variant; those that are not kept are parsed again when somebody asks."""

    def __init__(self, space: Space, files: Callable[[str], Mapping[str, str]]) -> None:
        """`files` finds those of a variant by id."""
        self._space = space
        self._kept: dict[str, Genome | Descent] = {}
        self._columns = {name: (number, space[name].unit) for number, name in enumerate(space.names)}
        self._signatures: dict[str, Floats] = {}  # by skeleton, of the latest that were asked for
        self._parsed = lru_cache(maxsize=PARSED)(lambda variant: Genome.of(files(variant), space))

    def __getitem__(self, variant: str) -> Genome:
        known = self._kept.get(variant)
        if isinstance(known, Descent):
            base = self._parsed(known.base) if isinstance(known.base, str) else known.base
            known = self._kept[variant] = base.replace(known.values)
        return known or self._parsed(variant)

    def keep(self, variant: Variant, genome: Genome | Heir | None) -> Genome | Heir:
        """Keep the genome of a newcomer, and return what tells where it stands; see `Population.expect`."""
        near = next(filter(self._kept.__contains__, variant.parents), None)
        if isinstance(genome, Heir) and near in (None, genome.parent):
            self._kept[variant.id] = self._descent(near, genome.values) if near else Descent(variant.id, {})
            return genome
        like = self[near] if near else None
        if not isinstance(genome, Genome) or like is None or genome.shape is not like.shape:
            genome = Genome.of(variant.files, self._space, like)
        self._kept[variant.id] = genome
        return genome

    def drop(self, variant: str) -> None:
        """Keep it no longer."""
        self._kept.pop(variant, None)

    def prune(self, *staying: Container[str]) -> None:
        """Keep only those who are in one of these."""
        self._kept = {id: genome for id, genome in self._kept.items() if any(id in some for some in staying)}

    def features(self, genome: Genome) -> Features:
        """Where a genome stands in the space."""
        structure = self._signatures.get(genome.skeleton_id)
        if structure is None:
            if len(self._signatures) == STRUCTURES:
                del self._signatures[next(iter(self._signatures))]
            structure = self._signatures[genome.skeleton_id] = signature(genome.skeleton)
        return Features(np.asarray(self._space.unit(genome.values), dtype=np.float32), structure)

    def inherited(self, child: Heir, parent: Features) -> Features:
        """Where a child stands whose parent stands there."""
        units = parent.units.copy()
        for column, unit in self.moved(child).items():
            units[column] = unit
        return Features(units, parent.signature)

    def moved(self, child: Heir) -> dict[int, float]:
        """Where a child stands and its parent does not: column of the knob -> unit."""
        columns = self._columns
        return {columns[name][0]: columns[name][1](value) for name, value in child.values.items()}

    def _descent(self, variant: str, values: Mapping[str, Value]) -> Descent:
        """Of a child that differs from this variant in these."""
        known = self._kept[variant]
        if isinstance(known, Genome):
            return Descent(known, values)
        return Descent(known.base, {**known.values, **values})
