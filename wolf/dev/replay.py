"""Replay: derive every decision of a finished run again from what the world told it, and compare.

The world is what the ledger says of it: evaluations by their ordinal, answers of models by their call. Everything else
(whom to vary and how, prompts, admissions, crownings, expeditions) is decided anew by the code at hand. A run that was
killed and resumed any number of times replays like one that never was. A run that was opened again is replayed end by
end, with the budgets that were ordered for it in between.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import pairwise, takewhile, zip_longest
from pathlib import Path
from typing import Any

from judges.llm import Prompt, Reply, Usage
from population.evaluation import Evaluation, Status
from population.variant import Variant
from wolf import launch, proposing
from wolf.control.inbox import post
from wolf.control.steering import Able
from wolf.control.stopping import Ending, Rules, Standing
from wolf.errors import UsageError
from wolf.llm.calls import Calls
from wolf.llm.client import Fault, Kind, Model
from wolf.llm.models import build
from wolf.llm.prompting import Texts
from wolf.llm.proposer import Proposer
from wolf.llm.stock import Checks
from wolf.search import Search
from wolf.settings.config import Config
from wolf.store import bodies
from wolf.store.events import Event, judged_by_models
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Ask

DECISIONS = ("asked", "told", "crowned", "expedition")
HASTE = 1_000_000.0  # seconds of patience: a replay never gives up


@dataclass(frozen=True, slots=True)
class Replayed(Rules):
    """Budgets to plan with; the search ends where the recorded one did, for whatever reason it had.

    Attributes:
        until: evaluations.
    """

    until: int = 0

    def allows(self, asked: int, active: float) -> bool:
        """See `Rules`."""
        return asked < self.until

    def ending(self, now: Standing) -> Ending | None:
        """See `Rules`."""
        return None if self.allows(now.asked, now.seconds) else Ending("evaluations", "the recorded search ended here")


class Recorded:
    """A model that answers call by call, in the order of the calls, with what came of each in the end."""

    def __init__(self, outcomes: list[Reply | Fault]) -> None:
        self._outcomes = iter(outcomes)

    def send(self, prompt: Prompt) -> Future[Reply]:
        """See `wolf.llm.client.Model`."""
        outcome = next(self._outcomes, Fault(Kind.USELESS, "end of the recording"))
        future: Future[Reply] = Future()
        if isinstance(outcome, Fault):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return future

    def close(self) -> None:
        """See `wolf.llm.client.Model`."""


def replay(run_dir: Path) -> list[str]:
    """What is decided differently this time: a line each; empty if nothing is.

    Raises:
        UsageError: if the run is not finished, was steered, was steady (there the world decided who came first), or if
            models judged it: calls are numbered together with their ballots, which are not asked for again.
    """
    with Ledger.open(run_dir) as ledger, tempfile.TemporaryDirectory(prefix="wolf-replay-") as folder:
        events = list(ledger.events())
        config = Config.from_dict(events[0].body["config"])
        parts = [*_parts(events)]
        if config.search.mode != "cohort" or events[-1].kind != "finished" or any(map(_steered, parts)):
            raise UsageError(f"{run_dir} cannot be replayed: only finished runs in cohort mode that nobody steered can")
        if judged_by_models(events):
            raise UsageError(f"{run_dir} cannot be replayed: language models judged it, and only their votes are known")
        seed = ledger.variant(events[0].body["seed_variant"])
        with Ledger.create(Path(folder, "run"), events[0].body, [seed]) as again:
            for part in parts:
                for order in (event.body for event in part if event.kind == "intervention"):
                    post(again.run_dir, {"order": "budget", **order["limits"]})
                _search(config, events, again, part[-1].body["evaluations"]).run()
            return _differences(_decisions(events), _decisions(again.events()))


def _parts(events: list[Event]) -> Iterator[list[Event]]:
    """What happened up to each end of the run, since the one before."""
    ends = [at + 1 for at, event in enumerate(events) if event.kind == "finished"]
    return (events[start:end] for start, end in pairwise([0, *ends]))


def _steered(part: list[Event]) -> bool:
    """Whether a person did more than to open a finished run again with another budget, before it asked for anything."""
    opening = [*takewhile(lambda event: event.kind != "asked", part)]
    allowed = ["budget"] if any(event.kind == "reopened" for event in opening) else []
    orders = [event for event in part if event.kind == "intervention"]
    return any(event not in opening or event.body["order"] not in allowed for event in orders)


def _search(config: Config, events: list[Event], ledger: Ledger, until: int) -> Search:
    told = {event.body["ordinal"]: event.body for event in events if event.kind == "told"}
    seed = ledger.variant(events[0].body["seed_variant"])
    strategy = launch.strategy(config, seed, ledger.variant)
    proposer = None
    if config.llm is not None:
        prices = build(config.llm)[1]
        calls = Calls(_models(config, events, ledger), prices, config.budget.usd or 0.0, at_once=1, patience=HASTE)
        setting = proposing.setting(config, ledger.run_dir, str, _checks(events), ledger.told)
        proposer = Proposer(config.llm, calls, Texts(config.llm.prompts), strategy.population, seed, setting)
    strategy.ideas = proposer

    def submit(ask: Ask) -> Future[Evaluation]:
        future: Future[Evaluation] = Future()
        body = told[ask.ordinal]
        future.set_result(bodies.to_evaluation(body["evaluation"], ask.variant.id, config.judge.name))
        return future

    return Search(
        strategy,
        submit,
        ledger,
        Replayed(config.budget.evaluations, usd=config.budget.usd, alarm=config.stop.alarm, until=until),
        launch.terms(config, seed),
        proposer=proposer,
        able=Able(models=config.llm is not None),
    )


def _checks(events: list[Event]) -> Checks:
    """How each idea fared in its checks, as it was written down."""
    checked = (event.body for event in events if event.kind == "checked")
    failed = {body["variant"]: body for body in checked if body["status"] != "ok"}

    def smoke(variant: Variant) -> Future[Evaluation | None]:
        future: Future[Evaluation | None] = Future()
        body = failed.get(variant.id)
        failure = Evaluation(variant.id, "", Status(body["status"]), feedback=body["feedback"]) if body else None
        future.set_result(failure)
        return future

    return Checks(lambda variant: "", smoke)


def _models(config: Config, events: list[Event], ledger: Ledger) -> Mapping[str, Model]:
    """Models that answer as recorded whatever `ledger` has no call of yet."""
    known = {event.body["call"] for event in ledger.events() if event.kind == "call"}
    last: dict[int, Mapping[str, Any]] = {}
    for event in events:
        if event.kind == "call" and not event.body.get("again") and event.body["state"] in ("answered", "failed"):
            last[event.body["call"]] = event.body
    outcomes: defaultdict[str, list[Reply | Fault]] = defaultdict(list)
    for _, body in sorted(item for item in last.items() if item[0] not in known):
        outcomes[body["model"]].append(_outcome(body))
    assert config.llm is not None
    return {model.name: Recorded(outcomes[model.name]) for model in config.llm.models}


def _outcome(body: Mapping[str, Any]) -> Reply | Fault:
    if body["state"] == "failed":
        return Fault(Kind.USELESS, body["fault"])
    return Reply(body["text"], body["model"], Usage(**body["usage"]), body["stop"], body["seconds"], body["request"])


def _decisions(events: Any) -> list[Event]:
    return [event for event in events if event.kind in DECISIONS]


def _differences(first: list[Event], second: list[Event]) -> list[str]:
    pairs = zip_longest(first, second)
    wrong = [(a, b) for a, b in pairs if a is None or b is None or (a.kind, a.body) != (b.kind, b.body)]
    return [f"event {a.seq if a else 'none'}: {_brief(a)} was {_brief(b)} in the replay" for a, b in wrong]


def _brief(event: Event | None) -> str:
    if event is None:
        return "nothing"
    return f"{event.kind} {event.body.get('ordinal', '')} {event.body.get('variant', '')}"
