"""Search strategies on real training runs, many seeds of them.

    python benchmarks/real_training.py OUT --strategies greedy,wolf --seeds 12 --evaluations 80 --start far

The shipped train.py, its corpus and its metric, as `val_bpb_cpu` has them, without sandbox, seal and audit: every
evaluation is forked from a process that has torch loaded already, so that a comparison of a thousand training runs fits
into an hour or two of a few cores. What each run hands over, and the seed variant, are trained again on fresh seeds and
scored on the holdout. OUT gets a file per run with one JSON line per evaluation (a run that is finished is not run
again, one that was cut short is replayed) and the curves as START.svg; the table is that of `wolf compare`.
`--start tuned` starts a few knobs off a good variant instead of at the shipped one.

A CPU second trains less on a busy machine, so arms that ran at different times are not quite comparable: with
`--again 3` all champions are trained three times more, side by side, and the table is that of these scores.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import math
import os
import random
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from landscapes import Landscape, strategy
from training_noise import BETTER, PRESET

from judges.corpus import made
from judges.scorer import bits, windows
from population.evaluation import Evaluation, Goal, Status
from population.genome import Genome
from population.knobs import Space
from wolf.compare.arms import Arm
from wolf.compare.bands import chart
from wolf.compare.command import table
from wolf.compare.standings import Outcome, ranked
from wolf.settings.config import load
from wolf.settings.target import Target

SECONDS = 2.0  # CPU seconds of one training
GRACE = 1.5  # CPU seconds over the budget before a run is ended
TOKENS = 24_000
FRESH = 4  # seeds of the final score
FRESH_SEED = 5_000_000
AGAIN_SEED = 9_000_000
OFF = 4  # knobs of the good variant that `--start tuned` draws anew


def trained(text: str, seed: int, corpus: Path, split: str, seconds: float, context: int) -> float | None:
    """Bits per byte of one training run of `text`, or None if it fails; in a child of this process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.setitimer(signal.ITIMER_PROF, 3 * seconds + 30)
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(1, 2)
            score = _train(text, seed, corpus, split, seconds, context)
            os.write(writing, json.dumps(score).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    score = json.loads(answer) if answer else None
    return score if score is not None and np.isfinite(score) else None


def _train(text: str, seed: int, corpus: Path, split: str, seconds: float, context: int) -> float | None:
    import torch

    from train_target.prepare import Data

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        (out / "train.py").write_text(text)
        spec = importlib.util.spec_from_file_location("candidate", out / "train.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules["candidate"] = module
        spec.loader.exec_module(module)
        data = Data(corpus / "train", context, seed)
        started = time.process_time()
        module.train(data, out, seed, lambda: (time.process_time() - started) / seconds)
        if time.process_time() - started > seconds + GRACE:
            return None
        predict = module.load(out)
        meta = json.loads((corpus / "corpus.json").read_text())
        rows = windows(np.fromfile(corpus / f"{split}.bin", dtype=np.uint16), context, TOKENS)
        paid, lengths = 0.0, np.array(meta["token_bytes"])[rows[:, 1:]]
        for i in range(0, len(rows), 16):
            logits = np.ascontiguousarray(predict(rows[i : i + 16, :-1].copy()), dtype=np.float32)
            paid += float((bits(logits, rows[i : i + 16, 1:]) * (lengths[i : i + 16] > 0)).sum())
        return paid / float(lengths.sum())


def start_text(kind: str, seed: int) -> tuple[str, Any]:
    """The text that a run starts from, and the knobs that the configuration names."""
    config = load(PRESET, [])
    variant = Target.of(config.target).seed()
    if kind == "far":
        return variant.files["train.py"], config
    space = Space.of(variant.files, config.target.knobs)
    rng = random.Random(f"tuned/{seed}")
    genome = Genome.of(variant.files, space).replace(BETTER)
    names = rng.sample([n for n in space.names if n in genome.values], OFF)
    moved = {n: rng.choice(space[n].choices) if space[n].categorical else space[n].at(rng.random()) for n in names}
    return genome.replace(moved).files()["train.py"], config


def run(
    out: Path, name: str, seed: int, evaluations: int, start: str, seconds: float, text: str | None = None
) -> dict[str, Any]:
    """One search from start to fresh scores; `text` is what to start from, if `start` is only a name for it."""
    path = out / f"{name}-{start}-{seed}.jsonl"
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if done and "fresh" in done[-1]:
        return done[-1]
    import torch  # noqa: F401  # loaded once; every evaluation is forked from here

    usual, config = start_text("far" if text else start, seed)
    text = text or usual
    corpus, context = made(config.judge.corpus, None, lambda _: None), config.judge.context
    search = strategy(name, Landscape(text, lambda _: 0.0, 0.0), seed, evaluations, config.target.knobs)
    with path.open("a") as log:
        for ordinal in range(evaluations):
            ask = search.ask(ordinal)
            search.asked(ask)
            content = ask.variant.files["target.py"]
            if ordinal < len(done):
                if done[ordinal]["variant"] != ask.variant.id:
                    sys.exit(f"{path}: the search asks for something else now (line {ordinal + 1}): remove the file")
                score, took = done[ordinal]["score"], done[ordinal]["seconds"]
            else:
                begun = time.monotonic()
                score = trained(content, ask.seed, corpus, "val", seconds, context)
                took = time.monotonic() - begun
            status = Status.OK if score is not None else Status.CRASHED
            search.told(ask, Evaluation(ask.variant.id, "val_bpb", status, score, seed=ask.seed, seconds=took))
            if ordinal >= len(done):
                values = dict(search.population.genome(ask.variant.id).values)
                record = {"ordinal": ordinal, "score": score, "seconds": took, "purpose": ask.purpose.value}
                record |= {"expedition": ask.expedition, "origin": ask.variant.origin, "variant": ask.variant.id}
                record |= {"launch": ask.launch and ask.launch[0], "parents": ask.variant.parents}
                record |= {"champion": search.champion, "predicted": ask.predicted, "values": values}
                log.write(json.dumps(record) + "\n")
                log.flush()
        best = search.population.variant(search.champion or "").files["target.py"]
        believed = search.population.estimate(search.champion or "").mean
        fresh = [
            [trained(t, FRESH_SEED + 100 * seed + i, corpus, "holdout", seconds, context) for i in range(FRESH)]
            for t in (best, text)
        ]
        last = {"fresh": fresh[0], "start": fresh[1], "believed": believed, "champion": search.champion}
        log.write(json.dumps(last) + "\n")
    return last


def again(out: Path, names: list[str], seeds: range, start: str, readings: int, seconds: float) -> dict[Any, float]:
    """The champions' mean scores by arm and seed, trained anew in turns; what is in `out` already is not run again."""
    path = out / f"again-{start}.jsonl"
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    scores: dict[Any, float] = {(one["arm"], one["seed"], one["k"]): one["score"] for one in done}
    text, config = start_text("far", 0)
    corpus, context = made(config.judge.corpus, None, lambda _: None), config.judge.context
    genome = Genome.of({"train.py": text}, Space.of({"train.py": text}, config.target.knobs))
    import torch  # noqa: F401  # as in `run`

    with path.open("a") as log:
        for seed, k, name in itertools.product(seeds, range(readings), names):
            if (name, seed, k) in scores:
                continue
            *steps, last = map(json.loads, (out / f"{name}-{start}-{seed}.jsonl").read_text().splitlines())
            values = next(step["values"] for step in steps if step["variant"] == last["champion"])
            champion = genome.replace(values).files()["train.py"]
            score = trained(champion, AGAIN_SEED + 100 * seed + k, corpus, "holdout", seconds, context)
            scores[name, seed, k] = math.nan if score is None else score
            log.write(json.dumps({"arm": name, "seed": seed, "k": k, "score": score}) + "\n")
            log.flush()
    return {(n, s): fmean(scores[n, s, k] for k in range(readings)) for n in names for s in seeds}


def main() -> None:
    """Run what is missing and print a line per arm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--strategies", default="greedy,wolf", help="the first is what the others are compared with")
    parser.add_argument("--seeds", default="12", help="how many, or first:last")
    parser.add_argument("--evaluations", type=int, default=80)
    parser.add_argument("--start", default="far", choices=("far", "tuned"))
    parser.add_argument("--cpu-seconds", type=float, default=SECONDS)
    parser.add_argument("--good", type=float, help="a run that ends at or below it has found the good basin")
    parser.add_argument("--again", type=int, default=0, help="train all champions so many times more, side by side")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    first, _, last = args.seeds.rpartition(":")
    seeds, names = range(int(first or 0), int(last)), args.strategies.split(",")
    with ProcessPoolExecutor(args.processes, max_tasks_per_child=1) as pool:
        jobs = {
            (n, s): pool.submit(run, args.out, n, s, args.evaluations, args.start, args.cpu_seconds)
            for s in seeds
            for n in names
        }
        for job in jobs.values():
            job.result()
    arms = [Arm(n, (), None if n == names[0] else names[0]) for n in names]
    runs = {n: tuple(outcome(args.out / f"{n}-{args.start}-{s}.jsonl", s) for s in seeds) for n in names}
    if args.again:
        scores = again(args.out, names, seeds, args.start, args.again, args.cpu_seconds)
        runs = {n: tuple(replace(end, loss=scores[n, end.seed]) for end in ends) for n, ends in runs.items()}
    result = ranked(arms, runs, "val_bpb", Goal.MINIMIZE, args.evaluations, args.again or FRESH, args.good)
    print(table(result))
    for name, ends in runs.items():
        scores = " ".join(f"{end.loss:.3f}" for end in sorted(ends, key=lambda end: end.loss))
        believed, start = fmean(end.search for end in ends), fmean(end.start for end in ends)
        print(f"{name}: fresh {scores}; believed {believed:.3f} in the mean; started at {start:.3f}")
    (args.out / f"{args.start}.svg").write_text(chart(result))


def outcome(path: Path, seed: int) -> Outcome:
    """How a finished run ended, and what it believed of its champion after each evaluation."""
    *steps, last = map(json.loads, path.read_text().splitlines())
    readings: dict[str, list[float]] = {}
    curve = []
    for step in steps:
        if step["score"] is not None:
            readings.setdefault(step["variant"], []).append(step["score"])
        curve.append(fmean(readings[step["champion"]]) if step["champion"] in readings else math.nan)
    fresh, start = (fmean(score for score in last[who] if score is not None) for who in ("fresh", "start"))
    return Outcome(
        seed=seed, path=path, loss=fresh, start=start, search=curve[-1], curse=None, curve=tuple(curve),
        seconds=sum(step["seconds"] for step in steps),
    )  # fmt: skip


if __name__ == "__main__":
    main()
