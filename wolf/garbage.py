"""When nobody looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
