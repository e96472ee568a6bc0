"""What each event of a run says, as plain lines: the log off a terminal, and the block that ends every run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from shlex import quote
from typing import Any

from wolf.reading.cards import cards
from wolf.reading.difference import FEW, at_an_end, describe, from_seed, knob_changes, line_diff
from wolf.reading.records import ENDS, Run
from wolf.reading.rows import Asked, Told
from wolf.reading.spending import budget, left
from wolf.reading.terminal import duration, line, number, safe
from wolf.reading.verdict import by_holdout, closing, next_commands, places
from wolf.store.events import Event


def tell(run: Run, event: Event, width: int | None) -> list[str]:
    """The lines that say what `event` was, in the light of `run`, which has folded it already.

    Long paragraphs are wrapped at `width`, if there is one; diffs and commands never are.
    """
    body, head, digits = event.body, run.header, places(run)
    match event.kind:
        case "run":
            how = f"{head.strategy} · seed {head.seed} · {workers(run)} · {head.goal.value} {head.metric}"
            how += f" · sandbox {head.sandbox} · trust {head.trust}"
            where = [f"run: {run.path}"] if run.path else []
            return [*_wrapped(line(f"Auto Wolf {head.version} · {head.name} · {how}"), width), *where]
        case "null":
            score = body["score"]
            said = f"{body['status']}, as it should" if score is None else f"{number(score, digits)}, to be beaten"
            return [line(f"null candidate, which does nothing: {said}")]
        case "company":
            return [line(_company(body, digits), 400)]
        case "told":
            told = run.told[-1]
            asked = run.asked.get(told.ordinal)
            score = number(told.score, digits) if told.ok else told.status
            count, width = f"{told.evaluations}{_limit(run)}", max(0, 2 * len(_limit(run)) - 1)
            facts = f"[{count:>{width}}] {score:>8}  {told.variant[:8]}  {told.outcome:<9}  {told.purpose:<10}"
            return [f"{facts}  {what_changed(asked, told)} · {why_so(run, told)}"]
        case "crowned" if gain := run.crowned[-1].gain:
            if (leader := run.champion) not in (None, body["variant"]):
                said = f"{body['variant'][:8]} is surely better than {body['previous'][:8]}, by {gain.text(digits)}"
                return [f"★ {said}; {leader[:8]} stays the champion"]
            return [f"★ new champion {body['variant'][:8]}, better than the last by {gain.text(digits)}"]
        case "noise":
            return [line(f"noise: one reading varies by {number(body.get('sigma', run.noise), digits)} (sigma)")]
        case "expedition":
            return _expedition(run, body)
        case "proposed":
            ideas = len(body["variants"]) + len(body["problems"])
            said = f"{len(body['variants'])} of {ideas} ideas usable" if ideas else "see notes.md"
            said = f"no answer ({body['fault']})" if body["fault"] else said
            return [line(f"✎ {body['model']} for {body['operator']}: {said}, ${body['cost']:.4f}")]
        case "checked" if body["status"] != "ok":
            why = line((body["feedback"].strip().splitlines() or ["it says no more"])[-1], 100)
            if body["variant"] == head.seed_variant:
                return [f"✎ the seed variant fails its smoke run ({why}), so ideas go without"]
            return [f"✎ idea {body['variant'][:8]} fails its check: {why}"]
        case "call" if body.get("judging"):
            if not body["again"] or run.silent[body["model"]][0] != event.time:  # said once; the heartbeat repeats it
                return []
            said = f"the judge {body['model']} does not answer ({body['fault']}): evaluations wait for it and go on by "
            return [line(f"{said}themselves when it is back; or press Ctrl-C twice, and `wolf resume` when it is", 300)]
        case "call" if body.get("again") and body["attempt"].bit_count() == 1:  # after 1, 2, 4, 8, ... attempts
            return [line(f"✎ {body['model']}: {body['fault']}; asking again (attempt {body['attempt'] + 1})")]
        case "intervention":
            return [f"☞ {run.interventions[-1].sentence}"]
        case "refused":
            named = f"{body['order']}: " if body["order"] and not body["reason"].startswith(body["order"]) else ""
            return [line(f"☞ refused: {named}{body['reason']}", 300)]
        case "checkin":
            return _checkin(run, body, width)
        case "alarm":
            aside = "1 variant is" if len(body["aside"]) == 1 else f"{len(body['aside'])} variants are"
            back = f"the search goes back to {body['back'][:8]}, and {aside} set aside"
            return [line(f"ALARM: {body['reason']}; {back}")]
        case "paused" if body["checkin"] is not None:
            return []
        case "paused":
            go = f"`wolf tell {quote(str(run.path))} go`" if run.path else "go"
            return [line(f"paused after {run.evaluations} evaluations: {body['reason']}; {go} goes on")]
        case "continued":
            return [line(f"going on: {body['reason']}")]
        case "ended":
            return [line(f"the search ends: {body['reason']}")]
        case "resumed" if run.checkin is not None:
            return [f"resumed after {run.evaluations} evaluations", *_checkin(run, run.checkin, width)]
        case "resumed" if run.still:
            go = f"`wolf tell {quote(str(run.path))} go`" if run.path else "go"
            return [line(f"resumed after {run.evaluations} evaluations, and still paused; {go} goes on")]
        case "resumed":
            level = f" · sandbox {run.sandbox}" if run.sandbox != head.sandbox else ""
            return [f"resumed after {run.evaluations} evaluations{level}"]
        case "reopened":
            return [line(f"opened again after end {body['end']}; its champion will be confirmed anew")]
        case "stopped":
            return [line(f"stopped after {_evaluations(run)}: {run.reason or 'asked to'}"), *_next(run)]
        case "aborted":
            return [line(f"could not go on after {_evaluations(run)}: {run.reason}", 400), *_next(run)]
        case "finished":
            return ["", *summary(run, width), "", *_next(run)]
    return []


def first_asks(run: Run) -> dict[str, Asked]:
    """How each variant was first asked for: its step from its parent."""
    return {asked.variant: asked for asked in reversed(run.asked.values())}


def what_changed(asked: Asked | None, told: Told | None) -> str:
    """What a variant changed of its parent, in one harmless line: its knobs where there are some, else its note."""
    if asked is None:
        return told.purpose if told else ""
    again = {
        "baseline": "the seed",
        "replicate": "again, on another seed",
        "confirm": "the seed" if asked.origin == "seed" else "the champion",
    }
    return again.get(asked.purpose) or line(f"{asked.origin}  {describe(asked.changes, FEW) or asked.note}", 300)


def why_so(run: Run, told: Told) -> str:
    """Why a variant was kept or not, in one harmless line; for a failure also what it said."""
    if told.ok and told.purpose == "confirm" and by_holdout(run):
        return "by the hold-out"
    if told.ok:
        return line(told.reason, 300)
    return line(told.failure if told.reason == told.status else f"{told.reason} · {told.failure}", 300)


def failed(run: Run) -> str:
    """How many evaluations have no score: `7 evaluations failed, 2 of them in the confirmation`; empty if all have."""
    kinds = [told.purpose == "confirm" for told in run.told if not told.ok]
    last = f", {sum(kinds)} of them in the confirmation" if any(kinds) else ""
    return f"{len(kinds)} evaluation{'s'[: len(kinds) != 1]} failed{last}" if kinds else ""


def summary(run: Run, width: int | None = None) -> list[str]:
    """The last block: the outcome, the numbers behind it, what changed."""
    facts, diff = closing(run), []
    if run.champion and run.champion != run.header.seed_variant and run.read is not None:
        seed, best = run.files(run.header.seed_variant), run.files(run.champion)
        changes = knob_changes(run, seed, best)
        facts.append(("changed", line(from_seed(run, run.champion, None), 400) or "layout only"))
        if ends := at_an_end(run, changes):
            facts.append(
                ("range", line(f"{', '.join(ends)}: at an end of what was allowed; a wider range may hold more"))
            )
        diff = safe(line_diff(seed, best, context=0)).splitlines()
    lines = [text for label, fact in facts for text in _wrapped(f"{label:>14}  {fact}", width)]
    more = [f"… {len(diff) - 40} more lines: wolf diff best"] if len(diff) > 40 else []
    return [*lines, *([""] if diff else []), *diff[:40], *more]


def still(run: Run | None, doing: str, now: float) -> str:
    """The heartbeat: what is going on although nothing has happened."""
    if run is None:
        return f"… still {doing}" if doing == "starting" else f"… still: {doing}"
    jobs = [f"{a.ordinal} ({a.variant[:8]}, {a.purpose}) for {now - a.time:.0f}s" for a in run.working.values()]
    more = f" and {len(jobs) - 4} others" if len(jobs) > 4 else ""
    more += f", {len(run.waiting)} more wait for a worker" if run.waiting else ""
    for model, (since, fault) in run.silent.items():
        more += f"; {model} has not answered for {duration(now - since)} ({fault})"
    over = run.status in ENDS
    idle = "ending" if over else "paused" if run.still else "choosing what to try next"
    running = f"evaluating {', '.join(jobs[:4])}{more}" if jobs else idle
    rest = left(run, now)
    return f"… {run.evaluations}{_limit(run)} done, {f'about {duration(rest)} left, ' if rest else ''}{running}"


def paused_by(run: Run) -> str:
    """Why a run stands still; empty if it does not."""
    paused = (event.body.get("reason", "") for event in reversed(run.events) if event.kind == "paused")
    return next(paused, "") if run.still else ""


def workers(run: Run) -> str:
    """`2 workers`."""
    return f"{run.header.slots} worker{'' if run.header.slots == 1 else 's'}"


def _expedition(run: Run, body: Mapping[str, Any]) -> list[str]:
    trip = run.expeditions[body["id"]]
    name = line(f"expedition {trip.id} ({trip.kind} from {trip.origin[:8]})")
    match body["state"]:
        case "started":
            return [f"↗ {name} sets out, {trip.allowance} evaluations of its own"]
        case "extended":
            return [f"↗ {name} improves and gets more evaluations: {trip.evaluations} of {trip.allowance}"]
    found = {"champion": "a new champion", "rival": "a rival of the champion", "niche": "a new niche"}.get(
        trip.outcome or "", "nothing"
    )
    return [f"↙ {name} is home after {trip.evaluations} evaluation{'s'[: trip.evaluations != 1]}: {found}"]


def _company(body: Mapping[str, Any], digits: int) -> str:
    alone, beside = (
        f"{number(r['score'], digits) if r['score'] is not None else r['status']} in {r['seconds']:.1f} s"
        for r in (body["alone"], body["beside"])
    )
    others = "another" if body["slots"] == 2 else f"up to {body['slots'] - 1} others"
    said = f"the seed alone: {alone}; again beside {others}: {beside}"
    if not body["matters"]:
        return f"{said}; " + ("within the noise" if body["matters"] is False else "too few readings to tell from noise")
    return (
        f"WARNING: {said}. Running {body['slots']} at a time changes the score: use fewer workers.slots, or give each "
        "more room (workers.threads, workers.pin, gpus_per_job: 1)"
    )


def _checkin(run: Run, body: Mapping[str, Any], width: int | None) -> list[str]:
    """The finalists, and how to answer."""
    where = f"{run.path}/checkin.yaml" if run.path else "checkin.yaml"
    wait = "it waits for you" if body["wait"] is None else f"it goes on by itself after {duration(body['wait'])}"
    title = f"check-in {body['checkin']} after {body['evaluations']} evaluations ({body['why']}); {wait}"
    how = f"answer in {where}, or with `wolf tell {quote(str(run.path or 'RUN'))} ...` and then `go`"
    return ["", line(title), *cards(run, body["finalists"], width), line(how)]


def _evaluations(run: Run) -> str:
    return f"{run.evaluations} evaluation{'s'[: run.evaluations != 1]}"


def _limit(run: Run) -> str:
    limit = budget(run).get("evaluations")
    return f"/{limit:g}" if limit else ""


def _next(run: Run) -> list[str]:
    return ["Next:", *(f"  {command}  # {why}" for command, why in next_commands(run))]


def _wrapped(text: str, width: int | None) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=" " * 16) if width else [text]
