"""Event bodies: asks, evaluations and outcomes as plain JSON and back. Scores in events are in the user's units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from population.evaluation import Estimate, Evaluation, Goal, Status
from population.variant import Variant
from wolf.strategy.asks import Ask, Purpose
from wolf.strategy.escape import Expedition
from wolf.strategy.gate import Crowning

Body = dict[str, Any]


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


def to_ask(body: Mapping[str, Any], goal: Goal, variant: Callable[[str], Variant]) -> Ask:
    """The ask that `asked` wrote."""
    stored, said = variant(body["variant"]), (tuple(body["parents"]), body["origin"], body["note"])
    predicted = body["predicted"]
    return Ask(
        body["ordinal"],
        stored if (stored.parents, stored.origin, stored.note) == said else Variant(stored.files, *said),
        body["seed"],
        Purpose(body["purpose"]),
        body["expedition"],
        (body["launch"][0], body["launch"][1]) if body["launch"] else None,
        {knob: (old, new) for knob, (old, new) in body["changes"].items()},
        (goal.loss(predicted["mean"]), predicted["sigma"]) if predicted else None,
        tuple(body["model"]) if body["model"] else None,
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
    return Evaluation(variant, judge, **{**body, "status": Status(body["status"])})


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
