"""`wolf check`: is the configuration right, and what would a run of it do, take and leave behind."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from population.knobs import Knob
    from population.literals import Value
    from wolf.config import Config


@dataclass(frozen=True, slots=True)
class KnobLine:
    """One knob: its value in the seed variant and what it may become."""

    name: str
    value: Value
    range: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    Attributes:
        name: the run's name.
        root: where the target is on this machine.
        files: editable file -> its number of lines.
        knobs: what can be turned in them.
        judge: the judge's kind.
        metric: what it measures.
        goal: which way is better.
        evaluations: the budget; None without one.
        hours: the budget in wall-clock hours; None without one.
        fresh: evaluations on fresh seeds after the search.
        slots: evaluations at the same time.
        seconds_each: what one evaluation takes at most; None if the judge does not say.
        seconds: what the whole run takes at most; None if that is not known.
        runs: the folder that the run's own folder goes into, absolute.
        config: the resolved configuration.
    """

    name: str
    root: str
    files: dict[str, int]
    knobs: tuple[KnobLine, ...]
    judge: str
    metric: str
    goal: str
    evaluations: int | None
    hours: float | None
    fresh: int
    slots: int
    seconds_each: float | None
    seconds: float | None
    runs: str
    config: dict[str, Any]


def plan(config: Config) -> Plan:
    """What a run of this configuration would do; raises `ConfigError` if a file cannot be read."""
    from pathlib import Path

    from population.genome import Genome
    from population.knobs import Space
    from wolf.target import Target

    target = Target.of(config.target)
    files = target.seed().files
    space = Space.of(files, config.target.knobs)
    values = Genome.of(files, space).values
    fresh = 2 * config.confirm.seeds  # champion and seed
    data = config.to_dict()
    config.judge.check(target.root)
    return Plan(
        name=config.name,
        root=str(target.root),
        files={file: len(text.splitlines()) for file, text in files.items()},
        knobs=tuple(KnobLine(name, values[name], _range(space[name])) for name in space.names if name in values),
        judge=data["judge"]["kind"],
        metric=config.judge.name,
        goal=config.judge.goal.value,
        evaluations=config.budget.evaluations,
        hours=config.budget.hours,
        fresh=fresh,
        slots=config.workers.slots,
        seconds_each=config.judge.seconds_each,
        seconds=_total(
            config.budget.evaluations, config.budget.hours, fresh, config.workers.slots, config.judge.seconds_each
        ),
        runs=str(Path(config.runs).absolute()),
        config=data,
    )


def _total(evaluations: int | None, hours: float | None, fresh: int, slots: int, each: float | None) -> float | None:
    """Seconds at most; None if nothing bounds it."""
    bounds = [3600 * hours] if hours is not None else []
    if evaluations is not None and each is not None:
        bounds.append(math.ceil(evaluations / slots) * each)
    if not bounds or (fresh and each is None):
        return None
    return min(bounds) + math.ceil(fresh / slots) * (each or 0)


def _range(knob: Knob) -> str:
    if knob.choices:
        return " | ".join(str(choice) for choice in knob.choices)
    return f"{knob.low:g} .. {knob.high:g}{' log' if knob.log else ''}"


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _print(plan: Plan, command: str) -> None:
    search = plan.config["search"]
    files = ", ".join(f"{file} ({lines} lines)" for file, lines in plan.files.items())
    limits = [f"{plan.evaluations} evaluations"] if plan.evaluations else []
    limits += [f"{plan.hours:g} hours"] if plan.hours else []
    stop = " or ".join(limits) + (f", then {plan.fresh} more on fresh seeds" if plan.fresh else "")
    threads = plan.config["workers"]["threads"]
    take = "unknown: the judge sets no time limit"
    if plan.seconds is not None:
        take = f"at most {_duration(plan.seconds)}"
        take += f" (one evaluation at most {_duration(plan.seconds_each)})" if plan.seconds_each else ""
    click.echo(f"{click.style(plan.name, bold=True)}: the configuration is right; `{command}` would")
    for what, text in (
        ("evolve", f"{files} in {plan.root}"),
        ("judge by", f"{plan.judge}: {plan.metric}, {'lower' if plan.goal == 'minimize' else 'higher'} is better"),
        ("search", f"{search['strategy']}, {search['mode']} mode, seed {search['seed']}"),
        ("stop after", stop),
        ("use", f"{plan.slots} worker{'s'[: plan.slots != 1]} of {threads} thread{'s'[: threads != 1]}"),
        ("take", take),
        ("write to", f"{plan.runs}/{plan.name}-*"),
    ):
        click.echo(f"  {what:<11} {text}")
    if not plan.knobs:
        click.echo("  no knobs were found: only the structure of the files can change")
        return
    width = max(len(knob.name) for knob in plan.knobs)
    now = max(len(str(knob.value)) for knob in plan.knobs)
    click.echo(f"\n  {len(plan.knobs)} knob{'s'[: len(plan.knobs) != 1]}")
    for knob in plan.knobs:
        click.echo(f"    {knob.name:<{width}}  {knob.value!s:>{now}}   {knob.range}")


@click.command()
@click.argument("config")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object.")
@click.pass_context
def command(ctx: click.Context, config: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check CONFIG (a YAML file, or the name of a preset) and say what a run of it would do, take and leave behind.

    KEY=VALUE arguments go on top of the file: `budget.evaluations=20`.
    """
    from wolf.config import load
    from wolf.errors import ConfigError, UsageError

    try:
        found = plan(load(config, overrides))
    except UsageError as error:
        if not as_json:
            raise
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        click.echo(json.dumps({"ok": False, "problems": [*problems]}))
        ctx.exit(error.exit_code)
    if as_json:
        click.echo(json.dumps({"ok": True, **asdict(found)}))
    else:
        _print(found, " ".join(["wolf run", config, *overrides]))
