"""What a person, or a machine, sees while a run goes on.

    with choose("auto", path=run_dir) as show:
        show.say("making the tokenizer")     # plain sentences, outside the run's events
        search.run(observers=[show])         # each event, as it happens

Displays observe: they change nothing, and a reader that went away (a closed pipe) does not end the run. Whoever
watches is never left in silence: off a terminal a line says what is going on when nothing has for ten seconds.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from wolf.reading.lines import still, tell
from wolf.reading.records import ENDS, Run
from wolf.reading.terminal import json_line, line
from wolf.store.events import Event

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

HEARTBEAT = 10.0  # seconds
FOLDED = ("variant", "asked", "told", "evaluated")  # of these the rows of `Run` say all, and a display keeps none
KEPT = ("call", "purpose", "cost", "reason", "rule")  # of what was shown: bills, pauses and ends are told from it


class Display(Protocol):
    """Sees every event of a run; a context manager, so that threads and the cursor are put back."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def __call__(self, event: Event) -> None:
        """Show one event."""

    def past(self, event: Event) -> None:
        """Take in an event of an earlier session, which was shown then."""

    def say(self, sentence: str) -> None:
        """Show one sentence that is no event."""


def choose(mode: str = "auto", *, path: Path | None = None, out: TextIO | None = None) -> Display:
    """The display for `mode`.

    Args:
        mode: `live` (a table that redraws itself), `plain` (lines), `json` (one object per event), `none`, or `auto`:
            live on a terminal that can move its cursor, plain elsewhere.
        path: the run's directory, for the closing commands.
        out: where to; standard output.
    """
    out = out or sys.stdout
    if mode == "auto":
        mode = "live" if out.isatty() and os.environ.get("TERM", "dumb") != "dumb" else "plain"
    match mode:
        case "live":
            return LiveTable(path, out)
        case "plain":
            return PlainLines(path, out)
        case "json":
            return JsonLines(out)
        case "none":
            return Silence()
    raise ValueError(f"no display is called {mode!r}: use auto, live, plain, json or none")


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to put back."""

    def __call__(self, event: Event) -> None:
        """Nothing."""

    def past(self, event: Event) -> None:
        """Nothing."""

    def say(self, sentence: str) -> None:
        """Nothing."""


class JsonLines(Silence):
    """One JSON object per event on standard output; sentences go to standard error."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        """One line, written through at once."""
        _write(self._out, json_line({"event": event.kind, "seq": event.seq, "time": event.time, **event.body}))

    def say(self, sentence: str) -> None:
        """To standard error: standard output carries events only."""
        _write(sys.stderr, line(sentence))


class _Follower(Silence):
    """Folds what it sees into a `Run`, and tells the moments that deserve a line of their own."""

    def __init__(self, path: Path | None, out: TextIO) -> None:
        self._path, self._out = path, out
        self.run: Run | None = None  # what is shown
        self._past: Run | None = None  # shown with the first event of this session
        self._lock = threading.Lock()

    def past(self, event: Event) -> None:
        """Fold it."""
        self._past = self._folded(self._past, event)

    def _fold(self, event: Event) -> Run | None:
        with self._lock:
            self.run, self._past = self._folded(self._past or self.run, event), None
            return self.run

    def _folded(self, run: Run | None, event: Event) -> Run | None:
        if run is None:
            read = _reader(self._path)
            return Run.of([event], path=self._path, read=read, locked=True) if event.kind == "run" else None
        run.fold(event)
        if event.kind not in FOLDED:
            run.events.append(light(event))
        return run


class PlainLines(_Follower):
    """One line per thing that happened, for logs and pipes."""

    def __init__(self, path: Path | None, out: TextIO, heartbeat: float = HEARTBEAT) -> None:
        super().__init__(path, out)
        self._heartbeat, self._last, self._doing = heartbeat, time.monotonic(), "starting"
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._pulse.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._pulse.join()

    def __call__(self, event: Event) -> None:
        """Zero or more lines."""
        run = self._fold(event)
        if run is not None:
            for text in tell(run, event, None):
                self._print(text)

    def say(self, sentence: str) -> None:
        """One line."""
        self._doing = line(sentence)
        self._print(self._doing)

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        _write(self._out, text)

    def _beat(self) -> None:
        while not self._over.wait(max(0.05, self._heartbeat - (time.monotonic() - self._last))):
            if time.monotonic() - self._last >= self._heartbeat:
                with self._lock:
                    text = still(self.run, self._doing, time.time())
                self._print(text)


class LiveTable(_Follower):
    """A table that redraws itself four times a second; champions and expeditions scroll past above it."""

    def __init__(self, path: Path | None, out: TextIO) -> None:
        from rich.console import Console

        super().__init__(path, out)
        self._console = Console(file=out, highlight=False)
        self._live: Live | None = None
        self._doing, self._since = "starting", time.time()

    def __enter__(self) -> Self:
        from rich.live import Live

        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4)
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, event: Event) -> None:
        """Redrawn soon; a closing event ends the table and leaves it standing above the last block."""
        run = self._fold(event)
        if run is None or event.kind == "told":
            return
        if event.kind in ENDS or run.checkin is not None:  # at a check-in, a person types
            self.__exit__()
        elif event.kind == "continued" and self._live is None:
            self.__enter__()
        for text in tell(run, event, self._console.width)[event.kind == "aborted" :]:  # the error says the first line
            self._print(text)

    def say(self, sentence: str) -> None:
        """One line above the table."""
        self._doing, self._since = line(sentence), time.time()
        self._print(self._doing)

    def _print(self, text: str) -> None:
        with suppress(OSError):
            self._console.print(text, markup=False, soft_wrap=True)

    def _render(self) -> RenderableType:
        from rich.spinner import Spinner

        from wolf.reading.view import view

        with self._lock:
            if self.run is None:
                return Spinner("dots", f"{self._doing} ({time.time() - self._since:.0f}s)")
            return view(self.run, self._console.width, self._console.height, time.time())


def light(event: Event) -> Event:
    """What a display keeps of an event: prompts and answers are in the ledger, and a night is long."""
    kept = {name: event.body[name] for name in KEPT if name in event.body}
    return Event(event.seq, event.time, event.kind, kept)


def _reader(path: Path | None) -> Callable[[str], Any] | None:
    from wolf.reading.records import load_run

    return None if path is None else lambda id: load_run(path).files(id)


def _write(out: TextIO, text: str) -> None:
    """Write a line through at once. A reader that has gone away is not a reason to end a run."""
    with suppress(OSError, ValueError):
        try:
            out.write(text + "\n")
        except UnicodeEncodeError:
            out.write(text.encode("ascii", "backslashreplace").decode() + "\n")
        out.flush()
