"""Two small commands: the schema for editors, and the rescue of a damaged ledger."""

from __future__ import annotations

import json
from pathlib import Path

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
    click.echo(f"kept {kept} events; the damaged ledger is now {backup}\nnext: wolf resume {run}")
