"""Wolf and greedy with the same played model at equal evaluations, on the target `knobs`; paired by seed.

python benchmarks/proposers.py [SEEDS] [EVALUATIONS] [PROCESSES]

The judge is the target's own formula, called in this process; everything else is a whole run: wire, ledger, checks.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # before numpy is imported

import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np

from judges.base import Context, JudgeConfig
from judges.cage import Level
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant
from wolf import launch
from wolf.dev.players import competent, repetitive, sloppy
from wolf.dev.server import FakeServer, Player
from wolf.settings.config import load

CONFIGS = Path(__file__).parents[1] / "configs"
KNOWN = {"LEARNING_RATE": "0.002", "DEPTH": "12", "WIDTH": "256", "BATCH": "64"}  # what a knowing player knows
PLAYERS: dict[str, Player] = {
    "(a) competent": competent({}), "(a) competent, knowing": competent(KNOWN), "(b) repeats itself": repetitive,
    "(c) sloppy": sloppy({}), "(c) sloppy, knowing": sloppy(KNOWN),
}  # fmt: skip
RESAMPLES = 20_000


class Formula(JudgeConfig):
    """The target's formula, in this process."""

    kind: Literal["formula"] = "formula"
    name: str = "loss"
    goal: Goal = Goal.MINIMIZE

    def prepare(self, root: Path, say: object) -> None:
        """Nothing."""

    def null(self, files: Mapping[str, str]) -> None:
        """None."""

    def evaluate(self, variant: Variant, context: Context) -> Evaluation:
        """Read the knobs, compute the loss."""
        judge: dict[str, object] = {}
        exec((CONFIGS / "knobs/judge.py").read_text(), judge)
        knobs: dict[str, object] = {}
        try:
            exec(variant.files["params.py"], knobs)
            score = float(judge["loss"](knobs))  # type: ignore[operator]
        except Exception as error:
            return Evaluation(variant.id, self.name, Status.CRASHED, feedback=repr(error), seed=context.seed)
        return Evaluation(variant.id, self.name, Status.OK, score, seed=context.seed, seconds=0.01)


def main(seeds: int, evaluations: int, processes: int) -> None:
    """Print a row per player: mean losses, and greedy's minus wolf's with its bootstrap interval."""
    print(f"{'player':24} {'wolf':>7} {'greedy':>7}   gain of wolf, 95 % interval   won  calls of wolf, of greedy")
    with ProcessPoolExecutor(processes) as pool:
        for player in PLAYERS:
            jobs = [[pool.submit(run, player, strategy, seed, evaluations) for seed in range(seeds)]
                    for strategy in ("wolf", "greedy")]  # fmt: skip
            (wolf, greedy) = np.array([[job.result() for job in row] for row in jobs]).transpose(0, 2, 1)
            gains = greedy[0] - wolf[0]
            rows = np.random.default_rng(0).integers(0, seeds, (RESAMPLES, seeds))
            low, high = np.quantile(gains[rows].mean(axis=1), (0.025, 0.975))
            means = f"{player:24} {wolf[0].mean():7.3f} {greedy[0].mean():7.3f}"
            gain = f"{gains.mean():+.3f} [{low:+.3f}, {high:+.3f}] {(gains > 0).sum():10d}/{seeds}"
            print(f"{means}   {gain}  {wolf[1].mean():.0f}, {greedy[1].mean():.0f}", flush=True)


def run(player: str, strategy: str, seed: int, evaluations: int) -> tuple[float, int]:
    """The champion's true loss after one run (the target has no noise), and how often the model was asked."""
    with FakeServer(PLAYERS[player]) as server, tempfile.TemporaryDirectory() as runs:
        said = [f"runs={runs}", f"search.strategy={strategy}", f"search.seed={seed}", "search.surrogate=on",
                f"budget.evaluations={evaluations}", "budget.usd=50", "confirm.seeds=0", "workers.slots=2",
                "llm.models=[claude-haiku-5-5]", f"llm.base_url={server.url}"]  # fmt: skip
        config = load(str(CONFIGS / "knobs.yaml"), said).model_copy(update={"judge": Formula()})
        with launch.create(config, Level.NONE) as ledger:
            finished = launch.drive(ledger, config, Level.NONE, [], lambda text: None)
            assert finished is not None
            return float(finished["champion"]["search"]["mean"]), len(server.log)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*given, *(20, 60, 2)[len(given) :])
