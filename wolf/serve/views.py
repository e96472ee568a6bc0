"""What the pages show beside the report's parts, as values for templates."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from wolf.control.inbox import INBOX, Inbox
from wolf.control.steering import SEARCHING
from wolf.errors import UsageError
from wolf.reading.difference import describe, knob_changes
from wolf.reading.lines import paused_by, what_changed, workers
from wolf.reading.records import Run
from wolf.reading.rows import Belief, Intervention
from wolf.reading.spending import budget, elapsed, left, spent
from wolf.reading.terminal import duration, line, number, safe
from wolf.reading.verdict import places
from wolf.report.page import variants as ranked
from wolf.store.events import Event

ROWS = 100  # variants on a page
ANSWERED = 12  # orders that are shown after they were answered
SORTS = ("score", "born")


def now(run: Run) -> dict[str, Any]:
    """What goes on, what is left, and what can be told the run."""
    at = time.time()
    working = [
        {"ordinal": a.ordinal, "variant": a.variant, "purpose": a.purpose, "since": a.time, "expedition": a.expedition,
         "what": what_changed(a, None)}
        for a in run.working.values()
    ] if run.locked else []  # fmt: skip
    rest = left(run, at)
    return {
        "working": working, "waiting": len(run.waiting) if run.locked else 0,
        "silent": [(model, since, line(fault)) for model, (since, fault) in run.silent.items()] if run.locked else [],
        "meters": list(_meters(run, at)), "rest": duration(rest) if rest else "",
        "workers": workers(run), "heat": run.told[-1].heat if run.told else 0.0,
        "paused_by": paused_by(run), "alarms": [event.body["reason"] for event in run.alarms],
        "holding": _holding(run),
    }  # fmt: skip


def _holding(run: Run) -> bool:
    """Whether a pause has been ordered that nothing has ended yet; it may not have come into effect."""
    last = next((hand.order for hand in reversed(run.interventions) if hand.order in ("pause", "go", "finish")), "")
    return last == "pause"


def _meters(run: Run, at: float) -> Iterable[tuple[str, float, float, str]]:
    """Each budget that was set: name, spent, limit, in words."""
    limits, took = budget(run), elapsed(run, at)
    if many := limits.get("evaluations"):
        yield "evaluations", run.evaluations, many, f"{run.evaluations} of {many:g}"
    if hours := limits.get("hours"):
        yield "time", took, 3600 * hours, f"{duration(took)} of {duration(3600 * hours)}"
    if usd := limits.get("usd"):
        paid = sum(cost or 0.0 for cost in spent(run))
        yield "dollars", paid, usd, f"${paid:.2f} of ${usd:g}"


def journal(said: Sequence[tuple[Event, str]]) -> dict[str, Any]:
    """What happened last, the latest first."""
    return {"journal": [(event.time, event.kind, text) for event, text in reversed(said) if text.strip()][:60]}


def orders(run: Run) -> dict[str, Any]:
    """What people told the run: what waits to be read, and how it answered."""
    assert run.path is not None
    waiting = []
    known = {event.body["id"] for event in run.events if event.kind in ("intervention", "refused")}
    for id in Inbox(run.path).waiting():
        if id not in known:
            waiting.append(_waiting(run.path / INBOX / f"{id}.json"))
    effective = {id for event in run.events if event.kind == "steered" for id in event.body["orders"]}
    answered = []
    for event in reversed(run.events):
        if event.kind == "intervention":
            hand = Intervention.of(event)
            later = hand.order in SEARCHING and event.body["id"] not in effective
            state = "written down; takes effect after the evaluations in progress" if later else "done"
            answered.append(("later" if later else "done", state, hand.sentence, hand.by, hand.evaluations))
        elif event.kind == "refused":
            said = f"{event.body['order'] or 'an order'}: {event.body['reason']}"
            answered.append(("refused", "refused", line(said, 300), "", event.body["evaluations"]))
        if len(answered) >= ANSWERED:
            break
    return {"waiting": waiting, "answered": answered, "barred": sorted(run.barred), "pinned": list(run.pinned)}


def _waiting(file: Path) -> str:
    """An order that nobody has read yet, in a line."""
    with suppress(OSError, ValueError, RecursionError):
        data = json.loads(file.read_text("utf-8"))
        said = data.get("variant") or data.get("text") or data.get("note") or ""
        return line(f"{data.get('order', 'an order')} {said}", 200)
    return "an order"


def checkin(run: Run) -> dict[str, Any]:
    """The check-in that is open."""
    if run.checkin is None or not run.locked:
        return {"checkin": None}
    finalists = [_card(run, id) for id in run.checkin["finalists"] if id in run.variants]
    ids = [card["id"] for card in finalists]
    pairs = [(a, b) for a, b in pairwise(ids)] if votes(run) else []
    return {
        "checkin": run.checkin, "candidates": finalists, "pairs": pairs + [(b, a) for a, b in pairs],
        "models": models(run), "votes": votes(run),
    }  # fmt: skip


def _card(run: Run, id: str) -> dict[str, Any]:
    from wolf.reading.cards import is_text

    seed, files, belief = run.header.seed_variant, run.files(id), run.beliefs.get(id)
    prose = is_text(run)
    changed = "" if prose else line(describe(knob_changes(run, run.files(seed), files)), 400)
    return {
        "id": id, "belief": belief.text(places(run)) if belief else "not scored", "texts": files if prose else {},
        "changed": changed or ("" if prose else line(run.variants[id].note, 400)), "champion": id == run.champion,
    }  # fmt: skip


def steer(run: Run) -> dict[str, Any]:
    """What the forms are filled with."""
    return {"memo": memo(run) if models(run) else "", "models": models(run), "votes": votes(run)}


def models(run: Run) -> bool:
    """Whether language models read the memo."""
    return bool(run.header.config.get("llm"))


def votes(run: Run) -> bool:
    """Whether its judge rates texts, so that people's votes count."""
    return run.header.rates_texts


def memo(run: Run) -> str:
    """The memo as it counts now: the last that was told, or what the target came with."""
    for hand in reversed(run.interventions):
        if hand.order == "memo":
            return str(hand.about["text"])
    target = run.header.config.get("target") or {}
    with suppress(OSError, TypeError, KeyError):
        return (
            (Path(target["root"]) / target["memo"]).read_text("utf-8", errors="replace") if target.get("memo") else ""
        )
    return ""


def table(run: Run, query: Mapping[str, str]) -> dict[str, Any]:
    """One page of the variants that fit: `words`, `made`, `outcome`, `sort` (score or born) and `page` from 1."""
    rows = list(ranked(run))
    made, outcomes = sorted({row["origin"] for row in rows}), sorted({row["outcome"] for row in rows})
    words = query.get("words", "").lower().split()
    shown = [
        row for row in rows
        if query.get("made", "") in ("", row["origin"]) and query.get("outcome", "") in ("", row["outcome"])
        and all(word in f"{row['variant']} {row['origin']} {row['outcome']} {row['what']}".lower() for word in words)
    ]  # fmt: skip
    sort = query.get("sort") if query.get("sort") in SORTS else "score"
    if sort == "born":
        shown.sort(key=lambda row: -row["order"])
    pages = max(1, math.ceil(len(shown) / ROWS))
    page = min(max(1, int(query["page"])), pages) if query.get("page", "").isdigit() else 1
    return {
        "rows": shown[(page - 1) * ROWS : page * ROWS], "many": len(shown), "all": len(rows), "page": page,
        "pages": pages, "made": made, "results": outcomes, "barred": run.barred, "pinned": run.pinned, "sort": sort,
        "asked": {name: query.get(name, "") for name in ("words", "made", "outcome")},
    }  # fmt: skip


def variant(run: Run, name: str) -> dict[str, Any]:
    """Everything about one variant."""
    from wolf.report.sides import rows

    id = run.resolve(name)
    proposal, files = run.variants[id], run.files(id)
    parent = next((known for known in proposal.parents if known in run.variants), None)
    before: Mapping[str, str] = run.files(parent) if parent else {}
    digits = places(run)
    told = [
        {"ordinal": told.ordinal, "purpose": told.purpose, "seed": told.seed, "outcome": told.outcome,
         "score": number(told.score, digits) if told.ok else told.status, "seconds": duration(told.seconds),
         "why": line(told.reason, 300)}
        for told in run.told if told.variant == id
    ]  # fmt: skip
    ranking = run.ranking()
    feedback = next((t.feedback for t in reversed(run.told) if t.variant == id and t.feedback.strip()), "")
    return {
        "id": id, "proposal": proposal, "parent": parent, "told": told, "feedback": feedback[:20_000],
        "knobs": line(describe(knob_changes(run, before, files)), 600) if parent else "",
        "sides": rows(before, files) if parent else [], "rank": ranking.index(id) + 1 if id in ranking else 0,
        "scored": len(ranking), "believed": _text(run.beliefs.get(id), digits), "vetoed": id in run.barred,
        "pinned": id in run.pinned, "editable": {p: t for p, t in files.items() if safe(t) == t.replace("\r\n", "\n")},
        "files": files,
    }  # fmt: skip


def compared(run: Run, a: str, b: str) -> dict[str, Any]:
    """Two variants side by side; with their names as in `Run.resolve`."""
    from wolf.report.sides import rows

    left_, right = run.resolve(a), run.resolve(b)
    gain, digits = run.gain(right, left_), places(run)
    return {
        "a": left_, "b": right, "sides": rows(run.files(left_), run.files(right)),
        "gain": gain.text(digits) if gain and left_ != right else "",
    }  # fmt: skip


def duel(run: Run, shuffle: Callable[[list[str]], None] = random.shuffle) -> dict[str, Any]:
    """Two good texts for a person to compare, in random order and without their names.

    Raises:
        UsageError: where votes do not count, or there are no two texts to compare.
    """
    if not votes(run):
        raise UsageError("votes count where a reader or a panel judges texts; here the judge measures")
    best = [id for id in run.ranking() if id not in run.barred][:4]
    best += [run.header.seed_variant] if run.header.seed_variant in run.beliefs else []
    pair = [*dict.fromkeys(best)]
    if len(pair) < 2:
        raise UsageError("there are no two texts with a score yet")
    shuffle(pair)
    return {"texts": [(id, "\n\n".join(run.files(id).values())) for id in pair[:2]]}


def _text(belief: Belief | None, digits: int) -> str:
    return belief.counted(digits) if belief else "not scored"
