"""The `llm:` section of a configuration, and the models it names: behind the Messages API, scripted or recorded.

    llm:
      models: [claude-sonnet-5-5, claude-haiku-5-5]

`script:FILE` answers with the texts of a file in turn, `replay:RUN` with the answers of a recorded run in their order;
both are free and take the same path as any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from judges.base import LocalPath
from wolf.errors import SetupError
from wolf.llm.prices import FREE, Price, shipped

if TYPE_CHECKING:
    from wolf.llm.client import Model

SCRIPT, REPLAY = "script:", "replay:"

Keys = tuple[str | int, ...]


def _beside(value: Any) -> Any:
    """Make the path in `script:` and `replay:` absolute, from the folder of the file it is written in."""
    folder = getattr(value, "folder", None)
    for prefix in (SCRIPT, REPLAY):
        if folder is not None and value.startswith(prefix):
            return prefix + os.path.abspath(Path(folder, Path(value.removeprefix(prefix)).expanduser()))
    return value


class ModelConfig(BaseModel):
    """One model. Keys that are left out are taken from `llm:`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, BeforeValidator(_beside), Field(min_length=1, description="its name in reports")]
    model: str | None = Field(default=None, description="its name in requests, if that is another")
    base_url: str | None = Field(default=None, description="address of a server that speaks the Messages API")
    effort: str | None = Field(default=None, description="thinking effort, `low` to `max`, if the model has it")
    max_tokens: int | None = Field(default=None, ge=1, description="longest reply in tokens, thinking included")
    extra_body: dict[str, Any] = Field(default_factory=dict, description="further fields of each request")
    headers: dict[str, str] = Field(default_factory=dict, description="further HTTP headers")

    @model_validator(mode="before")
    @classmethod
    def _called(cls, said: Any) -> Any:
        if isinstance(said, Mapping) and "name" not in said:
            raise ValueError("expected a model's name, or keys such as {name: claude-haiku-5-5, effort: low}")
        return said


_SOME = Field(min_length=1)


class LLMConfig(BaseModel):
    """Language models that propose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Annotated[tuple[ModelConfig, ...], _SOME] = Field(description="names, or mappings with a `name`")
    base_url: str | None = Field(default=None, description="address of a server that speaks the Messages API")
    prompts: LocalPath | None = Field(default=None, description="a folder with prompts that replace ours")
    share: float = Field(
        default=0.3, gt=0, lt=1, description="share of proposals at the beginning; a bandit adjusts it"
    )
    ideas: int = Field(default=4, ge=1, le=16, description="ideas per request")
    at_once: int = Field(default=2, ge=1, description="number of requests at the same time")
    max_tokens: int = Field(default=12_000, ge=1, description="longest reply in tokens, thinking included")
    seconds: float = Field(default=300.0, gt=0, description="wall-clock limit of a request")
    stream: bool = Field(default=True, description="`false` for servers that cannot stream")
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = Field(default=None, description="thinking effort")
    explain: int = Field(
        default=25, ge=0, description="evaluations between summaries of what was learnt; 0: no summaries"
    )
    prices: dict[str, Price] = Field(default_factory=dict, description="US dollars per million tokens, by model")
    extra_body: dict[str, Any] = Field(default_factory=dict, description="further fields of each request")
    headers: dict[str, str] = Field(default_factory=dict, description="further HTTP headers")

    @field_validator(
        "models",
        mode="before",
        json_schema_input_type=Annotated[tuple[Annotated[str, Field(min_length=1)] | ModelConfig, ...], _SOME],
    )
    @classmethod
    def _named(cls, value: Any) -> Any:
        return [{"name": item} if isinstance(item, str) else item for item in value] if isinstance(
            value, list | tuple) else value  # fmt: skip

    @field_validator("models")
    @classmethod
    def _different(cls, value: tuple[ModelConfig, ...]) -> tuple[ModelConfig, ...]:
        if len({model.name for model in value}) < len(value):
            raise ValueError("names the same model twice; give one a `name` of its own and its `model`")
        return value

    @property
    def address(self) -> str | None:
        """Where models without an address of their own are asked: as written, or as the environment has it now."""
        return self.base_url or os.environ.get("ANTHROPIC_BASE_URL") or None

    def price(self, name: str) -> Price | None:
        """What a model costs; None if nobody knows."""
        if name.startswith((SCRIPT, REPLAY)):
            return FREE
        return self.prices.get(name) or shipped().get(name)

    def length(self, name: str) -> int:
        """The longest reply that is asked of a model, in tokens."""
        return next(model.max_tokens for model in self.models if model.name == name) or self.max_tokens


def problems(config: LLMConfig | None) -> Iterator[tuple[Keys, str]]:
    """What stands below `llm:` and cannot work: the keys, and a sentence about each."""
    if config is None:
        return
    for index, model in enumerate(config.models):
        where = ("llm", "models", index)
        if config.price(model.name) is None:
            line = f"prices: {{{model.name}: {{input: 0, output: 0}}}}"
            yield where, (f"nobody knows what {model.name} costs: add the line `{line}` below llm:, with US dollars "
                          "per million tokens (0 for a model of your own)")  # fmt: skip
        if model.name.startswith(SCRIPT) and not Path(model.name.removeprefix(SCRIPT)).is_file():
            yield where, f"there is no file {model.name.removeprefix(SCRIPT)}"
        if model.name.startswith(REPLAY) and not (Path(model.name.removeprefix(REPLAY)) / "ledger.db").is_file():
            yield where, f"there is no run in {model.name.removeprefix(REPLAY)}"
    if config.prompts is not None:
        from wolf.llm import prompting

        for sentence in prompting.problems(config.prompts):
            yield ("llm", "prompts"), sentence


def missing(judge: object, config: LLMConfig | None) -> Iterator[tuple[Keys, str]]:
    """Judges that a panel asks and that nobody has named below `llm:`: the keys, and a sentence about each."""
    known = {model.name for model in config.models} if config else set()
    for key in ("judges", "holdout"):
        for index, name in enumerate(getattr(judge, key, ())):
            if name not in known and not name.startswith("reader:"):
                yield (
                    ("judge", key, index),
                    f"the panel asks {name}, which is no model below llm: models:; add it there",
                )


def build(config: LLMConfig) -> tuple[dict[str, Model], dict[str, Price]]:
    """The models by name, and their prices.

    Raises:
        SetupError: if there is no key for a model that needs one.
    """
    models = {model.name: _model(model, config) for model in config.models}
    prices = {name: price for name in models if (price := config.price(name)) is not None}
    return models, prices


def _model(model: ModelConfig, config: LLMConfig) -> Model:
    from wolf.llm.client import Remote, key
    from wolf.llm.recorded import Replay, Script

    if model.name.startswith(SCRIPT):
        return Script(Path(model.name.removeprefix(SCRIPT)))
    if model.name.startswith(REPLAY):
        return Replay(Path(model.name.removeprefix(REPLAY)))
    base_url = model.base_url or config.address
    if base_url is None and not (key() or os.environ.get("ANTHROPIC_AUTH_TOKEN")):
        raise SetupError(f"{model.name} needs a key: set ANTHROPIC_API_KEY, or point llm: base_url: at a server of "
                         "your own (docs/models.md)")  # fmt: skip
    return Remote(
        model.name,
        model=model.model,
        base_url=base_url,
        seconds=config.seconds,
        stream=config.stream,
        effort=model.effort or config.effort,
        extra_body={**config.extra_body, **model.extra_body},
        headers={**config.headers, **model.headers},
    )
