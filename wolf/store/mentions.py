"""The asks of a history, without the files of their variants where what is known of the parents says enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from population.evaluation import Goal
from population.pool import Population
from wolf.store import bodies
from wolf.strategy.asks import Ask
from wolf.strategy.operators import TUNING


class Mentions:
    """A fold over `variant` and `asked` events; most variants of a long history are only ever mentioned."""

    def __init__(self, goal: Goal, population: Population, files: Callable[[str], Mapping[str, str]]) -> None:
        """`population` is as it was whenever `ask` is called; `files` reads those of a variant."""
        self._goal = goal
        self._population = population
        self._files = files
        self._new: dict[str, Mapping[str, str]] = {}  # variants not yet asked for: path -> text hash

    def variant(self, body: Mapping[str, Any]) -> None:
        """Take in a `variant` event."""
        self._new[body["id"]] = body["files"]

    def ask(self, body: Mapping[str, Any], beside: str | None) -> tuple[Ask, bool]:
        """The ask of an `asked` event, and whether it is the first for its variant; `beside`: the champion then."""
        hashes, heir = self._new.pop(body["variant"], None), None
        if hashes and body["parents"]:
            values = {knob: new for knob, (_, new) in body["changes"].items()}
            heir = self._population.heir(body["parents"][0], values, None if body["origin"] in TUNING else hashes)
        return bodies.to_ask(body, self._goal, self._files, heir, beside), hashes is not None
