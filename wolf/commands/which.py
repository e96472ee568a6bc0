"""How a person names a run on the command line: as an argument, with `--run`, or not at all (the latest)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from wolf.errors import UsageError
from wolf.reading.finding import find_run

_MEANT = __name__  # where a context keeps what `--run` said
_VARIANTS = ("best", "seed")

Command = TypeVar("Command", bound=Callable[..., Any])


def run_argument(command: Command) -> Command:
    """`[RUN]`, or `--run RUN`: the parameter `run` of a command that takes nothing else."""
    return _option(click.argument("run", required=False, callback=_said)(command))


def named_arguments(metavar: str) -> Callable[[Command], Command]:
    """Variants, then perhaps a run: the parameters `names` and `run`; see `named`."""

    def decorate(command: Command) -> Command:
        return _option(click.argument("names", nargs=-1, metavar=f"{metavar} [RUN]", callback=_split)(command))

    return decorate


def named(names: Sequence[str], *defaults: str) -> list[str]:
    """The variants that were named, from the left, with `defaults` for the others.

    Raises:
        UsageError: if more were named.
    """
    if len(names) > len(defaults):
        raise UsageError(f"`{names[len(defaults)]}` is no run, and {len(names)} variants are too many: see --help")
    return [*names, *defaults[len(names) :]]


def _option(command: Command) -> Command:
    said = "The same as RUN: a run directory, a folder of runs (the latest in it), or a name in ./runs."
    return click.option("--run", "-r", "_run", is_eager=True, expose_value=False, callback=_keep, help=said)(command)


def _keep(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    ctx.meta[_MEANT] = value


def _said(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    meant: str | None = ctx.meta[_MEANT]
    if value is not None and meant is not None:
        raise UsageError(f"two runs are named, {value} and {meant}: leave one of them out")
    return value if meant is None else meant


def _split(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    run = next((name for name in reversed(value) if _is_run(name)), None)
    ctx.params["run"] = _said(ctx, param, run)
    names = [*value]
    if run is not None:
        names.remove(run)
    return (*names,)


def _is_run(name: str) -> bool:
    """Whether a name is a run's rather than a variant's: a path is, and so is what lies in ./runs."""
    if name in _VARIANTS:
        return False
    if len(Path(name).parts) > 1:
        return True
    try:
        find_run(name)
    except UsageError:
        return False
    return True
