"""What the offline judges are worth as judges of evolution: `make bench-judges`. About four minutes on one core.

Twenty starts, forty generations each: the texts of `configs/headline.yaml` and `configs/argument.yaml` with their
phrases (and templates) drawn at random, changed only by grammatical moves, selected by two readers while a third reads
along. Prints, per start, both gains and whether a warning names a hold-out that confirms less than half.
`benchmarks/unseen_texts.py` asks the same of a hundred real texts each.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import NormalDist, fmean

from judges.base import Context
from judges.reading import ReaderJudge
from judges.watch import GAP_SHARE, warning
from population import statements
from population.genome import Genome
from population.knobs import Space
from population.perturb import draw, nudge
from population.recombine import cross
from population.variant import Variant
from wolf.settings.config import Config, load
from wolf.settings.target import Target

STARTS, GENERATIONS, CHILDREN, KEPT, SHOWN = 20, 40, 8, 6, 10
MOVES = (statements.swap, statements.drop, statements.move, statements.trim, statements.turn)


@dataclass(frozen=True, slots=True)
class Scored:
    """A text: what selection goes by, the judges' rating without the deduction for doubt, and the hold-out's."""

    score: float
    rating: float
    holdout: float
    genome: Genome

    @property
    def text(self) -> str:
        """As a person reads it."""
        return "\n".join(self.genome.files().values()).strip()


@dataclass(frozen=True, slots=True)
class Row:
    """One start: gains in log odds, and `error` of the hold-out's less half of the visible one."""

    visible: float
    holdout: float
    error: float
    finalist: Scored

    @property
    def half(self) -> bool:
        """Whether the hold-out confirms at least half."""
        return self.holdout >= GAP_SHARE * self.visible

    @property
    def warning(self) -> str:
        """What `wolf run` would say."""
        return warning(self.visible, self.holdout, self.error)


class Evolution:
    """The preset's text under the preset's judge, from a random start."""

    def __init__(self, config: Config, seed: int) -> None:
        self._rng = random.Random(seed)
        target = Target.of(config.target)
        files = target.seed().files
        assert isinstance(config.judge, ReaderJudge)
        self._judge = config.judge
        self._space = Space.of(files, dict(config.target.knobs))
        self._context = Context(target.root, target.root)
        drawn = (self._draw(Genome.of(files, self._space)) for _ in range(1000))
        self._start = next(made for genome in drawn if (made := self._scored(genome)))

    def run(self) -> Row:
        """All generations."""
        parents = [self._start]
        for _ in range(GENERATIONS):
            children = [self._child(parents) for _ in range(CHILDREN)]
            fresh = [made for genome in children if genome and (made := self._scored(genome))]
            distinct = {made.text: made for made in parents + fresh}
            parents = sorted(distinct.values(), key=lambda made: -made.score)[:KEPT]
        first, last = self._start, parents[0]
        readers, holdout = self._judge.readers()
        own = [reader.error_between(first.text, last.text) / 2 / len(readers) for reader in readers]
        error = math.hypot(holdout.error_between(first.text, last.text), *own)
        return Row(last.rating - first.rating, last.holdout - first.holdout, error, last)

    def _draw(self, genome: Genome) -> Genome:
        edit = statements.reframe(genome, self._space, self._rng) if self._space.frames else None
        genome = Genome.of(edit.files, self._space) if edit else genome
        return draw(genome, self._space, self._rng) or genome

    def _child(self, parents: list[Scored]) -> Genome | None:
        rng, space = self._rng, self._space
        genome, mate, kind = rng.choice(parents).genome, rng.choice(parents).genome, rng.random()
        if kind < 0.4:
            return nudge(genome, space, rng, rng.choice((1, 1, 2)))
        if kind < 0.6 and mate.skeleton_id == genome.skeleton_id:
            return cross(genome, mate, rng)
        if kind < 0.6:
            edit = statements.borrow(genome, mate, rng)
        elif space.frames and kind < 0.8:
            edit = statements.reframe(genome, space, rng)
        else:
            edit = rng.choice(MOVES)(genome, rng)
        return None if edit is None else Genome.of(edit.files, space)

    def _scored(self, genome: Genome) -> Scored | None:
        """A text by the readers; its doubt is that of its distance from this start, not from the preset's text."""
        told = self._judge.evaluate(Variant(genome.files()), self._context)
        if told.score is None:
            return None
        rating = told.score + told.metrics["caution"]
        made = Scored(rating, rating, told.metrics["holdout"], genome)
        if not hasattr(self, "_start"):
            return made
        return Scored(rating - self._judge.caution(made.text, self._start.text), rating, made.holdout, genome)


def main() -> None:
    for name in ("headline", "argument"):
        rows = [Evolution(load(name), seed).run() for seed in range(STARTS)]
        print(f"# {name}: {STARTS} starts, {GENERATIONS} generations of {CHILDREN}; gains in log odds\n")
        print("| start | gain, judges | gain, hold-out | at least half | warned |\n|---|---|---|---|---|")
        for start, row in enumerate(rows):
            half, warned = "yes" if row.half else "no", row.warning.partition(":")[0] or "-"
            print(f"| {start} | {row.visible:+.2f} | {row.holdout:+.2f} ± {row.error:.2f} | {half} | {warned} |")
        seen, confirmed = fmean(row.visible for row in rows), fmean(row.holdout for row in rows)
        short = [row for row in rows if not row.half]
        unlucky = sum(NormalDist().cdf(-(1 - GAP_SHARE) * row.visible / row.error) for row in rows if row.error)
        print(f"\nmean gain: judges {seen:+.2f}, hold-out {confirmed:+.2f} ({confirmed / seen:.0%})")
        print(f"hold-out gain at least half of the visible one: {len(rows) - len(short)} of {len(rows)}")
        print(f"of these, nothing was better than the start: {sum(not row.visible for row in rows)}")
        print(f"the others, warned: {sum(bool(row.warning) for row in short)} of {len(short)}")
        print(f"false alarms, warned although at least half: {sum(bool(row.warning) for row in rows if row.half)}")
        print(f"short of half by the hold-out's error alone, were every gain real: {unlucky:.1f} of {len(rows)}\n")
        texts = list(dict.fromkeys(row.finalist.text for row in sorted(rows, key=lambda row: -row.finalist.score)))
        print(f"{len(texts)} different finalists; {min(SHOWN, len(texts))} of them:\n")
        print("\n\n".join(texts[:SHOWN]) + "\n", flush=True)


if __name__ == "__main__":
    main()
