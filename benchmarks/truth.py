"""Does the search believe its luck? What is crowned where nothing can be gained, and how flattering the end scores are.

    python benchmarks/truth.py [--searches 10] [--evaluations 100] [--strategies wolf,greedy]

`null`: 40 knobs without any effect, noise as on the CPU training target; whatever is crowned is luck. `training`: the
landscape of that name, where there is something to gain. A crowning is false if the truth is no better than that of
the champion before. The gaps are in units of the noise of one reading, negative is flattering: what the search believed
of the variant it hands over less the truth, and the same for what is reported, its mean on five fresh seeds.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace
from statistics import fmean

from landscapes import Landscape, play, strategy, training

from wolf.confirm import standard_error

FRESH = 5


def null(seed: int) -> Landscape:
    """The training landscape's file, and no effect at all."""
    return replace(training(seed), loss=lambda values: 1.0)


PLACES = {"null": null, "training": training}


def search(place: Landscape, name: str, seed: int, budget: int) -> tuple[int, int, float, float]:
    """Crownings, false ones, and the gaps of the belief and of the report."""
    searching = strategy(name, place, seed, budget)
    crowned = false = 0

    def truth(variant: str) -> float:
        return place.loss(searching.population.genome(variant).values)

    for _, _, outcome in play(place, searching, seed, budget):
        if outcome.crowning is not None and outcome.crowning.previous is not None:
            crowned += 1
            false += truth(outcome.crowning.variant) >= truth(outcome.crowning.previous) - 1e-12
    champion = searching.champion or ""
    belief, real = searching.population.estimate(champion).mean, truth(champion)
    rng = random.Random(f"fresh/{name}/{seed}")
    report = fmean(real + rng.gauss(0.0, place.noise) for _ in range(FRESH))
    return crowned, false, (belief - real) / place.noise, (report - real) / place.noise


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--strategies", default="wolf,wolf-screening,wolf-gate,greedy")
    parser.add_argument("--places", default=",".join(PLACES))
    args = parser.parse_args()
    print(f"{args.searches} searches of {args.evaluations} evaluations each; falsely: crowned, and no better in truth;")
    print("gaps in sigma of one reading, mean and standard error, negative flatters")
    print(f"{'':9} {'':15} {'crowned':>8} {'falsely':>8} {'believed - true':>20} {'reported - true':>20}")
    for place in args.places.split(","):
        for name in args.strategies.split(","):
            rows = [search(PLACES[place](s), name, s, args.evaluations) for s in range(args.searches)]
            crowned, false, beliefs, reports = zip(*rows, strict=True)
            gaps = [f"{fmean(gap):+.2f} ± {standard_error(gap):.2f} sigma" for gap in (beliefs, reports)]
            print(f"{place:9} {name:15} {sum(crowned):8} {sum(false):8} {gaps[0]:>20} {gaps[1]:>20}", flush=True)


if __name__ == "__main__":
    main()
