"""`wolf duel`: a person compares two texts of a run, blind, until it is clear whether the challenger is better."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import click

from judges.watch import ACCEPT, challenge
from wolf.commands.which import named, named_arguments
from wolf.errors import UsageError
from wolf.reading.records import load_run
from wolf.reading.terminal import safe

ANSWERS = {"1": 0, "2": 1, "=": None}


@click.command()
@named_arguments("[CHALLENGER] [CHAMPION]")
@click.option("--votes", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="File with people's answers, a line each: challenger, champion or =.")  # fmt: skip
@click.option("--seed", default=0, help="Random seed for the order of the texts.")
def command(names: tuple[str, ...], run: str | None, votes: Path | None, seed: int) -> None:
    """Ask people whether CHALLENGER (default: best) is better than CHAMPION (default: seed).

    Each duel is one person's answer. The champion stays unless the challenger is better with a probability of at least
    80 %; ties count for neither.
    """
    challenger, champion = named(names, "best", "seed")
    found = load_run(run)
    ids = found.resolve(challenger), found.resolve(champion)
    if ids[0] == ids[1]:
        raise UsageError(f"{challenger} and {champion} are the same text; `wolf top` lists others")
    if votes is not None:
        answers = _read(votes)
        outcome = challenge(lambda number: answers[number], len(answers))
    else:
        texts = ["\n\n".join(found.files(name).values()) for name in ids]
        outcome = challenge(_asking(texts, random.Random(seed)))
    end = "take the challenger" if outcome.replaced else "keep the champion"
    sure = f"P({ids[0][:8]} is better than {ids[1][:8]}) = {outcome.probability:.0%}"
    click.echo(f"{sure} after {outcome.duels} duels; {ACCEPT:.0%} are needed: {end}")


def _asking(texts: list[str], rng: random.Random) -> Callable[[int], bool | None]:
    def duel(number: int) -> bool | None:
        order = rng.sample((0, 1), 2)
        click.echo(f"\nDuel {number + 1}")
        for place, index in enumerate(order, 1):
            click.echo(f"--- {place} ---\n{safe(texts[index]).strip()}")
        try:
            answer = ANSWERS[click.prompt("Better, or = for a tie", type=click.Choice([*ANSWERS]))]
        except click.Abort:
            if sys.stdin.isatty():
                raise
            said = f"the input ended before duel {number + 1} was answered, and nothing was decided"
            raise UsageError(f"{said}: answer at a terminal, or give answers in a file with --votes FILE") from None
        return None if answer is None else order[answer] == 0

    return duel


def _read(path: Path) -> list[bool | None]:
    known = {"challenger": True, "champion": False, "=": None}
    lines = [line.strip().lower() for line in path.read_text("utf-8", errors="replace").splitlines()]
    for number, line in enumerate(lines, 1):
        if line and line not in known:
            raise UsageError(f"{path} line {number}: expected challenger, champion or =, found {line[:40]!r}")
    answers = [known[line] for line in lines if line]
    if not answers:
        raise UsageError(f"{path} has no answers")
    return answers
