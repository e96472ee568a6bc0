"""All variants of a run as the search sees them: knobs in [0, 1] and the signature of everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from population.distance import SIGNATURE_SIZE, STRUCTURE_WEIGHT, Floats, Metric, chord, signature
from population.genome import Genome
from population.knobs import Space
from population.literals import Value
from wolf.reading.difference import space_of
from wolf.reading.records import Run

_ROWS = 256  # of a table of distances at once: what lies between them is (rows, columns, knobs)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where every variant stands.

    Attributes:
        space: the knobs.
        index: variant's id -> its row.
        values: variant's id -> its knobs' values.
        units: (N, K), see `population.distance.Features`.
        signatures: (N, SIGNATURE_SIZE).
    """

    space: Space
    index: Mapping[str, int]
    values: Mapping[str, Mapping[str, Value]]
    units: Floats
    signatures: Floats

    @property
    def metric(self) -> Metric:
        """The distance that novelty and the surrogate use."""
        return Metric(self.space.categorical)

    def distances(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
        """The total distance between each of `rows` and each of `columns`: (len(rows), len(columns))."""
        parts = []
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            gaps = self.metric.gaps(self.units[some][:, None, :], self.units[columns][None, :, :]).sum(axis=2)
            parts.append(gaps + STRUCTURE_WEIGHT * chord(self.signatures[some] @ self.signatures[columns].T))
        return np.concatenate(parts)


def survey(run: Run) -> Ground:
    """Read every variant of `run`; takes a fraction of a millisecond each.

    Raises:
        UsageError: if the run's texts are not at hand.
    """
    space = space_of(run)
    genomes: dict[str, Genome] = {}
    structures: dict[str, Floats] = {}
    units = np.zeros((len(run.variants), len(space.names)), dtype=np.float32)
    signatures = np.zeros((len(run.variants), SIGNATURE_SIZE), dtype=np.float32)
    for row, (id, proposal) in enumerate(run.variants.items()):
        like = next((genomes[parent] for parent in proposal.parents if parent in genomes), None)
        genome = genomes[id] = Genome.of(run.files(id), space, like)
        if genome.skeleton_id not in structures:
            structures[genome.skeleton_id] = signature(genome.skeleton)
        units[row], signatures[row] = space.unit(genome.values), structures[genome.skeleton_id]
    index = {id: row for row, id in enumerate(run.variants)}
    return Ground(space, index, {id: genome.values for id, genome in genomes.items()}, units, signatures)
