"""What the models of a run will probably cost, and what they can cost at most."""

from __future__ import annotations

import random
from dataclasses import dataclass

from judges.ballots import paper
from judges.llm import Prompt, Usage
from judges.panel import ON_A_BALLOT, PanelJudge
from population.knobs import Space
from population.pool import Population
from population.variant import joined
from wolf.llm.prompting import Context, Tale, Texts
from wolf.proposing import rules, silent
from wolf.settings.config import Config
from wolf.settings.target import Target
from wolf.strategy.hunt import BASELINE_READINGS, surveyed

BYTES_PER_TOKEN = 3.5  # of code and English, about
HISTORY = 6_000  # bytes of what the run has found out, on top of the first prompt
USUAL_REPLY = 4_000  # tokens of four ideas, thinking included
USUAL_VOTE = 400  # tokens of a ranking, and of an objection to each text
CALLS_PER_EVALUATION = (
    1.0  # measured: of four ideas one is evaluated; the others are duplicates, broken or screened out
)


@dataclass(frozen=True, slots=True)
class Spending:
    """An estimate in dollars.

    Attributes:
        models: who is asked for ideas; not who only judges.
        calls: how often for ideas, probably; None if only time limits the run.
        prompt_tokens: size of a usual prompt.
        usd_each: what one call costs usually, averaged over the models.
        usd_worst: what the dearest call can cost; so much is reserved for it.
        ballots: how often to judge, which models do in a panel, if none is spared and every answer is a ranking; None
            if only time limits the run.
        ballot_tokens: size of a usual ballot paper.
        usd_ballot: what one ballot costs usually, averaged over the judges, without thinking; readers cost nothing.
        usd_ballot_most: what it costs if the judges think as long as they may.
        usd: what the run will probably cost; never more than `ceiling`.
        ceiling: `budget.usd`.
    """

    models: tuple[str, ...]
    calls: int | None
    prompt_tokens: int
    usd_each: float
    usd_worst: float
    ballots: int | None
    ballot_tokens: int
    usd_ballot: float
    usd_ballot_most: float
    usd: float | None
    ceiling: float


def estimate(config: Config) -> Spending | None:
    """What ideas and ballots will cost; None without an `llm:` section."""
    llm = config.llm
    if llm is None:
        return None
    system, user = _first_prompt(config)
    cached, fresh = int(len(system.encode()) / BYTES_PER_TOKEN), int((len(user.encode()) + HISTORY) / BYTES_PER_TOKEN)
    each, worst = [], []
    writers = [model for model in llm.models if model.name not in silent(config)]
    for model in writers:
        price, length = llm.price(model.name), llm.length(model.name)
        assert price is not None, "checked when the configuration was read"
        each.append(price.cost(Usage(fresh, min(USUAL_REPLY, length), cache_read=cached)))
        worst.append(price.worst(Prompt("llm:edit", system, user + " " * HISTORY, length)))
    calls, evaluations = None if writers else 0, config.budget.evaluations
    if evaluations is not None and writers:
        hunt = max(0, evaluations - BASELINE_READINGS - surveyed(config.search.survey, evaluations))
        calls = round(CALLS_PER_EVALUATION * llm.share * hunt) + (evaluations // llm.explain if llm.explain else 0)
    ceiling, mean = config.budget.usd or 0.0, sum(each) / max(1, len(each))
    ballots, ballot_tokens, usd_ballot, usd_ballot_most = _judging(config)
    return Spending(
        models=tuple(model.name for model in writers),
        calls=calls,
        prompt_tokens=cached + fresh,
        usd_each=mean,
        usd_worst=max(worst, default=0.0),
        ballots=ballots,
        ballot_tokens=ballot_tokens,
        usd_ballot=usd_ballot,
        usd_ballot_most=usd_ballot_most,
        usd=None if calls is None or ballots is None else min(ceiling, calls * mean + ballots * usd_ballot),
        ceiling=ceiling,
    )


def _judging(config: Config) -> tuple[int | None, int, float, float]:
    """How many ballots models will cast, the tokens of a paper, and the dollars of one, usually and at most."""
    judge, llm = config.judge, config.llm
    if not isinstance(judge, PanelJudge) or llm is None:
        return 0, 0, 0.0, 0.0
    files = Target.of(config.target).seed().files
    text = files.get(judge.file, "") if judge.file else joined(files)
    texts = {str(place): text for place in range(ON_A_BALLOT)}
    asked = paper(judge.brief, judge.criteria, texts, random.Random(0)).prompt
    tokens = int(len(f"{asked.system}{asked.user}".encode()) / BYTES_PER_TOKEN)
    evaluations = config.budget.evaluations
    rounds = [(judge.judges, evaluations or 1), (judge.holdout or judge.judges, 2 * config.confirm.seeds)]
    count, usual, most = 0, 0.0, 0.0
    for names, readings in rounds:
        prices = [price for name in names if (price := llm.price(name)) is not None]
        ballots = readings * judge.ballots if prices else 0
        count += ballots
        usual += ballots * sum(price.cost(Usage(tokens, USUAL_VOTE)) for price in prices) / len(names)
        most += ballots * sum(price.cost(Usage(tokens, asked.max_tokens)) for price in prices) / len(names)
    each, dearest = (dollars / max(1, count) for dollars in (usual, most))
    return None if evaluations is None and count else count, tokens if count else 0, each, dearest


def _never(variant: str) -> Tale:
    raise KeyError(variant)  # nothing was judged


def _first_prompt(config: Config) -> tuple[str, str]:
    """The static and the varying part of what a model would be asked about the seed variant."""
    assert config.llm is not None
    target = Target.of(config.target)
    seed = target.seed()
    space = Space.of(seed.files, dict(config.target.knobs))
    context = Context(Population(space, config.judge.goal, lambda id: seed), [], _never, [])
    places = context.places("edit", seed.id, None) | {"ideas": config.llm.ideas}
    texts = Texts(config.llm.prompts)
    return texts.fill("rules", rules(config, target)), texts.fill("edit", places)
