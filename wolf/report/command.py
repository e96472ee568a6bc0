"""The command, and the page as text."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wolf.commands.which import run_argument
from wolf.errors import SetupError
from wolf.reading.records import Run, load_run
from wolf.reading.terminal import duration, json_line, safe

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent


@click.command()
@run_argument
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Default: RUN/report.html.")
@click.option("--open", "launch", is_flag=True, help="Open it in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: where the page is.")
def report(run: str | None, output: Path | None, launch: bool, as_json: bool) -> None:
    """Write one HTML page about RUN: the verdict, the curve, the map, the lineage, what was tried in vain, the cost."""
    found = load_run(run)
    where = output or (found.path or Path()) / "report.html"
    try:
        where.write_text(render(found), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot write {where}: {error.strerror}; choose another place with --output") from error
    click.echo(json_line({"report": str(where), "run": str(found.path)}) if as_json else f"wrote {where}")
    if launch:
        click.launch(str(where))


def render(run: Run) -> str:
    """The page about `run`, as HTML text."""
    from markupsafe import Markup

    from wolf.report.page import page

    script = "".join(HERE.joinpath(name).read_text("utf-8") for name in ("map.js", "script.js"))
    return (
        environment()
        .get_template("page.html")
        .render(
            page(run),
            style=Markup(HERE.joinpath("style.css").read_text("utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def environment(*more: Path) -> Environment:
    """The templates of the page and its parts, and those in the folders `more`. What candidates wrote is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([*more, HERE]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=lambda value: safe(value) if type(value) is str else value,
    )  # fmt: skip
    made.globals["duration"] = duration
    return made
