"""What differs between two variants: the knobs, and the lines."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from wolf.reading.records import Run
from wolf.reading.rows import Gain
from wolf.reading.terminal import line

if TYPE_CHECKING:
    from population.genome import Genome
    from population.knobs import Space

FEW = 6  # knobs named in a line, before "and n more"
SENTENCES = 3  # named in a line, of those dropped and of the new ones
PROSE = (".txt", ".md")  # files that are texts for readers
LONGEST = 36  # characters of a value in a line; choices of a text may be sentences

Files = Mapping[str, str]
Changes = Mapping[str, tuple[Any, Any]]


class Difference(NamedTuple):
    """What changed from one variant to another.

    Attributes:
        old: id of the one.
        new: id of the other.
        changes: knobs with other values, name -> (old, new).
        gain: by how much search scores put the new one ahead; None where one has no score.
        lines: a unified diff of the files, as the candidates wrote them: not safe to print as it is.
    """

    old: str
    new: str
    changes: Changes
    gain: Gain | None
    lines: str


def between(run: Run, old: str, new: str) -> Difference:
    """What changed from `old` to `new`, which are ids."""
    before, after = run.files(old), run.files(new)
    return Difference(old, new, knob_changes(run, before, after), run.gain(new, old), line_diff(before, after))


def line_diff(old: Files, new: Files, *, context: int = 3) -> str:
    """A unified diff over all files, `git apply`-able; empty when nothing differs. Candidates' text, not made safe."""
    parts: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        names = (f"a/{path}" if before is not None else "/dev/null", f"b/{path}" if after is not None else "/dev/null")
        lines = difflib.unified_diff(_lines(before), _lines(after), *names, n=context)
        parts += (row if row.endswith("\n") else row + "\n\\ No newline at end of file\n" for row in lines)
    return "".join(parts)


def knob_changes(run: Run, old: Files, new: Files) -> Changes:
    """The knobs that have different values in `old` and `new`: name -> (old value, new value), in the file's order."""
    from population.genome import Genome

    space = space_of(run)
    return _differing(Genome.of(old, space), Genome.of(new, space))


def _differing(old: Genome, new: Genome) -> Changes:
    before, after = old.values, new.values
    return {name: (before[name], after[name]) for name in before if name in after and before[name] != after[name]}


def at_an_end(run: Run, changes: Changes) -> Changes:
    """Those that took a number to an end of its range, where a wider one may hold more; 0 and 1 are ends by nature."""
    space = space_of(run)
    ends = {name: (space[name].low, space[name].high) for name in changes if not space[name].categorical}
    return {name: changes[name] for name in ends if (new := changes[name][1]) in ends[name] and new not in (0, 1)}


def space_of(run: Run) -> Space:
    """The knobs that a run turns.

    Raises:
        UsageError: if its texts are not at hand.
    """
    from population.knobs import Space

    overrides = run.header.config.get("target", {}).get("knobs") or {}
    return Space.of(run.files(run.header.seed_variant), overrides)


def describe(changes: Changes, most: int | None = None) -> str:
    """`LR 0.02 → 0.013, DEPTH 4 → 6`, the first `most` of them `and 2 more`; candidates' text, not made safe."""
    said = ", ".join(f"{name} {_brief(old)} → {_brief(new)}" for name, (old, new) in islice(changes.items(), most))
    return f"{said} and {len(changes) - most} more" if most is not None and len(changes) > most else said


def from_seed(run: Run, id: str, most: int | None = FEW) -> str:
    """What tells `id` from the seed, in a harmless line: `most` of its knobs; first what else differs.

    Of a text that is what became of its sentences; of a program, and of a text's first step, its last note, and whether
    other steps went before it.

    Empty for the seed itself, and for a variant that differs from it in layout only.
    """
    from population import genome

    if id == run.header.seed_variant:
        return ""
    space = space_of(run)
    seed, here = (genome.Genome.of(run.files(known), space) for known in (run.header.seed_variant, id))
    knobs = describe(_differing(seed, here), most)
    if seed.skeleton_id == here.skeleton_id:
        return line(knobs)
    note, parents = run.variants[id].note, run.variants[id].parents
    if tuple(parents) != (run.header.seed_variant,) and all(path.endswith(PROSE) for path in here.shape.files):
        return line(", ".join(filter(None, (_sentences(seed, here), knobs))))
    for parent in parents[:1]:
        if parent in run.variants:
            before = genome.Genome.of(run.files(parent), space)
            note = "other lines" if note == genome.describe(genome.changes(before, here)) else note
            if note != "other lines" and before.skeleton_id not in (seed.skeleton_id, here.skeleton_id):
                note += ", after other changes"
    return line(", ".join(filter(None, (note, knobs))))


def _sentences(seed: Genome, here: Genome) -> str:
    """Which sentences were dropped, are new, or stand elsewhere; the whole text where none is as it was."""
    from population.genome import CLOSE, OPEN
    from population.sentences import quote, split

    def plain(part: str) -> str:
        return quote(part.replace(OPEN, "{").replace(CLOSE, "}"))

    texts = [dict(sorted(one.outlines().items())) for one in (seed, here)]
    before, after = ([part for text in files.values() for part in split(text)[0]] for files in texts)
    gone, new = ([part for part in one if part not in other] for one, other in ((before, after), (after, before)))
    if len(gone) == len(before):
        return f"written as {plain(' '.join(after))}"
    said = [f"{what} {plain(part)}" for what, some in (("dropped", gone), ("new", new)) for part in some[:SENTENCES]]
    said += [f"{len(some) - SENTENCES} more {what}" for what, some in (("dropped", gone), ("new", new))
             if len(some) > SENTENCES]  # fmt: skip
    moved = [part for part in before if part not in gone] != [part for part in after if part not in new]
    return ", ".join([*said, *(["sentences moved"] if moved else [])]) or "layout"


def value(knob: Any) -> str:
    """A knob's value as a person writes it; `(none)` where a variant has none, because its template leaves it out."""
    if knob is None:
        return "(none)"
    return f"{knob:.4g}" if isinstance(knob, float) else str(knob)


def _brief(knob: Any) -> str:
    text = value(knob)
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def _lines(text: str | None) -> list[str]:
    """Split at newlines only: `splitlines` would also split at form feeds and U+2028, which are part of a line."""
    if not text:
        return []
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
