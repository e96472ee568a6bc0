"""What a strategy may ask of somebody who has ideas (see `wolf.llm.proposer`); a strategy works as well without."""

from __future__ import annotations

from typing import Protocol

from population.evaluation import Evaluation
from wolf.strategy.asks import Ask
from wolf.strategy.operators import Draft


class Ideas(Protocol):
    """A stock of drafts that were not made by the operators. `asked` and `told` are part of the strategy's fold."""

    def turn(self, ordinal: int) -> bool:
        """Whether this ask should be one of the ideas, if there are any."""
        ...

    def drafts(self, ordinal: int) -> list[Draft]:
        """Those that nobody has judged yet."""
        ...

    def departures(self, ordinal: int) -> list[Draft]:
        """Those, not among `drafts`, that leave the neighbourhood: where an expedition may start."""
        ...

    def replan(self, evaluations: int | None, seconds: float | None, usd: float | None) -> None:
        """A person has changed the budgets; None is no limit, and of dollars that there are none."""
        ...

    def asked(self, ask: Ask) -> None:
        """An ask is under way."""
        ...

    def told(self, ask: Ask, evaluation: Evaluation, pay: float) -> None:
        """Its evaluation is here, and is worth `pay` to the search, in [0, 1]."""
        ...
