"""Prompts: Markdown texts with places for what the run knows, the static part first.

`rules.md` is the static part; the others are one operator each. A folder under `llm: prompts:` may hold texts of the
same names that take the place of ours. What a candidate wrote or printed is capped and fenced, and called data.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from population.evaluation import Evaluation, Goal
from population.genome import changes, describe
from population.pool import Population

NAMES = ("rules", "edit", "recombine", "depart", "repair", "explain")
_OPERATOR = {"ideas", "parent", "knobs", "feedback", "tried", "rejected", "others", "notes", "mate", "rationale"}
PLACES = {
    "rules": {"metric", "direction", "evaluation", "files", "memo"},
    **{name: _OPERATOR for name in NAMES[1:]},
}
NOTHING = "(nothing yet)"
LONGEST = 1500  # characters of feedback
DIFF_LINES = 160
TRIED, REJECTED, OTHERS = 14, 8, 5


class Texts:
    """The prompt texts of a run."""

    def __init__(self, folder: Path | None) -> None:
        """Read ours, and on top of them those in `folder`."""
        self._texts = {name: (_find(name, folder)).read_text("utf-8") for name in NAMES}

    def fill(self, name: str, places: Mapping[str, object]) -> str:
        """The text `name` with its places filled; a place that has nothing says so."""
        known = dict.fromkeys(PLACES[name], NOTHING) | {key: str(value) or NOTHING for key, value in places.items()}
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


class Context:
    """What a prompt may see of a run: the population and the tales, in the user's units."""

    def __init__(self, population: Population, tales: Sequence[Tale], weights: Sequence[float]) -> None:
        """`weights` are the surrogate's per knob, as far as it has learned any."""
        self._population = population
        self._tales = tales
        self._weights = weights

    @property
    def _goal(self) -> Goal:
        return self._population.goal

    def parent(self, variant: str) -> str:
        """Its score and its files."""
        files = self._population.variant(variant).files
        return f"Score: {self._score(variant)}\n\n" + "\n\n".join(
            f"{path}\n{fence(files[path], path)}" for path in sorted(files)
        )

    def knobs(self, variant: str) -> str:
        """Its knobs, those first that the surrogate has found to matter."""
        space = self._population.space
        values = self._population.genome(variant).values
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
        told = next((t.evaluation for t in reversed(self._tales) if t.variant == variant), None)
        if told is None:
            return ""
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in sorted(told.metrics.items())[:12])
        text = told.feedback.strip()
        return f"{told.status.value}{'; ' if metrics else ''}{metrics}" + (
            f"\n{fence(text[-LONGEST:])}" if text else ""
        )

    def tried(self, variant: str, nearest: bool) -> str:
        """Other variants with their outcomes: the nearest to it, or the best of all and the latest failures."""
        last = {tale.variant: tale for tale in self._tales if tale.variant != variant}
        if nearest:
            order = sorted(last, key=lambda other: self._far(variant, other))[:TRIED]
        else:
            order = sorted(last, key=lambda other: self._population.estimate(other).mean)[: 2 * TRIED]
        return "\n".join(self._line(last[other], variant) for other in order)

    def rejected(self, variant: str) -> str:
        """Its children that were no better, latest first."""
        mean = self._population.estimate(variant).mean
        worse = [
            tale for tale in reversed(self._tales)
            if tale.parents[:1] == (variant,) and self._population.estimate(tale.variant).mean >= mean
        ]  # fmt: skip
        return "\n".join(self._line(tale, variant) for tale in worse[:REJECTED])

    def others(self, variant: str) -> str:
        """Good variants that differ from it, the most different first."""
        pool = [other for other in self._population.pool[:24] if other != variant]
        far = sorted(pool, key=lambda other: -self._far(variant, other)[0])[:OTHERS]
        tales = {tale.variant: tale for tale in self._tales}
        return "\n".join(self._line(tales[other], variant) for other in far if other in tales)

    def difference(self, old: str, new: str) -> str:
        """A diff between two variants, and the score of the second."""
        before, after = self._population.variant(old).files, self._population.variant(new).files
        lines: list[str] = []
        for path in sorted(before):
            pair = before[path].splitlines(), after.get(path, "").splitlines()
            lines += difflib.unified_diff(*pair, path, path, lineterm="", n=1)
        shown = "\n".join(lines[:DIFF_LINES]) + ("\n(cut)" if len(lines) > DIFF_LINES else "")
        return f"Score of the second: {self._score(new)}\n\n{fence(shown)}"

    def _line(self, tale: Tale, base: str) -> str:
        """What a variant changes against `base`, as the files have it, and what came of it."""
        here, there = self._population.genome(base), self._population.genome(tale.variant)
        said = describe(dict(list(changes(here, there).items())[:8]))
        if here.skeleton_id != there.skeleton_id:
            said = f"another structure, said to be: {' '.join(tale.note.split())[:100]!r}" + (said and f"; {said}")
        return f"- {self._score(tale.variant)}: {said or 'the same'}"

    def _score(self, variant: str) -> str:
        estimate = self._population.estimate(variant)
        if not estimate.n:
            return "no score"
        sigma = f" +- {estimate.sigma:.2g}" if estimate.sigma else ""
        return f"{self._goal.loss(estimate.mean):.6g}{sigma} ({estimate.n} reading{'s'[: estimate.n != 1]})"

    def _far(self, one: str, other: str) -> tuple[float, int]:
        """How far apart two variants are, for sorting: structure first, then knobs."""
        here, there = self._population.genome(one), self._population.genome(other)
        return float(here.skeleton_id != there.skeleton_id), len(changes(here, there))


def fence(text: str, path: str = "") -> str:
    """A text between fences that it does not contain itself."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}{'python' if path.endswith('.py') else ''}\n{text.rstrip(chr(10))}\n{mark}"
