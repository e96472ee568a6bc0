"""Models that need no server: a script, and the answers of a recorded run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from judges.llm import Prompt, Reply, Usage
from wolf.llm.client import Fault, Kind
from wolf.store.ledger import Ledger

DIVIDER = "%%%%%%%%%%"  # a line that begins like this parts the answers of a script


class Script:
    """A model that says what a file says, answer by answer, and then again from the beginning."""

    def __init__(self, path: Path) -> None:
        parts: list[list[str]] = [[]]
        for line in path.read_text("utf-8").splitlines():
            if line.startswith(DIVIDER):
                parts.append([])
            else:
                parts[-1].append(line)
        self._name = f"script:{path}"
        self._answers = ["\n".join(part) for part in parts]
        self._sent = 0

    def send(self, prompt: Prompt) -> Future[Reply]:
        """See `wolf.llm.client.Model`."""
        text = self._answers[self._sent % len(self._answers)]
        self._sent += 1
        return _done(Reply(text, self._name, Usage(0, 0)) if text.strip() else Fault(Kind.USELESS, "empty"))

    def close(self) -> None:
        """See `wolf.llm.client.Model`."""


class Replay:
    """A model that answers as a recorded run was answered: each purpose with its answers in their order."""

    def __init__(self, run: Path) -> None:
        answers: dict[int, Reply] = {}
        purposes: dict[int, str] = {}
        with Ledger.open(run) as ledger:
            for event in ledger.events():
                if event.kind == "call":
                    body: Mapping[str, Any] = event.body
                    purposes.setdefault(body["call"], body.get("purpose", ""))
                    if body["state"] == "answered":
                        answers[body["call"]] = Reply(body["text"], f"replay:{run}", Usage(0, 0), body["stop"])
        self._left: defaultdict[str, list[Reply]] = defaultdict(list)
        for call in sorted(answers, reverse=True):
            self._left[purposes[call]].append(answers[call])

    def send(self, prompt: Prompt) -> Future[Reply]:
        """See `wolf.llm.client.Model`."""
        left = self._left[prompt.purpose]
        return _done(left.pop() if left else Fault(Kind.USELESS, "end of the recording"))

    def close(self) -> None:
        """See `wolf.llm.client.Model`."""


def _done(outcome: Reply | Fault) -> Future[Reply]:
    future: Future[Reply] = Future()
    if isinstance(outcome, Fault):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
    return future
