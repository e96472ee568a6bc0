"""The engine's own work per evaluation, its memory, and what the surrogate costs.

    python benchmarks/engine.py [--openevolve]

Work is one ask and one tell of the strategy `wolf` on a 35-knob training script, without the surrogate, the judge and
the ledger's disk; the ledger's commit and the surrogate are timed by themselves below. It is CPU time, so that a busy
machine changes little; only the commit, which waits for the disk, is timed by the clock. Beside it stands OpenEvolve's
database with its defaults (the extra `engines`): one program drawn with its inspirations, and one taken in.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from statistics import fmean, median

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from population.evaluation import Evaluation, Goal, Status
from population.genome import Genome
from population.knobs import Space
from population.perturb import nudge
from population.pool import Population
from population.variant import Variant
from wolf.store import bodies
from wolf.store.ledger import Ledger
from wolf.strategy.hunt import Options, Wolf
from wolf.strategy.operators import available
from wolf.strategy.screen import Screen
from wolf.streams import stream

SEED_FILE = Path(__file__).parent.parent / "train_target" / "train.py"


class Bench:
    """A search whose judge answers at once."""

    def __init__(self, modelled: bool) -> None:
        seed = Variant({"train.py": SEED_FILE.read_text()})
        self.space = Space.of(seed.files)
        self.recent = {seed.id: seed}
        self.population = Population(self.space, Goal.MINIMIZE, self.recall)
        self.search = Wolf(self.population, seed, 0, available(True, True, False), None, Options(), Screen(modelled))
        self.ordinal = 0

    def recall(self, variant: str) -> Variant:
        """What a ledger would find."""
        return self.recent[variant]

    def step(self) -> float:
        """One evaluation; CPU seconds of the engine's work."""
        begun = time.process_time()
        ask = self.search.ask(self.ordinal)
        self.search.asked(ask)
        middle = time.process_time()
        self.recent[ask.variant.id] = ask.variant
        evaluation = Evaluation(ask.variant.id, "bench", Status.OK, self.score(), seed=ask.seed)
        resumed = time.process_time()
        self.search.told(ask, evaluation)
        self.ordinal += 1
        return time.process_time() - resumed + middle - begun

    def score(self) -> float:
        """Noise around a slow descent."""
        return 3.0 + stream(0, self.ordinal, "score").gauss(0.0, 0.1) - 1e-6 * self.ordinal

    def grow(self, size: int) -> None:
        """Fill the population with nudges of the seed, without the strategy's deliberations."""
        while len(self.population) < size:
            self.ordinal += 1
            parent = self.population.pool[0]
            child = nudge(self.population.genome(parent), self.space, stream(1, self.ordinal, "grow"), 3)
            if child is None:
                return
            variant = Variant(child.files(), (parent,))
            self.population.expect(variant, child)
            self.population.tell(variant, Evaluation(variant.id, "bench", Status.OK, self.score()))
            if variant.id in self.population.pool:
                self.recent[variant.id] = variant


def openevolve(sizes: list[int]) -> None:
    """Print what one draw and one admission cost there, after so many evaluations of nudges of the same script."""
    from openevolve.config import DatabaseConfig
    from openevolve.database import Program, ProgramDatabase

    database = ProgramDatabase(DatabaseConfig(random_seed=0))
    text = SEED_FILE.read_text()
    space = Space.of({"train.py": text})
    genome = Genome.of({"train.py": text}, space)

    def program(n: int, parent: str | None) -> Program:
        rng = stream(1, n, "grow")
        child = nudge(genome, space, rng, 3) or genome
        metrics = {"combined_score": -3.0 - rng.gauss(0.0, 0.1)}
        return Program(str(n), child.files()["train.py"], parent_id=parent, metrics=metrics, iteration_found=n)

    database.add(program(0, None))
    spent: list[float] = []
    for n in range(1, max(sizes) + 1):
        begun = time.process_time()
        parent, _ = database.sample_from_island(n % len(database.islands))
        middle = time.process_time()
        child = program(n, parent.id)
        resumed = time.process_time()
        database.add(child, iteration=n)
        spent.append(1000 * (time.process_time() - resumed + middle - begun))
        if n in sizes:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{n:>7} variants: {median(spent[-100:]):6.2f} ms of OpenEvolve's database per evaluation (mean "
                  f"{fmean(spent[-100:]):.2f}), {memory:5.0f} MB resident", flush=True)  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--openevolve", action="store_true", help="its database instead")
    args = parser.parse_args()
    if args.openevolve:
        return openevolve([int(size) for size in args.sizes.split(",")])
    bench = Bench(modelled=False)
    for _ in range(30):
        bench.step()
    for size in map(int, args.sizes.split(",")):
        bench.grow(size)
        spent = [1000 * bench.step() for _ in range(100)]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{size:>7} variants: {median(spent):6.2f} ms of engine work per evaluation (mean {fmean(spent):.2f}), "
            f"{memory:5.0f} MB resident", flush=True
        )  # fmt: skip
    for size in (30, 100, 300):
        bench = Bench(modelled=True)
        for _ in range(3):
            bench.step()
        bench.grow(size)
        for _ in range(20):
            bench.step()
        spent = [bench.step() for _ in range(40)]
        print(f"{size:>7} variants: {1000 * fmean(spent):6.1f} ms per evaluation with the surrogate")
    with tempfile.TemporaryDirectory() as folder, Ledger.create(Path(folder, "run"), {"format": 1}) as ledger:
        ask = bench.search.ask(bench.ordinal)
        assert ask
        spent = []
        for _ in range(200):
            begun = time.perf_counter()
            ledger.append([("asked", bodies.asked(ask, Goal.MINIMIZE))], [ask.variant])
            spent.append(time.perf_counter() - begun)
        print(f"one durable commit of the ledger on this disk: {median(spent) * 1000:.1f} ms")


if __name__ == "__main__":
    main()
