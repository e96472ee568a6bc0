"""`wolf compare`: does one way to search beat another on this target, at the same number of evaluations?"""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wolf.commands.locking import choose_level, sandbox_options
from wolf.errors import UsageError
from wolf.reading.terminal import columns, decimals, json_line, number, rounded

if TYPE_CHECKING:
    from wolf.compare.standings import Line, Standings


@click.command()
@click.argument("config")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--strategies", default="wolf,greedy,random", show_default=True, help="Strategies to compare, separated by commas."
)
@click.option("--ablate", default="", metavar="NAMES", help="Also run wolf without each of these mechanisms.")
@click.option(
    "--arm",
    "own",
    multiple=True,
    metavar="'NAME: KEY=VALUE ...'",
    help="A variation of your own, with these keys; repeatable.",
)
@click.option("--baseline", metavar="ARM", help="What the others are compared with.  [default: greedy]")
@click.option("--seeds", default=12, show_default=True, help="Number of paired search seeds.")
@click.option("--evaluations", type=click.IntRange(min=1), help="Evaluations per run.  [default: the configuration's]")
@click.option("--good", type=float, metavar="SCORE", help="Also count the runs that end at least this good.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Number of runs at the same time.  [default: the configuration's slots]"
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the runs and results.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@sandbox_options
@click.pass_context
def command(
    ctx: click.Context,
    config: str,
    overrides: tuple[str, ...],
    strategies: str,
    ablate: str,
    own: tuple[str, ...],
    baseline: str | None,
    seeds: int,
    evaluations: int | None,
    good: float | None,
    jobs: int | None,
    out: Path | None,
    as_json: bool,
    sandbox: str | None,
    unsafe: bool,
) -> None:
    """Run CONFIG under several strategies with the same seeds and evaluations, and say which is better.

    Every run is an ordinary run in OUT/ARM/seed-N. After a stop or a kill, the same command continues where it was.
    Seeds or arms that you add later are added to the results.
    """
    from wolf.compare import arms, bands
    from wolf.compare.parallel import Progress, Runs
    from wolf.compare.standings import standings
    from wolf.settings.config import load

    def say(text: str) -> None:
        click.echo(text, err=as_json)

    if good is not None and not math.isfinite(good):
        raise UsageError(f"--good: expected a score, found {good:g}")
    chosen = arms.parse(strategies, ablate, own, baseline)
    entries = arms.plan(config, overrides, chosen, seeds, evaluations, out)
    level = choose_level(entries[0].config, sandbox, unsafe, as_json)
    states = {entry.path: arms.prepare(entry, level) for entry in entries}
    todo = [entry.path for entry in entries if not states[entry.path][0]]
    folder = entries[0].path.parents[1]
    total = sum(entry.total for entry in entries)
    before = sum(entry.total if states[entry.path][0] else states[entry.path][1] for entry in entries)
    width = min(jobs or load(config, overrides).workers.slots, max(1, len(todo)))
    say(
        f"{len(chosen)} arms x {seeds} seeds, {entries[0].config.budget.evaluations} evaluations each, in {folder}; "
        f"{len(entries) - len(todo)} of {len(entries)} runs are finished, {width} at a time"
    )
    arguments = ["--unsafe-no-sandbox"] if unsafe else ["--sandbox", level.value]
    if stopped := Runs(width, arguments, Progress(total, before), say).finish(todo):
        say("stopped; the same command goes on from here")
        ctx.exit(stopped)
    result = standings(chosen, entries, good)
    text = table(result)
    made = {"json": json.dumps(result.to_dict(), indent=1) + "\n", "md": text, "svg": bands.chart(result)}
    for ending, content in made.items():
        (folder / f"comparison.{ending}").write_text(content, encoding="utf-8")
    click.echo(json_line(result.to_dict()) if as_json else "\n" + table(result, columns()))
    say(f"{folder}/comparison.md, .json and .svg (curves)")


def table(result: Standings, width: int = 10_000) -> str:
    """The results as a Markdown table, with what the columns mean below it; an arm is a column if rows are too wide."""
    places = decimals([(line.high - line.low) / 2 for line in result.lines])
    cursed, good = any(line.curse for line in result.lines), result.good is not None
    heads = ["arm", "mean", "95 % interval", "median", "against", "gain", "95 % interval", "wins", "P(better)",
             "p (Holm)", "reached after", *(["curse"] if cursed else []), *(["good"] if good else [])]  # fmt: skip
    rows = [heads, *(_cells(result, line, places, cursed, good) for line in result.lines)]
    said = _drawn(rows)
    if len(said[0]) > width:
        said = _drawn([list(row) for row in zip(*rows, strict=True)])
    return "\n".join([*said, "", *(textwrap.fill(note, width) for note in _notes(result))]) + "\n"


def _drawn(rows: list[list[str]]) -> list[str]:
    rows = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    said = ["| " + " | ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)) + " |" for row in rows]
    said[1] = said[1].replace(" ", "-")
    return said


def _figures(mean: float, ends: tuple[float, float], places: int) -> tuple[str, str]:
    """A mean and its interval with the same decimals."""
    low, high = sorted(ends)
    said = number if low == high else rounded  # an interval without width hides nothing
    return said(mean, places), f"[{said(low, places)}, {said(high, places)}]"


def _cells(result: Standings, line: Line, places: int, cursed: bool, good: bool) -> list[str]:
    loss = result.goal.loss
    own = _figures(loss(line.mean), (loss(line.low), loss(line.high)), places)
    cells = [line.arm.name, *own, number(loss(line.median), places)]
    if line.versus is None:
        cells += ["", "", "", "", "", ""]
    else:
        one = line.versus
        ties = f" + {one.ties} ties" if one.ties else ""
        gain = _figures(one.gain, (one.low, one.high), decimals([(one.high - one.low) / 2]))
        cells += [line.arm.against or "", *gain, f"{one.wins} of {one.pairs}{ties}", f"{one.better:.3f}",
                  f"{line.holm or 0.0:.3f}"]  # fmt: skip
    cells.append(f"{line.reach:.0f}" if math.isfinite(line.reach) else f"> {result.evaluations}")
    if cursed:
        places = decimals([line.curse[1]]) if line.curse else 0
        cells.append(f"{rounded(line.curse[0], places)} ± {number(line.curse[1], places)}" if line.curse else "-")
    if good:
        cells.append(f"{line.good} of {len(line.outcomes)}")
    return cells


def _notes(result: Standings) -> list[str]:
    count = len(result.lines[0].outcomes)
    failed = [(line.arm.name, sum(run.failed for run in line.outcomes)) for line in result.lines]
    failures = ", ".join(f"{name} {times}" for name, times in failed if times)
    lost = any(run.failed and run.failed == result.fresh for line in result.lines for run in line.outcomes)
    bare = " Where none was left, the score is the search's own." if lost else ""
    scores = (
        f"each run's champion scored again on {result.fresh} fresh seed{'s' * (result.fresh > 1)} after the search"
        if result.fresh
        else "the search's own (confirm.seeds is 0): flattering where readings are noisy"
    )
    return [
        f"{result.metric} ({result.goal.better} is better) of {count} paired seeds at {result.evaluations} "
        f"evaluations; scores are {scores}.",
        "gain: mean difference within the pairs, positive is better. P(better): by Student's distribution. p: sign "
        "flips, Holm-corrected. reached after: median evaluations until the search believed it was where the "
        "baseline's believed it had ended.",
        *([f"{count} pairs cannot show a difference at p < 0.05, whatever it is; six are the least. P(better) takes "
           "gains to be normal, which so few cannot show."] * (count < 6)),
        *([f"Fresh readings of champions that failed, and do not count: {failures}.{bare}"] if failures else []),
        *(["curse: how much better the search took its champion to be than it was on fresh seeds (± standard error)."]
          if any(line.curse for line in result.lines) else []),
        *([f"good: runs that ended at {result.good:g} or better."] if result.good is not None else []),
    ]  # fmt: skip
