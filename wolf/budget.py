"""Budgets: how much a run may spend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits on a search; whichever is reached first ends it. The confirmation afterwards is extra, and announced.

    Attributes:
        evaluations: evaluations, repeats included; None for no limit.
        seconds: wall-clock seconds that the run is active, pauses between stop and resume not counted; None for none.
    """

    evaluations: int | None
    seconds: float | None

    def allows(self, asked: int, active: float) -> bool:
        """Whether another evaluation may be asked for after `asked` ones and `active` seconds."""
        return (self.evaluations is None or asked < self.evaluations) and (
            self.seconds is None or active < self.seconds
        )
