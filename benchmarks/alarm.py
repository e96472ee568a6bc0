"""What the hold-out's alarm is worth in a run: the shipped text presets with it and without, on the same seeds.

python benchmarks/alarm.py --seeds 6
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from statistics import fmean

PRESETS = ("headline", "argument")


def gains(preset: str, seed: int, alarm: str) -> tuple[float, float, int]:
    """The champion's gain over the seed for the judge and for the hold-out, in log odds, and how often it rang."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "wolf", "run", preset, f"search.seed={seed}", f"stop.alarm={alarm}",
                   f"runs={runs}", "--json"]  # fmt: skip
        out = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout
    events = [json.loads(line) for line in out.splitlines()]
    read = {
        event["variant"]: event["evaluation"]
        for event in events
        if event["event"] == "told" and event["purpose"] != "confirm" and event["evaluation"]["score"] is not None
    }
    best, start = (read[events[-1][who]["id"]] for who in ("champion", "seed"))
    seen = best["score"] + best["metrics"]["caution"] - start["score"]
    confirmed = best["metrics"]["holdout"] - start["metrics"]["holdout"]
    return seen, confirmed, sum(event["event"] == "alarm" for event in events)


def main() -> None:
    """Print a line per preset and seed, then the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    seeds = parser.parse_args().seeds
    for preset in PRESETS:
        rows = [(gains(preset, seed, "off"), gains(preset, seed, "go")) for seed in range(seeds)]
        for seed, (off, go) in enumerate(rows):
            print(
                f"{preset} {seed}: off {off[0]:+.2f} / {off[1]:+.2f}   on {go[0]:+.2f} / {go[1]:+.2f}, {go[2]} alarms"
            )
        for name, column in (("off", 0), ("on", 1)):
            seen, confirmed = (fmean(row[column][i] for row in rows) for i in (0, 1))
            print(f"{preset} mean, {name}: judge {seen:+.2f}, hold-out {confirmed:+.2f}")


if __name__ == "__main__":
    main()
