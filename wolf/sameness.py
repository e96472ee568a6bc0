"""The same code twice: comments, layout and how a number is spelt do not make a variant new."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping

from population.evaluation import Evaluation, Status
from population.variant import Variant


def normal(files: Mapping[str, str]) -> bytes:
    """A digest that variants share if nothing but comments, layout and spelling tells them apart."""
    digest = hashlib.sha256()
    for name, text in sorted(files.items()):
        digest.update(f"{name}\0{_plain(name, text)}\0".encode("utf-8", "surrogatepass"))
    return digest.digest()[:16]


def _plain(name: str, text: str) -> str:
    if name.endswith(".py"):
        try:
            return ast.dump(ast.parse(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


class Sameness:
    """Knows what was asked before in one run."""

    def __init__(self, judge: str, before: Iterable[Variant] = ()) -> None:
        self._judge = judge
        self._first: dict[bytes, str] = {}
        for variant in before:
            self._first.setdefault(normal(variant.files), variant.id)

    def verdict(self, variant: Variant, seed: int) -> Evaluation | None:
        """None for a variant that is new or was itself asked before; for one in disguise, what to say instead."""
        first = self._first.setdefault(normal(variant.files), variant.id)
        if first == variant.id:
            return None
        said = f"the same code as {first} but for comments and layout, so it was not evaluated again"
        return Evaluation(variant.id, self._judge, Status.INVALID, feedback=said, seed=seed)
