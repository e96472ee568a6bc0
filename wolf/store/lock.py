"""Who writes a run, and how far it has come: the file RUN/lock.

The writer holds a `flock` on it for as long as it lives; the kernel drops it with the process, however that ends. Its
content is the last writer's pid and the last event it wrote, so that a lost tail of the ledger is noticed.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from wolf.errors import LedgerBusy, LedgerError

LOCK = "lock"
LOOKS = 50  # at a lock that is taken, 10 ms apart: a reader takes it for an instant


def take(run_dir: Path) -> int:
    """Lock `run_dir` for writing. Returns the descriptor whose closing unlocks it.

    Raises:
        LedgerBusy: if another process has it.
        LedgerError: if the file cannot be written.
    """
    try:
        lock = os.open(run_dir / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise LedgerError(_refused(run_dir, error)) from error
    try:
        if not any(_free(lock) for _ in range(LOOKS)):
            pid = head(run_dir)[0]
            raise LedgerBusy(f"another process (pid {pid}) is running {run_dir}; wait for it or stop it first")
        note(lock, head(run_dir)[1])
    except OSError as error:
        os.close(lock)
        raise LedgerError(_refused(run_dir, error)) from error
    except LedgerBusy:
        os.close(lock)
        raise
    return lock


def held(run_dir: Path) -> bool:
    """Whether a writer holds it. To find out takes a shared lock for an instant, which `take` sits out."""
    try:
        with (run_dir / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def note(lock: int, seq: int) -> None:
    """Note how far the ledger has come; after the commit, so that it never says too much."""
    os.pwrite(lock, f"{os.getpid():>10} {seq:>12}\n".encode(), 0)


def head(run_dir: Path) -> tuple[int, int]:
    """The last writer's pid and the last event it wrote; zeros if unknown."""
    try:
        pid, seq = (run_dir / LOCK).read_text("ascii").split()
        return int(pid), int(seq)
    except (OSError, ValueError):
        return 0, 0


def _free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(0.01)
        return False
    return True


def _refused(run_dir: Path, error: OSError) -> str:
    return f"cannot write to {run_dir}: {error.strerror}; make room or get the right to, or set runs: to another folder"
