"""Two small commands: the schema for editors, and the rescue of a damaged ledger."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote

import click


@click.command()
def schema() -> None:
    """Print the JSON schema of the configuration.

    An editor that knows the schema completes keys and marks mistakes. Save it beside your file as wolf.schema.json, and
    begin the file with `# yaml-language-server: $schema=./wolf.schema.json`.
    """
    from wolf.settings.config import schema

    click.echo(json.dumps(schema(), indent=2))


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def recover(run: Path) -> None:
    """Repair the ledger of RUN: keep everything before the damage. The damaged file is kept beside it."""
    from wolf.store.ledger import recover

    kept, backup = recover(run)
    click.echo(f"kept {kept} event{'s'[: kept != 1]}; the ledger as it was is now {backup}")
    click.echo(f"next: `wolf top {quote(str(run))}` shows what is left; unless it was finished, `wolf resume` goes on")
