"""Memory over a long run: garbage is found, and what is free is given back to the system."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from wolf.store.events import Event

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of <malloc.h>
LARGE = 1 << 17  # bytes
PAUSE = 10.0  # seconds between two looks for garbage and free pages


@contextmanager
def uncollected(stays: bool = False) -> Iterator[None]:
    """What makes many objects and no garbage is not searched for cycles meanwhile.

    Nor later, if what it makes `stays` as long as the process. That is not for speed alone: Python looks through
    everything only when a quarter as much is new, so beside many objects that stay little garbage is never found.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if stays:
            gc.freeze()
        if before:
            gc.enable()


class GiveBack:
    """An observer that has garbage found, and the C library give back what is free, where it is glibc.

    By itself Python looks through old objects only when a quarter as many are new, for which a search takes long: until
    then cycles stay, and leave holes when they go. Large blocks go back as soon as they are freed: the library would
    learn to keep them, and its heap then grows by each that fits into none of its holes. All threads to come share a
    heap: each would have its own, with holes of its own, and the interpreter lets one run at a time. And every few
    seconds whole pages inside the heap go back: by itself it shrinks at its end only, so that it would stay as large as
    the most that was ever needed at once.
    """

    def __init__(self) -> None:
        """From now on."""
        self._due = 0.0
        with suppress(OSError, AttributeError):
            self._library = ctypes.CDLL(None)
            self._library.mallopt(M_MMAP_THRESHOLD, LARGE)
            self._library.mallopt(M_ARENA_MAX, 1)

    def __call__(self, event: Event) -> None:
        """Something has happened, so there is something to give back."""
        if time.monotonic() >= self._due:
            gc.collect()
            with suppress(AttributeError):  # where it is another library, or none could be loaded
                self._library.malloc_trim(0)
            self._due = time.monotonic() + PAUSE
