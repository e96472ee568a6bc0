"""The population: everything that was ever tried, and the few who may become parents.

A pure fold: the same variants and evaluations in the same order give the same population, whatever the clock or the
machine. All losses here are lower-is-better; `Goal` made them so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from population.admission import BEST, NO_ROOM, PLACE, Admission, Verdict
from population.bars import Bars
from population.distance import Features, Metric, Terrain
from population.evaluation import UNKNOWN, Doubt, Estimate, Evaluation, Goal
from population.genome import Genome, Heir, heir
from population.genomes import Genomes
from population.knobs import Space
from population.neighbours import Neighbours
from population.readings import Readings
from population.selection import Contestant, contestants, survivors
from population.surrogate import Observations, newest_and_best
from population.variant import Variant

POOL_SIZE = 48
NOVEL_SHARE = 0.25


class Population:
    """Told evaluations; asked for estimates, parents and observations."""

    def __init__(self, space: Space, goal: Goal, recall: Callable[[str], Variant], doubt: Doubt | None = None) -> None:
        """An empty population.

        Args:
            space: the knobs that distances are measured in.
            goal: which way scores improve.
            recall: finds a variant that was told before, by id; texts of those outside the pool are not kept here.
            doubt: what a challenger of the incumbent has against it; None: the better reading stands.
        """
        self.space = space
        self.goal = goal
        self._recall = recall
        self._doubt = doubt
        self._rows: dict[str, int] = {}  # of those judged, in the terrain and among the readings
        self._ids: list[str] = []
        self.metric = Metric(space.categorical)
        self._terrain = Terrain(self.metric, len(space.names))
        self._neighbours = Neighbours(self._terrain)  # of the pool
        self._readings = Readings()
        self._pool: dict[str, Variant] = {}
        self._bars = Bars()
        self._pins: dict[str, None] = {}
        self._pending: dict[str, Features | Heir] = {}
        self._foretold: tuple[str, str | None] = ("", None)
        self._incumbent: str | None = None
        self._stands = False  # whether nothing has changed in the pool since it was last asked who leads it
        self._genomes = Genomes(space, lambda variant: self.variant(variant).files)
        self._tidy = True  # whether they are those of the pool and of the pending, and no others

    # What is known

    def __len__(self) -> int:
        """How many variants have been judged."""
        return len(self._rows)

    def __contains__(self, variant: object) -> bool:
        """Whether a variant (by id) has been judged or is being judged."""
        return variant in self._rows or variant in self._pending

    def judged(self, variant: str) -> bool:
        """Whether an evaluation of it has been told."""
        return variant in self._rows

    def number(self, variant: str) -> int:
        """How many variants had been judged before this one."""
        return self._rows[variant]

    def __iter__(self) -> Iterator[str]:
        """Ids of all that were judged, in order."""
        return iter(self._ids)

    @property
    def pool(self) -> tuple[str, ...]:
        """Ids of those who may become parents, best first."""
        return tuple(self._pool)

    def leads(self, variant: str, count: int) -> bool:
        """Whether it is among so many of the best of those."""
        return variant in self._pool and variant in islice(self._pool, count)

    @property
    def pins(self) -> tuple[str, ...]:
        """Ids of those whom a person wants as parents; they stay in the pool whatever comes."""
        return tuple(self._pins)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Ids of those that are being judged for the first time."""
        return tuple(self._pending)

    def barred(self, variant: str) -> bool:
        """Whether a person's veto keeps it from being a parent, the incumbent or the champion."""
        return variant in self._bars

    def tainted(self, parents: Iterable[str]) -> bool:
        """Whether a child of these parents would be barred from birth."""
        return self._bars.taints(parents)

    @property
    def incumbent(self) -> str | None:
        """Where the search stands: the lowest `mean + sigma`, so that one lucky reading is not enough."""
        return self._incumbent

    @property
    def challenger(self) -> str | None:
        """Best by its mean, not the incumbent, and neither surely better nor hopeless: worth another reading."""
        best = next(iter(self._pool), None)
        if self._doubt is None or best is None or best == self._incumbent:
            return None
        return best if self._doubt.give_up < self._better(best) < self._doubt.accept else None

    @property
    def noise(self) -> float | None:
        """Standard deviation of one reading, pooled over all repeated variants; None before the first repeat.

        An upper confidence bound of it, which tends to the usual estimate as repeats accumulate; exactly 0 for a judge
        that always answers the same.
        """
        return self._readings.noise

    def estimate(self, variant: str) -> Estimate:
        """What its readings, and people's votes, say of a variant's loss; (inf, inf, 0) if it never scored."""
        row = self._rows.get(variant)
        return UNKNOWN if row is None else self._readings.estimate(row)

    def loss(self, variant: str) -> float:
        """The mean of its estimate; inf if it never scored."""
        row = self._rows.get(variant)
        return math.inf if row is None or math.isnan(mean := self._readings.means.item(row)) else mean

    def failed(self, variant: str) -> bool:
        """Whether it was judged and never scored."""
        return variant in self._rows and not self._read(variant)

    def variant(self, variant: str) -> Variant:
        """The variant itself."""
        if variant not in self._pool:
            return self._recall(variant)
        member = self._pool[variant] = self._pool[variant].whole()
        return member

    def genome(self, variant: str) -> Genome:
        """Its knobs and skeleton."""
        return self._genomes[variant]

    def heir(self, parent: str, values: Mapping[str, Any], hashes: Mapping[str, str] | None = None) -> Heir | None:
        """What a child of `parent` is, without its files; see `population.genome.heir`.

        Without `hashes` somebody vouches that these values alone tell it from its parent, who has all of them.
        """
        if parent not in self._rows:
            return None
        return heir(parent, self.genome(parent), values, hashes) if hashes is not None else Heir(parent, values)

    def features(self, genome: Genome) -> Features:
        """Where a genome stands in the space."""
        return self._genomes.features(genome)

    def place(self, variant: str) -> bytes:
        """Where the knobs of a variant stand that is known or expected: the same for two only if all of them agree."""
        known = self._pending.get(variant) or self._terrain.at(self._rows[variant])
        return self._features(known).units.tobytes()

    def children(self, variant: str) -> list[str]:
        """Those judged that have it among their parents, the latest first."""
        judged = [child for child in self._bars.children(variant) if child in self._rows]
        return sorted(judged, key=self._rows.__getitem__, reverse=True)

    def apart(self, variant: str) -> dict[str, tuple[bool, int]]:
        """How each variant that was judged differs from one of them: whether in structure, and in how many knobs."""
        structure, knobs = self._terrain.apart(self._rows[variant])
        return dict(zip(self._ids, zip(structure.tolist(), knobs.tolist(), strict=True), strict=True))

    # Parents and observations

    def contestants(self, novelty_weight: float) -> list[Contestant]:
        """The pool, ready for a novelty-weighted tournament."""
        ids = list(self._pool)
        losses = [self._mean(member) for member in ids]
        return contestants(ids, losses, self._novelties(ids), novelty_weight)

    def observations(self) -> Observations:
        """What the surrogate may learn from: the rows of `newest_and_best`, one per judged variant."""
        size = len(self._ids)
        rows = newest_and_best(self._readings.means[:size])
        units, signatures = self._terrain.rows(rows.tolist())
        return Observations(units, signatures, self._readings.means[rows], self._readings.counts[rows])

    # The fold

    def expect(self, variant: Variant, genome: Genome | Heir | None = None) -> None:
        """A variant is being judged. `genome` spares a parse where the caller has it, and changes nothing else.

        How a genome writes its knobs depends on the shape it has, so it is used only where reading the files would
        find that shape too. Where a history speaks of a variant, it may be an `heir`; then it serves until its files
        are read.
        """
        if variant.id not in self._rows:
            if variant.id not in self._pending:
                self._bars.born(variant.id, variant.parents)
            known = self._genomes.keep(variant, genome)
            self._pending[variant.id] = known if isinstance(known, Heir) else self.features(known)

    def foretell(self, reason: str, evicted: str | None) -> None:
        """A history says what `Admission` the next `tell` gave; where that says enough, it is not decided again."""
        self._foretold = reason, evicted

    def tell(self, variant: Variant, evaluation: Evaluation) -> Admission:
        """Take in one evaluation of a variant that was expected.

        Failures are remembered as such; they never have a loss and never enter the pool.
        """
        loss = None if evaluation.score is None else self.goal.loss(evaluation.score)
        (reason, evicted), self._foretold = self._foretold, ("", None)
        row = self._rows.get(variant.id)
        known = row is not None
        hopeless = not known and self._hopeless(loss, reason)
        if row is None:
            row = self._register(variant)
        self._tidy = self._tidy and loss is not None and variant.id not in self._bars
        if loss is None:
            return Admission(Verdict.FAILED, evaluation.status.value)
        count = self._readings.read(row, loss)
        self._stands = self._stands and count == 1  # who was read again moves, and the noise of all with it
        if variant.id in self._bars:
            return Admission(Verdict.REJECTED, "vetoed")
        if not (hopeless and self._stands):  # whoever has no place in the pool does not lead it
            self._stand([*self._pool, variant.id])
            self._stands = hopeless
        if hopeless:
            self._genomes.drop(variant.id)
            if not self._tidy:
                self._prune()
            return NO_ROOM
        self._neighbours.enter(row, len(self._terrain) if known else row)
        admission = self._admit(variant, reason in (BEST, PLACE) and not known, evicted)
        if count > 1:
            return Admission(Verdict.REPEATED, f"reading {count} of this variant", admission.evicted)
        return admission

    # What a person decides

    def measured(self, variant: str) -> Estimate:
        """What its readings alone say of a variant's loss, without people's votes."""
        return Estimate.of(self._read(variant) if variant in self._rows else (), self.noise or 0.0)

    def sway(self, shifts: Mapping[str, float]) -> None:
        """People compared texts: these losses move by so much against their readings; an earlier shift is replaced."""
        for variant, shift in shifts.items():
            self._readings.sway(self._rows[variant], shift)
        self._seat([*self._pool])

    def veto(self, variant: str, line: bool = True) -> None:
        """Bar a variant, with its descendants (`line`) or alone. The best of the others fill the places in the pool.

        What is known of it stays known: estimates, distances and the surrogate's observations are facts.
        """
        self._bars.veto(variant, line)
        self._pins = {pin: None for pin in self._pins if pin not in self._bars}
        room = [id for id in self._ids if self._read(id) and id not in self._bars and id not in self._pool]
        staying = [member for member in self._pool if member not in self._bars]
        room.sort(key=lambda id: (self._mean(id), self._rows[id]))
        self._seat([*staying, *room[: len(self._pool) - len(staying)]])

    def pin(self, variant: str) -> None:
        """Keep a variant that has a score and is not barred among the parents."""
        self._pins[variant] = None
        self._seat([*dict.fromkeys((*self._pool, variant))])

    def free(self, variant: str) -> None:
        """Take a veto or a pin back."""
        self._pins.pop(variant, None)
        if variant in self._bars:
            self._bars.free(variant)
            if variant in self._rows and self._read(variant):
                self._seat([*dict.fromkeys((*self._pool, variant))])

    def _seat(self, members: list[str]) -> None:
        """These are the pool now, and one of them is the incumbent."""
        self._stands = self._tidy = False
        members.sort(key=lambda member: (self._mean(member), self._rows[member]))
        for member in members:
            self._neighbours.enter(self._rows[member], len(self._terrain))
        self._neighbours.keep([self._rows[member] for member in members])
        self._pool = {member: self.variant(member) for member in members}
        self._stand(members)

    def _hopeless(self, loss: float | None, foretold: str) -> bool:
        """Whether a newcomer has no place in the pool: it failed, or is the worst of all, or that is `foretold`.

        While a pin makes the pool larger than it should be, whoever comes makes somebody go, and that is not foretold.
        """
        if loss is None or len(self._pool) != POOL_SIZE:
            return loss is None
        return foretold == NO_ROOM.reason or loss >= self._mean(next(reversed(self._pool)))

    def _register(self, variant: Variant) -> int:
        """A newcomer."""
        known = self._pending.pop(variant.id, None) or self.features(Genome.of(variant.files, self.space))
        if isinstance(known, Heir):
            row = self._terrain.inherit(self._rows[known.parent], self._genomes.moved(known))
        else:
            row = self._terrain.add(known)
        self._rows[variant.id] = row
        self._ids.append(variant.id)
        self._readings.add()
        return row

    def _features(self, known: Features | Heir) -> Features:
        if isinstance(known, Features):
            return known
        return self._genomes.inherited(known, self._terrain.at(self._rows[known.parent]))

    def _read(self, variant: str) -> Sequence[float]:
        """Its readings, if it was judged."""
        return self._readings.of(self._rows[variant])

    def _stand(self, members: list[str]) -> None:
        """The best of these is the incumbent; with doubt, the one that there is stays unless it surely is better."""
        bounds = self._readings.bounds([self._rows[member] for member in members])
        best = members[int(bounds.argmin())] if members else None
        certain = best is None or self._doubt is None or self._incumbent not in members
        if certain or (best is not None and self._doubt and self._better(best) >= self._doubt.accept):
            self._incumbent = best

    def _better(self, challenger: str) -> float:
        """P(it is better than the incumbent), with doubt."""
        assert self._doubt is not None and self._incumbent is not None
        here, there = self.estimate(self._incumbent), self.estimate(challenger)
        return self._doubt.better(here.mean - there.mean, math.hypot(here.sigma, there.sigma))

    def _novelties(self, ids: list[str]) -> list[float]:
        return self._neighbours.novelties([self._rows[member] for member in ids])

    def _mean(self, variant: str) -> float:
        return self._readings.means.item(self._rows[variant])

    def _admit(self, variant: Variant, foretold: bool, evicted: str | None) -> Admission:
        """Who stays, now that `variant` was read: a newcomer, a member, or one that was out and is thought again of."""
        ids = [*dict.fromkeys((*self._pool, variant.id))]
        losses = [self._mean(member) for member in ids]
        if len(ids) <= POOL_SIZE or (foretold and len(ids) == POOL_SIZE + 1):  # there is room, or it is known who goes
            staying = [index for index, member in enumerate(ids) if member != evicted]
        else:
            staying = self._survivors(ids, losses)
        known = {**self._pool, variant.id: variant}
        self._pool = {ids[i]: known[ids[i]] for i in sorted(staying, key=lambda i: (losses[i], i))}
        self._neighbours.keep([self._rows[member] for member in self._pool])
        self._prune()
        if variant.id not in self._pool:
            return NO_ROOM
        gone = next((member for member in ids if member not in self._pool), None)
        first = self._mean(variant.id) <= min(losses)
        return Admission(Verdict.ADMITTED, BEST if first else PLACE, gone)

    def _survivors(self, ids: list[str], losses: list[float]) -> list[int]:
        """Indices of the best and the most novel, the incumbent and those that a person wants among them."""
        staying = survivors(losses, self._novelties(ids), POOL_SIZE, NOVEL_SHARE)
        must = [ids.index(member) for member in (self._incumbent, *self._pins) if member in ids]
        for index in must:
            if index not in staying:
                staying[max(place for place, other in enumerate(staying) if other not in must)] = index
        return staying

    def _prune(self) -> None:
        self._tidy = True
        self._genomes.prune(self._pool, self._pending)
