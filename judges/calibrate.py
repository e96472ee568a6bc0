"""How well judges agree with people: each judge alone on pairs of which people chose one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from judges import features
from judges.ballots import paper
from judges.llm import LLM, Unanswered
from judges.pairs import Pair
from judges.panel import READER, PanelJudge
from judges.reader import Reader
from judges.reading import ReaderJudge
from judges.watch import effective_votes

FEW = 30  # with fewer pairs an interval by resampling is too narrow to say anything
BOTH_ORDERS = 50  # pairs that are shown in both orders, to count flips

Choose = Callable[[str, str], bool | None]
"""(text shown first, text shown second) -> whether it prefers the first; None: no answer."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One judge against people.

    Attributes:
        name: the judge.
        right: share of its answers that people gave too; with its 95 % interval, bootstrap over groups of pairs.
        low: see `right`.
        high: see `right`.
        answers: pairs that it answered.
        lost: pairs that it did not.
        flips: share of pairs whose choice depends on the order; None if never shown in both.
        first: share of choices that went to the text shown first.
        longer: share of choices that went to the longer text; `people_longer` is what people did. NaN where all pairs
            are of one length.
        people_longer: see `longer`.
        wrong: per pair, whether it disagreed; unanswered pairs count as half of each, drawn at random.
    """

    name: str
    right: float
    low: float
    high: float
    answers: int
    lost: int
    flips: float | None
    first: float
    longer: float
    people_longer: float
    wrong: NDArray[np.bool_]

    @property
    def useful(self) -> bool:
        """Whether it is better than a coin beyond doubt."""
        return self.low > 0.5

    @property
    def trust(self) -> float:
        """What its vote weighs: log odds of being right, over those of a judge that is right three times in four."""
        if not self.useful:
            return 0.0
        right = min(self.right, 0.95)
        return round(math.log(right / (1 - right)) / math.log(3), 2)


def measure(name: str, choose: Choose, pairs: Sequence[Pair]) -> Measured:
    """Ask one judge about every pair, in random order, some in both orders."""
    rng = random.Random(0)
    right: list[float] = []
    groups: list[str] = []
    wrong: list[bool] = []
    firsts: list[bool] = []
    longs: list[bool] = []
    people: list[bool] = []
    flips: list[bool] = []
    for number, pair in enumerate(pairs):
        first = rng.random() < 0.5
        shown = (pair.won, pair.lost) if first else (pair.lost, pair.won)
        took_first = choose(*shown)
        if took_first is None:
            wrong.append(rng.random() < 0.5)
            continue
        right.append(float(took_first == first))
        groups.append(pair.group)
        wrong.append(took_first != first)
        firsts.append(took_first)
        lengths = [len(features.words(features.plain(text))) for text in shown]
        if lengths[0] != lengths[1]:
            longs.append(took_first == (lengths[0] > lengths[1]))
            people.append(first == (lengths[0] > lengths[1]))
        if number < BOTH_ORDERS and (again := choose(*shown[::-1])) is not None:
            flips.append(again == took_first)
    low, high = _interval(right, groups)
    return Measured(
        name=name,
        right=_share(right),
        low=low,
        high=high,
        answers=len(right),
        lost=len(pairs) - len(right),
        flips=_share(flips) if flips else None,
        first=_share(firsts),
        longer=_share(longs),
        people_longer=_share(people),
        wrong=np.array(wrong),
    )


def judges_of(judge: object, llms: Mapping[str, LLM]) -> dict[str, Choose]:
    """The judges behind a configuration's `judge:`, each by itself; {} for a judge of something else than texts."""
    if isinstance(judge, ReaderJudge):
        seen, holdout = judge.readers()
        both = {"+".join(reader.name for reader in seen): _reads(*seen)} if len(seen) > 1 else {}
        return both | {reader.name: _reads(reader) for reader in seen} | {f"{holdout.name} (hold-out)": _reads(holdout)}
    if isinstance(judge, PanelJudge):
        return {name: _of_panel(judge, name, llms) for name in (*judge.judges, *judge.holdout)}
    return {}


def report(measured: Sequence[Measured], *, weights: bool = True) -> list[str]:
    """What a person should know, line by line; the last line is the verdict.

    Args:
        measured: the judges.
        weights: name those for `judge: trust:`, a key that only panels have.
    """
    lines = []
    for one in measured:
        if not one.answers:
            lines.append(f"{one.name}: gave no answer to any of {_pairs(one.lost)}")
            continue
        flips = "" if one.flips is None else f", flips with the order {one.flips:.0%}"
        lost = f", no answer to {one.lost}" if one.lost else ""
        longer = "" if math.isnan(one.longer) else f", the longer {one.longer:.0%} (people: {one.people_longer:.0%})"
        interval = f"95 %: {one.low:.1%} to {one.high:.1%}, " if one.answers >= FEW else ""
        lines.append(
            f"{one.name}: {one.right:.1%} right ({interval}{_pairs(one.answers)}){flips}, "
            f"takes the first {one.first:.0%}{longer}{lost}"
        )
    if len(measured) > 1 and max(one.answers for one in measured) >= FEW:
        votes = effective_votes(np.array([one.wrong for one in measured]))
        lines.append(f"together they are worth {votes:.1f} independent votes of {len(measured)}, or more if people err")
        lines.append(f"agreement of the judges with each other (Krippendorff's alpha): {_alpha(measured):.2f}")
    useful = [one for one in measured if one.useful]
    trust = ", ".join(f"{one.name.split(' ')[0]}: {one.trust}" for one in measured)
    if not useful:
        lines.append("verdict: none of these judges is better than a coin on these pairs; do not select by them")
    elif (pairs := max(one.answers for one in useful)) < FEW:
        lines.append(f"verdict: {_pairs(pairs)} cannot tell; bring {FEW} or more, hundreds if you can")
    else:
        best = max(useful, key=lambda one: one.right)
        verdict = f"verdict: usable; best is {best.name} with {best.right:.0%}"
        lines.append(f"{verdict}. Weights: trust: {{{trust}}}" if weights else verdict)
    return lines


def _pairs(count: int) -> str:
    return f"{count} pair{'s'[: count != 1]}"


def _alpha(measured: Sequence[Measured]) -> float:
    """Of who chose what, pair by pair: both right or both wrong is agreement, half of it is chance."""
    wrong = np.array([one.wrong for one in measured], dtype=float).mean(0)
    judges = len(measured)
    return 1 - 2 * float(np.mean(2 * wrong * (1 - wrong) * judges / (judges - 1)))


def _share(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _interval(right: Sequence[float], groups: Sequence[str]) -> tuple[float, float]:
    if not right:
        return 0.0, 1.0
    names, index = np.unique(groups, return_inverse=True)
    hits, tries = np.bincount(index, right), np.bincount(index)
    draws = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), 2000)
    low, high = np.quantile((draws @ hits) / (draws @ tries), [0.025, 0.975])
    return float(low), float(high)


def _reads(*readers: Reader) -> Choose:
    return lambda one, other: sum(reader.read(one).raw - reader.read(other).raw for reader in readers) > 0


def _of_panel(judge: PanelJudge, name: str, llms: Mapping[str, LLM]) -> Choose:
    if name.startswith(READER):
        return _reads(Reader.shipped(name.removeprefix(READER)))
    rng = random.Random(0)

    def choose(first: str, second: str) -> bool | None:
        asked = paper(judge.brief, judge.criteria, {"first": first, "second": second}, rng, shuffled=False)
        try:
            verdict = asked.read(name, llms[name].ask(asked.prompt).result().text)
        except Unanswered:
            return None
        return None if verdict is None else verdict.ballot.ranking[0] == "first"

    return choose
