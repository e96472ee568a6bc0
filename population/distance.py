"""One distance between variants, used for novelty and for the surrogate alike.

A variant is described by its knobs, each as a number in [0, 1], and by the hashed token n-grams of everything that is
not a knob (its skeleton). The distance has one part per knob and one for the structure, each in [0, 1]:

    d_k(a, b) = |a_k - b_k|       for an ordered knob
              = [a_k != b_k]      for a switch or a choice, and where only one of the two has the knob
    d_s(a, b) = sqrt(1 - cos(n-grams of a, n-grams of b))

Novelty is the mean distance to the k nearest others (Lehman & Stanley, "Abandoning objectives", 2011), with
`d = sum_k d_k + STRUCTURE_WEIGHT * d_s`.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIGNATURE_SIZE = 256
STRUCTURE_WEIGHT = 3.0  # another structure counts as three knobs moved from one end to the other
NEIGHBOURS = 10
SAMPLE = 4096
TOGETHER = 512  # newcomers at a time
BLOCK = 32768  # distances at a time; two arrays of them fit into any processor's second cache

_TOKEN = re.compile(r"\w+|[^\w\s]")


def signature(text: str) -> Floats:
    """Counts of hashed token 1- to 3-grams as a unit vector of length SIGNATURE_SIZE; zeros for an empty text."""
    tokens = [token.encode() for token in _TOKEN.findall(text)]
    counts = np.zeros(SIGNATURE_SIZE, dtype=np.float32)
    for size in (1, 2, 3):
        for i in range(len(tokens) - size + 1):
            counts[zlib.crc32(b" ".join(tokens[i : i + size])) % SIGNATURE_SIZE] += 1
    norm = float(np.linalg.norm(counts))
    return counts / np.float32(norm) if norm else counts


def chord(cosine: Floats) -> Floats:
    """`sqrt(1 - cos)`; zero for identical structures in spite of rounding."""
    gap = np.sqrt(np.clip(1.0 - cosine, 0.0, 1.0))
    gap[gap < 1e-3] = 0.0
    return cast(Floats, gap)


@dataclass(frozen=True, slots=True)
class Features:
    """Where a variant stands.

    Attributes:
        units: (K,) one number in [0, 1] per knob of the space, NaN where the variant lacks it.
        signature: (SIGNATURE_SIZE,) unit vector of its structure.
    """

    units: Floats
    signature: Floats


class Metric:
    """Distances between feature rows under fixed kinds of knobs."""

    def __init__(self, categorical: Sequence[bool]) -> None:
        """`categorical`: for each knob, whether its values are unordered."""
        self.categorical = np.asarray(categorical, dtype=bool)

    def gaps(self, a: Floats, b: Floats) -> Floats:
        """The knob parts `d_k` of the distance between unit rows, by numpy's broadcasting."""
        gap = np.abs(a - b)
        if np.isnan(gap.sum()):
            apart = (np.isnan(a) != np.isnan(b)).astype(np.float32)
            gap = np.where(np.isnan(gap), apart, gap)
        gap[..., self.categorical] = gap[..., self.categorical] != 0
        return cast(Floats, gap)

    def parts(self, a_units: Floats, a_signs: Floats, b_units: Floats, b_signs: Floats) -> Floats:
        """Every part of the distance between every row of `a` and every row of `b`: (A, B, K + 1), structure last."""
        gap = self.gaps(a_units[:, None, :], b_units[None, :, :])
        return cast(Floats, np.concatenate([gap, chord(a_signs @ b_signs.T)[..., None]], axis=2))

    def weighted(self, weights: Floats, a_units: Floats, a_signs: Floats, b_units: Floats, b_signs: Floats) -> Floats:
        """`sum_k w_k d_k^1.5` between every row of `a` and every row of `b`: (A, B), the structure's weight last.

        What `parts` would give, many times faster: part by part, in blocks that stay in the processor's cache.
        """
        total = chord(a_signs @ b_signs.T)
        total *= np.sqrt(total) * weights[-1]
        columns, absent = np.ascontiguousarray(b_units.T), bool(np.isnan(a_units).any() or np.isnan(b_units).any())
        rows = max(1, BLOCK // max(1, len(b_units)))
        for start in range(0, len(a_units), rows):
            block, here = total[start : start + rows], a_units[start : start + rows]
            gap, root = np.empty_like(block), np.empty_like(block)
            for k in range(len(columns)):
                a, b = here[:, k, None], columns[k]
                np.abs(np.subtract(a, b, out=gap), out=gap)
                if absent:
                    gap[np.isnan(a) & np.isnan(b)] = 0.0
                    gap[np.isnan(gap)] = 1.0
                if self.categorical[k]:
                    np.multiply(gap != 0, weights[k], out=root)
                else:
                    np.multiply(np.sqrt(gap, out=root), gap, out=root)
                    root *= weights[k]
                block += root
        return total


class Terrain:
    """Where everything that was judged stands: a growing set of features.

    Structures are stored once each, however many variants share one. Distances to all are taken to at most `SAMPLE` of
    them, evenly strided, so that a step costs the same at a thousand variants and at a hundred thousand.
    """

    def __init__(self, metric: Metric, knobs: int) -> None:
        """An empty terrain for variants with `knobs` knobs."""
        self._metric = metric
        self._size = 0
        self._units = np.empty((64, knobs), dtype=np.float32)
        self._structure_of = np.empty(64, dtype=np.int32)
        self._known = np.empty(64, dtype=np.int32)  # structures that were here before
        self._structures = np.empty((8, SIGNATURE_SIZE), dtype=np.float32)
        self._structure_index: dict[bytes, int] = {}

    def __len__(self) -> int:
        """How many variants are in it."""
        return self._size

    def rows(self, indices: Sequence[int]) -> tuple[Floats, Floats]:
        """Units and signatures of some variants, as copies."""
        chosen = np.asarray(indices, dtype=np.int64)
        return self._units[chosen], self._structures[self._structure_of[chosen]]

    def at(self, index: int) -> Features:
        """The features of one variant, as a copy."""
        return Features(self._units[index].copy(), self._structures[self._structure_of[index]])

    def add(self, features: Features) -> int:
        """Add a variant; returns its index."""
        row = self._row()
        self._units[row] = features.units
        self._structure_of[row] = self._structure(features.signature)
        return row

    def inherit(self, parent: int, moved: Mapping[int, float]) -> int:
        """Add a variant that stands where another does but for some knobs (column -> unit); returns its index."""
        row = self._row()
        units = self._units[row]
        units[:] = self._units[parent]
        for column, unit in moved.items():
            units[column] = unit
        self._structure_of[row] = self._structure_of[parent]
        return row

    def _row(self) -> int:
        """Room for one more, and how many structures there were before it."""
        if self._size == len(self._units):
            self._units = np.concatenate([self._units, np.empty_like(self._units)])
            self._structure_of = np.concatenate([self._structure_of, np.empty_like(self._structure_of)])
            self._known = np.concatenate([self._known, np.empty_like(self._known)])
        self._known[self._size] = len(self._structure_index)
        self._size += 1
        return self._size - 1

    def distances(self, features: Features, indices: Sequence[int] | slice, known: int | None = None) -> Floats:
        """Total distance from one variant to some of those here: (len(indices),).

        With `known` to the last bit what this said when there were so many structures.
        """
        known = len(self._structure_index) if known is None else known
        knobs = self._metric.gaps(self._units[indices], features.units).sum(axis=1)
        structure = self._apart(features.signature, self._structure_of[indices], known)
        return cast(Floats, knobs + STRUCTURE_WEIGHT * structure)

    def alike(self, members: int) -> bool:
        """Whether `between` says the same, to the last bit, whoever else is among so many members."""
        return members * 4 >= len(self._structure_index)

    def between(self, start: int, stop: int, members: Sequence[int]) -> Floats:
        """How far each variant in the rows `start` to `stop` is from some of those here: (len(members), stop - start).

        To the last bit what `distances` said of each of them before it was added. Of members that came later than it:
        any number.
        """
        columns = []
        which = self._structure_of[np.asarray(members, dtype=np.int64)]
        found: dict[tuple[int, int], Floats] = {}
        for first in range(start, stop, TOGETHER):
            rows = slice(first, min(stop, first + TOGETHER))
            gaps = np.ascontiguousarray(self._metric.gaps(self._units[members], self._units[rows, None]))
            flat = gaps.reshape(gaps.shape[0] * gaps.shape[1], gaps.shape[2])  # summed as one row is, to the last bit
            knobs = flat.sum(axis=1).reshape(gaps.shape[:2])
            kinds = list(zip(self._structure_of[rows].tolist(), self._known[rows].tolist(), strict=True))
            for index, known in set(kinds) - found.keys():
                found[index, known] = self._apart(self._structures[index], np.minimum(which, known - 1), known)
            columns.append(knobs + STRUCTURE_WEIGHT * np.array([found[kind] for kind in kinds]))
        return np.concatenate(columns).T

    def _apart(self, signature: Floats, which: NDArray[np.int32], known: int) -> Floats:
        """How far a structure is from some of the first `known` here."""
        if len(which) * 4 < known:
            return chord(self._structures[which] @ signature)
        return chord(self._structures[:known] @ signature)[which]

    def apart(self, index: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """How each variant here differs from one of them: whether in structure, and in how many knobs."""
        structure, units = self._structure_of[: self._size], self._units[: self._size]
        same = (units == units[index]) | (np.isnan(units) & np.isnan(units[index]))
        return structure != structure[index], (~same).sum(axis=1)

    def nearest(self, features: Features, size: int | None = None) -> Floats:
        """Ascending distances to the NEIGHBOURS nearest here, `inf` where there are fewer: (NEIGHBOURS,).

        With `size` what this said when so many were here.
        """
        closest = np.full(NEIGHBOURS, np.inf, dtype=np.float32)
        size = self._size if size is None else size
        if size:
            stride = -(-size // SAMPLE)
            known = int(self._known[size]) if size < self._size else None
            found = self.distances(features, slice(0, size, stride), known)
            found = np.sort(np.partition(found, NEIGHBOURS)[:NEIGHBOURS] if len(found) > NEIGHBOURS else found)
            closest[: len(found)] = found
        return closest

    def _structure(self, vector: Floats) -> int:
        key = hashlib.sha256(vector.tobytes()).digest()[:16]
        index = self._structure_index.setdefault(key, len(self._structure_index))
        if index == len(self._structures):
            self._structures = np.concatenate([self._structures, np.empty_like(self._structures)])
        self._structures[index] = vector
        return index


def closer(nearest: Floats, distances: Floats) -> Floats:
    """Nearest-neighbour rows (N, NEIGHBOURS) after M newcomers at these distances (N, M)."""
    return cast(Floats, np.sort(np.concatenate([nearest, distances], axis=1), axis=1)[:, :NEIGHBOURS])


def novelty(nearest: Floats) -> Floats:
    """Mean distance to the known nearest neighbours, row by row: (N,); 0 for a variant that is alone."""
    known = np.isfinite(nearest)
    return cast(Floats, np.where(known, nearest, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))
