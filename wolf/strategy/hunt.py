"""The strategy `wolf`: screened proposals, random departures, repeated contenders and expeditions.

`Wolf.ask` is the order of precedence; each phase is one method that makes an ask or passes. See docs/search.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from population.evaluation import Evaluation
from population.pool import Population
from population.variant import Variant
from wolf.strategy.asks import Ask, Outcome, Purpose
from wolf.strategy.drafting import MATES, Drafter
from wolf.strategy.escape import PATIENCE, Escape, Expedition
from wolf.strategy.gate import READINGS, NoiseGate
from wolf.strategy.ideas import Ideas
from wolf.strategy.screen import Screen
from wolf.streams import stream

BASELINE_READINGS = 3
SURVEY_SHARE = 0.1  # of the budget at most
ENDGAME = 0.05  # the last share of the budget re-reads the front-runners, so that the hand-over is no lucky reading


@dataclass(frozen=True, slots=True)
class Options:
    """The search's switches, each one mechanism; see the YAML reference.

    Attributes:
        survey: evaluations of wide departures from the seed before the hunt, SURVEY_SHARE of the budget at most.
        departures: share of later evaluations that are unscreened random departures.
        novelty: weigh novelty in tournaments and in the pool.
        noise_gate: repeat contenders and demand significance of champions.
        escape: send expeditions.
    """

    survey: int = 14
    departures: float = 0.25
    novelty: bool = True
    noise_gate: bool = True
    escape: bool = True


def surveyed(survey: int, evaluations: int | None) -> int:
    """How many evaluations a survey of `survey` gets in a budget of `evaluations`."""
    return survey if evaluations is None else min(survey, int(SURVEY_SHARE * evaluations))


@dataclass(frozen=True, slots=True)
class Temper:
    """How restless the search is.

    Attributes:
        loyalty: share of drafts that start from the incumbent; the others start from winners of tournaments.
        departures: factor on the share of random departures.
        patience: fruitless evaluations before the first expedition.
    """

    loyalty: float
    departures: float
    patience: int


# A model learns from departures and makes up for them. Without one each costs a step of the climb, and evaluations that
# are too cheap for a model are many.
MODELLED = Temper(loyalty=0.8, departures=1.0, patience=PATIENCE)
UNMODELLED = Temper(loyalty=0.9, departures=0.2, patience=40)


class Wolf:
    """The search that this project is about."""

    def __init__(
        self,
        population: Population,
        seed_variant: Variant,
        seed: int,
        names: Sequence[str],
        evaluations: int | None,
        options: Options,
        screen: Screen,
    ) -> None:
        """`names` are the operators it may use; `evaluations` is the budget, None if only time limits it."""
        self.population = population
        self.escape = Escape(options.escape)
        self._gate = NoiseGate(options.noise_gate)
        self._seed_variant = seed_variant
        self._seed = seed
        self._evaluations = evaluations
        self._options = options
        self._survey_size = surveyed(options.survey, evaluations)
        self._screen = screen
        self._temper = MODELLED if screen.on else UNMODELLED
        self.escape.patience = self._temper.patience
        self.ideas: Ideas | None = None
        self._drafter = Drafter(
            population, self.escape, screen, seed_variant, seed, names, self._temper.loyalty, options.novelty
        )
        self._asked = dict.fromkeys(Purpose, 0)
        self._waiting: list[str] = []  # variants with a replicate under way

    @property
    def champion(self) -> str | None:
        """The incumbent: best by readings that luck alone does not explain."""
        return self.population.incumbent

    @property
    def crowned(self) -> str | None:
        """The last variant whose lead was beyond the noise."""
        return self._gate.champion

    def ask(self, ordinal: int) -> Ask | None:
        """The first phase that has something to ask; None if none has."""
        phases = (
            self._baseline,
            self._endgame,
            self._repeat,
            self._survey,
            self._escape,
            self._departure,
            self._idea,
            self._hunt,
        )
        return next((ask for phase in phases if (ask := phase(ordinal))), None)

    def asked(self, ask: Ask) -> None:
        """An ask is under way."""
        self.population.expect(ask.variant, ask.genome)
        self._asked[ask.purpose] += 1
        self._screen.adopt(ask.model)
        if ask.purpose is Purpose.REPLICATE:
            self._waiting.append(ask.variant.id)
        if ask.launch:
            self.escape.start(*ask.launch)
        if self.ideas:
            self.ideas.asked(ask)

    def told(self, ask: Ask, evaluation: Evaluation) -> Outcome:
        """The population, the gate, the bandit and the escape harness learn of it, in this order."""
        id, before = ask.variant.id, self.population.incumbent
        admission = self.population.tell(ask.variant, evaluation)
        if ask.purpose is Purpose.REPLICATE:
            self._waiting.remove(id)
        crowning = self._gate.told(self.population, id)
        crowned = crowning.variant if crowning else None
        pay = self._pay(id, before, crowned)
        if ask.purpose in (Purpose.HUNT, Purpose.DEPARTURE, Purpose.EXPEDITION):
            self._drafter.told(ask.variant.origin, pay)
        if self.ideas:
            self.ideas.told(ask, evaluation, pay)
        trip = self.escape.told(self.population, id, ask.expedition, crowned)
        return Outcome(admission, crowning, trip)

    def replan(self, evaluations: int | None, seconds: float | None, usd: float | None) -> None:
        """The endgame and whoever has ideas plan with these budgets from now on; the survey was for the start."""
        self._evaluations = evaluations
        if self.ideas:
            self.ideas.replan(evaluations, seconds, usd)

    def steered(self) -> Expedition | None:
        """The gate and the escape harness learn who may not be a parent any more."""
        self._gate.steered(self.population)
        return self.escape.steered(self.population)

    # The phases

    def _baseline(self, ordinal: int) -> Ask | None:
        """The seed variant, several times: where we stand, and how noisy the judge is."""
        if self._asked[Purpose.BASELINE] >= BASELINE_READINGS:
            return None
        return self._drafter.reading(ordinal, Purpose.BASELINE, self._seed_variant)

    def _endgame(self, ordinal: int) -> Ask | None:
        """Front-runners that were read less often than the others, when the budget is nearly spent."""
        left = (self._evaluations or ordinal + 10**6) - ordinal
        if not self._options.noise_gate or not self.population.noise or left > max(3, ENDGAME * (ordinal + left)):
            return None
        best = sorted(self.population.pool, key=lambda v: self.population.estimate(v).mean)[:3]
        thin = [v for v in best if self.population.estimate(v).n + self._waiting.count(v) < READINGS]
        return self._again(ordinal, thin[0]) if thin else None

    def _repeat(self, ordinal: int) -> Ask | None:
        """A contender whose lead could be luck."""
        contender = self._gate.contender(self.population)
        return self._again(ordinal, contender) if contender and contender not in self._waiting else None

    def _survey(self, ordinal: int) -> Ask | None:
        """Wide departures from the seed, so that the model starts with the lie of the land; none without a model."""
        if self._asked[Purpose.SURVEY] >= self._survey_size or not self._screen.on:
            return None
        return self._drafter.free(ordinal, Purpose.SURVEY, self._seed_variant.id, ("perturb:scatter", "perturb:kick"))

    def _departure(self, ordinal: int) -> Ask | None:
        """A random departure of several knobs at once, from the incumbent or from a novel elite, unscreened."""
        rng = stream(self._seed, ordinal, "departure")
        if rng.random() >= self._options.departures * self._temper.departures:
            return None
        novelty = self._drafter.novelty(1.0)
        centre = self.population.incumbent if rng.random() < 0.5 else self._drafter.parents(1, rng, novelty)[0]
        operators = ("perturb:kick", "perturb:scatter")
        return self._drafter.free(ordinal, Purpose.DEPARTURE, centre or self._seed_variant.id, operators)

    def _escape(self, ordinal: int) -> Ask | None:
        """Every other ask while an expedition is under way; a new one when the search is hot."""
        trip = self.escape.active
        if trip is None:
            return self._launch(ordinal) if self.escape.due else None
        if trip.best is None or ordinal % 2:
            return None
        return self._drafter.screened(ordinal, Purpose.EXPEDITION, trip)

    def _idea(self, ordinal: int) -> Ask | None:
        """The most promising idea of a language model, as it is: the model's numbers are part of its hypothesis."""
        if self.ideas is None or not self.ideas.turn(ordinal):
            return None
        return self._drafter.best_of(ordinal, Purpose.HUNT, self.ideas.drafts(ordinal))

    def _hunt(self, ordinal: int) -> Ask | None:
        """The most promising of many proposals around the incumbent and around the winners of tournaments.

        Where all of them are known, anything new; where there is nothing new, an idea whoever's turn it is.
        """
        if ask := self._drafter.screened(ordinal, Purpose.HUNT):
            return ask
        centres = (self.population.incumbent, self._seed_variant.id, *self.population.pool)
        anew = (self._drafter.free(ordinal, Purpose.HUNT, centre) for centre in dict.fromkeys(centres) if centre)
        ideas = self.ideas.drafts(ordinal) if self.ideas else ()
        return next(filter(None, anew), None) or self._drafter.best_of(ordinal, Purpose.HUNT, ideas)

    def _again(self, ordinal: int, variant: str) -> Ask:
        return self._drafter.reading(ordinal, Purpose.REPLICATE, self.population.variant(variant))

    def _launch(self, ordinal: int) -> Ask | None:
        """The first step of a new expedition, of the kind that the escape harness chooses."""
        rng = stream(self._seed, ordinal, "launch")
        departures = self.ideas.departures(ordinal) if self.ideas else []
        kind = self.escape.kind(rng, bool(departures))
        number = len(self.escape.expeditions)
        if kind == "depart" and (ask := self._drafter.best_of(ordinal, Purpose.EXPEDITION, departures, number)):
            return replace(ask, launch=(kind, ask.variant.parents[0]))
        incumbent = self.population.incumbent or self._seed_variant.id
        strangers = self._drafter.parents(MATES, rng, 1.0)
        origin, operator = (strangers[0], "recombine:cross") if kind == "cross" else (incumbent, "perturb:kick")
        ask = self._drafter.free(ordinal, Purpose.EXPEDITION, origin, (operator, "perturb:kick"), strangers[1:])
        return ask and replace(ask, launch=(kind, origin), expedition=number)

    def _pay(self, variant: str, before: str | None, crowned: str | None) -> float:
        """1 for a champion, half for a new incumbent, a little for a place among the best."""
        if crowned == variant:
            return 1.0
        if self.population.incumbent == variant != before:
            return 0.5
        return 0.1 if self.population.leads(variant, 8) else 0.0
