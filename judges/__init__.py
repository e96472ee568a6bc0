"""How a variant is scored. Judges know variants and evaluations, and nothing of the engine that calls them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judges.base import Context as Context
    from judges.base import Judge as Judge
    from judges.base import JudgeConfig as JudgeConfig
    from judges.base import JudgeError as JudgeError
    from judges.command import CommandJudge as CommandJudge
    from judges.function import FunctionJudge as FunctionJudge
    from judges.training import TrainingJudge as TrainingJudge

_HOMES = {
    "Context": "judges.base",
    "Judge": "judges.base",
    "JudgeConfig": "judges.base",
    "JudgeError": "judges.base",
    "CommandJudge": "judges.command",
    "FunctionJudge": "judges.function",
    "TrainingJudge": "judges.training",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that nobody pays for judges they do not use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
