"""From drafts to an ask: one draft by a named operator, or the most promising of many."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache

from population.pool import Population
from population.selection import Contestant, tournament
from population.variant import Variant
from wolf.strategy.asks import Ask, Purpose
from wolf.strategy.bandit import Bandit
from wolf.strategy.escape import Escape, Expedition
from wolf.strategy.operators import OPERATORS, Draft, Scene, mutate
from wolf.strategy.screen import Screen
from wolf.streams import judge_seed, stream

MATES = 8
TRIES = 50
PINNED = 0.2  # share of drafts that start from a variant that a person has pinned, while there is one
NOVELTY_WEIGHT = (0.15, 1.0)  # of novelty in tournaments, when cold and when hot
PRIOR_PAY = {
    "perturb:nudge": 0.30,
    "perturb:kick": 0.15,
    "perturb:scatter": 0.15,
    "perturb:draw": 0.25,
    "recombine:cross": 0.15,
    "recombine:join": 0.10,
    "recombine:reopen": 0.10,
    "perturb:rearrange": 0.05,
    "perturb:reframe": 0.20,
}


class Drafter:
    """Makes asks of drafts. Pure but for what the operators have earned, which `told` takes in."""

    def __init__(
        self,
        population: Population,
        escape: Escape,
        screen: Screen,
        seed_variant: Variant,
        seed: int,
        names: Sequence[str],
        loyalty: float,
        novelty: bool,
    ) -> None:
        """Wire the parts.

        Args:
            population: where parents come from.
            escape: for its heat, by which novelty counts.
            screen: chooses among drafts.
            seed_variant: the parent of last resort.
            seed: the run's.
            names: the operators that may be used.
            loyalty: share of drafts that start from the incumbent; the others start from winners of tournaments.
            novelty: whether novelty counts in tournaments.
        """
        self._population = population
        self._escape = escape
        self._screen = screen
        self._seed_variant = seed_variant
        self._seed = seed
        self._names = names
        self._loyalty = loyalty
        self._novelty = novelty
        self._bandit = Bandit({name: PRIOR_PAY[name] for name in names})

    def told(self, operator: str, pay: float) -> None:
        """A variant made by `operator` was worth `pay` to the search, in [0, 1]."""
        self._bandit.told(operator, pay)

    def reading(self, ordinal: int, purpose: Purpose, variant: Variant) -> Ask:
        """A variant as it is, read once more."""
        return Ask(ordinal, variant, judge_seed(self._seed, ordinal), purpose)

    def free(
        self, ordinal: int, purpose: Purpose, centre: str, names: Sequence[str] = (), mates: Sequence[str] = ()
    ) -> Ask | None:
        """A new draft around `centre`, unscreened, by one of the named operators; by any if none of them is in use."""
        rng = stream(self._seed, ordinal, purpose)
        scene = Scene(self._population, centre, [m for m in mates if m != centre])
        usable = [name for name in names if name in self._names] or list(self._names)
        for _ in range(TRIES):
            draft = OPERATORS[rng.choice(usable)](scene, rng)
            if draft and draft.variant.id not in self._population:
                return self._ask(ordinal, purpose, draft)
        return None

    def best_of(
        self, ordinal: int, purpose: Purpose, ideas: Sequence[Draft], expedition: int | None = None
    ) -> Ask | None:
        """The most promising of some ideas, each as it is; None if there are none."""
        if not ideas:
            return None
        model = self._screen.model(self._population)
        if model is None:
            return self._ask(ordinal, purpose, ideas[0], expedition)
        rng = stream(self._seed, ordinal, "idea")
        choice = self._screen.choose(self._population, model, ideas, rng, climbers=0)
        return self._ask(ordinal, purpose, choice.draft, expedition, choice.predicted) if choice else None

    def screened(self, ordinal: int, purpose: Purpose, trip: Expedition | None = None) -> Ask | None:
        """The draft with the largest expected improvement on the best known, or on an expedition's best around that.

        Without a model, the first that is new.
        """
        rng, expedition = stream(self._seed, ordinal, purpose), trip.id if trip else None
        model = self._screen.model(self._population)
        if model is None:
            drafts = self._drafts(rng, 1, trip)
            draft = next((draft for draft in drafts if draft.variant.id not in self._population), None)
            return self._ask(ordinal, purpose, draft, expedition) if draft else None
        many, best = list(self._drafts(rng, self._screen.pool, trip)), trip.best_loss if trip else None
        choice = self._screen.choose(self._population, model, many, rng, best)
        return self._ask(ordinal, purpose, choice.draft, expedition, choice.predicted) if choice else None

    def parents(self, count: int, rng: random.Random, novelty: float) -> list[str]:
        """Winners of tournaments in which novelty has this weight."""
        return self._winners(self._population.contestants(novelty), count, rng)

    def novelty(self, heat: float) -> float:
        """The weight of novelty in tournaments at this heat."""
        cold, hot = NOVELTY_WEIGHT
        return cold + (hot - cold) * heat if self._novelty else 0.0

    def _drafts(self, rng: random.Random, count: int, trip: Expedition | None) -> Iterator[Draft]:
        """About `count` drafts around an expedition's best, or all over; each operator has its share by the bandit."""
        rivals = cache(lambda: self._population.contestants(self.novelty(self._escape.heat)))
        names = [name for name in self._names if trip is None or name != "perturb:draw"]
        shares = self._bandit.shares(names)
        mates: list[str] | None = None  # sought once, by the first who mates
        for _ in range(max(count, TRIES)):
            centre = trip.best if trip and trip.best else self._centre(rng, rivals)
            if self._screen.on:
                name = rng.choices(names, [shares[n] for n in names])[0]
            else:
                name = "" if rng.random() < 0.9 else rng.choice(names)
            if mates is None and name.startswith("recombine:"):
                mates = self._winners(rivals(), MATES, rng)
            scene = Scene(self._population, centre, [m for m in mates or () if m != centre])
            draft = OPERATORS[name](scene, rng) if name else mutate(scene, rng, names)
            if draft:
                yield draft

    def _centre(self, rng: random.Random, rivals: Callable[[], Sequence[Contestant]]) -> str:
        if (pins := self._population.pins) and rng.random() < PINNED:
            return rng.choice(pins)
        if rng.random() < self._loyalty and self._population.incumbent:
            return self._population.incumbent
        return self._winners(rivals(), 1, rng)[0]

    def _winners(self, members: Sequence[Contestant], count: int, rng: random.Random) -> list[str]:
        return tournament(members, count, rng) if members else [self._seed_variant.id] * count

    def _ask(
        self,
        ordinal: int,
        purpose: Purpose,
        draft: Draft,
        expedition: int | None = None,
        predicted: tuple[float, float] | None = None,
    ) -> Ask:
        return Ask(
            ordinal,
            draft.variant,
            judge_seed(self._seed, ordinal),
            purpose,
            expedition,
            changes=draft.changes,
            predicted=predicted,
            model=self._screen.learned if predicted else None,
            genome=draft.genome,
        )
