"""Wolf and greedy with the same played model at equal evaluations, on the target `knobs`.

python benchmarks/proposers.py [SEEDS] [EVALUATIONS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from judges.cage import Level
from wolf import launch
from wolf.config import load
from wolf.dev.players import competent, repetitive, sloppy
from wolf.dev.server import FakeServer, Player

KNOWN = {"LEARNING_RATE": "0.002", "DEPTH": "12", "WIDTH": "256", "BATCH": "64"}  # what a competent player knows
PLAYERS: dict[str, Player] = {
    "repetitive": repetitive, "sloppy": sloppy({}), "sloppy, knowing": sloppy(KNOWN), "competent": competent({}),
}  # fmt: skip


def main(seeds: int, evaluations: int) -> None:
    """Print final losses: mean and each seed's."""
    for name, player in PLAYERS.items():
        for strategy in ("wolf", "greedy"):
            losses = [loss(player, strategy, seed, evaluations) for seed in range(seeds)]
            print(f"{name:16} {strategy:7} {statistics.mean(losses):.4f}   {' '.join(f'{x:.3f}' for x in losses)}")
            sys.stdout.flush()


def loss(player: Player, strategy: str, seed: int, evaluations: int) -> float:
    """The champion's true loss after one run (the target has no noise)."""
    with FakeServer(player) as server, tempfile.TemporaryDirectory() as runs:
        said = [f"runs={runs}", f"search.strategy={strategy}", f"search.seed={seed}", "search.surrogate=on",
                f"budget.evaluations={evaluations}", "budget.usd=50", "confirm.seeds=0", "workers.slots=2",
                "llm.models=[claude-haiku-5-5]", f"llm.base_url={server.url}"]  # fmt: skip
        config = load(str(Path(__file__).parents[1] / "configs/knobs.yaml"), said)
        with launch.create(config, Level.NONE) as ledger:
            finished = launch.drive(ledger, config, Level.NONE, [], lambda text: None)
            assert finished is not None
            return float(finished["champion"]["search"]["mean"])


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 8, int(sys.argv[2]) if sys.argv[2:] else 60)
