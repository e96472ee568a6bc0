"""A check-in at the terminal: lines that are typed while the run stands still become orders in its inbox."""

from __future__ import annotations

import os
import random
import select
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from wolf.control.inbox import post
from wolf.reading.cards import is_text
from wolf.reading.records import ENDS, Run, load_run
from wolf.reading.terminal import safe
from wolf.store.events import Event

HELP = """\
   Enter       go on                    veto 2    never a parent, nor what descends from it
   keep 2      stays a parent           free 2    neither any more
   say TEXT    one more line for the language models
   2 > 1       you prefer 2 to 1: a vote        duel      compare them blind
   stop        stop here; `wolf resume` comes back to this check-in
   2 is a finalist's number, or the beginning of any variant's id."""


class Prompter:
    """An observer. While a check-in is open it listens to the keyboard in a thread of its own."""

    def __init__(self, run_dir: Path, say: Callable[[str], None], keys: TextIO = sys.stdin) -> None:
        """Silent until a check-in opens."""
        self._run_dir, self._say, self._keys = run_dir, say, keys
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        """Begin to listen when it pauses for a check-in, end when it goes on."""
        if event.kind in ("paused", "resumed"):
            if not self._thread and load_run(self._run_dir).checkin:
                self._over.clear()
                self._thread = threading.Thread(target=self._listen, daemon=True)
                self._thread.start()
        elif event.kind in ("continued", *ENDS) and self._thread:
            self._over.set()
            self._thread.join()
            self._thread = None

    def _listen(self) -> None:
        run = load_run(self._run_dir)  # a ledger is for one thread
        body = run.checkin or {"checkin": 0, "finalists": ()}
        self._say("Your turn: Enter goes on, ? says what else you can answer")
        session = Session(run, body["checkin"], body["finalists"])
        keys, typed = self._keys.fileno(), b""
        while not self._over.is_set():
            if not select.select([keys], [], [], 0.2)[0]:
                continue
            if not (more := os.read(keys, 4096)):  # the terminal is gone: the run waits for other answers
                return
            *lines, typed = (typed + more).split(b"\n")
            for text in lines:
                orders, said = session.answer(text.decode("utf-8", "replace").strip())
                for sentence in said:
                    self._say(sentence)
                for order in orders:
                    post(self._run_dir, {"by": "terminal", **order})


class Session:
    """What one line after the other means."""

    def __init__(self, run: Run, checkin: int, finalists: Sequence[str], rng: random.Random | None = None) -> None:
        """`rng` draws the order in which blind duels show their texts."""
        self._run, self._checkin, self._finalists = run, checkin, finalists
        self._rng = rng or random.Random()
        self._duels: list[tuple[str, str]] = []  # to come, as they are shown; the first is being asked

    def answer(self, text: str) -> tuple[list[dict[str, Any]], list[str]]:
        """Orders to post, and sentences to print."""
        if self._duels:
            return self._dueled(text)
        word, _, rest = text.partition(" ")
        rest = rest.strip()
        match word.lower():
            case "":
                return [{"order": "go", "checkin": self._checkin}], []
            case "?" | "help" | "h":
                return [], HELP.splitlines()
            case "keep" | "pin" | "veto" | "free" if rest:
                order = {"keep": "pin"}.get(word.lower(), word.lower())
                return [{"order": order, "variant": self._name(name)} for name in rest.split()], []
            case "say" if rest:
                return [{"order": "instruction", "text": rest}], []
            case "stop":
                return [{"order": "stop"}], []
            case "duel":
                return self._begin()
        better, sign, worse = text.partition(">")
        if sign and better.strip() and worse.strip():
            return [{"order": "vote", "better": self._name(better), "worse": self._name(worse)}], []
        return [], [f"{text[:40]!r} is no answer", *HELP.splitlines()]

    def _name(self, said: str) -> str:
        said = said.strip()
        number = int(said) if said.isdigit() and len(said) < 3 else 0
        return self._finalists[number - 1] if 1 <= number <= len(self._finalists) else said

    def _begin(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Each finalist against the first, blind."""
        if len(self._finalists) < 2 or not is_text(self._run):
            return [], ["there are no two texts to compare"]
        for other in self._finalists[1:]:
            pair = [self._finalists[0], other]
            self._rng.shuffle(pair)
            self._duels.append((pair[0], pair[1]))
        return [], self._shown()

    def _dueled(self, text: str) -> tuple[list[dict[str, Any]], list[str]]:
        if text not in ("1", "2", "=", ""):
            return [], ["1, 2, = for neither, or Enter to end the duels"]
        if text == "":
            self._duels.clear()
            return [], ["no more duels; Enter goes on"]
        pair = self._duels.pop(0)
        votes = []
        if text != "=":
            better, worse = pair if text == "1" else pair[::-1]
            votes.append({"order": "vote", "better": better, "worse": worse})
        return votes, self._shown() if self._duels else ["thank you; Enter goes on"]

    def _shown(self) -> list[str]:
        lines = []
        for number, id in enumerate(self._duels[0], 1):
            text = "\n\n".join(self._run.files(id).values())
            lines += [f"--- {number} ---", *safe(text).strip().splitlines()]
        return [*lines, "Which is better: 1, 2, = for neither? (Enter ends the duels)"]
