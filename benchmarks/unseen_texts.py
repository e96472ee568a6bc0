"""Whose gain does a hold-out confirm? Hill-climbs on real texts that no reader has seen: `make bench-unseen`.

Needs the data folder that the project's people share (see `train_readers.py`). Readers are trained on half of the
stories (debates); texts of the other half change by grammatical moves and by sentences of their neighbours, selected by
some readers and read by one that shares no features with them. About ten minutes on one core.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
from train_readers import RECIPES, arguments, headlines

from judges import features
from judges.box import Box
from judges.fitting import Held, Table, fit, standard_error
from judges.reader import Reader
from judges.reading import CAUTION
from judges.watch import warning
from population import prose, sentences

TEXTS, STEPS = 100, 60
SPLITS = (  # who selects, who confirms, standard errors that a change must be worth
    ("style+char", "words", 0.0), ("style", "letters", 0.0), ("words", "letters", 0.0), ("style letters", "words", 0.0),
    ("style words", "letters", 0.0), ("style words", "letters", 0.5), ("style words", "letters", CAUTION),
)  # fmt: skip
MOVES = (sentences.swap, sentences.move, sentences.drop, prose.trim, prose.turn)
BOX = Box()


def trained(table: Table, task: str, train: np.ndarray) -> dict[str, Reader]:
    """The readers of a task, made of the pairs in `train` and scaled on the others."""
    found = {}
    for recipe in RECIPES:
        kind = "style+char" if recipe.name == task else recipe.name.removeprefix(f"{task}-")
        if recipe.task != task or kind == "plain":
            continue
        reader = fit(table, recipe, train)
        utilities = np.array([reader.utility(text) for text in table.texts])
        held = Held(table, utilities[table.won] - utilities[table.lost], utilities)
        error = standard_error(table, recipe) * np.sqrt(2)  # of half of the data
        slope = held.slope(~train)
        found[kind] = replace(held.settle(reader), slope=slope, error=slope * error)
    return found


def climb(
    start: str, others: Sequence[str], readers: Sequence[Reader], rng: random.Random, whole: bool, caution: float
) -> str:
    """The best that these readers find in `STEPS` moves; `whole`: texts may also be exchanged as a whole."""
    length = len(features.words(start))

    def worth(text: str) -> float:
        doubt = np.hypot.reduce([reader.error_between(start, text) for reader in readers]) / len(readers)
        return float(np.mean([reader.read(text).rating for reader in readers]) - caution * doubt)

    best, rating = start, worth(start)
    for _ in range(STEPS):
        kind = rng.random()
        if whole and kind < 0.35:
            new = rng.choice(others)
        else:
            made = prose.borrow(best, rng.choice(others), rng) if kind < 0.6 else rng.choice(MOVES)(best, rng)
            new = made[0] if made else best
        fits = 0.85 <= len(features.words(new)) / length <= 1.15 or (whole and len(features.words(new)) <= 24)
        if new != best and fits and not BOX.complaints(new) and (found := worth(new)) > rating:
            best, rating = new, found
    return best


def starts(table: Table, unseen: set[int], whole: bool) -> list[tuple[str, list[str]]]:
    """Texts of groups that nobody has seen, each with its neighbours."""
    rng = random.Random(0)
    groups: dict[int, set[int]] = {}
    for group, won, lost in zip(table.group.tolist(), table.won.tolist(), table.lost.tolist(), strict=True):
        if group in unseen:
            groups.setdefault(group, set()).update((won, lost))
    texts = [[table.texts[i] for i in sorted(found)] for _, found in sorted(groups.items())]
    if not whole:
        texts = [[text for text in found if 50 <= len(features.words(text)) <= 160] for found in texts]
    texts = [found for found in texts if len(found) >= 4]
    chosen = rng.sample(texts, TEXTS) if len(texts) >= TEXTS else rng.choices(texts, k=TEXTS)
    return [(rng.choice(found), found) for found in chosen]


def main(folder: Path) -> None:
    for make, task in ((headlines, "headline"), (arguments, "argument")):
        table = make(folder)[0]
        half = np.random.default_rng(1).permutation(len(table.groups)) < len(table.groups) // 2
        readers = trained(table, task, half[table.group])
        texts = starts(table, set(np.flatnonzero(~half).tolist()), whole=task == "headline")
        print(f"# {task}: {len(texts)} unseen texts, {STEPS} moves each")
        for seen, hidden, caution in SPLITS:
            judges, holdout = [readers[kind] for kind in seen.split()], readers[hidden]
            gains = []
            for number, (start, others) in enumerate(texts):
                end = climb(start, others, judges, random.Random(number), task == "headline", caution)
                if end == start:
                    continue
                visible = float(np.mean([one.read(end).rating - one.read(start).rating for one in judges]))
                confirmed = holdout.read(end).raw - holdout.read(start).raw
                own = [one.error_between(start, end) / 2 / len(judges) for one in judges]
                error = float(np.hypot(holdout.error_between(start, end), np.sqrt(np.sum(np.square(own)))))
                gains.append((visible, confirmed, error))
            table_ = np.array(gains, dtype=float)
            draws = np.random.default_rng(0).integers(0, len(table_), (1000, len(table_)))
            low, high = np.quantile(table_[draws, 1].mean(1) / table_[draws, 0].mean(1), [0.025, 0.975])
            v, h, e = table_.T
            said = [warning(*row) for row in table_.tolist()]
            alarms, short = sum(one.startswith("ALARM") for one in said), int((h < v / 2).sum())
            unlucky = sum(NormalDist().cdf(-row / 2) for row in (v / e).tolist())
            print(
                f"{seen:13} less {caution:.1f} errors -> {hidden:7} {len(v)} changed, gain {v.mean():+.2f}, "
                f"confirmed {h.mean():+.2f}: {h.mean() / v.mean():.0%} [{low:.0%}, {high:.0%}]; in all "
                f"{h.sum() / len(texts):+.2f}; less than half: {short} (by the hold-out's error alone, were every gain "
                f"real: {unlucky:.0f}), all warned: {sum(map(bool, said)) == short}, of these alarms {alarms}",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data"))
