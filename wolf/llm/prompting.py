"""Prompts: Markdown texts with places for what the run knows, the static part first.

`rules.md` is the static part; the others are one operator each. A folder under `llm: prompts:` may hold texts of the
same names that take the place of ours. What a candidate wrote or printed is capped and fenced, and called data.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from string import Template

from judges.watch import HOLDOUT
from population.evaluation import Evaluation
from population.genome import Genome, changes, describe
from population.pool import Population
from population.variant import Variant

NAMES = ("rules", "edit", "recombine", "depart", "repair", "explain")
_OPERATOR = {
    "ideas", "standing", "parent", "knobs", "feedback", "tried", "rejected", "others", "notes", "mate", "rationale",
}  # fmt: skip
PLACES = {
    "rules": {"metric", "direction", "evaluation", "wanted", "files", "memo"},
    **{name: _OPERATOR for name in NAMES[1:]},
}
SILENT = {"evaluation", "wanted"}  # places that are left empty where there is nothing to say
NOTHING = "(nothing yet)"
LONGEST = 1500  # characters of feedback
WORDS = 160  # characters of what is said about one of many variants
DIFF_LINES = 160
SHORT_DIFF = 30  # lines of a diff that stands beside others
SHORT_TEXT = 300  # characters of a text that is shown instead of being described
TRIED, REJECTED, FAILED, OTHERS = 14, 8, 6, 5


class Texts:
    """The prompt texts of a run."""

    def __init__(self, folder: Path | None) -> None:
        """Read ours, and on top of them those in `folder`."""
        self._texts = {name: (_find(name, folder)).read_text("utf-8") for name in NAMES}

    def fill(self, name: str, places: Mapping[str, object]) -> str:
        """The text `name` with its places filled; a place that has nothing says so."""
        known = {place: "" if place in SILENT else NOTHING for place in PLACES[name]}
        known |= {key: str(value) for key, value in places.items() if str(value)}
        return Template(self._texts[name]).safe_substitute(known)


def problems(folder: Path) -> Iterator[str]:
    """What is wrong with a person's prompt texts, a sentence each."""
    if not folder.is_dir():
        yield f"there is no folder {folder}"
        return
    for path in sorted(folder.glob("*.md")):
        if path.stem not in NAMES:
            yield f"{path} is none of the prompts, which are {', '.join(f'{name}.md' for name in NAMES)}"
            continue
        template = Template(path.read_text("utf-8", errors="replace"))
        if not template.is_valid():
            yield f"{path} has a `$` that names no place; write `$$` for a dollar sign"
        elif unknown := set(template.get_identifiers()) - PLACES[path.stem]:
            places = ", ".join(f"${name}" for name in sorted(PLACES[path.stem]))
            yield f"{path} has a place ${min(unknown)} that nobody fills; there are {places}"


def _find(name: str, folder: Path | None) -> Path:
    theirs = folder / f"{name}.md" if folder else None
    return theirs if theirs and theirs.is_file() else Path(__file__).with_name("prompts") / f"{name}.md"


@dataclass(frozen=True, slots=True)
class Tale:
    """One evaluation of the run, as a prompt may tell of it."""

    variant: str
    parents: tuple[str, ...]
    origin: str
    note: str
    evaluation: Evaluation

    @staticmethod
    def of(variant: Variant, evaluation: Evaluation) -> Tale:
        """That of a variant at hand."""
        return Tale(variant.id, variant.parents, variant.origin, variant.note, evaluation)


class Context:
    """What a prompt may see of a run: the population and the tales, in the user's units."""

    def __init__(
        self,
        population: Population,
        failed: Sequence[Tale],
        tell: Callable[[str], Tale],
        weights: Sequence[float],
        recall: Callable[[str], Variant] | None = None,
    ) -> None:
        """What is known.

        Args:
            population: what was judged.
            failed: of ideas that were not worth it.
            tell: the latest tale of a variant that was judged.
            weights: the surrogate's per knob, as far as it has learned any.
            recall: knows all variants told of.
        """
        self._population = population
        self._failed = {tale.variant: tale for tale in failed}
        self._tell = tell
        self._weights = weights
        self._recall = recall or population.variant
        self._apart = cache(population.apart)

    def places(self, name: str, variant: str, mate: str | None, spent: str = "") -> dict[str, object]:
        """What fills the places of the operator `name`: asked about `variant`, and about `mate` if it has one."""
        filled: dict[str, object] = {"standing": self.standing(spent), "parent": self.parent(variant)}
        filled |= {"feedback": self.feedback(variant)}
        if name != "repair":
            near = name in ("edit", "recombine")
            filled |= {"knobs": self.knobs(variant), "tried": self.tried(variant, near)}
            filled |= {"rejected": self.rejected(variant), "others": self.others(variant)}
        if mate is not None:
            filled["mate"] = self.difference(*((mate, variant) if name == "repair" else (variant, mate)))
        return filled

    def standing(self, spent: str) -> str:
        """How far the run has come, and how noisy a reading is."""
        first, best, noise = next(iter(self._population), None), self._population.incumbent, self._population.noise
        lines = [f"- used: {spent}"] if spent else []
        lines += [f"- the variant it started from scores {self._score(first)}"] if first else []
        lines += [f"- the best so far scores {self._score(best)}"] if best and best != first else []
        lines += [f"- one reading varies by {noise:.2g} (standard deviation)"] if noise else []
        return "\n".join(lines)

    def parent(self, variant: str) -> str:
        """Its score and its files."""
        files = self._recall(variant).files
        return f"Score: {self._score(variant)}\n\n" + "\n\n".join(
            f"{path}\n{fence(files[path], path)}" for path in sorted(files)
        )

    def knobs(self, variant: str) -> str:
        """Its knobs, those first that the surrogate has found to matter."""
        space = self._population.space
        values = self._genome(variant).values
        weight = dict(zip(space.names, self._weights, strict=False))
        total = sum(weight.values()) or 1.0
        lines = []
        for name in sorted(values, key=lambda n: -weight.get(n, 0.0)):
            knob = space[name]
            said = " | ".join(map(str, knob.choices)) if knob.choices else f"{knob.low:g} .. {knob.high:g}"
            share = f", {weight[name] / total:.0%} of what matters so far" if weight.get(name) else ""
            lines.append(f"- {name} = {values[name]} (searched in {said}{share})")
        return "\n".join(lines)

    def feedback(self, variant: str) -> str:
        """What its last evaluation said, capped."""
        if variant not in self._failed and not self._population.judged(variant):
            return ""
        told = self._tale(variant).evaluation
        seen = {name: value for name, value in told.metrics.items() if not name.startswith(HOLDOUT)}
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in sorted(seen.items())[:12])
        text = told.feedback.strip()
        return f"{told.status.value}{'; ' if metrics else ''}{metrics}" + (
            f"\n{fence(text[-LONGEST:])}" if text else ""
        )

    def tried(self, variant: str, nearest: bool) -> str:
        """Other variants with their outcomes: the nearest to it, or the best of all and the latest failures."""
        others = [other for other in dict.fromkeys((*self._failed, *self._population)) if other != variant]
        if nearest:
            chosen = sorted(others, key=lambda other: self._far(variant, other))[:TRIED]
        else:
            scored = [other for other in others if self._population.estimate(other).n]
            chosen = sorted(scored, key=lambda other: self._population.estimate(other).mean)[: 2 * TRIED]
            chosen += [other for other in others if not self._population.estimate(other).n][-FAILED:]
        return "\n".join(self._line(self._tale(other), variant) for other in chosen)

    def rejected(self, variant: str) -> str:
        """Its children that were no better or failed, latest first."""
        mean = self._population.estimate(variant).mean
        children = (*self._population.children(variant), *reversed(self._failed))
        worse = (
            self._tale(child) for child in dict.fromkeys(children) if self._population.estimate(child).mean >= mean
        )
        rejected = (tale for tale in worse if tale.parents[:1] == (variant,))
        return "\n".join(self._line(tale, variant) for tale in islice(rejected, REJECTED))

    def others(self, variant: str) -> str:
        """Good variants that differ from it, the most different first; a short diff where knobs do not tell."""
        pool = [other for other in self._population.pool[:24] if other != variant]
        far = sorted(pool, key=lambda other: -self._far(variant, other)[0])[:OTHERS]
        lines = []
        for other in far:
            lines.append(self._line(self._tale(other), variant))
            diff = self._diff(variant, other)
            if self._far(variant, other)[0] and not self._short(other) and len(diff) <= SHORT_DIFF:
                lines.append(fence("\n".join(diff)))
        return "\n".join(lines)

    def difference(self, old: str, new: str) -> str:
        """A diff between two variants, and the score of the second."""
        lines = self._diff(old, new)
        shown = "\n".join(lines[:DIFF_LINES]) + ("\n(cut)" if len(lines) > DIFF_LINES else "")
        return f"Score of the second: {self._score(new)}\n\n{fence(shown)}"

    def _diff(self, old: str, new: str) -> list[str]:
        before, after = self._recall(old).files, self._recall(new).files
        lines: list[str] = []
        for path in sorted(before):
            pair = before[path].splitlines(), after.get(path, "").splitlines()
            lines += difflib.unified_diff(*pair, path, path, lineterm="", n=1)
        return lines

    def _line(self, tale: Tale, base: str) -> str:
        """What a variant changes against `base`, as the files have it, and what came of it."""
        here, there = self._genome(base), self._genome(tale.variant)
        if text := self._short(tale.variant):
            said = repr(text)
        else:
            said = describe(dict(list(changes(here, there).items())[:8]))
            if here.skeleton_id != there.skeleton_id:
                said = f"another structure, said to be: {_words(tale.note)}" + (said and f"; {said}")
        outcome, feedback = self._score(tale.variant), tale.evaluation.feedback.strip().splitlines()
        if not self._population.estimate(tale.variant).n:
            outcome = f"no score, {tale.evaluation.status.value}"
            feedback = feedback[-1:]  # where tracebacks say what it was
        elif not self._short(tale.variant):
            feedback = []  # of programs, what they print while they run
        return f"- {outcome}: {said or 'the same'}" + (f"; what was said: {_words(feedback[0])}" if feedback else "")

    def _short(self, variant: str) -> str:
        """Its text, where that is short and no program."""
        files = self._recall(variant).files
        text = "\n".join(files[path] for path in sorted(files)).strip()
        return text if len(text) <= SHORT_TEXT and not any(path.endswith(".py") for path in files) else ""

    def _score(self, variant: str) -> str:
        estimate = self._population.estimate(variant)
        if not estimate.n:
            return "no score"
        sigma = f" +- {estimate.sigma:.2g}" if estimate.sigma else ""
        goal = self._population.goal
        return f"{goal.loss(estimate.mean):.6g}{sigma} ({estimate.n} reading{'s'[: estimate.n != 1]})"

    def _tale(self, variant: str) -> Tale:
        return self._tell(variant) if self._population.judged(variant) else self._failed[variant]

    def _far(self, one: str, other: str) -> tuple[bool, int]:
        """How far apart two variants are, for sorting: structure first, then knobs."""
        if self._population.judged(one) and self._population.judged(other):
            return self._apart(one)[other]
        here, there = self._genome(one), self._genome(other)
        return here.skeleton_id != there.skeleton_id, len(changes(here, there))

    def _genome(self, variant: str) -> Genome:
        if variant in self._population:
            return self._population.genome(variant)
        return Genome.of(self._recall(variant).files, self._population.space)


def _words(said: str) -> str:
    """Untrusted words in one line, quoted."""
    return repr(" ".join(said.split())[:WORDS])


def fence(text: str, path: str = "") -> str:
    """A text between fences that it does not contain itself."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}{'python' if path.endswith('.py') else ''}\n{text.rstrip(chr(10))}\n{mark}"
