"""How noisy is the CPU preset, and how much is there to gain?

    python benchmarks/training_noise.py [SEEDS] [key=value ...]

Trains the shipped train.py and one much better variant of it on the same fresh seeds and prints the spread from seed to
seed, the range between the two, and their ratio; `key=value` changes the preset, as for `wolf run`. The better variant
came from 200 steps of a plain hill climb; it is a yardstick, not the best there is.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from judges.base import Context
from population.genome import Genome
from population.knobs import Space
from population.literals import Value
from population.variant import Variant
from wolf.settings.config import load
from wolf.settings.target import Target

PRESET = "val_bpb_cpu"
FIRST_SEED = 1000
BETTER: dict[str, Value] = {
    "DEPTH": 1,
    "ASPECT": 32,
    "NORM": "peri",
    "ROPE_BASE": 195.0,
    "SMEAR": True,
    "BATCH_TOKENS": 2**10,
    "SEQUENCE": 128,
    "MATRIX_OPTIMIZER": "adamw",
    "SCALAR_LR": 1.65,
}


def main(seeds: int, overrides: list[str]) -> None:
    config = load(PRESET, overrides)
    target, judge = Target.of(config.target), config.judge
    judge.prepare(target.root, print)
    seed = target.seed()
    genome = Genome.of(seed.files, Space.of(seed.files, config.target.knobs))
    means, sigmas = {}, {}
    for name, variant in {"shipped": seed, "better": Variant(genome.replace(BETTER).files())}.items():
        scores, wall, steps = [], [], []
        for number in range(FIRST_SEED, FIRST_SEED + seeds):
            with tempfile.TemporaryDirectory() as scratch:
                started = time.monotonic()
                evaluation = judge.evaluate(variant, Context(target.root, Path(scratch), seed=number))
                wall.append(time.monotonic() - started)
            if evaluation.score is None:
                raise SystemExit(f"{name}, seed {number}: {evaluation.status}: {evaluation.feedback}")
            scores.append(evaluation.score)
            steps.append(evaluation.metrics["steps"])
        means[name], sigmas[name] = statistics.mean(scores), statistics.stdev(scores)
        print(
            f"{name:8} {judge.name} {means[name]:.4f}  sigma {sigmas[name]:.4f} ({seeds} seeds)  "
            f"steps {min(steps):.0f}..{max(steps):.0f}  {statistics.median(wall):.1f} s each"
        )
    gain = means["shipped"] - means["better"]
    in_sigmas = [gain / sigma for sigma in sorted(sigmas.values(), reverse=True)]
    print(f"range {gain:.4f} = {in_sigmas[0]:.0f} sigma of the noisier one, {in_sigmas[1]:.0f} of the other")


if __name__ == "__main__":
    numbers = [argument for argument in sys.argv[1:] if "=" not in argument]
    main(int(numbers[0]) if numbers else 8, [argument for argument in sys.argv[1:] if "=" in argument])
