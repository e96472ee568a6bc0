"""`wolf runs`: every run of a folder in one line each, the latest first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import fill

import click

from wolf.errors import UsageError, WolfError
from wolf.reading.finding import LEDGER, runs_in, touched
from wolf.reading.records import Run, load_run
from wolf.reading.terminal import duration, json_line, line

NARROW = 100  # columns, below which the sentence is left out
AMISS = ("unreadable", "aborted")  # or stands below, where it says what is wrong


@dataclass(frozen=True, slots=True)
class Entry:
    """One run.

    Attributes:
        path: its directory.
        touched: Unix seconds of the last writing.
        status: see `Run.status`; `unreadable` if its ledger cannot be read, and `sentence` says why.
        best: what is believed of its champion, as text.
        sentence: the verdict.
    """

    path: str
    touched: float
    status: str
    name: str = ""
    strategy: str = ""
    evaluations: int = 0
    metric: str = ""
    best: str = ""
    gain: str = ""
    sentence: str = ""

    @staticmethod
    def of(run: Run) -> Entry:
        """Of a run that was read."""
        from wolf.reading.verdict import places, verdict

        said, digits, path = verdict(run), places(run), run.path or Path()
        belief = run.beliefs.get(run.champion or "")
        return Entry(
            str(path), touched(path), run.status, run.header.name, run.header.strategy, run.evaluations,
            run.header.metric, belief.text(digits) if belief else "",
            said.gain.size(digits) if said.gain else "", said.sentence,
        )  # fmt: skip

    @staticmethod
    def unreadable(path: Path, error: Exception) -> Entry:
        """Of a run that could not be read, and why."""
        return Entry(str(path), touched(path), "unreadable", path.name, sentence=line(str(error), 300))


def entries(folder: Path) -> Iterator[Entry]:
    """The runs in `folder`, the latest first. A run that cannot be read is an entry, not an error."""
    for path in runs_in(folder):
        try:
            yield Entry.of(load_run(path))
        except (WolfError, ValueError, KeyError) as error:
            yield Entry.unreadable(path, error)


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per run.")
def runs(folder: Path | None, as_json: bool) -> None:
    """List all runs in FOLDER (default: ./runs), the latest first: their state and what they found."""
    places = (folder, folder / "runs") if folder else (Path("runs"), Path())  # or one stands among them already
    found = next(filter(None, (list(entries(place)) for place in places)), [])
    deeper = next((ledger.parents[1] for ledger in places[0].glob(f"*/*/{LEDGER}")), None)
    if not found and deeper is not None:
        raise UsageError(f"the runs of {places[0]} are deeper: name a folder of theirs, such as {deeper}")
    if not found:
        raise UsageError(f"no run in {places[0]}: start one with `wolf run CONFIG`, or name the folder where yours are")
    if as_json:
        for entry in found:
            click.echo(json_line(asdict(entry)))
        return
    from shutil import get_terminal_size

    width, now = get_terminal_size((10_000, 24)).columns, time.time()
    longest = min(34, max(len(Path(entry.path).name) for entry in found))
    best = max(16, *(min(24, len(entry.best)) for entry in found))
    click.echo(f"{'run':<{longest}}  {'status':<10} {'evals':>6}  {'best':<{best}} {'gain':>9}  {'ago':>4}")
    for entry in found:
        name, ago = line(Path(entry.path).name, longest), duration(now - entry.touched).split()[0]
        row = f"{name:<{longest}}  {entry.status:<10} {entry.evaluations:>6}  {line(entry.best, best):<{best}} "
        row += f"{entry.gain:>9}  {ago:>4}"
        row += f"  {entry.sentence}" if width >= NARROW else ""
        click.echo(row if len(row) <= width else row[: width - 1] + "…")
        if width < NARROW and entry.status in AMISS:
            click.echo(fill(entry.sentence, width, initial_indent="    ", subsequent_indent="    "))
