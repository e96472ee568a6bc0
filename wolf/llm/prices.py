"""What a call costs, and what it can cost at most. A price that nobody knows is an error, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from judges.llm import Prompt, Usage

MILLION = 1_000_000
FRAMING = 512  # tokens that a request may have beyond the bytes of its texts: roles, separators, schema scaffolding

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _follows(about: str) -> Any:
    """A price that `Rate` works out where it is left out."""
    return Field(default=-1.0, description=about, json_schema_extra=_without_default)


def _without_default(said: dict[str, Any]) -> None:
    del said["default"]


class Rate(BaseModel):
    """US dollars per million tokens; cache prices follow from `input` where they are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Dollars = Field(description="price of input tokens")
    output: Dollars = Field(description="price of output tokens, thinking included")
    cache_write: Dollars = _follows("price of writing to the cache for minutes; default: 1.25 times `input`")
    cache_write_hour: Dollars = _follows("price of writing to the cache for an hour; default: twice `input`")
    cache_read: Dollars = _follows("price of reading from the cache; default: a tenth of `input`")

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: object) -> object:
        if not isinstance(data, Mapping) or not isinstance(base := data.get("input"), int | float):
            return data
        usual = {"cache_write": 1.25 * base, "cache_write_hour": 2.0 * base, "cache_read": 0.1 * base}
        return {**usual, **data}

    def cost(self, usage: Usage) -> float:
        """Dollars for what was used."""
        return (
            usage.input * self.input
            + usage.output * self.output
            + usage.cache_write * self.cache_write
            + usage.cache_write_hour * self.cache_write_hour
            + usage.cache_read * self.cache_read
        ) / MILLION


class Long(Rate):
    """Other prices for prompts of more than `over` tokens."""

    over: int = Field(ge=0, description="length of the prompt in tokens above which these prices hold")


class Price(Rate):
    """The prices of one model."""

    long: Long | None = Field(default=None, description="prices for long prompts, if they differ")

    @model_validator(mode="after")
    def _dearer(self) -> Self:
        if self.long and (self.long.input < self.input or self.long.output < self.output):
            raise ValueError("`long` must not be cheaper than the usual price")
        return self

    def cost(self, usage: Usage) -> float:
        """Dollars for what was used."""
        prompt = usage.input + usage.cache_write + usage.cache_write_hour + usage.cache_read
        return self.long.cost(usage) if self.long and prompt > self.long.over else Rate.cost(self, usage)

    def worst(self, prompt: Prompt) -> float:
        """Dollars that no answer to this prompt can exceed.

        A token is at least one byte long, every input token may be written to the cache, and no reply is longer than
        `max_tokens`.
        """
        schema = len(str(prompt.schema)) if prompt.schema else 0
        size = len((prompt.system + prompt.user).encode("utf-8", "surrogatepass")) + schema + FRAMING
        rate = self.long if self.long and size > self.long.over else self
        dearest = max(rate.input, rate.cache_write, rate.cache_read)
        return (size * dearest + prompt.max_tokens * rate.output) / MILLION


FREE = Price(input=0, output=0)


@cache
def shipped() -> Mapping[str, Price]:
    """The price table that comes with Auto Wolf."""
    table = yaml.safe_load(Path(__file__).with_name("prices.yaml").read_text("utf-8"))
    return {name: Price.model_validate(said) for name, said in table.items()}
