"""What happens beside many workers: how long they wait, what staleness costs, what the engine and its model do.

    python benchmarks/scale.py idle --widths 8,64,512
    python benchmarks/scale.py staleness --widths 1,8,64,512 --seeds 8
    python benchmarks/scale.py size --variants 100000

In the first two the real loop (`wolf.search.Search`), strategy and ledger run on a virtual clock: the time that the
engine takes is measured and counts, the evaluations (five minutes, give or take 10 %; some crash early, some take far
longer) only move the clock. Ideas of a language model arrive a minute after they were asked for. Losses are those of
the landscape `training` in `benchmarks/landscapes.py`.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from statistics import fmean, median
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from engine import Bench
from landscapes import LANDSCAPES, Landscape, strategy

from population.evaluation import Evaluation, Goal, Status
from population.genome import Genome
from population.perturb import kick
from population.variant import Variant
from wolf import flight
from wolf.control.stopping import Rules
from wolf.search import Search
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Ask, Purpose
from wolf.strategy.hunt import Wolf
from wolf.strategy.operators import Draft
from wolf.streams import stream
from wolf.terms import Terms

MINUTES = 5.0
SPREAD, CRASHES, STRAGGLERS = 0.10, 0.03, 0.02  # of the duration; shares of the evaluations
LATENCY = (20.0, 120.0)  # seconds that a language model takes
AT_ONCE = 4  # calls under way
HEAD = {"format": 1}


class Fleet:
    """Workers on a virtual clock, in seconds. Stands in for `concurrent.futures.wait` in `wolf.flight`."""

    def __init__(self, width: int, place: Landscape, space: Any, seed: int) -> None:
        self.now = self.idle = self.engine = 0.0
        self._space, self._place, self._seed = space, place, seed
        self._free = [(0.0, worker) for worker in range(width)]  # since when, who
        self._work: list[tuple[float, int, int, Future[Evaluation], Evaluation]] = []
        self._mark = time.process_time()
        self.last_ask = 0.0

    def submit(self, ask: Ask) -> Future[Evaluation]:
        """Whoever has been free for longest takes it."""
        self._engine_worked()
        since, worker = heapq.heappop(self._free)
        self.idle += self.now - since
        self.last_ask = self.now
        seconds, evaluation = self._judge(ask)
        future: Future[Evaluation] = Future()
        heapq.heappush(self._work, (self.now + seconds, ask.ordinal, worker, future, evaluation))
        return future

    def wait(self, running: Collection[Future[Evaluation]], **_: object) -> tuple[set[Future[Evaluation]], set[Any]]:
        """Go to when the next evaluation is there; those that have ended meanwhile are there too."""
        self._engine_worked()
        self.now = max(self.now, self._work[0][0])
        done = set()
        while self._work and self._work[0][0] <= self.now:
            ended, _, worker, future, evaluation = heapq.heappop(self._work)
            heapq.heappush(self._free, (ended, worker))
            future.set_result(evaluation)
            done.add(future)
        self._mark = time.process_time()
        return done, set()

    def _engine_worked(self) -> None:
        """What the engine did since the last look took time, in which all workers went on.

        CPU time, so that the figures are the engine's own and not those of a busy machine; what is missing is waiting
        for the disk, 0.3 ms per commit.
        """
        spent = time.process_time() - self._mark
        self.now, self.engine, self._mark = self.now + spent, self.engine + spent, self._mark + spent

    def _judge(self, ask: Ask) -> tuple[float, Evaluation]:
        rng = random.Random(f"{self._seed}/{ask.ordinal}/{ask.variant.id}")
        seconds = 60 * MINUTES * max(0.2, rng.gauss(1.0, SPREAD))
        if rng.random() < CRASHES and ask.purpose is not Purpose.BASELINE:  # a seed variant that fails ends a run
            seconds *= rng.uniform(0.05, 1.0)
            return seconds, Evaluation(ask.variant.id, "bench", Status.CRASHED, seconds=seconds, seed=ask.seed)
        if rng.random() < STRAGGLERS:
            seconds *= rng.uniform(1.5, 3.0)
        score = loss(self._place, self._space, ask) + self._place.noise * rng.gauss(0.0, 1.0)
        return seconds, Evaluation(ask.variant.id, "bench", Status.OK, score, seconds=seconds, seed=ask.seed)


class Ideas:
    """A language model's part: bold changes of the incumbent as it was a minute or so ago. One ask in four is its."""

    def __init__(self, search: Wolf, seed: int, clock: Callable[[], float]) -> None:
        self._search, self._seed, self._clock = search, seed, clock
        self._coming: list[tuple[float, Draft]] = []
        self._calls = 0

    def turn(self, ordinal: int) -> bool:
        """One in four."""
        return stream(self._seed, ordinal, "llm").random() < 0.25

    def drafts(self, ordinal: int) -> list[Draft]:
        """The answers that are here."""
        population = self._search.population
        fresh = [(at, draft) for at, draft in self._coming if draft.variant.id not in population]
        self._coming = fresh
        while sum(at > self._clock() for at, _ in self._coming) < AT_ONCE and population.incumbent:
            rng = stream(self._seed, self._calls, "call")
            self._calls += 1
            base = population.genome(population.incumbent)
            child = kick(base, population.space, rng)
            if child is not None:
                late = self._clock() + rng.uniform(*LATENCY)
                self._coming.append((late, Draft(child, (population.incumbent,), "llm:edit", base)))
        return [draft for at, draft in self._coming if at <= self._clock()][-8:]

    def departures(self, ordinal: int) -> list[Draft]:
        """None: expeditions are the operators' here."""
        return []

    def asked(self, ask: Ask) -> None:
        """Nothing to learn."""

    def told(self, ask: Ask, evaluation: Evaluation, pay: float) -> None:
        """Nothing to learn."""


def loss(place: Landscape, space: Any, ask: Ask) -> float:
    """The true loss of what is asked."""
    return place.loss((ask.genome or Genome.of(ask.variant.files, space)).values)


def simulate(width: int, evaluations: int, seed: int, mode: str = "steady", **changes: Any) -> tuple[Fleet, float]:
    """A whole search with so many workers: the fleet, and the true loss of what is handed over."""
    place = LANDSCAPES["training"](seed)
    variant = Variant({"target.py": place.text})
    searching = strategy("wolf", place, seed, evaluations, **changes)
    fleet = Fleet(width, place, searching.population.space, seed)
    searching.ideas = Ideas(searching, seed, lambda: fleet.now)
    with (
        tempfile.TemporaryDirectory(prefix="wolf-scale-") as folder,
        Ledger.create(Path(folder), HEAD, [variant]) as book,
    ):
        search = Search(
            searching, fleet.submit, book, Rules(evaluations),
            Terms(Goal.MINIMIZE, "bench", seed, variant, width, mode == "cohort", 0),
        )  # fmt: skip
        flight.wait = fleet.wait  # type: ignore[assignment]  # the virtual clock
        search.run()
    best = searching.population.genome(searching.champion or "")
    return fleet, place.loss(best.values)


def idle(widths: list[int], waves: int) -> None:
    """The share of the workers' time in which they wait for the engine, until the last evaluation is handed out."""
    for width in widths:
        count = max(waves * width, 60)
        for mode in ("steady", "cohort"):
            fleet, _ = simulate(width, count, 0, mode)
            share, busy = fleet.idle / (width * fleet.last_ask), fleet.engine / fleet.last_ask
            print(f"{width:>4} workers, {mode}, {count} evaluations in {fleet.last_ask / 3600:.1f} h: idle "
                  f"{100 * share:5.2f} %, engine busy {100 * busy:5.2f} %, {1000 * fleet.engine / count:5.1f} ms each",
                  flush=True)  # fmt: skip


def staleness(widths: list[int], evaluations: int, seeds: int) -> None:
    """The true loss of what is handed over, at equal evaluations, by width."""
    print(f"true loss after {evaluations} evaluations, {seeds} seeds")
    for width in widths:
        found = [simulate(width, evaluations, seed)[1] for seed in range(seeds)]
        error = float(np.std(found)) / max(1, seeds - 1) ** 0.5
        print(f"{width:>4} workers: mean {fmean(found):.4f}  median {median(found):.4f}  se {error:.4f}", flush=True)


def size(variants: int) -> None:
    """CPU time of one ask beside so many variants, and the memory; benchmarks/throughput.py resumes runs."""
    bench = Bench("on")
    for _ in range(10):
        bench.step()
    bench.grow(variants)
    spent = []
    for _ in range(60):
        begun = time.process_time()
        bench.search.ask(bench.ordinal)
        spent.append(1000 * (time.process_time() - begun))
        bench.step()
    print(f"select and screen beside {variants} variants: median {median(spent):.1f} ms, mean {fmean(spent):.1f} ms, "
          f"largest {max(spent):.0f} ms (the weights are learned anew)")  # fmt: skip
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB", flush=True)


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("idle", "staleness", "size"))
    parser.add_argument("--widths", default="8,64,512")
    parser.add_argument("--waves", type=int, default=6, help="evaluations per worker")
    parser.add_argument("--evaluations", type=int, default=1024)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--variants", type=int, default=100_000)
    args = parser.parse_args()
    widths = [int(word) for word in args.widths.split(",")]
    if args.what == "idle":
        idle(widths, args.waves)
    elif args.what == "staleness":
        staleness(widths, args.evaluations, args.seeds)
    else:
        size(args.variants)


if __name__ == "__main__":
    main()
