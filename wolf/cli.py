"""The command line: names, one line about each, and where errors become sentences.

A command is imported when it is called, so that `wolf --help` needs nothing but click. Exit codes: 0 done, 2 wrong
usage or configuration, 3 this machine cannot do it, 75 busy, 130 stopped by Ctrl-C or an
order, 143 by SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

import click

from wolf import _guard, misuse
from wolf.errors import WolfError

# Before numpy is imported: with several threads sums differ in their last digits, and one seed would lead elsewhere
# on another machine. And the cores belong to the candidates, whose threads `workers.threads` sets.
os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

GROUPS = {  # heading of `--help` -> name -> where the command is, and what it does
    "Search": {
        "init": ("wolf.commands.init:command", "create a small project to start from"),
        "check": ("wolf.commands.check:command", "check a configuration and say what a run would do and cost"),
        "run": ("wolf.commands.running:run", "start a run: search until the budget is spent"),
        "resume": ("wolf.commands.running:resume", "continue a run that was stopped or killed"),
        "compare": ("wolf.compare.command:command", "compare search strategies on the same problem"),
    },
    "Steer": {
        "tell": ("wolf.commands.tell:command", "give a run orders: pause, go, veto, pin, memo, inject, ..."),
        "serve": ("wolf.serve.command:serve", "watch and steer runs in a browser"),
    },
    "Look at a run": {
        "runs": ("wolf.commands.runs:runs", "list the runs in a folder, and what they found"),
        "top": ("wolf.commands.reading:top", "list the best variants of a run"),
        "show": ("wolf.commands.reading:show", "show one variant: its files, readings and descent"),
        "diff": ("wolf.commands.reading:diff", "show what changed between two variants"),
        "tree": ("wolf.commands.reading:tree", "show which variant descends from which"),
        "report": ("wolf.report:report", "write a report of a run: one HTML page"),
        "export": ("wolf.commands.export:export", "export tables, git commits or the champion's files"),
        "audit": ("wolf.commands.audit:command", "score the champion of a finished run again"),
    },
    "Texts and their judges": {
        "finalists": ("wolf.commands.finalists:command", "show the best texts of a run side by side"),
        "duel": ("wolf.commands.duel:command", "let people compare two texts of a run, blind"),
        "calibrate": ("wolf.commands.calibrate:command", "measure judges of texts against what people chose"),
        "train-reader": ("wolf.commands.train_reader:command", "train a reader model on your own A/B tests"),
    },
    "Set up and repair": {
        "doctor": ("wolf.commands.doctor:command", "say what works on this machine, and what does not"),
        "recover": ("wolf.commands.chores:recover", "rescue what is intact in a damaged ledger"),
        "schema": ("wolf.commands.chores:schema", "print the JSON schema of the configuration, for editors"),
        "dev": ("wolf.dev.command:dev", "tools for developers of Auto Wolf"),
    },
}
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}


class Wolf(click.Group):
    """Imports commands when they are called, and prints errors as sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of `--help`."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """What stands before the command."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            _refuse(error)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggests the nearest name for an unknown one."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean `wolf {near[0]}`?" if near else "`wolf --help` lists them all"
            ctx.fail(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The lists for `--help`, without importing any of them."""
        wide = max(map(len, COMMANDS))
        for heading, group in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(wide), about) for name, (_, about) in group.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what a person can put right is one sentence and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # before or after a search, which has its own way of stopping
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one is answered already
            ctx.exit(130)
        except click.UsageError as error:
            _refuse(error)
        except Exception as error:
            code = exit_code(error)
            if code is None or ctx.params.get("debug"):
                raise
            click.echo(sentence(error), err=True)
            ctx.exit(code)


def _refuse(error: click.UsageError) -> NoReturn:
    """End with a sentence about a command line that cannot be understood; help that was asked for is no refusal."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        raise error
    click.echo(misuse.sentence(error), err=True)
    raise click.exceptions.Exit(error.exit_code)


def sentence(error: Exception) -> str:
    """What a person reads of it; of what the system refuses, which file, and why, without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot use {error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def exit_code(error: Exception) -> int | None:
    """The exit code of an error that is meant for the user; None for a bug of ours."""
    if isinstance(error, WolfError):
        return error.exit_code
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return 3  # a folder that may not be written, a disk that is full
    base = sys.modules.get("judges.base")  # if nobody has imported it, nobody has raised its error
    return 3 if base is not None and isinstance(error, base.JudgeError) else None


@click.command(cls=Wolf, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="auto-wolf", message="Auto Wolf %(version)s")
def main(debug: bool) -> None:
    """Evolve code or text against any measure, and know what is noise.

    Start with `wolf run knobs`, a small example that takes seconds, or create a project of your own with `wolf init`.
    """
    _guard.check_sisters()
