"""The live view: one screen of a run, as a rich renderable. Pure: a run and a size in, a picture out.

Below 120 columns the reason stands under what changed; from there on it has its own column.
"""

from __future__ import annotations

from shlex import quote

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from wolf.reading.lines import paused_by, what_changed, why_so, workers
from wolf.reading.records import Run
from wolf.reading.spending import budget, elapsed, left, spent
from wolf.reading.terminal import duration, line, number, spark
from wolf.reading.verdict import fates, places

WIDE = 120
_STYLE = {"crowned": "bold green", "admitted": "green", "recorded": "cyan", "failed": "red"}


def view(run: Run, width: int, height: int, now: float) -> RenderableType:
    """The run at `now` (Unix seconds) on `width` x `height` characters."""
    top = [_title(run), _budgets(run, width, now), _standing(run, width), *_search(run, width), *_paused(run)]
    working = _working(run, width, now)
    rows = height - len(top) - len(working) - 4
    table = [_table(run, width, max(4, min(16, rows)))] if run.told else []
    return Group(*top, *table, *working)


def _title(run: Run) -> RenderableType:
    head = run.header
    title = line(f"{head.name} · {head.strategy} · seed {head.seed} · {workers(run)}", 60)
    return Rule(Text(title, style="bold"), align="left", style="dim")


def _budgets(run: Run, width: int, now: float) -> RenderableType:
    """A bar for each budget that was set, and in the last line the time that it took and will take."""
    limits, took, rest = budget(run), elapsed(run, now), left(run, now)
    many, hours, usd = (limits.get(name) for name in ("evaluations", "hours", "usd"))
    meters: list[tuple[str, float, float, str]] = []
    if many:
        meters.append(("evaluations", run.evaluations, many, f"{run.evaluations} of {many:g}"))
    if usd:
        paid = sum(cost or 0.0 for cost in spent(run))
        meters.append(("dollars", paid, usd, f"${paid:.2f} of ${usd:g}"))
    if hours:
        meters.append(("time", took, 3600 * hours, f"{duration(took)} of {duration(3600 * hours)}"))
    table = Table.grid(padding=(0, 1))
    for name, done, limit, said in meters:
        if name == meters[-1][0]:
            said += ("" if hours else f" · {duration(took)}") + (f", about {duration(rest)} left" if rest else "")
        bar = ProgressBar(total=limit, completed=min(done, limit), width=max(10, min(60, width - 52)))
        table.add_row(Text(name, "dim"), bar, Text(said, no_wrap=True))
    return table


def _standing(run: Run, width: int) -> RenderableType:
    """Champion against baseline."""
    digits, seed, champion = places(run), run.header.seed_variant, run.champion
    text = Text(no_wrap=True, overflow="ellipsis")
    best, base = run.beliefs.get(champion or ""), run.beliefs.get(seed)
    if best is None or champion is None:
        return text.append(f"{run.header.metric}: nothing scored yet", "dim")
    text.append(f"{line(run.header.metric, 16)} ", "dim").append(best.text(digits), "bold").append(f"  {champion[:8]}")
    gain = run.gain(champion, seed)
    if champion == seed:
        return text.append("  the seed", "dim")
    if base is None or gain is None:
        return text
    style = "green" if gain.low > 0 else "yellow"
    text.append("  seed ", "dim").append(number(base.mean, digits)).append("  gain ", "dim")
    text.append(gain.text(digits), style)
    if width >= WIDE:
        text.append("  95%, by the scores it was picked by" if gain.low > 0 else "  inside the noise so far", "dim")
    return text


def _search(run: Run, width: int) -> list[RenderableType]:
    """Best so far, heat and noise; then the expeditions, if there were any."""
    if not run.curve:
        return []
    curve = [told.best.mean for told in run.curve if told.best is not None]
    heat = run.told[-1].heat if run.told else 0.0
    text = Text(no_wrap=True, overflow="ellipsis").append("best so far ", "dim")
    text.append(spark(curve, min(60, width - 40)), "cyan").append("  heat ", "dim")
    text.append(f"{heat:.2f}", "red" if heat >= 0.7 else "yellow" if heat >= 0.4 else "")
    text.append("  noise ", "dim").append(number(run.noise, places(run)))
    if not run.expeditions:
        return [text]
    home = [trip for trip in run.expeditions.values() if trip.outcome is not None]
    trips = Text(no_wrap=True, overflow="ellipsis").append("expeditions ", "dim")
    trips.append(f"{len(home)} home" + (f": {fates(home)}" if home else ""))
    for trip in run.expeditions.values():
        if trip.outcome is None:
            away = f" · {line(trip.kind, 16)} from {trip.origin[:8]}: {trip.evaluations} of {trip.allowance}"
            trips.append(away, "magenta")
    return [text, trips]


def _paused(run: Run) -> list[RenderableType]:
    if not run.still:
        return []
    go = f"`wolf tell {quote(str(run.path))} go` goes on" if run.path else "go goes on"
    return [Text(line(f"‖ paused: {paused_by(run)}; {go}"), "bold yellow")]


def _table(run: Run, width: int, rows: int) -> RenderableType:
    wide = width >= WIDE
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("#", line(run.header.metric, 12)):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("variant", "outcome"):
        table.add_column(name, no_wrap=True)
    table.add_column("what changed", ratio=1, no_wrap=True, overflow="ellipsis")
    if wide:
        table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    for told in reversed(run.told[-(rows if wide else rows // 2) :]):
        score = number(told.score, places(run)) if told.ok else told.status
        outcome = Text(told.outcome, style=_STYLE.get(told.outcome, "dim"))
        asked = run.asked.get(told.ordinal)
        changed = Text(no_wrap=True, overflow="ellipsis")
        if asked is not None and asked.expedition is not None:
            changed.append(f"↗{asked.expedition} ", "magenta")
        changed.append(what_changed(asked, told))
        why = Text(why_so(run, told), style="dim", no_wrap=True, overflow="ellipsis")
        last: list[RenderableType] = [changed, why] if wide else [Group(changed, why)]
        table.add_row(str(told.ordinal), score, told.variant[:8], outcome, *last)
    return table


def _working(run: Run, width: int, now: float) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for asked in list(run.working.values())[:4]:
        text = f"⋯ {asked.ordinal} {asked.variant[:8]} {asked.purpose} for {duration(now - asked.time)}  "
        lines.append(Text(line(text + what_changed(asked, None), width - 1), style="blue", no_wrap=True))
    if len(run.working) > 4:
        lines.append(Text(f"⋯ and {len(run.working) - 4} more", style="blue"))
    for model, (since, fault) in run.silent.items():
        lines.append(Text(line(f"{model} has not answered for {duration(now - since)}: {fault}"), style="yellow"))
    if run.waiting:
        lines.append(Text(f"⋯ {len(run.waiting)} more wait for a worker", style="dim"))
    return lines
