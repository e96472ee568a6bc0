"""What became of an evaluation that the population was told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What `tell` did with an evaluation."""

    ADMITTED = "admitted"  # it is in the pool now
    REJECTED = "rejected"  # it scored, and others are better or newer ground
    FAILED = "failed"  # there is no score
    REPEATED = "repeated"  # one more reading of a variant that was known


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer of `tell`: what happened, why in words, and who had to leave."""

    verdict: Verdict
    reason: str
    evicted: str | None = None


BEST, PLACE = "the best yet", "in the pool"  # reasons for admission
NO_ROOM = Admission(Verdict.REJECTED, "neither among the best nor new ground")
