"""Ctrl-C and SIGTERM: the first asks for an orderly end, the second for one at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def heeded(stop: Callable[[int], bool], say: Callable[[str], None]) -> Iterator[None]:
    """While inside, these signals end nothing: `stop` is called with their number, and says whether it is the first."""

    def handle(number: int, frame: object) -> None:
        first = stop(number)
        say("stopping: waiting for what is running; once more to end it now" if first else "stopping now")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
