"""What the ballots of a whole run say about its judges: do they agree, what sways them, have they changed?

None of this needs a person. Judges that agree may still all be wrong: that is what `judges.calibrate` measures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from judges import features
from judges.ballots import Verdict
from judges.rating import Ballot, Electorate, Floats, Prior, rate

SAME_CRITERION = 0.8  # share of ballots on which two criteria name the same text, from which on they are one
STRANGE = 2.5  # standard errors between a judge's word on a text and that of all others
OPEN = 3.0  # prior sigma when judges are compared: their own word alone
DRIFT_P = 0.01
ENOUGH = 20  # ballots, for a share to mean anything

Duels = Mapping[str, Mapping[tuple[str, str], Sequence[bool]]]  # judge -> pair of texts, sorted -> first of them won


def duels(ballots: Sequence[Ballot]) -> Duels:
    """The ballots as pairs, per judge, in the order in which they were cast."""
    found: dict[str, dict[tuple[str, str], list[bool]]] = defaultdict(lambda: defaultdict(list))
    for ballot in ballots:
        for winner, loser in combinations(ballot.ranking, 2):
            pair = (min(winner, loser), max(winner, loser))
            found[ballot.judge][pair].append(winner == pair[0])
    return found


def alpha(ballots: Sequence[Ballot]) -> float | None:
    """Krippendorff's alpha of judges on who wins a pair: 1 agreement, 0 chance; None if no two judged a same pair.

    Nominal, on pairs of texts, between different judges; which text of a pair is named first is arbitrary, so chance
    disagreement is 1/2 (Krippendorff 2011).
    """
    found = duels(ballots)
    differ, weight = 0.0, 0.0
    for one, other in combinations(found, 2):
        for pair in found[one].keys() & found[other].keys():
            p, q = float(np.mean(found[one][pair])), float(np.mean(found[other][pair]))
            votes = min(len(found[one][pair]), len(found[other][pair]))
            differ, weight = differ + votes * (p * (1 - q) + q * (1 - p)), weight + votes
    return 1 - 2 * differ / weight if weight else None


def least_votes(ballots: Sequence[Ballot]) -> float | None:
    """How many independent votes the judges are worth at least: as if all that they agree on were shared error.

    J / (1 + (J - 1) alpha) (Kish 1965). Shared error and shared truth look the same from inside; pairs of which people
    chose one tell them apart (`judges.calibrate`). None if no two judges saw a same pair.
    """
    agreed, judges = alpha(ballots), len({ballot.judge for ballot in ballots})
    return None if agreed is None else judges / (1 + (judges - 1) * max(0.0, agreed))


def common(ballots: Sequence[Ballot]) -> Floats:
    """Mean place (0 first, 1 last) of the texts that every judge has ranked: judges x texts."""
    places: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for ballot in ballots:
        for place, text in enumerate(ballot.ranking):
            places[ballot.judge][text].append(place / (len(ballot.ranking) - 1))
    shared = sorted(set.intersection(*map(set, places.values()))) if places else []
    return np.array([[np.mean(ranked[text]) for text in shared] for ranked in places.values()])


def concordance(table: Floats) -> float | None:
    """Kendall's W of judges over texts, from 0 to 1; None for fewer than two judges or three texts."""
    if len(table) < 2 or table.shape[1] < 3:
        return None
    judges, texts = table.shape
    ranks = table.argsort(1).argsort(1).sum(0)
    return float(12 * ((ranks - ranks.mean()) ** 2).sum() / (judges**2 * (texts**3 - texts)))


def icc(table: Floats) -> float | None:
    """ICC(2,k), how reliable the judges' mean is (Shrout and Fleiss 1979); None for too few judges or texts."""
    if len(table) < 2 or table.shape[1] < 3:
        return None
    judges, texts = table.shape
    grand, rows, columns = table.mean(), table.mean(1), table.mean(0)
    between = judges * ((columns - grand) ** 2).sum() / (texts - 1)
    raters = texts * ((rows - grand) ** 2).sum() / (judges - 1)
    error = ((table - rows[:, None] - columns + grand) ** 2).sum() / ((judges - 1) * (texts - 1))
    total = between + (raters - error) / texts
    return float((between - error) / total) if total > 0 else None


def same_criteria(verdicts: Sequence[Verdict]) -> list[tuple[str, str, float]]:
    """Pairs of criteria that name the same text on nearly every ballot, and on what share of them."""
    found = []
    for one, other in combinations(sorted({name for verdict in verdicts for name in verdict.best}), 2):
        same = [v.best[one] == v.best[other] for v in verdicts if one in v.best and other in v.best]
        if len(same) >= ENOUGH and np.mean(same) >= SAME_CRITERION:
            found.append((one, other, float(np.mean(same))))
    return found


def longer(ballots: Sequence[Ballot], texts: Mapping[str, str]) -> dict[str, float]:
    """Per judge, the share of pairs of different length in which it took the longer; empty texts do not count."""
    length = {name: len(features.words(features.plain(text))) for name, text in texts.items()}
    taken: dict[str, list[bool]] = defaultdict(list)
    for ballot in ballots:
        for winner, loser in combinations(ballot.ranking, 2):
            if length[winner] and length[loser] and length[winner] != length[loser]:
                taken[ballot.judge].append(length[winner] > length[loser])
    return {judge: float(np.mean(values)) for judge, values in taken.items()}


def drifted(ballots: Sequence[Ballot], scale: Sequence[str]) -> dict[str, float]:
    """Judges that rank the texts of the scale otherwise late than early, and how likely that is by chance.

    Chi-squared over pairs of these texts: their first half of ballots against the second.
    """
    from scipy.special import chdtrc

    kept = set(scale)
    found: dict[str, float] = {}
    for judge, pairs in duels(ballots).items():
        total, freedom = 0.0, 0
        for pair, won in pairs.items():
            half = len(won) // 2
            pooled = (sum(won) + 1) / (len(won) + 2)
            if set(pair) <= kept and half >= 2:
                early, late = float(np.mean(won[:half])), float(np.mean(won[half:]))
                total += (early - late) ** 2 / (pooled * (1 - pooled) * (1 / half + 1 / (len(won) - half)))
                freedom += 1
        if freedom and (p := float(chdtrc(freedom, total))) < DRIFT_P:
            found[judge] = p
    return found


def fooled(ballots: Sequence[Ballot], planted: Collection[str]) -> tuple[int, int]:
    """On how many ballots a planted text came before one that is not, and how many had a planted text."""
    met = [ballot for ballot in ballots if any(text in planted for text in ballot.shown)]
    liked = [b for b in met if [text in planted for text in b.ranking] != sorted(text in planted for text in b.ranking)]
    return len(liked), len(met)


def outliers(texts: Sequence[str], ballots: Sequence[Ballot], known: Electorate) -> dict[tuple[str, str], float]:
    """(judge, text) that one judge of three or more rates unlike all others: by how many standard errors.

    A judge that a text has captured looks like this. `unheard` takes its word on that text from the ballots.
    """
    judges = sorted({ballot.judge for ballot in ballots})
    if len(judges) < 3:
        return {}
    open_minded = replace(known, priors=dict.fromkeys(texts, Prior(0.0, OPEN)))
    found: dict[tuple[str, str], float] = {}
    for judge in judges:
        own = rate(texts, [ballot for ballot in ballots if ballot.judge == judge], open_minded)
        rest = rate(texts, [ballot for ballot in ballots if ballot.judge != judge], open_minded)
        gap = own.mean - rest.mean
        error = np.sqrt(np.diag(own.covariance) + np.diag(rest.covariance))
        z = (gap - np.median(gap)) / error
        found |= {(judge, text): float(z[i]) for i, text in enumerate(texts) if abs(z[i]) > STRANGE}
    return found


def unheard(ballots: Sequence[Ballot], odd: Mapping[tuple[str, str], float]) -> list[Ballot]:
    """The ballots without what outlying judges said of the texts that they rate unlike all others."""
    kept = []
    for ballot in ballots:
        shown = tuple(text for text in ballot.shown if (ballot.judge, text) not in odd)
        if len(shown) > 1:
            kept.append(Ballot(ballot.judge, shown, tuple(text for text in ballot.ranking if text in shown)))
    return kept
