"""Orders: what a person may tell a running run, checked.

An order is a JSON object with `order` and the fields of that order, e.g. `{"order": "veto", "variant": "3f2a"}`; see
docs/steering.md. Whether its variants exist is for the run to say (`wolf.control.steering`).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

MEMO = 100_000  # characters
LINE = 2_000  # characters
FILE = 2_000_000  # characters


class OrderError(ValueError):
    """What was told is no order, or cannot be obeyed. The message is one sentence."""


def _one_line(text: str) -> str:
    if not (flat := " ".join(text.split())):
        raise ValueError("it is empty")
    return flat


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    return text


Name = Annotated[str, Field(min_length=1, max_length=100)]  # a variant: `best`, `seed`, an id or the beginning of one
Sentence = Annotated[str, Field(max_length=LINE), AfterValidator(_one_line)]


class Order(BaseModel):
    """Base of all orders. `by` says who gave it, in a word: `terminal`, `dashboard`, a name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str = Field(default="", max_length=40)


class Pause(Order):
    """Ask for no new evaluation until `go`."""

    order: Literal["pause"]


class Go(Order):
    """Go on after a pause or a check-in; with `checkin`, only if that one is still open."""

    order: Literal["go"]
    checkin: int | None = Field(default=None, ge=1)


class StopOrder(Order):
    """End the process after the evaluations under way, or `now`; the run can be resumed."""

    order: Literal["stop"]
    now: bool = False


class Finish(Order):
    """The search is good enough: confirm, sum up and end."""

    order: Literal["finish"]


class Memo(Order):
    """A new memo for language models, instead of the one that there is."""

    order: Literal["memo"]
    text: Annotated[str, Field(max_length=MEMO), AfterValidator(_said)]


class Instruction(Order):
    """One more line for the memo: what to look for, what is off limits."""

    order: Literal["instruction"]
    text: Sentence


class Veto(Order):
    """Never a parent, incumbent or champion: the variant and its line, or it `alone`."""

    order: Literal["veto"]
    variant: Name
    alone: bool = False


class Pin(Order):
    """A parent for as long as the run lasts, whatever the pool says."""

    order: Literal["pin"]
    variant: Name


class Free(Order):
    """Neither vetoed nor pinned any more."""

    order: Literal["free"]
    variant: Name


class Inject(Order):
    """A variant of the person's own, evaluated next. Files that are not given are those of `parent`."""

    order: Literal["inject"]
    files: dict[str, Annotated[str, Field(max_length=FILE)]] = Field(min_length=1)
    parent: Name = "seed"
    note: str = Field(default="", max_length=200)


class Vote(Order):
    """People compared two texts: `better` was preferred to `worse` by so many of them."""

    order: Literal["vote"]
    better: Name
    worse: Name
    people: int = Field(default=1, ge=1, le=1000)


class Budget(Order):
    """So many evaluations, hours or dollars in all, instead of what the run was started with; the others stay."""

    order: Literal["budget"]
    evaluations: int | None = Field(default=None, ge=1)
    hours: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.limits:
            raise ValueError("it names neither evaluations nor hours nor dollars (usd)")
        return self

    @property
    def limits(self) -> dict[str, float]:
        """Those that it names."""
        named = {"evaluations": self.evaluations, "hours": self.hours, "usd": self.usd}
        return {name: many for name, many in named.items() if many is not None}


class Answer(Order):
    """The answer to a check-in: several orders that are obeyed all or not at all, and then it goes on."""

    order: Literal["answer"]
    checkin: int = Field(ge=1)
    orders: list[dict[str, Any]] = Field(default_factory=list, max_length=100)

    def parts(self) -> list[AnyOrder]:
        """The orders, and the `go` at the end.

        Raises:
            OrderError: if one of them is none.
        """
        made = [check({"by": self.by, **data}) for data in self.orders]
        if any(isinstance(part, Answer) for part in made):
            raise OrderError("answer: an answer holds no other answer")
        return [*made, Go(order="go", checkin=self.checkin, by=self.by)]


AnyOrder = Pause | Go | StopOrder | Finish | Memo | Instruction | Veto | Pin | Free | Inject | Vote | Budget | Answer
KINDS = ("pause", "go", "stop", "finish", "memo", "instruction", "veto", "pin", "free", "inject", "vote", "budget",
         "answer")  # fmt: skip
_ADAPTER: TypeAdapter[AnyOrder] = TypeAdapter(Annotated[AnyOrder, Field(discriminator="order")])


def read(text: str) -> AnyOrder:
    """The order in a JSON text.

    Raises:
        OrderError: if there is none.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise OrderError('it is not JSON; an order looks like {"order": "pause"}') from None
    return check(data)


def check(data: Any) -> AnyOrder:
    """The order that plain data describe.

    Raises:
        OrderError: if they describe none.
    """
    if not isinstance(data, dict) or data.get("order") not in KINDS:
        named = data.get("order") if isinstance(data, dict) else None
        found = f"{named!r:.40} is no order" if named is not None else "it names no order"
        raise OrderError(f"{found}; `order` is one of {', '.join(KINDS)}")
    try:
        return _ADAPTER.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"][1:])
        raise OrderError(": ".join(filter(None, (data["order"], where[:60], _plain(first))))) from None


def _plain(error: Any) -> str:
    """What pydantic says, in our words where it has odd ones."""
    words = {"missing": "is needed", "extra_forbidden": "is no field of this order"}
    said: str = words.get(error["type"], error["msg"].removeprefix("Value error, "))
    return said[:1].lower() + said[1:]
