"""What SQLite and the disk complain of, as sentences that say what to do."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from wolf.errors import LedgerDamaged, LedgerError


def damaged(path: Path, seq: int) -> LedgerDamaged:
    """The ledger `path` is not what was written from event `seq` on."""
    return LedgerDamaged(
        f"{path} is damaged at event {seq}: `wolf recover {quote(str(path.parent))}` keeps the {seq - 1} events "
        "before it and a copy of the damaged file"
    )


def shortened(path: Path, seq: int, written: int) -> LedgerDamaged:
    """The ledger `path` ends at event `seq`, and more were written."""
    return LedgerDamaged(
        f"{path} ends at event {seq}, but {written} were written (is ledger.db-wal missing?): put the missing file "
        f"back, or go on from what is there with `wolf recover {quote(str(path.parent))}`"
    )


def replaced(run_dir: Path) -> LedgerError:
    """The folder of the ledger is no longer the one that was opened."""
    return LedgerError(
        f"{run_dir} was removed or replaced while the run was going on, so nothing more can be kept: put it back as it "
        f"was and go on with `wolf resume {quote(str(run_dir))}`, or start another run"
    )


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite and of the disk into sentences."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_NOTADB":
            raise LedgerError(f"{path} is not a ledger of Auto Wolf") from error
        if name.startswith("SQLITE_CORRUPT"):
            raise LedgerDamaged(
                f"{path} is damaged: `wolf recover {quote(str(path.parent))}` keeps what can be read"
            ) from error
        raise LedgerError(
            f"cannot use {path}: {_trouble(error, name)}; nothing that was written is lost: put that right and go on "
            f"with `wolf resume {quote(str(path.parent))}`"
        ) from error


def _trouble(error: Exception, name: str) -> str:
    number = getattr(error, "errno", None)
    if name == "SQLITE_FULL" or number in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full (`df -h` says which)"
    if name.startswith("SQLITE_IOERR") or number == errno.EIO:
        return f"the disk fails or is full ({error}; `dmesg` and `df -h` say more)"
    if name.startswith("SQLITE_READONLY") or number == errno.EROFS:
        return "it can no longer be written to"
    return getattr(error, "strerror", None) or str(error)
