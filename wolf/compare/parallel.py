"""Many runs at once: each a process of `wolf resume`, with one progress for all of them.

The first SIGINT or SIGTERM lets the evaluations under way finish, the second ends them; either way every run can go on
later. If this process is killed itself, the runs under way come to their end unwatched; whoever starts it again waits
for them.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from wolf.control.signals import heeded
from wolf.errors import LedgerBusy, SetupError
from wolf.reading.terminal import duration, line
from wolf.store.ledger import Ledger

SILENCE = 30.0  # seconds after which something is said even if nothing has ended
TICK = 0.2
STOPPED = (130, 143)  # by SIGINT and by SIGTERM; it can go on
BUSY = 2.0  # seconds until a run that another process is working on is looked at again


@dataclass
class Progress:
    """What is done of everything, and how long the rest will take.

    Attributes:
        total: evaluations of all runs.
        before: how many of them were there at the start.
        done: how many came back since.
        started: `time.monotonic` at the start.
    """

    total: int
    before: int
    done: int = 0
    started: float = field(default_factory=time.monotonic)

    def text(self) -> str:
        """`412 of 1200 evaluations, about 14m 05s left`."""
        text = f"{min(self.before + self.done, self.total)} of {self.total} evaluations"
        if not self.done:
            return text
        rest = max(0, self.total - self.before - self.done)
        return f"{text}, about {duration((time.monotonic() - self.started) / self.done * rest)} left"


class Runs:
    """Resumes runs, so many at a time."""

    def __init__(self, jobs: int, arguments: Sequence[str], progress: Progress, say: Callable[[str], None]) -> None:
        """`arguments` are passed to every `wolf resume`; `say` shows a line."""
        self._jobs, self._arguments, self._progress, self._say = jobs, arguments, progress, say
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[str]] = set()
        self._stops = 0
        self._code = 0  # what a run that was stopped, by us or by somebody else, ended with
        self._said = time.monotonic()

    def finish(self, paths: Sequence[Path]) -> int:
        """Bring all of them to their end, in this order. Returns 0, or the exit code of having been stopped before.

        Raises:
            SetupError: with the sentence of the first run that could not go on; the others are stopped.
        """
        with ThreadPoolExecutor(self._jobs) as pool, heeded(self._heard, self._say):
            open_ = {pool.submit(self._run, path): path for path in paths}
            try:
                while open_:
                    done, _ = wait(open_, timeout=TICK, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._ended(future, open_.pop(future))
                    if time.monotonic() - self._said > SILENCE:
                        self._tell(self._progress.text())
            except BaseException:
                self._stop()
                raise
        return self._code

    def _run(self, path: Path) -> tuple[int, str]:
        """One run to its end, whoever brings it there; its exit code and what it complained of."""
        while True:
            code, complaint = self._resume(path)
            if code not in (0, *STOPPED) and finished(path):
                return 0, ""
            if code != LedgerBusy.exit_code or self._stops:
                return code, complaint
            time.sleep(BUSY)

    def _resume(self, path: Path) -> tuple[int, str]:
        with self._lock:
            if self._stops:
                return STOPPED[0], ""
            child = subprocess.Popen(
                [sys.executable, "-m", "wolf", "resume", str(path), "--json", *self._arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                start_new_session=True,
            )  # fmt: skip
            self._children.add(child)
        complaints: list[str] = []
        with child:
            listener = threading.Thread(target=lambda: complaints.extend(child.stderr or ()))
            listener.start()
            for text in child.stdout or ():
                if json.loads(text)["event"] == "told":
                    with self._lock:
                        self._progress.done += 1
            listener.join()
            child.wait()
        with self._lock:
            self._children.discard(child)
        return child.returncode, complaints[-1].strip() if complaints else ""

    def _ended(self, future: Future[tuple[int, str]], path: Path) -> None:
        code, complaint = future.result()
        if code and not (self._stops or code in STOPPED):
            raise SetupError(f"the run {path} ended with code {code}: {line(complaint) or 'it said nothing'}")
        if code:
            self._code = self._code or (code if code in STOPPED else STOPPED[0])
        else:
            self._tell(f"{path.parent.name} {path.name} is done; {self._progress.text()}")

    def _tell(self, text: str) -> None:
        self._said = time.monotonic()
        self._say(text)

    def _heard(self, number: int) -> bool:
        """Pass a signal on to the runs; whether it is the first."""
        self._code = 128 + number
        self._stop()
        return self._stops == 1

    def _stop(self) -> None:
        self._stops += 1
        with self._lock:
            for child in self._children:
                child.send_signal(signal.SIGTERM)


def finished(path: Path) -> bool:
    """Whether a run is at its end."""
    with Ledger.open(path) as ledger:
        return ledger.finished
