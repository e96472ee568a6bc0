"""The judge protocol: one method that turns a variant into an evaluation.

A judge is its configuration: a frozen pydantic model whose fields are the keys a person writes under `judge:` in the
YAML, plus `evaluate`. It runs everything that belongs to the candidate out of process, and it never raises for what a
candidate does: a crash, a hang or a lie is an `Evaluation` with a status and feedback. What it does raise is
`JudgeError`, for a broken setup that no candidate can cause (a missing program, a missing corpus).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict

from judges.cage import Level
from judges.llm import LLM
from population.evaluation import Doubt, Evaluation, Goal
from population.variant import Variant

SMOKE_SECONDS = 10.0  # that a smoke run may take


class JudgeError(Exception):
    """The setup is broken, whatever the candidate. The message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Context:
    """All that a judge may know besides the variant.

    Attributes:
        root: the target's tree, read-only by convention; the variant's files go on top of a copy of it.
        scratch: a fresh, empty directory of this evaluation's own; the caller removes it afterwards.
        seed: the seed of this evaluation; the judge hands it to the candidate where the candidate may have one.
        slot: index of the worker slot, from 0. Two evaluations that run at the same time have different slots.
        threads: CPU threads that the evaluation may use.
        holdout: score on data that the search never reads, where the judge has some.
        level: what the candidate is locked into; `judges.sandbox.choose` says what holds on this machine.
        llms: language models by name, for judges that ask them.
        beside: files of the champion of the moment, for judges that compare; empty if there is none.
        gpu: CUDA_VISIBLE_DEVICES of this evaluation's candidates; empty: none is set aside for it.
        memory: bytes of resident memory that a candidate's processes may use together. None: no limit.
    """

    root: Path
    scratch: Path
    seed: int = 0
    slot: int = 0
    threads: int = 1
    holdout: bool = False
    level: Level = Level.NONE
    llms: Mapping[str, LLM] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    gpu: str = ""
    memory: int | None = None


class Judge(Protocol):
    """Scores variants. Implementations are picklable, and `evaluate` may be called from several threads."""

    @property
    def name(self) -> str:
        """The metric's name, for tables and reports (`val_bpb`)."""
        ...

    @property
    def goal(self) -> Goal:
        """Which way the metric improves."""
        ...

    @property
    def trust_level(self) -> str:
        """Who is believed: nobody, answers are checked (`full`); your code (`declared`); the candidate (`reported`)."""
        ...

    def null(self, files: Mapping[str, str]) -> Mapping[str, str] | None:
        """A candidate that does nothing, to be beaten: its files, given the seed's. None if there is no such thing."""
        ...

    @property
    def seconds_each(self) -> float | None:
        """What one evaluation takes at most, in wall-clock seconds; None if nobody knows."""
        ...

    @property
    def seconds_expected(self) -> float | None:
        """What one evaluation takes usually; None if nobody knows."""
        ...

    @property
    def doubt(self) -> Doubt | None:
        """What a challenger has against it; None unless the judge knows how rare better ones are."""
        ...

    @property
    def gpu(self) -> bool:
        """Whether an evaluation needs a GPU."""
        ...

    @property
    def timed(self) -> bool:
        """Whether the score depends on how fast this machine is, and so on what else it does meanwhile."""
        ...

    @property
    def compares(self) -> bool:
        """Whether it puts the champion beside what it judges, and so wants to know it."""
        ...

    @property
    def varies(self) -> bool:
        """Whether two readings of one variant may differ; if not, one fresh seed says all there is to say."""
        ...

    def fingerprint(self) -> str:
        """What data it scores on, once prepared: machines that agree on it give scores that compare."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of this setup before believing its scores, a sentence each."""
        ...

    @property
    def wanted(self) -> str:
        """What a good variant is, in words, for whoever proposes; empty where the metric's name says it all.

        Never how the score is computed.
        """
        ...

    def glance(self, files: Mapping[str, str], root: Path) -> str:
        """What is certainly wrong with a variant's files, seen without running anything; empty if nothing is."""
        ...

    @property
    def smokes(self) -> bool:
        """Whether `smoke_run` has anything to say, and costs little beside an evaluation."""
        ...

    def smoke_run(self, variant: Variant, context: Context) -> Evaluation | None:
        """See whether `variant` can run at all, in SMOKE_SECONDS or little more, without a GPU.

        It runs beside evaluations and must not disturb them.

        Returns:
            An evaluation without a score if it fails for certain; None if nothing is wrong or nothing is known yet,
            as when it is still running at the end of its time.
        """
        ...

    def check(self, root: Path) -> None:
        """Look at once whether what the judge needs is there; the quick part of `prepare`.

        Raises:
            JudgeError: if the setup is broken.
        """
        ...

    def prepare(self, root: Path, say: Callable[[str], None]) -> None:
        """Make ready what all evaluations share (a corpus, a tokenizer). Called once per run, before the first.

        May be slow; `say` is told in plain sentences what is going on, so that nobody waits in silence.

        Raises:
            JudgeError: if the setup is broken.
        """
        ...

    def evaluate(self, variant: Variant, context: Context) -> Evaluation:
        """Score `variant` once.

        Returns:
            An evaluation whose `variant`, `judge`, `seed` and `seconds` are filled in; `score` is in the metric's own
            units and direction.

        Raises:
            JudgeError: if the setup is broken, whatever the candidate.
        """
        ...


def _beside(value: Any) -> Any:
    folder = getattr(value, "folder", None)  # wolf.settings.yamlfile.Text: a string that knows its file's folder
    return os.path.abspath(Path(folder, Path(value).expanduser())) if folder is not None else value


LocalPath = Annotated[Path, BeforeValidator(_beside)]
"""A path (or glob) in a configuration: relative ones start from the folder of the file that they are written in."""


class JudgeConfig(BaseModel):
    """Base of the built-in judges: frozen; unknown keys, and numbers without end, are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @property
    def seconds_each(self) -> float | None:
        """See `Judge.seconds_each`; unknown unless a judge says otherwise."""
        return None

    @property
    def seconds_expected(self) -> float | None:
        """See `Judge.seconds_expected`; unknown unless a judge says otherwise."""
        return None

    @property
    def doubt(self) -> Doubt | None:
        """See `Judge.doubt`; none unless a judge says otherwise."""
        return None

    @property
    def trust_level(self) -> str:
        """See `Judge.trust_level`."""
        return "declared"

    @property
    def gpu(self) -> bool:
        """See `Judge.gpu`."""
        return False

    @property
    def timed(self) -> bool:
        """See `Judge.timed`."""
        return False

    @property
    def compares(self) -> bool:
        """See `Judge.compares`."""
        return False

    @property
    def varies(self) -> bool:
        """See `Judge.varies`."""
        return True

    def fingerprint(self) -> str:
        """See `Judge.fingerprint`; nothing but the target, unless a judge says otherwise."""
        return ""

    @property
    def notes(self) -> Sequence[str]:
        """See `Judge.notes`."""
        return ()

    @property
    def wanted(self) -> str:
        """See `Judge.wanted`; nothing to add unless a judge says otherwise."""
        return ""

    def glance(self, files: Mapping[str, str], root: Path) -> str:
        """See `Judge.glance`."""
        return ""

    @property
    def smokes(self) -> bool:
        """See `Judge.smokes`; no smoke runs unless a judge says otherwise."""
        return False

    def smoke_run(self, variant: Variant, context: Context) -> Evaluation | None:
        """See `Judge.smoke_run`."""
        return None

    def null(self, files: Mapping[str, str]) -> Mapping[str, str] | None:
        """See `Judge.null`: empty files, unless a judge knows better."""
        return dict.fromkeys(files, "")

    def check(self, root: Path) -> None:
        """See `Judge.check`; nothing to look for unless a judge says otherwise."""
