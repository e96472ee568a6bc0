"""What each operator and each model has brought, folded from a run's events; and how long anything waited for a model.

rows = operators(events)        # or models(events)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from wolf.store.events import Event

SEARCHING = ("survey", "departure", "hunt", "expedition", "step")


@dataclass(frozen=True, slots=True)
class Tally:
    """What one operator or model has brought.

    Attributes:
        name: `llm:edit`, `perturb:nudge`, ... or the model's name.
        calls: prompts that were sent; 0 for operators that need no model.
        proposals: ideas, usable or not; of operators that need no model only those that were evaluated are known.
        valid: ideas that nobody had before, that could be applied, and that passed the checks.
        evaluated: variants that were evaluated.
        wins: variants that became the champion.
        usd: what was charged, faults included.
    """

    name: str
    calls: int = 0
    proposals: int = 0
    valid: int = 0
    evaluated: int = 0
    wins: int = 0
    usd: float = 0.0

    @property
    def usd_per_win(self) -> float | None:
        """Dollars per win; None without a win."""
        return self.usd / self.wins if self.wins else None

    def plus(self, **more: float) -> Tally:
        """With some counts increased."""
        return replace(self, **{key: getattr(self, key) + value for key, value in more.items()})


def operators(events: Iterable[Event]) -> list[Tally]:
    """One row per operator, the most evaluated first."""
    return _tally(events, lambda purpose, model: purpose, others=True)


def models(events: Iterable[Event]) -> list[Tally]:
    """One row per model, the most evaluated first."""
    return _tally(events, lambda purpose, model: model, others=False)


def _tally(events: Iterable[Event], name: Callable[[str, str], str], others: bool) -> list[Tally]:
    rows: dict[str, Tally] = {}
    purposes: dict[int, str] = {}  # by call
    makers: dict[str, str] = {}  # variant -> row
    pending: dict[int, str] = {}  # ordinal -> row, of those that are being evaluated
    champion: str | None = None
    known: set[str] = set()  # variants and ideas so far

    def add(row: str, **more: float) -> None:
        rows[row] = rows.get(row, Tally(row)).plus(**more)

    for event in events:
        body = event.body
        if event.kind == "call":
            new = body["call"] not in purposes
            purpose = purposes.setdefault(body["call"], body.get("purpose", ""))
            add(name(purpose, body["model"]), calls=int(new), usd=body.get("cost", 0.0))
        elif event.kind == "proposed":
            row = name(body["operator"], body["model"])
            fresh = [variant for variant in body["variants"] if variant not in known]
            known.update(fresh)
            add(row, proposals=len(body["variants"]) + len(body["problems"]), valid=len(fresh))
            for variant in body["variants"]:
                makers.setdefault(variant, row)
        elif event.kind == "checked" and body["status"] != "ok" and body["variant"] in makers:
            add(makers[body["variant"]], valid=-1)
        elif event.kind == "variant":
            known.add(body["id"])
        elif event.kind == "asked" and body["purpose"] in SEARCHING:
            if body["origin"].startswith("llm:"):
                row = makers.get(body["variant"], "")
            else:
                row = body["origin"] if others else ""
            if row:
                pending[body["ordinal"]] = row
                own = others and not body["origin"].startswith("llm:")
                add(row, evaluated=1, **({"proposals": 1, "valid": 1} if own else {}))
        elif event.kind == "told" and body["purpose"] != "confirm":
            before, champion = champion, body["champion"] and body["champion"]["id"]
            if champion == body["variant"] != before and body["ordinal"] in pending:
                add(pending[body["ordinal"]], wins=1)
    return sorted(rows.values(), key=lambda row: (-row.evaluated, row.name))


def waited(events: Iterable[Event]) -> float:
    """The share of the search during which nothing was evaluated while a model was being asked."""
    busy = asking = 0
    confirming = False
    total = idle = 0.0
    last: float | None = None
    for event in events:
        if event.kind in ("run", "resumed"):
            busy, asking, last = 0, 0, None  # what was under way is started again, and asked or reserved again
        elif event.kind == "asked":
            confirming = event.body["purpose"] == "confirm"
        if confirming:
            last = None
            continue
        if last is not None:
            total += event.time - last
            idle += (event.time - last) * (asking > 0 and busy == 0)
        last = event.time
        if event.kind == "asked":
            busy += 1
        elif event.kind == "told":
            busy = max(0, busy - 1)
        elif event.kind == "call":
            asking = asking + 1 if event.body["state"] == "reserved" else max(0, asking - 1)
    return idle / total if total else 0.0
