"""Is what is said of a gain as sure as it says? Readings whose truth is known, through the functions of the product.

    python benchmarks/calibration.py [--trials 2000] [--pairs 3,4,5,6,8,12,20] [--noises gaussian,heavy]

Gains are in sigma, the standard deviation of one reading (for `wolf compare`: of one run). Noise is `gaussian`; `heavy`
(Student's t with 3 degrees of freedom); `coarse` (a coin: passed or failed); `skewed` (lognormal, bad readings far
out); `shared` (seven tenths of its variance belong to the seed, and are the same on both sides); `uneven` (the
champion's is three times as wide); or `unstable` (skewed and uneven: a champion that now and then goes badly wrong).

`confirmation`: how often the 95 % interval of n fresh seeds holds the true gain, and how often the verdict is "better
than the seed" at a true gain of 0 (which should be 0.025), 0.5, 1 and 2 sigma. `compare`, n pairs: how often its 95 %
interval holds the truth; how often P(better) is at least 0.95 (should be 0.05) and p below 0.05 (should be no more)
where nothing is gained; and of the arms with P(better) of 0.95, its mean and how many are better in truth, where gains
are drawn from a normal of one sigma and of a quarter. `search`: how often its bound of the noise, from n readings of
one variant, is above the truth (should be 0.75). Last, of a panel's challengers that replace the incumbent: what
P(better) said, and how many are better, where its prior holds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from judges.watch import ACCEPT, GIVE_UP, PRIOR_LEAD
from population.evaluation import Doubt, upper_bound
from population.readings import NOISE_CONFIDENCE
from wolf.compare.paired import interval, probability, sign_flips
from wolf.confirm import gain

Array = NDArray[np.float64]
Sides = tuple[Array, Array]  # noise of the seed variant and of the champion: mean 0, a row per trial
Draw = Callable[[np.random.Generator, tuple[int, int]], Sides]

GAINS = (0.0, 0.5, 1.0, 2.0)
SPREADS = (1.0, 0.25)  # of the gains that are drawn
SURE = 0.95
SHARED = 0.7
TIMES = 3.0  # how much wider the noise of an uneven champion is
FLIPS = 500  # trials of the sign-flip test, which takes long


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Of standard deviation 1, like the three below."""
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Student's t with 3 degrees of freedom."""
    return rng.standard_t(3, shape) / np.sqrt(3)


def coin(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """One side or the other."""
    return rng.choice((-1.0, 1.0), shape)


def lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Skewness 6."""
    return (rng.lognormal(size=shape) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)


def shared(rng: np.random.Generator, shape: tuple[int, int]) -> Sides:
    """A part is the same on both sides, as where a seed is hard for everybody."""
    common, own = np.sqrt(SHARED) * normal(rng, shape), np.sqrt(1 - SHARED)
    return common + own * normal(rng, shape), common + own * normal(rng, shape)


NOISES: Mapping[str, Draw] = {
    "gaussian": lambda rng, shape: (normal(rng, shape), normal(rng, shape)),
    "heavy": lambda rng, shape: (heavy(rng, shape), heavy(rng, shape)),
    "coarse": lambda rng, shape: (coin(rng, shape), coin(rng, shape)),
    "skewed": lambda rng, shape: (lognormal(rng, shape), lognormal(rng, shape)),
    "shared": shared,
    "uneven": lambda rng, shape: (normal(rng, shape), TIMES * normal(rng, shape)),
    "unstable": lambda rng, shape: (lognormal(rng, shape), TIMES * lognormal(rng, shape)),
}


def confirmation(seed: Array, champion: Array) -> list[float]:
    """How often the interval holds the truth, then how often the verdict is a gain at each of `GAINS`."""
    found = [gain(*sides) for sides in zip(seed.tolist(), champion.tolist(), strict=True)]
    low, high = np.array([(one.low, one.high) for one in found if one is not None]).T
    return [inside(low, high), *(float((low > -size).mean()) for size in GAINS)]  # a gain shifts both ends


def comparison(level: Array, drawn: Array) -> list[float]:
    """Interval, P(better) and p where nothing is gained; then P(better), and who is right, at each of `SPREADS`.

    Args:
        level: gains within the pairs of arms that are level; a row per trial.
        drawn: true gains, normal with a standard deviation of 1; one per trial.
    """
    low, high = np.array([interval(row) for row in level.tolist()]).T
    called = np.mean([probability(row) >= SURE for row in level.tolist()])
    significant = np.mean([sign_flips(row) < 0.05 for row in level[:FLIPS].tolist()])
    shares = [inside(low, high), float(called), float(significant)]
    for spread in SPREADS:
        said = np.array([probability(row) for row in (level + spread * drawn[:, None]).tolist()])
        sure = said >= SURE
        shares += [float(said[sure].mean()), float((drawn[sure] > 0).mean())]
    return shares


def bound(readings: Array) -> list[float]:
    """How often the search's bound of the noise is above the truth, which is 1."""
    freedom = readings.shape[1] - 1
    spreads = readings.var(axis=1, ddof=1) * freedom
    return [float(np.mean([upper_bound(spread, freedom, NOISE_CONFIDENCE) >= 1 for spread in spreads.tolist()]))]


def challengers(rng: np.random.Generator, trials: int, error: float) -> tuple[float, float]:
    """Of those that replace the incumbent: P(better) on average, and how many are better."""
    doubt = Doubt(-PRIOR_LEAD[0], PRIOR_LEAD[1], ACCEPT, GIVE_UP)
    leads = rng.normal(*PRIOR_LEAD, trials)
    said = np.array([doubt.better(lead, error) for lead in (leads + error * rng.standard_normal(trials)).tolist()])
    taken = said >= doubt.accept
    return float(said[taken].mean()), float((leads[taken] > 0).mean())


def inside(low: Array, high: Array) -> float:
    """Share of the intervals that hold 0."""
    return float(((low <= 0) & (high >= 0)).mean())


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--pairs", default="3,4,5,6,8,12,20")
    parser.add_argument("--noises", default=",".join(NOISES))
    args = parser.parse_args()
    pairs, cells = [int(count) for count in args.pairs.split(",")], {}
    for noise in args.noises.split(","):
        for count in pairs:
            rng = np.random.default_rng([count, *noise.encode()])
            seed, champion = NOISES[noise](rng, (args.trials, count))
            drawn = rng.standard_normal(args.trials)
            cells[noise, count] = confirmation(seed, champion), comparison(seed - champion, drawn), bound(seed)
    said = [f"said, right ({spread:g} sigma)" for spread in SPREADS]
    heads = (
        ["confirmation", "n", "interval holds", *(f"better at {size:g}" for size in GAINS)],
        ["compare", "n", "interval holds", f"P >= {SURE} at 0", "p < 0.05 at 0", *said],
        ["search", "n", "noise bound holds"],
    )
    print(f"{args.trials} trials a row ({min(FLIPS, args.trials)} of p)")
    for index, head in enumerate(heads):
        print("\n" + "  ".join(f"{title:>{max(12, len(title))}}" for title in head))
        for (noise, count), rows in cells.items():
            shares = [f"{share:.3f}" for share in rows[index]]
            if len(shares) > len(head) - 2:
                shares[3:] = [f"{shares[3]}, {shares[4]}", f"{shares[5]}, {shares[6]}"]
            row = zip(head, [noise, str(count), *shares], strict=True)
            print("  ".join(f"{cell:>{max(12, len(title))}}" for title, cell in row))
    print()
    for error in (0.2, 0.4, 0.8):
        told, right = challengers(np.random.default_rng(0), 20 * args.trials, error)
        print(f"challengers read with an error of {error:g}: said {told:.3f}, right {right:.3f}")


if __name__ == "__main__":
    main()
