"""`wolf run` and `wolf resume`."""

from __future__ import annotations

import shutil
import signal
import sys
from typing import TYPE_CHECKING

import click

from wolf.commands.locking import choose_level, sandbox_options
from wolf.commands.which import run_argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judges.cage import Level
    from wolf.reading.display import Display
    from wolf.settings.config import Config
    from wolf.store.events import Observer
    from wolf.store.ledger import Ledger

track_option = click.option(
    "--track", multiple=True, type=click.Choice(["tensorboard", "mlflow", "wandb"]),
    help="Also log to this tracker; repeatable (pip install 'auto-wolf[trackers]').",
)  # fmt: skip


@click.command()
@click.argument("config")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event.")
@track_option
@sandbox_options
@click.pass_context
def run(
    ctx: click.Context,
    config: str,
    overrides: tuple[str, ...],
    as_json: bool,
    track: tuple[str, ...],
    sandbox: str | None,
    unsafe: bool,
) -> None:
    """Start a run: search as CONFIG says (a YAML file, or the name of a preset) until the budget is spent.

    KEY=VALUE arguments override keys of the file: `budget.evaluations=20 search.strategy=greedy`.
    """
    from wolf import launch
    from wolf.reading.display import choose
    from wolf.settings.config import load

    settings = load(config, overrides)
    if track:
        from wolf.reading.trackers import require

        require(track)  # before there is a run directory
    level = choose_level(settings, sandbox, unsafe, as_json)
    ledger = launch.create(settings, level)
    with ledger, choose("json" if as_json else "auto", path=ledger.run_dir) as show:
        for event in ledger.events():
            show(event)
        try:
            code = _drive(ledger, settings, level, show, track)
        except Exception:
            if all(event.kind in ("run", "variant") for event in ledger.events()):  # nothing that could be resumed
                shutil.rmtree(ledger.run_dir, ignore_errors=True)
            raise
    ctx.exit(code)


@click.command()
@run_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event.")
@track_option
@sandbox_options
@click.pass_context
def resume(
    ctx: click.Context, run: str | None, as_json: bool, track: tuple[str, ...], sandbox: str | None, unsafe: bool
) -> None:
    """Continue RUN (a run directory; default: the latest in ./runs) where it was stopped or killed.

    A finished run goes on with a larger budget: order it first, with `wolf tell RUN budget`.
    """
    from wolf import launch
    from wolf.reading.display import choose
    from wolf.reading.finding import find_run

    if track:
        from wolf.reading.trackers import require

        require(track)
    ledger, settings = launch.open_run(find_run(run))
    with ledger:
        level = choose_level(settings, sandbox, unsafe, as_json)
        with choose("json" if as_json else "auto", path=ledger.run_dir) as show:
            code = _drive(ledger, settings, level, show, track, [show.past])
    ctx.exit(code)


def _drive(
    ledger: Ledger,
    settings: Config,
    level: Level,
    show: Display,
    track: Sequence[str],
    witnesses: Sequence[Observer] = (),
) -> int:
    """Search; whatever happens, leave a results.tsv beside the ledger. Returns the exit code."""
    from wolf import launch
    from wolf.errors import LedgerError
    from wolf.memory import GiveBack
    from wolf.reading.records import Run
    from wolf.reading.tables import write_results_tsv

    observers: list[Observer] = [GiveBack(), show]
    if track:
        from wolf.reading.trackers import tracker

        observers += [
            tracker(name, Run.of(ledger.events(), path=ledger.run_dir, locked=True), show.say) for name in track
        ]
    if settings.check_in is not None and sys.stdin.isatty() and sys.stdout.isatty():
        from wolf.control.prompter import Prompter

        observers.append(Prompter(ledger.run_dir, click.echo))
    try:
        if launch.drive(ledger, settings, level, observers, show.say, witnesses) is not None:
            return 0
        *_, stopped = (event for event in ledger.events() if event.kind == "stopped")
        return 128 + (stopped.body["signal"] or signal.SIGINT)
    finally:
        try:
            with (ledger.run_dir / "results.tsv").open("w", encoding="utf-8") as out:
                write_results_tsv(Run.of(ledger.events()), out)
        except (OSError, LedgerError) as error:  # whatever ended the run says more
            show.say(f"no results.tsv: {error}")
