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

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIGNATURE_SIZE = 256
STRUCTURE_WEIGHT = 3.0  # another structure counts as three knobs moved from one end to the other
NEIGHBOURS = 10

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
        gap[..., self.categorical] = gap[..., self.categorical] != 0
        if np.isnan(gap.sum()):
            gap = np.where(np.isnan(gap), np.where(np.isnan(a) & np.isnan(b), 0.0, 1.0), gap)
        return cast(Floats, gap)

    def parts(self, a_units: Floats, a_signs: Floats, b_units: Floats, b_signs: Floats) -> Floats:
        """Every part of the distance between every row of `a` and every row of `b`: (A, B, K + 1), structure last."""
        gap = self.gaps(a_units[:, None, :], b_units[None, :, :])
        return cast(Floats, np.concatenate([gap, chord(a_signs @ b_signs.T)[..., None]], axis=2))


class Neighbourhood:
    """A growing set of variants that knows the novelty of each: exact k-nearest-neighbour distances, kept up to date.

    Adding the N-th costs one pass over N rows. Structures are stored once each, however many variants share one.
    """

    def __init__(self, metric: Metric, knobs: int) -> None:
        """An empty neighbourhood for variants with `knobs` knobs."""
        self._metric = metric
        self._size = 0
        self._units = np.empty((64, knobs), dtype=np.float32)
        self._structure_of = np.empty(64, dtype=np.int64)
        self._structures = np.empty((8, SIGNATURE_SIZE), dtype=np.float32)
        self._structure_index: dict[bytes, int] = {}
        self._nearest = np.full((64, NEIGHBOURS), np.inf, dtype=np.float32)  # ascending in each row

    def __len__(self) -> int:
        """How many variants are in it."""
        return self._size

    @property
    def units(self) -> Floats:
        """(N, K), a view."""
        return self._units[: self._size]

    @property
    def signatures(self) -> Floats:
        """(N, SIGNATURE_SIZE), a copy."""
        return self._structures[self._structure_of[: self._size]]

    def features(self, index: int) -> Features:
        """The features of the `index`-th variant added."""
        return Features(self._units[index], self._structures[self._structure_of[index]])

    def rows(self, indices: Sequence[int]) -> tuple[Floats, Floats]:
        """Units and signatures of some variants, as copies."""
        return self._units[indices], self._structures[self._structure_of[indices]]

    def add(self, features: Features) -> int:
        """Add a variant; returns its index. Updates the neighbours of everyone it is near to."""
        index = self._size
        self._grow()
        distances = self._distances(features)
        self._units[index] = features.units
        self._structure_of[index] = self._structure(features.signature)
        self._size += 1
        if index:
            closest = np.sort(np.partition(distances, NEIGHBOURS)[:NEIGHBOURS] if index > NEIGHBOURS else distances)
            self._nearest[index, : len(closest)] = closest
            closer = np.nonzero(distances < self._nearest[:index, -1])[0]
            if len(closer):
                rows = self._nearest[closer]
                rows[:, -1] = distances[closer]
                rows.sort(axis=1)
                self._nearest[closer] = rows
        return index

    def novelty(self, indices: Sequence[int]) -> Floats:
        """Mean distance of these variants to their nearest neighbours; 0 for a variant that is alone."""
        nearest = self._nearest[indices]
        known = np.isfinite(nearest)
        return cast(Floats, np.where(known, nearest, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1))

    def novelty_of(self, features: Features) -> float:
        """What the novelty of a variant that is not in the set would be."""
        if not self._size:
            return 0.0
        return float(np.sort(self._distances(features))[:NEIGHBOURS].mean())

    def _distances(self, features: Features) -> Floats:
        structure = chord(self._structures[: len(self._structure_index)] @ features.signature)
        knobs = self._metric.gaps(self.units, features.units).sum(axis=1)
        return cast(Floats, knobs + STRUCTURE_WEIGHT * structure[self._structure_of[: self._size]])

    def _structure(self, vector: Floats) -> int:
        key = vector.tobytes()
        index = self._structure_index.setdefault(key, len(self._structure_index))
        if index == len(self._structures):
            self._structures = np.concatenate([self._structures, np.empty_like(self._structures)])
        self._structures[index] = vector
        return index

    def _grow(self) -> None:
        if self._size < len(self._units):
            return
        self._units = np.concatenate([self._units, np.empty_like(self._units)])
        self._structure_of = np.concatenate([self._structure_of, np.empty_like(self._structure_of)])
        self._nearest = np.concatenate([self._nearest, np.full_like(self._nearest, np.inf)])
