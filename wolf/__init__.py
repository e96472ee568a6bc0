"""Auto Wolf: evolve code or text against any measure, past the local minimum, and know what is noise.

The command line is `wolf`. From Python:

    config = wolf.load_config("configs/knobs.yaml")
    run = wolf.load_run("runs/knobs-1121-184012")

Names are imported when they are first used, so that `import wolf` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from judges.base import Context, Judge, JudgeConfig, JudgeError
    from population.evaluation import Estimate, Evaluation, Goal, Status
    from population.variant import Variant
    from wolf.reading.records import load_run
    from wolf.settings.config import Config
    from wolf.settings.config import load as load_config

_WHERE = {
    "Config": "wolf.settings.config:Config",
    "Context": "judges.base:Context",
    "Estimate": "population.evaluation:Estimate",
    "Evaluation": "population.evaluation:Evaluation",
    "Goal": "population.evaluation:Goal",
    "Judge": "judges.base:Judge",
    "JudgeConfig": "judges.base:JudgeConfig",
    "JudgeError": "judges.base:JudgeError",
    "Status": "population.evaluation:Status",
    "Variant": "population.variant:Variant",
    "load_config": "wolf.settings.config:load",
    "load_run": "wolf.reading.records:load_run",
}

__all__ = [
    "Config",
    "Context",
    "Estimate",
    "Evaluation",
    "Goal",
    "Judge",
    "JudgeConfig",
    "JudgeError",
    "Status",
    "Variant",
    "load_config",
    "load_run",
    "version",
]


def version() -> str:
    """The installed version; `0+checkout` where it is not installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("auto-wolf")
    except PackageNotFoundError:
        return "0+checkout"


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'wolf' has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return [*__all__]
