"""What a search is told once, when it begins."""

from __future__ import annotations

from dataclasses import dataclass

from population.evaluation import Goal
from population.variant import Variant


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run was started with, as far as its loop has to know; only the sandbox may be another one in each session.

    Attributes:
        goal: which way scores improve.
        judge: the name of what is scored.
        seed: the run's; every random stream is named by it.
        seed_variant: what it starts from.
        slots: evaluations at the same time.
        cohort: whether asks are made and told in batches, so that the trajectory can be repeated.
        confirmations: fresh seeds on which champion and seed variant are read at the end.
        sandbox: what candidates are locked into in this session.
    """

    goal: Goal
    judge: str
    seed: int
    seed_variant: Variant
    slots: int
    cohort: bool
    confirmations: int
    sandbox: str = "none"
