"""The escape harness: senses that the search is stuck, sends out expeditions, and settles them.

An expedition starts somewhere else, has a protected allowance of evaluations, is searched locally and judged against
itself, is extended while it climbs, and is settled: it found a new champion, a niche worth keeping, or nothing.
"""

from __future__ import annotations

import math
import random
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from population.pool import Population
from wolf.strategy.bandit import Bandit

PATIENCE = 8  # fruitless evaluations before the first expedition
ALLOWANCE = 8
MAX_ALLOWANCE = 24
EXTENSION = 4
SHARE = 0.35  # of the evaluations so far may have gone to expeditions when another one starts

# How often each is expected to pay; the order breaks ties.
LADDER = {"kick": 0.30, "cross": 0.20, "depart": 0.30}
HALF_WAY = 0.5  # of the heat at which an expedition starts: time to ask a language model where to


class Expedition(Struct, frozen=True):
    """An escape under way.

    Attributes:
        id: 0, 1, 2, ... in order of start.
        kind: `kick` (the incumbent, several knobs kicked far), `cross` (two strangers from the pool, chosen for
            novelty) or `depart` (a language model's idea, told to leave what has been tried).
        origin: id of the variant it set out from.
        allowance: evaluations it may use.
        spent: evaluations it has used.
        best: id of the best variant it has found.
        best_loss: the loss of that.
        outcome: None while under way, then `champion`, `niche` or `empty`.
    """

    id: int
    kind: str
    origin: str
    allowance: int = ALLOWANCE
    spent: int = 0
    best: str | None = None
    best_loss: float = float("inf")
    outcome: str | None = None


class Escape:
    """A fold over what was told: heat, and the expeditions."""

    def __init__(self, enabled: bool = True) -> None:
        """`enabled=False` is the ablation: heat is measured and nothing is done about it."""
        self.enabled = enabled
        self._bandit = Bandit(LADDER)
        self.patience = PATIENCE
        self._since = 0
        self._droughts: list[int] = []
        self._told = 0
        self._finds: dict[str, int] = {}  # variant -> the expedition that found it
        self.expeditions: list[Expedition] = []

    @property
    def active(self) -> Expedition | None:
        """The expedition under way."""
        return self.expeditions[-1] if self.expeditions and self.expeditions[-1].outcome is None else None

    @property
    def spent(self) -> int:
        """Evaluations that went to expeditions."""
        return sum(e.spent for e in self.expeditions)

    @property
    def heat(self) -> float:
        """0 just after a significant gain; 1 when as many fruitless evaluations have passed as patience allows.

        That is `patience`, or half again what a gain has typically taken in this run, whichever is more.
        """
        typical = 1.5 * median(self._droughts) if self._droughts else 0.0
        return min(1.0, self._since / max(self.patience, typical))

    @property
    def due(self) -> bool:
        """Whether to start an expedition now."""
        return self.near and self.heat >= 1.0

    @property
    def near(self) -> bool:
        """Whether one may start soon."""
        free = self.active is None and self.spent <= SHARE * self._told
        return self.enabled and free and self.heat >= HALF_WAY

    def kind(self, rng: random.Random, departures: bool = False) -> str:
        """Which kind to send next: those that paid are likelier. `departures`: whether a model knows where to go."""
        shares = self._bandit.shares([kind for kind in LADDER if departures or kind != "depart"])
        return rng.choices(list(shares), list(shares.values()))[0]

    def start(self, kind: str, origin: str) -> Expedition:
        """An expedition sets out."""
        self.expeditions.append(Expedition(len(self.expeditions), kind, origin))
        return self.expeditions[-1]

    def told(
        self, population: Population, variant: str, expedition: int | None, crowned: str | None
    ) -> Expedition | None:
        """One evaluation was told.

        Args:
            population: as it is after the evaluation.
            variant: what was evaluated.
            expedition: id of the expedition it belonged to, if any.
            crowned: the new champion, if there is one. It may be another variant than the one just evaluated, and the
                credit goes to the expedition that found it, even if that is over by now.

        Returns:
            The expedition that has just been extended or settled, if any.
        """
        self._told += 1
        self._since += 1
        if expedition is not None:
            self._finds[variant] = expedition
        if crowned:
            self._droughts.append(self._since)
            self._since = 0
        changed = None
        if expedition is not None and self.expeditions[expedition].outcome is None:
            before = self.expeditions[expedition]
            after = self.expeditions[expedition] = self._advance(before, population, variant)
            changed = after if after.outcome or after.allowance != before.allowance else None
        finder = self._finds.get(crowned or "")
        if finder is not None and self.expeditions[finder].outcome != "champion":
            changed = self.expeditions[finder] = self._settle(self.expeditions[finder], "champion")
        return changed

    def steered(self, population: Population) -> Expedition | None:
        """A person has intervened: an expedition whose best is barred now comes home. Returns it."""
        trip = self.active
        if trip is None or trip.best is None or not population.barred(trip.best):
            return None
        self.expeditions[trip.id] = self._settle(trip, "empty")
        return self.expeditions[trip.id]

    def _advance(self, trip: Expedition, population: Population, variant: str) -> Expedition:
        loss = math.inf if population.barred(variant) else population.estimate(variant).mean
        climbed = loss < trip.best_loss - (population.noise or 0.0)
        trip = replace(trip, spent=trip.spent + 1)
        if loss < trip.best_loss:
            trip = replace(trip, best=variant, best_loss=loss)
        if trip.best is None:
            return self._settle(trip, "empty")  # it landed on a failure: there is nothing to go on from
        if trip.spent < trip.allowance:
            return trip
        if climbed and trip.spent > 1 and trip.allowance < MAX_ALLOWANCE:
            return replace(trip, allowance=min(trip.allowance + EXTENSION, MAX_ALLOWANCE))
        found = population.leads(trip.best, len(population.pool) // 4 + 1)
        return self._settle(trip, "niche" if found else "empty")

    def _settle(self, trip: Expedition, outcome: str) -> Expedition:
        self._bandit.told(trip.kind, {"champion": 1.0, "niche": 0.3, "empty": 0.0}[outcome])
        self._since = 0  # the next expedition waits until patience has run out again
        return replace(trip, outcome=outcome)
