"""The commands that read a run: `wolf top | show | diff | tree`. None of them changes it.

A run is named by its directory, by a folder of runs (the latest), by its name in ./runs, or not at all (the latest in
./runs); as an argument or with `--run`. A variant is named by `best`, `seed`, its id, or a unique beginning of its id.
Every command has `--json`.
"""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Mapping
from typing import Any

import click

from wolf.commands.which import named, named_arguments, run_argument
from wolf.reading.records import Run, load_run
from wolf.reading.rows import Belief
from wolf.reading.terminal import columns, json_line, line, number, safe
from wolf.reading.verdict import places, verdict

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@run_argument
@click.option("--count", "-n", type=click.IntRange(1), default=10, show_default=True, help="Number of variants.")
@_json_option
def top(run: str | None, count: int, as_json: bool) -> None:
    """List the best variants of RUN, how they differ from the seed, and what failed."""
    from wolf.reading.difference import from_seed
    from wolf.reading.lines import failed

    found = load_run(run)
    best = found.ranking()[:count]
    failures = {said: len(group) for said, group in found.failures().items()}
    if as_json:
        facts = _facts(found)
        rows = [{"rank": rank, **facts[id]} for rank, id in enumerate(best, 1)]
        _json({**_state(found), "variants": rows, "failures": failures})
        return
    digits = places(found)
    counts = ((found.evaluations, "evaluation"), (len(found.variants), "variant"))
    said = " · ".join(f"{count} {what}{'s'[: count != 1]}" for count, what in counts)
    click.echo(f"{found.path} · {found.status} · {said}")
    click.echo(textwrap.fill(verdict(found).sentence, columns()) + "\n")
    sigmas = {id: found.beliefs[id].sigma for id in best}
    spreads = {id: number(sigma, digits) if 0 < sigma < math.inf else "" for id, sigma in sigmas.items()}
    wide = max([7, *map(len, spreads.values())])
    head = f"{line(found.header.metric, 9):>9} {'±':>{wide}} {'n':>3}  {'variant':<12}  {'made by':<18}"
    _line(f"{'':>4} {head}  against the seed")
    for rank, id in enumerate(best, 1):
        belief, proposal = found.beliefs[id], found.variants[id]
        mark = "★" if id == found.champion else "✗" if id in found.barred else " "
        scores = f"{number(belief.mean, digits):>9} {spreads[id]:>{wide}} {belief.n:>3}"
        _line(f"{rank:>3}{mark} {scores}  {id}  {line(proposal.origin, 18):<18}  {from_seed(found, id)}".rstrip())
    if any(id in found.barred for id in best):
        click.echo("\n✗ vetoed, or set aside by the hold-out's alarm")
    if failures:
        click.echo(f"\n{failed(found)}:")
        for said, times in list(failures.items())[:5]:
            _line(f"{times:>4} × {said}")


@click.command()
@named_arguments("[VARIANT]")
@_json_option
def show(names: tuple[str, ...], run: str | None, as_json: bool) -> None:
    """Show one VARIANT (default: best): where it came from, all its evaluations, and its diff against its parent."""
    from population import genome
    from wolf.reading.difference import describe, from_seed, knob_changes, line_diff
    from wolf.reading.tables import TABLES

    (variant,) = named(names, "best")
    found = load_run(run)
    id = found.resolve(variant)
    proposal, files = found.variants[id], found.files(id)
    parent = next((known for known in proposal.parents if known in found.variants), None)
    before: Mapping[str, str] = found.files(parent) if parent else {}
    changes = knob_changes(found, before, files) if parent else {}
    diff = line_diff(before, files) if parent else ""
    told = [told for told in found.told if told.variant == id]
    if as_json:
        readings = [row for row in TABLES["evaluations"].rows(found) if row["variant"] == id]
        pairs = {name: list(pair) for name, pair in changes.items()}
        _json({**_facts(found)[id], "changes": pairs, "diff": diff, "evaluations": readings, "files": dict(files)})
        return
    digits = places(found)
    name = " · the champion" if id == found.champion else " · the seed" if id == found.header.seed_variant else ""
    click.echo(f"variant {id}{name}")
    made = f"{proposal.origin} from {', '.join(proposal.parents)}" if proposal.parents else proposal.origin
    ranking = found.ranking()
    rank = f", rank {ranking.index(id) + 1} of {len(ranking)}" if id in ranking else ""
    for label, text in (
        ("made by", line(made)),
        ("note", "" if proposal.note == genome.describe(changes) else line(proposal.note)),
        ("changed", line(describe(changes))),
        ("in all", "" if parent in (None, found.header.seed_variant) else f"{from_seed(found, id)} (from the seed)"),
        ("believed", f"{line(found.header.metric)} {_belief(found.beliefs.get(id), digits)}{rank}"),
        ("files", line(", ".join(f"{path} ({_lines(text)})" for path, text in files.items()))),
    ):
        if text:
            click.echo(f"  {label:<9} {text}")
    for reading in told:
        score = number(reading.score, digits) if reading.ok else reading.status
        facts = f"#{reading.ordinal} {reading.purpose}, seed {reading.seed}: {score} in {reading.seconds:.1f}s"
        _line(f"  {facts}, {reading.outcome}: {line(reading.reason)}")
    said = next((reading.feedback for reading in reversed(told) if reading.feedback.strip()), "")
    if said:
        click.echo("\nfeedback of its last evaluation that gave any:")
        click.echo("\n".join(f"  | {text}" for text in safe(said).splitlines()))
    if diff:
        click.echo(f"\nagainst its parent {parent}:")
        _echo_diff(diff)


@click.command()
@named_arguments("[A] [B]")
@_json_option
def diff(names: tuple[str, ...], run: str | None, as_json: bool) -> None:
    """Show what changed from A to B, or, if only one is named, from the seed to that one (default: best)."""
    from wolf.reading.difference import describe

    a, b = ("seed", *named(names, "best")) if len(names) < 2 else named(names, "seed", "best")
    found = load_run(run)
    old, new, changes, gain, lines = found.diff(a, b)
    if as_json:
        pairs = {name: list(pair) for name, pair in changes.items()}
        _json({"from": old, "to": new, "changes": pairs, "gain": gain and gain._asdict(), "diff": lines})
        return
    digits = places(found)
    click.echo(f"{old} → {new}")
    for id in (old, new):
        click.echo(f"  {id}  {line(found.header.metric)} {_belief(found.beliefs.get(id), digits)}")
    if gain is not None and old != new:
        click.echo(f"  better by {gain.size(digits)} ({gain.interval(digits)}), by search scores")
        said = verdict(found)
        if (old, new) == (found.header.seed_variant, found.champion) and (said.fresh or said.warning):
            click.echo(textwrap.fill(said.sentence, columns(), initial_indent="  ", subsequent_indent="  "))
    if changes:
        click.echo(f"  knobs: {line(describe(changes))}")
    click.echo("" if lines else "  the files are the same")
    _echo_diff(lines)


@click.command()
@run_argument
@click.option("--all", "everything", is_flag=True, help="Include variants that were never kept.")
@_json_option
def tree(run: str | None, everything: bool, as_json: bool) -> None:
    """Show which variant of RUN descends from which, and what each changed; the champion's line is the trunk."""
    from wolf.reading.lines import first_asks, what_changed
    from wolf.reading.tree import grow

    found = load_run(run)
    branches = grow(found, everything=everything)
    if as_json:
        facts = _facts(found)
        _json({**_state(found), "variants": [facts[branch.variant] for branch in branches]})
        return
    digits, crowned = places(found), {crown.variant for crown in found.crowned}
    told, asked = {told.variant for told in found.told}, first_asks(found)
    for branch in branches:
        id = branch.variant
        belief, proposal = found.beliefs.get(id), found.variants[id]
        mark = "★" if id == found.champion else "◆" if id in crowned else "○" if belief else "✗"
        score = number(belief.mean, digits) if belief else "failed" if id in told else "waiting"
        hidden = f"  (+{branch.hidden} not kept)" if branch.hidden else ""
        origin, changed = line(proposal.origin), ""
        if id != found.header.seed_variant:
            changed = what_changed(asked.get(id), None).removeprefix(origin).strip() or line(proposal.note)
        _line(f"{branch.indent}{mark} {id[:8]} {score:>8}  {origin}{hidden}  {changed}".rstrip())
    legend = "★ champion  ◆ was champion  ○ scored  ✗ failed or not scored; each with what it changed of its parent"
    click.echo(textwrap.fill(legend, columns()))


def _state(run: Run) -> dict[str, Any]:
    told = verdict(run)
    return {
        "run": str(run.path), "name": run.header.name, "status": run.status, "strategy": run.header.strategy,
        "metric": run.header.metric, "goal": run.header.goal.value, "evaluations": run.evaluations,
        "champion": run.champion, "seed": run.header.seed_variant, "noise": run.noise,
        "gain": told.gain and told.gain._asdict(), "fresh": told.fresh, "verdict": told.sentence,
        "warning": told.warning,
    }  # fmt: skip


def _facts(run: Run) -> dict[str, dict[str, Any]]:
    from wolf.reading.tables import TABLES

    return {row["variant"]: row for row in TABLES["variants"].rows(run)}


def _belief(belief: Belief | None, digits: int) -> str:
    return belief.counted(digits) if belief else "not scored"


def _json(value: Any) -> None:
    click.echo(json_line(value))


def _line(text: str) -> None:
    """One line, cut to the terminal's width if there is one."""
    width = columns()
    click.echo(text if len(text) <= width else text[: width - 1] + "…")


def _echo_diff(text: str) -> None:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    plain = bool(os.environ.get("NO_COLOR"))
    for row in safe(text).splitlines():
        click.echo(row if plain else click.style(row, fg=colours.get(row[:1])))


def _lines(text: str) -> str:
    count = len(text.splitlines())
    return f"{count} line{'s'[: count != 1]}"
