"""What the hold-out makes of a run's gain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from judges.watch import CAUTION, HOLDOUT, gap_error

if TYPE_CHECKING:
    from wolf.reading.records import Run


class Gains(NamedTuple):
    """What a run's champion gains over its original, by its judges and by the hold-out.

    Attributes:
        seen: by the judges.
        confirmed: by the hold-out.
        spread: standard error of `confirmed`.
        error: standard error of `confirmed` less half of `seen`.
    """

    seen: float
    confirmed: float
    spread: float
    error: float


def gains(run: Run) -> Gains | None:
    """Of a run that has a hold-out and another champion than the original, as far as it has come; else None."""
    seed, champion = run.header.seed_variant, run.champion
    if champion in (None, seed) or champion not in run.beliefs or seed not in run.beliefs:
        return None
    readings = {told.variant: told for told in run.searched if told.ok}
    last, first = readings[champion].metrics, readings[seed].metrics
    seen = run.beliefs[champion].mean + last.get(CAUTION, 0.0) - run.beliefs[seed].mean
    final = run.final and run.final.get("gain")
    judge = run.header.config.get("judge", {})
    if final and run.header.judge == "panel" and (judge.get("holdout") or judge.get("hidden")):
        spread = (final["high"] - final["low"]) / 4
        return Gains(seen, final["mean"], spread, math.hypot(spread, last.get("sigma", 0.0) / math.sqrt(2)))
    if HOLDOUT not in last or HOLDOUT not in first:
        return None
    return Gains(seen, last[HOLDOUT] - first[HOLDOUT], last.get("holdout_error", 0.0), gap_error(last))
