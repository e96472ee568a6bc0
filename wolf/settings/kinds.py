"""Which judges there are: ours by name, others by entry point, each imported only when a configuration asks for it.

Another package adds one with the entry point group `wolf.judges`: the name is its `kind`, the object a
`judges.base.JudgeConfig` with a field `kind: Literal[name]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from judges.base import JudgeConfig
from wolf.errors import SetupError

OURS = {
    "command": "judges.command:CommandJudge",
    "function": "judges.function:FunctionJudge",
    "panel": "judges.panel:PanelJudge",
    "reader": "judges.reading:ReaderJudge",
    "training": "judges.training:TrainingJudge",
}


@cache
def theirs() -> Mapping[str, EntryPoint]:
    """The judges of other packages; none can take the name of one of ours."""
    return {point.name: point for point in entry_points(group="wolf.judges") if point.name not in OURS}


def names() -> list[str]:
    """All kinds that can be asked for."""
    return [*OURS, *sorted(theirs())]


def find(kind: str) -> type[JudgeConfig]:
    """The judge class of a kind in `names()`.

    Raises:
        SetupError: if its package is broken.
    """
    try:
        if kind in theirs():
            found = theirs()[kind].load()
        else:
            module, _, name = OURS[kind].partition(":")
            found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SetupError(f"the judge {kind!r} cannot be imported: {error}; reinstall its package") from error
    if not (isinstance(found, type) and issubclass(found, JudgeConfig)):
        raise SetupError(f"the judge {kind!r} is not a judges.base.JudgeConfig; tell the authors of its package")
    return found


def build(value: Any) -> JudgeConfig:
    """The judge that the mapping under `judge:` describes; a pydantic `ValidationError` says what is wrong with it."""
    if isinstance(value, JudgeConfig):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("mapping_type", "expected keys such as `kind: command` below it")
    kind = value.get("kind")
    if kind not in names():
        problem: InitErrorDetails = {"type": "missing", "loc": ("kind",), "input": value}
        if kind is not None:
            expected = " or ".join(repr(name) for name in names())
            unknown = PydanticCustomError("literal_error", "unknown kind", {"expected": expected})
            problem = {"type": unknown, "loc": ("kind",), "input": kind}
        raise ValidationError.from_exception_data("judge", [problem])
    return find(kind).model_validate(value)


def dump(judge: JudgeConfig) -> dict[str, Any]:
    """Plain JSON data from which `build` makes the same judge again."""
    return judge.model_dump(mode="json")
