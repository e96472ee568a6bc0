"""Hearing a candidate out without being drowned by it."""

from __future__ import annotations

import os
import threading
from typing import BinaryIO

CHUNK = 65536


class Capture:
    """Reads `pipe` to its end on a thread of its own and keeps `limit` bytes: a quarter head, the rest tail."""

    def __init__(self, pipe: BinaryIO, limit: int) -> None:
        self._pipe = pipe
        self._head_room = limit // 4
        self._tail_room = limit - self._head_room
        self._head, self._tail, self._size = bytearray(), bytearray(), 0
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), CHUNK):
                self._size += len(chunk)
                taken = self._head_room - len(self._head)
                self._head += chunk[:taken]
                self._tail += chunk[taken:]
                if len(self._tail) > self._tail_room + CHUNK:
                    del self._tail[: -self._tail_room]

    def text(self) -> str:
        """What was kept, as UTF-8 with bad bytes replaced; a line in the middle says how much was not.

        Waits for the end of the pipe, for a second at most: a process that outlived its supervisor may hold it open.
        """
        self._thread.join(1.0)
        tail = bytes(self._tail[-self._tail_room :])
        lost = self._size - len(self._head) - len(tail)
        gap = f"\n[{lost} bytes left out]\n".encode() if lost > 0 else b""
        return (bytes(self._head) + gap + tail).decode("utf-8", "replace")
