"""Leases: what one run has to itself on this machine (a GPU, a core), no other run of the same user takes.

A lease is a lock on a file in a folder of this user's. The kernel drops it with the process, however that ends, so
there are no leases of dead processes. Not covered: other users, other programs, and containers that do not share the
folder; all of them can use the same GPU.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from wolf.errors import SetupError


class Leases:
    """Holds leases until it is closed or its process ends."""

    def __init__(self, run: str) -> None:
        """Nothing is leased yet; `run` is what others are told about us."""
        self._run = run
        self._locks: list[int] = []

    def take(self, things: Sequence[str], count: int) -> list[str]:
        """Lease the first `count` of `things` that are free.

        Raises:
            SetupError: if there are fewer; nothing is leased then. It says who has the others.
        """
        taken: list[str] = []
        holders: dict[str, str] = {}
        locks: list[int] = []
        for thing in things:
            if len(taken) == count:
                break
            lock = os.open(folder() / thing.replace("/", "-"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holders[thing] = os.pread(lock, 4096, 0).decode("utf-8", "replace").strip() or "another run"
                os.close(lock)
                continue
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{self._run} (process {os.getpid()})\n".encode(), 0)
            locks.append(lock)
            taken.append(thing)
        if len(taken) < count:
            for lock in locks:
                os.close(lock)
            others = "; ".join(f"{thing} is held by {who}" for thing, who in holders.items())
            raise SetupError(
                f"this run needs {count} of {', '.join(things) or 'nothing'}, and {len(taken)} are free"
                + (f" ({others}); wait for it, stop it, or" if others else ";")
                + " ask for fewer with workers.slots"
            )
        self._locks += locks
        return taken

    def close(self) -> None:
        """Give everything back. May be called twice."""
        while self._locks:
            os.close(self._locks.pop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def folder() -> Path:
    """Where this user's leases are, on a file system that ends with the machine's uptime where there is one.

    Raises:
        SetupError: if it belongs to somebody else.
    """
    above = os.environ.get("XDG_RUNTIME_DIR")
    place = Path(above, "auto-wolf") if above else Path(tempfile.gettempdir(), f"auto-wolf-{os.getuid()}")
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    if place.lstat().st_uid != os.getuid() or place.is_symlink():
        raise SetupError(f"{place} belongs to somebody else; set XDG_RUNTIME_DIR to a folder of yours")
    return place
