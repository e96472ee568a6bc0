"""Where runs are: a run is a folder with a ledger in it."""

from __future__ import annotations

import glob
from pathlib import Path

from wolf.errors import UsageError

LEDGER = "ledger.db"


def find_run(where: str | Path | None = None) -> Path:
    """The run directory that `where` means (see `wolf.load_run`); raises `UsageError` if there is none."""
    path = Path("runs" if where is None else where)
    if where is not None and not path.exists() and len(path.parts) == 1:
        path = Path("runs") / path
    path = path.parent if path.name == LEDGER and path.is_file() else path
    if (path / LEDGER).is_file():
        return path
    if runs := runs_in(path) or runs_in(path / "runs"):
        return runs[0]
    if where is None:
        raise UsageError("no run in ./runs: start one with `wolf run CONFIG`, or name the folder where yours are")
    near = sorted(ledger.parent.name for ledger in path.parent.glob(f"{glob.escape(path.name)}*/{LEDGER}"))
    hint = "`wolf runs` lists those of a folder" if path.suffix != ".yaml" else f"`wolf run {where}` starts one"
    hint = f"did you mean {' or '.join(near[-3:])}?" if near else hint
    hint = next((f"name one that is deeper, such as {one.parents[1]}" for one in path.glob(f"*/*/{LEDGER}")), hint)
    raise UsageError(f"no run at {where}: expected a folder with a {LEDGER}, or a folder of such folders; {hint}")


def runs_in(folder: Path) -> list[Path]:
    """The run directories in `folder`, the one written to last first."""
    runs = (ledger.parent for ledger in folder.glob(f"*/{LEDGER}"))
    return sorted(runs, key=lambda run: (touched(run), run.name), reverse=True)


def touched(run: Path) -> float:
    """When the run's ledger was last written to; a reader leaves an empty log behind, which is no writing."""
    files = [file.stat() for file in (run / LEDGER, run / f"{LEDGER}-wal") if file.exists()]
    return max((file.st_mtime for file in files if file.st_size), default=0.0)
