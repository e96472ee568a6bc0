"""Out of local minima: searches that start where greedy stopped.

    python benchmarks/stuck.py                                        ten states from the landscapes
    python benchmarks/stuck.py --out OUT RUNS/greedy-far-0.jsonl ...  real training: greedy runs of real_training.py,
                                                                      and two states that autoresearch's users met

A state is a variant at which greedy made 40 fruitless evaluations in a row. From there each strategy searches anew;
`continued` is the greedy search itself going on, with the lucky reading that it believes. Freed: a gain of more than
two sigma of one reading; on landscapes by the truth, in real training by belief, if its end is confirmed by four fresh
seeds. What freed it is the farthest departure in the line that leads there: an expedition of some kind, a departure, or
the hunt alone. What is in OUT already is not run again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median, pvariance
from typing import Any

from landscapes import LANDSCAPES, PLAIN, Landscape, play, strategy

from population.genome import Genome
from population.knobs import Space
from wolf.strategy.asks import Ask, Outcome, Strategy

LONGEST = 800  # evaluations that greedy gets to become stuck
FREE = 2.0  # sigma
SEED = 1000  # of the searches from a state
PUBLIC = {  # autoresearch's 66 discards in a row, and its batch-size trap, by their ratios to the defaults there
    "66-discards": {"DEPTH": 5, "BATCH_TOKENS": 2048, "WARMDOWN": 1.0, "MATRIX_LR": 0.045, "UNEMBEDDING_LR": 0.012,
                    "MATRIX_DECAY": 0.1, "MUON_BETA2": 0.99},
    "batch-size": {"BATCH_TOKENS": 8192, "WINDOW": "SSSSL", "MATRIX_LR": 0.04, "EMBEDDING_LR": 0.4,
                   "UNEMBEDDING_LR": 0.008},
}  # fmt: skip
FAR = ("depart", "cross", "kick", "departure", "survey", "hunt", "step")  # the farthest first

Steps = Iterator[tuple[Ask, float, Outcome]]


@dataclass(frozen=True)
class Freed:
    """How one search fared: evaluations until it was free (inf if it never was), and what freed it."""

    after: float = math.inf
    by: str = ""


def state(name: str, seed: int, within: int, drought: int) -> tuple[Landscape, Strategy, Steps] | None:
    """Where greedy stopped on a landscape, and the search that goes on from there; None if it gained to the end."""
    place = LANDSCAPES[name](seed)
    search = strategy("greedy", place, seed, LONGEST)
    steps, fruitless = play(place, search, seed, LONGEST + within), 0
    for _, _, outcome in itertools.islice(steps, LONGEST):
        fruitless = 0 if outcome.crowning else fruitless + 1
        if fruitless == drought:
            text = search.population.variant(search.champion or "").files["target.py"]
            return replace(place, text=text), search, steps
    return None


def watch(place: Landscape, search: Strategy, steps: Steps, within: int) -> Freed:
    """Follow a search until its champion is truly better than where it starts."""
    space = search.population.space
    start = place.loss(Genome.of({"target.py": place.text}, space).values)
    kinds: dict[str, str] = {}
    for n, (ask, _, _) in enumerate(itertools.islice(steps, within), 1):
        trip = search.escape.expeditions[ask.expedition].kind if ask.expedition is not None else None
        kinds.setdefault(ask.variant.id, trip or ask.purpose.value)
        champion = search.champion
        if champion and start - place.loss(search.population.genome(champion).values) > FREE * max(place.noise, 1e-9):
            return Freed(n, farthest(champion, kinds, lambda id: search.population.variant(id).parents))
    return Freed()


def farthest(variant: str, kinds: Mapping[str, str], parents: Callable[[str], Sequence[str]]) -> str:
    """The farthest departure in the line of first parents that leads to a variant."""
    line: list[str] = []
    while variant in kinds and len(line) < 1000:
        line.append(kinds[variant])
        variant = next(iter(parents(variant)), "")
    return next((kind for kind in FAR if kind in line), "other")


def landscapes(states: int, within: int, drought: int, strategies: Sequence[str]) -> dict[str, list[Freed]]:
    """All strategies from `states` states, taken in turn from the landscapes."""
    found: dict[str, list[Freed]] = {name: [] for name in ("continued", *strategies)}
    each = {name: itertools.count() for name in PLAIN}
    for name in itertools.islice(itertools.cycle(PLAIN), states):
        start = next(filter(None, (state(name, seed, within, drought) for seed in each[name])))
        place, greedy, steps = start
        found["continued"].append(watch(place, greedy, steps, within))
        for other in strategies:
            search = strategy(other, place, SEED, within)
            found[other].append(watch(place, search, play(place, search, SEED, within), within))
        print(name, {other: freed[-1].after for other, freed in found.items()}, flush=True)
    return found


@dataclass(frozen=True)
class Stop:
    """A state of the training target: its text, and the greedy run that stopped there after so many evaluations."""

    text: str
    run: Path | None = None
    after: int = 0


def stops(paths: Sequence[Path], drought: int) -> dict[str, Stop]:
    """The public states, and where these greedy runs first made so many fruitless evaluations in a row."""
    from real_training import start_text

    text, config = start_text("far", 0)
    space = Space.of({"train.py": text}, config.target.knobs)
    genome = Genome.of({"train.py": text}, space)
    found = {name: Stop(genome.replace(knobs).files()["train.py"]) for name, knobs in PUBLIC.items()}
    for path in paths:
        *steps, _ = map(json.loads, path.read_text().splitlines())
        since = 0
        for n, step in enumerate(steps):
            since = n if step["champion"] != steps[since]["champion"] else since
            if n - since == drought:
                best = next(one for one in steps if one["variant"] == step["champion"])
                found[path.stem] = Stop(genome.replace(best["values"]).files()["train.py"], path, n + 1)
                break
        else:
            print(f"{path}: never {drought} fruitless evaluations in a row")
    return found


def real(paths: Sequence[Path], strategies: Sequence[str], args: argparse.Namespace) -> dict[str, list[Freed]]:
    """All strategies from states of the training target; where a greedy run stopped there, it also goes on."""
    from real_training import SECONDS, run

    args.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Freed]] = {name: [] for name in ("continued", *strategies)}
    with ProcessPoolExecutor(args.processes, max_tasks_per_child=1) as pool:
        jobs, logs = [], {}
        for state, stop in stops(paths, args.fruitless).items():
            for name in strategies:
                logs[state, name] = args.out / f"{name}-{state}-{SEED}.jsonl"
                jobs.append(pool.submit(run, args.out, name, SEED, args.within, state, SECONDS, stop.text))
            if stop.run is not None:
                name, start, seed = stop.run.stem.rsplit("-", 2)
                logs[state, "continued"] = copy = args.out / stop.run.name
                if not copy.exists():
                    copy.write_text("".join(stop.run.read_text().splitlines(keepends=True)[:-1]))
                jobs.append(pool.submit(run, args.out, name, int(seed), stop.after + args.within, start, SECONDS))
        for job in jobs:
            job.result()
    for state, stop in stops(paths, args.fruitless).items():
        arms = {name: logs[state, name] for name in found if (state, name) in logs}
        ends = {name: [json.loads(line) for line in path.read_text().splitlines()] for name, path in arms.items()}
        for name, freed in confirmed(ends, stop.after).items():
            found[name].append(freed)
            print(f"{state:16} {name:10} {freed.after:4.0f} {freed.by:10}", flush=True)
    return found


def confirmed(logs: Mapping[str, Sequence[Mapping[str, Any]]], before: int) -> dict[str, Freed]:
    """When real searches from one state were free: believed at that moment, and their ends confirmed on fresh seeds.

    Where the state truly stands, and the noise, are what all the searches that began there read of it.
    """
    anew = [log for name, log in logs.items() if name != "continued"]
    here = [step["score"] for log in anew for step in log[:-1] if step["variant"] == log[0]["variant"]]
    start, fresh = fmean(here), fmean(anew[0][-1]["start"])
    groups = [here, anew[0][-1]["start"], *(log[-1]["fresh"] for log in logs.values())]
    bar = FREE * math.sqrt(sum(pvariance(one) * len(one) for one in groups) / sum(len(one) - 1 for one in groups))
    found = {}
    for name, (*steps, last) in logs.items():
        gain = fresh - fmean(last["fresh"])
        skipped = before if name == "continued" else 0
        found[name] = believed(steps, skipped, start - bar) if gain > bar else Freed()
        print(f"  {name}: fresh {fresh:.3f} to {fresh - gain:.3f}, two sigma are {bar:.3f}")
    return found


def believed(steps: Sequence[Mapping[str, Any]], skipped: int, bar: float) -> Freed:
    """When a search first believed its champion to be below `bar`, counted from `skipped` on, and what freed it."""
    readings: dict[str, list[float]] = {}
    kinds: dict[str, str] = {}
    trips: dict[int, str] = {}
    parents: dict[str, Sequence[str]] = {}
    for n, step in enumerate(steps, 1):
        if step.get("launch"):
            trips[step["expedition"]] = step["launch"]
        kinds.setdefault(step["variant"], trips.get(step["expedition"], step["purpose"]))
        parents.setdefault(step["variant"], step.get("parents", ()))
        readings.setdefault(step["variant"], []).append(math.inf if step["score"] is None else step["score"])
        if n > skipped and fmean(readings[step["champion"]]) < bar:
            return Freed(n - skipped, farthest(step["champion"], kinds, lambda id: parents.get(id, ())))
    return Freed()


def main() -> None:
    """Print how many were freed, how soon, and by what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="logs of greedy runs of real_training.py")
    parser.add_argument("--out", type=Path, help="search from states of the training target; logs go here")
    parser.add_argument("--states", type=int, default=10, help="from landscapes")
    parser.add_argument("--fruitless", type=int, default=40, help="evaluations without a gain that make a state")
    parser.add_argument("--within", type=int, default=60)
    parser.add_argument("--strategies", default="greedy,restart,wolf-escape,wolf")
    parser.add_argument("--processes", type=int, default=1)
    args = parser.parse_args()
    names = args.strategies.split(",")
    if args.out:
        found = real(args.runs, names, args)
    elif args.runs:
        parser.error("runs need --out")
    else:
        found = landscapes(args.states, args.within, args.fruitless, names)
    print(f"\n{'strategy':14} freed within {args.within}   median evaluations   by")
    for name, freed in found.items():
        if not freed:
            continue
        out = [one.after for one in freed]
        by = ", ".join(f"{kind} {count}" for kind, count in Counter(one.by for one in freed if one.by).most_common())
        share, after = f"{sum(map(math.isfinite, out))} of {len(out)}", median(out) if out else math.nan
        print(f"{name:14} {share:>15} {after:19.4g}   {by}")


if __name__ == "__main__":
    main()
