"""Candidates as processes: started, limited, heard and ended, together with everything they start.

`run` is for a command that works and prints; `start` is for a dialogue over its standard streams. Either way the
command runs under `judges/supervisor.py`, which kills the whole tree at the deadline, at the command's own end, when
it is stopped, and when we are gone, even by `kill -9`. What it does not cover is written there.

Nothing that a candidate does raises here: it is all in `Finished`. What may raise is `Cancelled` (somebody pulled the
`KillSwitch` of this thread) and `OSError` (the system cannot start any process at all).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

SUPERVISOR = Path(__file__).with_name("supervisor.py")
GRACE_SECONDS = 15.0  # beyond the deadline, before a supervisor that says nothing is given up
CHUNK = 65536
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")
THREAD_CAPS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "RAYON_NUM_THREADS")

Launcher = Callable[[Sequence[str]], Sequence[str]]
"""Wraps a command in another one (a sandbox) that runs it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a candidate may use.

    Attributes:
        seconds: wall-clock seconds from its start.
        cpu_seconds: CPU seconds of all its processes together; looked at every 50 ms. None: no limit.
        output_bytes: how much of stdout, and of stderr, is kept: the head and the tail. More is read and dropped.
        file_bytes: largest file it may write. None: no limit.
        memory_bytes: resident memory of all its processes together; looked at every 50 ms. None: no limit.
    """

    seconds: float
    cpu_seconds: float | None = None
    output_bytes: int = 65536
    file_bytes: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """How a candidate ended.

    Attributes:
        returncode: its exit code; minus the signal's number if a signal ended it; 127 if it could not be started.
        stdout: what it printed, capped, undecodable bytes replaced; empty for a dialogue.
        stderr: the same.
        seconds: wall-clock seconds from its start to its end.
        cpu_seconds: CPU seconds of all its processes together.
        timed_out: a limit on time ended it, of the wall clock or of the CPU.
        reason: how it ended, as a phrase ("exited with code 3", "killed after 600 s").
    """

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    cpu_seconds: float
    timed_out: bool
    reason: str

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with exit code 0."""
        return self.returncode == 0


class Cancelled(CancelledError):
    """The kill switch of this thread was pulled; there is no result."""


class KillSwitch:
    """Ends at once all processes that were started under it, and refuses new ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Running] = set()
        self.pulled = False

    def pull(self) -> None:
        """End everything. Returns at once; whoever waits for those processes gets `Cancelled`."""
        with self._lock:
            self.pulled = True
            for running in self._running:
                running.stop()

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Processes that this thread starts inside the block are under this switch."""
        token = _switch.set(self)
        try:
            yield
        finally:
            _switch.reset(token)

    def _add(self, running: Running) -> None:
        with self._lock:
            self._running.add(running)
            if self.pulled:
                running.stop()

    def _remove(self, running: Running) -> None:
        with self._lock:
            self._running.discard(running)


_switch: ContextVar[KillSwitch | None] = ContextVar("kill switch", default=None)


class Capture:
    """Reads a pipe to its end on a thread of its own and keeps `limit` bytes of it: a quarter head, the rest tail."""

    def __init__(self, pipe: BinaryIO, limit: int) -> None:
        self._pipe, self._limit = pipe, limit
        self._head, self._tail, self._size = bytearray(), bytearray(), 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        room = self._limit // 4
        keep = self._limit - room
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), CHUNK):
                self._size += len(chunk)
                taken = room - len(self._head)
                self._head += chunk[:taken]
                self._tail += chunk[taken:]
                if len(self._tail) > keep + 4 * CHUNK:
                    del self._tail[:-keep]

    def text(self) -> str:
        """What was kept, with a line that says how much was not. Waits for the end of the pipe, a second at most."""
        self._thread.join(1.0)
        tail = bytes(self._tail[-(self._limit - self._limit // 4) :])
        lost = self._size - len(self._head) - len(tail)
        gap = f"\n[{lost} bytes left out]\n".encode() if lost > 0 else b""
        return (bytes(self._head) + gap + tail).decode("utf-8", "replace")


class Running:
    """A command under its supervisor. A context manager: on the way out, what still runs is ended.

    Attributes:
        stdin: the candidate's standard input (binary, buffered: flush it).
        stdout: the candidate's standard output (binary, buffered). At the candidate's end, and at the deadline, a
            read gives EOF and a write raises BrokenPipeError, so a dialogue never waits for longer than the limit.
        pid: the supervisor's process id.
    """

    def __init__(
        self, command: Sequence[str], cwd: Path, env: Mapping[str, str], limits: Limits, capture: bool = False
    ) -> None:
        self._switch = _switch.get()
        if self._switch and self._switch.pulled:
            raise Cancelled
        self._limits = limits
        self._finished: Finished | None = None
        self._stop_lock = threading.Lock()
        control, self._control = os.pipe()
        self._status, status = os.pipe()
        limit = (limits.seconds, limits.cpu_seconds or 0, limits.memory_bytes or 0, limits.file_bytes or 0)
        supervisor = [sys.executable, "-I", "-S", str(SUPERVISOR), str(control), str(status), *map(str, limit)]
        try:
            self._process = subprocess.Popen(
                [*supervisor, *command],
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(control, status),
                start_new_session=True,  # Ctrl-C in the terminal is for us to answer
            )
        except BaseException:
            os.close(self._control)
            os.close(self._status)
            raise
        finally:
            os.close(control)
            os.close(status)
        self._give_up = time.monotonic() + limits.seconds + GRACE_SECONDS
        self.pid = self._process.pid
        self.stdin = cast(BinaryIO, self._process.stdin)
        self.stdout = cast(BinaryIO, self._process.stdout)
        self._stderr = Capture(cast(BinaryIO, self._process.stderr), limits.output_bytes)
        self._stdout = Capture(self.stdout, limits.output_bytes) if capture else None
        if self._switch:
            self._switch._add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        with suppress(Cancelled):
            self.finished()

    def stop(self) -> None:
        """End it and all that it started, now. Returns at once. Harmless if it has ended."""
        with self._stop_lock:
            if self._control >= 0:
                os.close(self._control)
                self._control = -1

    def finished(self) -> Finished:
        """Close its standard streams and wait for its end, at most until the deadline.

        Raises:
            Cancelled: if the kill switch was pulled.
        """
        if self._finished is None:
            self._finished = self._finish()
        if self._switch and self._switch.pulled:
            raise Cancelled
        return self._finished

    def _finish(self) -> Finished:
        with suppress(OSError):  # what is still buffered has no reader left
            self.stdin.close()
        if self._stdout is None:
            self.stdout.close()
        line = self._report()
        self.stop()
        self._process.wait()
        os.close(self._status)
        if self._switch:
            self._switch._remove(self)
        stdout, stderr = self._stdout.text() if self._stdout else "", self._stderr.text()
        if not line:
            return Finished(-9, stdout, stderr, 0.0, 0.0, False, "its supervisor was killed")
        why, code, seconds, cpu = line.split()
        returncode = int(code)
        reason = {
            "ended": f"exited with code {returncode}",
            "deadline": f"killed after {self._limits.seconds:g} s",
            "cpu": f"killed after {self._limits.cpu_seconds or 0:g} s of CPU time",
            "memory": f"killed at {(self._limits.memory_bytes or 0) / 1e6:.0f} MB of memory",
            "processes": "killed for starting too many processes",
            "stopped": "stopped",
        }[why]
        if why == "ended" and returncode < 0:
            reason = f"killed by signal {-returncode} ({signal.strsignal(-returncode)})"
        elif why != "ended" and returncode == 0:
            returncode = -9  # it ended by itself while we were killing it
        return Finished(returncode, stdout, stderr, float(seconds), float(cpu), why in ("deadline", "cpu"), reason)

    def _report(self) -> str:
        """The supervisor's last line; empty if it was killed or does not answer."""
        status = select.poll()
        status.register(self._status, select.POLLIN)
        for patience in (self._give_up - time.monotonic(), GRACE_SECONDS):
            if status.poll(1000 * max(0.0, patience)):
                return os.read(self._status, 4096).decode()
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGCONT)  # somebody may have stopped it
            self.stop()
        self._process.kill()
        return ""


def start(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], limits: Limits, launcher: Launcher = list
) -> Running:
    """Start `command` for a dialogue. Use it in a `with` block; leaving the block ends the command.

    Args:
        command: program (looked up on the PATH of `env`) and arguments.
        cwd: folder to run in.
        env: the whole environment; nothing of ours is added (see `environment`).
        limits: what it may use.
        launcher: wraps the command, for a sandbox.
    """
    return Running(launcher(command), cwd, env, limits)


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    limits: Limits,
    stdin: bytes = b"",
    launcher: Launcher = list,
) -> Finished:
    """Run `command` to its end or to its limits; see `start` for the arguments, `stdin` is what it may read.

    Raises:
        Cancelled: if the kill switch of this thread was pulled.
    """
    with Running(launcher(command), cwd, env, limits, capture=True) as running:
        with suppress(BrokenPipeError):
            running.stdin.write(stdin)
            running.stdin.flush()
        return running.finished()


def environment(home: Path, threads: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a candidate: nothing of ours but what finds programs, libraries and the GPU, then `extra`.

    Args:
        home: its HOME, and where its temporary files go.
        threads: what numerical libraries are told to use.
        extra: what the judge adds; wins.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    caps = dict.fromkeys(THREAD_CAPS, str(threads))
    return {"LANG": "C.UTF-8"} | kept | {"HOME": str(home), "TMPDIR": str(home)} | caps | dict(extra or {})
