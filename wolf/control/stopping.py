"""When a search ends, and the sentence that says why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from population.evaluation import Estimate, Goal
from wolf.reading.terminal import duration
from wolf.strategy.asks import Outcome


class Stop(IntEnum):
    """What a person wants of the process: nothing, no new evaluations, or an end at once."""

    NO = 0
    DRAIN = 1
    NOW = 2


@dataclass(frozen=True, slots=True)
class Ending:
    """Why no more is searched.

    Attributes:
        rule: evaluations, time, dollars, target, plateau, alarm, person or exhausted.
        reason: one sentence, without a full stop.
    """

    rule: str
    reason: str


EXHAUSTED = Ending("exhausted", "no operator finds a variant that was not tried: what is within reach has been tried")


@dataclass(slots=True)
class Progress:
    """A fold over outcomes.

    Attributes:
        fruitless: evaluations since the last significant gain.
        homecomings: expeditions that came home since then.
        alarms: of the hold-out.
    """

    fruitless: int = 0
    homecomings: int = 0
    alarms: int = 0

    def told(self, outcome: Outcome) -> None:
        """One more evaluation has been told."""
        if outcome.crowning:
            self.fruitless = self.homecomings = 0
            return
        self.fruitless += 1
        self.homecomings += outcome.expedition is not None and outcome.expedition.outcome is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules look at.

    Attributes:
        asked: evaluations asked for.
        seconds: for how long the run has been active.
        champion: who leads, and what is believed of it (as a loss); None before the first score.
        progress: what came of the evaluations.
        escapes: whether expeditions are sent at all.
        away: whether one is under way.
        broke: whether a judge could not be paid any more.
        enough: whether a person has said so.
    """

    asked: int
    seconds: float
    champion: tuple[str, Estimate] | None
    progress: Progress
    escapes: bool = False
    away: bool = False
    broke: bool = False
    enough: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits on a search; whichever is reached first ends it. The confirmation afterwards is extra, and announced.

    Attributes:
        evaluations: evaluations, repeats included; None for no limit.
        seconds: wall-clock seconds that the run is active; pauses are not counted.
        target: a score that is good enough once the champion's estimate is better by its standard error.
        plateau: evaluations without a significant gain, once an expedition has come home in vain.
        goal: which way scores improve.
        usd: dollars for models; reached when a judge cannot be paid any more.
        alarm: what the hold-out's alarm does: `stop`, `go` (back, and on) or nothing (`off`).
    """

    evaluations: int | None = None
    seconds: float | None = None
    target: float | None = None
    plateau: int | None = None
    goal: Goal = Goal.MINIMIZE
    usd: float | None = None
    alarm: str = "go"

    def revised(self, evaluations: int | None = None, hours: float | None = None, usd: float | None = None) -> Rules:
        """With these budgets, where they are given."""
        return replace(
            self,
            evaluations=evaluations or self.evaluations,
            seconds=3600 * hours if hours else self.seconds,
            usd=self.usd if usd is None else usd,
        )

    def after(self, ended: Ending | None) -> Rules:
        """For a run that goes on although it `ended`: a target that was reached is no reason to end any more."""
        return replace(self, target=None) if ended and ended.rule == "target" else self

    def allows(self, asked: int, active: float) -> bool:
        """Whether evaluations and time are left after `asked` evaluations and `active` seconds."""
        return (self.evaluations is None or asked < self.evaluations) and (
            self.seconds is None or active < self.seconds
        )

    def ending(self, now: Standing) -> Ending | None:
        """Why to end now; None to go on."""
        if now.enough:
            return Ending("person", "you said that it is good enough")
        if now.champion and self.target is not None:
            name, estimate = now.champion
            if estimate.n and estimate.mean + estimate.sigma <= self.goal.loss(self.target):
                spread = f" ± {estimate.sigma:.3g}" if estimate.sigma else ""
                score = f"{self.goal.loss(estimate.mean):.6g}{spread}"
                return Ending("target", f"the target of {self.target:g} is reached: {name[:8]} scores {score}")
        if self.alarm == "stop" and now.progress.alarms:
            return Ending("alarm", "the hold-out gave the alarm: the judges see gains that it does not")
        if now.broke:
            return Ending("dollars", f"the budget of ${self.usd or 0:g} is spent: no judge can be asked any more")
        if self.evaluations is not None and now.asked >= self.evaluations:
            return Ending("evaluations", f"the budget of {self.evaluations} evaluations is spent")
        if self.seconds is not None and now.seconds >= self.seconds:
            return Ending("time", f"the budget of {duration(self.seconds)} is spent")
        done = now.progress
        tried = not now.escapes or (done.homecomings > 0 and not now.away)
        if self.plateau is not None and done.fruitless >= self.plateau and tried:
            many = f"{done.homecomings} expedition{'s'[: done.homecomings != 1]}"
            trips = f", and {many} since came home without one" if now.escapes else ""
            return Ending("plateau", f"a plateau: no significant gain in {done.fruitless} evaluations{trips}")
        return None
