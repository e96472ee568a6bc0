"""Judges that are not there: language models whose every weakness is known, for tests and benchmarks."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import Future

from judges.ballots import texts_on
from judges.llm import Prompt, Reply, Unanswered, Usage


class StandIn:
    """Ranks by `worth` of what it reads on the ballot, plus noise, plus what it gives for being shown first."""

    def __init__(self, worth: Callable[[str], float], noise: float = 0.0, first: float = 0.0, seed: int = 0) -> None:
        self._worth, self._noise, self._first = worth, noise, first
        self._rng = random.Random(seed)
        self.prompts: list[Prompt] = []

    def ask(self, prompt: Prompt) -> Future[Reply]:
        """A whole ranking, and an objection to every text."""
        self.prompts.append(prompt)
        shown = texts_on(prompt.user)
        value = {
            code: self._worth(text) + self._rng.gauss(0, self._noise) - self._first * place
            for place, (code, text) in enumerate(shown.items())
        }
        ranking = sorted(value, key=lambda code: -value[code])
        said = {code: f"objection to {' '.join(text.split())[:20]}" for code, text in shown.items()}
        return answered(json.dumps({"ranking": ranking, "gates": {}, "objections": said}))


class Saying:
    """Gives the same answer whatever it is asked; None refuses."""

    def __init__(self, text: str | None) -> None:
        self._text = text

    def ask(self, prompt: Prompt) -> Future[Reply]:
        """What it always says."""
        if self._text is None:
            future: Future[Reply] = Future()
            future.set_exception(Unanswered("the model refused"))
            return future
        return answered(self._text)


def answered(text: str) -> Future[Reply]:
    """A reply that is there already, for a tenth of a cent."""
    future: Future[Reply] = Future()
    future.set_result(Reply(text, "stand-in", Usage(100, 10), cost=0.001))
    return future
