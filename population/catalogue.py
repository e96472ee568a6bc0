"""Numbers by name, sixteen bytes each: for what a run has to know of every variant, a hundred thousand of them."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

FRESH = 64  # names that are not in order yet, at least; then a sixteenth of the others


class Catalogue:
    """Names, as 64 bits of their digest, and a number for each.

    Two of a hundred thousand names are taken for one with a chance of 1 in 4 thousand million.
    """

    def __init__(self) -> None:
        """Nothing is in it."""
        self._names = np.empty(0, dtype=np.uint64)  # ascending
        self._numbers = np.empty(0, dtype=np.int64)
        self._fresh: dict[int, int] = {}

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._names) + len(self._fresh)

    def __contains__(self, name: str | bytes) -> bool:
        """Whether a name is in it."""
        return self.get(name) is not None

    def get(self, name: str | bytes) -> int | None:
        """The number of a name; None if it is not here."""
        return self._find(_brief(name))

    def setdefault(self, name: str | bytes, number: int = 0) -> int:
        """The number of a name, which is this one if it was not here before."""
        found = self.get(name)
        if found is None:
            self.add(name, number)
        return number if found is None else found

    def add(self, name: str | bytes, number: int) -> None:
        """A name that is not in it yet, and its number."""
        self._fresh[_brief(name)] = number
        if len(self._fresh) > FRESH + len(self._names) // 16:
            self._sort()

    def _find(self, brief: int) -> int | None:
        if brief in self._fresh:
            return self._fresh[brief]
        place = int(self._names.searchsorted(np.uint64(brief)))
        return int(self._numbers[place]) if place < len(self._names) and self._names[place] == brief else None

    def _sort(self) -> None:
        names = np.concatenate([self._names, np.fromiter(self._fresh, np.uint64)])
        order = names.argsort()
        self._numbers = np.concatenate([self._numbers, np.fromiter(self._fresh.values(), np.int64)])[order]
        self._names = names[order]
        self._fresh = {}


def _brief(name: str | bytes) -> int:
    data = name.encode("utf-8", "surrogatepass") if isinstance(name, str) else name
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
