"""`wolf check`: is the configuration right, and what would a run of it do, take and leave behind."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wolf.reading.terminal import duration, line

if TYPE_CHECKING:
    from population.evaluation import Goal
    from population.genome import Genome
    from population.knobs import Knob, Space
    from population.literals import Value
    from wolf.estimate import Spending
    from wolf.settings.config import Config
    from wolf.settings.sections import BudgetConfig


COLONLESS = re.compile(r"#\s*knobs?\s+(\S+\s*\.\.\s*\S.*)")
RANGE = re.compile(r"(?:#|//|/\*|--|;)\s*knob:\s*(\S.*)")
ABSENT = "(only in templates)"


@dataclass(frozen=True, slots=True)
class KnobLine:
    """One knob: its value in the seed variant, what it may become, and whether only that value suggests so."""

    name: str
    value: Value
    range: str
    guessed: bool


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
        seconds_expected: what the whole run takes if evaluations take as long as usual; None if nobody knows.
        seconds: what the whole run takes at most; None if nobody knows.
        notes: what to know of the judge before believing its scores, of files that have no knobs because of a slip, of
            a judge that may be changed, and of workers that are too many.
        runs: the folder that the run's own folder goes into, absolute.
        spend: what its models will cost; None without any.
        config: the resolved configuration.
    """

    name: str
    root: str
    files: dict[str, int]
    knobs: tuple[KnobLine, ...]
    judge: str
    metric: str
    goal: Goal
    evaluations: int | None
    hours: float | None
    fresh: int
    slots: int
    seconds_each: float | None
    seconds_expected: float | None
    seconds: float | None
    notes: tuple[str, ...]
    runs: str
    spend: Spending | None
    config: dict[str, Any]


def _said(config: Config, files: Mapping[str, str]) -> set[str]:
    """The names of what somebody called a knob, in a comment or in the configuration."""
    from population.readers import read

    sites = [(path, site.name) for path, text in files.items() for site in read(path, text) if site.comment]
    return {*config.target.knobs, *(name for _, name in sites), *(f"{path}:{name}" for path, name in sites)}


def _unparsed(files: Mapping[str, str]) -> Iterator[str]:
    """Says of each file of Python that is none; its knobs cannot be found."""
    from population.literals import unparsed

    for name, text in files.items():
        if why := unparsed(name, text):
            yield f"{name}: this Python cannot read it ({why}), so it has no knobs"


def _colonless(files: Mapping[str, str]) -> Iterator[str]:
    """Says of comments that look like the range of a knob that they are none."""
    for name, text in files.items():
        for number, said in enumerate(text.splitlines(), 1):
            if slip := COLONLESS.search(said):
                wrong, right = line(slip[0]), line(slip[1])
                yield f"{name}, line {number}: `{wrong}` says nothing without a colon: write `# knob: {right}`"


def _idle(files: Mapping[str, str]) -> Iterator[str]:
    """Says of comments with the range of a knob that they stand behind none."""
    from population.readers import read

    for name, text in files.items():
        heard = {site.comment for site in read(name, text) if site.comment}
        for number, said in enumerate(text.splitlines(), 1):
            if (found := RANGE.search(said)) and not any(found[1].startswith(comment) for comment in heard):
                what = line(found[1], 40)
                yield f"{name}, line {number}: `knob: {what}` has no effect: no constant stands before it"


def _own_judge(judge: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[str]:
    """Says so where the function that scores may be changed by what it scores."""
    place = str(judge.get("call", "")).partition(":")[0]
    place = place if place.endswith(".py") else f"{place.replace('.', '/')}.py"
    if judge["kind"] == "function" and place in files:
        yield f"{place} is judge and judged: take it out of target.files, or a variant may change how it is scored"


def _refused(config: Config, genome: Genome, space: Space, root: Path) -> Iterator[str]:
    """Says so where a judge of texts refuses phrases that are to be tried."""
    from wolf.reading.rows import TEXTS

    if config.to_dict()["judge"]["kind"] not in TEXTS:
        return
    for name in genome.values:
        choices = space[name].choices
        said = [config.judge.glance(genome.replace({name: choice}).files(), root) for choice in choices]
        if wrong := [why for why in said if why]:
            yield (
                f"{name}: {len(wrong)} of its {len(choices)} choices are refused beside what stands there now "
                f"({wrong[0]}); each version with one costs an evaluation"
            )
    for path, templates in space.frames.items():
        yield from _refused_in(path, templates, genome, space, lambda files: config.judge.glance(files, root))


def _refused_in(
    path: str, templates: Sequence[str], genome: Genome, space: Space, glance: Callable[[Mapping[str, str]], str]
) -> Iterator[str]:
    """Says which templates of a text, and which phrases that stand only in them, are refused whenever tried."""
    from population import frames

    files, here = genome.files(), genome.literals()
    lost: list[str] = []
    tried: dict[str, dict[str, list[str]]] = {}  # of the other templates: name -> phrase -> what was said of it
    for template in templates:
        some = {
            name: [here[name]] if name in here else [*map(str, space[name].choices)] for name in frames.slots(template)
        }
        turns = range(max(map(len, some.values())))
        texts = [{name: choices[turn % len(choices)] for name, choices in some.items()} for turn in turns]
        said = [glance({**files, path: frames.filled(template, each)}) for each in texts]
        if all(said):
            lost.append(said[0])
            continue
        for each, why in zip(texts, said, strict=True):
            for name in each.keys() - here.keys():
                tried.setdefault(name, {}).setdefault(each[name], []).append(why)
    refused = [(f"{path}: {len(lost)} of its {len(templates)} templates", lost)]
    for name, phrases in sorted(tried.items()):
        wrong = [said[0] for said in phrases.values() if all(said)]
        refused.append((f"{name}: {len(wrong)} of its {len(phrases)} choices", wrong))
    for what, wrong in refused:
        if wrong:
            yield f"{what} are refused wherever they were tried ({wrong[0]}); each version with one costs an evaluation"


def _alone(config: Config) -> Iterator[str]:
    """Says so where a single fresh seed will leave the verdict to the search's own scores."""
    if config.confirm.seeds == 1 and config.to_dict()["judge"]["kind"] != "reader":
        yield (
            "confirm.seeds is 1: if readings vary, one fresh reading has no interval, and the verdict rests on the "
            "search's own scores; take two or more"
        )


def _crowded(config: Config) -> Iterator[str]:
    """Says so where more is to run at a time than this machine has cores for."""
    from wolf.machines.here import cores

    workers, here = config.workers, len(cores())
    if (
        workers.kind == "local"
        and config.to_dict()["judge"]["kind"] != "panel"
        and workers.slots * workers.threads > here
    ):
        yield f"{workers.slots} x {workers.threads} threads on {here} cores: evaluations slow each other down"


def plan(config: Config) -> Plan:
    """What a run of this configuration would do; raises `UsageError` if that is nothing."""
    from population.genome import Genome
    from population.knobs import Space
    from wolf.estimate import estimate
    from wolf.launch import operators
    from wolf.settings.target import Target

    target = Target.of(config.target)
    files = target.seed().files
    space = Space.of(files, config.target.knobs)
    genome, said = Genome.of(files, space), _said(config, files)
    values = genome.values
    fresh = 2 * config.confirm.seeds  # champion and seed
    load = (config.budget, fresh, config.workers.slots)
    data = config.to_dict()
    config.judge.check(target.root)
    operators(config, space, [*files])
    return Plan(
        name=config.name,
        root=str(target.root),
        files={file: len(text.splitlines()) for file, text in files.items()},
        knobs=tuple(
            KnobLine(
                name, values.get(name, ABSENT), _range(knob), not (knob.choices or {name, name.split("[")[0]} & said)
            )
            for name, knob in ((name, space[name]) for name in space.names)
            if name in values or name in space.slots
        ),
        judge=data["judge"]["kind"],
        metric=config.judge.name,
        goal=config.judge.goal,
        evaluations=config.budget.evaluations,
        hours=config.budget.hours,
        fresh=fresh,
        slots=config.workers.slots,
        seconds_each=config.judge.seconds_each,
        seconds_expected=_total(*load, config.judge.seconds_expected),
        seconds=_total(*load, config.judge.seconds_each),
        notes=(
            *config.judge.notes,
            *_unparsed(files),
            *_colonless(files),
            *_idle(files),
            *_own_judge(data["judge"], files),
            *_refused(config, genome, space, target.root),
            *_alone(config),
            *_crowded(config),
        ),
        runs=str(Path(config.runs).absolute()),
        spend=estimate(config),
        config=data,
    )


def _total(budget: BudgetConfig, fresh: int, slots: int, each: float | None) -> float | None:
    """Seconds for all evaluations if one takes `each`; None if nothing bounds it."""
    bounds = [3600 * budget.hours] if budget.hours is not None else []
    if budget.evaluations is not None and each is not None:
        bounds.append(math.ceil(budget.evaluations / slots) * each)
    if not bounds or (fresh and each is None):
        return None
    return min(bounds) + math.ceil(fresh / slots) * (each or 0)


def _range(knob: Knob) -> str:
    if knob.choices:
        return " | ".join(str(choice) for choice in knob.choices)
    return f"{knob.low:g} .. {knob.high:g}{' log' if knob.log else ''}"


def _spending(spend: Spending) -> str:
    calls = "calls" if spend.calls is None else f"about {spend.calls} calls"
    total = "" if spend.usd is None else f", together about ${spend.usd:.2f}"
    if spend.usd_worst > spend.ceiling:
        total = f"; NOTHING WILL BE ASKED, for one call may cost ${spend.usd_worst:.2f}: raise budget.usd"
    judging = ""
    if spend.ballots != 0:
        many = "ballots" if spend.ballots is None else f"up to {spend.ballots} ballots"
        judging = f", and {many} of {spend.ballot_tokens} tokens at about ${spend.usd_ballot:.4f}"
        if spend.usd_ballot_most:
            judging += f" (thinking is not counted: with it, up to ${spend.usd_ballot_most:.4f})"
    asking = "nothing for ideas"
    if spend.models:
        asking = f"{calls} of {spend.prompt_tokens} tokens to {', '.join(spend.models)} at about ${spend.usd_each:.4f}"
    return f"{asking}{judging}{total}; never more than ${spend.ceiling:g} (budget.usd)"


def _print(plan: Plan, command: str) -> None:
    search = plan.config["search"]
    files = ", ".join(f"{file} ({lines} line{'s'[: lines != 1]})" for file, lines in plan.files.items())
    limits = [f"{plan.evaluations} evaluations"] if plan.evaluations else []
    limits += [f"{plan.hours:g} hours"] if plan.hours else []
    stop = " or ".join(limits) + (f", then {plan.fresh} more on fresh seeds" if plan.fresh else "")
    threads = plan.config["workers"]["threads"]
    take = []
    if plan.seconds_expected is not None:
        take.append("seconds" if plan.seconds_expected < 1 else f"about {duration(plan.seconds_expected)}")
    if plan.seconds is not None:
        take.append(f"at most {duration(plan.seconds)}")
    if plan.seconds_each is not None:
        take.append(f"one evaluation at most {duration(plan.seconds_each)}")
    click.echo(f"{click.style(plan.name, bold=True)}: the configuration is right; `{command}` would")
    for what, text in (
        ("evolve", f"{files} in {plan.root}"),
        ("judge by", f"{plan.judge}: {plan.metric}, {plan.goal.better} is better"),
        ("search", f"{search['strategy']}, {search['mode']} mode, seed {search['seed']}"),
        ("stop after", stop),
        ("use", f"{plan.slots} worker{'s'[: plan.slots != 1]} of {threads} thread{'s'[: threads != 1]}"),
        ("take", ", ".join(take) or "unknown: the judge sets no time limit"),
        *([("spend", _spending(plan.spend))] if plan.spend else []),
        ("write to", f"{plan.runs}/{plan.name}-*"),
        *(("note", note) for note in plan.notes),
    ):
        click.echo(f"  {what:<11} {text}")
    if not plan.knobs:
        if plan.spend and plan.spend.models:
            click.echo(
                "  no knobs were found, so models propose, and statements and sentences change; name constants in"
            )
            click.echo("  ALL_CAPS or list choices under target.knobs to have them tried, too")
        else:
            click.echo(
                "  no knobs were found, so only statements and sentences change: name constants in ALL_CAPS, list"
            )
            click.echo("  choices under target.knobs, or let models propose (llm:)")
        return
    width = max(len(knob.name) for knob in plan.knobs)
    now = max(len(line(str(knob.value), 40)) for knob in plan.knobs)
    click.echo(f"\n  {len(plan.knobs)} knob{'s'[: len(plan.knobs) != 1]}")
    for knob in plan.knobs:
        shown = line(knob.range, 80) + (" (a guess)" if knob.guessed else "")
        click.echo(f"    {knob.name:<{width}}  {line(str(knob.value), 40):>{now}}   {shown}")
    import yaml

    if guess := next((knob.name for knob in plan.knobs if knob.guessed), ""):
        key = yaml.safe_dump({guess: "fixed"}, default_flow_style=True, allow_unicode=True, width=math.inf).strip()
        said = f"`knobs: {line(key)}` under target:"
        if not all(file.endswith(".json") for file in plan.files):  # JSON has no comments
            said = f"`knob: fixed` in a comment behind it, or {said}"
        click.echo("  a guess follows from the value alone; what must stay, such as the size of the problem, gets")
        click.echo(f"  {said}; a range likewise")


@click.command()
@click.argument("config")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, config: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check CONFIG (a YAML file, or the name of a preset) and say what a run of it would do, cost and leave behind.

    KEY=VALUE arguments override keys of the file: `budget.evaluations=20`.
    """
    from judges.base import JudgeError
    from wolf.errors import ConfigError, WolfError
    from wolf.settings.config import load

    try:
        found = plan(load(config, overrides))
    except (WolfError, JudgeError) as error:
        if not as_json:
            raise
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        click.echo(json.dumps({"ok": False, "problems": [*problems]}))
        ctx.exit(error.exit_code if isinstance(error, WolfError) else 3)
    if as_json:
        click.echo(json.dumps({"ok": True, **asdict(found)}))
    else:
        _print(found, " ".join(["wolf run", config, *overrides]))
