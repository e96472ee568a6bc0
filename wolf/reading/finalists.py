"""The best texts of a run side by side, what both judges say of them, and whether the hold-out agrees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from judges.watch import CAUTION, HOLDOUT
from population.variant import joined
from wolf.reading.ballotbox import ballots, count, panel, shown_variant
from wolf.reading.difference import from_seed
from wolf.reading.holdout import gains
from wolf.reading.records import Run
from wolf.reading.rows import Told
from wolf.reading.verdict import ahead, along


@dataclass(frozen=True, slots=True)
class Finalist:
    """One of the best texts of a run, or the text that it started from (the last).

    Attributes:
        id: of the variant.
        title: its rank and id, or `the original`.
        figures: rating, certainty and hold-out, in words.
        remarks: what the judges said of it, and what changed.
        numbers: the same for machines.
        files: path -> text.
        alike: variants with a score that are much like it, and so are not shown.
    """

    id: str
    title: str
    figures: str
    remarks: Sequence[str]
    numbers: Mapping[str, Any]
    files: Mapping[str, str]
    alike: int = 0


def finalists(run: Run, most: int) -> list[Finalist]:
    """The best texts that differ from each other, best first, and the original; [] unless texts were judged."""
    if not run.header.rates_texts:
        return []
    readings = {told.variant: told for told in run.searched if told.ok}
    original = run.header.seed_variant
    out = {original, *run.barred}
    alike = _different(run, [id for id in run.ranking() if id in readings and id not in out], most)
    counted = _counted(run, [*alike, original])
    return [
        replace(_finalist(run, id, rank, readings[id], counted.get(id, {})), alike=alike.get(id, 0))
        for rank, id in enumerate([*alike, original], 1)
        if id in readings
    ]


def _different(run: Run, ranked: Sequence[str], most: int) -> dict[str, int]:
    """The best of them that differ, and how many others are much like each."""
    from judges.variety import different

    return different(lambda id: joined(run.files(id)), ranked, run.header.seed_variant, most)


def _counted(run: Run, ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Per variant, its rating by all ballots of the run; {} without language models as judges."""
    judge = panel(run)
    if judge is None:
        return {}
    from judges.ballots import BALLOT

    ratings = count(judge, ballots(run, BALLOT).verdicts)
    names = {id: shown_variant(run, id) for id in ids}
    if ratings is None:
        return {}
    there = {id: name for id, name in names.items() if name in ratings.texts}
    best = ratings.best([*there.values()])
    first = there.get(run.header.seed_variant)
    found = {}
    for id, name in there.items():
        mean, sigma = ratings.rating(name)
        found[id] = {"all_ballots": mean, "all_ballots_error": sigma, "p_best": best[name]}
        if first is not None and name != first:
            found[id]["p_over_original"] = ratings.beats(name, first)
    return found


def _finalist(run: Run, id: str, rank: int, told: Told, counted: Mapping[str, float]) -> Finalist:
    original = run.header.seed_variant
    belief = run.beliefs.get(id)
    caution = told.metrics.get(CAUTION, 0.0)
    figures = [f"rating {(told.score or 0.0 if belief is None else belief.mean) + caution:+.2f}"]
    if belief is not None and 0 < (error := belief.sigma or told.metrics.get("error", 0.0)) < math.inf:
        figures[0] += f" ± {error:.2f}"
    if caution:
        figures[0] += f" (in the search {caution:.2f} less, for doubt)"
    if "all_ballots" in counted:
        figures.append(f"by all ballots {counted['all_ballots']:+.2f} ± {counted['all_ballots_error']:.2f}")
        figures.append(f"best of these {counted['p_best']:.0%}")
    if "p_over_original" in counted:
        figures.append(f"better than the original {counted['p_over_original']:.0%}")
    if HOLDOUT in told.metrics:
        figures.append(f"{along(run)} {told.metrics[HOLDOUT]:+.2f}")
    remarks = [text for text in told.feedback.splitlines() if text.strip()][:3]
    if id != original and run.read is not None:
        remarks += [f"changed: {changed}"] if (changed := from_seed(run, id)) else []
    title = "the original" if id == original else f"{rank}. {id}"
    title += ", the champion" if id == run.champion else ""
    numbers = {"rating": (told.score or 0.0) + caution, "score": told.score, **told.metrics, **counted}
    return Finalist(id, title, ", ".join(figures), remarks, numbers, run.files(id))


def judgement(run: Run) -> list[str]:
    """What the hold-out says of the champion; [] for a run without one. `wolf.reading.verdict` has its warning."""
    if run.champion == run.header.seed_variant:
        return [f"Nothing {'surely ' if ahead(run) else ''}better than the original was found."]
    found = gains(run)
    if found is None:
        return []
    metrics = next(told.metrics for told in reversed(run.searched) if told.ok and told.variant == run.champion)
    own = f" ± {metrics['error']:.2f}" if "error" in metrics else ""
    who = f"the hold-out ({found.by})" if found.by else "the hold-out"
    voted = any(order.order == "vote" for order in run.interventions)
    return [
        f"The judges see a gain of {found.seen:+.2f}{own} log odds, {who}, which selection never saw, one of "
        f"{found.confirmed:+.2f} ± {found.spread:.2f}: {_agreement(found.seen, found.confirmed, found.spread)}.",
        *(["People's votes moved the ratings of the search; they are in neither of these gains."] if voted else []),
    ]


def _agreement(seen: float, confirmed: float, error: float) -> str:
    if confirmed > 2 * error:
        return f"it agrees, and would choose the new text {100 / (1 + math.exp(-confirmed)):.0f} times in 100"
    if confirmed < -2 * error:
        return "it prefers the original"
    return "it does not say clearly which is better" + (", so ask people" if seen > 0 else "")
