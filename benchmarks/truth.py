"""Does the search believe its luck? What is crowned where nothing can be gained, and how flattering the end scores are.

    python benchmarks/truth.py [--searches 10] [--evaluations 100] [--strategies wolf,greedy] [--noises gaussian,heavy]

`null`: 40 knobs without any effect, noise as on the CPU training target; whatever is crowned is luck. `training`: the
landscape of that name, where there is something to gain. A crowning is false if the truth is no better than that of
the champion before. The gaps are in units of the noise of one reading, negative is flattering: what the search believed
of the variant it hands over less the truth, and the same for what is reported, its mean on five fresh seeds. Last, in
how many searches the 95 % interval of the gain over the start holds the truth, and how many call a champion better that
is not: by the scores it was picked by, and by the verdict (five fresh readings of both).

Noises are those of `calibration.py`; the variant that a search starts from has the seed variant's.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from statistics import fmean

import numpy as np
from calibration import NOISES
from landscapes import Draw, Landscape, play, strategy, training

from wolf.confirm import gain, standard_error
from wolf.strategy.gate import INTERVAL_Z, lead

FRESH = 5
Row = tuple[int, int, float, float, bool, bool, bool, bool]


def null(seed: int) -> Landscape:
    """The training landscape's file, and no effect at all."""
    return replace(training(seed), loss=lambda values: 1.0)


PLACES = {"null": null, "training": training}


def drawn(noise: str) -> Draw:
    """One reading's noise, of the seed variant or of any other."""
    return lambda rng, start: float(NOISES[noise](rng, (1, 1))[0 if start else 1].item())


def search(place: Landscape, name: str, seed: int, budget: int, noise: str = "gaussian") -> Row:
    """Crownings, false ones; the gaps of the belief and of the report; who holds the truth, and who claims falsely."""
    searching, draw = strategy(name, place, seed, budget), drawn(noise)
    crowned = false = 0

    def truth(variant: str) -> float:
        return place.loss(searching.population.genome(variant).values)

    start = ""
    for ask, _, outcome in play(place, searching, seed, budget, draw):
        start = start or ask.variant.id
        if outcome.crowning is not None and outcome.crowning.previous is not None:
            crowned += 1
            false += truth(outcome.crowning.variant) >= truth(outcome.crowning.previous) - 1e-12
    champion = searching.champion or start
    rng = np.random.default_rng([seed, *name.encode()])
    fresh = {
        variant: [truth(variant) + place.noise * draw(rng, variant == start) for _ in range(FRESH)]
        for variant in (start, champion)
    }
    belief = searching.population.estimate(champion)
    gaps = [(mean - truth(champion)) / place.noise for mean in (belief.mean, fmean(fresh[champion]))]
    real, verdict = truth(start) - truth(champion), gain(fresh[start], fresh[champion])
    assert verdict is not None
    mean, error = lead(belief, searching.population.estimate(start))
    intervals = (mean - INTERVAL_Z * error, mean + INTERVAL_Z * error), (verdict.low, verdict.high)
    holds = [low <= real <= high or champion == start for low, high in intervals]  # of the start nothing is claimed
    claims = [low > 0 >= real - 1e-12 and champion != start for low, _ in intervals]
    return crowned, false, gaps[0], gaps[1], holds[0], claims[0], holds[1], claims[1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--strategies", default="wolf,wolf-screening,wolf-gate,greedy")
    parser.add_argument("--places", default=",".join(PLACES))
    parser.add_argument("--noises", default="gaussian")
    args = parser.parse_args()
    print(f"{args.searches} searches of {args.evaluations} evaluations each; falsely: crowned, and no better in truth;")
    print("gaps in sigma of one reading, mean and standard error, negative flatters; held, lied: intervals of the gain")
    print("over the start that hold the truth, and that are above zero where there is no gain")
    heads = f"{'believed - true':>14} {'reported - true':>15} {'search: held, lied':>19} {'verdict: held, lied':>19}"
    print(f"{'':8} {'':8} {'':14} {'crowned':>7} {'falsely':>7} {heads}")
    for noise in args.noises.split(","):
        for place in args.places.split(","):
            for name in args.strategies.split(","):
                rows = [search(PLACES[place](s), name, s, args.evaluations, noise) for s in range(args.searches)]
                crowned, false, beliefs, reports, *shares = zip(*rows, strict=True)
                gaps = [f"{fmean(gap):+.2f} ± {standard_error(gap):.2f}" for gap in (beliefs, reports)]
                counts = [f"{sum(held)}, {sum(lied)}" for held, lied in (shares[:2], shares[2:])]
                cells = f"{gaps[0]:>15} {gaps[1]:>15} {counts[0]:>19} {counts[1]:>19}"
                print(f"{noise:8} {place:8} {name:14} {sum(crowned):7} {sum(false):7} {cells}", flush=True)


if __name__ == "__main__":
    main()
