"""The stock of ideas: what answers have brought, checked, and not judged yet.

Like the proposer it is a fold: `take`, `checked` and `asked` bring it back, and `check` starts smoke runs. In cohort
mode the ideas of a call, and what became of them, are seen from the call's due ordinal on and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from sys import intern
from typing import Any

from population.catalogue import Catalogue
from population.evaluation import Evaluation, Status
from population.genome import Genome
from population.pool import Population
from population.variant import Variant
from wolf.llm import edits
from wolf.llm.call import Call
from wolf.llm.prompting import Tale
from wolf.strategy.operators import Draft
from wolf.strategy.sameness import FORM, Forms

STOCK = 32  # ideas that are kept; the oldest go first


@dataclass(frozen=True, slots=True)
class Checks:
    """What is done with an idea before it may cost an evaluation.

    Attributes:
        glance: says what is wrong with a variant, seen without running it; empty if nothing is.
        smoke: starts its smoke run, which comes to how it failed, or None; None if there are no smoke runs.
    """

    glance: Callable[[Variant], str]
    smoke: Callable[[Variant], Future[Evaluation | None]] | None


@dataclass(slots=True)
class Made:
    """A settled call, and what it has brought.

    Attributes:
        call: it, as long as its texts may be read again.
        purpose: its prompt's.
        model: who was asked.
        of: the variant that it was about.
        at: the ordinal at which it was asked.
        due: the ordinal from which on its ideas may be seen.
        follows: the call that it tries once more.
        cost: dollars of its answer, without what faults cost; 0 if there is none.
        variants: the ideas that could be applied, less those that are spent.
        forms: the normal forms of all of them, for good.
        problems: a sentence for each idea that could not be applied, as long as somebody may read it.
    """

    call: Call | None
    purpose: str
    model: str
    of: str
    at: int
    due: int
    follows: int | None
    cost: float
    variants: Sequence[Variant] = ()
    forms: bytes = b""
    problems: Sequence[str] = ()

    @classmethod
    def by(cls, call: Call) -> Made:
        """A call that has just been settled."""
        about = call.about or {}
        return cls(call, intern(call.prompt.purpose), intern(call.model), about["of"], about["at"], about["due"],
                   about["follows"], call.reply.cost if call.reply else 0.0)  # fmt: skip


def due(call: Call) -> int:
    """The ordinal from which on a call's ideas may be seen."""
    return int(call.about["due"]) if call.about else 0


class Stock:
    """Ideas by the call that brought them."""

    def __init__(self, population: Population, seed: Variant, checks: Checks) -> None:
        """`seed` is the variant that the run starts from."""
        self._population = population
        self._seed = seed
        self._glance = checks.glance
        self._passed: set[str] = set()  # at a glance
        self._smoke = checks.smoke
        self._trying: dict[str, Future[Evaluation | None]] = {}
        self._checked: dict[str, Evaluation] = {}  # how each smoke run went
        self._normal = Forms(population.space)
        self._forms: dict[str, bytes] = {}  # idea -> its normal form
        self._asked = Catalogue()  # normal forms
        self._asked.setdefault(self._form(seed))
        self._genomes: dict[str, Genome] = {}
        self.made: dict[int, Made] = {}  # by call, as far as they are settled

    def variant(self, id: str) -> Variant:
        """An idea, or a variant of the population."""
        found = (v for call in sorted(self.made) for v in self.made[call].variants if v.id == id)
        return next(found, None) or self._population.variant(id)

    def maker(self, variant: str) -> int:
        """The first call that brought an idea; -1 if none did."""
        return min((n for n, made in self.made.items() if any(v.id == variant for v in made.variants)), default=-1)

    # The fold

    def take(self, call: Call) -> None:
        """Make variants of a settled call's answer: each idea once, and none that changes nothing but layout."""
        made = self.made[call.id] = Made.by(call)
        if call.reply is None or call.about is None:
            return
        parents = tuple(call.about["parents"])
        base = self.variant(call.about["of"])
        seen = {self._normal.of(base.files): "its edit changes nothing but comments and layout"}
        variants: list[Variant] = []
        problems: list[str] = []
        for number, idea in enumerate(edits.apply(call.reply.text, base.files), 1):
            if idea.files is None:
                problems.append(idea.problem)
                continue
            variant = Variant(idea.files, parents, call.prompt.purpose, idea.note or call.prompt.purpose)
            if same := seen.get(form := self._form(variant)):
                problems.append(f"idea {number} is none: {same}")
                continue
            seen[form] = f"it is idea {number} again"
            variants.append(variant)
        made.variants, made.problems = variants, problems
        made.forms = b"".join(map(self._form, variants))

    def checked(self, body: Mapping[str, Any]) -> None:
        """Take in a `checked` event."""
        self._checked[body["variant"]] = Evaluation(
            body["variant"], "smoke run", Status(body["status"]), 0.0 if body["status"] == "ok" else None,
            feedback=body["feedback"],
        )  # fmt: skip

    def asked(self, variant: Variant) -> None:
        """A variant is being judged: nobody's idea any more, in whatever layout."""
        self._asked.setdefault(self._forms.get(variant.id) or self._normal.of(variant.files))
        self._genomes.pop(variant.id, None)

    # Checking

    def check(self) -> list[dict[str, Any]]:
        """Look at what is new, and start its smoke runs; returns the bodies of `checked` events.

        The seed variant goes first: if it fails, checks say nothing about this target, and there are no others.
        """
        bodies = []
        for id in [id for id, future in self._trying.items() if future.done()]:
            failure = self._trying.pop(id).result()
            bodies.append(_checked(id, failure.status if failure else Status.OK, failure.feedback if failure else ""))
        for body in bodies:
            self.checked(body)
        bodies += self._look(self._seed)
        if self._used:
            for variant in self._ideas():
                if self._form(variant) not in self._asked:
                    bodies += self._look(variant)
        return bodies

    def _look(self, variant: Variant) -> list[dict[str, Any]]:
        """A glance, then a smoke run; the body of a `checked` event if the first is enough."""
        if variant.id in self._checked or variant.id in self._trying:
            return []
        if variant.id not in self._passed and (said := self._glance(variant)):
            self.checked(body := _checked(variant.id, Status.CRASHED, said))
            return [body]
        self._passed.add(variant.id)
        if self._smoke is not None:
            self._trying[variant.id] = self._smoke(variant)
        return []

    def unchecked(self, ordinal: int) -> bool:
        """Whether ideas that are due still wait for their checks."""
        return any(not self._known(variant) for variant in self._ideas(ordinal))

    # What there is

    def drafts(self, ordinal: int, departures: bool = False) -> list[Draft]:
        """The usable ideas that nobody has judged yet, the newest last: either departures or the others."""
        found: dict[bytes, Variant] = {}
        for variant in self._ideas(ordinal):
            if (variant.origin == "llm:depart") is departures and self._usable(variant):
                found.setdefault(self._form(variant), variant)
        return [self._draft(variant) for variant in list(found.values())[-STOCK:]]

    def failed(self, ordinal: int) -> list[Tale]:
        """The ideas that failed their checks, as tales."""
        found = [v for v in self._ideas(ordinal) if self._failed(v.id)]
        return [Tale.of(v, self._checked[v.id]) for v in found]

    def fruitful(self, call: int) -> bool:
        """Whether a call brought an idea that runs and that no call before it had."""
        made = self.made[call]
        known = {form for n, earlier in self.made.items() if n < call for form in _split(earlier.forms)}
        known |= {self._form(self._seed), *(self._form(v) for v in made.variants if self._failed(v.id))}
        return not known.issuperset(_split(made.forms))

    def forget(self, call: int) -> None:
        """Let go of the ideas of a call that are spent: they have been asked for, in whatever layout.

        Nobody will try them again, and what was asked for is in the ledger.
        """
        made = self.made[call]
        spent = [v for v in made.variants if self._form(v) in self._asked and not self._wanted(v.id)]
        for variant in spent:
            for known in (self._forms, self._checked, self._genomes):
                known.pop(variant.id, None)
            self._passed.discard(variant.id)
        if spent:
            made.variants = tuple(variant for variant in made.variants if variant not in spent)

    def _wanted(self, id: str) -> bool:
        return id in self._trying or self._failed(id) or id == self._seed.id

    def _ideas(self, ordinal: int | None = None) -> Iterator[Variant]:
        """All ideas, or those of calls that are due."""
        for id in sorted(self.made):
            if ordinal is None or self.made[id].due <= ordinal:
                yield from self.made[id].variants

    @property
    def _used(self) -> bool:
        """Whether checks are believed: the seed variant has passed them."""
        return self._passes(self._seed.id)

    def _passes(self, id: str) -> bool:
        return self._checked[id].ok if id in self._checked else self._smoke is None and id in self._passed

    def _failed(self, id: str) -> bool:
        return id in self._checked and not self._checked[id].ok

    def _known(self, variant: Variant) -> bool:
        """Whether nothing is left to check."""
        done = self._failed(self._seed.id) or self._passes(variant.id) or self._failed(variant.id)
        return done or self._form(variant) in self._asked

    def _usable(self, variant: Variant) -> bool:
        fresh = self._form(variant) not in self._asked and not self._population.tainted(variant.parents)
        return fresh and (self._failed(self._seed.id) or self._passes(variant.id))

    def _form(self, variant: Variant) -> bytes:
        if variant.id not in self._forms:
            self._forms[variant.id] = self._normal.of(variant.files)
        return self._forms[variant.id]

    def _draft(self, variant: Variant) -> Draft:
        base = self._population.genome(variant.parents[0])
        if variant.id not in self._genomes:
            self._genomes[variant.id] = Genome.of(variant.files, self._population.space, base)
        return Draft(self._genomes[variant.id], variant.parents, variant.origin, base, variant.note)


def _split(forms: bytes) -> list[bytes]:
    return [forms[start : start + FORM] for start in range(0, len(forms), FORM)]


def _checked(variant: str, status: Status, feedback: str) -> dict[str, Any]:
    return {"variant": variant, "status": status.value, "feedback": feedback}
