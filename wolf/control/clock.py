"""How long a run has been active: time between sessions, and time in which it was paused, is not counted."""

from __future__ import annotations

import time


class Clock:
    """A fold over the events of earlier sessions, then a stopwatch."""

    def __init__(self) -> None:
        """Nothing has been counted, and it stands still."""
        self._counted = 0.0
        self._since: float | None = None  # on the wall clock of events, then on the monotonic one
        self._last = 0.0

    def seen(self, kind: str, at: float) -> None:
        """Take in an event of an earlier session, at Unix time `at`."""
        if kind == "resumed":
            self._stop(self._last)
        elif kind == "paused":
            self._stop(at)
        if kind in ("run", "resumed", "continued"):
            self._since = at
        self._last = at

    def resume(self, standing: bool) -> None:
        """The events are all seen, and this session begins; `standing` still if the run is paused."""
        self._stop(self._last)
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
