"""The runs of a folder: the list, and who follows each of them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from wolf.commands.runs import Entry
from wolf.errors import WolfError
from wolf.reading.finding import LEDGER, runs_in
from wolf.reading.records import Run
from wolf.reading.spending import budget, left
from wolf.reading.terminal import duration, line
from wolf.serve.follow import Follower, Mark, Pace, mark

BROKEN = (WolfError, ValueError, KeyError, TypeError)  # what a ledger that is none of ours can raise
POINTS = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the list: its entry, its curve in small, how much of the budget is spent, what it waits for."""

    name: str
    entry: Entry
    spark: Markup
    share: float
    note: str


class Shelf:
    """All runs of a folder, or the one that lies there."""

    def __init__(self, where: Path) -> None:
        """`where` is a run, a folder of runs, which may still be empty, or a project with such a folder `runs`."""
        self.single = (where / LEDGER).is_file()
        inside = where / "runs"
        self.where = inside if not self.single and not runs_in(where) and inside.is_dir() else where
        self._followers: dict[str, Follower] = {}
        self._rows: dict[str, tuple[Mark, Row, Pace]] = {}

    def names(self) -> list[str]:
        """The runs, the latest first."""
        if self.single:
            return [self.where.resolve().name]
        return [path.name for path in runs_in(self.where)]

    def follower(self, name: str) -> Follower | None:
        """Who follows the run of that name; None if there is no such run."""
        if name not in self.names():
            return None
        path = self.where if self.single else self.where / name
        return self._followers.setdefault(name, Follower(path))

    async def rows(self) -> list[Row]:
        """The list. A run that cannot be read is a row that says why."""
        return [row for name in self.names() if (row := await self._row(name)) is not None]

    async def _row(self, name: str) -> Row | None:
        follower = self.follower(name)
        if follower is None:
            return None
        seen, known = mark(follower.path), self._rows.get(name)
        if known is not None and (known[0] == seen or not known[2].due()):
            return known[1]
        pace = known[2] if known else Pace(0.05, 1.0)
        with pace.spent():
            try:
                row = await follower.do(lambda run: _row(name, run))
            except BROKEN as error:
                row = Row(name, Entry.unreadable(follower.path, error), Markup(""), 0.0, "")
        self._rows[name] = (seen, row, pace)
        if not seen[2]:
            follower.forget()
        return row


def _row(name: str, run: Run) -> Row:
    limit = budget(run).get("evaluations")
    rest = left(run, time.time()) if run.locked else None
    note = "waits for an answer" if run.checkin and run.locked else f"about {duration(rest)} left" if rest else ""
    return Row(name, Entry.of(run), _spark(run), min(1.0, run.evaluations / limit) if limit else 0.0, line(note))


def _spark(run: Run) -> Markup:
    """Best so far as a line without axes, better upwards."""
    losses = [run.header.goal.loss(told.best.mean) for told in run.curve if told.best is not None]
    if len(losses) < 2:
        return Markup("")
    picked = [losses[i * (len(losses) - 1) // (POINTS - 1)] for i in range(POINTS)]
    low, high = min(picked), max(picked)
    spread = (high - low) or 1.0
    points = " ".join(f"{2 * i},{2 + 20 * (value - low) / spread:.1f}" for i, value in enumerate(picked))
    svg = '<svg class="spark" viewBox="-2 -2 124 28" aria-hidden="true"><polyline points="{}"/></svg>'
    return Markup(svg).format(points)
