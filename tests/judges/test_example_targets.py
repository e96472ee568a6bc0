"""The targets in configs/: they load, their judges score them, and they are as hard as they claim to be."""

from __future__ import annotations

import os
import runpy
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from judges import sandbox
from population.evaluation import Evaluation, Status
from population.knobs import Knob, Space
from population.variant import Variant
from wolf.settings.config import Config, load
from wolf.settings.target import Target
from wolf.workers.local import Job, LocalWorkers, Task
from wolf.workers.slots import Slot

CONFIGS = Path(__file__).parents[2] / "configs"


def config(name: str, *overrides: str) -> Config:
    return load(str(CONFIGS / f"{name}.yaml"), overrides)


def evaluate(config: Config, tmp_path: Path, variant: Variant | None = None, seed: int = 0) -> Evaluation:
    target = Target.of(config.target)
    with LocalWorkers(Task(config.judge, target.root, sandbox.choose().level), [Slot(0)], tmp_path) as workers:
        workers.prepare(print)
        return workers.submit(Job(variant or target.seed(), seed)).result()


def edited(seed: Variant, **values: Any) -> Variant:
    """The seed variant with other values for some of its ALL_CAPS constants."""
    ((file, text),) = seed.files.items()
    lines = text.splitlines()
    for name, value in values.items():
        (index,) = [index for index, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[index] = f"{name} = {value!r}"
    return Variant({file: "\n".join(lines) + "\n"})


# knobs

BEST = dict(LEARNING_RATE=0.002, MOMENTUM=0.9, WEIGHT_DECAY=0.01, DROPOUT=0.1, BATCH=64, DEPTH=12, WIDTH=256,
            WARMUP=20, CLIP=1.0, NORM=True, OPTIMIZER="adam", SCHEDULE="cosine")  # fmt: skip


def knobs() -> tuple[Any, dict[str, Any], dict[str, Knob]]:
    """The loss, the seed's values, the knobs."""
    loss = runpy.run_path(str(CONFIGS / "knobs/judge.py"))["loss"]
    values = {name: value for name, value in runpy.run_path(str(CONFIGS / "knobs/params.py")).items() if name.isupper()}
    target = config("knobs").target
    space = Space.of(Target.of(target).seed().files, target.knobs)
    return loss, values, {name: space[name] for name in space.names}


def test_knobs_are_scored_without_noise(tmp_path: Path) -> None:
    loss, values, _ = knobs()
    settings = config("knobs")
    first, second = (evaluate(settings, tmp_path, seed=seed) for seed in (1, 2))
    assert first.score == second.score == loss(values)
    best = edited(Target.of(settings.target).seed(), **BEST)
    assert evaluate(settings, tmp_path, best).score == 1.0


def test_the_knobs_are_the_twelve_that_the_loss_has() -> None:
    _, values, found = knobs()
    assert set(values) == set(BEST) == set(found)
    kinds = [knob.kind for knob in found.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {"float": 5, "int": 4, "switch": 1, "choice": 2}


def test_nothing_beats_the_documented_optimum() -> None:
    loss, _, found = knobs()
    rng = Random(0)
    assert loss(BEST) == 1.0
    for _ in range(3000):
        drawn = {name: knob.at(rng.random()) for name, knob in found.items()}
        mixed = {name: rng.choice([BEST[name], value]) for name, value in drawn.items()}
        assert loss(drawn) >= 1.0 and loss(mixed) >= 1.0


def test_small_steps_get_stuck_on_the_knobs() -> None:
    loss, values, found = knobs()
    old = BEST | dict(LEARNING_RATE=0.1, DEPTH=3, WIDTH=32, BATCH=512, OPTIMIZER="sgd", SCHEDULE="constant", NORM=False)
    assert loss(old) == pytest.approx(1.57, abs=0.001)
    for one, two in combinations(("LEARNING_RATE", "DEPTH", "WIDTH", "BATCH"), 2):
        assert loss(old | {one: BEST[one], two: BEST[two]}) > loss(old)
    ends = []
    for seed in range(10):
        rng, best = Random(seed), dict(values)
        for _ in range(600):
            child = dict(best)
            for name in rng.sample(sorted(found), rng.choice([1, 1, 2])):
                knob = found[name]
                step = rng.random() if knob.categorical else knob.unit(best[name]) + rng.gauss(0, 0.15)
                child[name] = knob.at(step)
            best = min(best, child, key=loss)
        ends.append(loss(best))
    assert min(ends) >= 1.57
    assert max(ends) < 1.6


# speed

QUICK = dict(ORDER="letters", SKIP_BY_LENGTH=True, SKIP_BY_LETTERS=True, STRIP_ENDS=True, STAY_IN_BAND=True,
             GIVE_UP=True, PRUNE_AT=1)  # fmt: skip


def test_speed_has_a_measurable_gain(tmp_path: Path) -> None:
    settings = config("speed")
    seed = Target.of(settings.target).seed()
    slow, quick = evaluate(settings, tmp_path), evaluate(settings, tmp_path, edited(seed, **QUICK))
    assert slow.score and quick.score, slow.feedback + quick.feedback
    assert quick.score < slow.score / 4  # about 15 on an idle machine


@pytest.mark.parametrize("switch", QUICK)
def test_every_switch_keeps_the_answers_right(tmp_path: Path, switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = runpy.run_path(str(CONFIGS / "speed/reference.py"))
    seed = Target.of(config("speed").target).seed()
    (tmp_path / "words.py").write_text(edited(seed, **{switch: QUICK[switch], "PRUNE_AT": 2}).files["words.py"])
    nearest = runpy.run_path(str(tmp_path / "words.py"))["nearest"]
    rng = reference["rng_of"](switch)
    for _ in range(40):
        dictionary = reference["invent"](rng, 30)
        word = reference["misspell"](rng, rng.choice(dictionary))
        assert nearest(word, dictionary, 3) == reference["nearest"](word, dictionary, 3)


def test_a_fast_wrong_answer_has_no_score(tmp_path: Path) -> None:
    variant = Variant({"words.py": "def nearest(word, dictionary, count):\n    return []\n"})
    evaluation = evaluate(config("speed"), tmp_path, variant)
    assert evaluation.status is Status.INVALID
    assert "expected" in evaluation.feedback


# autoresearch, on a checkout and a `uv` that only look like the real ones

TRAIN = '''
"""As far as Auto Wolf can see: constants in, lines out."""
import os, sys
import prepare
ASPECT_RATIO = 64       # model_dim = depth * ASPECT_RATIO
HEAD_DIM = 128
WINDOW_PATTERN = "SSSL"
TOTAL_BATCH_SIZE = 2**19
EMBEDDING_LR = 0.6
UNEMBEDDING_LR = 0.004
MATRIX_LR = 0.04
SCALAR_LR = 0.5
WEIGHT_DECAY = 0.2
ADAM_BETAS = (0.8, 0.95)
WARMUP_RATIO = 0.0
WARMDOWN_RATIO = 0.5
FINAL_LR_FRAC = 0.0
DEPTH = 8
DEVICE_BATCH_SIZE = 128
H100_BF16_PEAK_FLOPS = 989.5e12
assert TOTAL_BATCH_SIZE % (DEVICE_BATCH_SIZE * 2048) == 0
print("\\rstep 00952 (99.9%) | loss: 2.7", end="", flush=True)
print()
print("---")
print(f"val_bpb:          {prepare.bpb(MATRIX_LR):.6f}")
print("training_seconds: 300.1")
print(f"peak_vram_mb:     {DEPTH * 5632.5:.1f}")
print("num_steps:        953")
'''
UV = """#!/bin/sh
[ "$1" = run ] || exit 9
[ -f "$UV_PROJECT_ENVIRONMENT/pyvenv.cfg" ] || { echo "no environment" >&2; exit 8; }
[ "$UV_NO_SYNC" = 1 ] || exit 7
[ -f "$HOME/.cache/autoresearch/tokenizer" ] || { echo "no tokenizer" >&2; exit 6; }
shift
exec python "$@"
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "checkout/train.py": TRAIN,
        "checkout/prepare.py": "def bpb(rate): return 0.9979 + (rate - 0.05) ** 2\n",
        "checkout/program.md": "Lower val_bpb.",
        "checkout/.venv/pyvenv.cfg": "",
        "checkout/results.tsv": "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n",
        "home/.cache/autoresearch/tokenizer": "",
        "bin/uv": UV,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "bin/uv").chmod(0o755)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "checkout"


def autoresearch(checkout: Path, tmp_path: Path, **values: Any) -> Evaluation:
    settings = config("autoresearch", f"target.root={checkout}", "judge.sandbox.gpu=false")
    return evaluate(settings, tmp_path / "scratch", edited(Target.of(settings.target).seed(), **values))


def test_autoresearch_runs_a_checkout_as_its_agent_would(checkout: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()}
    evaluation = autoresearch(checkout, tmp_path, MATRIX_LR=0.05)
    assert evaluation.ok, evaluation.feedback
    assert evaluation.score == 0.9979
    assert evaluation.metrics == {"peak_vram_mb": 45060.0, "training_seconds": 300.1, "num_steps": 953.0}
    assert {path: path.read_bytes() for path in checkout.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("values", "status", "feedback"),
    [
        ({"TOTAL_BATCH_SIZE": 1000}, Status.CRASHED, "AssertionError"),
        ({"DEPTH": 16}, Status.INVALID, "peak_vram_mb is 90120, above 78000"),
        ({"MATRIX_LR": None}, Status.CRASHED, "TypeError"),
    ],
)
def test_autoresearch_failures(
    checkout: Path, tmp_path: Path, values: dict[str, Any], status: Status, feedback: str
) -> None:
    evaluation = autoresearch(checkout, tmp_path, **values)
    assert evaluation.status is status
    assert feedback in evaluation.feedback


def test_autoresearch_knobs_and_memo(checkout: Path) -> None:
    settings = config("autoresearch", f"target.root={checkout}", "judge.sandbox.gpu=false")
    target = Target.of(settings.target)
    space = Space.of(target.seed().files, settings.target.knobs)
    assert target.memo() == "Lower val_bpb."
    assert {"DEPTH", "MATRIX_LR", "ADAM_BETAS[1]", "WINDOW_PATTERN", "TOTAL_BATCH_SIZE"} <= set(space.names)
    assert "H100_BF16_PEAK_FLOPS" not in space
