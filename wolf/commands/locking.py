"""Which sandbox a command uses: its options, and what a person is told when it is not the best there could be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from judges.cage import Level
    from wolf.settings.config import Config


def sandbox_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--sandbox` and `--unsafe-no-sandbox`, which arrive as `sandbox` and `unsafe`."""
    levels = click.Choice(["auto", "bubblewrap", "docker", "landlock", "none"])
    choice = click.option("--sandbox", type=levels, help="Sandbox for candidates; overrides the file.")
    none = click.option(
        "--unsafe-no-sandbox", "unsafe", is_flag=True, help="Run candidates without a sandbox, with all your rights."
    )
    return choice(none(command))


def choose_level(config: Config, wanted: str | None, unsafe: bool, quiet: bool) -> Level:
    """The level of a run, or of an audit; says on stderr what a better one would need.

    Args:
        config: of the run; `workers.sandbox` counts where nothing is wanted.
        wanted: what `--sandbox` said.
        unsafe: whether `--unsafe-no-sandbox` was said.
        quiet: say nothing of it, as the output is for machines.

    Raises:
        JudgeError: if it does not hold, if none holds and nobody accepts that, or if it hides a GPU that is needed.
    """
    from judges import sandbox
    from judges.base import JudgeError

    verdict = sandbox.choose(wanted or config.workers.sandbox, unsafe)
    if config.judge.gpu and (why := sandbox.blind(verdict.level)):
        raise JudgeError(why)
    if not quiet:
        for sentence in verdict.missing:
            click.echo(f"sandbox {verdict.level} holds, but not the stronger {sentence}", err=True)
        if why := sandbox.unlimited(verdict.level):
            click.echo(f"sandbox: {why}", err=True)
    return verdict.level
