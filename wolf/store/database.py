"""The SQLite file that a ledger is: its two tables, how it is opened, and what goes in and comes out."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from wolf.errors import LedgerError
from wolf.store import lock

APPLICATION = 0x576F6C66  # "Wolf" in SQLite's header
FORMAT = 1
CACHE = 256  # kB of pages that SQLite keeps; the system keeps them, too, and a night fills whatever there is

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {FORMAT};
CREATE TABLE event (seq INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
                    hash BLOB NOT NULL);
CREATE TABLE text (hash TEXT PRIMARY KEY, body BLOB NOT NULL);
"""

Row = tuple[int, float, str, str, bytes]  # of `event`


def connect(path: Path, read_only: bool = False) -> sqlite3.Connection:
    """Open a file, or make it unless `read_only`; what is committed to it is on disk.

    Raises:
        LedgerError: if its file system cannot hold a ledger.
    """
    mode = "ro" if read_only else "rwc"
    if read_only and not os.access(path.parent, os.W_OK) and not _moving(path):
        mode = "ro&immutable=1"  # SQLite cannot make the log there that even a reader wants
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=10)
    with suppress(sqlite3.Error, ValueError):  # it reads the schema, and what is wrong there is for others to say
        db.execute(f"PRAGMA cache_size = -{CACHE}")
    if not read_only:
        if db.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise LedgerError(f"the file system of {path} cannot hold a ledger; set runs: to a folder on a local disk")
        db.execute("PRAGMA synchronous = FULL")
    return db


def make_tables(db: sqlite3.Connection) -> None:
    """Of an empty file; part of the transaction under way."""
    for statement in _SCHEMA.split(";"):
        db.execute(statement)


def check_format(db: sqlite3.Connection, path: Path) -> None:
    """Whether these are tables that this version can read.

    Raises:
        LedgerError: if not.
    """
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise LedgerError(f"{path} is not a ledger of Auto Wolf")
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found > FORMAT:
        raise LedgerError(
            f"{path} was written by a newer Auto Wolf (ledger format {found}; this one reads up to {FORMAT}):"
            " upgrade with `pip install --upgrade auto-wolf`"
        )


def fold(db: sqlite3.Connection) -> None:
    """Fold the log into the file, so that it can be renamed; closing would do so too, but not say when it fails."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def rows(db: sqlite3.Connection, after: int, upto: int = 2**62) -> Iterator[Row]:
    """The events with `after < seq <= upto` as they are stored, in order."""
    return db.execute(
        "SELECT seq, time, kind, body, hash FROM event WHERE seq > ? AND seq <= ? ORDER BY seq", (after, upto)
    )


def outline(db: sqlite3.Connection, upto: int) -> Iterator[tuple[int, str, str | None]]:
    """The events with `seq <= upto` in order, without what takes long to read: seq, kind, a body for `variant` only."""
    return db.execute(
        "SELECT seq, kind, CASE kind WHEN 'variant' THEN body END FROM event WHERE seq <= ? ORDER BY seq", (upto,)
    )


def add(db: sqlite3.Connection, row: Row) -> None:
    """One more event."""
    db.execute("INSERT INTO event (seq, time, kind, body, hash) VALUES (?, ?, ?, ?, ?)", row)


def put(db: sqlite3.Connection, text: str) -> str:
    """Store a text unless it is there; returns the hash that it is found by."""
    data = text.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(data).hexdigest()
    db.execute("INSERT OR IGNORE INTO text (hash, body) VALUES (?, ?)", (digest, zlib.compress(data)))
    return digest


def get(db: sqlite3.Connection, digest: str) -> str | None:
    """The text with this hash; None if it is not here, or not what was written."""
    with suppress(sqlite3.DatabaseError, zlib.error, TypeError):
        row = db.execute("SELECT body FROM text WHERE hash = ?", (digest,)).fetchone()
        data = zlib.decompress(row[0])
        if hashlib.sha256(data).hexdigest() == digest:
            return data.decode("utf-8", "surrogatepass")
    return None


def _moving(path: Path) -> bool:
    """Whether somebody writes to it, or was killed while doing so."""
    log = Path(f"{path}-wal")
    return lock.held(path.parent) or (log.exists() and log.stat().st_size > 0)
