"""The pages, and the parts of a run's page, each made again only when the run has moved and it is time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from wolf.reading.records import Run
from wolf.report import command
from wolf.report.page import PARTS, common, pictures, script_data, spots
from wolf.serve import views
from wolf.serve.follow import Follower, Mark, Pace, mark

HERE = Path(__file__).parent
FAST = ("top", "now", "checkin", "orders", "journal", "curve")  # what a person watches
SLOW = ("map", "spots", "effects")  # made together: they share a model of the population
REPORT = ("answers", "finalists", "changed", "lineage", "expeditions", "vain", "earnings", "trust")


@dataclass(slots=True)
class _Shown:
    """The parts of one run as they were made last, and when they may be made again."""

    seen: Mark | None = None
    parts: dict[str, str] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    fast: Pace = field(default_factory=lambda: Pace(0.1, 0.4))
    rest: Pace = field(default_factory=lambda: Pace(0.03, 2.0))
    slow: Pace = field(default_factory=lambda: Pace(0.03, 5.0))


class Pages:
    """Templates, and what was made of them."""

    def __init__(self) -> None:
        """Templates are read once."""
        self._environment = command.environment(HERE / "templates")
        self._environment.filters["url"] = lambda name: quote(name, safe="")
        self._shown: dict[Path, _Shown] = {}

    def render(self, template: str, **values: Any) -> str:
        """One page, or one part."""
        return self._environment.get_template(template).render(**values)

    def frame(self, run: Run, query: Mapping[str, str]) -> dict[str, Any]:
        """What every page about a run needs."""
        assert run.path is not None
        return {
            **common(run), **views.steer(run), "name_": run.path.resolve().name, "query": query,
            "url": f"/run/{quote(run.path.resolve().name, safe='')}", "digest": digest,
        }  # fmt: skip

    def quiet(self, follower: Follower) -> bool:
        """Whether nothing can have changed since the parts were made, so that nobody need ask the run."""
        shown = self._shown.get(follower.path)
        return shown is not None and not shown.stale and shown.seen == mark(follower.path)

    def parts(self, follower: Follower, run: Run, slow: bool, paced: bool) -> dict[str, str]:
        """The parts by name, with the slow ones if they are there or `slow` asks for them; for the run's own thread.

        `paced`: what was made a moment ago will do. A person who loads a page wants it as things are.
        """
        shown = self._shown.setdefault(follower.path, _Shown())
        seen = mark(follower.path)
        if seen != shown.seen:
            shown.seen, shown.stale = seen, {*FAST, *REPORT, *SLOW}
        values = self.frame(run, {})
        for names, pace in ((FAST, shown.fast), (REPORT, shown.rest), (SLOW, shown.slow)):
            if not shown.stale & {*names} or (paced and not pace.due()):
                continue
            if names is SLOW and not slow:
                continue
            with pace.spent():
                more = {name: self._values(follower, run, name) for name in names if name not in SLOW}
                more |= dict.fromkeys(SLOW, _pictures(run)) if names is SLOW else {}
                for name in names:
                    shown.parts[name] = self.render(f"parts/{name}.html", **values | more[name])
            shown.stale -= {*names}
        return {name: Markup(html) for name, html in shown.parts.items()}

    def _values(self, follower: Follower, run: Run, name: str) -> dict[str, Any]:
        match name:
            case "now":
                return views.now(run)
            case "orders":
                return views.orders(run)
            case "checkin":
                return views.checkin(run)
            case "journal":
                return views.journal([*follower.journal])
        return PARTS[name](run)


def _pictures(run: Run) -> dict[str, Any]:
    values = pictures(run)
    drawn = values["map"]
    return {**values, "spots": script_data(spots(run, drawn) if drawn else [])}


def digest(html: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(html.encode("utf-8", "surrogatepass")).hexdigest()[:16]
