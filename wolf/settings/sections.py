"""The sections of the configuration, one class each: their keys, defaults and limits. The judge's are its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from population.ranges import Range
from wolf.machines import here
from wolf.settings import shipped

Count = Annotated[int, Field(strict=True, ge=1)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Tri = Literal["auto", "on", "off"]


def _root(value: Any) -> Any:
    """Make a local root absolute; `builtin:` ones stay as they are, for they differ from machine to machine."""
    if isinstance(value, str) and not value.startswith(shipped.BUILTIN):
        return str(Path(os.path.abspath(Path(getattr(value, "folder", ""), Path(value).expanduser()))))
    return value


def _inside(file: str) -> str:
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise ValueError("must be a path relative to target.root and inside it")
    return Path(file).as_posix()


Inside = Annotated[str, Field(min_length=1), AfterValidator(_inside)]


_WAIT = r"^[0-9]+(\.[0-9]+)? (s|min|h)$"


class Section(BaseModel):
    """Base of all sections: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _knob(said: Any) -> Any:
    Range.of(said, "knob")  # what it says is checked here and read where the files are known
    return said


Knob = Annotated[
    Any,
    AfterValidator(_knob),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "description": "`low .. high`, `low .. high log`, `one | two | three` or `fixed`"},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "low": {"type": "number"},
                        "high": {"type": "number"},
                        "log": {"type": "boolean"},
                        "choices": {"type": "array"},
                        "fixed": {"type": "boolean"},
                        "file": {"type": "string", "description": "the text in which one of `choices` stands"},
                        "templates": {"type": "array", "items": {"type": "string"}},
                    },
                },
            ]
        }
    ),
]


class TargetConfig(Section):
    """What evolves: some files of a folder."""

    root: Annotated[str, BeforeValidator(_root)] = Field(
        description="the folder they are in; `builtin:train_target`: the training script that comes with Auto Wolf"
    )
    files: tuple[Inside, ...] = Field(min_length=1, description="the files that may change, relative to `root`")
    memo: Inside | None = Field(
        default=None, description="a text that tells language models what you want; read again for each request"
    )
    commit: str | None = Field(
        default=None,
        min_length=1,
        description="start from the files of this git commit; `best`: of the best kept commit in root's results.tsv",
    )
    start: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="values of knobs to start from, instead of those in the files"
    )
    knobs: dict[str, Knob] = Field(
        default_factory=dict, description="ranges of knobs, instead of those found in the files; `fixed`: not a knob"
    )


class SearchConfig(Section):
    """How to search. Most mechanisms can be switched off, so that their worth can be measured."""

    strategy: Literal["wolf", "greedy", "random", "restart", "anneal", "tpe", "cmaes"] = Field(
        default="wolf", description="`wolf`, or a baseline to compare with; `tpe` and `cmaes` need the extra `bench`"
    )
    seed: int = Field(default=0, strict=True, ge=0, description="random seed of the search")
    mode: Literal["cohort", "steady"] = Field(
        default="cohort", description="`cohort`: repeatable; `steady`: no worker is ever idle"
    )
    surrogate: Tri = Field(
        default="auto", description="screen drafts with a model; `auto`: unless evaluations take only milliseconds"
    )
    survey: int = Field(
        default=14, strict=True, ge=0, description="number of wide departures from the seed variant at the start"
    )
    departures: Share = Field(
        default=0.25, description="share of evaluations that are random departures, not screened by the model"
    )
    novelty: bool = Field(default=True, description="count novelty, too, when parents are chosen")
    recombine: bool = Field(default=True, description="combine variants (crossover, joining of changes)")
    escape: bool = Field(default=True, description="send out expeditions when the search is stuck")
    noise_gate: bool = Field(default=True, description="repeat readings whose lead could be luck")
    statements: Tri = Field(
        default="auto", description="move, drop and repeat statements of code; move, drop and shorten sentences of text"
    )


class BudgetConfig(Section):
    """When to stop: at whichever limit comes first."""

    evaluations: Count | None = Field(default=None, description="number of evaluations, repeated readings included")
    hours: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="wall-clock hours")
    usd: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="US dollars for language models; never exceeded"
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.evaluations is None and self.hours is None:
            raise ValueError("needs `evaluations`, `hours` or both, or the search would never end")
        return self


class StopConfig(Section):
    """When to stop before the budget is spent: at whichever comes first."""

    target: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="a score that is good enough; the champion's mean must be better by its standard error",
    )
    plateau: Count | None = Field(
        default=None,
        description="evaluations without a significant gain, during which an expedition found nothing",
    )
    alarm: Literal["stop", "go", "off"] = Field(
        default="go",
        description="when the hold-out confirms clearly less than half of a gain: go back to where it agrees, then "
        "`stop` or `go` on; `off`: only report it at the end",
    )


class CheckInConfig(Section):
    """When to pause and ask a person. Short forms of this section: `every 20`, `at alarm`."""

    every: Count | None = Field(
        default=None, description="evaluations between two check-ins; absent: only at the alarm"
    )
    wait: str | None = Field(
        default=None,
        pattern=_WAIT,
        description="go on without an answer after `90 s`, `10 min`, `2 h`; absent: wait for one",
    )
    show: int = Field(default=3, strict=True, ge=1, le=20, description="number of finalists to show")

    @property
    def seconds(self) -> float | None:
        """What `wait` says."""
        if self.wait is None:
            return None
        amount, unit = self.wait.split()
        return float(amount) * {"s": 1, "min": 60, "h": 3600}[unit]

    @model_validator(mode="before")
    @classmethod
    def _short(cls, said: Any) -> Any:
        if not isinstance(said, str):
            return said
        words = said.split()
        if words == ["at", "alarm"]:
            return {}
        if len(words) == 2 and words[0] == "every" and words[1].isdigit():
            return {"every": int(words[1])}
        raise ValueError("expected `every 20`, `at alarm`, or the keys every, wait and show")

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: Any) -> dict[str, Any]:
        made: dict[str, Any] = handler(core)
        return {"anyOf": [{"type": "string", "pattern": "^(every [1-9][0-9]*|at alarm)$"}, made]}


class ConfirmConfig(Section):
    """The final score, on fresh seeds."""

    seeds: int = Field(
        default=5,
        strict=True,
        ge=0,
        description="fresh seeds on which champion and seed variant are scored again; 1 is enough for `kind: reader`",
    )


def _slots(value: Any, before: Mapping[str, Any]) -> Any:
    if value != "auto":
        return value
    threads, each = before.get("threads", 1), before.get("gpus_per_job", 0.0)
    if before.get("kind") == "ray":
        from wolf.machines import cluster

        return cluster.width(before.get("address") or "auto", threads, each)
    return here.width(threads, each)


def _divides(value: float) -> float:
    if value and not (value if value >= 1 else 1 / value).is_integer():
        raise ValueError("must be a whole number of GPUs, or a share that divides one: 0.5, 0.25")
    return value


class WorkersConfig(Section):
    """Where evaluations run, and how many at the same time.

    `slots: auto` is as many as there are GPUs for, or cores if the judge needs no GPU. It is settled when the
    configuration is read.
    """

    kind: Literal["local", "ray"] = Field(default="local", description="`local`: this machine; `ray`: a Ray cluster")
    address: str | None = Field(
        default=None, description="address of the Ray cluster; `auto`, the default: the one that this machine is in"
    )
    threads: Count = Field(default=1, description="CPU threads per evaluation")
    gpus_per_job: Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_divides)] = Field(
        default=0.0,
        description="GPUs per evaluation; 0.5: two evaluations share one. Default: 1 if the judge needs a GPU, else 0",
    )
    memory_gb: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="memory per evaluation; default: an equal share of 90 % of the machine's",
    )
    pin: bool = Field(default=False, description="bind each evaluation to `threads` cores of its own (Linux)")
    slots: Annotated[int, WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]})] = Field(
        default=cast(Any, "auto"),
        validate_default=True,
        strict=True,
        ge=1,
        description="number of evaluations at the same time",
    )
    sandbox: Literal["auto", "bubblewrap", "docker", "landlock"] = Field(
        default="auto", description="the sandbox that candidates run in; `auto`: bubblewrap, or else Landlock"
    )

    @field_validator("slots", mode="before")
    @classmethod
    def _auto(cls, value: Any, info: ValidationInfo) -> Any:
        return _slots(value, info.data)

    @model_validator(mode="after")
    def _belongs(self) -> Self:
        if self.kind == "local" and self.address is not None:
            raise ValueError("address is for kind: ray")
        if self.kind == "ray" and self.pin:
            raise ValueError("pin is for kind: local; Ray says how many cores a job has, not which")
        if self.pin and not hasattr(os, "sched_setaffinity"):
            raise ValueError("pin needs Linux; leave it out")
        if self.kind == "local" and self.slots > (most := here.most()):
            raise ValueError(f"{self.slots} slots share this machine's memory, and {most} at most get enough to start")
        return self
