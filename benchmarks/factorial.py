"""What every mechanism of the search is worth, all at once: a factorial ablation on landscapes whose truth is known.

    python benchmarks/factorial.py --landscapes training,knobs,nk --seeds 12 --budget 100
    python benchmarks/factorial.py --real OUT --seeds 4 --budget 80

Per landscape and seed there are twelve searches, in each of which every mechanism is on or off by a row of a
Plackett-Burman design (1946; folded over on odd seeds, so that no pair's interaction looks like a mechanism). Each
effect comes from all searches, half with it and half without, which takes a fraction of what ablations one at a time
take. Effects are true loss with the mechanism minus without: negative is good. The design has more columns than there
are mechanisms; what the idle ones show is chance. `--real` does it on real training runs (see real_training.py, whose
logs OUT gets; what is in it already is not run again); the loss is then val_bpb on fresh seeds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from landscapes import MECHANISMS, run
from numpy.typing import NDArray

from wolf.compare.paired import interval

FIRST = [1 if sign == "+" else -1 for sign in "++-+++---+-"]
DESIGN = np.array([*(np.roll(FIRST, i) for i in range(11)), [-1] * 11])  # every row the one before, turned by one
FACTORS = [name for name in MECHANISMS if name != "screening"]  # without a model the others are another search
COLUMNS = [*FACTORS, *(f"idle {i}" for i in range(1, 12 - len(FACTORS)))]


def design(seed: int) -> NDArray[np.int64]:
    """Twelve rows of eleven signs, on or off."""
    return DESIGN if seed % 2 == 0 else -DESIGN


def arm(row: NDArray[np.int64]) -> str:
    """The search of a row of the design: `wolf` without what is off."""
    return "-".join(["wolf", *(name for name, on in zip(FACTORS, row, strict=False) if on < 0)])


def loss(place: str, name: str, seed: int, budget: int) -> float:
    """The true loss of what a search of a landscape hands over."""
    return run(place, name, seed, budget)[0]


def trained(out: Path, name: str, seed: int, budget: int) -> float:
    """Fresh bits per byte of what a search on real training runs hands over."""
    import real_training

    fresh = real_training.run(out, name, seed, budget, "far", real_training.SECONDS)["fresh"]
    return fmean(score for score in fresh if score is not None)


def main() -> None:
    """Print the effects, landscape by landscape and together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--landscapes", default="training,knobs,nk")
    parser.add_argument("--real", type=Path, metavar="OUT", help="real training runs instead; their logs go to OUT")
    parser.add_argument("--seeds", type=int, default=12, help="better even")
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    args = parser.parse_args()
    places: dict[str, Callable[[str, int, int], float]]
    places = {place: partial(loss, place) for place in args.landscapes.split(",")}
    if args.real:
        args.real.mkdir(parents=True, exist_ok=True)
        places = {"real training": partial(trained, args.real)}
    together = []
    with ProcessPoolExecutor(args.processes, max_tasks_per_child=1) as pool:
        for place, lost in places.items():
            jobs = [
                [pool.submit(lost, arm(row), seed, args.budget) for row in design(seed)] for seed in range(args.seeds)
            ]
            losses = np.array([[job.result() for job in block] for block in jobs])
            effects = np.array([design(seed).T @ block / 6 for seed, block in enumerate(losses)])
            spread = float(losses.std(axis=1).mean())
            table(f"{place}: loss {losses.mean():.4g}, standard deviation within a seed {spread:.4g}", effects)
            together.append(effects / spread)
    table("all, in standard deviations within a seed", np.concatenate(together))


def table(title: str, effects: NDArray[np.float64]) -> None:
    """Mean effect of each column and its 95 % interval."""
    print(f"\n{title}; {len(effects)} blocks of 12 searches")
    for name, column in zip(COLUMNS, effects.T, strict=True):
        low, high = interval(column.tolist())
        print(f"  {name:11} {column.mean():+8.4f}  [{low:+.4f}, {high:+.4f}]", flush=True)


if __name__ == "__main__":
    main()
