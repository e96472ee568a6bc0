"""`wolf finalists`: the best texts of a run side by side, what both judges say of them, and the alarm."""

from __future__ import annotations

import textwrap

import click

from wolf.commands.which import run_argument
from wolf.errors import UsageError
from wolf.reading.ballotbox import minutes
from wolf.reading.finalists import finalists, judgement
from wolf.reading.records import load_run
from wolf.reading.terminal import columns, json_line, line, safe
from wolf.reading.verdict import ties, verdict


@click.command()
@run_argument
@click.option(
    "--count", "-n", "most", type=click.IntRange(1), default=3, show_default=True, help="Number of finalists."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: str | None, most: int, as_json: bool) -> None:
    """Show the best texts of RUN beside the original: their ratings, how sure these are, and what the hold-out says.

    If language models are the judges, all ballots of the run are evaluated together, and so are the judges.
    """
    found = load_run(run)
    shown, warned = finalists(found, most), verdict(found).warning
    said = [*judgement(found), *([f"{tie}."] if (tie := ties(found)) else []), *minutes(found)]
    if not shown:
        raise UsageError(f"{found.path} has no judged texts; finalists are for judge kinds reader and panel")
    if as_json:
        rows = [{"variant": one.id, **one.numbers, "alike": one.alike, "files": dict(one.files)} for one in shown]
        body = {"finalists": rows, "warning": warned, "holdout": judgement(found), "judges": minutes(found)}
        click.echo(json_line(body))
        return
    width = columns()
    if warned:
        click.echo(click.style(textwrap.fill(f"{warned}.", width), fg="yellow") + "\n")
    for one in shown:
        click.echo(click.style(textwrap.fill(f"{one.title}  {one.figures}", width, subsequent_indent="   "), bold=True))
        for remark in one.remarks:
            click.echo(textwrap.fill(line(remark, 240), width, initial_indent="   ", subsequent_indent="     "))
        if one.alike:
            click.echo(f"   {one.alike} more {'are' if one.alike > 1 else 'is'} much like it")
        for text in one.files.values():
            for paragraph in safe(text).strip().splitlines():
                click.echo(
                    textwrap.fill(paragraph, min(width, 100), initial_indent="   | ", subsequent_indent="   | ")
                    or "   |"
                )
        click.echo()
    for sentence in said:
        click.echo(textwrap.fill(safe(sentence), width))
