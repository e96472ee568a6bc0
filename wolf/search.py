"""The loop: ask, judge, tell, until the budget is spent; then confirm.

Everything durable is in the ledger, and the state is a fold over it: `_restore` replays what `_ask` and `_tell` did. In
cohort mode asks are made in batches as wide as there are slots and told in the order of asking, so the trajectory
depends on nothing but the configuration and the judge; in steady mode no slot waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from population.evaluation import Evaluation
from population.variant import Variant
from wolf.confirm import Confirmation
from wolf.control.holdout import Watch
from wolf.control.pace import Pace
from wolf.control.steering import Able, CheckIns, Steering
from wolf.control.stopping import EXHAUSTED, Ending, Progress, Rules, Standing, Stop
from wolf.errors import SetupError
from wolf.flight import Flight, Submit
from wolf.llm.proposer import Proposer
from wolf.memory import uncollected
from wolf.store import bodies
from wolf.store.bodies import Body, Record
from wolf.store.events import Event, Observer
from wolf.store.ledger import Ledger
from wolf.store.mentions import Mentions
from wolf.strategy.asks import Ask, Outcome, Purpose, Strategy
from wolf.strategy.sameness import Sameness
from wolf.streams import judge_seed
from wolf.summary import Summary
from wolf.terms import Terms

PAUSE = 0.02  # seconds between looks at whether an answer is here
TICK = 0.2  # seconds between looks at whether a person wants to stop


class Search:
    """One run in progress."""

    def __init__(
        self,
        strategy: Strategy,
        submit: Submit,
        ledger: Ledger,
        rules: Rules,
        terms: Terms,
        *,
        observers: Sequence[Observer] = (),
        proposer: Proposer | None = None,
        able: Able | None = None,
        sameness: Sameness | None = None,
        checks: CheckIns | None = None,
        edited: Callable[[], str] = str,
    ) -> None:
        """Wire the parts; nothing happens before `run`. `edited` says what has become of the frozen files meanwhile."""
        self._edited = edited
        self._strategy = strategy
        self._ledger = ledger
        self._terms = terms
        self._observers = observers
        self._proposer = proposer
        self._sameness = sameness
        self._within = terms.sandbox  # candidates were, in the session before
        self._flight = Flight(submit, in_turn=terms.cohort)
        self._confirmation = Confirmation(terms.seed, terms.confirmations, terms.goal)
        self._seed_failure = ""
        self._mentions = Mentions(terms.goal, strategy.population, lambda id: ledger.variant(id).files)
        self._unsaid: list[Record] = []  # what a kill kept from being written about orders that took effect
        self._asks = self._evaluations = 0
        self._ended: Ending | None = None
        self._finished = False  # and not opened again
        self._progress = Progress()
        self.stop = Stop.NO
        self.signal: int | None = None  # by which a person said so
        self._asks_person = checks is not None
        self._watch = Watch(strategy.population, terms.seed_variant.id)
        able = able or Able(cohort=terms.cohort)
        self.steering = Steering(strategy, ledger.run_dir, terms.seed_variant, able, checks or CheckIns(), rules)
        self._pace = Pace(self.steering)

    def run(self, witnesses: Sequence[Observer] = ()) -> Body | None:
        """Search, confirm, sum up: the body of `finished`, None if it was stopped. `witnesses` see earlier sessions."""
        self._restore(witnesses)
        self._work(self._search_asks)
        if self.stop is Stop.NO:
            self._work(self._confirmation_asks)
        if self.stop is not Stop.NO or self._flight:
            reason = "you stopped it" if self.signal else "you told it to stop"
            self._commit([("stopped", {"reason": reason, "signal": self.signal})])
            return None
        if self._proposer:
            self._proposer.finish(self._commit)
        made = Summary(self._strategy, self._terms.goal, self._terms.seed_variant.id, self._confirmation)
        reason = self._ended.reason if self._ended else "the budget is spent"
        summary = made.body(self._ledger, self._evaluations, self._pace.seconds, reason, self._edited())
        self._commit([("finished", summary)])
        return summary

    def _work(self, more: Callable[[], list[Ask]]) -> None:
        """Ask for `more` while there is any, and tell what comes back."""
        while True:
            self._listen()
            going = self.stop is Stop.NO and not self.steering.paused
            if self._proposer:
                self._proposer.pump(self._commit, start=going)
            if going:
                self._ask(more())
            elif self.stop is Stop.DRAIN:
                self._flight.cancel()
            paused = self.stop is Stop.NO and self.steering.paused
            if self.stop is Stop.NOW or not (self._flight.running or self._expecting or paused):
                return
            if not self._flight.running:
                if paused:
                    self._pace.rest(self._commit, self._evaluations)
                time.sleep(TICK if paused else PAUSE)
                continue
            for ordinal, future in self._flight.landed(TICK):
                if self.stop is Stop.NO or not future.cancelled():  # not begun before the stop is not begun at all
                    self._receive(ordinal, future.result())

    def _listen(self) -> None:
        """What has a person said?"""
        self.steering.hear(self._commit, self._evaluations, over=bool(self._confirmation.begun or self._ended))
        if records := self.steering.settle(idle=not self._flight):
            self._commit(records)
        self.stop = max(self.stop, self.steering.stop)
        if self.stop is Stop.DRAIN and self._proposer and self._proposer.calls.stuck:
            self.stop = Stop.NOW  # what is running would end when the outage does
        self._pace.wake(self._commit, self._evaluations)

    # Asking

    def _search_asks(self) -> list[Ask]:
        """The next batch; none while something else comes first, and none any more when the search is over."""
        busy = self._ended or self._confirmation.begun or (self._terms.cohort and self._flight)
        if busy or self._alarmed() or self._over() or self._asking_person() or self._awaiting_ideas():
            return []
        return self._batch()

    def _batch(self) -> list[Ask]:
        """As wide as the slots when all of the last batch is told (cohort), or one per free slot."""
        batch: list[Ask] = []
        room, allows = self._terms.slots - len(self._flight), self.steering.rules.allows
        while len(batch) < room and allows(self._spent + len(batch), self._pace.seconds):
            ordinal = self._asks + len(batch)
            ask = self._injected(ordinal) or self._strategy.ask(ordinal)
            if ask is None:
                if batch or self._flight or not self._last_resort():
                    break
                continue
            self._strategy.asked(ask)
            self.steering.asked(ask.variant.id)
            batch.append(ask)
        return batch

    def _last_resort(self) -> bool:
        """Nothing new can be made: whether there are ideas that were meant for later. If none will come, end."""
        if self._proposer and self._proposer.hasten(self._asks):
            return not self._expecting
        self._end(EXHAUSTED)
        return False

    def _alarmed(self) -> bool:
        """Go back if the hold-out gives the alarm; whether there is somebody to ask about it before going on."""
        ring = self._watch.ring(self._strategy.champion) if self.steering.rules.alarm != "off" else None
        if ring is None:
            return False
        self._commit([("alarm", alarm := ring.body(self._evaluations))])
        self._turn_back(alarm)
        if self._asks_person and self.steering.rules.ending(self._now()) is None:
            self._question(ring.reason)
        return self.steering.paused

    def _over(self) -> bool:
        """Whether a rule says that this is the end; then it ends."""
        if ending := self.steering.rules.ending(self._now()):
            self._end(ending)
        return ending is not None

    def _asking_person(self) -> bool:
        """Whether a check-in is due; its question is put when nothing is under way any more."""
        if (due := self.steering.due(self._evaluations)) and not self._flight:
            self._question()
        return due

    def _awaiting_ideas(self) -> bool:
        """Whether an answer has to come first; if not, calls are made whose answers will be wanted later."""
        if self._proposer and not self._expecting:
            self._proposer.plan(self._asks, self._strategy.escape.near)
            self._proposer.pump(self._commit)
            return False
        return self._expecting

    def _turn_back(self, alarm: Mapping[str, Any]) -> None:
        """What pleases the judge alone is set aside, so that the best on which both agree is the incumbent."""
        self._watch.turn_back(alarm)
        self._strategy.steered()
        self._progress.alarms += 1

    def _question(self, why: str = "") -> None:
        """A check-in: a person is asked, and nothing new is started until they answer."""
        body = self.steering.question(self._evaluations, why)
        self._commit([("checkin", body)])
        self.steering.asks(body)

    def _end(self, ending: Ending) -> None:
        """Nothing more is searched."""
        self._ended = ending
        self._commit([("ended", {"rule": ending.rule, "reason": ending.reason})])

    def _injected(self, ordinal: int) -> Ask | None:
        """A person's own variant, once it is known where the seed stands."""
        population = self._strategy.population
        if not self.steering.injected or not population.estimate(self._terms.seed_variant.id).n:
            return None
        variant = self._ledger.variant(self.steering.injected[0])
        return Ask(ordinal, variant, judge_seed(self._terms.seed, ordinal), Purpose.PERSON)

    def _now(self) -> Standing:
        """What the rules for ending look at."""
        champion, escape = self._strategy.champion, self._strategy.escape
        return Standing(
            self._spent, self._pace.seconds,
            (champion, self._strategy.population.estimate(champion)) if champion else None, self._progress,
            escape.enabled, escape.active is not None,
            bool(self._proposer and self._proposer.calls.broke), self.steering.finish,
        )  # fmt: skip

    @property
    def _spent(self) -> int:
        """Evaluations of the search that were asked for."""
        return self._asks - self._confirmation.readings

    @property
    def _expecting(self) -> bool:
        """Whether an answer has to come before the search can go on: one that is due, or any before a clean stop."""
        if self._proposer is None or self._confirmation.begun or self._ended:
            return False
        if self.stop is Stop.DRAIN:
            return self._proposer.calls.waiting
        return self.steering.rules.allows(self._spent, self._pace.seconds) and self._proposer.owes(self._asks)

    def _confirmation_asks(self) -> list[Ask]:
        """Champion and seed on the same fresh seeds, all at once, but for those asked for already."""
        variants = [self._terms.seed_variant]
        if (champion := self._strategy.champion) not in (None, self._terms.seed_variant.id):
            variants.append(self._strategy.population.variant(champion))
        return self._confirmation.asks(self._asks, variants)

    def _ask(self, batch: list[Ask]) -> None:
        """Write a batch down, then start it."""
        if not batch:
            return
        records: list[Record] = []
        for ask in batch:
            if ask.launch:
                records.append(("expedition", bodies.expedition(self._strategy.escape.expeditions[-1], "started")))
            records.append(("asked", bodies.asked(ask, self._terms.goal)))
        self._commit(records, [ask.variant for ask in batch])
        for ask in batch:
            self._opened(replace(ask, beside=self._strategy.champion))
            self._flight.start(ask.ordinal)

    def _opened(self, ask: Ask) -> None:
        self._asks += 1
        self._flight.asked(ask)
        if ask.purpose is Purpose.CONFIRM:
            self._confirmation.asked(ask)

    # Telling

    def _receive(self, ordinal: int, evaluation: Evaluation) -> None:
        """Tell an evaluation, or keep it safe until those asked before it are told."""
        if not self._flight.turn(ordinal):
            self._flight.early(ordinal, evaluation)
            self._commit([("evaluated", {"ordinal": ordinal, "evaluation": bodies.evaluated(evaluation)})])
            return
        self._tell(ordinal, evaluation)
        self._tell_due()

    def _tell_due(self) -> None:
        for ordinal, evaluation in self._flight.due():
            self._tell(ordinal, evaluation)

    def _tell(self, ordinal: int, evaluation: Evaluation) -> None:
        """The only place where an evaluation changes the state of a live run."""
        ask = self._flight.told(ordinal)
        outcome = self._fold(ask, evaluation)
        standing = bodies.standing(self._strategy, ask.variant.id, self._evaluations, self._terms.goal)
        self._commit(bodies.taken(ask, evaluation, outcome, standing, self._terms.goal))
        self._check_seed()

    def _check_seed(self) -> None:
        if self._strategy.population.failed(self._terms.seed_variant.id):
            said = f"the seed variant fails ({self._seed_failure}), so there is nothing to improve on"
            raise SetupError(f"{said}: put it right, then start another run")

    def _fold(self, ask: Ask, evaluation: Evaluation) -> Outcome | None:
        """Take in an evaluation, now or in a replay; None is for a confirmation."""
        if ask.purpose is Purpose.CONFIRM:
            self._confirmation.told(ask, evaluation)
            if self._proposer:
                self._proposer.confirmed()
            return None
        outcome = self._strategy.told(ask, evaluation)
        self._watch.told(evaluation, self._strategy.champion)
        self._evaluations += 1
        self._progress.told(outcome)
        if ask.variant.id == self._terms.seed_variant.id and not evaluation.ok:
            said = evaluation.feedback.strip().splitlines() or ["the judge says no more"]
            self._seed_failure = "; ".join(dict.fromkeys((said[0], said[-1])))
        return outcome

    # Beginning, end, and the record

    def _restore(self, witnesses: Sequence[Observer] = ()) -> None:
        """Replay the ledger; start again what was in flight."""
        with uncollected(stays=True):
            for event in self._ledger.events():
                self._pace.seen(event)
                self._replay(event)
                for witness in witnesses:
                    witness(event)
        self._check_seed()
        self._pace.begin()
        again = {"end": self._confirmation.end, "evaluations": self._evaluations} if self._finished else None
        if self._asks or self._within != self._terms.sandbox:
            now = {"ordinal": self._asks, "sandbox": self._terms.sandbox}
            self._commit([*self._unsaid, ("resumed", now), *([("reopened", again)] if again else [])])
        if again:
            self._reopen()
        self._flight.restart()
        self._tell_due()

    def _reopen(self) -> None:
        """A finished run goes on: what ended it is counted anew, and its next end reads seeds that nobody has seen."""
        self._confirmation = self._confirmation.again()
        self._progress = Progress()
        self.steering.reopen(self._ended, self._confirmation.readings)
        self._ended, self._finished = None, False

    def _replay(self, event: Event) -> None:
        body = event.body
        if event.kind == "variant":
            self._mentions.variant(body)
        elif event.kind == "asked":
            ask, new = self._mentions.ask(body, self._strategy.champion)
            self._opened(ask)
            if ask.purpose is not Purpose.CONFIRM:
                self._strategy.asked(ask)
                self.steering.asked(ask.variant.id)
            if self._sameness and new:
                self._sameness.asked(ask.variant.id)
        elif event.kind == "told":
            ask, admission = self._flight.told(body["ordinal"]), body["admission"]
            self._strategy.population.foretell(admission["reason"], admission["evicted"])
            self._fold(ask, bodies.to_evaluation(body["evaluation"], ask.variant.id, self._terms.judge))
            self._unsaid += self.steering.settle(idle=not self._flight)
        elif event.kind in ("run", "resumed"):
            self._within = body.get("sandbox", self._within)
        elif event.kind in ("intervention", "refused"):
            self.steering.fold(event.kind, body)
            self._unsaid += self.steering.settle(idle=not self._flight)
        elif event.kind == "steered":
            self._unsaid.clear()
        elif event.kind == "checkin":
            self.steering.asks(body)
        elif event.kind == "alarm":
            self._turn_back(body)
        elif event.kind == "ended":
            self._ended = Ending(body["rule"], body["reason"])
        elif event.kind == "finished":
            self._finished = True
        elif event.kind == "reopened":
            self._reopen()
        elif event.kind in ("call", "proposed", "checked") and self._proposer:
            self._proposer.restore(event.kind, body)
        elif event.kind == "evaluated":
            ask = self._flight[body["ordinal"]]
            self._flight.early(ask.ordinal, bodies.to_evaluation(body["evaluation"], ask.variant.id, self._terms.judge))

    def _commit(self, records: Sequence[Record], variants: Sequence[Variant] = ()) -> None:
        """Write first, then show."""
        for event in self._ledger.append(records, variants):
            for observer in self._observers:
                observer(event)
