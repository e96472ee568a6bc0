"""How long a run has been active: time between sessions, and time in which it was paused, is not counted."""

from __future__ import annotations

import time

SEEN = frozenset({"run", "resumed", "paused", "continued"})  # kinds of events that a clock goes by


class Clock:
    """A fold over the events of earlier sessions, then a stopwatch."""

    def __init__(self) -> None:
        """Nothing has been counted, and it stands still."""
        self._counted = 0.0
        self._since: float | None = None  # on the wall clock of events, then on the monotonic one

    def seen(self, kind: str, at: float, before: float) -> None:
        """One of `SEEN` in an earlier session, at Unix time `at`; the event before it was at `before`."""
        if kind == "resumed":
            self._stop(before)
        elif kind == "paused":
            self._stop(at)
        if kind in ("run", "resumed", "continued"):
            self._since = at

    def resume(self, standing: bool, last: float) -> None:
        """This session begins, `standing` still if the run is paused; the last event before it was at `last`."""
        self._stop(last)
        if not standing:
            self.start()

    def start(self) -> None:
        """Count from here."""
        self._since = time.monotonic()

    def halt(self) -> None:
        """Count no further."""
        self._stop(time.monotonic())

    @property
    def seconds(self) -> float:
        """Active so far."""
        return self._counted + (0.0 if self._since is None else time.monotonic() - self._since)

    def _stop(self, at: float) -> None:
        if self._since is not None:
            self._counted += max(0.0, at - self._since)
        self._since = None
