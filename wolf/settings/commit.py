"""Files as they were at a git commit, so that a search can start from where somebody else's search got to."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

BEST = "best"
LOG = "results.tsv"  # autoresearch's: commit, val_bpb, memory_gb, status, description; lower is better


class CommitError(ValueError):
    """There is no such commit or file. The message is one sentence that says what to do."""


def read(root: Path, commit: str, file: str) -> bytes:
    """A file of the git checkout `root` at a commit: any name that git understands, or `best`.

    Raises:
        CommitError: if git does not have it.
    """
    name = best(root / LOG) if commit == BEST else commit
    command = ["git", "-C", str(root), "show", "--end-of-options", f"{name}:./{file}"]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise CommitError("git is not installed; install it, or check the commit out and drop `commit`") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or [""]
        why = said[-1].removeprefix("fatal: ")
        raise CommitError(f"there is no {file} at commit {name} in {root}: {why}") from error


def best(log: Path) -> str:
    """The commit of the kept row with the lowest second column in autoresearch's results.tsv.

    Raises:
        CommitError: if there is none.
    """
    try:
        with log.open(encoding="utf-8", newline="") as lines:
            rows = [row for row in csv.reader(lines, delimiter="\t") if len(row) >= 4 and row[3] == "keep"]
        return min(rows, key=lambda row: float(row[1]))[0]
    except OSError as error:
        raise CommitError(f"{log} cannot be read ({error.strerror}), so there is no best commit: name one") from error
    except ValueError as error:
        raise CommitError(f"{log} has no row that says keep and a number, so there is no best commit") from error
