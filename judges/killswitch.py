"""The kill switch: ends the candidates of a whole run at once, from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from contextvars import ContextVar


class Cancelled(CancelledError):
    """The kill switch of this thread was pulled; there is no result."""


class KillSwitch:
    """Ends at once every process that was started under it, and refuses new ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stops: set[Callable[[], None]] = set()
        self._pulled = False

    @staticmethod
    def here() -> KillSwitch | None:
        """The switch of this thread, if there is one."""
        return _switch.get()

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Processes that this thread (not a thread that it starts) starts inside the block are under this switch."""
        token = _switch.set(self)
        try:
            yield
        finally:
            _switch.reset(token)

    def pull(self) -> None:
        """End everything under it. Returns at once; whoever waits for those processes gets `Cancelled`."""
        with self._lock:
            self._pulled = True
            for stop in self._stops:
                stop()

    def check(self) -> None:
        """Do nothing if it was not pulled.

        Raises:
            Cancelled: if it was.
        """
        if self._pulled:
            raise Cancelled

    def add(self, stop: Callable[[], None]) -> None:
        """From now on, pulling calls `stop`, which must not wait. Calls it at once if the switch was pulled before."""
        with self._lock:
            self._stops.add(stop)
            if self._pulled:
                stop()

    def remove(self, stop: Callable[[], None]) -> None:
        """What `stop` would end has ended."""
        with self._lock:
            self._stops.discard(stop)


_switch: ContextVar[KillSwitch | None] = ContextVar("kill switch", default=None)
