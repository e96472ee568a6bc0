"""A judge that calls a Python function in a fresh process per evaluation.

The function is yours and trusted; the candidate's code is whatever it imports or reads from the folder it is given.
If it imports the candidate, both share a process, and the candidate can lie.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from judges.base import Context, JudgeConfig, JudgeError
from judges.command import CommandJudge
from judges.imports import absent, located
from judges.metrics import NAME
from judges.sandbox import Access
from population.evaluation import Evaluation, Goal
from population.variant import Variant

RUNNER = Path(__file__).with_name("runner.py")


class FunctionJudge(JudgeConfig):
    """Calls `score(folder: Path, seed: int)`, which returns the score, or a dict of numbers with the metric in it.

    The score is a number: one that is `True` or `False` is a failure. In the other values of a dict they are 1 and 0.

    Attributes:
        call: `judge.py:score` (a file of the target) or `package.module:score` (importable from the target's folder or
            installed beside Auto Wolf). `folder` is a fresh copy of the target with the variant's files, in which it
            runs.
        metric: the metric's name.
        goal: whether lower or higher is better.
        seconds: wall-clock seconds before the process tree is killed.
        smoke: a quick check of a language model's idea, before it costs an evaluation: a function that is called like
            `call`, for ten seconds at most. If it raises, the idea has failed; its result is ignored.
        clock: whether the score depends on the speed of this machine.
        include: globs of files to copy even though git ignores them.
        exclude: globs of files not to copy.
        sandbox: what the function and the candidate may touch besides their folder, Python and the system's libraries.
    """

    kind: Literal["function"] = "function"
    call: str = Field(pattern=r"^[\w./-]+:\w+$")
    metric: str = Field(default="score", pattern=rf"^{NAME}$")
    goal: Goal = Goal.MINIMIZE
    seconds: float = Field(default=60.0, gt=0)
    smoke: str | None = Field(default=None, pattern=r"^[\w./-]+:\w+$")
    clock: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    sandbox: Access = Access()

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.metric

    @property
    def gpu(self) -> bool:
        """If the sandbox lets the function have one."""
        return self.sandbox.gpu

    @property
    def timed(self) -> bool:
        """If it is said to."""
        return self.clock

    @property
    def seconds_each(self) -> float:
        """The limit."""
        return self.seconds

    def prepare(self, root: Path, say: Callable[[str], None]) -> None:
        """Nothing but `check`."""
        self.check(root)

    def check(self, root: Path) -> None:
        """Whether the target, the function's file or module, and the function are there.

        Raises:
            JudgeError: if one is not.
        """
        self._command().check(root)
        for key, call in (("call", self.call), ("smoke", self.smoke)):
            if call is None:
                continue
            place, _, name = call.partition(":")
            if place.endswith(".py"):
                file = root / place if (root / place).is_file() else None
                where = f"which is not in the target {root}"
            else:
                file = None if "/" in place else located(place, root)
                where = f"and there is no such module, neither in the target {root} nor installed beside Auto Wolf"
            if file is None:
                raise JudgeError(f"judge.{key} names {place}, {where}")
            if hint := absent(file, name):
                raise JudgeError(f"judge.{key} names {name}, which is not in {place}: {hint}")

    def evaluate(self, variant: Variant, context: Context) -> Evaluation:
        """Call the function once."""
        return self._command().evaluate(variant, context)

    def glance(self, files: Mapping[str, str], root: Path) -> str:
        """Imports."""
        return self._command().glance(files, root)

    @property
    def smokes(self) -> bool:
        """Where there is a function for it."""
        return self.smoke is not None

    def smoke_run(self, variant: Variant, context: Context) -> Evaluation | None:
        """The function for it."""
        return self._command().smoke_run(variant, context)

    def _command(self) -> _Call:
        runner = (sys.executable, "-I", str(RUNNER))
        smoke = (*runner, self.smoke, "") if self.smoke else None
        shared = {"metric", "goal", "seconds", "include", "exclude", "sandbox"}
        return _Call(run=(*runner, self.call, self.metric), smoke=smoke, **self.model_dump(include=shared))


class _Call(CommandJudge):
    """The runner as a command, which prints the metric unless it cannot."""

    def _absent(self, output: str) -> str:
        return f"missing: the process ended before {self.run[-2]} returned"
