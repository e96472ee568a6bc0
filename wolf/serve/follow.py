"""A run that is followed: folded once, then event by event as they are written, without ever being in its way.

Each run has a thread of its own, to which its SQLite connection belongs. The connection is open only while something is
read: a run that ends while a reader holds its ledger open would leave its last events in the log beside it. Whether
there is anything new is seen from the lock file, which holds the number of the last event.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from wolf.control.inbox import Inbox
from wolf.errors import LedgerError
from wolf.reading.finding import LEDGER
from wolf.reading.lines import tell
from wolf.reading.records import ENDS, Run
from wolf.store.events import Event
from wolf.store.ledger import Ledger
from wolf.store.lock import head, held

T = TypeVar("T")
SAID = 200  # lines of the journal
QUIET = ("run", "checkin", "finished")  # kinds that other parts of the page tell better

Mark = tuple[int, int, bool, tuple[str, ...]]


def mark(path: Path) -> Mark:
    """What changes when anything does: the ledger's file, the last event, whether it is worked on, what waits."""
    try:
        written = os.stat(path / LEDGER).st_mtime_ns
    except OSError:
        written = 0
    return written, head(path)[1], held(path), tuple(Inbox(path).waiting())


class _Reader(Ledger):
    """A ledger that lets go of its file between readings."""

    @contextmanager
    def awake(self) -> Iterator[None]:
        where = f"{(self.run_dir / LEDGER).absolute().as_uri()}?mode=ro"
        self._db = sqlite3.connect(where, uri=True, isolation_level=None, timeout=10)
        try:
            yield
        finally:
            self._db.close()

    def replaced(self) -> bool:
        """Whether another run lies there now: the last event that was read is not in it."""
        row = self._db.execute("SELECT hash FROM event WHERE seq = ?", (self._seq,)).fetchone()
        return row is None or row[0] != self._hash


class Follower:
    """One run. `watchers` counts who looks at it now."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self.path = path
        self.watchers = 0
        self._thread: ThreadPoolExecutor | None = None
        self._ledger: _Reader | None = None
        self._run: Run | None = None
        self.journal: deque[tuple[Event, str]] = deque(maxlen=SAID)

    @property
    def seq(self) -> int:
        """The last event that was read."""
        return self._run.events[-1].seq if self._run is not None else 0

    @property
    def working(self) -> bool:
        """Whether a process works on the run."""
        return held(self.path)

    async def do(self, work: Callable[[Run], T]) -> T:
        """What `work` makes of the run as it stands now; it runs in the run's thread.

        Raises:
            WolfError: if the ledger cannot be read, in one sentence.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="follow")
        self.watchers += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, work)
        finally:
            self.watchers -= 1

    def forget(self) -> None:
        """Drop what was read, unless somebody needs it; the next `do` reads it again."""
        if self.watchers:
            return
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
        self._thread = self._ledger = self._run = None
        self.journal.clear()

    def _work(self, work: Callable[[Run], T]) -> T:
        if self._run is None:
            self._begin()
        assert self._ledger is not None
        with self._ledger.awake():
            try:
                if not self._ledger.replaced():
                    self._catch_up()
                    assert self._run is not None
                    return work(self._run)
            except LedgerError:
                self._run = None  # at the next look it is read from the start, and then it is said what is wrong
                raise
        self._run = None
        return self._work(work)

    def _begin(self) -> None:
        ledger = _Reader.open(self.path)
        assert isinstance(ledger, _Reader)
        last = head(self.path)[1]
        self.journal.clear()
        events = ledger.events()
        self._run = Run.of([next(events)], path=self.path, read=lambda id: ledger.variant(id).files)
        for event in events:
            self._add(event, event.seq > last - SAID)
        ledger.close()
        self._ledger = ledger

    def _catch_up(self) -> None:
        assert self._ledger is not None and self._run is not None
        for event in self._ledger.events(self._run.events[-1].seq):
            self._add(event, True)
        self._run.locked = held(self.path)

    def _add(self, event: Event, said: bool) -> None:
        assert self._run is not None
        self._run.add(event)
        if said and event.kind not in QUIET:
            for text in tell(self._run, event, None)[: 1 if event.kind in ENDS else 2]:
                self.journal.append((event, text))


class Pace:
    """How often a thing may be made again: the dearer, the rarer, so that looking costs a small share of a core."""

    def __init__(self, share: float, least: float) -> None:
        """`share` of one core at most, and not more often than every `least` seconds."""
        self._share = share
        self._least = least
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time again."""
        return time.monotonic() >= self._next

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Around the work."""
        begun = time.monotonic()
        yield
        now = time.monotonic()
        self._next = now + max(self._least, (now - begun) / self._share)
