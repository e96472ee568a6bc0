"""Search strategies on an emulator of the CPU training target: a hundred seeds in an hour, not in days.

    python benchmarks/real_training.py RUNS --strategies greedy,wolf,tpe,cmaes --seeds 12   # hours: what it learns from
    python benchmarks/emulated.py RUNS --strategies wolf,wolf-escape,greedy --seeds 100

Small networks learn val_bpb from the knobs of every evaluation in the folders RUNS. The truth here is their mean and,
so that nobody wins where nothing was ever measured, as much again as they disagree. Readings have the noise that
repeated readings had there, which grows with the loss. How well the networks know runs that they were not shown is
printed first. The table is that of `wolf compare`, of true values.

An emulator is smoother than the target, and knows best what the recorded strategies visited. So it is for what real
runs are too few to tell, such as the worth of one mechanism, and what it says needs real runs to confirm it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from landscapes import Landscape, strategy
from real_training import start_text

from population.evaluation import Evaluation, Goal, Status
from population.genome import Genome
from population.knobs import Space
from wolf.compare.arms import Arm
from wolf.compare.command import table
from wolf.compare.standings import Outcome, ranked
from wolf.settings.config import load
from wolf.settings.target import Target

WORST = 4.5  # bits per byte; what is worse, or failed, counts as this
NETWORKS, WIDTH, STEPS, BATCH = 5, 64, 2500, 256
Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Emulator:
    """val_bpb as a function of the knobs, and the noise of a reading of it."""

    space: Space
    networks: tuple[tuple[tuple[Array, Array], ...], ...]  # of each, a weight and a bias per layer
    noise: tuple[tuple[float, float], tuple[float, float]]  # at two losses, the sigma of a reading there

    def loss(self, values: Mapping[str, Any]) -> float:
        """Bits per byte, without noise."""
        guesses = [_through(network, encoded(self.space, values)) for network in self.networks]
        return float(np.mean(guesses) + np.std(guesses))

    def reading(self, loss: float, rng: np.random.Generator) -> float:
        """One noisy reading of it."""
        (low, high), sigmas = zip(*self.noise, strict=True)
        return loss + float(np.interp(loss, (low, high), sigmas)) * float(rng.standard_normal())


def encoded(space: Space, values: Mapping[str, Any]) -> Array:
    """One input per choice of a categorical knob, and one in -1 to 1 per number."""
    units, inputs = space.unit(values), []
    for unit, name in zip(units, space.names, strict=True):
        knob = space[name]
        inputs += [float(values[name] == choice) for choice in knob.choices] if knob.categorical else [2 * unit - 1]
    return np.array(inputs, dtype=float)


def _through(network: Sequence[tuple[Array, Array]], x: Array) -> float:
    from scipy.special import ndtr

    for weight, bias in network[:-1]:
        x = weight @ x + bias
        x = x * ndtr(x)
    weight, bias = network[-1]
    return float((weight @ x + bias)[0])


def network(inputs: Array, losses: Array, seed: int) -> tuple[tuple[Array, Array], ...]:
    """A network with two hidden layers, trained on these."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    body = [nn.Linear(inputs.shape[1], WIDTH), nn.GELU(), nn.Dropout(0.05), nn.Linear(WIDTH, WIDTH), nn.GELU()]
    net = nn.Sequential(*body, nn.Linear(WIDTH, 1))
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, STEPS)
    centre, scale = losses.mean(), losses.std()
    x, y = torch.tensor(inputs).float(), torch.tensor((losses - centre) / scale).float()
    for _ in range(STEPS):
        rows = torch.randint(0, len(y), (BATCH,))
        optimizer.zero_grad()
        ((net(x[rows])[:, 0] - y[rows]) ** 2).mean().backward()
        optimizer.step()
        schedule.step()
    layers = [part for part in net if isinstance(part, nn.Linear)]
    arrays = [(part.weight.detach().double().numpy(), part.bias.detach().double().numpy()) for part in layers]
    arrays[-1] = (arrays[-1][0] * scale, arrays[-1][1] * scale + centre)
    return tuple(arrays)


def learned(folders: Sequence[Path], space: Space) -> Emulator:
    """An emulator of what is recorded in these folders; says how well it knows a fifth of the runs from the others."""
    paths = sorted(path for folder in folders for path in folder.glob("*.jsonl"))
    steps = [
        (number, step)
        for number, path in enumerate(paths)
        for step in map(json.loads, path.read_text().splitlines())
        if "values" in step
    ]
    inputs = np.array([encoded(space, step["values"]) for _, step in steps])
    losses = np.array([min(WORST, step["score"] if step["score"] is not None else WORST) for _, step in steps])
    hidden = np.array([number % 5 == 0 for number, _ in steps])
    networks = [network(inputs[~hidden], losses[~hidden], seed) for seed in range(NETWORKS)]
    guess = np.array([np.mean([_through(one, x) for one in networks]) for x in inputs[hidden]])
    truth = losses[hidden]
    good = truth < np.median(truth)
    print(f"{len(paths)} runs, {len(losses)} evaluations. On the runs that were kept from it: "
          f"R2 {1 - ((guess - truth) ** 2).mean() / truth.var():.2f}, "
          f"root mean square error {((guess - truth)[good] ** 2).mean() ** 0.5:.3f} in their better half")  # fmt: skip
    noise = _noise([(step["variant"], step["score"], number) for number, step in steps if step["score"] is not None])
    print(f"noise of a reading: {noise[0][1]:.3f} at {noise[0][0]:.2f}, {noise[1][1]:.3f} at {noise[1][0]:.2f}")
    return Emulator(space, tuple(network(inputs, losses, seed) for seed in range(NETWORKS)), noise)


def _noise(readings: Sequence[tuple[str, float, int]]) -> tuple[tuple[float, float], tuple[float, float]]:
    groups: dict[tuple[str, int], list[float]] = {}
    for variant, score, number in readings:
        groups.setdefault((variant, number), []).append(score)
    repeated = sorted((group for group in groups.values() if len(group) > 1), key=np.mean)
    halves = repeated[: len(repeated) // 2], repeated[len(repeated) // 2 :]
    low, high = (
        (
            float(np.mean([np.mean(group) for group in half])),
            float(np.sqrt(sum(np.var(g) * len(g) for g in half) / sum(len(g) - 1 for g in half))),
        )
        for half in halves
    )
    return low, high


def run(emulator: Emulator, name: str, seed: int, evaluations: int, start: str) -> Outcome:
    """One search, and the true value of what it hands over."""
    text, config = start_text(start, seed)
    search = strategy(name, Landscape(text, emulator.loss, 0.0), seed, evaluations, config.target.knobs)
    rng = np.random.default_rng(seed)
    true: dict[str, float] = {}
    curve = []
    for ordinal in range(evaluations):
        ask = search.ask(ordinal)
        search.asked(ask)
        values = (ask.genome or Genome.of(ask.variant.files, search.population.space)).values
        loss = true.setdefault(ask.variant.id, emulator.loss(values))
        score = emulator.reading(loss, rng)
        search.told(ask, Evaluation(ask.variant.id, "emulated", Status.OK, score, seed=ask.seed))
        curve.append(true[search.champion or ask.variant.id])
    return Outcome(
        seed=seed, path=Path(name), loss=curve[-1], start=curve[0], search=curve[-1], curse=None, curve=tuple(curve),
        seconds=0.0,
    )  # fmt: skip


def main() -> None:
    """Learn, search, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders that real_training.py filled")
    parser.add_argument("--strategies", default="greedy,wolf", help="the first is what the others are compared with")
    parser.add_argument("--seeds", default="100", help="how many, or first:last")
    parser.add_argument("--evaluations", type=int, default=80)
    parser.add_argument("--start", default="far", choices=("far", "tuned"))
    parser.add_argument("--good", type=float, help="a run that ends at or below it has found the good basin")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    config = load("val_bpb_cpu", [])
    emulator = learned(args.runs, Space.of(Target.of(config.target).seed().files, config.target.knobs))
    first, _, last = args.seeds.rpartition(":")
    names, seeds = args.strategies.split(","), range(int(first or 0), int(last))
    with ProcessPoolExecutor(args.processes) as pool:
        jobs = {(n, s): pool.submit(run, emulator, n, s, args.evaluations, args.start) for s in seeds for n in names}
        for s in seeds:
            print(f"seed {s}:", *(f"{n} {jobs[n, s].result().loss:.3f}" for n in names), file=sys.stderr, flush=True)
        runs = {n: tuple(jobs[n, s].result() for s in seeds) for n in names}
    arms = [Arm(n, (), None if n == names[0] else names[0]) for n in names]
    result = ranked(arms, runs, "val_bpb", Goal.MINIMIZE, args.evaluations, 0, args.good)
    print(table(result).partition("\n\n")[0])


if __name__ == "__main__":
    main()
