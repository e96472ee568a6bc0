"""The body of `finished`: what a run found, on fresh seeds."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from population.evaluation import Goal
from wolf.confirm import Confirmation, Gain, gain, standard_error
from wolf.store import bodies
from wolf.store.bodies import Body
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Strategy


@dataclass(frozen=True, slots=True)
class Summary:
    """What is needed to sum up.

    Attributes:
        strategy: as it is at the end.
        goal: which way scores improve.
        seed_variant: id of the variant that the search started from.
        confirmation: with its readings.
    """

    strategy: Strategy
    goal: Goal
    seed_variant: str
    confirmation: Confirmation

    def body(self, ledger: Ledger, evaluations: int, seconds: float, reason: str, edited: str) -> Body:
        """All of it. `edited` says what somebody has changed of the frozen files since the run began."""
        champion = self.strategy.champion or self.seed_variant
        lead = self._gain(champion)
        trips = self.strategy.escape.expeditions
        said = {
            "run": str(ledger.run_dir),
            "strategy": type(self.strategy).__name__.lower(),
            "evaluations": evaluations,
            "champion": self._belief(champion),
            "seed": self._belief(self.seed_variant),
            "gain": {"mean": lead.mean, "low": lead.low, "high": lead.high} if lead else None,
            "curse": self._shift(champion),
            "expeditions": {
                "count": len(trips),
                "found": sum(trip.outcome in ("champion", "niche") for trip in trips),
                "share": self.strategy.escape.spent / max(evaluations, 1),
            },
            "noise": self.strategy.population.noise,
            "seconds": seconds,
            "reason": reason,
            "edited": edited,
        }
        failed = any(
            len(self.confirmation.losses(one)) < self.confirmation.count for one in (champion, self.seed_variant)
        )
        return {**said, "warning": _warning(ledger, said, failed or bool(edited))}

    def _gain(self, champion: str) -> Gain | None:
        """The champion's lead over the seed on fresh seeds; without an interval where readings never vary.

        That the seed's own never did (noise 0) is not enough: the champion's may, or either may fail.
        """
        if champion == self.seed_variant:
            return Gain(0.0, 0.0, 0.0)
        seed, best = self.confirmation.losses(self.seed_variant), self.confirmation.losses(champion)
        complete = len(seed) == len(best) == self.confirmation.count
        steady = complete and len({*seed}) == len({*best}) == 1
        if steady and self.strategy.population.noise == 0.0:
            return Gain(seed[0] - best[0], seed[0] - best[0], seed[0] - best[0])
        return gain(seed, best)

    def _shift(self, champion: str) -> float | None:
        """Search mean minus fresh mean, in loss units; less the seed's, which says how hard the fresh data are."""
        shifts = []
        for variant in (champion, self.seed_variant):
            search, fresh = self.strategy.population.estimate(variant), self.confirmation.losses(variant)
            if not fresh or not search.n:
                return None
            shifts.append(search.mean - sum(fresh) / len(fresh))
        return shifts[0] if champion == self.seed_variant else shifts[0] - shifts[1]

    def _belief(self, variant: str) -> Body:
        readings = self.confirmation.losses(variant)
        error = standard_error(readings)
        fresh = {"mean": self.goal.loss(sum(readings) / len(readings)), "se": error if len(readings) > 1 else None,
                 "n": len(readings)} if readings else None  # fmt: skip
        return {"id": variant, "search": bodies.estimate(self.strategy.population.estimate(variant), self.goal),
                "fresh": fresh}  # fmt: skip


def _warning(ledger: Ledger, finished: Body, certain: bool) -> str:
    """What there is against the champion, as everybody says it who reads the run; empty for nothing."""
    from wolf.reading.records import Run
    from wolf.reading.rows import TEXTS
    from wolf.reading.verdict import verdict

    if not certain and next(ledger.events()).body.get("judge") not in TEXTS:
        return ""
    events = [*ledger.events()]
    return verdict(Run.of([*events, structs.replace(events[-1], kind="finished", body=finished)])).warning
