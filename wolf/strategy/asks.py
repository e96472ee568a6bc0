"""What a strategy asks to have evaluated, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from population.admission import Admission
from population.evaluation import Evaluation
from population.genome import Genome, Heir
from population.pool import Population
from population.variant import Variant
from wolf.strategy.escape import Escape, Expedition
from wolf.strategy.gate import Crowning

if TYPE_CHECKING:
    from wolf.strategy.ideas import Ideas


class Purpose(StrEnum):
    """Why an evaluation was asked for."""

    BASELINE = "baseline"  # the seed variant, to know where we stand and how noisy the judge is
    SURVEY = "survey"  # wide departures from the seed before there is a model
    DEPARTURE = "departure"  # an unscreened random departure: keeps the model honest
    HUNT = "hunt"  # the most promising of many proposals
    REPLICATE = "replicate"  # another reading of a contender, on another seed
    EXPEDITION = "expedition"  # part of an escape
    STEP = "step"  # a step of a baseline strategy
    PERSON = "person"  # a variant that a person has put in
    CONFIRM = "confirm"  # fresh seeds after the search; not counted in its budget


class Ask(Struct, frozen=True):
    """One evaluation to be made.

    Attributes:
        ordinal: 0, 1, 2, ... in the order of asking.
        variant: what to evaluate.
        seed: the judge's seed.
        purpose: why.
        expedition: id of the expedition it belongs to.
        launch: (kind, origin id) if this ask starts that expedition.
        changes: knob -> (value in the first parent, value here).
        predicted: the surrogate's (mean, sigma) of the loss, where it was asked.
        model: hyperparameters that the surrogate learned for this ask, so that a resumed run need not learn them again.
        genome: the variant's genome where it is known; spares a parse, is not stored.
        beside: the champion when it was asked for; follows from the state, is not stored.
    """

    ordinal: int
    variant: Variant
    seed: int
    purpose: Purpose
    expedition: int | None = None
    launch: tuple[str, str] | None = None
    changes: Mapping[str, tuple[Any, Any]] = {}
    predicted: tuple[float, float] | None = None
    model: tuple[float, ...] | None = None
    genome: Genome | Heir | None = None
    beside: str | None = None


class Outcome(Struct, frozen=True):
    """What came of an ask: the population's answer, a new champion if there is one, an expedition that changed."""

    admission: Admission
    crowning: Crowning | None = None
    expedition: Expedition | None = None


class Strategy(Protocol):
    """How to search. `ask` decides and changes nothing; `asked` and `told` are the fold that a resume replays."""

    population: Population
    escape: Escape
    ideas: Ideas | None

    @property
    def champion(self) -> str | None:
        """Id of the variant it would hand over now."""
        ...

    def ask(self, ordinal: int) -> Ask | None:
        """What to evaluate next; None if nothing new can be made. A pure function of the state and the ordinal."""
        ...

    def asked(self, ask: Ask) -> None:
        """An ask is under way."""
        ...

    def told(self, ask: Ask, evaluation: Evaluation) -> Outcome:
        """Its evaluation is here."""
        ...

    def replan(self, evaluations: int | None, seconds: float | None, usd: float | None) -> None:
        """A person has changed the budgets; None is no limit, and of dollars that there are none."""
        ...

    def steered(self) -> Expedition | None:
        """A person has changed who may be a parent. Returns the expedition that comes home for it, if one does."""
        ...
