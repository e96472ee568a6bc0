"""What a ledger holds: which kinds of events, and where its variants and evaluations are."""

from __future__ import annotations

from array import array

from population.catalogue import Catalogue


class Contents:
    """A fold over its events.

    Attributes:
        kinds: of events.
        variants: id of a variant -> seq of its event.
        told: seq of each `told` event, in order.
        finished: whether the run is at its end, and was not opened again.
    """

    def __init__(self) -> None:
        """It is empty."""
        self.kinds: set[str] = set()
        self.variants = Catalogue()
        self.told = array("q")
        self.finished = False

    def note(self, kind: str, seq: int, variant: str) -> None:
        """One more event; `variant` is the id in a `variant` event."""
        self.kinds.add(kind)
        if kind == "variant":
            self.variants.add(variant, seq)
        elif kind == "told":
            self.told.append(seq)
        elif kind in ("finished", "reopened"):
            self.finished = kind == "finished"
