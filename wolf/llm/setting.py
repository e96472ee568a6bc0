"""What whoever asks models for ideas has to know of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wolf.llm.stock import Checks


@dataclass(frozen=True, slots=True)
class Setting:
    """What the proposer has to know of the run.

    Attributes:
        seed: the run's.
        slots: evaluations at the same time.
        cohort: whether the run has to be repeatable.
        first: the ordinal before which no ideas are needed.
        evaluations: the budget; None if only time limits it.
        seconds: the budget in seconds; None if there is none.
        usd: the budget in dollars.
        places: what fills the places of `rules.md`; asked for anew at each call, for a person may edit the memo.
        notes: what the run has learnt; reads it, or (given a text) writes it.
        checks: of ideas, before they may cost an evaluation.
        told: the body of the `told` event that had so many others before it.
        silent: models that have none: they only judge in the end.
    """

    seed: int
    slots: int
    cohort: bool
    first: int
    evaluations: int | None
    seconds: float | None
    usd: float
    places: Callable[[], Mapping[str, str]]
    notes: Callable[[str | None], str]
    checks: Checks
    told: Callable[[int], Mapping[str, Any]]
    silent: frozenset[str] = frozenset()
