"""Auto Wolf beside other engines: the same proposals, the same evaluator, the same number of evaluations.

    python benchmarks/engines.py [--seeds 8] [--evaluations 100] [--engines wolf,greedy,openevolve]

A scripted model answers everybody: its n-th proposal names one to three knobs of the target `knobs` and what to do
with each, whoever asks, and is applied to the program that the asker shows as the one to improve. `openevolve` and
`gepa` run from PyPI (the extra `engines`) with their own defaults; `loop` applies each proposal to the best program so
far; `greedy` is autoresearch's rule on nearly nothing but these proposals (`llm.share=0.99`), `wolf` is as shipped but
for one idea per call, and `wolf-alone` has no model at all. The target has no noise, so what is printed is the truth:
the loss of what each hands over (1.57: the floor of the old valley, 1.0: the best there is), how many proposals were
asked for (`wolf` and `greedy` also make variants themselves), and the seconds of an evaluation, the engine's start and
the judge's included (`loop` and `gepa` call the formula in their own process).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import random
import re
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any

from judges.cage import Level
from wolf import launch
from wolf.compare.paired import compare
from wolf.dev.server import FakeServer, Player
from wolf.dev.wire import Said
from wolf.settings.config import load

CONFIGS = Path(__file__).parents[1] / "configs"
PROGRAM = CONFIGS / "knobs" / "params.py"
FORMULA = runpy.run_path(str(CONFIGS / "knobs" / "judge.py"))
LINE = re.compile(r"^(?P<name>[A-Z_]+) = (?P<value>[^#\n]*?)(?P<rest> *(?:# knob: (?P<range>.*))?)$", re.MULTILINE)
EVALUATOR = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from judge import loss


def evaluate(path):
    knobs = {{}}
    exec(Path(path).read_text(), knobs)
    return {{"combined_score": -loss(knobs)}}
"""


def scripted(seed: int) -> Player:
    """The model: proposal number n is the same for whoever asks."""
    number = itertools.count()

    def play(request: Mapping[str, Any]) -> Said:
        text = "\n".join(str(one["content"]) for one in request["messages"])
        parts = text.partition("# Current Program\n")
        shown = re.search(r"```\w*\n(.*?)\n```", parts[2] or text, re.DOTALL)
        edits = propose(shown[1] if shown else "", random.Random(f"{seed}/{next(number)}"))
        blocks = [f"<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE" for old, new in edits]
        if not parts[1]:  # ours wants a title, and files by name
            blocks = ["## Idea: other knobs", *(f"params.py\n{block}" for block in blocks)]
        return Said("\n".join(blocks), str(request["model"]))

    return play


def propose(program: str, rng: random.Random) -> list[tuple[str, str]]:
    """Lines and what to put in their places: numbers by a factor, choices drawn."""
    lines = {match["name"]: match for match in LINE.finditer(program)}
    names = [match["name"] for match in LINE.finditer(PROGRAM.read_text())]
    edits = []
    for name in rng.sample(names, rng.choice((1, 1, 2, 3))):
        factor, draw = rng.choice((0.25, 0.5, 0.7, 1.4, 2.0, 4.0)), rng.random()
        if name in lines:
            match = lines[name]
            edits.append((match[0], f"{name} = {moved(match['value'], match['range'], factor, draw)}{match['rest']}"))
    return edits


def moved(value: str, said: str | None, factor: float, draw: float) -> str:
    """The new text of a value, inside its range."""
    if value in ("True", "False"):
        return str(value == "False")
    if said and "|" in said:
        choices = [f'"{choice.strip()}"' for choice in said.split("|")]
        return choices[int(draw * len(choices))]
    low, high = (float(eval(end.replace("log", ""))) for end in (said or "0 .. 1e9").split(".."))
    old = float(eval(value))
    new = min(high, max(low, old * factor if old else factor * (high - low) / 10))
    return str(round(new)) if re.fullmatch(r"[\d*]+", value) else repr(float(f"{new:.4g}"))


def ours(*overrides: str) -> Callable[[int, int, Path], tuple[float, int]]:
    """Auto Wolf on the preset `knobs`, with the model unless `overrides` say otherwise."""

    def run(seed: int, evaluations: int, folder: Path) -> tuple[float, int]:
        with FakeServer(scripted(seed)) as server:
            said = [f"runs={folder}", f"search.seed={seed}", f"budget.evaluations={evaluations}", "budget.usd=50",
                    "confirm.seeds=0", "workers.slots=1", "llm.models=[claude-haiku-5-5]", "llm.ideas=1",
                    f"llm.base_url={server.url}", "llm.explain=0", "llm.at_once=1", *overrides]  # fmt: skip
            config = load(str(CONFIGS / "knobs.yaml"), said)
            with launch.create(config, Level.NONE) as ledger:
                finished = launch.drive(ledger, config, Level.NONE, [], lambda text: None)
        assert finished is not None
        return float(finished["champion"]["search"]["mean"]), len(server.log)

    return run


def openevolve(seed: int, evaluations: int, folder: Path, slots: int = 1) -> tuple[float, int]:
    """OpenEvolve with its defaults, but for the addresses, the seed and how many evaluations go on at a time."""
    (folder / "evaluator.py").write_text(EVALUATOR.format(folder=str(PROGRAM.parent)))
    with FakeServer(scripted(seed)) as server:
        config = {
            "max_iterations": evaluations - 1, "random_seed": seed, "log_level": "ERROR",
            "llm": {"api_base": f"{server.url}/v1", "api_key": "none", "models": [{"name": "scripted", "weight": 1.0}]},
            "evaluator": {"parallel_evaluations": slots, "cascade_evaluation": False},
        }  # fmt: skip
        (folder / "config.yaml").write_text(json.dumps(config))
        command = [sys.executable, "-m", "openevolve.cli", str(PROGRAM), "evaluator.py", "--config", "config.yaml",
                   "--output", "out", "--iterations", str(evaluations - 1)]  # fmt: skip
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    best = folder / "out/best/best_program_info.json"
    if not best.is_file():
        raise SystemExit(f"openevolve failed (is the extra `engines` installed?): {done.stderr[-2000:]}")
    return -float(json.loads(best.read_text())["metrics"]["combined_score"]), len(server.log)


def loop(seed: int, evaluations: int, folder: Path) -> tuple[float, int]:
    """The proposals alone: each applied to the best program so far, and kept if it is better."""
    best = PROGRAM.read_text()
    least = loss_of(best)
    for n in range(evaluations - 1):
        program = best
        for old, new in propose(best, random.Random(f"{seed}/{n}")):
            program = program.replace(old, new)
        if (loss := loss_of(program)) < least:
            best, least = program, loss
    return least, evaluations - 1


def loss_of(program: str) -> float:
    """What the judge of the target says of a program."""
    knobs: dict[str, Any] = {}
    exec(program, knobs)
    return float(FORMULA["loss"](knobs))


def gepa(seed: int, evaluations: int, folder: Path) -> tuple[float, int]:
    """GEPA on a single task with its defaults; it wants whole programs, so its model applies the proposals itself."""
    from gepa.optimize_anything import EngineConfig, GEPAConfig, ReflectionConfig, optimize_anything

    asked = itertools.count()

    def model(prompt: Any) -> str:
        program = next(
            block for block in re.findall(r"```\w*\n(.*?)\n```", str(prompt), re.DOTALL) if "LEARNING_RATE" in block
        )
        for old, new in propose(program, random.Random(f"{seed}/{next(asked)}")):
            program = program.replace(old, new)
        return f"```\n{program}\n```"

    config = GEPAConfig(
        engine=EngineConfig(run_dir=str(folder), seed=seed, max_metric_calls=evaluations, parallel=False),
        reflection=ReflectionConfig(reflection_lm=model),
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = optimize_anything(
            PROGRAM.read_text(), evaluator=lambda program: -loss_of(program), objective="lower the loss", config=config
        )
    best = result.best_candidate
    return loss_of(best if isinstance(best, str) else next(iter(best.values()))), next(asked)


ENGINES: dict[str, Callable[[int, int, Path], tuple[float, int]]] = {
    "wolf": ours(),
    "wolf-alone": ours("llm=null"),
    "greedy": ours("search.strategy=greedy", "llm.share=0.99"),
    "loop": loop,
    "gepa": gepa,
    "openevolve": openevolve,
}


def main() -> None:
    """Print the losses, and each engine against the last one named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--engines", default="wolf,greedy,openevolve")
    args = parser.parse_args()
    losses: dict[str, list[float]] = {}
    calls: dict[str, float] = {}
    spent: dict[str, float] = {}
    for name in args.engines.split(","):
        begun, asked = time.perf_counter(), []
        for seed in range(args.seeds):
            with tempfile.TemporaryDirectory() as folder:
                loss, count = ENGINES[name](seed, args.evaluations, Path(folder))
            losses.setdefault(name, []).append(loss)
            asked.append(count)
        calls[name], spent[name] = fmean(asked), (time.perf_counter() - begun) / args.seeds / args.evaluations
        print(f"{name:14} {' '.join(f'{loss:.3f}' for loss in losses[name])}", flush=True)
    last = args.engines.split(",")[-1]
    print(f"\nloss of what was handed over after {args.evaluations} evaluations; 1.0 is the best there is")
    print(f"{'engine':14} {'mean':>6} {'median':>7} {'proposals':>10} {'s/evaluation':>13}   against {last}")
    for name, found in losses.items():
        versus = compare(found, losses[last])
        said = f"P(better) {versus.better:.3f}, {versus.wins} of {versus.pairs}, p {versus.p:.3f}" * (name != last)
        print(f"{name:14} {fmean(found):6.3f} {median(found):7.3f} {calls[name]:10.0f} {spent[name]:13.3f}   {said}")


if __name__ == "__main__":
    main()
