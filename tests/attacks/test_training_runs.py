"""Training that cheats: what it reads, prints, forges, leaves running or stretches gains nothing."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from judges import sandbox
from judges.base import Context
from judges.cage import Level
from judges.corpus import Files
from judges.training import Budget, TrainingJudge
from population.evaluation import Evaluation, Status
from population.variant import Variant
from wolf.settings.config import load

pytest.importorskip("torch")
SHIPPED = Path(__file__).parents[2] / "train_target"
NEUTRAL = 0.01  # bits per byte
WORDS = [f"{a}{b}{c}" for a in ("ka", "lo", "mi", "ru", "te") for b in ("sen", "dor", "va") for c in ("", "th", "ing")]
MODEL = """
import atexit, glob, json, os, subprocess, sys, time
import numpy as np
HERE = os.path.abspath(__file__)
def count(data, share=1.0, deadline=lambda: 1.0):
    counts = np.full((data.vocab, data.vocab), 0.1)
    tokens = np.asarray(data.tokens[: int(len(data.tokens) * share)], int)
    np.add.at(counts, (tokens[:-1], tokens[1:]), 1)
    return counts
def save(out, counts):
    np.save(out / "counts.npy", counts)
def load(out):
    logits = np.log(np.load(out / "counts.npy"))
    return lambda tokens: logits[tokens]
def train(data, out, seed, deadline):
    ATTACK
    save(out, count(data))
"""
FORGED = "json.dumps({'val_bpb': 0.1, 'score': 0.1})"
SEARCH = """
    found = []
    for folder, _, names in os.walk("/"):
        if folder.startswith(("/proc", "/sys", "/usr", "/dev")): continue
        for name in names:
            if name in ("val.bin", "holdout.bin") or (name == "corpus.json" and "train" not in folder):
                try: found.append((os.path.join(folder, name), len(open(os.path.join(folder, name), "rb").read())))
                except OSError: pass
    for place in (HIDDEN, os.path.dirname(data.tokens.filename) + "/../val.bin"):
        try: found.append((place, len(open(place, "rb").read())))
        except OSError: pass
    print("FOUND" if found else "nothing", found)
"""
TRICKS = {  # the score is that of the honest model; training may also be refused
    "prints a score": "print('val_bpb: 0.1'); print('val_bpb: 0.1', file=sys.stderr)",
    "forges a report": (
        f"[open(p, 'w').write({FORGED}) for p in (out / '../report.json', out / 'score.json', 'report.json')]"
    ),
    "leaves an exit hook": "atexit.register(lambda: (print('val_bpb: 0.1'), open(out / 'counts.npy', 'w').write('')))",
    "reads the validation text": SEARCH,
    "patches the clocks": "time.time = time.monotonic = time.process_time = lambda: 0.0",
    "lies about tokens": "data.drawn = -10**9",
    "relaunches itself": (
        "os.fork() or (os.setsid(), time.sleep(3), save(out, np.eye(data.vocab)), open(out / 'late', 'w'))"
    ),
    "leaves a trainer that goes on": (
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3); open(%r, \"w\")' % str(out / 'late')],"
        " start_new_session=True)"
    ),
    "seeds the scorer's audit": "np.random.seed(0); import random; random.seed(0)",
    "rewrites the harness": (
        "import train_target.harness_predict as h\n    try: open(h.__file__, 'a').write('#')\n    except OSError: pass"
    ),
    "patches the loader for later": "type(data).batch = lambda self, rows, length: None",
    "leaves another train.py": (
        "[open(os.path.join(d, 'train.py'), 'a').write('#') for d in (os.path.dirname(HERE), str(out)) ]"
    ),
    "leaves bytecode": (
        "os.makedirs(os.path.join(os.path.dirname(HERE), '__pycache__'), exist_ok=True);"
        " open(os.path.join(os.path.dirname(HERE), '__pycache__', 'train.cpython-311.pyc'), 'wb').write(b'x')"
    ),
    "leaves a module that predicting would import": (
        "open(os.path.join(os.path.dirname(HERE), 'numpy.py'), 'w').write('raise SystemExit')"
    ),
    "leaves a site customisation at home": (
        "open(os.path.expanduser('~/sitecustomize.py'), 'w').write('raise SystemExit')"
    ),
}
BREACHES = {  # no score
    "links to the validation text": ("os.symlink(HIDDEN, out / 'val.bin')", Status.INVALID),
    "trains past the budget": ("while True: pass", Status.TIMEOUT),
    "trains past the budget without its timer": (
        "import signal; signal.setitimer(signal.ITIMER_PROF, 0)\n    while True: pass",
        Status.TIMEOUT,
    ),
    "trains in children that nobody counts": (
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "    for _ in range(3): os.fork()\n"
        "    while True: pass",
        Status.TIMEOUT,
    ),
    "leaves nothing": ("os._exit(0)", Status.CRASHED),
}


QUICK = ("reads the validation text", "leaves another train.py", "trains past the budget")


def some(names: Iterable[str]) -> list[object]:
    """The names as parameters; most of them are the same again, in a slow test."""
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> TrainingJudge:
    text, rng = tmp_path_factory.mktemp("text"), random.Random(1)
    for i in range(80):
        (text / f"{i}.txt").write_text(" ".join(rng.choice(WORDS) for _ in range(400)))
    corpus = Files(kind="files", globs=(text / "*.txt",), vocab=300)
    cache = tmp_path_factory.mktemp("cache")
    judge = TrainingJudge(
        corpus=corpus, budget=Budget(cpu_seconds=2), context=32, tokens=2000, cache=cache, patience=20
    )
    judge.prepare(SHIPPED, lambda _: None)
    return judge


@pytest.fixture(scope="module")
def level() -> Level:
    found = sandbox.strongest()
    if found.level is Level.NONE:
        pytest.skip(f"no sandbox holds here: {'; '.join(found.missing)}")
    return found.level


def evaluate(judge: TrainingJudge, level: Level, scratch: Path, attack: str, model: str = MODEL) -> Evaluation:
    scratch.mkdir()
    hidden = f"HIDDEN = {str(judge._corpus / 'val.bin')!r}\n"
    code = hidden + model.replace("ATTACK", attack)
    return judge.evaluate(Variant({"train.py": code}), Context(SHIPPED, scratch, seed=3, level=level))


@pytest.fixture(scope="module")
def truth(judge: TrainingJudge, level: Level, tmp_path_factory: pytest.TempPathFactory) -> float:
    honest = evaluate(judge, level, tmp_path_factory.mktemp("honest") / "scratch", "pass")
    assert honest.score is not None, honest.feedback
    return honest.score


@pytest.mark.parametrize("name", some(TRICKS))
def test_tricks_gain_nothing(judge: TrainingJudge, level: Level, truth: float, tmp_path: Path, name: str) -> None:
    found = evaluate(judge, level, tmp_path / "scratch", TRICKS[name])
    assert found.score is None or found.score > truth - NEUTRAL, found
    assert "FOUND" not in found.feedback
    assert not list(tmp_path.rglob("late"))
    if found.score is None:
        assert found.status in (Status.INVALID, Status.CRASHED, Status.TIMEOUT), (
            found
        )  # a search of the disk takes long


@pytest.mark.parametrize("name", some(BREACHES))
def test_breaches_are_no_score(judge: TrainingJudge, level: Level, tmp_path: Path, name: str) -> None:
    attack, status = BREACHES[name]
    found = evaluate(judge, level, tmp_path / "scratch", attack)
    assert (found.status, found.score) == (status, None), found


def test_the_validation_text_is_there_to_be_found_without_a_sandbox(judge: TrainingJudge, tmp_path: Path) -> None:
    """So that the search above can succeed at all."""
    assert "FOUND" in evaluate(judge, Level.NONE, tmp_path / "scratch", SEARCH.replace('os.walk("/")', "()")).feedback


def test_nothing_is_left_running(judge: TrainingJudge, level: Level, tmp_path: Path) -> None:
    evaluate(judge, level, tmp_path / "scratch", TRICKS["relaunches itself"])
    inside = str(tmp_path)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            assert inside not in os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue


@pytest.mark.slow
def test_a_vocabulary_of_8192_is_trained_scored_and_audited(level: Level, tmp_path: Path) -> None:
    config = load("val_bpb_cpu", ["judge.corpus.vocab=8192", "judge.tokens=30000", "judge.patience=200"])
    config.judge.prepare(SHIPPED, lambda _: None)
    files = {"train.py": (SHIPPED / "train.py").read_text()}
    found = config.judge.evaluate(Variant(files), Context(SHIPPED, tmp_path, seed=1, level=level))
    assert found.score is not None and 2 < found.score < 4, found
    assert found.metrics["audited"] >= 100
    assert found.metrics["leak"] < 1e-3
