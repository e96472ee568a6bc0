"""A judge that trains a model and measures its bits per byte on text that the training never saw.

The candidate's `train.py` (see train_target/README.md) is run twice: once to train, with the training text and without
the rest, and once in a fresh process to predict. The harness owns the clock, the seed, the data and the arithmetic
(see judges/scorer.py); of what the candidate says, it believes only logits, and audits those in a second process.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Literal

from msgspec import structs
from pydantic import Field, PrivateAttr, model_validator

from judges import process
from judges.base import SMOKE_SECONDS, Context, JudgeConfig, JudgeError, LocalPath
from judges.corpus import HOUSE, PATH, Corpus, Section, Stdlib, made, program
from judges.imports import absent, unresolved
from judges.process import Finished, Limits, environment
from judges.said import end
from judges.sandbox import Access
from judges.scorer import Reading
from judges.seal import MOST_BYTES, SealError, digest, seal
from judges.workspace import lay_out
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant

KEEP_MEMORY = {  # glibc: reuse freed memory; page faults were a fifth of the time of small training runs
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "67108864",
}
WORTH_A_SMOKE_RUN = 30.0  # seconds of training; a shorter one shows by itself soon enough whether it runs
MOST_CLAIMS = 20  # numbers of the candidate's own that are shown
EVERY_ROW = 1 << 30
DTYPES = {
    "cpu": "float32",
    "cuda": "float16",
}  # of the logits that are sent; bf16 arithmetic has fewer digits than either
NULL = """import numpy as np
def train(data, out, seed, deadline):
    (out / "vocab").write_text(str(data.vocab))
def load(out):
    vocab = int((out / "vocab").read_text())
    return lambda tokens: np.zeros((*tokens.shape, vocab), np.float32)
"""


class Budget(Section):
    """What one training run may use: exactly one of these, counted from the call of `train`."""

    seconds: float | None = Field(default=None, gt=0, description="wall-clock seconds, for GPUs")
    cpu_seconds: float | None = Field(default=None, gt=0, description="CPU seconds: waiting does not count")
    tokens: int | None = Field(default=None, gt=0, description="tokens drawn from the loader: repeatable")

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if len(self.given) != 1:
            raise ValueError("the budget of a training run is one of seconds, cpu_seconds and tokens")
        return self

    def __str__(self) -> str:
        """The budget and its grace, for a sentence."""
        ((unit, amount),) = self.given.items()
        return f"{amount:g} {unit.replace('_', ' ')} and the grace of {self.grace:g} s"

    @property
    def given(self) -> dict[str, float]:
        """The unit and the amount."""
        return self.model_dump(exclude_none=True)

    @property
    def clock(self) -> float:
        """The least wall-clock seconds that using it takes; 0 for tokens."""
        return self.seconds or self.cpu_seconds or 0.0

    @property
    def grace(self) -> float:
        """Seconds beyond the budget, for the last step and for saving; on the clock of the budget."""
        return 0.5 + 0.1 * self.clock


SMOKE_BUDGET = Budget(cpu_seconds=2.0)


class TrainingJudge(JudgeConfig):
    """Trains the variant's `train.py` with a fixed budget and scores it in bits per byte; lower is better.

    Attributes:
        corpus: the text. Scores are on its validation part; the holdout part is for the confirmation at the end.
        budget: what one training run may use.
        device: `cpu` hides GPUs; `cuda` needs one (see `workers: gpus_per_job`).
        context: tokens that the model sees at once when it is scored; the script is told this number.
        tokens: number of tokens to score on.
        audit: how many rows of `context` tokens are audited for peeking ahead (on the holdout: all); 0: no audit, and
            the candidate is believed.
        patience: wall-clock seconds, beyond the budget, that training may take before it is killed (for start-up and
            a busy machine), and that predicting may take.
        cache: where prepared corpora are kept; None: `$XDG_CACHE_HOME/auto-wolf` or `~/.cache/auto-wolf`.
    """

    kind: Literal["training"] = "training"
    corpus: Corpus = Stdlib()
    budget: Budget = Budget(cpu_seconds=3.0)
    device: Literal["cpu", "cuda"] = "cpu"
    context: int = Field(default=256, ge=8, le=65536)
    tokens: int = Field(default=40_000, ge=1)
    audit: int = Field(default=512, ge=0)
    patience: float = Field(default=60.0, gt=0)
    cache: LocalPath | None = None
    _ready: Path | None = PrivateAttr(default=None)

    @property
    def name(self) -> str:
        """The metric's name."""
        return "val_bpb"

    @property
    def goal(self) -> Goal:
        """Fewer bits are better."""
        return Goal.MINIMIZE

    @property
    def trust_level(self) -> str:
        """Nothing of the candidate's is believed but logits; without an audit, they may depend on what comes later."""
        return "full" if self.audit else "declared"

    @property
    def gpu(self) -> bool:
        """For `device: cuda`."""
        return self.device == "cuda"

    @property
    def timed(self) -> bool:
        """Unless the budget is tokens; CPU seconds too buy less on a busy machine, whose caches are shared."""
        return self.budget.tokens is None

    def fingerprint(self) -> str:
        """The corpus's folder is named by its content."""
        return self._corpus.name

    @property
    def seconds_each(self) -> float | None:
        """What one evaluation takes at most."""
        return self.budget.clock + 3 * self.patience

    @property
    def seconds_expected(self) -> float | None:
        """The budget, and about six seconds to import torch and to score twice; unknown for a budget of tokens."""
        return self.budget.clock + 6 if self.budget.clock else None

    def glance(self, files: Mapping[str, str], root: Path) -> str:
        """Imports."""
        return unresolved(files, root)

    @property
    def smokes(self) -> bool:
        """Where training takes long enough for a few steps beside it to be worth it."""
        return not self.budget.clock or self.budget.clock >= WORTH_A_SMOKE_RUN

    def smoke_run(self, variant: Variant, context: Context) -> Evaluation | None:
        """A few steps on a CPU."""
        if self._ready is None:
            self.prepare(context.root, lambda _: None)
        small = self.model_copy(update={"budget": SMOKE_BUDGET, "device": "cpu", "patience": SMOKE_SECONDS})
        small._ready = self._ready
        finished, _, wrong = small._train(variant, context, context.scratch / "train" / "out")
        if wrong is not Status.CRASHED or finished.returncode == -signal.SIGKILL:
            return None  # slow on a CPU, or too big for the memory that the evaluations leave
        said = f"training {finished.reason}\n{end(finished.stderr)}"
        return Evaluation(variant.id, self.name, wrong, feedback=said, seed=context.seed)

    def null(self, files: Mapping[str, str]) -> Mapping[str, str]:
        """Every token is as likely as any other."""
        return {**dict.fromkeys(files, ""), "train.py": NULL}

    def check(self, root: Path) -> None:
        """See whether torch and the target's `train.py` are there.

        Raises:
            JudgeError: if one is not.
        """
        Access(gpu=self.gpu).check()
        if not (root / "train.py").is_file():
            raise JudgeError(f"the target {root} has no train.py; see train_target/README.md for what it must define")
        for name in ("train", "load"):
            if hint := absent(root / "train.py", name):
                raise JudgeError(f"{root / 'train.py'} lacks {name} (see train_target/README.md): {hint}")
        needed = {"torch": "pip install torch"}
        if self.corpus.kind == "climbmix":
            needed |= dict.fromkeys(("pyarrow", "tokenizers"), "pip install 'auto-wolf[climbmix]'")
        for module, remedy in needed.items():
            if importlib.util.find_spec(module) is None:
                raise JudgeError(f"{module} is not installed: {remedy}")

    def prepare(self, root: Path, say: Callable[[str], None]) -> None:
        """Make the corpus, or find it in the cache.

        Raises:
            JudgeError: if it cannot be made.
        """
        self.check(root)
        self._ready = made(self.corpus, self.cache, say)

    def evaluate(self, variant: Variant, context: Context) -> Evaluation:
        """Train, seal what training left, predict, score."""
        started = time.monotonic()
        if self._ready is None:
            self.prepare(context.root, lambda _: None)
        evaluation = self._evaluate(partial(Evaluation, variant.id, self.name, seed=context.seed), variant, context)
        return structs.replace(evaluation, seconds=time.monotonic() - started)

    @property
    def _corpus(self) -> Path:
        assert self._ready is not None
        return self._ready

    @property
    def _vocab(self) -> int:
        return int(json.loads((self._corpus / "train" / "corpus.json").read_text())["vocab"])

    def _evaluate(self, answer: Callable[..., Evaluation], variant: Variant, context: Context) -> Evaluation:
        out, sealed = context.scratch / "train" / "out", context.scratch / "sealed"
        finished, metrics, wrong = self._train(variant, context, out)
        if wrong is not None:
            idle = finished.timed_out and self.budget.seconds is None  # it slept through its patience
            spent = wrong is Status.TIMEOUT and not idle
            how = f"training used more than {self.budget}" if spent else f"training {finished.reason}"
            said = f"{how}\n{end(finished.stdout.partition(chr(10))[2])}\n{end(finished.stderr)}"
            return answer(wrong, metrics=metrics, feedback=said.strip())
        try:
            seal_number = seal(out, sealed)
        except SealError as error:
            return answer(Status.INVALID, metrics=metrics, feedback=str(error))
        reading = self._score(variant, context, sealed)
        if digest(sealed) != seal_number:
            return answer(Status.INVALID, metrics=metrics, feedback="what training left changed while it was scored")
        metrics |= {"eval_seconds": reading.seconds, "eval_tokens": float(reading.tokens)}
        metrics |= {"audit_seconds": reading.audit_seconds, "audited": float(reading.audited), "leak": reading.charge}
        if reading.bpb is None:
            return answer(Status(reading.status), metrics=metrics, feedback=f"load or predict: {reading.why}")
        return answer(Status.OK, reading.bpb, metrics, end(finished.stdout.partition("\n")[2]))

    def _train(self, variant: Variant, context: Context, out: Path) -> tuple[Finished, dict[str, float], Status | None]:
        """How training ended, its numbers, and the evaluation's status if that was not well."""
        report = context.scratch / "train" / "report.json"
        folder, env, access = self._place(variant, context, "train")
        out.mkdir()
        job = {
            "code": str(folder),
            "data": str(self._corpus / "train"),
            "out": str(out),
            "report": str(report),
            "seed": context.seed,
            "context": self.context,
            "budget": self.budget.given,
            "grace": self.budget.grace,
            "threads": context.threads,
            "launched": (launched := time.monotonic()),
        }
        command = program("train_target.harness_train", json.dumps(job))
        limits = Limits(self.budget.clock + self.budget.grace + self.patience, memory_bytes=context.memory)
        cage = access.lock(context.level, folder.parent, self._corpus / "train", disk_bytes=2 * MOST_BYTES)
        finished = process.run(command, cwd=folder, env=env, limits=limits, cage=cage)
        ready = finished.stdout.partition("\n")[0].split()  # printed before any code of the candidate ran
        if len(ready) != 3 or ready[0] != "ready":
            raise JudgeError(f"a training run could not start ({finished.reason}): {end(finished.stderr)}")
        wall = time.monotonic() - launched
        used = {"seconds": wall - float(ready[1]), "cpu_seconds": finished.cpu_seconds - float(ready[2])}
        metrics = _claims(report) | {f"train_{unit}": n for unit, n in used.items()}
        if finished.out_of_memory:
            return finished, metrics, Status.MEMORY
        late = any(used[unit] > n + self.budget.grace for unit, n in self.budget.given.items() if unit in used)
        if late or finished.timed_out or finished.returncode in (-signal.SIGALRM, -signal.SIGPROF):
            return finished, metrics, Status.TIMEOUT
        return finished, metrics, None if finished.ok else Status.CRASHED

    def _replica(self, variant: Variant, context: Context, sealed: Path, phase: str) -> dict[str, object]:
        """How the scorer starts a predictor: on a fresh copy of the code, with a fresh home, and what was sealed."""
        folder, env, access = self._place(variant, context, phase)
        job = {"code": str(folder), "out": str(sealed), "vocab": self._vocab, "threads": context.threads}
        job["dtype"] = DTYPES[self.device]
        cage = access.lock(context.level, folder.parent, sealed, disk_bytes=MOST_BYTES)
        command = program("train_target.harness_predict", json.dumps(job))
        return {"command": command, "cwd": str(folder), "env": env, "cage": asdict(cage)}

    def _score(self, variant: Variant, context: Context, sealed: Path) -> Reading:
        """What the scorer says about what training left."""
        request = {
            "replicas": [self._replica(variant, context, sealed, phase) for phase in ("predict", "audit")],
            "audit": EVERY_ROW if context.holdout and self.audit else self.audit,
            "seed": context.seed,
            "seconds": self.patience,
            "memory": context.memory,
            "corpus": str(self._corpus / "corpus.json"),
            "tokens": str(self._corpus / ("holdout.bin" if context.holdout else "val.bin")),
            "context": self.context,
            "count": self.tokens,
            "device": self.device,
            "dtype": DTYPES[self.device],
        }
        gpu = {"CUDA_VISIBLE_DEVICES": self._visible(context)}
        ours = environment(context.scratch / "scorer", context.threads, PATH | gpu)
        limits, asked = Limits(3 * self.patience), json.dumps(request).encode()
        finished = process.run(program("judges.scorer"), cwd=HOUSE, env=ours, limits=limits, stdin=asked)
        if not finished.ok:
            raise JudgeError(f"the scorer {finished.reason}: {end(finished.stderr)}")
        return Reading(**json.loads(finished.stdout))

    def _place(self, variant: Variant, context: Context, phase: str) -> tuple[Path, dict[str, str], Access]:
        """A fresh copy of the target with the variant in it, and the environment and the access to run it with."""
        folder, home = context.scratch / phase / "code", context.scratch / phase / "home"
        linked = lay_out(variant.files, context.root, folder)
        home.mkdir()
        gpu = {"CUDA_VISIBLE_DEVICES": self._visible(context)}
        access = Access(gpu=self.gpu, readable=linked)
        return folder, environment(home, context.threads, PATH | KEEP_MEMORY | gpu), access

    def _visible(self, context: Context) -> str:
        """CUDA_VISIBLE_DEVICES; without a GPU set aside, what we see ourselves."""
        return (context.gpu or os.environ.get("CUDA_VISIBLE_DEVICES", "0")) if self.gpu else ""


def _claims(report: Path) -> dict[str, float]:
    """The candidate's own numbers: shown, not believed."""
    try:
        with open(os.open(report, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            claims = json.loads(file.read(65536))
        items = [(str(name)[:40], float(value)) for name, value in list(claims.items())[:MOST_CLAIMS]]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return {name: value for name, value in items if math.isfinite(value)}
