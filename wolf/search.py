"""The loop: ask, judge, tell, until the budget is spent; then confirm.

Everything durable is in the ledger, and the state is a fold over it: `_restore` replays what `_ask` and `_tell` did. In
cohort mode asks are made in batches as wide as there are slots and told in the order of asking, so the trajectory
depends on nothing but the configuration and the judge; in steady mode no slot waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from enum import IntEnum
from typing import Any, Literal

from population.evaluation import Evaluation, Goal
from population.variant import Variant
from wolf import bodies
from wolf.asks import Ask, Purpose, Strategy
from wolf.bodies import Body
from wolf.budget import Budget
from wolf.confirm import Gain, gain, standard_error
from wolf.errors import SetupError
from wolf.events import Event, Observer
from wolf.ledger import Ledger
from wolf.proposer import Proposer
from wolf.streams import judge_seed

PAUSE = 0.02  # seconds between looks at whether an answer is here
TICK = 0.2  # seconds between looks at whether a person wants to stop

Record = tuple[str, Body]
Submit = Callable[[Ask], "Future[Evaluation]"]


class Stop(IntEnum):
    """What a person wants: nothing, no new evaluations, or an end at once."""

    NO = 0
    DRAIN = 1
    NOW = 2


class Search:
    """One run in progress."""

    def __init__(
        self,
        strategy: Strategy,
        submit: Submit,
        ledger: Ledger,
        budget: Budget,
        *,
        goal: Goal,
        judge: str,
        seed: int,
        seed_variant: Variant,
        slots: int,
        mode: Literal["cohort", "steady"],
        confirmations: int,
        observers: Sequence[Observer] = (),
        proposer: Proposer | None = None,
    ) -> None:
        """Wire the parts; nothing happens before `run`."""
        self._strategy = strategy
        self._submit = submit
        self._ledger = ledger
        self._budget = budget
        self._goal = goal
        self._judge = judge
        self._seed = seed
        self._seed_variant = seed_variant
        self._slots = slots
        self._cohort = mode == "cohort"
        self._confirmations = confirmations
        self._observers = observers
        self._proposer = proposer
        self._open: dict[int, Ask] = {}  # asked, not told
        self._early: dict[int, Evaluation] = {}  # finished before their turn
        self._running: dict[Future[Evaluation], int] = {}
        self._fresh: dict[str, list[float]] = {}
        self._confirming: set[tuple[str, int]] = set()  # variant and seed of every confirmation asked for
        self._seed_failure = ""
        self._asks = 0
        self._evaluations = 0
        self._active = 0.0  # seconds of earlier sessions
        self._started = time.monotonic()
        self.stop = Stop.NO

    def run(self) -> Body | None:
        """Search, confirm, sum up. Returns the body of `finished`, or None if it was stopped before the end."""
        self._restore()
        self._work(self._search_asks)
        if self.stop is Stop.NO:
            self._work(self._confirmation_asks)
        if self.stop is not Stop.NO or self._open:
            self._commit([("stopped", {"reason": "you stopped it"})])
            return None
        if self._proposer:
            self._proposer.finish(self._commit)
        summary = self._summary()
        self._commit([("finished", summary)])
        return summary

    def _work(self, more: Callable[[], list[Ask]]) -> None:
        """Ask for `more` while there is any, and tell what comes back."""
        while True:
            if self._proposer:
                self._proposer.pump(self._commit, start=self.stop is Stop.NO)
            if self.stop is Stop.NO:
                self._ask(more())
            elif self.stop is Stop.DRAIN:
                self._running = {future: ordinal for future, ordinal in self._running.items() if not future.cancel()}
            if self.stop is Stop.NOW or not (self._running or self._expecting):
                return
            if not self._running:
                time.sleep(PAUSE)
                continue
            done, _ = wait(self._running, timeout=TICK, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=self._running.__getitem__):
                self._receive(self._running.pop(future), future.result())

    # Asking

    def _search_asks(self) -> list[Ask]:
        """The next batch: as wide as the slots when all of the last one is told (cohort), or one per free slot."""
        if self._confirming or (self._cohort and self._open):
            return []
        if self._proposer and self._budget.allows(self._asks, self._spent):
            if self._expecting:
                return []
            self._proposer.plan(self._asks, self._strategy.escape.heat)
            self._proposer.pump(self._commit)
        batch: list[Ask] = []
        while len(self._open) + len(batch) < self._slots and self._budget.allows(self._asks + len(batch), self._spent):
            ask = self._strategy.ask(self._asks + len(batch))
            self._strategy.asked(ask)
            batch.append(ask)
        return batch

    @property
    def _expecting(self) -> bool:
        """Whether an answer has to come before the search can go on: one that is due, or any before a clean stop."""
        if self._proposer is None or self._confirming:
            return False
        if self.stop is Stop.DRAIN:
            return self._proposer.waiting
        return self._budget.allows(self._asks, self._spent) and self._proposer.owes(self._asks)

    def _confirmation_asks(self) -> list[Ask]:
        """Champion and seed on the same fresh seeds, all at once, but for those asked for already."""
        champion = self._strategy.champion or self._seed_variant.id
        variants = [self._seed_variant]
        if champion != self._seed_variant.id:
            variants.append(self._strategy.population.variant(champion))
        seeds = [judge_seed(self._seed, i, "fresh") for i in range(self._confirmations)]
        pairs = [(variant, seed) for seed in seeds for variant in variants]
        pairs = [(variant, seed) for variant, seed in pairs if (variant.id, seed) not in self._confirming]
        return [Ask(self._asks + i, variant, seed, Purpose.CONFIRM) for i, (variant, seed) in enumerate(pairs)]

    def _ask(self, batch: list[Ask]) -> None:
        """Write a batch down, then start it."""
        if not batch:
            return
        records: list[Record] = []
        for ask in batch:
            if ask.launch:
                records.append(("expedition", bodies.expedition(self._strategy.escape.expeditions[-1], "started")))
            records.append(("asked", bodies.asked(ask, self._goal)))
        self._commit(records, [ask.variant for ask in batch])
        for ask in batch:
            self._opened(ask)
            self._start(ask)

    def _opened(self, ask: Ask) -> None:
        self._asks += 1
        self._open[ask.ordinal] = ask
        if ask.purpose is Purpose.CONFIRM:
            self._confirming.add((ask.variant.id, ask.seed))

    def _start(self, ask: Ask) -> None:
        self._running[self._submit(ask)] = ask.ordinal

    # Telling

    def _receive(self, ordinal: int, evaluation: Evaluation) -> None:
        """Tell an evaluation, or keep it safe until those asked before it are told."""
        if self._cohort and ordinal != min(self._open):
            self._early[ordinal] = evaluation
            self._commit([("evaluated", {"ordinal": ordinal, "evaluation": bodies.evaluated(evaluation)})])
            return
        self._tell(ordinal, evaluation)
        while self._early and (first := min(self._open, default=-1)) in self._early:
            self._tell(first, self._early.pop(first))

    def _tell(self, ordinal: int, evaluation: Evaluation) -> None:
        """The only place where an evaluation changes the state of a live run."""
        self._commit(self._fold(self._open.pop(ordinal), evaluation))
        self._check_seed()

    def _check_seed(self) -> None:
        if self._strategy.population.failed(self._seed_variant.id):
            raise SetupError(f"the seed variant fails ({self._seed_failure}), so there is nothing to improve on")

    def _fold(self, ask: Ask, evaluation: Evaluation) -> list[Record]:
        """Take in an evaluation; returns what is to be written about it."""
        told: Body = {
            "ordinal": ask.ordinal,
            "variant": ask.variant.id,
            "purpose": ask.purpose.value,
            "evaluation": bodies.evaluated(evaluation),
        }
        if ask.purpose is Purpose.CONFIRM:
            readings = self._fresh.setdefault(ask.variant.id, [])
            if evaluation.score is not None:
                readings.append(self._goal.loss(evaluation.score))
            return [("told", {**told, "admission": _admission("recorded", "on a fresh seed"), **self._standing(ask)})]
        outcome = self._strategy.told(ask, evaluation)
        self._evaluations += 1
        if ask.variant.id == self._seed_variant.id and not evaluation.ok:
            said = evaluation.feedback.strip().splitlines() or ["the judge says no more"]
            self._seed_failure = "; ".join(dict.fromkeys((said[0], said[-1])))
        admission = _admission(outcome.admission.verdict.value, outcome.admission.reason, outcome.admission.evicted)
        records: list[Record] = [("told", {**told, "admission": admission, **self._standing(ask)})]
        if outcome.crowning:
            admission["kind"] = "crowned"
            records.append(("crowned", bodies.crowned(ask.ordinal, outcome.crowning, self._goal)))
        if trip := outcome.expedition:
            records.append(("expedition", bodies.expedition(trip, "settled" if trip.outcome else "extended")))
        return records

    def _standing(self, ask: Ask) -> Body:
        population = self._strategy.population
        champion = self._strategy.champion
        best = bodies.estimate(population.estimate(champion), self._goal) if champion else None
        return {
            "estimate": bodies.estimate(population.estimate(ask.variant.id), self._goal),
            "champion": {"id": champion, **best} if champion and best else None,
            "evaluations": self._evaluations,
            "heat": self._strategy.escape.heat,
            "noise": population.noise,
        }

    # Beginning, end, and the record

    def _restore(self) -> None:
        """Replay the ledger; start again what was in flight."""
        began = last = None
        for event in self._ledger.events():
            if event.kind in ("run", "resumed"):
                self._active += (last or 0.0) - (began or last or 0.0)
                began = event.time
            last = event.time
            self._replay(event)
        self._check_seed()
        if self._asks:
            self._active += (last or 0.0) - (began or 0.0)
            self._commit([("resumed", {"ordinal": self._asks})])
        for ask in list(self._open.values()):
            if ask.ordinal not in self._early:
                self._start(ask)
        while self._early and (first := min(self._open)) in self._early:
            self._tell(first, self._early.pop(first))

    def _replay(self, event: Event) -> None:
        body: Mapping[str, Any] = event.body
        if event.kind == "asked":
            ask = bodies.to_ask(body, self._goal, self._ledger.variant)
            self._opened(ask)
            if ask.purpose is not Purpose.CONFIRM:
                self._strategy.asked(ask)
        elif event.kind in ("call", "proposed") and self._proposer:
            self._proposer.restore(event.kind, body)
        elif event.kind in ("evaluated", "told"):
            ask = self._open[body["ordinal"]]
            evaluation = bodies.to_evaluation(body["evaluation"], ask.variant.id, self._judge)
            if event.kind == "evaluated":
                self._early[ask.ordinal] = evaluation
                return
            self._early.pop(ask.ordinal, None)
            self._fold(self._open.pop(ask.ordinal), evaluation)

    def _commit(self, records: Sequence[Record], variants: Sequence[Variant] = ()) -> None:
        """Write first, then show."""
        for event in self._ledger.append(records, variants):
            for observer in self._observers:
                observer(event)

    @property
    def _spent(self) -> float:
        return self._active + time.monotonic() - self._started

    def _summary(self) -> Body:
        champion = self._strategy.champion or self._seed_variant.id
        lead = self._gain(champion)
        trips = self._strategy.escape.expeditions
        return {
            "run": str(self._ledger.run_dir),
            "strategy": type(self._strategy).__name__.lower(),
            "evaluations": self._evaluations,
            "champion": self._belief(champion),
            "seed": self._belief(self._seed_variant.id),
            "gain": {"mean": lead.mean, "low": lead.low, "high": lead.high} if lead else None,
            "curse": self._shift(champion),
            "expeditions": {
                "count": len(trips),
                "found": sum(trip.outcome in ("champion", "niche") for trip in trips),
                "share": self._strategy.escape.spent / max(self._evaluations, 1),
            },
            "noise": self._strategy.population.noise,
            "seconds": self._spent,
            "reason": "the budget is spent",
        }

    def _gain(self, champion: str) -> Gain | None:
        """The champion's lead over the seed on fresh seeds; without an interval where readings never vary."""
        if champion == self._seed_variant.id:
            return Gain(0.0, 0.0, 0.0)
        seed, best = self._fresh.get(self._seed_variant.id, []), self._fresh.get(champion, [])
        if self._strategy.population.noise == 0.0 and seed and best:
            return Gain(seed[0] - best[0], seed[0] - best[0], seed[0] - best[0])
        return gain(seed, best)

    def _shift(self, champion: str) -> float | None:
        """Search mean minus fresh mean, in loss units; less the seed's, which says how hard the fresh data are."""
        shifts = []
        for variant in (champion, self._seed_variant.id):
            search, fresh = self._strategy.population.estimate(variant), self._fresh.get(variant)
            if not fresh or not search.n:
                return None
            shifts.append(search.mean - sum(fresh) / len(fresh))
        return shifts[0] if champion == self._seed_variant.id else shifts[0] - shifts[1]

    def _belief(self, variant: str) -> Body:
        readings = self._fresh.get(variant, [])
        error = standard_error(readings)
        fresh = {"mean": self._goal.loss(sum(readings) / len(readings)), "se": error if len(readings) > 1 else None,
                 "n": len(readings)} if readings else None  # fmt: skip
        return {"id": variant, "search": bodies.estimate(self._strategy.population.estimate(variant), self._goal),
                "fresh": fresh}  # fmt: skip


def _admission(kind: str, reason: str, evicted: str | None = None) -> Body:
    return {"kind": kind, "reason": reason, "evicted": evicted}
