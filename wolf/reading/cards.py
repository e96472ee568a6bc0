"""Finalists for a person to compare: texts as they read, code as what changed from the seed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from wolf.reading.difference import PROSE, describe, knob_changes, line_diff
from wolf.reading.records import Run
from wolf.reading.terminal import line, safe
from wolf.reading.verdict import along, places

DIFF_LINES = 24
WIDTH = 96


def is_text(run: Run) -> bool:
    """Whether its variants are texts for readers."""
    return all(path.endswith(PROSE) for path in run.files(run.header.seed_variant))


def cards(run: Run, finalists: Sequence[str], width: int | None = None) -> list[str]:
    """The lines that show `finalists` one after the other, numbered from 1, the seed last; [] without files."""
    if run.read is None:
        return []
    prose, width, seed = is_text(run), min(width or WIDTH, WIDTH), run.header.seed_variant
    names = [(f"{number}", id) for number, id in enumerate(finalists, 1)]
    lines: list[str] = []
    for label, id in [*names, *([("seed", seed)] if prose else [])]:
        belief = run.beliefs.get(id)
        marks = [mark for mark, true in (("champion", id == run.champion), ("pinned", id in run.pinned)) if true]
        score = f"{run.header.metric} {belief.text(places(run))}" if belief else "not scored"
        holdout = next((told.metrics["holdout"] for told in reversed(run.told)
                        if told.variant == id and "holdout" in told.metrics), None)  # fmt: skip
        facts = [id[:8], score, *([f"{along(run)} {holdout:+.2f}"] if holdout is not None else []), *marks]
        lines.append(line(f"{label}  {'  '.join(facts)}"))
        lines += _text(run, id, width) if prose else _changes(run, id)
    return lines


def _text(run: Run, id: str, width: int) -> list[str]:
    shown: list[str] = []
    for text in run.files(id).values():
        for paragraph in safe(text).strip().splitlines():
            shown += textwrap.wrap(paragraph, width, initial_indent="   | ", subsequent_indent="   | ") or ["   |"]
    return shown


def _changes(run: Run, id: str) -> list[str]:
    """What tells it from the seed."""
    before, after = run.files(run.header.seed_variant), run.files(id)
    if before == after:
        return ["   the seed"]
    knobs = line(describe(knob_changes(run, before, after)), 400)
    diff = [f"   {text}" for text in safe(line_diff(before, after, context=0)).splitlines()]
    more = [f"   … {len(diff) - DIFF_LINES} more lines: wolf diff {id[:8]}"] if len(diff) > DIFF_LINES else []
    return [*([f"   {knobs}"] if knobs else []), *diff[:DIFF_LINES], *more]
