"""What came of a comparison: one outcome per run, one line per arm, and what can be said about them.

Losses inside (lower is better), the metric's own direction outside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from population.evaluation import Goal
from wolf.compare.arms import Arm, Entry
from wolf.compare.paired import Comparison, compare, holm, interval
from wolf.confirm import standard_error
from wolf.reading.records import load_run


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended.

    Attributes:
        seed: of its search.
        path: its run directory.
        loss: of the champion on fresh seeds, or of the search if nothing was confirmed.
        start: the same of the seed variant.
        search: what the search believed of its champion, as a loss.
        curse: how much too good the search's belief was, the seed variant's own shift taken off; None if unconfirmed.
        curve: after each evaluation the loss that was believed of the champion; NaN before there was one.
        seconds: that the run was active.
        failed: fresh readings of the champion that failed; `loss` is of the others, or the search's if none is left.
    """

    seed: int
    path: Path
    loss: float
    start: float
    search: float
    curse: float | None
    curve: tuple[float, ...]
    seconds: float
    failed: int = 0

    @staticmethod
    def of(entry: Entry) -> Outcome:
        """Of a finished run."""
        run = load_run(entry.path)
        final, loss = run.final, run.header.goal.loss
        assert final is not None, "it is finished"
        curve = [math.nan] * run.evaluations
        for told in run.curve:
            if told.best is not None:
                curve[told.evaluations - 1] = loss(told.best.mean)
        for index in range(1, len(curve)):
            curve[index] = curve[index - 1] if math.isnan(curve[index]) else curve[index]
        champion, seed = ((final[who]["fresh"] or final[who]["search"])["mean"] for who in ("champion", "seed"))
        curse = None if final["curse"] is None else -float(final["curse"])
        failed = sum(not told.ok for told in run.confirmations(run.champion))
        return Outcome(entry.seed, entry.path, loss(champion), loss(seed), loss(final["champion"]["search"]["mean"]),
                       curse, tuple(curve), run.seconds, failed)  # fmt: skip

    def reach(self, target: float) -> float:
        """Evaluations until its champion was believed to be as good as `target`; inf if never."""
        return next((n for n, loss in enumerate(self.curve, 1) if loss <= target), math.inf)


@dataclass(frozen=True, slots=True)
class Line:
    """One arm. Losses; see `Outcome` and `Comparison`.

    Attributes:
        reach: median evaluations to the end score of the baseline's run with the same seed; inf if most never got
            there.
        good: runs that ended at least as good as the threshold; None without one.
        versus: against the arm that it is compared with; None for the baseline.
        holm: the p value of that, corrected for the number of comparisons.
    """

    arm: Arm
    outcomes: tuple[Outcome, ...]
    mean: float
    median: float
    low: float
    high: float
    reach: float
    good: int | None
    versus: Comparison | None
    holm: float | None

    @property
    def curse(self) -> tuple[float, float] | None:
        """Mean winner's curse and its standard error."""
        curses = [outcome.curse for outcome in self.outcomes if outcome.curse is not None]
        return (fmean(curses), standard_error(curses)) if curses else None


@dataclass(frozen=True, slots=True)
class Standings:
    """The whole comparison, arms in the order they were named.

    Attributes:
        metric: what was measured.
        goal: which way is better.
        evaluations: what every run was allowed.
        fresh: fresh seeds that each champion was scored on; 0 if the scores are the search's own.
        good: the threshold of the good basin, in the metric's own direction.
    """

    lines: tuple[Line, ...]
    metric: str
    goal: Goal
    evaluations: int
    fresh: int
    good: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for machines, in the metric's own direction; positive gains are better."""
        return {
            "metric": self.metric, "goal": self.goal.value, "evaluations": self.evaluations, "fresh_seeds": self.fresh,
            "seeds": [outcome.seed for outcome in self.lines[0].outcomes], "good": self.good,
            "arms": [self._line(line) for line in self.lines],
        }  # fmt: skip

    def _line(self, line: Line) -> dict[str, Any]:
        ends = sorted((self.goal.loss(line.low), self.goal.loss(line.high)))
        curse = line.curse
        runs = [
            {"seed": run.seed, "run": str(run.path), "score": self.goal.loss(run.loss),
             "start": self.goal.loss(run.start), "search": self.goal.loss(run.search), "curse": run.curse,
             "seconds": run.seconds, "failed": run.failed,
             "curve": [None if math.isnan(loss) else self.goal.loss(loss) for loss in run.curve]}
            for run in line.outcomes
        ]  # fmt: skip
        return {
            "name": line.arm.name, "overrides": list(line.arm.overrides), "mean": self.goal.loss(line.mean),
            "median": self.goal.loss(line.median), "low": ends[0], "high": ends[1],
            "reach": line.reach if math.isfinite(line.reach) else None, "good": line.good,
            "curse": {"mean": curse[0], "se": curse[1]} if curse else None, "against": line.arm.against,
            "versus": {**asdict(line.versus), "holm": line.holm} if line.versus else None, "runs": runs,
        }  # fmt: skip


def standings(arms: Sequence[Arm], entries: Sequence[Entry], good: float | None) -> Standings:
    """Of finished runs."""
    config = entries[0].config
    runs = {arm.name: tuple(Outcome.of(entry) for entry in entries if entry.arm == arm.name) for arm in arms}
    evaluations = config.budget.evaluations
    assert evaluations is not None, "checked when the runs were planned"
    return ranked(arms, runs, config.judge.name, config.judge.goal, evaluations, config.confirm.seeds, good)


def ranked(
    arms: Sequence[Arm],
    runs: Mapping[str, tuple[Outcome, ...]],
    metric: str,
    goal: Goal,
    evaluations: int,
    fresh: int,
    good: float | None,
) -> Standings:
    """Of outcomes by arm, those of one seed at the same place in each; the other arguments as in `Standings`."""
    versus = {arm.name: _compare(runs[arm.name], runs[arm.against]) for arm in arms if arm.against}
    corrected = dict(zip(versus, holm([one.p for one in versus.values()]), strict=True))
    baseline = next(arm.name for arm in arms if arm.against is None)
    threshold = None if good is None else goal.loss(good)
    lines = tuple(
        _line(arm, runs[arm.name], runs[baseline], threshold, versus.get(arm.name), corrected.get(arm.name))
        for arm in arms
    )
    return Standings(lines, metric, goal, evaluations, fresh, good)


def _compare(ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> Comparison:
    return compare([run.loss for run in ours], [run.loss for run in theirs])


def _line(
    arm: Arm,
    runs: tuple[Outcome, ...],
    baseline: Sequence[Outcome],
    threshold: float | None,
    versus: Comparison | None,
    corrected: float | None,
) -> Line:
    losses = [run.loss for run in runs]
    low, high = interval(losses)
    reach = median(ours.reach(theirs.curve[-1]) for ours, theirs in zip(runs, baseline, strict=True))
    good = None if threshold is None else sum(loss <= threshold for loss in losses)
    return Line(arm, runs, fmean(losses), median(losses), low, high, reach, good, versus, corrected)
