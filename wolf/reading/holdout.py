"""What the hold-out makes of a run's gain."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from judges.watch import CAUTION, HOLDOUT, gap_error
from wolf.reading.verdict import along, confirmer

if TYPE_CHECKING:
    from wolf.reading.records import Run


class Gains(NamedTuple):
    """What a run's champion gains over its original, by its judges and by the hold-out.

    Attributes:
        seen: by the judges.
        confirmed: by the hold-out.
        spread: standard error of `confirmed`.
        error: standard error of `confirmed` less half of `seen`.
        by: who the hold-out is; empty where there can be one only.
    """

    seen: float
    confirmed: float
    spread: float
    error: float
    by: str = ""


def gains(run: Run) -> Gains | None:
    """Of a run that has a hold-out and another champion than the original, as far as it has come; else None.

    What people voted is in neither figure: it is their word, not that of the judges.
    """
    seed, champion = run.header.seed_variant, run.champion
    if champion in (None, seed) or champion not in run.beliefs or seed not in run.beliefs:
        return None
    readings = {told.variant: told for told in run.searched if told.ok}
    last, first = readings[champion].metrics, readings[seed].metrics
    seen = _read(run, champion) + last.get(CAUTION, 0.0) - _read(run, seed)
    final = run.final and run.final.get("gain")
    if final and (by := confirmer(run)):
        spread = (final["high"] - final["low"]) / 4
        return Gains(seen, final["mean"], spread, math.hypot(spread, last.get("sigma", 0.0) / math.sqrt(2)), by)
    if HOLDOUT not in last or HOLDOUT not in first:
        return None
    by = f"the {along(run)}" if run.header.judge == "panel" else ""
    return Gains(seen, last[HOLDOUT] - first[HOLDOUT], last.get("holdout_error", 0.0), gap_error(last), by)


def _read(run: Run, variant: str) -> float:
    """The mean of what its judges said of a variant in the search."""
    return fmean(told.score for told in run.searched if told.variant == variant and told.score is not None)
