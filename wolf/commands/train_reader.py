"""`wolf train-reader`: a reader of your own from your own A/B tests, measured before it is saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from wolf.errors import UsageError

LEAST_GROUPS = 10
FOLDS = 10
RIDGE = 2e-3
SIGNIFICANT = 1.96**2  # a pair's weight is its squared z


@click.command()
@click.argument("tests", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--task", type=click.Choice(["headline", "argument"]), default="headline", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to save the reader. Default: TESTS.npz."
)
@click.option(
    "--embeddings",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a sentence-embedding model, to use its embeddings as features.",
)
@click.option("--fresh", is_flag=True, help="Start from nothing, not from the shipped reader.")
def command(tests: Path, task: str, out: Path | None, embeddings: Path | None, fresh: bool) -> None:
    """Train a reader on TESTS, a CSV file of pairs.

    Columns: won,lost or a,b,impressions_a,clicks_a,impressions_b,clicks_b; optionally group (tests of one story).
    Use it with `judge: {kind: reader, task: ..., reader: TESTS.npz}`.
    """
    from judges.embedding import EMBEDDING, Encoder
    from judges.fitting import Recipe, Table, cross_validate, fit
    from judges.pairs import PairsError, read_pairs
    from judges.reader import Reader, Task

    try:
        pairs = read_pairs(tests)
    except PairsError as error:
        raise UsageError(str(error)) from error
    if (groups := len({pair.group for pair in pairs})) < LEAST_GROUPS:
        raise UsageError(
            f"{tests} has {groups} independent groups of tests; {LEAST_GROUPS} are needed to measure a "
            "reader, and about 100 to train a useful one"
        )
    table = Table(pairs, Encoder(embeddings) if embeddings else None)
    shipped = Reader.shipped(task)
    start = None if fresh else shipped
    kind: Task = "argument" if task == "argument" else "headline"
    path, neutral = (out or tests).with_suffix(".npz"), kind == "argument"
    plain = Recipe(path.stem, kind, ("style", "char"), RIDGE, neutral=neutral, length_price=shipped.length_price)
    recipe = replace(plain, blocks=(*plain.blocks, EMBEDDING)) if table.encoder else plain
    held = cross_validate(table, recipe, FOLDS, start)
    replace(held.settle(fit(table, recipe, start=start)), error=shipped.error).save(path)
    rows = {"this reader": held}
    if table.encoder:
        rows["without embeddings"] = cross_validate(table, plain, FOLDS, start)
    rows["the shipped reader"] = held.of(shipped)
    click.echo(f"{len(pairs)} pairs in {len(table.groups)} groups, each read by a reader that has not seen its group:")
    for name, which in rows.items():
        mean, low, high, _ = which.accuracy()
        clear, *_, n = which.accuracy(table.weight > SIGNIFICANT)
        decided = f"; {clear:.1%} of the {n} that are decided at p < .05" if n else ""
        click.echo(f"  {name:18} {mean:.1%} right (95 %: {low:.1%} to {high:.1%}){decided}")
    if held.accuracy()[0] <= rows["the shipped reader"].accuracy()[0]:
        click.echo("on these tests the shipped reader is right as often or more: keep it until you have more tests")
    if table.encoder:
        click.echo(f"with the sentence-embedding model {table.encoder}; the reader works with no other")
    keys = f"reader: {path}" + (f", embeddings: {embeddings}" if embeddings else "")
    click.echo(f"saved to {path}; use it with judge: {{kind: reader, task: {task}, {keys}}}")
