"""How long a run will still take, and what it has spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from wolf.reading.records import Run


class Spent(NamedTuple):
    """Dollars.

    Attributes:
        judging: for judging; None where a judge did not say.
        proposing: for proposals of language models.
    """

    judging: float | None
    proposing: float


def elapsed(run: Run, now: float) -> float:
    """Seconds that the run has been active by `now` (Unix seconds)."""
    going = bool(run.events) and run.locked and not run.still and run.final is None
    return run.seconds + (max(0.0, now - run.at) if going else 0.0)


def budget(run: Run) -> Mapping[str, float]:
    """The budgets by name (`evaluations`, `hours`, `usd`): those of the configuration, and what people made of them."""
    limits = {**run.header.budget}
    for hand in run.interventions:
        limits |= hand.about["limits"] if hand.order == "budget" else {}
    return limits


def left(run: Run, now: float) -> float | None:
    """Seconds of search that are left at the pace so far; None while nobody can tell, or when it is over."""
    limits = budget(run)
    many, hours = limits.get("evaluations"), limits.get("hours")
    over = run.still or run.reason or any(asked.purpose == "confirm" for asked in run.working.values())
    if over or run.evaluations < 2:
        return None
    spent = elapsed(run, now)
    ends = [3600 * hours - spent] if hours else []
    if many:
        ends.append(spent * (many - run.evaluations) / run.evaluations)
    return max(0.0, min(ends)) if ends and min(ends) > 0 else None


def spent(run: Run) -> Spent:
    """What was paid so far. A judge that asks language models is in their bills, not in its readings once more."""
    purposes: dict[int, str] = {}
    judging = proposing = 0.0
    for event in run.events:
        if event.kind == "call":
            purpose = purposes.setdefault(event.body["call"], event.body.get("purpose") or "")
            cost = event.body.get("cost") or 0.0
            judging, proposing = (
                (judging + cost, proposing) if purpose.startswith("judge:") else (judging, proposing + cost)
            )
    if any(purpose.startswith("judge:") for purpose in purposes.values()):
        return Spent(judging, proposing)
    costs = [told.cost for told in run.told]
    return Spent(None if None in costs else sum(cost for cost in costs if cost is not None), proposing)
