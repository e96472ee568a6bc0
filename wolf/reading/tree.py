"""Who came from whom, as a tree that stays narrow: the champion's line is the trunk, everything else hangs off it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wolf.reading.records import Run

DEEPEST = 24  # characters of indent; what grows further out stays in the last column


class Branch(NamedTuple):
    """One line of the drawing: what stands left of the variant, and how many of its children are hidden."""

    indent: str
    variant: str
    hidden: int


def grow(run: Run, *, everything: bool = False) -> Iterator[Branch]:
    """The variants by first parent, in the order they were proposed.

    Unless `everything`, only those that were kept for a time (admitted or crowned) and their ancestors.
    """
    stem = set(trunk(run))
    shown = set(run.variants) if everything else kept(run) | stem
    children: dict[str | None, list[str]] = {}
    for id, proposal in run.variants.items():
        parent = next(iter(proposal.parents), None)
        children.setdefault(parent if parent in run.variants else None, []).append(id)
    stack = [(id, "") for id in reversed(children.get(None, []))]
    while stack:
        id, indent = stack.pop()
        born = children.get(id, [])
        visible = [child for child in born if child in shown]
        yield Branch(indent, id, len(born) - len(visible))
        heir = next((child for child in visible if child in stem), None)
        if heir is not None:  # stays in the trunk's column, below its siblings
            stack.append((heir, indent))
        inner = (indent + "│ ")[:DEEPEST]
        stack += [(child, inner) for child in reversed(visible) if child != heir]


def trunk(run: Run) -> list[str]:
    """Ids of the champion's line, the oldest first; [] before the first score."""
    return [proposal.id for proposal in run.lineage(run.champion)] if run.champion else []


def kept(run: Run) -> set[str]:
    """Ids of those that were admitted or crowned, and of all their ancestors."""
    found = {run.header.seed_variant}
    for told in run.told:
        if told.outcome in ("admitted", "crowned"):
            here: str | None = told.variant
            while here is not None and here in run.variants and here not in found:
                found.add(here)
                here = next(iter(run.variants[here].parents), None)
    return found
