"""How far the members of a pool are from what is nearest to each, among all that were ever judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from population.distance import Floats, Terrain, closer, novelty

TOGETHER = 4096  # newcomers at a time


@dataclass(slots=True)
class Member:
    """One member.

    Attributes:
        size: how many were in the terrain when it came.
        start: those in rows before this one are among its neighbours.
        nearest: ascending distances to its nearest neighbours; None until somebody asks.
    """

    size: int
    start: int
    nearest: Floats | None = None


class Neighbours:
    """Distances from some variants, by their rows in a terrain, to their nearest neighbours there.

    They are taken when somebody asks, many at once, and are to the last bit what one by one would give: where that
    depends on who is there (see `Terrain.alike`), they are taken before somebody comes or goes.
    """

    def __init__(self, terrain: Terrain) -> None:
        """Of nobody."""
        self._terrain = terrain
        self._members: dict[int, Member] = {}

    def enter(self, row: int, size: int) -> None:
        """One more, when so many others had come before it; nothing changes if it is here."""
        if row in self._members:
            return
        alike = self._terrain.alike(len(self._members))
        if not alike:
            self.meet()
        self._members[row] = Member(size, max(size, row + 1))
        if not alike:
            self._seek(row)

    def keep(self, rows: Sequence[int]) -> None:
        """These and no others, in this order."""
        if not self._terrain.alike(len(rows)):
            self.meet()
        self._members = {row: self._members[row] for row in rows}

    def novelties(self, rows: Sequence[int]) -> list[float]:
        """How new the ground is on which each of these stands."""
        self.meet()
        return [float(n) for n in novelty(np.array([self._seek(row) for row in rows]))] if rows else []

    def meet(self) -> None:
        """Those who came since this was last said may be nearer than others."""
        size, rows = len(self._terrain), [*self._members]
        starts = [member.start for member in self._members.values()]
        for first in range(min(starts, default=size), size, TOGETHER):
            last = min(first + TOGETHER, size)
            found = self._terrain.between(first, last, rows)
            found[np.arange(first, last) < np.array(starts)[:, None]] = np.inf
            nearest = closer(np.array([self._seek(row) for row in rows]), found)
            for member, own in zip(self._members.values(), nearest, strict=True):
                member.nearest, member.start = own, max(last, member.start)

    def _seek(self, row: int) -> Floats:
        member = self._members[row]
        if member.nearest is None:
            member.nearest = self._terrain.nearest(self._terrain.at(row), member.size)
        return member.nearest
