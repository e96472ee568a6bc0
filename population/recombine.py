"""Children of several parents: a three-way merge, a crossover of knobs, a joining of near misses."""

from __future__ import annotations

import random
from collections.abc import Sequence

from merge3 import Merge3

from population.genome import Genome, fill
from population.literals import Value
from population.readers import parses

_TRIES = 4


def merge(base: Genome, ours: Genome, theirs: Genome, rng: random.Random) -> dict[str, str] | None:
    """What two variants changed since their common ancestor, in one.

    A knob that one side changed is taken from that side, one that both changed from a random one. The rest is merged
    by lines, and a conflict is settled by a random side. The result parses if both sides do.

    Returns:
        The files, or None if they would be those of `ours` or `theirs`.
    """
    literals = _literals(base, ours, theirs, rng)
    before, left, right = base.outlines(), ours.outlines(), theirs.outlines()
    files = {}
    for path in sorted({*left, *right}):
        if path not in left or path not in right:
            files[path] = fill(left.get(path) or right.get(path, ""), literals)
            continue
        for _ in range(_TRIES):
            outline = _merged(before.get(path, ""), left[path], right[path], rng)
            files[path] = fill(outline, literals)
            if outline in (left[path], right[path]) or parses(path, files[path]):
                break
        else:
            files[path] = fill(left[path], literals)
    return None if files in (ours.files(), theirs.files()) else files


def cross(a: Genome, b: Genome, rng: random.Random) -> Genome | None:
    """Uniform crossover: each knob in which two genomes differ comes from either, at least one from each.

    Returns:
        The child, with the skeleton of `a`, or None if the parents differ in fewer than two knobs.
    """
    theirs = b.values
    differing = [name for name, value in a.values.items() if name in theirs and theirs[name] != value]
    if len(differing) < 2:
        return None
    rng.shuffle(differing)
    taken = [name for name in differing[2:] if rng.random() < 0.5]
    return a.replace({name: theirs[name] for name in [differing[0], *taken]})


def join(base: Genome, others: Sequence[Genome]) -> Genome | None:
    """All knob changes of several near misses, each relative to `base`, at once; where two disagree the first wins.

    Returns:
        The child, or None if it would be `base` or one of `others`.
    """
    present = base.values
    turned: dict[str, Value] = {}
    for other in others:
        for name, value in other.values.items():
            if name in present and present[name] != value:
                turned.setdefault(name, value)
    child = base.replace(turned)
    return None if child == base or child in others else child


def _literals(base: Genome, ours: Genome, theirs: Genome, rng: random.Random) -> dict[str, str]:
    """The text of every knob, from the side that changed it."""
    old, mine, yours = base.values, ours.values, theirs.values
    literals = {**theirs.literals(), **ours.literals()}
    for name, text in theirs.literals().items():
        if name in mine and mine[name] != yours[name]:
            unchanged = old.get(name)
            if unchanged == mine[name] or (unchanged != yours[name] and rng.random() < 0.5):
                literals[name] = text
    return literals


def _merged(before: str, left: str, right: str, rng: random.Random) -> str:
    if left == right or before == right:
        return left
    if before == left:
        return right
    ancestor, mine, yours = (text.splitlines(keepends=True) for text in (before, left, right))
    lines: list[str] = []
    for group in Merge3(ancestor, mine, yours).merge_groups():
        lines += group[rng.choice((2, 3))] if group[0] == "conflict" else group[1]
    return "".join(lines)
