"""A synthetic run, told as the events of a real one: baseline, survey, hunt, failures, an expedition, confirmation."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner, Result

from judges.cage import Level
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant
from wolf import launch
from wolf.cli import main
from wolf.settings.config import load
from wolf.store import bodies
from wolf.store.events import Event
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Ask, Purpose
from wolf.streams import judge_seed

XSS = "<script>alert('wolf')</script><img src=x onerror=alert(1)>"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eevil\x9b31m\ud800"
Record = tuple[str, dict[str, Any]]
Steps = list[tuple[list[Record], list[Variant]]]

SOURCE = '''"""A tiny model."""

LR = {lr}  # knob: 1e-4 .. 1 log
DEPTH = {depth}  # knob: 1 .. 16
ACTIVATION = "{activation}"  # knob: relu | gelu

def train():
    return LR * DEPTH
'''


def _variant(rng: random.Random, parent: Variant | None, note: str = "") -> Variant:
    knobs = {"lr": round(rng.uniform(0.001, 0.1), 4), "depth": rng.randint(2, 12)}
    knobs["activation"] = rng.choice(["relu", "gelu"])
    if parent is None:
        knobs = {"lr": 0.02, "depth": 4, "activation": "relu"}
    origin = rng.choice(["perturb:nudge", "perturb:kick", "recombine:join"]) if parent else "seed"
    text = SOURCE.format(**knobs)
    return Variant({"train.py": text}, (parent.id,) if parent else (), origin, note or f"LR {knobs['lr']}")


def make_steps(evaluations: int = 40, *, goal: str = "minimize", end: str = "finished", seed: int = 0) -> Steps:
    """Transactions in order; the first record of the first is the run's header."""
    rng = random.Random(seed)
    sign = 1 if goal == "minimize" else -1
    first = _variant(rng, None)
    header = {
        "format": 1, "version": "0.1.0", "name": "demo", "strategy": "wolf", "seed": 0, "slots": 2, "judge": "command",
        "sandbox": "bubblewrap", "trust": "reported",
        "metric": "val_bpb", "goal": goal, "target": "abc", "seed_variant": first.id, "noise": None,
        "config": {"name": "demo", "target": {"root": "demo", "knobs": {}},
                   "budget": {"evaluations": evaluations, "hours": 0.5}, "judge": {"kind": "command", "run": XSS}},
    }  # fmt: skip
    steps: Steps = [([("run", header)], [first])]
    best, best_loss, tried, counted = first, 3.7, 0, 0
    truth = {first.id: 3.7}
    noise = 0.03

    def ask(variant: Variant, purpose: str, expedition: int | None = None) -> None:
        changes = {} if variant is first else {"LR": [0.02, 0.013], "DEPTH": [4, 6]}
        body = {"ordinal": tried, "variant": variant.id, "seed": 100 + tried, "purpose": purpose,
                "expedition": expedition, "parents": list(variant.parents), "origin": variant.origin,
                "note": variant.note, "changes": changes,
                "predicted": None if variant is first else {"mean": sign * 3.5, "sigma": 0.1}}  # fmt: skip
        steps.append(([("asked", body)], [variant]))

    def tell(variant: Variant, purpose: str, fail: str = "", crown: bool = False, outcome: str = "admitted") -> None:
        score = None if fail else sign * (truth[variant.id] + rng.gauss(0, noise))
        metrics = {} if fail else {"peak_vram_mb": 2048.0}
        reading = {"status": "crashed" if fail else "ok", "score": score, "metrics": metrics,
                   "feedback": fail, "seconds": 5.5, "cost": 0.0, "seed": 100 + tried, "fidelity": 1.0}  # fmt: skip
        kind = "failed" if fail else "crowned" if crown else outcome
        body = {"ordinal": tried, "variant": variant.id, "purpose": purpose, "evaluation": reading,
                "admission": {"kind": kind, "reason": f"because it was {kind}", "evicted": None},
                "estimate": None if fail else {"mean": sign * truth[variant.id], "sigma": noise, "n": 1},
                "champion": {"id": best.id, "mean": sign * best_loss, "sigma": noise / 2, "n": 4},
                "evaluations": counted, "heat": min(1.0, counted / 50), "noise": noise}  # fmt: skip
        steps.append(([("told", body)], []))

    def crown(variant: Variant, previous: Variant) -> None:
        body = {"ordinal": tried, "variant": variant.id, "previous": previous.id,
                "estimate": {"mean": sign * truth[variant.id], "sigma": noise, "n": 1},
                "gain": {"mean": 0.1, "low": 0.02, "high": 0.18}}  # fmt: skip
        steps.append(([("crowned", body)], []))

    def trip(state: str, outcome: str | None = None) -> None:
        body = {"id": 1, "state": state, "kind": "kick", "origin": best.id, "allowance": 8, "best": None,
                "outcome": outcome, "evaluations": 0 if state == "started" else 8}  # fmt: skip
        steps.append(([("expedition", body)], []))

    for i in range(evaluations):
        tried, counted = tried + 1, counted + 1
        if i < 3:
            ask(first, "baseline")
            tell(first, "baseline", outcome="recorded")
            continue
        if i == 20:
            trip("started")
        if i == 28:
            trip("settled", "champion")
        note = XSS if i == 5 else HOSTILE if i == 6 else ""
        variant = _variant(rng, best, note)
        if variant.id not in truth:
            truth[variant.id] = best_loss + rng.gauss(0.05, 0.1)
        purpose = "survey" if i < 10 else "hunt"
        ask(variant, purpose, 1 if 20 <= i < 28 else None)
        if i % 7 == 5:
            fail = XSS if i == 5 else f"Traceback (most recent call last):\n  File x\nValueError: {HOSTILE} bad shape"
            tell(variant, purpose, fail=fail)
            continue
        wins = truth[variant.id] < best_loss - 0.01
        previous = best
        if wins:
            best, best_loss = variant, truth[variant.id]
        tell(variant, purpose, crown=wins, outcome=rng.choice(["admitted", "rejected"]))
        if wins:
            crown(variant, previous)
    if end == "finished":
        for _ in range(5):
            tried += 1
            ask(best, "confirm")
            tell(best, "confirm", outcome="recorded")
        summary = {"run": "runs/demo", "strategy": "wolf", "evaluations": counted,
                   "champion": {"id": best.id, "search": {"mean": sign * best_loss, "sigma": 0.015, "n": 4},
                                "fresh": {"mean": sign * (best_loss + 0.01), "se": 0.013, "n": 5}},
                   "seed": {"id": first.id, "search": {"mean": sign * 3.7, "sigma": 0.02, "n": 3},
                            "fresh": {"mean": sign * 3.7, "se": 0.013, "n": 5}},
                   "gain": {"mean": 3.69 - best_loss, "low": 3.65 - best_loss, "high": 3.73 - best_loss},
                   "curse": -0.01,
                   "expeditions": {"count": 1, "found": 1, "share": 0.2}, "noise": noise, "seconds": 220.0,
                   "reason": "the budget of evaluations is spent"}  # fmt: skip
        steps.append(([("finished", summary)], []))
    elif end == "stopped":
        steps.append(([("stopped", {"reason": "interrupted"})], []))
    return steps


def make_events(**how: Any) -> list[Event]:
    """The same as events, 5 seconds apart."""
    events: list[Event] = []
    known: set[str] = set()
    for records, variants in make_steps(**how):
        made = [
            ("variant", {"id": v.id, "files": dict.fromkeys(v.files, "0" * 64), "parents": list(v.parents),
                         "origin": v.origin, "note": v.note})
            for v in variants if v.id not in known
        ]  # fmt: skip
        known |= {v.id for v in variants}
        both = [*records, *made] if not events else [*made, *records]
        for kind, body in both:
            events.append(Event(len(events) + 1, 1_000.0 + 5 * len(events), kind, body))
    return events


@pytest.fixture
def story() -> Callable[..., list[Event]]:
    return make_events


@pytest.fixture
def write_run() -> Callable[..., Path]:
    """Writes the same run to a real ledger."""

    def write(path: Path, **how: Any) -> Path:
        steps = make_steps(**how)
        with Ledger.create(path, steps[0][0][0][1]) as ledger:
            ledger.append([], steps[0][1])
            for records, variants in steps[1:]:
                ledger.append(records, variants)
        return path

    return write


@pytest.fixture
def killed() -> Callable[[float], Result]:
    """What `wolf resume` says of a run of ./task.yaml that was killed when the seed's first reading was told."""

    def resume(score: float) -> Result:
        with launch.create(load("task.yaml", []), Level.NONE) as ledger:
            seed = ledger.variant(next(ledger.events()).body["seed_variant"])
            ask = Ask(0, seed, judge_seed(0, 0), Purpose.BASELINE)
            said = bodies.evaluated(Evaluation(seed.id, "loss", Status.OK, score, seed=ask.seed))
            told = {"ordinal": 0, "variant": seed.id, "purpose": "baseline", "evaluation": said, "evaluations": 1}
            told |= {"admission": {"kind": "admitted", "reason": "", "evicted": None}, "estimate": None}
            told |= {"champion": None, "heat": 0.0, "noise": None}
            ledger.append([("asked", bodies.asked(ask, Goal.MINIMIZE)), ("told", told)])
        return CliRunner().invoke(main, ["resume", str(ledger.run_dir), "--json"])

    return resume


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: many ledgers, each of whose commits waits for the disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory, prefix="wolf-test-") as made:
        yield Path(made)
