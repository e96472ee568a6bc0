"""Reading a run: frozen rows folded from the ledger's events.

    run = load_run("runs/knobs-1121-1840")
    run.best().files, run.lineage(), run.diff("seed", "best").changes, run.evaluations_frame()

`Run.add` is the fold; the live display folds the same way, one event at a time, so what a person watches and what they
read afterwards cannot differ. Scores are in the user's units; only `gain` turns them into "positive is better".
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from wolf.errors import UsageError
from wolf.memory import uncollected
from wolf.reading.finding import find_run
from wolf.reading.rows import Z95, Asked, Belief, Crowned, Expedition, Gain, Header, Intervention, Proposal, Told
from wolf.store.events import Event

if TYPE_CHECKING:
    import pandas

    from population.variant import Variant
    from wolf.reading.difference import Difference

ENDS = ("stopped", "aborted", "finished")  # events after which nobody is working on a run


@dataclass(slots=True, eq=False, repr=False, weakref_slot=True)
class Run:
    """One run, folded from its events in order.

    Attributes:
        header: how it was started.
        path: its directory; None for a fold of events that never lay on a disk.
        read: fetches a variant's files by id.
        locked: whether a process is working on it.
        told: evaluations in the order they came back, confirmations included (`purpose` is `confirm`).
        working: evaluations that are under way, by ordinal; `time` is when they began.
        waiting: evaluations that were asked for and have no worker yet, by ordinal.
        silent: models that are asked again and again: since when, and what they say instead.
        events: every event, as it was stored.
        interventions: what a person ordered, in order.
        barred: variants that a person's veto keeps from being parents or champion.
        pinned: variants that a person keeps as parents.
        checkin: the body of the `checkin` event that is open; None if none is.
        alarms: the `alarm` events.
        still: whether it is paused and nothing is under way.
        at: when the latest was written.
        seconds: time the run has been active, without pauses and without the time before a resume.
        sandboxes: what candidates were locked into, by the evaluation after which that began.
        final: the body of the `finished` event; None for a run that goes on, opened again or not.
        ends: the bodies of all `finished` events: a run that was opened again may have several.
    """

    header: Header
    path: Path | None = None
    read: Callable[[str], Mapping[str, str]] | None = None
    locked: bool = False
    variants: dict[str, Proposal] = field(default_factory=dict)
    asked: dict[int, Asked] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    working: dict[int, Asked] = field(default_factory=dict)
    waiting: dict[int, Asked] = field(default_factory=dict)
    silent: dict[str, tuple[float, str]] = field(default_factory=dict)
    crowned: list[Crowned] = field(default_factory=list)
    expeditions: dict[int, Expedition] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    interventions: list[Intervention] = field(default_factory=list)
    barred: frozenset[str] = frozenset()
    pinned: tuple[str, ...] = ()
    checkin: Mapping[str, Any] | None = None
    alarms: list[Event] = field(default_factory=list)
    still: bool = False
    at: float = 0.0
    seconds: float = 0.0
    sandboxes: dict[int, str] = field(default_factory=dict)
    noise: float | None = None
    reason: str = ""
    final: Mapping[str, Any] | None = None
    ends: list[Mapping[str, Any]] = field(default_factory=list)
    _leads: str | None = None
    _beliefs: dict[str, Belief] = field(default_factory=dict)
    _spread: float | None = None  # the noise that `_beliefs` were last brought up to date with
    _before: int = 0  # readings that came back before it was opened again
    _away: dict[int, Asked] = field(default_factory=dict)  # asked for, and neither told nor finished before their turn

    @staticmethod
    def of(events: Iterable[Event], **known: Any) -> Run:
        """Fold `events`, the first of which is the `run` event; `known` are further fields.

        Raises:
            ValueError: if there is no `run` event at the start.
        """
        rest = iter(events)
        first = next(rest, None)
        if first is None or first.kind != "run":
            raise ValueError("a run's first event is `run`; this history has none")
        run = Run(Header.of(first.body), **known)
        run.add(first)
        with uncollected():
            for event in rest:
                run.add(event)
        return run

    def add(self, event: Event) -> None:
        """Keep one event, and fold it."""
        self.events.append(event)
        self.fold(event)

    def fold(self, event: Event) -> None:
        """Take in one event. Kinds that are not known here change nothing."""
        body = event.body
        if event.time > self.at > 0.0 and event.kind != "resumed" and not self.still:
            self.seconds += event.time - self.at
        self.at = event.time
        match event.kind:
            case "run":
                self.sandboxes[0] = self.header.sandbox
            case "variant":
                parents = tuple(body["parents"])
                self.variants[body["id"]] = Proposal(body["id"], parents, body["origin"], body["note"], body["files"])
            case "asked":
                asked = Asked.of(event)
                self.asked[asked.ordinal] = self._away[asked.ordinal] = self.waiting[asked.ordinal] = asked
                self._begin(event.time)
            case "told":
                self._tell(Told.of(event))
            case "crowned":
                gain = Gain.of(body)
                self.crowned.append(Crowned(body["ordinal"], self.evaluations, body["variant"], body["previous"], gain))
            case "expedition":
                self._travel(body)
            case "evaluated":  # finished before its turn; it is told when those asked before it have been
                self._back(body["ordinal"], event.time)
            case "resumed":  # what was in flight is started again
                self.working, self.waiting, self.silent = {}, dict(self._away), {}
                self._begin(event.time)
                self.reason, self.final = "", None
                if (level := body.get("sandbox", self.sandbox)) != self.sandbox:
                    self.sandboxes[self.evaluations] = level
            case "reopened":
                self._before = len(self.told)
            case "call" if body.get("again"):
                self.silent.setdefault(body["model"], (event.time, body["fault"]))
            case "call" if body.get("state") == "answered":
                self.silent.pop(body["model"], None)
            case "intervention":
                self.interventions.append(Intervention.of(event))
            case "steered":
                self.barred, self.pinned = frozenset(body["barred"]), tuple(body["pinned"])
                self._leads = body["champion"] and body["champion"]["id"]
                for id, belief in body["estimates"].items():
                    if told := Belief.of(belief):
                        self._believe(id, told)
            case "checkin":
                self.checkin = body
            case "alarm":
                self.alarms.append(event)
                self.barred, self._leads = self.barred | frozenset(body["aside"]), body["back"]
            case "paused":
                self.still = True
            case "continued":
                self.still, self.checkin = False, None
            case "ended":
                self.reason = body["reason"]
            case kind if kind in ENDS:
                self.working, self.waiting, self.reason = {}, {}, body.get("reason") or ""
                self.final = body if event.kind == "finished" else None
                self.ends += [body] if self.final else []

    def __repr__(self) -> str:  # one line: a notebook shows it, and a whole history would drown the page
        return f"<Run {self.path or self.header.name}: {self.status}, {self.evaluations} evaluations>"

    @property
    def status(self) -> str:
        """`running`, `paused` (until a person says go), `stopped`, `aborted`, `finished`, or `killed`.

        Resumed can be what was stopped (on purpose), aborted (`reason` says why) or killed (nobody said why).
        """
        last = next((e.kind for e in reversed(self.events) if e.kind in ("resumed", *ENDS)), None)
        if last in ENDS:
            return last
        return ("paused" if self.still else "running") if self.locked else "killed"

    @property
    def sandbox(self) -> str:
        """What candidates are locked into now."""
        return list(self.sandboxes.values())[-1]

    @property
    def evaluations(self) -> int:
        """Evaluations counted against the budget."""
        return self.told[-1].evaluations if self.told else 0

    @property
    def searched(self) -> list[Told]:
        """Evaluations of the search, without the confirmations after it."""
        return [told for told in self.told if told.purpose != "confirm"]

    def confirmations(self, variant: str | None) -> list[Told]:
        """The readings of `variant` on the fresh seeds of the latest end, failed ones among them."""
        latest = self.told[self._before :]
        return [told for told in latest if told.purpose == "confirm" and told.variant == variant]

    @property
    def curve(self) -> list[Told]:
        """Best so far: the evaluations of the search after which there was a champion; see `Told.best`."""
        return [told for told in self.searched if told.best is not None]

    @property
    def champion(self) -> str | None:
        """Id of the variant with the best estimate, None before the first score."""
        if self.final:
            return str(self.final["champion"]["id"])
        return self._leads

    @property
    def beliefs(self) -> dict[str, Belief]:
        """What the search believes about each variant that has a score, all of them by the noise as it is known now."""
        if self._spread != self.noise:
            self._beliefs |= {id: belief.by(self.noise) for id, belief in self._beliefs.items()}
            self._spread = self.noise
        return self._beliefs

    def belief(self, variant: str) -> Belief | None:
        """What the search believes about `variant`: confirmations on fresh seeds do not enter it."""
        return self.beliefs.get(variant)

    def gain(self, variant: str, over: str) -> Gain | None:
        """By how much search scores put `variant` ahead of `over`; flattering to whoever was picked as best."""
        first, second = self.belief(variant), self.belief(over)
        if first is None or second is None:
            return None
        mean = self.header.goal.loss(second.mean) - self.header.goal.loss(first.mean)
        spread = Z95 * math.hypot(first.sigma, second.sigma)
        return Gain(mean, mean - spread, mean + spread)

    def ranking(self) -> list[str]:
        """Ids of all variants with a belief, best first; ties in the order they were proposed."""
        return sorted(self.beliefs, key=lambda id: self.header.goal.loss(self.beliefs[id].mean))

    def failures(self) -> dict[str, list[Told]]:
        """Evaluations without a score, grouped by `Told.failure`, the most frequent first."""
        groups: dict[str, list[Told]] = {}
        for told in (told for told in self.told if not told.ok):
            groups.setdefault(told.failure, []).append(told)
        return dict(sorted(groups.items(), key=lambda group: -len(group[1])))

    def best(self) -> Variant:
        """The champion with its files. What is believed about it: `run.belief(run.champion)`.

        Raises:
            UsageError: before the first score.
        """
        from population.variant import Variant

        proposal = self.variants[self.resolve("best")]
        return Variant(self.files(proposal.id), proposal.parents, proposal.origin, proposal.note)

    def diff(self, a: str = "seed", b: str = "best") -> Difference:
        """What changed from `a` to `b`: knobs, lines, and the gain of `b`. Names as in `resolve`."""
        from wolf.reading.difference import between

        return between(self, self.resolve(a), self.resolve(b))

    def lineage(self, variant: str = "best") -> list[Proposal]:
        """`variant` (a name as in `resolve`) and its first parents back to one without, oldest first."""
        line: dict[str, Proposal] = {}
        here: str | None = variant if variant in self.variants else self.resolve(variant)
        while here is not None and here in self.variants and here not in line:
            line[here] = self.variants[here]
            here = next(iter(self.variants[here].parents), None)
        return list(reversed(line.values()))

    def resolve(self, name: str) -> str:
        """The variant's id for `best`, `seed`, an id or a unique beginning of one.

        Raises:
            UsageError: one sentence, when there is none or more than one.
        """
        if name == "seed":
            return self.header.seed_variant
        if name == "best":
            if self.champion is None:
                raise UsageError("this run has no champion yet: nothing has been scored")
            return self.champion
        found = [id for id in self.variants if id.startswith(name)] if name else []
        if len(found) == 1 or name in found:
            return name if name in found else found[0]
        if not found:
            raise UsageError(f"no variant starts with `{name}`; `wolf top` lists them, `best` and `seed` always work")
        raise UsageError(f"`{name}` is the beginning of {len(found)} variants ({', '.join(found[:4])}…); add a digit")

    def files(self, variant: str) -> Mapping[str, str]:
        """The files of `variant`, path -> text, from the ledger."""
        if self.read is None:
            raise UsageError("this run's texts are not at hand: it was folded from events alone")
        return self.read(variant)

    def variants_frame(self) -> pandas.DataFrame:
        """One row per variant; the columns are those of `wolf export --table variants`."""
        return self._frame("variants")

    def evaluations_frame(self) -> pandas.DataFrame:
        """One row per evaluation that came back; the columns are those of `wolf export --table evaluations`."""
        return self._frame("evaluations")

    def calls_frame(self) -> pandas.DataFrame:
        """One row per question to a language model; the columns are those of `wolf export --table calls`."""
        return self._frame("calls")

    def votes_frame(self) -> pandas.DataFrame:
        """One row per comparison by a person or a judge; the columns are those of `wolf export --table votes`."""
        return self._frame("votes")

    def events_frame(self) -> pandas.DataFrame:
        """One row per event; the columns are those of `wolf export --table events`."""
        return self._frame("events")

    def _frame(self, table: str) -> pandas.DataFrame:
        import pandas

        from wolf.reading.tables import TABLES

        return pandas.DataFrame(list(TABLES[table].rows(self)), columns=list(TABLES[table].columns))

    def _begin(self, at: float) -> None:
        """Who waits begins while there is a worker; in a timed run nobody does beside the seed's first reading.

        Workers do not write down when they begin, so this is what follows from how many there are.
        """
        room = self.header.slots if self.told or not self.header.timed else 1
        while self.waiting and len(self.working) < room:
            first = self.waiting.pop(min(self.waiting))
            self.working[first.ordinal] = first if first.time == at else replace(first, time=at)

    def _back(self, ordinal: int, at: float) -> None:
        for asked in (self._away, self.working, self.waiting):
            asked.pop(ordinal, None)
        self._begin(at)

    def _tell(self, told: Told) -> None:
        self.told.append(told)
        self._leads = told.champion or self._leads
        self._back(told.ordinal, told.time)
        self.noise = told.noise if told.noise is not None else self.noise
        asked = self.asked.get(told.ordinal)
        trip = self.expeditions.get(asked.expedition) if asked and asked.expedition is not None else None
        if trip is not None and trip.outcome is None:
            self.expeditions[trip.id] = replace(trip, evaluations=trip.evaluations + 1)
        if told.purpose == "confirm":
            return
        if told.belief is not None:
            self._believe(told.variant, told.belief)
        if told.champion is not None and told.best is not None:
            self._believe(told.champion, told.best)

    def _believe(self, variant: str, belief: Belief) -> None:
        self._beliefs[variant] = belief.by(self.noise)

    def _travel(self, body: Mapping[str, Any]) -> None:
        before = self.expeditions.get(body["id"])
        same = {name: body[name] for name in ("id", "kind", "origin", "allowance", "best", "outcome", "evaluations")}
        if same["outcome"] == "champion" and same["best"] not in (None, *(told.champion for told in self.told)):
            same["outcome"] = "rival"
        started = before.started if before else self.evaluations
        ended = self.evaluations if body["state"] == "settled" else None
        self.expeditions[body["id"]] = Expedition(**same, started=started, ended=ended)


def load_run(where: str | Path | None = None) -> Run:
    """Read a run, whether it is still going or not.

    Args:
        where: a run directory, a folder of runs or of a project (the latest), the name of a run in `./runs`, or None
            for the latest run in `./runs`.

    Raises:
        UsageError: if there is no run there, in one sentence.
        wolf.store.ledger.LedgerError: if its ledger cannot be read.
    """
    from wolf.store.ledger import Ledger
    from wolf.store.lock import held

    path = find_run(where)
    locked = held(path)
    ledger = Ledger.open(path)
    run = Run.of(ledger.events(), path=path, locked=locked, read=lambda id: ledger.variant(id).files)
    weakref.finalize(run, ledger.close)
    return run
