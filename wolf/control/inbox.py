"""The inbox of a run: a folder of small files, through which any process tells the run that works in it something.

    RUN/inbox/<name>.json        one order each, obeyed in the order of the names

`post` writes one whole or not at all. Whoever writes by other means should write elsewhere and rename; a file that is
not JSON yet is given a second to become some. The run reads its inbox between evaluations and twice a second while it
waits, records what it read in the ledger, and only then removes the file: a file that is still there after a kill is
known by its name and time, and is not obeyed twice.
"""

from __future__ import annotations

import json
import os
import stat
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wolf.control.orders import AnyOrder, OrderError, read

INBOX = "inbox"
LARGEST = 8 * 2**20  # bytes of one file
GRACE = 1.0  # seconds that a file which is no JSON may be half-written

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Letter:
    """One file of the inbox.

    Attributes:
        id: its name without `.json`.
        stamp: when it was written, in nanoseconds.
        order: what it says; None if that is no order.
        problem: why not, in one sentence.
    """

    id: str
    stamp: int
    order: AnyOrder | None
    problem: str = ""

    @property
    def key(self) -> Key:
        """By what it is known again."""
        return self.id, self.stamp


def post(run_dir: Path, order: Mapping[str, Any]) -> str:
    """Put an order into the inbox of a run, whole or not at all. Returns its id.

    Raises:
        OSError: if the folder cannot be written.
    """
    folder = run_dir / INBOX
    folder.mkdir(exist_ok=True)
    id = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
    draft = folder / f".{id}"
    try:
        with draft.open("x", encoding="utf-8") as file:
            json.dump(order, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(folder / f"{id}.json")
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return id


class Inbox:
    """The reading side; for the process that holds the run."""

    def __init__(self, run_dir: Path) -> None:
        """The folder need not exist."""
        self._folder = run_dir / INBOX

    def letters(self, known: Collection[Key]) -> Iterator[Letter]:
        """What has come, in the order of the names; files that are `known` are removed unread."""
        for name in self._names():
            letter = self._open(name, known)
            if letter is not None:
                yield letter

    def discard(self, letter: Letter) -> None:
        """It is in the ledger; its file, if it is still that one, is not needed any more."""
        self._remove(letter.id, letter.stamp)

    def waiting(self) -> list[str]:
        """The ids of what nobody has read yet."""
        return [name.removesuffix(".json") for name in self._names()]

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as found:
                return sorted(entry.name for entry in found if entry.name.endswith(".json") and entry.name[0] != ".")
        except OSError:
            return []

    def _open(self, name: str, known: Collection[Key]) -> Letter | None:
        """The letter in a file; None if it is known, gone, or perhaps only half there."""
        id, path = name.removesuffix(".json"), self._folder / name
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            with suppress(OSError):
                stamp = path.lstat().st_mtime_ns
                return None if (id, stamp) in known else Letter(id, stamp, None, f"cannot be read: {error.strerror}")
            return None
        try:
            info = os.fstat(handle)
            if (id, info.st_mtime_ns) in known:
                self._remove(id, info.st_mtime_ns)
                return None
            if not stat.S_ISREG(info.st_mode):
                return Letter(id, info.st_mtime_ns, None, "is no plain file")
            if info.st_size > LARGEST:
                return Letter(id, info.st_mtime_ns, None, f"is larger than {LARGEST // 2**20} MiB")
            with open(handle, "rb", closefd=False) as file:
                text = file.read(LARGEST + 1)
        finally:
            os.close(handle)
        try:
            return Letter(id, info.st_mtime_ns, read(text.decode("utf-8")))
        except UnicodeDecodeError:
            problem = "is no UTF-8 text"
        except OrderError as error:
            problem = str(error)
        young = abs(time.time_ns() - info.st_mtime_ns) < GRACE * 1e9
        return None if young and not _json(text) else Letter(id, info.st_mtime_ns, None, problem)

    def _remove(self, id: str, stamp: int) -> None:
        """Remove a file unless somebody has put another in its place."""
        path = self._folder / f"{id}.json"
        with suppress(OSError):
            if path.lstat().st_mtime_ns == stamp:
                path.unlink()


def _json(text: bytes) -> bool:
    with suppress(ValueError, RecursionError):
        json.loads(text)
        return True
    return False
