"""Who may not be a parent: what a person vetoed, and all that descends from it.

A veto of a variant covers its line: the flaw that it was vetoed for is inherited. One that got rid of it can be freed,
and its own line with it. A veto `alone` covers nobody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


class Bars:
    """Vetoes and descent; a fold, like the population that asks it."""

    def __init__(self) -> None:
        """Nobody is barred."""
        self._children: dict[str, list[str]] = {}
        self._vetoed: dict[str, bool] = {}  # variant -> whether its line is barred with it
        self._freed: set[str] = set()
        self._line: set[str] = set()  # those whose children are barred
        self._alone: set[str] = set()

    def __contains__(self, variant: object) -> bool:
        """Whether this variant (by id) is barred."""
        return variant in self._line or variant in self._alone

    def __iter__(self) -> Iterator[str]:
        """Those who are barred."""
        return iter(sorted(self._line | self._alone))

    def born(self, variant: str, parents: Iterable[str]) -> None:
        """A variant descends from these parents; said once of each."""
        parents = tuple(parents)
        for parent in parents:
            self._children.setdefault(parent, []).append(variant)
        if self._line and variant not in self._freed and self.taints(parents):
            self._line.add(variant)

    def children(self, variant: str) -> Sequence[str]:
        """Those born of it."""
        return self._children.get(variant, ())

    def taints(self, parents: Iterable[str]) -> bool:
        """Whether a child of these parents is barred from birth."""
        return any(parent in self._line for parent in parents)

    def veto(self, variant: str, line: bool = True) -> None:
        """Bar a variant, and its line unless told not to."""
        self._freed.discard(variant)
        self._vetoed[variant] = line
        self._settle()

    def free(self, variant: str) -> None:
        """Take a veto back, or exempt a descendant and its line from one."""
        self._vetoed.pop(variant, None)
        self._freed.add(variant)
        self._settle()

    def _settle(self) -> None:
        """Who is barred, from the vetoes and the descent."""
        self._alone = {variant for variant, line in self._vetoed.items() if not line}
        self._line = set()
        reached = [variant for variant, line in self._vetoed.items() if line]
        while reached:
            variant = reached.pop()
            if variant not in self._line and variant not in self._freed:
                self._line.add(variant)
                reached += self._children.get(variant, ())
