"""`wolf export`: a run as a table for other programs, its champion as files, or the champion's line as git commits."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import click

from wolf.commands.which import run_argument
from wolf.errors import SetupError, UsageError
from wolf.reading.records import Run, load_run
from wolf.reading.terminal import json_line
from wolf.settings import shipped

TABLES = ("variants", "evaluations", "calls", "votes", "events")
FORMATS = ("jsonl", "csv", "parquet", "git", "results.tsv")


@click.command()
@run_argument
@click.option("--table", type=click.Choice(TABLES), help="Default: evaluations.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS),
    help="Default: jsonl. git: a new repository with a commit for each step of the champion's line. results.tsv: "
    "autoresearch's five columns, one row per evaluation.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="A file (git: a folder). Default: standard output."
)
@click.option(
    "--best", type=click.Path(file_okay=False, path_type=Path), help="Write the champion's files into this folder."
)
@click.option("--force", is_flag=True, help="With --best: overwrite files that differ.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export(
    run: str | None,
    table: str | None,
    form: str | None,
    output: Path | None,
    best: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Export a table of RUN, the champion's line as a git repository, or (with --best) the champion's files."""
    if best is not None and (table or form or output):
        raise UsageError("--best writes the champion's files and no table: leave --table, --format and --output out")
    if best is None and force:
        raise UsageError("--force overwrites what --best writes, and nothing else does: leave it out")
    if table and form in ("git", "results.tsv"):
        raise UsageError(f"--format {form} always shows the same: leave --table out, or take csv, jsonl or parquet")
    table, form = table or "evaluations", form or "jsonl"
    found = load_run(run)
    try:
        if best is not None:
            origin = shipped.resolve(found.header.config["target"]["root"])
            written = [str(path) for path in write_files(found.best().files, best, force, origin)]
            said = f"wrote {', '.join(written)} of the champion {found.champion}"
            click.echo(json_line({"variant": found.champion, "files": written}) if as_json else said)
        elif form == "git":
            _git(found, _needed(output, form), as_json)
        elif form == "parquet":
            from wolf.reading.tables import write_parquet

            write_parquet(found, table, _needed(output, form))
        else:
            _write(found, table, "jsonl" if as_json else form, output)
        if output is not None and best is None and form != "git" and not as_json:
            click.echo(f"wrote {output}")
    except OSError as error:
        if error.filename is None:  # not a file of ours: a pipe that was closed
            raise
        raise SetupError(f"cannot write {error.filename}: {error.strerror}; choose another place") from error


def write_files(files: Mapping[str, str], folder: Path, force: bool, origin: Path) -> list[Path]:
    """Write into `folder`, never outside it, and never over something else unless told to.

    What may be run in the target, `origin`, may be run there, too.

    Raises:
        UsageError: if a file would lie outside the folder, or differs from what is there.
    """
    root = folder.resolve()
    paths = {(root / name).resolve(): text.encode("utf-8", "surrogatepass") for name, text in files.items()}
    for path, data in paths.items():
        if not path.is_relative_to(root):
            raise UsageError(f"the champion has a file that would lie outside {folder}: nothing was written")
        if path.exists() and not force and path.read_bytes() != data:
            raise UsageError(f"{path} exists and differs: choose another folder, or overwrite it with --force")
    for path, data in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        path.write_bytes(data)
        if new and os.access(origin / path.relative_to(root), os.X_OK):
            path.chmod(path.stat().st_mode | 0o111)
    return [folder / path.relative_to(root) for path in paths]


def _needed(output: Path | None, form: str) -> Path:
    if output is None:
        what = "a new folder" if form == "git" else "a file"
        raise UsageError(f"--format {form} needs {what} to write to: add --output PATH")
    return output


def _write(run: Run, table: str, form: str, output: Path | None) -> None:
    from wolf.reading.tables import WRITERS, write_results_tsv

    with output.open("w", encoding="utf-8", newline="") if output else nullcontext(sys.stdout) as out:
        if form == "results.tsv":
            write_results_tsv(run, out)
        else:
            WRITERS[form](run, table, out)


def _git(run: Run, folder: Path, as_json: bool) -> None:
    from wolf.reading.commits import write_repository

    commits = write_repository(run, folder)
    facts = {"repository": str(folder), "commits": commits, "variant": run.champion}
    said = f"wrote {folder}, {commits} commits from the seed to the champion {run.champion}: git -C {folder} log"
    click.echo(json_line(facts) if as_json else said)
