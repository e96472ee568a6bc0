from __future__ import annotations

import numpy as np
import pytest

from judges.agreement import (
    alpha,
    common,
    concordance,
    drifted,
    fooled,
    icc,
    least_votes,
    longer,
    outliers,
    same_criteria,
    unheard,
)
from judges.ballots import Verdict
from judges.rating import Ballot, Electorate, rate

TEXTS = [f"text {n}" for n in range(8)]


def vote(judge: str, worth: dict[str, float], noise: float, count: int, seed: int = 0) -> list[Ballot]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        shown = tuple(rng.choice([*worth], 4, replace=False).tolist())
        value = {text: worth[text] + rng.normal(0, noise) for text in shown}
        found.append(Ballot(judge, shown, tuple(sorted(shown, key=lambda text: -value[text]))))
    return found


WORTH = {text: float(n) for n, text in enumerate(TEXTS)}
AGREED = vote("a", WORTH, 0.5, 40, 1) + vote("b", WORTH, 0.5, 40, 2)
CHANCE = vote("a", dict.fromkeys(TEXTS, 0.0), 1.0, 60, 3) + vote("b", dict.fromkeys(TEXTS, 0.0), 1.0, 60, 4)


def test_judges_who_agree_have_high_figures_and_those_who_guess_have_none() -> None:
    assert (alpha(AGREED) or 0) > 0.8 and abs(alpha(CHANCE) or 0) < 0.2
    assert (concordance(common(AGREED)) or 0) > 0.9 > (concordance(common(CHANCE)) or 0)
    assert (icc(common(AGREED)) or 0) > 0.9 > (icc(common(CHANCE)) or 0)


def test_judges_who_say_the_same_are_worth_little_more_than_one_and_guessers_what_they_are() -> None:
    assert 1.0 <= (least_votes(AGREED) or 0) < 1.15 and (least_votes(CHANCE) or 0) > 1.8
    assert least_votes(vote("a", WORTH, 0.5, 10)) is None


def test_a_judge_is_fooled_by_a_planted_text_only_if_it_puts_that_before_another() -> None:
    sound = Ballot("a", ("plant", "x", "trap", "y"), ("y", "x", "trap", "plant"))
    taken_in = Ballot("a", ("plant", "x", "y"), ("y", "plant", "x"))
    assert fooled([sound, Ballot("a", ("x", "y"), ("x", "y"))], {"plant", "trap"}) == (0, 1)
    assert fooled([sound, taken_in], {"plant", "trap"}) == (1, 2)


def test_one_judge_agrees_with_nobody() -> None:
    alone = vote("a", WORTH, 0.5, 10)
    assert alpha(alone) is None and concordance(common(alone)) is None and icc(common(alone)) is None
    assert outliers(TEXTS, alone, Electorate()) == {}


def test_judges_who_contradict_each_other_are_below_chance() -> None:
    upside_down = {text: -worth for text, worth in WORTH.items()}
    assert (alpha(vote("a", WORTH, 0.1, 40, 1) + vote("b", upside_down, 0.1, 40, 2)) or 0) < -0.8


def test_criteria_that_always_name_the_same_text_are_one() -> None:
    ballot = Ballot("a", tuple(TEXTS[:4]), tuple(TEXTS[:4]))
    rng = np.random.default_rng(0)
    verdicts = [
        Verdict(ballot, best={"pull": TEXTS[n % 4], "fresh": TEXTS[n % 4], "clear": TEXTS[int(rng.integers(4))]})
        for n in range(40)
    ]
    assert same_criteria(verdicts) == [("fresh", "pull", 1.0)]
    assert same_criteria(verdicts[:10]) == []  # ten ballots prove nothing


def test_a_taste_for_length_is_seen() -> None:
    bodies = {text: "word " * (n + 1) for n, text in enumerate(TEXTS)}
    assert longer(AGREED, bodies)["a"] > 0.85
    assert longer(CHANCE, bodies)["a"] == pytest.approx(0.5, abs=0.1)
    assert longer([Ballot("a", ("x", "y"), ("y", "x"))], {"x": "", "y": "word"}) == {}


def test_a_judge_that_changes_its_mind_about_the_anchors_has_drifted() -> None:
    anchors = TEXTS[:4]
    scale = {text: WORTH[text] for text in anchors}
    later = {text: -worth for text, worth in scale.items()}
    steady, changed = vote("steady", scale, 0.7, 40, 1), vote("new", scale, 0.7, 20, 2) + vote("new", later, 0.7, 20, 3)
    assert [*drifted(steady + changed, anchors)] == ["new"]


def captured(seed: int, votes: int = 80) -> tuple[int, int, bool]:
    """Ranks of a bad text of 24 without and with one captured judge of five, and whether that was noticed."""
    rng = np.random.default_rng(seed)
    texts = [f"t{n}" for n in range(24)]
    worth = dict(zip(texts, rng.normal(0, 1.1, 24).tolist(), strict=True))
    bad = sorted(texts, key=lambda text: -worth[text])[17]
    honest = [ballot for j in range(5) for ballot in vote(f"j{j}", worth, 1.5, votes, 10 * seed + j)]
    sold = [b if b.judge != "j0" else Ballot("j0", b.shown, tuple(sorted(b.ranking, key=lambda t: t != bad)))
            for b in honest]  # fmt: skip
    found = []
    for ballots in (honest, sold):
        odd = outliers(texts, ballots, Electorate())
        ratings = rate(texts, unheard(ballots, odd))
        found.append(int((ratings.mean > ratings.rating(bad)[0]).sum()) + 1)
    return found[0], found[1], ("j0", bad) in outliers(texts, sold, Electorate())


def test_one_captured_judge_of_five_moves_its_text_by_four_ranks_at_most_and_is_noticed() -> None:
    runs = [captured(seed) for seed in range(4)]
    assert float(np.mean([before - after for before, after, _ in runs])) <= 4
    assert sum(noticed for *_, noticed in runs) >= 3


def test_honest_judges_are_seldom_called_outliers() -> None:
    flags = 0
    for seed in range(8):
        ballots = [b for j in range(4) for b in vote(f"j{j}", WORTH, 1.5, 20, 100 * seed + j)]
        flags += len(outliers(TEXTS, ballots, Electorate()))
    assert flags <= 5  # of 256; 3 are expected by chance
