"""The texts of a run's variants, small enough to lie in the page: there any two can be compared.

Most variants differ from another in a few lines. So every different line is kept once, and a file is a list of
stretches of that list: (first, how many). The k-th occurrence of a line counts as a line of its own,
or else every empty line would end a stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wolf.reading.records import Run
from wolf.reading.terminal import safe
from wolf.reading.tree import trunk

MOST_BYTES = 1_200_000


def archive(run: Run) -> dict[str, Any]:
    """`{lines, files, variants}` for the page's script; as many variants as fit, the most interesting first.

    `files`: text hash -> stretches, `variants`: id -> {path: text hash}.
    """
    if run.read is None:
        return {"lines": [], "files": {}, "variants": {}}
    places: dict[tuple[str, int], int] = {}
    lines: list[str] = []
    files: dict[str, list[int]] = {}
    variants: dict[str, dict[str, str]] = {}
    size = 0
    for id in _order(run):
        texts = run.variants[id].texts
        known, before = [digest[:12] for digest in texts.values()], len(lines)
        if not all(digest in files for digest in known):
            bodies = run.files(id)
            for path, digest in zip(texts, known, strict=True):
                files.setdefault(digest, _stretches(bodies[path], places, lines))
                size += 7 * len(files[digest])
        size += sum(len(text) + 4 for text in lines[before:]) + 24 * (len(texts) + 1)
        if size > MOST_BYTES:
            break
        variants[id] = dict(zip(texts, known, strict=True))
    used = {digest for paths in variants.values() for digest in paths.values()}
    return {
        "lines": lines,
        "files": {digest: runs for digest, runs in files.items() if digest in used},
        "variants": variants,
    }


def restored(kept: dict[str, Any], id: str) -> dict[str, list[str]]:
    """The lines of each file of a variant, as the page's script reads them."""
    found: dict[str, list[str]] = {}
    for path, digest in kept["variants"][id].items():
        runs = kept["files"][digest]
        pairs = zip(runs[::2], runs[1::2], strict=True)
        found[path] = [text for first, count in pairs for text in kept["lines"][first : first + count]]
    return found


def _order(run: Run) -> Sequence[str]:
    """Seed and champion, the champion's line, the others best first, then those without a score."""
    best = [run.champion] if run.champion else []
    return [*dict.fromkeys((run.header.seed_variant, *best, *reversed(trunk(run)), *run.ranking(), *run.variants))]


def _stretches(text: str, places: dict[tuple[str, int], int], lines: list[str]) -> list[int]:
    seen: dict[str, int] = {}
    found: list[int] = []
    for row in safe(text).removesuffix("\n").split("\n"):
        seen[row] = seen.get(row, 0) + 1
        place = places.setdefault((row, seen[row]), len(lines))
        if place == len(lines):
            lines.append(row)
        if found and found[-2] + found[-1] == place:
            found[-1] += 1
        else:
            found += [place, 1]
    return found
