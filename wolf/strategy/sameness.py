"""The same code twice: comments, layout and how a number is spelt do not make a variant new."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import lru_cache

from population.catalogue import Catalogue
from population.evaluation import Evaluation, Status
from population.genome import Genome, fill, reread
from population.knobs import Space
from population.literals import Value
from population.pool import Population
from population.variant import Variant

FORM = 16  # bytes of a normal form
RECENT = 8  # skeletons that the next variant is likely to share
OUTLINES = 128  # skeletons whose parse is remembered


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
        return self.of_genome(self._genome(files))

    def of_genome(self, genome: Genome) -> bytes:
        """The normal form of a variant's files."""
        if genome.skeleton_id not in self._outlines:
            if len(self._outlines) == OUTLINES:
                del self._outlines[next(iter(self._outlines))]
            self._outlines[genome.skeleton_id] = _outline(genome)
        parts: list[str] = []
        for hole, value in zip(genome.shape.holes, genome.settings, strict=True):
            text = hole.render(value)
            parts += (hole.knob.name, _literal(text, value) if hole.dialect == "python" else text)
        said = "".join(f"{part}\0" for part in parts).encode("utf-8", "surrogatepass")
        return hashlib.sha256(self._outlines[genome.skeleton_id] + said).digest()[:FORM]

    def _genome(self, files: Mapping[str, str]) -> Genome:
        alike = (reread(files, like) for like in reversed(self._recent.values()))
        genome = next(filter(None, alike), None) or Genome.of(files, self._space)
        self._recent.pop(genome.skeleton_id, None)
        self._recent[genome.skeleton_id] = genome
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return genome


def _outline(genome: Genome) -> bytes:
    """A digest of everything but the knobs' values."""
    names = {name: f"_knob_{number}_" for number, name in enumerate(genome.shape.index)}
    digest = hashlib.sha256()
    for path, text in genome.outlines().items():
        digest.update(f"{path}\0{_plain(path, fill(text, names))}\0".encode("utf-8", "surrogatepass"))
    return digest.digest()


def _literal(text: str, value: Value) -> str:
    """What `_plain` says of a literal; a number as it is always written needs no parser."""
    if isinstance(value, int | float) and text == repr(value) and text[0] != "-":
        return text.join(_AROUND)
    return _parsed(text)


@lru_cache(maxsize=512)
def _parsed(text: str) -> str:
    return _plain(".py", text)


def _plain(path: str, text: str) -> str:
    if path.endswith(".py"):
        try:
            return ast.dump(ast.parse(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


_AROUND = _plain(".py", "7").split("7")


class Sameness:
    """Knows what was asked before in one run.

    Of what earlier sessions asked it knows no normal forms: whose knobs stand elsewhere is not the same, and of the
    few whose knobs stand where those of a new one do, the texts are read.
    """

    def __init__(self, judge: str, population: Population, seed_variant: Variant) -> None:
        """The seed variant counts as asked."""
        self._judge = judge
        self._population = population
        self._forms = Forms(population.space)
        self._first = Catalogue()  # normal form -> id of the first variant that had it
        self._first.setdefault(self._forms.of(seed_variant.files), int(seed_variant.id, 16))
        self._earlier: list[str] = []
        self._places: dict[bytes, list[str]] = {}  # of those that earlier sessions asked, in order

    def asked(self, variant: str) -> None:
        """An earlier session asked for this variant, for the first time."""
        self._earlier.append(variant)

    def verdict(self, variant: Variant, seed: int) -> Evaluation | None:
        """None for a variant that is new or was itself asked before; for one in disguise, what to say instead.

        The population expects the variant, or knows it.
        """
        form = self._forms.of(variant.files)
        known = self._first.get(form)
        if known is None:
            alike = (old for old in self._alike(variant.id) if old == variant.id or self._form(old) == form)
            known = self._first.setdefault(form, int(next(alike, variant.id), 16))
        if (first := f"{known:012x}") == variant.id:
            return None
        said = f"the same as {first} but for comments and layout, so it was not evaluated again"
        return Evaluation(variant.id, self._judge, Status.INVALID, feedback=said, seed=seed)

    def _alike(self, variant: str) -> list[str]:
        for earlier in self._earlier:
            self._places.setdefault(self._population.place(earlier), []).append(earlier)
        self._earlier.clear()
        return self._places.get(self._population.place(variant), [])

    def _form(self, variant: str) -> bytes:
        return self._forms.of(self._population.variant(variant).files)
