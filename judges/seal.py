"""Sealing: what training left, copied to where nobody can change it, if it is nothing but plain files."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

MOST_BYTES = 4_000_000_000  # that training may leave behind
MOST_FILES = 10_000


class SealError(Exception):
    """What training left must not be read; the message is a sentence that says why."""


def seal(out: Path, sealed: Path) -> str:
    """Copy `out` to `sealed` (created here), read-only, and return its digest. Nothing in it is opened as anything.

    Raises:
        SealError: if it holds links, devices, hard links to other files, too much, or too many files.
    """
    if not stat.S_ISDIR(out.lstat().st_mode):
        raise SealError("training replaced its output folder")
    sealed.mkdir()
    total = files = 0
    for where, folders, names in os.walk(out):
        for name in folders + names:
            files += 1
            source = Path(where, name)
            place, facts = sealed / source.relative_to(out), source.lstat()
            total += facts.st_size
            if files > MOST_FILES or total > MOST_BYTES:
                raise SealError(f"training left more than {MOST_BYTES / 1e9:.0f} GB or {MOST_FILES} files")
            if stat.S_ISDIR(facts.st_mode):
                place.mkdir()
            elif stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
                _copy(source, place)
            else:
                raise SealError(f"training left {name[:80]!r}, which is neither a plain file nor a folder")
    for where, _, _ in os.walk(sealed, topdown=False):
        os.chmod(where, 0o555)
    return digest(sealed)


def digest(folder: Path) -> str:
    """16 hex digits over the names and contents of everything in a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(f"{path.relative_to(folder)}\0".encode("utf-8", "surrogateescape"))
        if path.is_file():
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


def _copy(source: Path, place: Path) -> None:
    with open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as reader, place.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
    place.chmod(0o444)
