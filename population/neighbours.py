"""How far the members of a pool are from what is nearest to each, among all that were ever judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from population.distance import Features, Floats, Terrain, closer, novelty


class Neighbours:
    """Distances from some variants, by their rows in a terrain, to their nearest neighbours there.

    Newcomers are met when somebody asks, many at once, and to the last bit what one by one would give.
    """

    def __init__(self, terrain: Terrain) -> None:
        """Of nobody."""
        self._terrain = terrain
        self._nearest: dict[int, Floats] = {}
        self._met = 0  # newcomers before this row

    def meet(self) -> None:
        """Those who came since this was last said may be nearer."""
        if self._nearest and self._met < len(self._terrain):
            rows = [*self._nearest]
            found = closer(np.array([*self._nearest.values()]), self._terrain.since(self._met, rows))
            self._nearest = dict(zip(rows, found, strict=True))
        self._met = len(self._terrain)

    def enter(self, row: int, nearest: Floats | None = None) -> None:
        """One more, and its nearest neighbours where they are known already."""
        self.meet()
        if row not in self._nearest:
            if nearest is None:
                (units,), (structure,) = self._terrain.rows([row])
                nearest = self._terrain.nearest(Features(units, structure))
            self._nearest[row] = nearest

    def keep(self, rows: Sequence[int]) -> None:
        """These and no others, in this order."""
        self._nearest = {row: self._nearest[row] for row in rows}

    def novelties(self, rows: Sequence[int]) -> list[float]:
        """How new the ground is on which each of these stands."""
        self.meet()
        return [float(n) for n in novelty(np.array([self._nearest[row] for row in rows]))] if rows else []
