"""Whether a run moves or stands still: pauses, check-ins that nobody answers, and the time that counts."""

from __future__ import annotations

import time

from wolf.control.clock import SEEN, Clock
from wolf.control.steering import Commit, Steering
from wolf.store.events import Event


class Pace:
    """A fold over `paused` and `continued`, and the stopwatch."""

    def __init__(self, steering: Steering) -> None:
        """It stands still until `begin`."""
        self._steering = steering
        self._clock = Clock()
        self._last = 0.0  # when the last event was that has been seen
        self._still = False  # whether it is paused, and the ledger says so
        self._deadline: float | None = None  # of an open check-in

    @property
    def seconds(self) -> float:
        """For how long the run has been active."""
        return self._clock.seconds

    def seen(self, event: Event) -> None:
        """Take in any event of an earlier session."""
        if event.kind in SEEN:
            self._clock.seen(event.kind, event.time, self._last)
            if event.kind == "paused":
                self._still = True
            elif event.kind == "continued":
                self._move()
        self._last = event.time

    def begin(self) -> None:
        """All events are seen, and this session begins."""
        self._clock.resume(self._still, self._last)

    def rest(self, commit: Commit, evaluations: int) -> None:
        """Nothing is under way, and nothing new may be asked for: stand still. The time does not count."""
        if not self._still:
            checkin = self._steering.checkin
            reason = "you paused it" if checkin is None else f"check-in {checkin}"
            commit([("paused", {"evaluations": evaluations, "reason": reason, "checkin": checkin})], ())
            self._still = True
            self._clock.halt()
        if self._deadline is None and (patience := self._steering.patience) is not None:
            self._deadline = time.monotonic() + patience

    def wake(self, commit: Commit, evaluations: int) -> None:
        """Go on if a person has said so, or has not answered in time."""
        late = self._deadline is not None and time.monotonic() > self._deadline
        if not self._still or (self._steering.paused and not late):
            return
        reason = "nobody answered in time" if self._steering.paused else "you said so"
        commit([("continued", {"evaluations": evaluations, "reason": reason})], ())
        self._move()
        self._clock.start()

    def _move(self) -> None:
        self._still, self._deadline = False, None
        self._steering.goes_on()
