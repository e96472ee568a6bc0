"""The chain of hashes that ties each event to all before it; of a long one, several processes check a part each."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from msgspec.json import encode

from wolf.store.database import rows

HOUSE = Path(__file__).parents[2]
HELPERS = 3  # processes at most


def link(previous: bytes, seq: int, at: float, kind: str, body: str) -> bytes:
    """The hash of an event, from that of the one before; `body` is JSON in ASCII."""
    said = b"%b[%d, %b, %b, %b]" % (previous, seq, repr(at).encode(), encode(kind), encode(body))
    return hashlib.sha256(said).digest()  # of what json.dumps makes of the list, in half of its time


def sound(path: Path, after: int, upto: int) -> bool:
    """Whether the events from `after` on, which is taken for sound, are what was written; false if nobody can tell."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with (
        suppress(sqlite3.Error, TypeError, ValueError, StopIteration),
        closing(sqlite3.connect(uri, uri=True, timeout=10)) as db,
    ):
        last, previous = after, next(rows(db, after - 1, after))[4] if after else b""
        for seq, at, kind, body, digest in rows(db, after, upto):
            if seq != last + 1 or digest != link(previous, seq, at, kind, body):
                return False
            last, previous = seq, digest
        return last == upto
    return False


@contextmanager
def checked(path: Path, upto: int) -> Iterator[Callable[[], bool]]:
    """Processes that check the events up to one, while the caller does something else.

    Yields what waits for their verdict: whether all of it is sound. False if there is no core for them.
    """
    parts = min(len(os.sched_getaffinity(0)) - 1 if hasattr(os, "sched_getaffinity") else 0, HELPERS)
    helpers: list[subprocess.Popen[bytes]] = []
    try:
        with suppress(OSError):
            for part in range(parts):
                words = [str(path), str(upto * part // parts), str(upto * (part + 1) // parts)]
                helpers.append(
                    subprocess.Popen(
                        [sys.executable, "-sP", "-m", "wolf.store.chain", *words],
                        env=os.environ | {"PYTHONPATH": str(HOUSE)},
                        stdin=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                    )
                )
        yield lambda: len(helpers) == parts > 0 and not any(helper.wait() for helper in helpers)
    finally:
        for helper in helpers:
            helper.kill()
            helper.wait()


if __name__ == "__main__":
    sys.exit(not sound(Path(sys.argv[1]), *map(int, sys.argv[2:])))
