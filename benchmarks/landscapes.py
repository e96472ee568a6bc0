"""Search strategies on landscapes whose truth is known: knobs in a source file, noise on every reading.

    python benchmarks/landscapes.py --budgets 100,300 --seeds 20 --strategies greedy,random,wolf

Prints the mean true regret of the variant that each strategy hands over (lower is better); below it the share of paired
seeds in which it beats the first strategy named, and P(better) as in `wolf compare`, with a star where the difference
is significant (sign flips, Holm over the row). The landscapes evolve *code*: every variant is a Python file with
constants, changed and read through the same operators as a training script. `bbob` needs the extra `bench`.

`--noise 0.25` makes the standard deviation of a reading a quarter of the loss of the variant that the search starts
from, which is about the range to the optimum; without it every landscape has its own: little, and `forecast` none. (The
time for one evaluation of `forecast` is mostly its own.)
"""

from __future__ import annotations

import argparse
import math
import os
import random
import runpy
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

warnings.filterwarnings("ignore", message="Could not import matplotlib")  # cma says so on import

import numpy as np

from population.evaluation import Evaluation, Goal, Status
from population.genome import Genome
from population.knobs import Space
from population.pool import Population
from population.variant import Variant
from wolf.compare.paired import compare, holm
from wolf.strategy.asks import Ask, Outcome, Strategy
from wolf.strategy.baselines import BASELINES
from wolf.strategy.hunt import Options, Wolf
from wolf.strategy.operators import available
from wolf.strategy.optimisers import OPTIMISERS
from wolf.strategy.screen import Screen

Values = Mapping[str, Any]
Draw = Callable[[np.random.Generator, bool], float]  # see `gaussian`


@dataclass(frozen=True)
class Landscape:
    """A source file to start from, the true loss of its knobs (optimum at 0 or above), and the noise of a reading."""

    text: str
    loss: Callable[[Values], float]
    noise: float


def knobs(seed: int, rugged: bool = False, noise: float = 0.01) -> Landscape:
    """18 knobs (log, linear, whole, choices, switches) with interactions; two thirds of the loss is in five of them."""
    rng = random.Random(f"knobs/{seed}/{rugged}")
    names = [f"K{i:02d}" for i in range(18)]
    lines: list[str] = []
    units: dict[str, Callable[[Any], float]] = {}
    for i, name in enumerate(names):
        start = rng.random()
        if i < 6:
            lines.append(f"{name} = {10 ** (-3 + 3 * start):.4g}  # knob: 1e-3 .. 1 log")
            units[name] = lambda v: (math.log10(v) + 3) / 3
        elif i < 11:
            lines.append(f"{name} = {start:.4g}  # knob: 0.0 .. 1.0")
            units[name] = lambda v: v
        elif i < 13:
            lines.append(f"{name} = {1 + int(start * 15)}  # knob: 1 .. 16")
            units[name] = lambda v: (v - 1) / 15
        elif i < 16:
            lines.append(f'{name} = "{rng.choice("abc")}"  # knob: a | b | c')
        else:
            lines.append(f"{name} = {rng.random() < 0.5}")
    optimum = {name: rng.random() for name in names[:13]}
    weights = {name: 2.0 * 0.75**rank for rank, name in enumerate(rng.sample(names[:13], 13))}
    pairs = [(rng.sample(names[:13], 2), rng.uniform(-1, 1)) for _ in range(12)]
    tables: dict[str, dict[Any, float]] = {
        name: {c: rng.uniform(0, 0.4) for c in ("a", "b", "c", True, False)} for name in names[13:]
    }
    shifts = {(name, c): rng.uniform(-0.3, 0.3) for name in names[13:] for c in ("a", "b", "c", True, False)}
    shifted = {name: rng.choice(names[:13]) for name in names[13:]}
    for name in names[13:]:
        keys = ("a", "b", "c") if name < "K16" else (True, False)
        least = min(tables[name][k] for k in keys)
        tables[name] = {k: tables[name][k] - least for k in keys}

    def loss(values: Values) -> float:
        gap = {name: units[name](values[name]) - optimum[name] for name in names[:13]}
        for name in names[13:]:
            if tables[name][values[name]] > 0:
                gap[shifted[name]] += shifts[name, values[name]]
        total = sum(weights[n] * g * g for n, g in gap.items())
        total += sum(abs(c) * (gap[a] + math.copysign(1, c) * gap[b]) ** 2 for (a, b), c in pairs) / 3
        total += sum(tables[n][values[n]] for n in names[13:])
        if rugged:
            total += 0.12 * sum(1 - math.cos(8 * math.pi * g) for g in gap.values())
        return float(total)

    return Landscape("\n".join(lines) + "\n", loss, noise)


def training(seed: int, noise: float = 0.03) -> Landscape:
    """40 knobs like a training script's: few matter, some are coupled by what they cost, noise hides the rest.

    From the start to the optimum it is about 0.8, 25 times the noise, as on the CPU training target.
    """
    rng = random.Random(f"training/{seed}")
    numbers, choices = [f"N{i:02d}" for i in range(26)], [f"S{i:02d}" for i in range(14)]
    start = {name: min(1.0, max(0.0, rng.gauss(0.5, 0.2))) for name in numbers}
    best = {name: min(1.0, max(0.0, start[name] + rng.gauss(0.0, 0.25))) for name in numbers}
    weight = {name: 1.5 / (1 + rank) ** 1.3 for rank, name in enumerate(rng.sample(numbers, len(numbers)))}
    compute, rate, options = rng.sample(numbers, 4), rng.sample(numbers, 3), {}
    lines = [f"{name} = {start[name]:.4g}  # knob: 0.0 .. 1.0" for name in numbers]
    for rank, name in enumerate(choices):
        letters = "ab" if rank % 2 else "abc"
        costs = [0.0, *(abs(rng.gauss(0.0, 0.3)) / (1 + rank) for _ in letters[1:])]
        options[name] = dict(zip(rng.sample(letters, len(letters)), costs, strict=True))
        lines.append(f'{name} = "{rng.choice(letters)}"  # knob: {" | ".join(letters)}')

    def loss(values: Values) -> float:
        gap = {name: values[name] - best[name] for name in numbers}
        total = sum(weight[name] * gap[name] ** 2 for name in numbers)
        total += 1.2 * max(0.0, sum(gap[name] for name in compute) / 2) ** 2
        total += 1.0 * (gap[rate[0]] - gap[rate[1]] + 0.5 * gap[rate[2]]) ** 2
        return float(total + sum(options[name][values[name]] for name in choices))

    return Landscape("\n".join(lines) + "\n", loss, noise)


def nk(seed: int, size: int = 24, degree: int = 4, noise: float = 0.01) -> Landscape:
    """Kauffman's NK landscape on switches; loss is 1 - fitness, whose optimum is about 0.2 (not 0)."""
    rng = random.Random(f"nk/{seed}")
    names = [f"S{i:02d}" for i in range(size)]
    links = [[i, *rng.sample([j for j in range(size) if j != i], degree)] for i in range(size)]
    table = [[rng.random() for _ in range(2 ** (degree + 1))] for _ in range(size)]
    text = "".join(f"{name} = {rng.random() < 0.5}\n" for name in names)

    def loss(values: Values) -> float:
        bits = [int(values[name]) for name in names]
        return 1 - fmean(table[i][sum(bits[j] << k for k, j in enumerate(links[i]))] for i in range(size))

    return Landscape(text, loss, noise)


def traps(seed: int, blocks: int = 6, noise: float = 0.01) -> Landscape:
    """Concatenated deceptive traps of five switches, shuffled (Goldberg 1987; Deb & Goldberg 1993)."""
    rng = random.Random(f"traps/{seed}")
    names = [f"S{i:02d}" for i in range(5 * blocks)]
    order = rng.sample(names, len(names))
    text = "".join(f"{name} = {rng.random() < 0.5}\n" for name in names)

    def loss(values: Values) -> float:
        ones = [sum(bool(values[n]) for n in order[5 * b : 5 * b + 5]) for b in range(blocks)]
        return 1 - sum(5 if n == 5 else 4 - n for n in ones) / (5 * blocks)

    return Landscape(text, loss, noise)


def bbob(function: int, seed: int) -> Landscape:
    """A function of the noiseless BBOB suite (Hansen et al. 2009) in ten dimensions; the loss is f - f*."""
    import ioh

    problem = ioh.get_problem(function, instance=seed + 1, dimension=10, problem_class=ioh.ProblemClass.BBOB)
    rng = random.Random(f"bbob/{function}/{seed}")
    names = [f"X{i}" for i in range(10)]
    text = "".join(f"{name} = {rng.uniform(-5, 5):.4g}  # knob: -5.0 .. 5.0\n" for name in names)
    return Landscape(text, lambda values: float(problem([values[n] for n in names]) - problem.optimum.y), 0.0)


STARTER = Path(__file__).parents[1] / "wolf" / "commands" / "starter"
FLOOR = 6.3  # percent: about the least error that was found on the starter's series


def forecast(seed: int) -> Landscape:
    """What `wolf init` writes, on one set of series: seven knobs, and where LAST_WEEK is 1 the others are idle."""
    judge, text = runpy.run_path(str(STARTER / "judge.py")), (STARTER / "forecast.py").read_text()
    rng, days = random.Random(seed), judge["DAYS"]
    shops = [judge["visitors"](rng) for _ in range(judge["SHOPS"])]
    target: dict[str, Any] = {}
    exec(text, target)

    def loss(values: Values) -> float:
        target.update(values)
        told = target["forecast"]
        errors = [abs(told(one[:day]) / one[day] - 1) for one in shops for day in range(days // 2, days)]
        return 100 * fmean(errors) - FLOOR

    return Landscape(text, loss, 0.0)


def noisier(place: Landscape, share: float) -> Landscape:
    """The same place, with noise of so much of the loss that the search starts from."""
    files = {"target.py": place.text}
    return replace(place, noise=share * place.loss(Genome.of(files, Space.of(files)).values))


BBOB = (3, 15, 20, 21, 22, 23, 24)  # multimodal: Rastrigin (separable, rotated), Schwefel, Gallagher, Katsuura, Lunacek
LANDSCAPES: dict[str, Callable[[int], Landscape]] = {
    "knobs": knobs,
    "rugged": lambda seed: knobs(seed, rugged=True),
    "training": training,
    "nk": nk,
    "traps": traps,
    "forecast": forecast,
    **{f"bbob-f{function}": partial(bbob, function) for function in BBOB},
}
PLAIN = ("knobs", "rugged", "training", "nk", "traps")
MECHANISMS = ("screening", "climb", "survey", "departures", "escape", "novelty", "recombine", "gate")


def strategy(
    name: str, landscape: Landscape, seed: int, budget: int, overrides: Mapping[str, Any] | None = None
) -> Strategy:
    """A strategy on a landscape. `wolf-X-Y` is `wolf` without X and Y; those that there are: `MECHANISMS`."""
    variant = Variant({"target.py": landscape.text})
    known = {variant.id: variant}
    space = Space.of(variant.files, overrides)
    population = Population(space, Goal.MINIMIZE, known.__getitem__)
    remember(population, known)
    base, *without = name.split("-")
    if unknown := set(without) - set(MECHANISMS):
        raise SystemExit(f"no mechanism is called {', '.join(unknown)}; there are {', '.join(MECHANISMS)}")
    names = available(True, "recombine" not in without, False)
    if base != "wolf":
        return (BASELINES | OPTIMISERS)[base](population, variant, seed, names, budget)
    options = Options(
        escape="escape" not in without,
        novelty="novelty" not in without,
        noise_gate="gate" not in without,
        departures=0.0 if "departures" in without else 0.25,
        survey=0 if "survey" in without else 14,
    )
    screen = Screen("screening" not in without, climb="climb" not in without)
    return Wolf(population, variant, seed, names, budget, options, screen)


def remember(population: Population, known: dict[str, Variant]) -> None:
    """Keep every variant that is expected, as a ledger would."""
    expect = population.expect

    def expecting(variant: Variant, genome: Genome | None = None) -> None:
        known.setdefault(variant.id, variant)
        expect(variant, genome)

    population.expect = expecting  # type: ignore[method-assign]  # a bench's stand-in for the ledger


def gaussian(rng: np.random.Generator, origin: bool) -> float:
    """The noise of one reading in units of the landscape's, the same for the variant that the search starts from."""
    return float(rng.standard_normal())


def play(
    place: Landscape, search: Strategy, seed: int, budget: int, draw: Draw = gaussian
) -> Iterator[tuple[Ask, float, Outcome]]:
    """A search, one evaluation at a time: the ask, the reading, and what came of it."""
    space = search.population.space
    noise, first = np.random.default_rng(seed), ""
    for ordinal in range(budget):
        ask = search.ask(ordinal)
        search.asked(ask)
        first = first or ask.variant.id
        values = (ask.genome or Genome.of(ask.variant.files, space)).values
        score = place.loss(values) + place.noise * draw(noise, ask.variant.id == first)
        yield ask, score, search.told(ask, Evaluation(ask.variant.id, "bench", Status.OK, score, seed=ask.seed))


def run(
    landscape: str, name: str, seed: int, budget: int, share: float | None = None
) -> tuple[float, float, list[float]]:
    """True loss of what is handed over, seconds of engine time per evaluation, and the curve of true incumbents.

    `share`: see `noisier`; None is the landscape's own noise.
    """
    place = LANDSCAPES[landscape](seed)
    place = place if share is None else noisier(place, share)
    search = strategy(name, place, seed, budget)
    begun = time.perf_counter()
    curve = [search.champion or "" for _ in play(place, search, seed, budget)]
    seconds = (time.perf_counter() - begun) / budget
    truth = {v: place.loss(search.population.genome(v).values) for v in dict.fromkeys(curve)}
    return truth[curve[-1]], seconds, [truth[v] for v in curve]


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--landscapes", default=",".join(PLAIN), help=f"some of {', '.join(LANDSCAPES)}; `bbob` for all"
    )
    parser.add_argument("--strategies", default="greedy,random,restart,anneal,wolf")
    parser.add_argument("--budgets", default="100")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--noise", type=float, help="of a reading, as a share of the loss of the start")
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    args = parser.parse_args()
    names = args.strategies.split(",")
    said = args.landscapes.split(",")
    if unknown := set(said) - set(LANDSCAPES) - {"bbob"}:
        parser.error(f"no landscape is called {', '.join(unknown)}; there are {', '.join(LANDSCAPES)}")
    places = [name for name in LANDSCAPES if name in said or ("bbob" in said and name.startswith("bbob"))]
    print(f"mean true regret of what is handed over, lower is better; wins: share of the pairs won against {names[0]},")
    print("and P that the mean is better, * if significant (sign flips); ms/ev: the engine's time for one evaluation")
    print(f"{'landscape':10} {'budget':>6} " + " ".join(f"{n:>16}" for n in names))
    with ProcessPoolExecutor(args.processes) as pool:
        for budget in map(int, args.budgets.split(",")):
            for landscape in places:
                jobs = {
                    (n, s): pool.submit(run, landscape, n, s, budget, args.noise)
                    for n in names
                    for s in range(args.seeds)
                }
                done = {key: job.result() for key, job in jobs.items()}
                losses = {n: [done[n, s][0] for s in range(args.seeds)] for n in names}
                row(landscape, str(budget), [f"{fmean(losses[n]):.4g}" for n in names])
                versus = [compare(losses[n], losses[names[0]]) for n in names[1:]]
                stars = ["*" if p < 0.05 else " " for p in holm([one.p for one in versus])]
                marks = [f"{v.wins / v.pairs:.2f}  P {v.better:.3f}{s}" for v, s in zip(versus, stars, strict=True)]
                row("", "wins", ["", *marks])
                row("", "ms/ev", [f"{1000 * fmean(done[n, s][1] for s in range(args.seeds)):.1f}" for n in names])


def row(first: str, second: str, cells: list[str]) -> None:
    """One line of the table."""
    print(f"{first:10} {second:>6} " + " ".join(f"{cell:>16}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
