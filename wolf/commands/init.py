"""`wolf init`: a small project that runs, to be replaced piece by piece by one's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from shlex import quote

import click

from wolf.errors import SetupError, UsageError

STARTER = Path(__file__).parent / "starter"
STARTER_TEXT = Path(__file__).parent / "starter_text"


def write(folder: Path, starter: Path = STARTER) -> list[Path]:
    """Copy the project `starter` into `folder`; nothing is overwritten.

    Returns:
        The files written.

    Raises:
        UsageError: if one of them exists, or `folder` is a file.
        SetupError: if the folder cannot be written.
    """
    sources = sorted(path for path in starter.iterdir() if path.is_file())
    taken = [source.name for source in sources if (folder / source.name).exists()]
    if folder.is_file():
        raise UsageError(f"{folder} is a file; name an empty folder: `wolf init my-search`")
    if taken:
        raise UsageError(f"{folder} already has {', '.join(taken)}; name an empty folder: `wolf init my-search`")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.copyfile(source, folder / source.name)) for source in sources]
    except OSError as error:
        raise SetupError(f"cannot write to {folder}: {error.strerror}") from error


@click.command()
@click.argument("folder", default=".", metavar="[DIR]", type=click.Path(path_type=Path))
@click.option("--text", is_flag=True, help="A project that improves a headline.")
def command(folder: Path, text: bool) -> None:
    """Create a small project in DIR (default: this folder) that runs as it is.

    It tunes a forecast or, with --text, a headline. Replace its files by your own.
    """
    paths = write(folder, STARTER_TEXT if text else STARTER)
    wide = max(len(str(path)) for path in paths)
    for path in paths:
        about = {
            "task.yaml": "what evolves, how it is judged, when to stop",
            "forecast.py": "the file that evolves",
            "judge.py": "the judge: one function that scores it",
            "memo.md": "what you want, in words",
            "headline.txt": "the text that evolves",
            "article.md": "what you want and what is true, in words",
        }.get(path.name, "")
        click.echo(f"  {path!s:<{wide}}  {about}".rstrip())
    typed = quote(str(folder / "task.yaml"))
    click.echo(f"next: wolf check {typed}    then: wolf run {typed}")
