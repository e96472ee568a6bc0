"""The frozen rows of a run: what each kind of event says, as a value.

Everything here is in the user's units and direction: a `Belief` is an estimate of the metric itself. Those of
which a run has a hundred thousand are structs: to make a frozen dataclass takes ten times as long.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec import Struct

from judges.metrics import read_metrics
from population.evaluation import Goal
from wolf.reading.terminal import line, number, rounded
from wolf.store.events import Event

Z95 = 1.959964  # two-sided 95% of a normal
TEXTS = ("reader", "panel")  # kinds of judges that rate texts


class Gain(NamedTuple):
    """How much better one belief is than another: positive is better, with a 95 % interval."""

    mean: float
    low: float
    high: float

    @staticmethod
    def of(body: Mapping[str, Any]) -> Gain | None:
        """From the `gain` of an event; None if it says none."""
        said = body.get("gain")
        return Gain(said["mean"], said["low"], said["high"]) if said else None

    def size(self, places: int) -> str:
        """The mean: `0.709`. Where there is an interval, one that is far inside it is 0."""
        return rounded(self.mean, places) if self.low < self.high else number(self.mean, places)

    def text(self, places: int) -> str:
        """`0.709 [0.669, 0.749]`, or the mean alone where readings do not vary."""
        interval = f" [{rounded(self.low, places)}, {rounded(self.high, places)}]" if self.low < self.high else ""
        return self.size(places) + interval

    def interval(self, places: int) -> str:
        """`95% interval 0.669 to 0.749`, in words where readings do not vary."""
        if self.low < self.high:
            return f"95% interval {rounded(self.low, places)} to {rounded(self.high, places)}"
        return "readings do not vary"


class Belief(Struct, frozen=True):
    """What is believed about a variant's true score: mean, its standard error, and how many readings are behind it."""

    mean: float
    sigma: float
    n: int

    @staticmethod
    def of(body: Mapping[str, Any] | None) -> Belief | None:
        """From `{mean, sigma | se, n}`; None when nothing finite is known."""
        if not body or (mean := body.get("mean")) is None or not math.isfinite(mean):
            return None
        sigma = body.get("sigma", body.get("se"))
        return Belief(mean, math.inf if sigma is None else sigma, body.get("n", 0))

    def by(self, noise: float | None) -> Belief:
        """With the standard error that the noise of one reading gives it, or as it was told."""
        return self if noise is None else Belief(self.mean, noise / math.sqrt(max(self.n, 1)), self.n)

    def text(self, places: int) -> str:
        """`2.981 ± 0.015`, or the mean alone where there is no spread or none is known."""
        spread = f" ± {number(self.sigma, places)}" if 0 < self.sigma < math.inf else ""
        return number(self.mean, places) + spread

    def counted(self, places: int) -> str:
        """`2.981 ± 0.015 (n 3)`: with how many readings are behind it."""
        return f"{self.text(places)} (n {self.n})"


@dataclass(frozen=True, slots=True)
class Header:
    """How the run was started: the `run` event."""

    name: str
    strategy: str
    seed: int
    slots: int
    judge: str
    metric: str
    goal: Goal
    seed_variant: str
    version: str
    config: Mapping[str, Any]
    sandbox: str
    trust: str
    timed: bool  # whether scores depend on the clock, so that the seed's first reading runs alone

    @staticmethod
    def of(body: Mapping[str, Any]) -> Header:
        """From the event's body."""
        same = {name: body[name] for name in ("name", "strategy", "seed", "slots", "judge", "metric", "seed_variant")}
        same |= {name: str(body.get(name, "unknown")) for name in ("sandbox", "trust")}  # not in the oldest runs
        same["timed"] = bool(body.get("timed"))
        return Header(**same, goal=Goal(body["goal"]), version=str(body["version"]), config=body["config"])

    @property
    def rates_texts(self) -> bool:
        """Whether its judge rates texts, so that a hold-out watches it and people's votes count."""
        return self.judge in TEXTS

    @property
    def budget(self) -> Mapping[str, float]:
        """The budgets that were set, by name (`evaluations`, `hours`, `usd`)."""
        return {name: value for name, value in self.config.get("budget", {}).items() if value}


class Proposal(Struct, frozen=True):
    """A variant as it was first proposed. Its files are read on demand, `Run.files(id)`."""

    id: str
    parents: tuple[str, ...]
    origin: str
    note: str
    texts: Mapping[str, str]  # path -> hash of the text


class Asked(Struct, frozen=True):
    """One evaluation that was started. `changes`: the knobs that differ from its first parent, name -> (old, new)."""

    time: float
    ordinal: int
    variant: str
    purpose: str
    seed: int
    expedition: int | None
    origin: str
    note: str
    changes: Mapping[str, tuple[Any, Any]]
    predicted: Belief | None

    @staticmethod
    def of(event: Event) -> Asked:
        """From an `asked` event."""
        body = event.body
        return Asked(
            event.time, body["ordinal"], body["variant"], body["purpose"], body["seed"], body.get("expedition"),
            body["origin"], body["note"], body.get("changes") or {}, Belief.of(body.get("predicted")),
        )  # fmt: skip


class Told(Struct, frozen=True):
    """One evaluation that came back, what was done with it, and what was believed afterwards.

    Attributes:
        outcome: admitted, rejected, failed, repeated, crowned or recorded; `reason` says why in a sentence.
        belief: about this variant; None without a reading.
        champion: its id, and `best` what was believed about it, after this evaluation.
        evaluations: how many were counted against the budget by then; confirmations are not.
    """

    time: float
    ordinal: int
    variant: str
    purpose: str
    status: str
    score: float | None
    metrics: Mapping[str, float]
    feedback: str
    seconds: float
    cost: float | None
    seed: int
    fidelity: float
    outcome: str
    reason: str
    belief: Belief | None
    champion: str | None
    best: Belief | None
    evaluations: int
    heat: float
    noise: float | None

    @staticmethod
    def of(event: Event) -> Told:
        """From a `told` event."""
        body, reading, admission = event.body, event.body["evaluation"], event.body["admission"]
        champion = body.get("champion") or {}
        return Told(
            event.time, body["ordinal"], body["variant"], body["purpose"], reading["status"], reading["score"],
            reading["metrics"], reading["feedback"], reading["seconds"], reading["cost"], reading["seed"],
            reading["fidelity"], admission["kind"], admission["reason"], Belief.of(body["estimate"]),
            champion.get("id"), Belief.of(champion), body["evaluations"], body["heat"], body.get("noise"),
        )  # fmt: skip

    @property
    def ok(self) -> bool:
        """Whether there is a score."""
        return self.status == "ok"

    @property
    def failure(self) -> str:
        """The first line of the feedback that names an error, else its first line, else why; with the status first.

        Of what crashed and names none, the last line, too: most programs end with what stopped them.
        """
        lines = [text for text in self.feedback.splitlines() if text.strip()]
        named = [text for text in lines if any(word in text for word in ("Error", "Exception", "error:"))]
        crashed = self.status == "crashed"
        named = [text for text in named if (crashed and "Error: " in text) or not read_metrics(text)]  # `error: 0.3`
        named.sort(key=lambda text: text[0] in " \t+|")  # a traceback's copy of the line that raised, or its tree
        said = (named or lines or [self.reason])[0]
        more = f"; {lines[-1]}" if crashed and not named and len(lines) > 1 else ""
        return line(f"{self.status}: {said}{more}", 160)


@dataclass(frozen=True, slots=True)
class Crowned:
    """A new champion, and its gain over the one before as it looked at that moment."""

    ordinal: int
    evaluations: int
    variant: str
    previous: str | None
    gain: Gain | None


class Expedition(Struct, frozen=True):
    """An escape from a local minimum: `outcome` is None while it is under way, then champion, rival, niche or empty.

    A rival was surely better than the last crowned, and not surely better than the champion, who keeps ties.
    `started` and `ended` count the run's evaluations, the x axis of the curve.
    """

    id: int
    kind: str
    origin: str
    allowance: int
    best: str | None
    outcome: str | None
    evaluations: int
    started: int
    ended: int | None


@dataclass(frozen=True, slots=True)
class Intervention:
    """What a person ordered: an `intervention` event.

    Attributes:
        seq: of the event.
        time: Unix seconds.
        order: pause, go, stop, finish, memo, instruction, veto, pin, free, inject, vote or budget.
        evaluations: how many had been told.
        by: who, as far as it was said.
        about: the rest of the order.
    """

    seq: int
    time: float
    order: str
    evaluations: int
    by: str
    about: Mapping[str, Any]

    @staticmethod
    def of(event: Event) -> Intervention:
        """From an `intervention` event."""
        body, own = event.body, ("id", "stamp", "order", "evaluations", "by")
        about = {key: value for key, value in body.items() if key not in own}
        return Intervention(event.seq, event.time, body["order"], body["evaluations"], body["by"], about)

    @property
    def sentence(self) -> str:
        """What was ordered, in one harmless line."""
        about = self.about
        name = str(about.get("variant", ""))[:8]
        match self.order:
            case "pause":
                said = "paused"
            case "go":
                said = "told to go on"
            case "stop":
                said = "told to stop" + (" at once" if about.get("now") else "")
            case "finish":
                said = "called it good enough"
            case "memo":
                said = f"a new memo: {about['text']}"
            case "instruction":
                said = f"an instruction: {about['text']}"
            case "veto":
                said = f"vetoed {name}" + (" alone" if about["alone"] else " and its line")
            case "pin":
                said = f"pinned {name}"
            case "free":
                said = f"freed {name}"
            case "inject":
                said = f"put in {name}: {about['note']}"
            case "vote":
                people = "" if about["people"] == 1 else f" by {about['people']} people"
                said = f"preferred {about['better'][:8]} to {about['worse'][:8]}{people}"
            case "budget":
                words = [
                    f"${many:g}" if name == "usd" else f"{many:g} {name}" for name, many in about["limits"].items()
                ]
                said = f"a budget of {' and '.join(words)}"
            case other:
                said = other
        return line(said, 200)
