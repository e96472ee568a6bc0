"""Who watches the judges.

When a challenger may replace a champion, when selection has learnt to please its judges instead of its readers, how
many independent votes a panel is worth, and whether planted texts fool it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from judges.rating import Ratings

PRIOR_LEAD = (-0.5, 0.7)  # log odds: most challengers are worse than what they challenge
ACCEPT, GIVE_UP, MOST_DUELS = 0.8, 0.15, 10
GAP_ERRORS, GAP_SHARE = 2.0, 0.5
HOLDOUT = "holdout"  # the metric in which a judge that selection never sees writes its rating
CAUTION = "caution"  # how far a score lies below the rating that the judge would give, for doubt about the change


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a challenge ended: whether the challenger replaces the champion, P(it is better), and the duels it took."""

    replaced: bool
    probability: float
    duels: int


def challenge(duel: Callable[[int], bool | None], most: int = MOST_DUELS) -> Challenge:
    """Duels until it is clear enough; without clarity, with ties or without votes the champion stays.

    Args:
        duel: the number of the duel -> whether the challenger wins it; None is a tie or no vote, and is not counted.
        most: duels that may be held.
    """
    lead = np.linspace(-4.0, 4.0, 401)
    belief = -0.5 * ((lead - PRIOR_LEAD[0]) / PRIOR_LEAD[1]) ** 2
    probability, held = _above(lead, belief), 0
    for number in range(most):
        won = duel(number)
        held += 1
        if won is not None:
            belief -= np.logaddexp(0.0, -lead if won else lead)
            probability = _above(lead, belief)
        if probability >= ACCEPT or probability <= GIVE_UP:
            break
    return Challenge(probability >= ACCEPT, probability, held)


def _above(lead: NDArray[np.float64], belief: NDArray[np.float64]) -> float:
    weight = np.exp(belief - belief.max())
    return float(weight[lead > 0].sum() / weight.sum())


@dataclass(frozen=True, slots=True)
class Look:
    """The best text at one moment, as selection's judges and as the hold-out rate it.

    `error` is the standard error of the hold-out's gain, less half of the visible one, from the first look to this one.
    """

    visible: float
    holdout: float
    error: float


def alarm(looks: Sequence[Look]) -> str | None:
    """A sentence when the hold-out surely confirms less than half of the visible gain; None while all is well.

    Surely: by more than `GAP_ERRORS` standard errors. A hold-out that merely happens to confirm less is no alarm.
    """
    first, last = looks[0], looks[-1]
    seen, confirmed = last.visible - first.visible, last.holdout - first.holdout
    if seen <= 0 or GAP_SHARE * seen - confirmed <= GAP_ERRORS * last.error:
        return None
    best = max(range(len(looks)), key=lambda i: looks[i].holdout)
    return (
        f"the judges see a gain of {seen:+.2f}, the hold-out {confirmed:+.2f}: the texts please the judges, not the "
        f"readers; go back to look {best}, where the hold-out was highest"
    )


def warning(seen: float, confirmed: float, error: float, by: str = "") -> str:
    """One sentence if the hold-out confirms less than half of a gain, and how sure that is; empty if it does not.

    Args:
        seen: the gain for the judges that select.
        confirmed: the gain for the hold-out.
        error: standard error of `confirmed` less half of `seen`.
        by: who the hold-out is, where that has to be said.
    """
    missing = GAP_SHARE * seen - confirmed
    if seen <= 0 or missing <= 0:
        return ""
    who = f"the hold-out ({by})" if by else "the hold-out"
    said = f"{who} confirms only {confirmed:+.2f} of {seen:+.2f}, less than half of what the judges see"
    if missing > GAP_ERRORS * error:
        return f"ALARM: {said}, and that is no bad luck: the text pleases the judges, not the readers"
    return f"WARNING: {said}; that may be bad luck, for its error is {error:.2f}: ask people"


def effective_votes(wrong: NDArray[np.bool_]) -> float:
    """How many independent judges a panel is worth: J / (1 + (J - 1) rho) (Kish 1965).

    Args:
        wrong: judges x pairs, where each judge chose the text that people did not. rho is the mean tetrachoric
            correlation of these errors (cosine approximation), never below 0.
    """
    judges = len(wrong)
    if judges < 2:
        return float(judges)
    correlations = []
    for i in range(judges):
        for j in range(i):
            both, neither = (wrong[i] & wrong[j]).sum() + 0.5, (~wrong[i] & ~wrong[j]).sum() + 0.5
            one, other = (wrong[i] & ~wrong[j]).sum() + 0.5, (~wrong[i] & wrong[j]).sum() + 0.5
            correlations.append(math.cos(math.pi / (1 + math.sqrt(both * neither / (one * other)))))
    return judges / (1 + (judges - 1) * max(0.0, float(np.mean(correlations))))


def compromised(ratings: Ratings, planted: Sequence[str]) -> list[str]:
    """What planted texts reveal about a panel, a sentence each; [] if it can be trusted so far.

    Args:
        ratings: of all texts.
        planted: texts that must end in the bottom quarter (an empty text, an order to the judge).
    """
    limit = float(np.quantile(ratings.mean, 0.25))
    return [f"{text} is not in the bottom quarter" for text in planted if ratings.rating(text)[0] > limit]


def gap_error(metrics: Mapping[str, float]) -> float:
    """Standard error of the hold-out's gain less half of the visible one, from the original to a text."""
    own = metrics.get("error", math.sqrt(2) * metrics.get("sigma", 0.0))
    return math.hypot(metrics.get("holdout_error", 0.0), own / 2)
