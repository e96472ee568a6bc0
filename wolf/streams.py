"""Randomness: one named stream per decision, so that no decision can shift another."""

from __future__ import annotations

import random


def stream(seed: int, ordinal: int, purpose: str) -> random.Random:
    """The stream of one decision: a function of the run's seed, the ordinal of the ask and what is being decided.

    A crash, a retry or another order of completion therefore changes nothing that is drawn.
    """
    return random.Random(f"{seed}/{ordinal}/{purpose}")


def judge_seed(seed: int, ordinal: int, purpose: str = "judge") -> int:
    """The seed that a judge is given for one evaluation, in [0, 2**31)."""
    return stream(seed, ordinal, purpose).getrandbits(31)
