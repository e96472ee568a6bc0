"""The configuration of a run: what a person writes in the YAML, checked.

`load` reads a file or a preset, puts `extends` below and `key=value` arguments on top, and reports all mistakes at
once. Relative paths start from the folder of the file they are written in, those of the command line from the current
directory; `runs` always from the current directory. A `Config` is frozen, and `to_dict` is plain JSON from which
`from_dict` builds the same again on the same machine: that is what the ledger keeps and resume reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, cast

from pydantic import (
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)

from judges.base import Judge
from wolf.errors import ConfigError, UsageError
from wolf.llm import models
from wolf.llm.models import LLMConfig
from wolf.settings import complaints, kinds, meanings, shipped, target, yamlfile
from wolf.settings.sections import (
    BudgetConfig,
    CheckInConfig,
    ConfirmConfig,
    SearchConfig,
    Section,
    StopConfig,
    TargetConfig,
    WorkersConfig,
)
from wolf.settings.yamlfile import Document, Text


class Config(Section):
    """Everything a run needs to know."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="name of the run; its folder is called after it"
    )
    target: TargetConfig
    judge: Annotated[Judge, PlainValidator(kinds.build), PlainSerializer(kinds.dump)]
    search: SearchConfig = SearchConfig()
    budget: BudgetConfig
    stop: StopConfig = StopConfig()
    check_in: CheckInConfig | None = Field(default=None, description="pause and ask a person; absent: never")
    confirm: ConfirmConfig = Field(default_factory=cast(Any, dict), validate_default=True)
    llm: LLMConfig | None = Field(default=None, description="language models that propose; needs `budget: usd:`")
    workers: WorkersConfig = Field(default_factory=cast(Any, dict), validate_default=True)
    runs: str = Field(
        default="runs", min_length=1, description="the folder for run folders, relative to the current directory"
    )

    @field_validator("confirm")
    @classmethod
    def _once(cls, value: ConfirmConfig, info: ValidationInfo) -> ConfirmConfig:
        varies = getattr(info.data.get("judge"), "varies", True)
        return value if varies else ConfirmConfig(seeds=min(value.seeds, 1))  # it would say the same again

    @field_validator("llm")
    @classmethod
    def _ceiling(cls, value: LLMConfig | None, info: ValidationInfo) -> LLMConfig | None:
        if value is not None and (budget := info.data.get("budget")) is not None and budget.usd is None:
            raise ValueError("needs a ceiling: add `usd:` below budget: (0 is enough for models that are free)")
        return value

    @field_validator("workers", mode="before")
    @classmethod
    def _gpus(cls, value: Any, info: ValidationInfo) -> Any:
        """A GPU per job if the judge needs one and nothing else is said."""
        if isinstance(value, Mapping) and getattr(info.data.get("judge"), "gpu", False):
            return {"gpus_per_job": 1.0, **value}
        return value

    @field_validator("workers")
    @classmethod
    def _reachable(cls, value: WorkersConfig, info: ValidationInfo) -> WorkersConfig:
        if value.kind == "ray" and getattr(info.data.get("judge"), "kind", "") == "panel":
            raise ValueError("a panel asks models and computes nothing: use kind: local")
        return value

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data, every default spelt out."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Config:
        """The configuration that `to_dict` described.

        Raises:
            ConfigError: if this version cannot read it.
        """
        return _validated(Document(data))


def load(name: str, overrides: Sequence[str] = ()) -> Config:
    """The configuration in the file or preset `name`, with `a.b=value` arguments on top.

    Raises:
        ConfigError: naming every mistake; files that are not there are mistakes too.
        UsageError: if there is no such file or preset.
    """
    path = shipped.find(name)
    document = _extended(path)
    document.data.setdefault("name", re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-") or "run")
    for assignment in overrides:
        document = document.under(yamlfile.override(assignment))
    config = _validated(document)
    found = [*target.problems(config.target), *models.problems(config.llm), *models.missing(config.judge, config.llm)]
    if found:
        raise ConfigError([document.problem(keys, sentence) for keys, sentence in found])
    return config


def schema() -> dict[str, Any]:
    """The JSON schema of the YAML file, with the judges that come with Auto Wolf."""
    union: Any = Annotated[Union[*map(kinds.find, kinds.OURS)], Field(discriminator="kind")]
    made = create_model("Config", __base__=Config, judge=(union, ...)).model_json_schema()
    made["properties"] = {"extends": {"type": "string", "description": "a preset or YAML file to start from"},
                          **made["properties"]}  # fmt: skip
    required = [key for key in made.pop("required") if key != "name"]  # the file's name is its default
    made["anyOf"] = [{"required": ["extends"]}, {"required": required}]
    return meanings.spread(made)


def _extended(path: Path, seen: tuple[Path, ...] = ()) -> Document:
    made = yamlfile.read(path)
    base = made.data.pop("extends", None)
    if base is None:
        return made
    if not isinstance(base, Text):
        raise ConfigError([made.problem(("extends",), "expected the name of a preset or a path")])
    try:
        below = shipped.find(base, base.folder)
    except UsageError as error:
        raise ConfigError([made.problem(("extends",), str(error))]) from None
    if below.resolve() in (*seen, path.resolve()):
        raise ConfigError([made.problem(("extends",), f"{base} extends this file in turn")])
    return _extended(below, (*seen, path.resolve())).under(made)


def _validated(document: Document) -> Config:
    try:
        config = Config.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError([*document.problems, *complaints.of(error, document, Config)]) from None
    if document.problems:
        raise ConfigError(document.problems)
    return config
