"""Structural perturbations: statements of Python files, sentences of texts, and numbers that are not knobs.

YAML, JSON and TOML have no structure worth shuffling, and code of other languages is not understood here; their knobs
are enough. All operators are pure, given the state of `rng`; they return None when they find nothing to do, and
otherwise files that differ from the genome's and still parse where those did.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from population import blocks, frames, prose, sentences
from population.genome import Genome, fill
from population.knobs import Space, define
from population.literals import dialect, write
from population.python_source import is_seed
from population.ranges import Range
from population.readers import parses, read

_TRIES = 8
_STEP = 0.25  # standard deviation of a step of a number, on its unit scale
_Change = Callable[[str, random.Random], tuple[str, str] | None]


@dataclass(frozen=True, slots=True)
class Edit:
    """Changed files.

    Attributes:
        files: all files of the variant, path -> text.
        note: what was changed where, in one line.
    """

    files: dict[str, str]
    note: str


def arrangeable(path: str) -> bool:
    """Whether a file has statements or sentences that the operators below can change."""
    return dialect(path) in ("python", "text")


def swap(genome: Genome, rng: random.Random) -> Edit | None:
    """Swaps two neighbouring statements of a block, or two neighbouring sentences."""
    return _edit(genome, rng, blocks.swap, sentences.swap)


def drop(genome: Genome, rng: random.Random) -> Edit | None:
    """Drops a statement or a sentence."""
    return _edit(genome, rng, blocks.drop, sentences.drop)


def double(genome: Genome, rng: random.Random) -> Edit | None:
    """Repeats a statement. Nobody wants to read a sentence twice."""
    return _edit(genome, rng, blocks.double, None)


def move(genome: Genome, rng: random.Random) -> Edit | None:
    """Moves a sentence."""
    return _edit(genome, rng, None, sentences.move)


def trim(genome: Genome, rng: random.Random) -> Edit | None:
    """Says something in a text shorter."""
    return _edit(genome, rng, None, prose.trim)


def turn(genome: Genome, rng: random.Random) -> Edit | None:
    """Moves a clause to the other end of its sentence."""
    return _edit(genome, rng, None, prose.turn)


def borrow(genome: Genome, mate: Genome, rng: random.Random) -> Edit | None:
    """Takes a sentence of a mate's text in place of the one it is most like."""
    files, outlines, others = genome.files(), genome.outlines(), mate.outlines()
    for path in rng.sample([*files], len(files)):
        if dialect(path) == "text" and (changed := prose.borrow(outlines[path], others.get(path, ""), rng)) is not None:
            text, note = (fill(part, genome.literals()) for part in changed)
            return Edit({**files, path: text}, f"{path} {note}")
    return None


def reframe(genome: Genome, space: Space, rng: random.Random) -> Edit | None:
    """Puts the slots of a text together by another template; slots that it does not have yet are drawn."""
    files, literals = genome.files(), genome.literals()
    for path in rng.sample([*space.frames], len(space.frames)):
        template = rng.choice(space.frames[path])
        choices = {name: [str(choice) for choice in space[name].choices] for name in frames.slots(template)}
        texts = {name: literals[name] if name in literals else rng.choice(some) for name, some in choices.items()}
        text = frames.filled(template, texts)
        if text != files.get(path) and frames.read(text, choices) == texts:
            return Edit({**files, path: text}, f"{path} written as {template!r}")
    return None


def number(genome: Genome, space: Space, rng: random.Random) -> Edit | None:
    """Changes a number or boolean of the code that is no knob, as `nudge` would if it were one.

    Constants (they are knobs, or a person has fixed them) and random seeds are left alone.
    """
    files = genome.files()
    sites = [
        (path, site)
        for path, text in files.items()
        for site in (read(path, text) if dialect(path) == "python" else ())
        if not (site.named or site.dull or site.comment or is_seed(site.name)) and space.at(path, site.name) is None
    ]
    for path, site in rng.sample(sites, len(sites))[:_TRIES]:
        guess = Range.guess(site.value, site.power)
        if guess.fixed:
            continue
        knob = define(site.name, site.value, guess, path)
        value = knob.others(site.value)[0] if knob.categorical else knob.moved(site.value, rng.gauss(0.0, _STEP))
        text = files[path]
        old = text[site.start : site.end]
        new = write(value, "python", old, site.power)
        changed = text[: site.start] + new + text[site.end :]
        if parses(path, changed):
            return Edit({**files, path: changed}, f"{path} line {site.line}: {old} -> {new}")
    return None


def _edit(genome: Genome, rng: random.Random, code: _Change | None, prose: _Change | None) -> Edit | None:
    files, outlines, literals = genome.files(), genome.outlines(), genome.literals()
    for path in rng.sample([*files], len(files)):
        language = dialect(path)
        if language == "python" and code is not None:
            changed = code(files[path], rng)
        elif language == "text" and prose is not None:
            changed = prose(outlines[path], rng)
        else:
            continue
        if changed is not None:
            text, note = fill(changed[0], literals), fill(changed[1], literals)
            return Edit({**files, path: text}, f"{path} {note}")
    return None
