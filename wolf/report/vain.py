"""What brought nothing, and what brought something: operators, models, knobs, the closest misses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wolf.reading.lines import first_asks, what_changed
from wolf.reading.proposals import Tally
from wolf.reading.records import Run
from wolf.reading.rows import Asked, Told
from wolf.reading.terminal import line
from wolf.report.story import leaders, misses


@dataclass(slots=True)
class Earning:
    """What an operator or a knob brought, in variants.

    Attributes:
        tried: first evaluations.
        failed: without a score.
        kept: admitted or crowned.
        led: was the champion for a time.
        crowned: became the champion beyond doubt.
        seconds: in the judge, repetitions included.
    """

    name: str
    tried: int = 0
    failed: int = 0
    kept: int = 0
    led: int = 0
    crowned: int = 0
    seconds: float = 0.0


def operators(run: Run) -> list[Earning]:
    """By way of making a child, the most productive first."""

    def origin(told: Told, asked: Asked | None) -> list[str]:
        proposal = run.variants.get(told.variant)
        return [proposal.origin if proposal else asked.origin if asked else "?"]

    return sorted(_earnings(run, origin), key=lambda row: (-row.crowned, -row.led, -row.kept, row.name))


def knobs(run: Run) -> list[Earning]:
    """By knob that a variant changed against its parent, those turned most often without ever leading first."""
    rows = _earnings(run, lambda told, asked: [*asked.changes] if asked else [])
    return sorted(rows, key=lambda row: (row.led / max(1, row.tried), -row.tried, row.name))


def _earnings(run: Run, names: Callable[[Told, Asked | None], list[str]]) -> list[Earning]:
    crowned, led = {crown.variant for crown in run.crowned}, leaders(run)
    rows: dict[str, Earning] = {}
    seen: set[str] = set()
    for told in run.searched:
        first = told.variant not in seen
        seen.add(told.variant)
        for name in names(told, run.asked.get(told.ordinal)):
            row = rows.setdefault(name, Earning(line(name, 40)))
            row.seconds += told.seconds
            row.tried += first
            row.failed += first and not told.ok
            row.kept += first and told.outcome in ("admitted", "crowned")
            row.led += first and told.variant in led
            row.crowned += first and told.variant in crowned
    return [*rows.values()]


def closest(run: Run) -> list[dict[str, Any]]:
    """The closest misses: who, how far behind the champion, and what it changed."""
    asked = first_asks(run)
    found = []
    for id in misses(run):
        gain = run.gain(run.champion or "", id)
        if gain is not None:
            what = line(what_changed(asked.get(id), None), 200)
            found.append({"id": id, "belief": run.beliefs[id], "gain": gain, "what": what})
    return found


def models(run: Run) -> list[Tally]:
    """What language models brought: by operator, then by model."""
    from wolf.reading.proposals import models, operators

    return [*(row for row in operators(run.events) if row.calls), *models(run.events)]
