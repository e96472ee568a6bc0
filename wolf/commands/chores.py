"""Two small commands: the schema for editors, and the rescue of a damaged ledger."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
def schema() -> None:
    """Print the JSON schema of the configuration.

    An editor that knows it completes keys and marks mistakes; presets name it in their first line:
    `# yaml-language-server: $schema=./wolf.schema.json`.
    """
    from wolf.settings.config import schema

    click.echo(json.dumps(schema(), indent=2))


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def recover(run: Path) -> None:
    """Keep everything before the damage in the ledger of RUN; the damaged file stays beside it."""
    from wolf.store.ledger import recover

    kept, backup = recover(run)
    click.echo(f"kept {kept} events; the damaged ledger is now {backup}\nnext: wolf resume {run}")
