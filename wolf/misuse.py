"""What is wrong with a command line, in one sentence like those of all other errors: what was expected, what to do."""

from __future__ import annotations

import re
from difflib import get_close_matches

import click

EXTRA = re.compile(r"unexpected extra arguments? \((?P<words>.*)\)")
COMMANDLESS = re.compile(r"Missing command|No such command")
OVERRIDES = "overrides"  # the argument of all commands that take keys of the YAML file


def sentence(error: click.UsageError) -> str:
    """Without click's lines about usage; its own words where there are none better."""
    match error:
        case click.MissingParameter():
            return _missing(error)
        case click.BadParameter():
            return _value(error)
        case click.NoSuchOption():
            return _option(error)
        case click.BadOptionUsage():
            return f"{error.option_name}: expected a value behind it"
    if extra := EXTRA.search(error.message):
        return f"there is no place for `{extra['words']}`: expected {_usage(error.ctx)}"
    if COMMANDLESS.match(error.message):
        return f"{_small(error.message)}: {_help(error.ctx)} lists them all"
    return _small(error.message)


def _small(said: str) -> str:
    return said[:1].lower() + said[1:].rstrip(".")


def _missing(error: click.MissingParameter) -> str:
    if isinstance(error.param, click.Option):
        return f"{_name(error.param)} is missing: {_help(error.ctx)} says what it takes"
    return f"{_name(error.param)} is missing: expected {_usage(error.ctx)}"


def _name(param: click.Parameter | None) -> str:
    return "a value" if param is None else param.opts[0] if param.opts[0][:1] == "-" else param.human_readable_name


def _help(ctx: click.Context | None) -> str:
    return f"`{ctx.command_path if ctx else 'wolf'} --help`"


def _usage(ctx: click.Context | None) -> str:
    if ctx is None:
        return "what `wolf --help` says"
    pieces = [piece for piece in ctx.command.collect_usage_pieces(ctx) if piece != "[OPTIONS]"]
    return f"`{' '.join([ctx.command_path, *pieces])}`; {_help(ctx)} says more"


def _option(error: click.NoSuchOption) -> str:
    near = get_close_matches(error.option_name, error.possibilities or (), 1)
    hint = f"did you mean {near[0]}?" if near else f"{_help(error.ctx)} lists those that there are"
    keys = error.ctx is not None and any(param.name == OVERRIDES for param in error.ctx.command.params)
    hint += "; keys of the file have no dashes: `budget.evaluations=20`" if keys else ""
    return f"there is no option {error.option_name}; {hint}"


def _value(error: click.BadParameter) -> str:
    """What was expected of an option or argument, and what came."""
    kind = error.param.type if error.param else None
    if isinstance(kind, click.Choice):
        wanted = f"one of {', '.join(map(str, kind.choices))}"
    elif isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        low, high = getattr(kind, "min", None), getattr(kind, "max", None)
        least = "" if low is None else f"{'more than' if getattr(kind, 'min_open', False) else 'at least'} {low}"
        bounds = " and ".join(filter(None, (least, "" if high is None else f"at most {high}")))
        wanted = "a whole number" if isinstance(kind, click.types.IntParamType) else "a number"
        wanted += f" of {bounds}" if bounds else ""
    else:  # a file that is not there, is a folder, cannot be read: its name is in what click says
        said = _small(error.message)
        return said if isinstance(kind, click.Path) else f"{_name(error.param)}: {said}"
    return f"{_name(error.param)}: expected {wanted}, found {error.message.partition(' is not ')[0]}"
