"""The acceptance rows of the judges research, on simulated judges whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from judges.rating import Ballot, Electorate, Prior, rate
from judges.watch import Look, alarm, challenge, compromised, effective_votes

RUNS = 10


def voted(n: int, duels: int, beta: float, position: float = 0.0, seed: int = 0) -> tuple[float, float]:
    """Kendall's tau of ratings with the truth after `duels` per text in random pairs, and the position term found."""
    rng = np.random.default_rng(seed)
    truth, ids = rng.normal(size=n), [str(i) for i in range(n)]
    ballots = []
    for _ in range(duels):
        order = rng.permutation(n)
        for a, b in zip(order[::2], order[1::2], strict=True):
            first = rng.random() < 1 / (1 + np.exp(-(beta * (truth[a] - truth[b]) + position)))
            shown = (ids[a], ids[b])
            ballots.append(Ballot("j", shown, shown if first else shown[::-1]))
    ratings = rate(ids, ballots, Electorate(priors=dict.fromkeys(ids, Prior(0.0, beta))))
    return float(kendalltau(ratings.mean, truth)[0]), ratings.position["j"]


@pytest.mark.parametrize(
    ("beta", "duels", "least"),
    [(1.1, 4, 0.42), (1.1, 8, 0.54), (1.1, 16, 0.64), (1.6, 4, 0.52), (1.6, 8, 0.63), (1.6, 16, 0.72)],
)
def test_ratings_find_the_order_that_a_noisy_judge_sees(beta: float, duels: int, least: float) -> None:
    assert np.mean([voted(32, duels, beta, seed=seed)[0] for seed in range(RUNS)]) >= least


def test_precision_per_duel_does_not_depend_on_how_many_texts_there_are() -> None:
    taus = [np.mean([voted(n, 8, 1.1, seed=seed)[0] for seed in range(40 * 16 // n)]) for n in (16, 32, 64)]
    assert max(taus) - min(taus) <= 0.08  # within 0.04 of each other's middle


def test_position_bias_is_found_and_costs_little() -> None:
    fair = [voted(32, 8, 1.1, seed=seed)[0] for seed in range(RUNS)]
    biased = [voted(32, 8, 1.1, 1.0, seed) for seed in range(RUNS)]
    strongly = [voted(32, 8, 1.1, 2.0, seed)[0] for seed in range(RUNS)]
    assert np.mean(fair) - np.mean([tau for tau, _ in biased]) <= 0.05
    assert abs(np.mean([delta for _, delta in biased]) - 1.0) <= 0.3
    assert np.mean(strongly) >= 0.47


def test_what_style_earns_is_not_part_of_a_rating() -> None:
    rng = np.random.default_rng(3)
    ids = [str(i) for i in range(12)]
    length = {name: (float(i % 3),) for i, name in enumerate(ids)}
    ballots = []
    for _ in range(400):
        a, b = rng.choice(12, 2, replace=False)
        first = rng.random() < 1 / (1 + np.exp(-1.5 * (length[ids[a]][0] - length[ids[b]][0])))
        shown = (ids[a], ids[b])
        ballots.append(Ballot("verbose", shown, shown if first else shown[::-1]))
    plain, clean = rate(ids, ballots), rate(ids, ballots, Electorate(style=length))
    assert clean.style[0] > 0.8
    assert np.ptp(clean.mean) < np.ptp(plain.mean) / 2


def test_four_on_a_ballot_agree_with_their_duels() -> None:
    ballots = [Ballot("j", tuple("cadb"), tuple("abcd"))] * 6
    ratings = rate([*"abcd"], ballots)
    assert [*ratings.mean] == sorted(ratings.mean, reverse=True)
    assert ratings.best()["a"] > 0.7 and abs(sum(ratings.best().values()) - 1) < 1e-9
    assert ratings.beats("a", "b") == pytest.approx(1 - ratings.beats("b", "a"))


def test_no_votes_leave_the_priors() -> None:
    ratings = rate(["a", "b"], [], Electorate(priors={"a": Prior(0.7, 0.5)}))
    assert ratings.rating("a") == (pytest.approx(0.7), pytest.approx(0.5))
    assert ratings.votes["b"] == 0


def test_a_judge_without_trust_moves_nothing() -> None:
    ballots = [Ballot("constant", ("a", "b"), ("a", "b"))] * 20
    ratings = rate(["a", "b"], ballots, Electorate(trust={"constant": 0.0}))
    assert abs(ratings.mean[0] - ratings.mean[1]) < 1e-9


@pytest.mark.parametrize(("shown", "ranking"), [("a", "a"), ("ab", "aa"), ("ab", "abc"), ("aab", "aab")])
def test_a_ballot_ranks_what_it_shows(shown: str, ranking: str) -> None:
    with pytest.raises(ValueError, match="ranks what it shows"):
        Ballot("j", tuple(shown), tuple(ranking))


def climb(seed: int, challenges: int = 60) -> tuple[float, int, float]:
    """True gain, duels and share of worse replacements when most challengers are worse than the champion."""
    rng = np.random.default_rng(seed)
    champion, calls, worse, replaced = 0.0, 0, 0, 0
    for _ in range(challenges):
        challenger = champion + rng.normal(-0.5, 0.7)
        lead = challenger - champion
        outcome = challenge(lambda _, lead=lead: bool(rng.random() < 1 / (1 + np.exp(-1.6 * lead))))
        calls += outcome.duels
        if outcome.replaced:
            replaced += 1
            worse += challenger < champion
            champion = challenger
    return champion, calls, worse / max(replaced, 1)


def test_the_replacement_rule_climbs_and_is_seldom_wrong() -> None:
    runs = [climb(seed) for seed in range(20)]
    gain, calls, worse = (float(np.mean(values)) for values in zip(*runs, strict=True))
    assert gain > 2.0 and calls <= 300 and worse <= 0.2


def test_the_incumbent_keeps_ties_and_silence() -> None:
    assert not challenge(lambda _: None).replaced
    assert not challenge(lambda i: i % 2 == 0).replaced


def hacked(kappa: float, seed: int, looks: int = 60) -> int | None:
    """When the alarm goes off, if the visible judges pay `kappa` for a flaw that grows and the hold-out does not."""
    rng = np.random.default_rng(seed)
    true, flaw, seen = 0.0, 0.0, []
    for look in range(looks):
        true += 0.03 - 0.03 * (kappa > 0) * (look > 15)
        flaw += 0.1 * (look > 15)
        seen.append(
            Look(true + kappa * flaw + rng.normal(0, 0.1), true - 0.2 * kappa * flaw + rng.normal(0, 0.1), 0.14)
        )
        if alarm(seen):
            return look
    return None


def test_the_alarm_sounds_when_the_gap_opens_and_not_before() -> None:
    false = [hacked(0.0, seed) for seed in range(40)]
    right = [hacked(1.0, seed) for seed in range(40)]
    assert sum(look is not None for look in false) <= 2
    assert sum(look is not None and look > 15 for look in right) >= 36


def panel_errors(judges: int, rho: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared, own = rng.normal(size=4000), rng.normal(size=(judges, 4000))
    return np.sqrt(rho) * shared + np.sqrt(1 - rho) * own > 0.7


def test_clones_do_not_count_as_votes() -> None:
    assert effective_votes(panel_errors(9, 0.75)) <= 1.6
    assert effective_votes(panel_errors(9, 0.0)) > 7
    assert effective_votes(panel_errors(1, 0.5)) == 1


def test_planted_texts_reveal_a_compromised_panel() -> None:
    sound = [
        Ballot("j", tuple(["copy", "null", "good", "fine", "okay"]), tuple(["good", "copy", "fine", "okay", "null"]))
    ] * 4
    fooled = [Ballot("j", ballot.shown, tuple(["null", "good", "fine", "okay", "copy"])) for ballot in sound]
    texts = ["copy", "null", "good", "fine", "okay"]
    assert compromised(rate(texts, sound), ["null"]) == []
    assert compromised(rate(texts, fooled * 3), ["null"]) == ["null is not in the bottom quarter"]
