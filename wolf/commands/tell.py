"""`wolf tell RUN ...`: orders for a run that is going on, through its inbox."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from wolf.errors import SetupError, UsageError

if TYPE_CHECKING:
    from wolf.reading.records import Run

PATIENCE = 3.0  # seconds to wait for the run's answer
LOOK = 0.05
NAMES = ("variant", "better", "worse", "parent")  # fields that name a variant: `best` is the best that one sees


class _Orders(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"there is no order {args[0]!r}; expected one of {', '.join(sorted(self.commands))}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Orders, invoke_without_command=True, subcommand_metavar="ORDER [ARGUMENTS]...", options_metavar="")
@click.argument("run", metavar="RUN")
@click.pass_context
def command(ctx: click.Context, run: str) -> None:
    """Give RUN (a run directory, or a folder of runs for the latest in it) an order.

    Orders are recorded in the run, survive a crash, and are shown in the report. A run that is not active obeys when it
    is resumed.
    """
    ctx.obj = run
    if ctx.invoked_subcommand is None:
        raise UsageError(
            f"wolf tell {run} what? one of {', '.join(sorted(command.commands))}; `wolf tell --help` says more"
        )


@command.command()
@click.pass_obj
def pause(run: str) -> None:
    """Start no new evaluation until `go`."""
    _tell(run, {"order": "pause"})


@command.command()
@click.pass_obj
def go(run: str) -> None:
    """Continue after a pause or a check-in."""
    _tell(run, {"order": "go"})


@command.command()
@click.option("--now", is_flag=True, help="Do not wait for the evaluations in progress.")
@click.pass_obj
def stop(run: str, now: bool) -> None:
    """Stop after the evaluations in progress; `wolf resume` continues."""
    _tell(run, {"order": "stop", "now": now})


@command.command()
@click.pass_obj
def finish(run: str) -> None:
    """End the search: confirm the champion on fresh seeds and sum up."""
    _tell(run, {"order": "finish"})


@command.command()
@click.option("--evaluations", type=click.IntRange(min=1), help="Evaluations in total.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Hours in total.")
@click.option("--usd", type=click.FloatRange(min=0), help="US dollars for language models in total.")
@click.pass_obj
def budget(run: str, evaluations: int | None, hours: float | None, usd: float | None) -> None:
    """Change the budget; totals include what is already spent. A finished run goes on with it: `wolf resume RUN`."""
    limits = {"evaluations": evaluations, "hours": hours, "usd": usd}
    _tell(run, {"order": "budget", **{name: many for name, many in limits.items() if many is not None}})


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def memo(run: str, file: Path) -> None:
    """Replace the memo for language models by FILE."""
    _tell(run, {"order": "memo", "text": _text(file)})


@command.command()
@click.argument("text", nargs=-1, required=True)
@click.pass_obj
def say(run: str, text: tuple[str, ...]) -> None:
    """Add a line to the memo: what to look for, what is off limits."""
    _tell(run, {"order": "instruction", "text": " ".join(text)})


@command.command()
@click.argument("variant")
@click.option("--alone", is_flag=True, help="Only this variant, not its descendants.")
@click.pass_obj
def veto(run: str, variant: str, alone: bool) -> None:
    """Exclude VARIANT and its descendants from the search.

    They are never again a parent, the incumbent or the champion. `free` takes it back.
    """
    _tell(run, {"order": "veto", "variant": variant, "alone": alone})


@command.command()
@click.argument("variant")
@click.pass_obj
def pin(run: str, variant: str) -> None:
    """Keep VARIANT as a parent.

    Pinned variants stay parents whatever the search finds, and a share of the drafts starts from them.
    """
    _tell(run, {"order": "pin", "variant": variant})


@command.command()
@click.argument("variant")
@click.pass_obj
def free(run: str, variant: str) -> None:
    """Take back a veto or a pin of VARIANT."""
    _tell(run, {"order": "free", "variant": variant})


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--parent", default="seed", show_default=True, help="Variant that the other files come from.")
@click.option("--note", default="", help="One line about what you changed.")
@click.pass_obj
def inject(run: str, files: tuple[Path, ...], parent: str, note: str) -> None:
    """Evaluate your own variant next: FILES, named as in the target."""
    from population.readers import spoilt

    known = _files(run)
    texts = {}
    for file in files:
        fits = [name for name in known if name == file.as_posix() or Path(name).name == file.name]
        if len(fits) != 1 and len(known) > 1:
            raise UsageError(f"{file}: the target has the files {', '.join(known)}; name yours like one of them")
        name = fits[0] if fits else next(iter(known))
        if Path(name).suffix != file.suffix:
            raise UsageError(
                f"{file}: what evolves is {name}; a variant of it ends in {Path(name).suffix or 'nothing'}, too"
            )
        texts[name] = _text(file)
        if said := spoilt(name, known[name], texts[name]):
            raise UsageError(f"{file}: {said}; correct it, then order it again")
    _tell(run, {"order": "inject", "files": texts, "parent": parent, "note": note})


@command.command()
@click.argument("better")
@click.argument("worse")
@click.option("--people", default=1, show_default=True, help="Number of people who think so.")
@click.pass_obj
def prefer(run: str, better: str, worse: str, people: int) -> None:
    """Vote that the text BETTER is better than the text WORSE."""
    _tell(run, {"order": "vote", "better": better, "worse": worse, "people": people})


def _files(run: str) -> Mapping[str, str]:
    """What evolves in a run: the files it started from."""
    from wolf.reading.records import load_run

    found = load_run(run)
    return found.files(found.header.seed_variant)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text (byte {error.start})") from error


def send(run: Run, order: Mapping[str, Any], by: str) -> str:
    """Check an order, and post it into the inbox of `run`. Returns its id.

    Raises:
        UsageError: if it makes no sense, or the run takes none, in one sentence.
    """
    from wolf.control.inbox import post
    from wolf.control.orders import Budget, OrderError, check
    from wolf.reading.reopening import objection

    assert run.path is not None
    if run.status == "finished" and order["order"] != "budget":
        raise UsageError(
            f"{run.path} is finished and takes no orders but a larger budget, with which `wolf resume` goes on; "
            f"look at it with `wolf report {quote(str(run.path))}`"
        )
    if order["order"] == "stop" and not run.locked:
        raise UsageError(f"nobody is working on {run.path}, so there is nothing to stop")
    order = {"by": by, **{key: run.resolve(said) if key in NAMES else said for key, said in order.items()}}
    try:
        checked = check(order)
    except OrderError as error:
        raise UsageError(str(error)) from error
    if run.status == "finished" and isinstance(checked, Budget) and (said := objection(run, checked.limits)):
        raise UsageError(said)
    return post(run.path, order)


def _tell(where: str, order: Mapping[str, Any]) -> None:
    """Post an order, and say what came of it.

    Raises:
        UsageError: if it is refused, or the run takes none.
        SetupError: if the run does not answer.
    """
    from wolf.reading.finding import find_run
    from wolf.reading.records import load_run

    path = find_run(where)
    run = load_run(path)
    id = send(run, order, "terminal")
    if not run.locked:
        typed = quote(str(path))
        waits = f"nobody is working on {path}: it will be obeyed after `wolf resume {typed}`"
        click.echo(f"{path} is finished: `wolf resume {typed}` goes on from there" if run.final else waits)
        return
    click.echo(_answer(path, id, len(run.events)))


def _answer(path: Path, id: str, seen: int) -> str:
    """What the run wrote down about an order."""
    from wolf.reading.rows import Intervention
    from wolf.store.ledger import Ledger

    waited = time.monotonic() + PATIENCE
    with Ledger.open(path) as ledger:
        while time.monotonic() < waited:
            for event in ledger.events(seen):
                if event.kind in ("intervention", "refused") and event.body["id"] == id:
                    if event.kind == "refused":
                        raise UsageError(f"refused: {event.body['reason']}")
                    return Intervention.of(event).sentence
            time.sleep(LOOK)
    raise SetupError(f"{path} has not answered yet; the order waits in {path / 'inbox'} and will be obeyed")
