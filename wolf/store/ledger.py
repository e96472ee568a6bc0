"""The ledger: everything that happened in a run, in one append-only SQLite file.

    RUN/ledger.db   event(seq, time, kind, body, hash)   hash = sha256(hash of the event before + this event)
                    text(hash, body)                     the files of all variants, once each, compressed
    RUN/lock        see wolf/store/lock.py

Covered: an append is one transaction and on disk when `append` returns (WAL, synchronous=FULL), so a process that is
killed loses nothing that was acknowledged, and nothing is ever torn. One writer at a time: the kernel drops the lock
with the process, however that ends. Any number of readers, also while the run goes on. Changed, missing and
cut-off content is noticed: the chain of events on opening, a variant's files when they are read.

Not covered: somebody who means to forge a run (the chain is not signed), and network file systems, where SQLite's
locks cannot be trusted.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from population.variant import Variant
from wolf.errors import LedgerDamaged, LedgerError
from wolf.store import chain, database, lock
from wolf.store.contents import Contents
from wolf.store.database import Row
from wolf.store.events import Event, named, parsed
from wolf.store.folders import inodes, sync
from wolf.store.mishaps import damaged, plainly, replaced, shortened

STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
LONG = 60_000  # events from which on it is worth while to start processes that check them


class Ledger:
    """One run's ledger; made by `create` or `open`. Not for use from several threads."""

    def __init__(self, run_dir: Path, db: sqlite3.Connection, taken: int | None) -> None:
        self.run_dir = run_dir
        self._path = run_dir / "ledger.db"
        self._db = db
        self._lock = taken
        self._seq = 0
        self._hash = b""
        self._contents = Contents()
        self._place: tuple[int, int] | None = None  # inodes of ledger and lock
        self._epoch = time.time() - time.clock_gettime(STEADY)  # a session's times do not jump with the wall clock

    @classmethod
    def create(cls, run_dir: Path, header: Mapping[str, Any], variants: Sequence[Variant] = ()) -> Ledger:
        """Start a ledger whose first event is `run` with `header` as its body, then `variants`, all or nothing.

        `run_dir` is made if need be.

        Raises:
            LedgerError: if there is a ledger already, or the place cannot be written.
        """
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"cannot make the run directory {run_dir}: {error.strerror}; set runs: to a folder "
                              "that you can write to") from error  # fmt: skip
        path = run_dir / "ledger.db"
        taken = lock.take(run_dir)
        if path.exists():
            os.close(taken)
            raise LedgerError(f"{path} exists already; resume it or choose another run directory")
        try:
            fresh = run_dir / "ledger.new.db"  # so that there is a whole ledger or none
            fresh.unlink(missing_ok=True)
            with plainly(path), closing(database.connect(fresh)) as db:
                ledger = cls(run_dir, db, taken)
                ledger._begin()
                database.make_tables(db)
                ledger._append([("run", header)], variants)
                database.fold(db)
            with plainly(path):
                fresh.rename(path)
                sync(run_dir)
                ledger._db = database.connect(path)
                ledger._place = inodes(run_dir)
        except BaseException:
            os.close(taken)
            raise
        return ledger

    @classmethod
    def open(cls, run_dir: Path, write: bool = False) -> Ledger:
        """Open an existing ledger and verify its chain of events.

        Raises:
            LedgerBusy: if `write`, and another process has it open for writing.
            LedgerDamaged: if an event is not what was written, or events are missing.
            LedgerError: if it is no ledger, or one of a newer format.
        """
        path = run_dir / "ledger.db"
        if not path.is_file():
            raise LedgerError(f"there is no run in {run_dir}: {path} does not exist")
        taken = lock.take(run_dir) if write else None
        try:
            with plainly(path):
                ledger = cls(run_dir, database.connect(path, read_only=not write), taken)
                ledger._place = inodes(run_dir) if write else None
                database.check_format(ledger._db, path)
            ledger._catch_up()
        except BaseException:
            if taken is not None:
                os.close(taken)
            raise
        return ledger

    def append(self, records: Sequence[tuple[str, Mapping[str, Any]]], variants: Sequence[Variant] = ()) -> list[Event]:
        """Write all of it or nothing, durably: a `variant` event for each variant not seen before, then `records`.

        Returns:
            The events written, as a reader of the ledger will see them.

        Raises:
            LedgerError: if it cannot be written (the disk is full, the run's folder is gone); the ledger is as it was
                before.
            ValueError: if a body is not plain JSON (NaN and infinity are not).
        """
        with plainly(self._path):
            self._begin()
        return self._append(records, variants)

    def events(self, after: int = 0, naming: str = "") -> Iterator[Event]:
        """The events with `seq > after`, in order; of a run under way, those written so far.

        With `naming` only those in whose body this stands somewhere.
        """
        self._catch_up()
        with plainly(self._path):
            for seq, at, kind, body, _ in database.rows(self._db, after, self._seq):
                if naming in body:
                    yield Event(seq, at, sys.intern(kind), parsed(body))

    @property
    def last(self) -> Event:
        """The latest event."""
        self._catch_up()
        return next(self.events(self._seq - 1))

    @property
    def kinds(self) -> Set[str]:
        """The kinds of the events so far."""
        self._catch_up()
        return self._contents.kinds

    @property
    def finished(self) -> bool:
        """Whether the run is at its end, and was not opened again."""
        self._catch_up()
        return self._contents.finished

    def variant(self, id: str) -> Variant:
        """The variant with this full id.

        Raises:
            LedgerDamaged: if its files are not what was written.
            LedgerError: if there is none.
        """
        if id not in self._contents.variants:
            self._catch_up()
        seq = self._contents.variants.get(id)
        if seq is None:
            raise LedgerError(f"there is no variant {id} in {self.run_dir}")
        with plainly(self._path):
            body = self._body(seq)
            files = {file: self._text(digest, seq) for file, digest in body["files"].items()}
        return Variant(files, tuple(body["parents"]), body["origin"], body["note"])

    def told(self, number: int) -> dict[str, Any]:
        """The body of the `told` event that had `number` others before it."""
        with plainly(self._path):
            return self._body(self._contents.told[number])

    def close(self) -> None:
        """Let go of the file and of the lock. May be called twice."""
        with suppress(sqlite3.Error):
            self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _begin(self) -> None:
        if self._lock is None:
            raise LedgerError(f"{self._path} is open for reading only")
        if self._place and self._place != inodes(self.run_dir):  # SQLite would write on into a file without a name
            raise replaced(self.run_dir)
        self._db.execute("BEGIN IMMEDIATE")

    def _append(self, records: Sequence[tuple[str, Mapping[str, Any]]], variants: Sequence[Variant]) -> list[Event]:
        """Finish the transaction that `_begin` opened."""
        try:
            with plainly(self._path):
                new = {variant.id: variant for variant in variants if variant.id not in self._contents.variants}
                made = [("variant", self._store(variant)) for variant in new.values()]
                ordered = [*made, *records] if self._seq else [*records, *made]  # the header is first of all
                now, digest, events = self._epoch + time.clock_gettime(STEADY), self._hash, []
                for seq, (kind, body) in enumerate(ordered, start=self._seq + 1):
                    text = json.dumps(body, allow_nan=False, separators=(",", ":"))
                    digest = chain.link(digest, seq, now, kind, text)
                    database.add(self._db, (seq, now, kind, text, digest))
                    events.append(Event(seq, now, kind, parsed(text)))
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
        for event in events:
            self._contents.note(event.kind, event.seq, event.body.get("id", ""))
        self._hash = digest
        self._seq += len(events)
        assert self._lock is not None
        with plainly(self._path):
            lock.note(self._lock, self._seq)
        return events

    def _store(self, variant: Variant) -> dict[str, Any]:
        """Put the files of `variant` into `text`; returns the body of its event."""
        hashes = {file: database.put(self._db, text) for file, text in variant.files.items()}
        return {"id": variant.id, "files": hashes, "parents": list(variant.parents), "origin": variant.origin,
                "note": variant.note}  # fmt: skip

    def _text(self, digest: str, seq: int) -> str:
        text = database.get(self._db, digest)
        if text is None:
            raise damaged(self._path, seq)
        return text

    def _body(self, seq: int) -> dict[str, Any]:
        body: dict[str, Any] = parsed(next(database.rows(self._db, seq - 1, seq))[3])
        return body

    def _catch_up(self) -> None:
        """Verify the chain from where we are to the end, and learn which variants it brings."""
        promised = lock.head(self.run_dir)[1]
        if promised - self._seq >= LONG and not self._seq:
            self._skim(promised)
        for _ in self._verified():
            pass
        if self._seq < max(promised, 1):
            raise shortened(self._path, self._seq, max(promised, 1))

    def _skim(self, upto: int) -> None:
        """Learn what a long ledger holds while others check it; nothing is learnt of one that is not sound."""
        contents, unsound = Contents(), (sqlite3.Error, TypeError, ValueError, LookupError, StopIteration)
        with chain.checked(self._path, upto) as sound, suppress(*unsound):
            for seq, kind, body in database.outline(self._db, upto):
                contents.note(sys.intern(kind), seq, named(body) if body else "")
            digest = next(database.rows(self._db, upto - 1, upto))[4]
            if sound():
                self._contents, self._seq, self._hash = contents, upto, digest

    def _verified(self) -> Iterator[Row]:
        """The rows after those seen so far, as far as they are what was written."""
        try:
            for row in database.rows(self._db, self._seq):
                seq, at, kind, body, digest = row
                if seq != self._seq + 1 or digest != chain.link(self._hash, seq, at, kind, body):
                    raise damaged(self._path, self._seq + 1)
                self._contents.note(kind, seq, named(body) if kind == "variant" else "")
                self._seq, self._hash = seq, digest
                yield row
        except (sqlite3.DatabaseError, TypeError, ValueError) as error:
            if getattr(error, "sqlite_errorname", "").startswith("SQLITE_IOERR"):  # nothing that `recover` should cut
                with plainly(self._path):
                    raise
            raise damaged(self._path, self._seq + 1) from error


def recover(run_dir: Path) -> tuple[int, Path]:
    """Replace a damaged ledger by one that holds everything before the damage.

    The damaged files stay, under the returned name. If this is killed half-way nothing is lost: at worst the old
    ledger lies under that name and the new one is called `ledger.new.db`.

    Returns:
        How many events were kept, and where the damaged ledger is now.

    Raises:
        LedgerBusy: if a process is writing to it.
        LedgerError: if not even its first event can be read; then nothing is changed.
    """
    path, fresh = run_dir / "ledger.db", run_dir / "ledger.new.db"
    if not path.is_file():
        raise LedgerError(f"there is no run in {run_dir}: {path} does not exist")
    taken = lock.take(run_dir)
    try:
        fresh.unlink(missing_ok=True)
        with (
            plainly(path),
            closing(database.connect(path, read_only=True)) as old,
            closing(database.connect(fresh)) as new,
        ):
            new.execute("BEGIN")
            database.make_tables(new)
            kept = _copy_sound(Ledger(run_dir, old, None), new)
            new.execute("COMMIT")
            database.fold(new)
        if kept == 0:
            fresh.unlink()
            raise LedgerError(f"nothing can be recovered from {path}: its first event cannot be read")
        backup = next(name for n in range(1, 1000) if not (name := run_dir / f"ledger.damaged-{n}.db").exists())
        (run_dir / "ledger.db-shm").unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # a log that stayed would be replayed into the new ledger
            (run_dir / "ledger.db-wal").rename(f"{backup}-wal")
        path.rename(backup)
        fresh.rename(path)
        sync(run_dir)
        lock.note(taken, kept)
    finally:
        os.close(taken)
    return kept, backup


def _copy_sound(old: Ledger, new: sqlite3.Connection) -> int:
    """Copy events and their texts up to the first that is damaged; returns how many."""
    kept = 0
    with suppress(LedgerDamaged):
        for row in old._verified():
            texts = json.loads(row[3])["files"].values() if row[2] == "variant" else ()
            for digest in texts:
                database.put(new, old._text(digest, row[0]))
            database.add(new, row)
            kept += 1
    return kept
