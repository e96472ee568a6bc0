"""A judge that runs a command and reads the number that it prints.

It believes that number: a candidate that prints a good score has one. Use gates and constraints, and `kind: training`
where the score must not come from the candidate.
"""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from msgspec import structs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from judges import process, said
from judges.base import SMOKE_SECONDS, Context, JudgeConfig, JudgeError
from judges.cage import Level
from judges.imports import unresolved
from judges.metrics import read_metrics, unread
from judges.process import Finished, Limits, environment
from judges.sandbox import Access
from judges.workspace import lay_out
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant

MOST_METRICS = 50
MOST_SCORE = 1e100  # of larger ones neither squares nor sums can be relied on to be numbers
SHELL = {"|", "||", "&", "&&", ";", ">", ">>", "<", "2>&1"}
DENIED, FILE = "ermission denied", re.compile(r"[\w./+-]+")
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
OURS = ("HOME", "PATH", "USER", "LD_LIBRARY_PATH")
THIS_EVALUATION = ("ROOT", "SEED", "SLOT", "THREADS")


def _split(command: object) -> object:
    if not isinstance(command, str):
        return command
    try:
        words = shlex.split(command)
    except ValueError as error:
        remedy = "close the quote" if "quotation" in str(error) else "leave out the backslash at its end"
        raise ValueError(f"is no command as a shell would read it ({str(error).lower()}); {remedy}") from error
    if found := SHELL & set(words):
        raise ValueError(f"{found.pop()!r} needs a shell: write the command as [sh, -c, {command!r}]")
    return words


Words = Annotated[tuple[str, ...], Field(min_length=1)]
Command = Annotated[Words, BeforeValidator(_split, json_schema_input_type=str | Words)]
"""A program and its arguments: a list, or a string that is split as a shell would split it."""


class Constraint(BaseModel):
    """Bounds on a metric, inclusive; at least one.

    Attributes:
        min: smallest value allowed.
        max: largest value allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _bounds(self) -> Constraint:
        if self.min is None and self.max is None:
            raise ValueError("a constraint needs a min or a max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}, so nothing could pass: swap them")
        return self

    def broken_by(self, value: float | None) -> str:
        """What is wrong with `value`, as the end of a sentence; empty if nothing is. None: it was not printed."""
        if value is None:
            return "was not printed"
        if self.min is not None and not value >= self.min:
            return f"is {value:g}, below {self.min:g}"
        if self.max is not None and not value <= self.max:
            return f"is {value:g}, above {self.max:g}"
        return ""


class CommandJudge(JudgeConfig):
    """Runs a command in a copy of the target and reads its metric from the last line `metric: value` on stdout.

    Attributes:
        run: the command. It runs in a fresh copy of the target with the variant's files; `python` is Auto Wolf's own.
        metric: the metric's name in the output.
        goal: whether lower or higher is better.
        seconds: wall-clock seconds that one command (the run, or a gate) may take before its process tree is killed.
        gates: commands that must exit with 0 before the score counts; they run first.
        smoke: a quick check of a language model's idea, before it costs an evaluation: a command that must not fail
            within ten seconds. It runs beside evaluations, with GPUs hidden.
        constraints: bounds on other metrics; a variant outside them is invalid.
        repeat: how often to run; the median counts. Use it for noisy timings: the random seed is the same each time.
        clock: whether the score depends on the speed of this machine; assumed if `repeat` is above 1.
        env: environment variables to add. Values may use `${HOME}`, `${PATH}`, `${USER}` and `${LD_LIBRARY_PATH}` of
            our environment (empty if unset), and `${ROOT}` (the target's own tree), `${SEED}`, `${SLOT}` and
            `${THREADS}` of this evaluation.
        include: globs of files to copy even though git ignores them.
        exclude: globs of files not to copy.
        seed_env: name of the environment variable that holds the random seed.
        sandbox: what the commands may touch besides their folder, Python and the system's libraries. `${ROOT}` in `env`
            makes the target's own tree readable.
    """

    kind: Literal["command"] = "command"
    run: Command
    metric: str
    goal: Goal = Goal.MINIMIZE
    seconds: float = Field(default=600.0, gt=0)
    gates: tuple[Command, ...] = ()
    smoke: Command | None = None
    constraints: Mapping[str, Constraint] = Field(default_factory=dict)
    repeat: int = Field(default=1, ge=1)
    clock: bool = False
    env: Mapping[str, str] = Field(default_factory=dict)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    seed_env: str = "WOLF_SEED"
    sandbox: Access = Access()

    @field_validator("env")
    @classmethod
    def _known_placeholders(cls, env: Mapping[str, str]) -> Mapping[str, str]:
        known = (*THIS_EVALUATION, *OURS)
        for name, value in env.items():
            for used in PLACEHOLDER.findall(value):
                if used not in known:
                    raise ValueError(f"{name}: ${{{used}}} is not available; these are: {', '.join(known)}")
        return env

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.metric

    @property
    def trust_level(self) -> str:
        """The command's own word, and the candidate may have written the command."""
        return "reported"

    @property
    def gpu(self) -> bool:
        """If the sandbox lets its commands have one."""
        return self.sandbox.gpu

    @property
    def timed(self) -> bool:
        """If it is said to; and a command that is run several times has a noisy clock."""
        return self.clock or self.repeat > 1

    @property
    def seconds_each(self) -> float:
        """Every gate and every repeat up to its limit."""
        return self.seconds * (len(self.gates) + self.repeat)

    def glance(self, files: Mapping[str, str], root: Path) -> str:
        """Imports, where our own Python runs the candidate."""
        ours = ("python", "python3", Path(sys.executable).name)
        return unresolved(files, root) if Path(self.run[0]).name in ours else ""

    @property
    def smokes(self) -> bool:
        """Where there is a command for it."""
        return self.smoke is not None

    @property
    def _commands(self) -> tuple[Command, ...]:
        return (self.run, *self.gates, *([self.smoke] if self.smoke else []))

    def smoke_run(self, variant: Variant, context: Context) -> Evaluation | None:
        """The command for it."""
        if self.smoke is None:
            return None
        execute = self._executor(variant, context, Limits(SMOKE_SECONDS), {"CUDA_VISIBLE_DEVICES": ""})
        finished = execute(self.smoke)
        if finished.ok or finished.timed_out:
            return None
        why = _feedback("it failed its smoke run", finished)
        return Evaluation(variant.id, self.name, Status.CRASHED, feedback=why, seed=context.seed)

    def prepare(self, root: Path, say: Callable[[str], None]) -> None:
        """Nothing but `check`."""
        self.check(root)

    def check(self, root: Path) -> None:
        """Whether the target and the programs are there.

        Raises:
            JudgeError: if one is not.
        """
        if not root.is_dir():
            raise JudgeError(f"the target {root} is not a folder; set target.root to the tree that is to be improved")
        self.sandbox.check()
        path = self._environment(Context(root, scratch=root))["PATH"]
        for command in self._commands:
            if not (root / command[0]).is_file() and shutil.which(command[0], path=path) is None:
                where = f"not in the target {root}; build it there" if "/" in command[0] else "not on PATH; install it"
                raise JudgeError(f"the program {command[0]!r} is {where}, or correct the judge's commands")

    def evaluate(self, variant: Variant, context: Context) -> Evaluation:
        """Copy, check the gates, run, read the metric, check the constraints."""
        started = time.monotonic()
        execute = self._executor(variant, context, Limits(self.seconds, memory_bytes=context.memory))
        evaluation = self._evaluate(partial(Evaluation, variant.id, self.name, seed=context.seed), execute)
        return structs.replace(evaluation, seconds=time.monotonic() - started)

    def _executor(
        self, variant: Variant, context: Context, limits: Limits, more: Mapping[str, str] | None = None
    ) -> Callable[[Command], Finished]:
        """Runs commands in a fresh copy of the target, with `more` in their environment."""
        folder = context.scratch / "work"
        linked = lay_out(variant.files, context.root, folder, self.include, self.exclude)
        (context.scratch / "home").mkdir()
        cage = self.sandbox.lock(context.level, context.scratch, *linked, *self._programs(context))
        env = {**self._environment(context), **(more or {})}

        def execute(command: Command) -> Finished:
            finished = process.run(command, cwd=folder, env=env, limits=limits, cage=cage)
            hint = _locked(folder, finished.stderr) if context.level is Level.LANDLOCK and not finished.ok else ""
            return replace(finished, stderr=f"{finished.stderr.rstrip()}\n{hint}") if hint else finished

        return execute

    def _evaluate(self, answer: Callable[..., Evaluation], execute: Callable[[Command], Finished]) -> Evaluation:
        for gate in self.gates:
            finished = execute(gate)
            if not finished.ok:
                status = _why(finished, Status.INVALID)
                return answer(status, feedback=_feedback(f"the gate {shlex.join(gate)!r} failed", finished))
        readings: list[dict[str, float]] = []
        for _ in range(self.repeat):
            finished = execute(self.run)
            if not finished.ok:
                status = _why(finished, Status.CRASHED)
                return answer(status, feedback=_feedback("it failed", finished))
            readings.append(read_metrics(finished.stdout))
            score = readings[-1].get(self.metric, math.nan)
            if not abs(score) <= MOST_SCORE:
                value = readings[-1].get(self.metric, self._absent(finished.stdout))
                value = f"{score:.3g}, too large to reckon with" if math.isfinite(score) else value
                return answer(Status.INVALID, feedback=_feedback(f"{self.metric} is {value}", finished))
        return self._verdict(answer, readings, finished)

    def _absent(self, output: str) -> str:
        """Why the metric is not in what was printed, as the end of a sentence."""
        return unread(output, self.metric)

    def _verdict(
        self, answer: Callable[..., Evaluation], readings: list[dict[str, float]], finished: Finished
    ) -> Evaluation:
        common = [name for name in readings[0] if all(name in reading for reading in readings)]
        medians = {name: statistics.median(reading[name] for reading in readings) for name in common}
        score = medians.pop(self.metric)
        wanted = sorted(medians, key=lambda name: name not in self.constraints)  # stable: the order of printing
        metrics = dict(islice(((name, medians[name]) for name in wanted if math.isfinite(medians[name])), MOST_METRICS))
        for name, constraint in self.constraints.items():
            if wrong := constraint.broken_by(score if name == self.metric else medians.get(name)):
                return answer(Status.INVALID, metrics=metrics, feedback=_feedback(f"{name} {wrong}", finished))
        return answer(Status.OK, score, metrics)

    def _programs(self, context: Context) -> Iterator[Path]:
        """What the commands need of the machine: their programs, and the target's own tree if they are told of it."""
        path = self._environment(context)["PATH"]
        for command in self._commands:
            if program := shutil.which(command[0], path=path):
                yield Path(program)
        if any("${ROOT}" in value for value in self.env.values()):
            yield context.root.resolve()

    def _environment(self, context: Context) -> dict[str, str]:
        values = {name: os.environ.get(name, "") for name in OURS} | {
            "ROOT": str(context.root.resolve()),
            "SEED": str(context.seed),
            "SLOT": str(context.slot),
            "THREADS": str(context.threads),
        }
        added = {name: PLACEHOLDER.sub(lambda found: values[found[1]], value) for name, value in self.env.items()}
        gpu = {"CUDA_VISIBLE_DEVICES": context.gpu} if context.gpu else {}
        ours = {self.seed_env: str(context.seed), **gpu}
        return environment(context.scratch / "home", context.threads, ours | added)


def _why(finished: Finished, otherwise: Status) -> Status:
    """The status of a command that did not end well."""
    if finished.out_of_memory:
        return Status.MEMORY
    return Status.TIMEOUT if finished.timed_out else otherwise


def _locked(folder: Path, stderr: str) -> str:
    """What to do where a program that was built in `folder` could not be started; empty if that is not what failed."""
    for word in (word for line in stderr.splitlines() if DENIED in line for word in FILE.findall(line)):
        program = (folder / word).resolve()
        if program.is_relative_to(folder.resolve()) and program.is_file() and not os.access(program, os.X_OK):
            with program.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    return (
                        f"under Landlock, the linker's chmod does nothing, so {word} cannot be started: link it with "
                        "-fuse-ld=gold, or install bubblewrap (docs/trust.md)"
                    )
    return ""


def _feedback(summary: str, finished: Finished) -> str:
    """What happened, then the end of what the command said: stderr if it said anything there, else stdout."""
    return f"{summary} ({finished.reason})\n{said.end(finished.stderr.strip() or finished.stdout)}".strip()
