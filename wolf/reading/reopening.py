"""Whether a finished run may be opened again: with a budget that is larger than what it has used."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from wolf.reading.records import Run
from wolf.reading.spending import budget
from wolf.reading.terminal import duration


def larger(run: Run) -> tuple[str, float]:
    """A budget with which a finished run could go on, by name: twice what it has used of the one that ended it."""
    if _rule(run) == "dollars":
        return "usd", 2 * (budget(run).get("usd") or 0) or 1
    return "evaluations", 2 * run.evaluations


def objection(run: Run, limits: Mapping[str, float]) -> str:
    """Why a finished run cannot go on with these totals, in one sentence; empty if it can.

    They are `evaluations`, `hours` and `usd`. Without any, the sentence says how to order them.
    """
    typed, rule = quote(str(run.path)), _rule(run)
    if rule == "exhausted":
        return (
            f"{run.path} ended because everything within reach was tried, and a larger budget reaches no further: "
            "widen what may vary; write its champion into the target's folder with "
            f"`wolf export {typed} --best FOLDER --force`, and start another run"
        )
    if not limits:
        name, plenty = larger(run)
        return (
            f"{run.path} is finished ({run.reason}); look at it with `wolf report {typed}`, or give it more with "
            f"`wolf tell {typed} budget --{name} {plenty:g}` (in all), and `wolf resume` goes on"
        )
    if rule == "dollars" and limits.get("usd", 0) <= (had := budget(run).get("usd") or 0):
        return f"{run.path} had ${had:g}, with which its judge could not be paid any more: order more with --usd"
    allowed, worked = {**budget(run), **limits}, (run.final or {}).get("seconds") or run.seconds
    many, hours = allowed.get("evaluations"), allowed.get("hours")
    if many is not None and many <= run.evaluations:
        return f"{run.path} has used {run.evaluations} evaluations, which count: order more with --evaluations"
    if hours is not None and 3600 * hours <= worked:
        return f"{run.path} has worked for {duration(worked)}, which counts: order more with --hours"
    return ""


def _rule(run: Run) -> str:
    """The one that ended it last."""
    return next((event.body["rule"] for event in reversed(run.events) if event.kind == "ended"), "")
