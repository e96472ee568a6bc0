"""The same code twice: comments, layout and how a number is spelt do not make a variant new."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from population.catalogue import Catalogue
from population.evaluation import Evaluation, Status
from population.genome import Genome, fill, reread
from population.knobs import Space
from population.variant import Variant

FORM = 16  # bytes of a normal form
RECENT = 8  # skeletons that the next variant is likely to share
OUTLINES = 512  # skeletons whose parse is remembered


class Forms:
    """Normal forms: digests that variants share if nothing but comments, layout and spelling tells them apart.

    To parse a program takes milliseconds, and a run has many variants that differ in knobs only. So a skeleton is
    parsed once, and the values that fill it one by one.
    """

    def __init__(self, space: Space) -> None:
        """`space` says where the knobs are."""
        self._space = space
        self._recent: dict[str, Genome] = {}  # by skeleton, the latest last
        self._outlines: dict[str, bytes] = {}  # by skeleton

    def of(self, files: Mapping[str, str]) -> bytes:
        """The normal form of some files."""
        genome = self._genome(files)
        digest = hashlib.sha256(self._outlines[genome.skeleton_id])
        for hole, text in zip(genome.shape.holes, genome.literals().values(), strict=True):
            said = _literal(text) if hole.dialect == "python" else text
            digest.update(f"{hole.knob.name}\0{said}\0".encode("utf-8", "surrogatepass"))
        return digest.digest()[:FORM]

    def _genome(self, files: Mapping[str, str]) -> Genome:
        alike = (reread(files, like) for like in reversed(self._recent.values()))
        genome = next(filter(None, alike), None) or Genome.of(files, self._space)
        self._recent.pop(genome.skeleton_id, None)
        self._recent[genome.skeleton_id] = genome
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        if genome.skeleton_id not in self._outlines:
            if len(self._outlines) == OUTLINES:
                del self._outlines[next(iter(self._outlines))]
            self._outlines[genome.skeleton_id] = _outline(genome)
        return genome


def _outline(genome: Genome) -> bytes:
    """A digest of everything but the knobs' values."""
    names = {name: f"_knob_{number}_" for number, name in enumerate(genome.shape.index)}
    digest = hashlib.sha256()
    for path, text in genome.outlines().items():
        digest.update(f"{path}\0{_plain(path, fill(text, names))}\0".encode("utf-8", "surrogatepass"))
    return digest.digest()


@lru_cache(maxsize=512)
def _literal(text: str) -> str:
    return _plain(".py", text)


def _plain(path: str, text: str) -> str:
    if path.endswith(".py"):
        try:
            return ast.dump(ast.parse(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


class Sameness:
    """Knows what was asked before in one run."""

    def __init__(self, judge: str, space: Space, before: Iterable[Variant] = ()) -> None:
        self._judge = judge
        self._forms = Forms(space)
        self._first = Catalogue()  # normal form -> id of the first variant that had it
        for variant in before:
            self._first.setdefault(self._forms.of(variant.files), int(variant.id, 16))

    def verdict(self, variant: Variant, seed: int) -> Evaluation | None:
        """None for a variant that is new or was itself asked before; for one in disguise, what to say instead."""
        first = f"{self._first.setdefault(self._forms.of(variant.files), int(variant.id, 16)):012x}"
        if first == variant.id:
            return None
        said = f"the same code as {first} but for comments and layout, so it was not evaluated again"
        return Evaluation(variant.id, self._judge, Status.INVALID, feedback=said, seed=seed)
