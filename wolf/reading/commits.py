"""The champion's line as a git repository: the seed first, a commit for each step, its score in the message.

Written by `git fast-import`, so that nothing in a candidate's files (attributes, hooks, line ends) has a say in it, and
the same run gives the same hashes everywhere.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from wolf.errors import SetupError, UsageError
from wolf.reading.difference import describe, knob_changes
from wolf.reading.records import Run
from wolf.reading.rows import Proposal
from wolf.reading.terminal import line, safe
from wolf.reading.verdict import places, verdict

AUTHOR = "Auto Wolf <wolf@localhost>"
_ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}  # nobody's own settings


def write_repository(run: Run, folder: Path) -> int:
    """Make `folder` a repository with the champion's line on the branch `champion`, checked out; returns its commits.

    Raises:
        UsageError: if the run has no champion, or the folder has something in it.
        SetupError: if git is missing or will not have it.
    """
    steps = run.lineage(run.best().id)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty: name a new folder for the repository")
    folder.mkdir(parents=True, exist_ok=True)
    _git(folder, "init", "--quiet", "--initial-branch=champion")
    parts: list[bytes] = []
    for mark, step in enumerate(steps, 1):
        before = steps[mark - 2] if mark > 1 else None
        message = _message(run, step, before).encode()
        at = f"{AUTHOR} {int(_time(run, step.id))} +0000"
        parts.append(f"commit refs/heads/champion\nmark :{mark}\nauthor {at}\ncommitter {at}\n".encode())
        parts.append(b"data %d\n%s\n" % (len(message), message))
        parts.append(b"deleteall\n")
        for path, text in run.files(step.id).items():
            data = text.encode("utf-8", "surrogatepass")
            parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (_quoted(path), len(data), data))
    _git(folder, "fast-import", "--quiet", input=b"".join(parts))
    _git(folder, "-c", "core.hooksPath=/dev/null", "reset", "--quiet", "--hard", "champion")
    return len(steps)


def _message(run: Run, step: Proposal, before: Proposal | None) -> str:
    metric, digits = line(run.header.metric, 40), places(run)
    belief = run.beliefs.get(step.id)
    score = f"{metric} {belief.text(digits)}" if belief else "not scored"
    changes = knob_changes(run, run.files(before.id), run.files(step.id)) if before else {}
    changed = describe(changes)
    title = line(f"{score}: {changed or step.note or step.origin}", 100)
    each = [line(f"- {describe({name: pair})}", 100) for name, pair in changes.items()]
    rows = [title, "", *(each or [line(step.note, 500)]), ""]
    gain = run.gain(step.id, before.id) if before else None
    if gain is not None:
        rows.append(f"Gain: {gain.text(digits)} over the step before, by search scores")
    if step.id == run.champion:
        rows.append(f"Verdict: {verdict(run).sentence}")
    rows += [f"Variant: {step.id}", f"Operator: {line(step.origin, 60)}", f"Readings: {belief.n if belief else 0}"]
    rows += [f"Also-from: {line(parent, 60)}" for parent in step.parents[1:]]
    return safe("\n".join(rows)) + "\n"


def _time(run: Run, variant: str) -> float:
    told = next((told.time for told in run.told if told.variant == variant), None)
    return told if told is not None else run.events[0].time


def _quoted(path: str) -> bytes:
    """A path as `fast-import` reads it whatever is in it."""
    text = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'.encode("utf-8", "surrogatepass")


def _environment() -> dict[str, str]:
    """Ours, without a repository that we may have been called from."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _ALONE


def _git(folder: Path, *arguments: str, input: bytes | None = None) -> None:
    try:
        subprocess.run(
            ["git", *arguments], cwd=folder, input=input, check=True, capture_output=True, env=_environment()
        )
    except FileNotFoundError:
        raise SetupError("git is not installed: install it, or use another --format") from None
    except subprocess.CalledProcessError as error:
        said = line(error.stderr.decode("utf-8", "replace"), 200)
        raise SetupError(f"git {arguments[0]} failed in {folder}: {said}") from error
