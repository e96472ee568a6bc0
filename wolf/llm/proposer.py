"""Ideas of language models: when to ask for some, of whom and how; what they bring is in `wolf.llm.stock`.

A call is made on purpose early, so that its answer is there when a slot is free. In cohort mode the ideas of a call are
seen from a fixed ordinal on (LAG batches later), whenever the answer really came, so that the run can be repeated; the
search waits for it if it must. In steady mode they are seen as soon as they are here, and nothing ever waits.

Like the strategy this is a fold: `restore`, `asked` and `told` bring back the state, and only `plan` starts anything.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any

from judges.llm import LLM, Prompt
from population.evaluation import Evaluation, Status
from population.pool import Population
from population.variant import Variant
from wolf.llm.call import Call, question
from wolf.llm.calls import Calls, Commit
from wolf.llm.models import LLMConfig
from wolf.llm.prompting import Context, Tale, Texts
from wolf.llm.setting import Setting
from wolf.llm.stock import Made, Stock, due
from wolf.store.bodies import to_evaluation
from wolf.strategy.asks import Ask, Purpose
from wolf.strategy.bandit import Bandit
from wolf.strategy.operators import Draft
from wolf.streams import stream

LAG = 2  # batches between a call and the first ask that may see its ideas, in cohort mode
ENDING = 0.9  # of the evaluations: after that nobody is asked any more, for ideas would come too late
STRANGE_PARENT = 0.2  # share of calls that do not start from the incumbent
RESORTS = 3  # answers without anything new after which nobody is asked again, where nothing else is left
LONGEST_SILENCE = 6  # doublings of the pause after calls that brought nothing new
BROKEN = (Status.CRASHED, Status.INVALID)  # what a repair may mend
EXPLAIN = "llm:explain"
PRIOR_PAY = {"llm:edit": 0.30, "llm:recombine": 0.15}
CONTINUED = "\n\n# Your last answer could not be used\n\n{problems}\n\nAnswer again; copy the SEARCH lines exactly."


class Proposer:
    """Keeps a stock of ideas filled."""

    def __init__(
        self, config: LLMConfig, calls: Calls, texts: Texts, population: Population, seed: Variant, setting: Setting
    ) -> None:
        """Nothing is asked before `plan`; `seed` is the variant that the run starts from."""
        self._config = config
        self._calls = calls
        self._texts = texts
        self._population = population
        self._setting = setting
        self._stock = Stock(population, seed, setting.checks)
        self._turns = Bandit({"llm": 0.4 * config.share, "perturb": 0.4 * (1.0 - config.share)})
        self._operators = Bandit(PRIOR_PAY)
        self._models = Bandit({model.name: 0.2 for model in config.models if model.name not in setting.silent})
        self._written: set[int] = set()  # calls whose `proposed` event is in the ledger
        self._makers: dict[str, int] = {}  # variant that was asked -> the call that it was taken from
        self._told = self._rows = 0  # evaluations; and all `told` events, those of confirmations too
        self._latest = array("q")  # of each variant that was judged, by its number in the population
        self._broken: dict[str, Tale] = {}  # ideas that crashed and are to be repaired
        self._hurried = False
        self._weights: tuple[float, ...] = ()

    # The fold

    def restore(self, kind: str, body: Mapping[str, Any]) -> None:
        """Take in a `call`, `proposed` or `checked` event of an earlier session."""
        if kind == "proposed":
            self._written.add(body["call"])
        elif kind == "checked":
            self._stock.checked(body)
        else:
            self._take(self._calls.restore(body))

    def asked(self, ask: Ask) -> None:
        """An ask is under way; if it is one of the ideas, its maker is remembered."""
        if ask.model:
            self._weights = ask.model[3:]
        if ask.variant.origin.startswith("llm:"):
            maker = self._makers.setdefault(ask.variant.id, self._stock.maker(ask.variant.id))
            if maker >= 0 and self._stock.made[maker].due > ask.ordinal:
                self.hasten(ask.ordinal, anew=False)  # as it was before the run was resumed
        self._stock.asked(ask.variant)

    def told(self, ask: Ask, evaluation: Evaluation, pay: float) -> None:
        """An evaluation is here, and is worth `pay` to the search, in [0, 1].

        Whoever had the idea is paid by what the search gains from it for what it cost: an evaluation's share of the
        budget, and for models the dollars of their share on top.
        """
        variant = ask.variant
        self._calls.over(ask.ordinal)
        if (number := self._population.number(variant.id)) == len(self._latest):
            self._latest.append(self._rows)
        self._latest[number] = self._rows
        self._told, self._rows = self._told + 1, self._rows + 1
        if variant.origin.startswith("llm:") and variant.origin != "llm:repair" and evaluation.status in BROKEN:
            self._broken.setdefault(variant.id, Tale.of(variant, evaluation))
        maker = self._makers.get(variant.id, -1)
        if ask.purpose not in (Purpose.HUNT, Purpose.STEP, Purpose.EXPEDITION):
            return
        if maker < 0:
            if ask.purpose is not Purpose.EXPEDITION:
                self._turns.told("perturb", pay)
            return
        model, unit = self._stock.made[maker].model, self._unit(evaluation)
        own = self._price(ask.ordinal, model)
        self._models.told(model, pay * unit / (unit + own))
        if ask.purpose is not Purpose.EXPEDITION:  # those are paid by the escape harness
            self._turns.told("llm", pay * unit / (unit + self._price(ask.ordinal)))
            self._operators.told(variant.origin, pay)

    def confirmed(self) -> None:
        """A `told` event is a confirmation's: no idea may come of it."""
        self._rows += 1

    # What the strategy asks

    def turn(self, ordinal: int) -> bool:
        """Whether an ask of the hunt belongs to the models; decided by a bandit that starts at `llm: share:`."""
        return stream(self._setting.seed, ordinal, "llm").random() < self._turns.shares()["llm"]

    def drafts(self, ordinal: int) -> list[Draft]:
        """The ideas in stock that nobody has judged yet, the newest last."""
        return self._stock.drafts(ordinal)

    def departures(self, ordinal: int) -> list[Draft]:
        """The ideas in stock that leave the neighbourhood: where an expedition may start."""
        return self._stock.drafts(ordinal, departures=True)

    # What the loop asks

    def owes(self, ordinal: int) -> bool:
        """Whether an ask has to wait for an answer, or for a smoke run."""
        self._hurried = self._hurried and any(not call.settled for call in self._own())
        if self._hurried:
            return True
        if not self._setting.cohort:
            return False
        asked = (call for call in self._calls.calls if call.about and due(call) <= ordinal)
        return any(not call.settled for call in asked) or self._stock.unchecked(ordinal)

    def hasten(self, ordinal: int, anew: bool = True) -> bool:
        """Nothing else is left to ask: ideas under way are wanted now, else new ones if `anew`. Whether any will come.

        After `RESORTS` answers in a row that brought nothing new, nobody is asked anew.
        """
        late = [call for call in self._own() if due(call) > ordinal or not call.settled]
        if not late and anew and self._live and self._population.incumbent and self._barren(ordinal) < RESORTS:
            late = [call for call in [self._invent(ordinal)] if call]
        for call in late:
            if call.about:
                call.about["due"] = min(due(call), ordinal)
            if call.id in self._stock.made:
                self._stock.made[call.id].due = due(call)
        self._hurried = bool(late)
        return self._hurried

    @property
    def calls(self) -> Calls:
        """All calls of the run, those of its judges too."""
        return self._calls

    def pump(self, commit: Commit, start: bool = True) -> None:
        """Move all calls and smoke runs along, and write down what came of those that are settled; see `Calls.pump`."""
        for call in self._calls.pump(commit, start):
            self._take(call)
        fresh = [made for id, made in self._stock.made.items() if id not in self._written]
        records = [("proposed", _proposed(made.call, made)) for made in fresh if made.call]
        records += [("checked", body) for body in self._stock.check()]
        if records:
            commit(records)
            self._written.update(made.call.id for made in fresh if made.call)

    def llms(self, ordinal: int) -> Mapping[str, LLM]:
        """The models by name, for the judge of one evaluation."""
        return {model.name: self._calls.by(model.name, ordinal) for model in self._config.models}

    def hang_up(self) -> None:
        """Nobody pumps any more; see `Calls.hang_up`."""
        self._calls.hang_up()

    def finish(self, commit: Commit) -> None:
        """The run is over: what is still under way is given up."""
        self._calls.settle(commit)

    def replan(self, evaluations: int | None, seconds: float | None, usd: float | None) -> None:
        """See `Ideas.replan`."""
        self._setting = replace(self._setting, evaluations=evaluations, seconds=seconds, usd=usd or 0.0)
        self._calls.allow(usd or 0.0)

    def plan(self, ordinal: int, stuck: bool) -> None:
        """Start the calls whose ideas will be wanted, for the asks from `ordinal` on.

        `stuck` says that an expedition may soon want a place to start from.
        """
        limit = self._setting.evaluations
        late = limit is not None and ordinal >= ENDING * limit
        if ordinal < self._setting.first or late or not self._population.incumbent or not self._live:
            return
        self._note(ordinal)
        for start in (self._retries, self._repairs, self._summary):
            start(ordinal)
        coming = [call for call in self._own() if not call.settled or due(call) > ordinal]
        if stuck and not self.departures(ordinal) and not any(c.prompt.purpose == "llm:depart" for c in coming):
            rng = stream(self._setting.seed, len(self._calls.calls), "llm call")
            if call := self._call(ordinal, "llm:depart", self._population.incumbent, None, rng):
                coming.append(call)
        coming = [call for call in coming if call.prompt.purpose != "llm:depart"]
        stock = len(self.drafts(ordinal))
        while (
            stock + self._config.ideas * len(coming) < 2 * self._config.ideas
            and len(coming) < self._config.at_once
            and not self._silent(ordinal)
        ):
            call = self._invent(ordinal)
            if call is None:
                return
            coming.append(call)

    # Calls

    def _barren(self, ordinal: int) -> int:
        """How many answers in a row, up to the latest, brought nothing new."""
        calls = [id for id, made in sorted(self._made().items()) if made.purpose in PRIOR_PAY and made.due <= ordinal]
        return len([*takewhile(lambda call: not self._stock.fruitful(call), reversed(calls))])

    def _silent(self, ordinal: int) -> bool:
        """Whether to ask nobody for a while, because the last calls brought nothing new: longer each time."""
        asked = {id: made.at for id, made in self._made().items() if made.purpose in PRIOR_PAY}
        asked |= {call.id: call.about["at"] for call in self._own() if call.about and call.prompt.purpose in PRIOR_PAY}
        barren, last = self._barren(ordinal), asked[max(asked)] if asked else 0
        return barren > 0 and ordinal - last < self._setting.slots * 2 ** min(barren, LONGEST_SILENCE)

    def _invent(self, ordinal: int) -> Call | None:
        """A call for new ideas, and not the question that is being asked already."""
        tries = (self._draw(ordinal, stream(self._setting.seed, len(self._calls.calls), f"call {n}")) for n in range(3))
        return next(filter(None, tries), None)

    def _draw(self, ordinal: int, rng: random.Random) -> Call | None:
        shares = self._operators.shares()
        pool = self._population.pool[:12]
        parent = self._population.incumbent or pool[0]
        if rng.random() < STRANGE_PARENT:
            parent = rng.choice(self._population.pins or pool)
        mates = [other for other in pool if other != parent]
        names = [name for name in shares if name != "llm:recombine" or mates]
        operator = rng.choices(names, [shares[name] for name in names])[0]
        mate = rng.choice(mates) if operator == "llm:recombine" else None
        return self._call(ordinal, operator, parent, mate, rng)

    def _retries(self, ordinal: int) -> None:
        """One more try for answers of which nothing could be used, with the reason."""
        followed = {call.about["follows"] for call in self._own() if call.about}
        followed |= {made.follows for made in self._made().values()}
        for id, made in sorted(self._stock.made.items()):
            call = made.call
            self._stock.forget(id)
            if call is None or made.due > ordinal or id not in self._written:
                continue
            if made.forms or not made.problems or made.follows is not None or id in followed:
                self._use_up(id)
            else:
                problems = "\n".join(f"- {problem}" for problem in made.problems)
                prompt = replace(call.prompt, user=call.prompt.user + CONTINUED.format(problems=problems))
                self._put(
                    prompt,
                    call.model,
                    {**(call.about or {}), "at": ordinal, "due": self._later(ordinal), "follows": id},
                )

    def _repairs(self, ordinal: int) -> None:
        """One repair for each idea that crashed, or failed its smoke run."""
        repaired = {call.about["of"] for call in self._own() if call.prompt.purpose == "llm:repair" and call.about}
        repaired |= {made.of for made in self._made().values() if made.purpose == "llm:repair"}
        self._broken = {id: tale for id, tale in self._broken.items() if id not in repaired}
        failed = (tale for tale in self._stock.failed(ordinal) if tale.origin != "llm:repair")
        for tale in (*failed, *self._broken.values()):
            if tale.evaluation.status in BROKEN and tale.variant not in repaired:
                repaired.add(tale.variant)
                rng = stream(self._setting.seed, len(self._calls.calls), "llm call")
                self._call(ordinal, "llm:repair", tale.variant, tale.parents[0], rng, rationale=tale.note)

    def _summary(self, ordinal: int) -> None:
        """A summary of what was learnt, every so many evaluations."""
        made = sum(call.prompt.purpose == EXPLAIN for call in self._calls.calls)
        made += sum(made.purpose == EXPLAIN and made.call is None for made in self._stock.made.values())
        if self._config.explain and self._told >= self._config.explain * (made + 1):
            rng = stream(self._setting.seed, len(self._calls.calls), "llm call")
            self._call(ordinal, EXPLAIN, self._population.incumbent or "", None, rng)

    def _note(self, ordinal: int) -> None:
        """Put summaries that are due where later prompts and the person read them; once, for a person may edit them."""
        for call in self._calls.calls:
            new = call.prompt.purpose == EXPLAIN and call.id not in self._stock.made
            if new and call.reply and due(call) <= ordinal:
                self._stock.made[call.id] = Made.by(call)
                if call.id not in self._written:
                    self._setting.notes(call.reply.text)

    def _call(
        self, ordinal: int, operator: str, parent: str, mate: str | None, rng: random.Random, rationale: str = ""
    ) -> Call | None:
        """Put one call, if it fits into the budget."""
        model = rng.choices(self._live, [self._models.shares()[name] for name in self._live])[0]
        name = operator.partition(":")[2]
        context = Context(self._population, self._stock.failed(ordinal), self._tale, self._weights, self._stock.variant)
        places = context.places(name, parent, mate, self._spent(ordinal)) | {
            "ideas": self._config.ideas, "rationale": rationale, "notes": self._setting.notes(None)
        }  # fmt: skip
        rules = self._texts.fill("rules", self._setting.places())
        prompt = Prompt(operator, rules, self._texts.fill(name, places), self._config.length(model))
        parents = [parent] if mate is None else [parent, mate]
        if name == "repair" and mate is not None:  # an idea that failed its smoke run was never a variant of the run
            parents = [mate if parent not in self._population else parent]
        about = {"parents": parents, "of": parent, "at": ordinal, "due": self._later(ordinal), "follows": None}
        return self._put(prompt, model, about)

    @property
    def _live(self) -> list[str]:
        """The models that may be asked for ideas now."""
        return [name for name in self._calls.live if name not in self._setting.silent]

    def _put(self, prompt: Prompt, model: str, about: dict[str, Any]) -> Call | None:
        coming = (call for call in self._own() if not call.settled or due(call) > about["at"])
        asked = question(prompt)
        if any((call.question, call.model) == (asked, model) for call in coming):
            return None
        if model not in self._calls.live or not self._calls.affords(prompt, model):
            return None
        return self._calls.put(prompt, model, about)

    def _later(self, ordinal: int) -> int:
        return ordinal + LAG * self._setting.slots if self._setting.cohort else 0

    def _take(self, call: Call) -> None:
        """Make ideas of an answer."""
        if call.settled and call.about and call.prompt.purpose != EXPLAIN and call.id not in self._stock.made:
            self._stock.take(call)

    def _tale(self, variant: str) -> Tale:
        """The latest of a variant that was judged."""
        body = self._setting.told(self._latest[self._population.number(variant)])
        return Tale.of(self._population.variant(variant), to_evaluation(body["evaluation"], variant, ""))

    def _own(self) -> list[Call]:
        """The calls for ideas, but for those that are used up."""
        return [c for c in self._calls.calls if c.about is not None and c.prompt.purpose != EXPLAIN]

    def _made(self) -> dict[int, Made]:
        """The settled calls for ideas, used up or not."""
        return {id: made for id, made in self._stock.made.items() if made.purpose != EXPLAIN}

    def _use_up(self, id: int) -> None:
        """Nobody will read a settled call's texts again, or look for its question among those under way."""
        self._stock.made[id].call, self._stock.made[id].problems = None, ()
        self._calls.forget(id)

    # Money

    def _spent(self, ordinal: int) -> str:
        limit = self._setting.evaluations
        return f"{ordinal} of {limit} evaluations" if limit else f"{ordinal} evaluations so far"

    def _price(self, ordinal: int, model: str | None = None) -> float:
        """Dollars per evaluated idea (of one model, or all) as a share of the budget's dollars.

        Only of calls that were due when `ordinal` was asked, so that it does not matter when others are answered. What
        faults cost is not the ideas' fault.
        """
        if not self._setting.usd:
            return 0.0
        settled = [m for _, m in sorted(self._made().items()) if m.due <= ordinal and model in (None, m.model)]
        judged = sum(n >= 0 and model in (None, self._stock.made[n].model) for n in self._makers.values())
        return sum(made.cost for made in settled) / max(1, judged) / self._setting.usd

    def _unit(self, evaluation: Evaluation) -> float:
        """The share of the budget that one evaluation takes: what makes dollars and evaluations comparable."""
        shares = [1.0 / self._setting.evaluations] if self._setting.evaluations else []
        if self._setting.seconds:
            shares.append(evaluation.seconds / self._setting.seconds / self._setting.slots)
        return max(shares, default=1.0)


def _proposed(call: Call, made: Made) -> dict[str, Any]:
    return {"call": call.id, "operator": made.purpose, "model": made.model, "cost": call.cost,
            "variants": [variant.id for variant in made.variants], "problems": made.problems,
            "fault": None if call.reply else call.why}  # fmt: skip
