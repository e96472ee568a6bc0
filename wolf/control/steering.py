"""The person in the loop: orders become events, and events take effect.

Like the strategy this is a fold: `hear` reads the inbox, writes each order down as an `intervention` (or as `refused`,
with the reason) and only then hands it to `fold`, to which a resumed run gives the same events. What changes the search
(veto, pin, free, inject, vote, budget) takes effect when no evaluation is under way in cohort mode, so that the
trajectory does not depend on the instant at which an order came, and at once in steady mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from population.readers import spoilt
from population.variant import Variant, joined
from wolf.control import orders
from wolf.control.form import Form
from wolf.control.inbox import Inbox, Key, Letter
from wolf.control.orders import AnyOrder, OrderError
from wolf.control.stopping import Ending, Rules, Stop
from wolf.store import bodies
from wolf.store.bodies import Body, Record
from wolf.strategy.asks import Strategy
from wolf.strategy.escape import Expedition

PERSON = "person"  # the origin of variants that people put in
MOST_PINS = 12
SEARCHING = ("veto", "pin", "free", "inject", "vote", "budget")  # orders that change the search
LATE = ("memo", "instruction", "pin", "inject", "vote", "budget")  # orders that change nothing once the search is over

Commit = Callable[[Sequence[Record], Sequence[Variant]], None]


@dataclass(frozen=True, slots=True)
class Able:
    """What orders a run can obey.

    Attributes:
        models: whether there are language models that read the memo.
        votes: whether its judge rates texts, so that people's votes count.
        cohort: whether the trajectory has to be repeatable.
    """

    models: bool = False
    votes: bool = False
    cohort: bool = True


@dataclass(frozen=True, slots=True)
class CheckIns:
    """When a person is asked.

    Attributes:
        every: evaluations between two check-ins; None: only at the hold-out alarm.
        wait: seconds after which the run goes on by itself; None: it waits for the answer.
        show: how many finalists are shown.
    """

    every: int | None = None
    wait: float | None = None
    show: int = 3


class Steering:
    """What people have ordered so far, and the inbox through which they order more."""

    def __init__(
        self, strategy: Strategy, run_dir: Path, seed_variant: Variant, able: Able, checks: CheckIns, rules: Rules
    ) -> None:
        """Nothing has been ordered; `rules` are those that the run was started with."""
        self.rules = rules
        self._strategy = strategy
        self._population = strategy.population
        self._inbox = Inbox(run_dir)
        self._form = Form(run_dir)
        self._checks = checks
        self._seed_variant = seed_variant
        self._able = able
        self._known: set[Key] = set()
        self._later: list[Mapping[str, Any]] = []  # written down, waiting for the evaluations under way
        self._memo: str | None = None
        self._instructions: list[str] = []
        self._held = False  # by a pause
        self.checkin: int | None = None  # the one that is open
        self.finalists: tuple[str, ...] = ()  # of the last one
        self.checkins = 0  # so far
        self._last = 0  # evaluations at the last one
        self.votes: list[tuple[str, str, int]] = []
        self.stop = Stop.NO  # of this session; a resumed run does not stop again
        self.finish = False
        self._beside = 0  # readings that count for no budget
        self.injected: list[str] = []  # to be evaluated next

    def hear(self, commit: Commit, evaluations: int, over: bool) -> None:
        """Read the inbox, and write down and obey what is in it.

        Args:
            commit: writes events and variants down, durably.
            evaluations: how many have been told, for the record.
            over: whether the search is over and only the confirmation under way.
        """
        for letter in self._inbox.letters(self._known):
            self._take(letter, commit, evaluations, over)
            self._inbox.discard(letter)
        form = self._form.letter(self.checkin, self.finalists, self._known) if self.checkin is not None else None
        if form is not None:
            self._take(form, commit, evaluations, over)
            if self.checkin is None:
                self._form.discard()

    def _take(self, letter: Letter, commit: Commit, evaluations: int, over: bool) -> None:
        """Write one letter down, whole or not at all, then obey it."""
        name = {"id": letter.id, "stamp": letter.stamp, "evaluations": evaluations}
        variants: list[Variant] = []
        try:
            if letter.order is None:
                raise OrderError(letter.problem)
            parts = letter.order.parts() if isinstance(letter.order, orders.Answer) else [letter.order]
            for part in parts:
                self._allow(part, over)
            records = [("intervention", {**name, **self._body(part, variants)}) for part in parts]
        except OrderError as error:
            named = letter.order.order if letter.order else None
            records = [("refused", {**name, "order": named, "reason": str(error)})]
        commit(records, variants)
        for kind, body in records:
            self.fold(kind, body)
            if kind == "intervention" and body["order"] == "stop":
                self.stop = Stop.NOW if body["now"] else max(self.stop, Stop.DRAIN)

    def fold(self, kind: str, body: Mapping[str, Any]) -> None:
        """Take in an `intervention` or `refused` event, new or of an earlier session."""
        self._known.add((body["id"], body["stamp"]))
        if kind == "refused":
            return
        match body["order"]:
            case "pause":
                self._held = True
            case "go":
                self._held, self.checkin = False, None
            case "finish":
                self.finish, self._held, self.checkin = True, False, None
            case "memo":
                self._memo, self._instructions = body["text"], []
            case "instruction":
                self._instructions.append(body["text"])
            case order if order in SEARCHING:
                self._later.append(body)

    def reopen(self, ended: Ending | None, beside: int) -> None:
        """A finished run goes on after it `ended`; `beside` of its readings were confirmations."""
        self.finish, self._beside = False, beside
        self.rules = self.rules.after(ended)

    def settle(self, idle: bool) -> list[Record]:
        """Let what was ordered change the search, if it is time to: `idle` says that no evaluation is under way.

        Returns:
            What there is to write down about it; nothing that a resumed run has to read.
        """
        if not self._later or (self._able.cohort and not idle):
            return []
        later, self._later = self._later, []
        trips = [trip for body in later if (trip := self._obey(body))]
        champion = self._strategy.champion
        voted = dict.fromkeys(
            name for body in later if body["order"] == "vote" for name in (body["better"], body["worse"])
        )
        goal = self._population.goal
        belief = bodies.estimate(self._population.estimate(champion), goal) if champion else None
        barred = [id for id in self._population if self._population.barred(id)]
        steered = {
            "orders": [body["id"] for body in later],
            "champion": {"id": champion, **belief} if champion and belief else None,
            "estimates": {id: bodies.estimate(self._population.estimate(id), goal) for id in voted},
            "barred": barred,
            "pinned": list(self._population.pins),
        }
        return [("steered", steered), *(("expedition", bodies.expedition(trip, "settled")) for trip in trips)]

    # Check-ins

    @property
    def paused(self) -> bool:
        """Whether nothing new may be asked for."""
        return self._held or self.checkin is not None

    @property
    def patience(self) -> float | None:
        """Seconds after which an open check-in closes by itself; None if it does not."""
        return self._checks.wait if self.checkin is not None and not self._held else None

    def due(self, evaluations: int) -> bool:
        """Whether it is time for a check-in."""
        every = self._checks.every
        return every is not None and evaluations // every > self._last // every

    def question(self, evaluations: int, why: str = "") -> Body:
        """The body of a `checkin` event: the finalists, and why the person is asked."""
        return {
            "checkin": self.checkins + 1,
            "evaluations": evaluations,
            "finalists": self._best(),
            "why": why or f"every {self._checks.every} evaluations",
            "wait": self._checks.wait,
        }

    def _best(self) -> list[str]:
        """The best of the pool; of texts the best ones that differ from each other, in the pool or not."""
        population, seed, most = self._population, self._seed_variant.id, self._checks.show
        if not self._able.votes:
            return [id for id in population.pool if id != seed][:most]
        from judges.variety import different

        known = [id for id in population if id != seed and population.estimate(id).n and not population.barred(id)]
        known.sort(key=lambda id: population.estimate(id).mean)
        return [*different(lambda id: joined(population.variant(id).files), known, seed, most)]

    def asks(self, body: Mapping[str, Any]) -> None:
        """Take in a `checkin` event."""
        self.checkin, self._last = body["checkin"], body["evaluations"]
        self.checkins, self.finalists = body["checkin"], tuple(body["finalists"])

    def goes_on(self) -> None:
        """Take in a `continued` event: whoever was asked has answered, or has not in time."""
        self.checkin = None

    # The memo and the person's variants

    def asked(self, variant: str) -> None:
        """A variant that was put in is being evaluated."""
        if variant in self.injected:
            self.injected.remove(variant)

    def memo(self, written: str) -> str:
        """The memo for language models: the one that was told, or `written`, and what was added to it."""
        memo = written if self._memo is None else self._memo
        if not self._instructions:
            return memo
        lines = "\n".join(f"- {line}" for line in self._instructions)
        return f"{memo.rstrip()}\n\nWhat the person who watches this run has added, the latest last:\n{lines}\n"

    # What an order means here

    def _allow(self, order: AnyOrder, over: bool) -> None:
        """Raises `OrderError` for what this run cannot obey now."""
        if isinstance(order, orders.Go) and order.checkin is not None and order.checkin != self.checkin:
            raise OrderError(f"check-in {order.checkin} is not open any more")
        if over and order.order in LATE:
            again = "; order it again when that is done" if isinstance(order, orders.Budget) else ""
            raise OrderError(
                f"{order.order} comes too late: the search is over, its champion is being confirmed{again}"
            )
        if order.order in ("memo", "instruction") and not self._able.models:
            raise OrderError(f"nobody would read the {order.order}: this run asks no language model (no llm: section)")
        if isinstance(order, orders.Budget) and order.usd is not None and not self._able.models:
            raise OrderError("there is nobody to pay: this run asks no language model (no llm: section)")
        if order.order == "vote" and not self._able.votes:
            raise OrderError("votes count where a reader or a panel judges texts; here the judge measures")

    def _body(self, order: AnyOrder, variants: list[Variant]) -> Body:
        """What the event says; a person's own variant is added to `variants`.

        Raises:
            OrderError: if it cannot be obeyed.
        """
        body = order.model_dump(mode="json", exclude_none=True)
        match order:
            case orders.Veto():
                variant = self._find(order.variant)
                if variant == self._seed_variant.id:
                    raise OrderError("the seed cannot be vetoed: everything descends from it; start another run")
                return {**body, "variant": variant}
            case orders.Pin():
                return {**body, "variant": self._pinnable(order.variant)}
            case orders.Free():
                variant = self._find(order.variant)
                ordered = any(later.get("variant") == variant for later in self._later)  # and not yet obeyed
                if not (ordered or self._population.barred(variant) or variant in self._population.pins):
                    raise OrderError(f"{variant[:8]} is neither vetoed nor pinned")
                return {**body, "variant": variant}
            case orders.Vote():
                pair = self._scored(order.better), self._scored(order.worse)
                if pair[0] == pair[1]:
                    raise OrderError(f"{pair[0][:8]} cannot be better than itself")
                return {**body, "better": pair[0], "worse": pair[1]}
            case orders.Inject():
                variants.append(made := self._variant(order))
                return {"order": "inject", "by": order.by, "variant": made.id, "parent": made.parents[0],
                        "note": made.note}  # fmt: skip
            case orders.Budget():
                return {"order": "budget", "by": order.by, "limits": order.limits}
        return body

    def _find(self, name: str) -> str:
        known = [*self._population, *self._population.waiting]
        if name == "seed":
            return self._seed_variant.id
        if name == "best" and (champion := self._strategy.champion):
            return champion
        found = [id for id in known if id.startswith(name)]
        if len(found) != 1 and name not in found:
            said = f"starts {len(found)} variants; add a digit" if found else "is no variant of this run"
            raise OrderError(f"`{name}` {said}")
        return name if name in found else found[0]

    def _scored(self, name: str) -> str:
        variant = self._find(name)
        if not self._population.estimate(variant).n:
            raise OrderError(f"{variant[:8]} has no score")
        return variant

    def _pinnable(self, name: str) -> str:
        variant, pins = self._scored(name), self._population.pins
        if self._population.barred(variant):
            raise OrderError(f"{variant[:8]} is vetoed; free it first")
        if len(pins) >= MOST_PINS and variant not in pins:
            raise OrderError(f"{MOST_PINS} variants are pinned, and more would be no choice; free one first")
        return variant

    def _variant(self, order: orders.Inject) -> Variant:
        parent = self._population.variant(self._find(order.parent))
        if strange := [path for path in order.files if path not in parent.files]:
            raise OrderError(f"{strange[0]!r} is no file of the target; it has {', '.join(parent.files)}")
        for path, text in order.files.items():
            if said := spoilt(path, parent.files[path], text):
                raise OrderError(f"{path} {said}; correct it, then order it again")
        made = Variant({**parent.files, **order.files}, (parent.id,), PERSON, order.note or "put in by a person")
        if made.id in self._population or made.id in self.injected:
            raise OrderError(f"that is variant {made.id[:8]}, which this run has already; pin it instead")
        if self._population.tainted([parent.id]):
            raise OrderError(f"its parent {parent.id[:8]} is vetoed, so it would be too; name another parent")
        return made

    def _swayed(self) -> Mapping[str, float]:
        """How far people's votes move the losses of the texts that they compared."""
        from judges.people import swayed

        compared = dict.fromkeys(name for vote in self.votes for name in vote[:2])
        return swayed({id: self._population.measured(id) for id in compared}, self.votes)

    def _obey(self, body: Mapping[str, Any]) -> Expedition | None:
        """The one place where an order changes the search."""
        match body["order"]:
            case "veto":
                self._population.veto(body["variant"], line=not body["alone"])
            case "pin":
                self._population.pin(body["variant"])
            case "free":
                self._population.free(body["variant"])
            case "inject":
                self.injected.append(body["variant"])
            case "vote":
                self.votes.append((body["better"], body["worse"], body["people"]))
                self._population.sway(self._swayed())
            case "budget":
                self.rules = self.rules.revised(**body["limits"])
                many = self.rules.evaluations  # a strategy counts in ordinals
                self._strategy.replan(many and many + self._beside, self.rules.seconds, self.rules.usd)
        return self._strategy.steered()
