"""Whether a finished run may be opened again: with a budget that is larger than what it has used."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from wolf.reading.records import Run
from wolf.reading.spending import budget
from wolf.reading.terminal import duration

_FOR_GOOD = {  # rules for ending that no evaluations and no hours change
    "dollars": "its judge could not be paid any more, and a run's dollars cannot be raised",
    "exhausted": "everything within reach was tried, and a larger budget reaches no further: widen what may vary",
}


def objection(run: Run, limits: Mapping[str, float]) -> str:
    """Why a finished run cannot go on with these totals (`evaluations`, `hours`), in one sentence; empty if it can.

    Without any, the sentence says how to order them.
    """
    typed = quote(str(run.path))
    rule = next((event.body["rule"] for event in reversed(run.events) if event.kind == "ended"), "")
    if why := _FOR_GOOD.get(rule):
        return (
            f"{run.path} ended because {why}; write its champion into the target's folder with "
            f"`wolf export {typed} --best FOLDER --force`, and start another run"
        )
    if not limits:
        return (
            f"{run.path} is finished ({run.reason}); look at it with `wolf report {typed}`, or give it more with "
            f"`wolf tell {typed} budget --evaluations {2 * run.evaluations}` (in all), and `wolf resume` goes on"
        )
    allowed, worked = {**budget(run), **limits}, (run.final or {}).get("seconds") or run.seconds
    many, hours = allowed.get("evaluations"), allowed.get("hours")
    if many is not None and many <= run.evaluations:
        return f"{run.path} has used {run.evaluations} evaluations, which count: order more with --evaluations"
    if hours is not None and 3600 * hours <= worked:
        return f"{run.path} has worked for {duration(worked)}, which counts: order more with --hours"
    return ""
