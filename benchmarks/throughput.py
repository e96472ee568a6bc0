"""Evaluations per second with a trivial judge, how long the workers stand idle, and how long a resume takes.

    python benchmarks/throughput.py [--evaluations 100] [--slots 2] [--sizes 1000,10000] [--openevolve]
    python benchmarks/throughput.py --resume 100000

The judge is the formula of the target `knobs`: a function that answers at once, in a process of its own, in the sandbox
that this machine has and out of it. Idle is the share of the slots' time in which no judge was at work. For the resume
a history of that many evaluations is taken up again from its ledger, with all that `wolf resume` does before it asks
for anything; it was made with a judge in this process.
`openevolve` (the extra `engines`) evaluates the same formula in its own worker processes, with a scripted model that
answers at once.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import engines
import priority

from judges import sandbox
from judges.cage import Level
from population.evaluation import Evaluation, Status
from wolf import launch
from wolf.control.stopping import Rules
from wolf.reading.display import choose
from wolf.reading.records import load_run
from wolf.search import Search
from wolf.settings.config import Config, load
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Ask
from wolf.strategy.sameness import Sameness
from wolf.streams import stream
from wolf.terms import Terms


def config(folder: str, evaluations: int, slots: int, preset: str = "knobs") -> Config:
    said = [f"runs={folder}", f"budget.evaluations={evaluations}", f"workers.slots={slots}", "confirm.seeds=0",
            "search.surrogate=off", "search.mode=steady"]  # fmt: skip
    return load(str(engines.CONFIGS / f"{preset}.yaml"), said)


def pace(level: Level, evaluations: int, slots: int) -> tuple[float, float]:
    """Evaluations per second, and the idle share."""
    with tempfile.TemporaryDirectory() as folder:
        settings = config(folder, evaluations, slots)
        with launch.create(settings, level) as ledger:
            launch.drive(ledger, settings, level, [], lambda text: None)
            path = ledger.run_dir
        run = load_run(path)
        first = min(asked.time for asked in run.asked.values())
        wall = max(told.time for told in run.told) - first
        return len(run.told) / wall, 1 - sum(told.seconds for told in run.told) / (slots * wall)


def grow(preset: str, evaluations: int, folder: str) -> Path:
    """A run of so many evaluations that was killed while the next one was under way."""
    settings, path = config(folder, evaluations + 1000, 1, preset), Path(folder, "run")
    with launch.create(settings, Level.NONE, path) as ledger, suppress(Killed):
        search(settings, ledger, evaluations).run()
    return path


def resume(path: Path) -> dict[str, tuple[float, float]]:
    """CPU and wall seconds of everything that `wolf resume` does before it asks for anything, part by part.

    The CPU seconds are those of all processes that have a part in it.
    """
    spent: dict[str, tuple[float, float]] = {}
    clocks = sum(os.times()[:4]), time.perf_counter()

    def part(name: str) -> None:
        nonlocal clocks
        now = sum(os.times()[:4]), time.perf_counter()
        spent[name], clocks = (now[0] - clocks[0], now[1] - clocks[1]), now

    with Ledger.open(path, write=True) as ledger:
        part("chain of hashes")
        show = choose("plain", path=path, out=io.StringIO())
        settings, told = Config.from_dict(next(ledger.events()).body["config"]), ledger.last.body["ordinal"]
        with suppress(Killed):
            search(settings, ledger, told).run([show.past])
        part("state and what is shown")
    return spent


def resumed(path: Path) -> None:
    """Print what a resume of a run costs."""
    size = sum(file.stat().st_size for file in path.iterdir()) / 1e6
    spent = resume(path)
    cpu, wall = (sum(clock) for clock in zip(*spent.values(), strict=True))
    parts = ", ".join(f"{name} {seconds:.2f}" for name, (seconds, _) in spent.items())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{cpu:.2f} CPU seconds ({parts}), {wall:.2f} on the wall, ledger {size:.1f} MB, memory {memory:.0f} MB",
          flush=True)  # fmt: skip


def alone(path: Path) -> None:
    """The same, of nothing else that this machine does."""
    how, before = priority.urgent(), priority.yardstick()
    resumed(path)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {how}; ten million turns of an empty loop took "
          f"{before:.2f} s before, {priority.yardstick():.2f} after")  # fmt: skip


class Killed(Exception):
    """Nothing more is judged."""


def search(settings: Config, ledger: Ledger, evaluations: int) -> Search:
    """A search whose judge answers at once, in this process, so many times."""
    seed = ledger.variant(next(ledger.events()).body["seed_variant"])

    def submit(ask: Ask) -> Future[Evaluation]:
        if ask.ordinal >= evaluations:
            raise Killed
        done: Future[Evaluation] = Future()
        score = 2.5 + stream(0, ask.seed, ask.variant.id).random()
        done.set_result(Evaluation(ask.variant.id, "loss", Status.OK, score, seed=ask.seed))
        return done

    strategy = launch.strategy(settings, seed, ledger.variant)
    return Search(
        strategy, submit, ledger, Rules(settings.budget.evaluations),
        Terms(settings.judge.goal, "loss", 0, seed, 1, True, 0),
        sameness=Sameness("loss", strategy.population, seed),
    )  # fmt: skip


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--openevolve", action="store_true")
    parser.add_argument("--resume", type=int, metavar="EVALUATIONS", help="only the resume of a run of that length")
    parser.add_argument("--preset", default="knobs")
    args = parser.parse_args()
    if args.resume:
        with tempfile.TemporaryDirectory() as folder:
            path = grow(args.preset, args.resume, folder)
            code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import throughput; "
            code += f"throughput.alone(throughput.Path({str(path)!r}))"  # memory and caches of a fresh process
            subprocess.run([sys.executable, "-c", code], check=True)
        return
    for level in dict.fromkeys((sandbox.strongest().level, Level.NONE)):
        rate, idle = pace(level, args.evaluations, args.slots)
        print(f"{args.slots} slots, sandbox {level.value}: {rate:.1f} evaluations/s, idle {idle:.0%}", flush=True)
    if args.openevolve:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            engines.openevolve(0, args.evaluations, Path(folder), args.slots)
            print(
                f"{args.slots} slots, openevolve: {args.evaluations / (time.perf_counter() - begun):.1f} evaluations/s"
            )
    for preset, size in [*(("knobs", int(size)) for size in args.sizes.split(",")), ("val_bpb_cpu", 1000)]:
        with tempfile.TemporaryDirectory() as folder:
            path = grow(preset, size, folder)
            print(f"resume of {preset} at {size:,} evaluations: ", end="")
            resumed(path)


if __name__ == "__main__":
    main()
