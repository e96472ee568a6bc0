"""Event bodies: asks, evaluations and outcomes as plain JSON and back. Scores in events are in the user's units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from population.admission import Admission
from population.evaluation import Estimate, Evaluation, Goal, Status
from population.genome import Heir
from population.variant import Unread, Variant
from wolf.strategy.asks import Ask, Outcome, Purpose, Strategy
from wolf.strategy.escape import Expedition
from wolf.strategy.gate import Crowning

Body = dict[str, Any]
Record = tuple[str, Body]  # an event that is to be written: its kind and its body

PURPOSES = {str(purpose): purpose for purpose in Purpose}  # to call an enumeration takes three times as long
STATUSES = {str(status): status for status in Status}


def asked(ask: Ask, goal: Goal) -> Body:
    """The body of an `asked` event."""
    return {
        "ordinal": ask.ordinal,
        "variant": ask.variant.id,
        "seed": ask.seed,
        "purpose": ask.purpose.value,
        "expedition": ask.expedition,
        "launch": list(ask.launch) if ask.launch else None,
        "parents": list(ask.variant.parents),
        "origin": ask.variant.origin,
        "note": ask.variant.note,
        "changes": {knob: list(pair) for knob, pair in ask.changes.items()},
        "predicted": {"mean": goal.loss(ask.predicted[0]), "sigma": ask.predicted[1]} if ask.predicted else None,
        "model": list(ask.model) if ask.model else None,
    }


def to_ask(
    body: Mapping[str, Any],
    goal: Goal,
    files: Callable[[str], Mapping[str, str]],
    genome: Heir | None = None,
    beside: str | None = None,
) -> Ask:
    """The ask that `asked` wrote; `files` reads those of a variant if need be."""
    id, predicted = body["variant"], body["predicted"]
    return Ask(
        body["ordinal"],
        Variant(Unread(lambda: files(id)), tuple(body["parents"]), body["origin"], body["note"], id),
        body["seed"],
        PURPOSES[body["purpose"]],
        body["expedition"],
        (body["launch"][0], body["launch"][1]) if body["launch"] else None,
        body["changes"],
        (goal.loss(predicted["mean"]), predicted["sigma"]) if predicted else None,
        tuple(body["model"]) if body["model"] else None,
        genome,
        beside,
    )


def evaluated(evaluation: Evaluation) -> Body:
    """An evaluation, without the variant and the judge, which its event and the run's header name."""
    return {
        "status": evaluation.status.value,
        "score": evaluation.score,
        "metrics": dict(evaluation.metrics),
        "feedback": evaluation.feedback,
        "seconds": evaluation.seconds,
        "cost": evaluation.cost,
        "seed": evaluation.seed,
        "fidelity": evaluation.fidelity,
    }


def to_evaluation(body: Mapping[str, Any], variant: str, judge: str) -> Evaluation:
    """The evaluation that `evaluated` wrote."""
    return Evaluation(
        variant, judge, STATUSES[body["status"]], body["score"], body["metrics"], body["feedback"], body["seconds"],
        body["cost"], body["seed"], body["fidelity"],
    )  # fmt: skip


def told(ask: Ask, evaluation: Evaluation, outcome: Outcome | None, standing: Body) -> Body:
    """The body of a `told` event; no outcome for a confirmation, which changes nothing."""
    done = admission(outcome.admission if outcome else None)
    if outcome and outcome.crowning:
        done["kind"] = "crowned"
    return {"ordinal": ask.ordinal, "variant": ask.variant.id, "purpose": ask.purpose.value,
            "evaluation": evaluated(evaluation), "admission": done, **standing}  # fmt: skip


def taken(ask: Ask, evaluation: Evaluation, outcome: Outcome | None, standing: Body, goal: Goal) -> list[Record]:
    """The events about an evaluation that was taken in."""
    records = [("told", told(ask, evaluation, outcome, standing))]
    if outcome and outcome.crowning:
        records.append(("crowned", crowned(ask.ordinal, outcome.crowning, goal)))
    if outcome and (trip := outcome.expedition):
        records.append(("expedition", expedition(trip, "settled" if trip.outcome else "extended")))
    return records


def admission(done: Admission | None) -> Body:
    """What was done with an evaluation; None is for a confirmation."""
    if done is None:
        return {"kind": "recorded", "reason": "on a fresh seed", "evicted": None}
    return {"kind": done.verdict.value, "reason": done.reason, "evicted": done.evicted}


def standing(strategy: Strategy, variant: str, evaluations: int, goal: Goal) -> Body:
    """Where a variant and the search stand after an evaluation."""
    population, champion = strategy.population, strategy.champion
    best = estimate(population.estimate(champion), goal) if champion else None
    return {
        "estimate": estimate(population.estimate(variant), goal),
        "champion": {"id": champion, **best} if champion and best else None,
        "evaluations": evaluations,
        "heat": strategy.escape.heat,
        "noise": population.noise,
    }


def estimate(value: Estimate, goal: Goal) -> Body | None:
    """An estimate of a score; None when nothing is known."""
    if not value.n:
        return None
    return {"mean": goal.loss(value.mean), "sigma": value.sigma, "n": value.n}


def crowned(ordinal: int, crowning: Crowning, goal: Goal) -> Body:
    """The body of a `crowned` event."""
    return {
        "ordinal": ordinal,
        "variant": crowning.variant,
        "previous": crowning.previous,
        "estimate": estimate(crowning.estimate, goal),
        "gain": {"mean": crowning.gain, "low": crowning.low, "high": crowning.high},
    }


def expedition(trip: Expedition, state: str) -> Body:
    """The body of an `expedition` event; `state` is started, extended or settled."""
    return {
        "id": trip.id,
        "state": state,
        "kind": trip.kind,
        "origin": trip.origin,
        "allowance": trip.allowance,
        "best": trip.best if math.isfinite(trip.best_loss) else None,
        "outcome": trip.outcome,
        "evaluations": trip.spent,
    }
