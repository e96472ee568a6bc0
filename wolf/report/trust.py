"""Why the figures may be believed: how scores came about, what candidates could do, and what repetition says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from wolf.reading.lines import workers
from wolf.reading.records import Run
from wolf.reading.rows import Z95
from wolf.reading.spending import spent
from wolf.reading.terminal import duration, number
from wolf.reading.verdict import closing

TRUST = {
    "full": "computed by our scorer from answers that it checks (trust: full)",
    "declared": "computed by code that you declared trustworthy (trust: declared)",
    "reported": "believed as the command printed it (trust: reported)",
}
OPINIONS = {  # by kind of judge
    "reader": "the opinion of models of what people chose; no score of the text's own",
    "panel": "worked out by our code from the rankings of its judges; see what is said of each below",
}
SANDBOX = {
    "bubblewrap": "bubblewrap: candidates saw their folder, Python and the system's libraries",
    "docker": "Docker: candidates saw their folder, Python and the system's libraries",
    "landlock": "Landlock and seccomp: candidates could open their folder, Python and the system's libraries",
    "none": "none: candidates could do whatever the person who started the run could",
}
_SAID_ELSEWHERE = ("verdict", "work", "expeditions")


def trust(run: Run, digits: int) -> list[tuple[str, str]]:
    """(what it is about, what can be said), the heaviest first."""
    head = run.header
    facts = [
        ("scores", f"{head.judge}: {OPINIONS.get(head.judge) or TRUST.get(head.trust, 'not recorded')}"),
        ("sandbox", "; ".join(_sandbox(level, after) for after, level in run.sandboxes.items())),
        ("audits", _audits(run)),
        ("null candidate", _null(run, digits)),
        *([fact for fact in closing(run) if fact[0] not in _SAID_ELSEWHERE] if run.final else []),
        ("fresh readings", " · ".join(_fresh(run, digits))),
        ("replicates", _replicates(run, digits)),
        ("the surrogate", _calibration(run)),
        ("ballots", _ballots(run)),
        ("ledger", f"{len(run.events)} events, their chain of hashes checked when this page was written"),
    ]
    return [(label, text) for label, text in facts if text]


def _sandbox(level: str, after: int) -> str:
    said = SANDBOX.get(level, "not recorded")
    return f"from evaluation {after + 1} on {said}" if after else said


def statistics(run: Run) -> list[tuple[str, str]]:
    """What was done, in numbers."""
    purposes = Counter(told.purpose for told in run.told)
    judged = sum(told.seconds for told in run.told)
    escapes = sum(asked.expedition is not None for asked in run.asked.values())
    paid, asked = spent(run)
    scored = f"{len(run.variants)}, of which {len(run.beliefs)} have a score; {len(run.crowned)} crowned"
    charged = f"${asked:.2f} for proposals"
    return [
        ("strategy", f"{run.header.strategy}, seed {run.header.seed}, {workers(run)}"),
        ("readings", ", ".join(f"{count} {name}" for name, count in purposes.items()) or "none"),
        ("variants", scored),
        ("expeditions", f"{len(run.expeditions)}, with {escapes} evaluations"),
        ("time in judges", f"{duration(judged)} in {len(run.told)} readings, over {duration(run.seconds)} of running"),
        ("dollars", f"{charged}; judging unknown" if paid is None else f"{charged}, ${paid:.2f} for judging"),
        ("ended", run.reason),
        ("made by", f"Auto Wolf {run.header.version}"),
    ]


def _audits(run: Run) -> str:
    audited = [told for told in run.told if told.metrics.get("audited")]
    if not audited:
        return ""
    leak = max(told.metrics.get("leak", 0.0) for told in audited)
    refused = sum(told.status == "invalid" for told in run.told)
    positions = sum(told.metrics["audited"] for told in audited)
    return (
        f"{len(audited)} scores audited by a second replica at {positions:,.0f} positions; the largest difference was "
        f"{leak:.2g} bits; {refused} readings were refused as invalid"
    )


def _null(run: Run, digits: int) -> str:
    body = next((event.body for event in run.events if event.kind == "null"), None)
    if body is None:
        return ""
    score = body.get("score")
    what = f"{body.get('status')}, as it should be" if score is None else f"scores {number(score, digits)}"
    return f"a variant that does nothing, which the seed must beat: {what}"


def _fresh(run: Run, digits: int) -> Iterator[str]:
    for name, id in (("seed", run.header.seed_variant), ("champion", run.champion)):
        scores = [number(told.score, digits) for told in run.confirmations(id)]
        if scores:
            yield f"{name} {', '.join(scores)}"


def _replicates(run: Run, digits: int) -> str:
    readings: dict[str, list[float]] = {}
    for told in run.told:
        if told.score is not None:
            readings.setdefault(told.variant, []).append(told.score)
    again = [scores for scores in readings.values() if len(scores) > 1]
    freedom = sum(len(scores) - 1 for scores in again)
    if not freedom:
        return "no variant was read twice: noise is not known"
    squares = sum((score - sum(scores) / len(scores)) ** 2 for scores in again for score in scores)
    return (
        f"{len(again)} variants were read more than once, {sum(map(len, again))} readings in all; they differ by "
        f"{number(math.sqrt(squares / freedom), digits)} (pooled standard deviation, {freedom} degrees of freedom)"
    )


def _calibration(run: Run) -> str:
    """How often a first reading fell where the model had expected it."""
    seen: set[str] = set()
    inside = count = 0
    for told in run.searched:
        asked = run.asked.get(told.ordinal)
        fresh = told.variant not in seen
        seen.add(told.variant)
        if not fresh or asked is None or asked.predicted is None or told.score is None:
            continue
        count += 1
        reach = Z95 * math.hypot(asked.predicted.sigma, run.noise or 0.0)
        inside += abs(told.score - asked.predicted.mean) <= reach
    return f"{inside} of {count} first readings fell inside its 95% interval" if count else ""


def _ballots(run: Run) -> str:
    voted = [told for told in run.told if "ballots" in told.metrics]
    if not voted:
        return ""
    valid, lost = (sum(told.metrics.get(name, 0.0) for told in voted) for name in ("ballots", "lost"))
    return f"{valid:.0f} valid, {lost:.0f} lost"
