"""Genomes: the files of a variant as the values of its knobs and a skeleton with holes where they stood.

Genomes that differ only in knobs share one skeleton, so a population costs little more than its numbers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from msgspec import Struct

from population.knobs import Knob, Space
from population.literals import Value, dialect, write
from population.readers import read, slot
from population.variant import text_hash

OPEN, CLOSE = "\ue000", "\ue001"  # private-use characters: no keyboard writes them
WRITTEN = 512  # values whose text is remembered: older ones are hardly met again
_HOLE = re.compile(f"{OPEN}([^{OPEN}{CLOSE}]*){CLOSE}")


@dataclass(frozen=True, slots=True)
class Hole:
    """Where a knob's literal stood.

    Attributes:
        knob: its definition.
        value: the value that was read there.
        text: the literal that was read there, so that an untouched knob stays as its author wrote it.
        dialect: how a new value is written.
    """

    knob: Knob
    value: Value
    text: str
    dialect: str

    def render(self, value: Value) -> str:
        """The text of a value in this hole."""
        if value == self.value:
            return self.text
        make = _written if value else write  # the cache cannot tell 0.0 from -0.0
        return make(value, self.dialect, self.text, self.knob.power)


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """Everything of some files that is not a knob.

    Attributes:
        files: path -> the pieces of text around its holes, one more than it has holes.
        holes: all holes, file by file.
        index: knob name -> its position in `holes`.
        id: hash of the pieces and the knobs' names.
    """

    files: Mapping[str, tuple[str, ...]]
    holes: tuple[Hole, ...]
    index: Mapping[str, int]
    id: str


@dataclass(frozen=True, slots=True, eq=False)
class Genome:
    """A variant's files under a space. Two genomes are equal if their skeletons and values are.

    Attributes:
        shape: the skeleton, shared with every genome made by `replace`.
        settings: the knobs' values, in the order of the skeleton's holes.
    """

    shape: Skeleton
    settings: tuple[Value, ...]

    @staticmethod
    def of(files: Mapping[str, str], space: Space, like: Genome | None = None) -> Genome:
        """Reads files. What does not parse has no knobs and is all skeleton; nothing raises.

        Args:
            files: path -> text.
            space: the run's knobs.
            like: a genome (a parent) that may differ in knobs only; if so, its skeleton is shared and nothing is
                parsed, which is a hundred times faster.
        """
        same = None if like is None else reread(files, like)
        if same is not None:
            return same
        pieces: dict[str, tuple[str, ...]] = {}
        holes: list[Hole] = []
        for path in sorted(files):
            text, position = files[path], 0
            parts: list[str] = []
            for start, end, hole in _holes(path, text, space):
                parts.append(text[position:start])
                holes.append(hole)
                position = end
            pieces[path] = (*parts, text[position:])
        names = [hole.knob.name for hole in holes]
        body = json.dumps([[*pieces.items()], names], ensure_ascii=False)
        digest = hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        index = {name: i for i, name in enumerate(names)}
        return Genome(Skeleton(pieces, tuple(holes), index, digest), tuple(hole.value for hole in holes))

    @property
    def values(self) -> dict[str, Value]:
        """Knob name -> value, for the knobs that are there. A fresh dict."""
        return dict(zip(self.shape.index, self.settings, strict=True))

    @property
    def skeleton(self) -> str:
        """The files in one text, each under its path, with holes (`OPEN name CLOSE`) for the knobs."""
        return "".join(f"{path}\n{text}\n" for path, text in self.outlines().items())

    @property
    def skeleton_id(self) -> str:
        """Hash of the skeleton."""
        return self.shape.id

    def outlines(self) -> dict[str, str]:
        """Path -> text with holes."""
        return self.filled([f"{OPEN}{name}{CLOSE}" for name in self.shape.index])

    def files(self) -> dict[str, str]:
        """Path -> text."""
        return self.filled([*self.literals().values()])

    def literals(self) -> dict[str, str]:
        """Knob name -> the text of its value."""
        holes = zip(self.shape.index, self.shape.holes, self.settings, strict=True)
        return {name: hole.render(value) for name, hole, value in holes}

    def replace(self, values: Mapping[str, Value]) -> Genome:
        """The same files with other values of some knobs. Splices; does not parse.

        Raises:
            KeyError: for a knob that this genome does not have.
            ValueError: for a value that is none of the knob's.
        """
        settings = list(self.settings)
        for name, value in values.items():
            i = self.shape.index[name]
            new = self.shape.holes[i].knob.accept(value)
            if new is None:
                raise ValueError(f"knob {name} cannot be {value!r}")
            settings[i] = new
        return Genome(self.shape, tuple(settings))

    def filled(self, fillings: Sequence[str]) -> dict[str, str]:
        """Path -> text with these in its holes."""
        texts: dict[str, str] = {}
        position = 0
        for path, pieces in self.shape.files.items():
            parts = [""] * (2 * len(pieces) - 1)
            parts[::2] = pieces
            parts[1::2] = fillings[position : position + len(pieces) - 1]
            position += len(pieces) - 1
            texts[path] = "".join(parts)
        return texts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Genome):
            return NotImplemented
        return self.shape.id == other.shape.id and self.settings == other.settings

    def __hash__(self) -> int:
        return hash((self.shape.id, self.settings))


_written = lru_cache(maxsize=WRITTEN, typed=True)(write)


class Heir(Struct, frozen=True):
    """A child that is its parent (by id) but for the values of some knobs."""

    parent: str
    values: Mapping[str, Value]


def heir(parent: str, base: Genome, values: Mapping[str, Value | None], hashes: Mapping[str, str]) -> Heir | None:
    """The child of a parent whose files have these hashes (path -> `text_hash`), without the files.

    Args:
        parent: its id.
        base: its genome.
        values: what the child sets knobs to that differ, as somebody says; None takes one away.
        hashes: of all the child's files.

    Returns:
        None if more tells it from its parent.
    """
    texts, own = list(_literals(base)), dict[str, Value]()
    for name, said in values.items():
        place = base.shape.index.get(name)
        value = None if place is None or said is None else base.shape.holes[place].knob.accept(said)
        if place is None or value is None:
            return None
        texts[place], own[name] = base.shape.holes[place].render(value), value
    for path, text in base.filled(texts).items():
        if hashes.get(path) != text_hash(text):
            return None
    return Heir(parent, own) if len(hashes) == len(base.shape.files) else None


@lru_cache(maxsize=256)
def _literals(genome: Genome) -> tuple[str, ...]:
    return tuple(genome.literals().values())


def _holes(path: str, text: str, space: Space) -> list[tuple[int, int, Hole]]:
    """The holes of one file in order; a slot goes before a literal that it overlaps."""
    found: list[tuple[int, int, Hole]] = []
    slots: list[tuple[int, int]] = []
    for name, slot_path in space.slots.items():
        if slot_path == path and (match := slot(text, space[name].choices)) is not None:
            start, end, chosen = match
            if all(end <= other_start or other_end <= start for other_start, other_end in slots):
                found.append((start, end, Hole(space[name], chosen, text[start:end], "text")))
                slots.append((start, end))
    language = dialect(path)
    for site in read(path, text, space.inside):
        knob = space.at(path, site.name)
        value = None if knob is None else knob.accept(site.value)
        if knob is None or value is None or any(site.start < end and start < site.end for start, end in slots):
            continue
        found.append((site.start, site.end, Hole(knob, value, text[site.start : site.end], language)))
    return sorted(found, key=lambda item: item[0])


def reread(files: Mapping[str, str], like: Genome) -> Genome | None:
    """`files` as `like` with other values; None unless they are exactly that, as `write` writes it."""
    if files.keys() != like.shape.files.keys():
        return None
    settings: list[Value] = []
    for path, pieces in like.shape.files.items():
        text = files[path]
        if not text.startswith(pieces[0]):
            return None
        position = len(pieces[0])
        for i, piece in enumerate(pieces[1:]):
            end = text.find(piece, position) if piece else len(text)
            if i == len(pieces) - 2:
                end = len(text) - len(piece)
            if end < position:
                return None
            value = _worth(text[position:end], like.shape.holes[len(settings)])
            if value is None:
                return None
            settings.append(value)
            position = end + len(piece)
    genome = Genome(like.shape, tuple(settings))
    return genome if genome.files() == dict(files) else None


def _worth(text: str, hole: Hole) -> Value | None:
    if text == hole.text:
        return hole.value
    knob = hole.knob
    if knob.categorical:
        return next((choice for choice in knob.choices if hole.render(choice) == text), None)
    if knob.power and text.startswith("2**") and text[3:].isdecimal() and len(text) < 6:
        return int(2 ** int(text[3:]))
    try:
        value = knob.accept(int(text) if knob.kind == "int" else float(text))
    except ValueError:
        return None
    return value if value is not None and hole.render(value) == text else None


def fill(outline: str, literals: Mapping[str, str]) -> str:
    """A text with holes, filled; holes without a literal stay."""
    return _HOLE.sub(lambda hole: literals.get(hole[1], hole[0]), outline)


def changes(old: Genome, new: Genome) -> dict[str, tuple[Value | None, Value | None]]:
    """The knobs whose values differ: name -> (old, new), None on the side that does not have the knob."""
    before, after = old.values, new.values
    names = [*before, *(name for name in after if name not in before)]
    return {
        name: (before.get(name), after.get(name))
        for name in names
        if name not in before or name not in after or before[name] != after[name]
    }


def describe(changed: Mapping[str, tuple[Value | None, Value | None]]) -> str:
    """Changes in one line: `LR 0.02 -> 0.013; DEPTH 8 -> 9`."""
    return "; ".join(f"{name} {_show(old)} -> {_show(new)}" for name, (old, new) in changed.items())


def _show(value: Value | None) -> str:
    if value is None:
        return "(none)"
    text = " ".join(str(value).split())
    return text if len(text) <= 40 else text[:37] + "..."
