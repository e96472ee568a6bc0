"""`wolf dev`: a model for those who have no key, or want to see one misbehave, and the replay of a run."""

from __future__ import annotations

import random
from pathlib import Path

import click

from wolf.errors import SetupError, UsageError


@click.group()
def dev() -> None:
    """Tools for those who work on Auto Wolf."""


@dev.command("fake-llm")
@click.option("--port", default=8081, show_default=True, help="0 takes any that is free.")
@click.option(
    "--play", type=click.Choice(["competent", "repetitive", "sloppy"]), default="competent", show_default=True
)
@click.option("--toward", multiple=True, metavar="NAME=VALUE", help="A constant that a competent player knows.")
@click.option("--fault", "names", multiple=True, metavar="NAME", help="Play these faults (`list` lists them).")
@click.option("--share", default=0.3, show_default=True, help="Share of requests that get a fault, at random.")
@click.option("--latency", default=0.0, show_default=True, help="Seconds before each answer.")
@click.option("--log", type=click.Path(path_type=Path), help="A file that gets a JSON line for each request.")
def fake_llm(
    port: int,
    play: str,
    toward: tuple[str, ...],
    names: tuple[str, ...],
    share: float,
    latency: float,
    log: Path | None,
) -> None:
    """Serve a played model on this machine, speaking the Messages API. It also judges texts, and rewrites them.

    Point a run at it with `llm.base_url=http://127.0.0.1:8081`.
    """
    from wolf.dev import players
    from wolf.dev.faults import FAULTS
    from wolf.dev.server import FakeServer
    from wolf.dev.writers import literate

    if "list" in names:
        click.echo("\n".join(FAULTS))
        return
    for name in names:
        if name not in FAULTS:
            raise UsageError(f"there is no fault {name!r}; `--fault list` lists them")
    known = dict(pair.partition("=")[::2] for pair in toward)
    player = {
        "competent": players.competent(known), "repetitive": players.repetitive, "sloppy": players.sloppy(known)
    }[play]  # fmt: skip

    try:
        server = FakeServer(
            literate(player), lambda number, prompt: _drawn(number, names, share), port=port, latency=latency, log=log
        )
    except OSError as error:
        raise SetupError(f"cannot listen on port {port} ({error.strerror}): --port 0 takes any that is free") from error
    click.echo(f"a model that is {play}, at {server.url}; Ctrl-C ends it")
    server.serve()


def _drawn(number: int, names: tuple[str, ...], share: float) -> str | None:
    rng = random.Random(number)
    return rng.choice(names) if names and rng.random() < share else None


@dev.command("replay")
@click.argument("run", required=False)
@click.pass_context
def replayed(ctx: click.Context, run: str | None) -> None:
    """Derive every decision of RUN (finished, in cohort mode) again from its evaluations and answers, and compare.

    Exit code 1 if anything is decided differently.
    """
    from wolf.dev.replay import replay
    from wolf.reading.finding import find_run

    where = find_run(run)
    wrong = replay(where)
    click.echo("\n".join(wrong[:20]) if wrong else f"every decision of {where} is derived again from its ledger")
    ctx.exit(1 if wrong else 0)
