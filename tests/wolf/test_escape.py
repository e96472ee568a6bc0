from __future__ import annotations

import random
from collections import Counter

import pytest

from population.evaluation import Evaluation, Goal, Status
from population.knobs import Space
from population.pool import Population
from population.variant import Variant
from wolf.strategy.escape import ALLOWANCE, EXTENSION, LADDER, MAX_ALLOWANCE, PATIENCE, SHARE, Escape, Expedition


class Trail:
    """An escape harness, and variants with whatever losses a test wants."""

    def __init__(self, enabled: bool = True) -> None:
        self.escape, self.known = Escape(enabled), {}
        self.population = Population(Space.of({"t.py": "A = 0.5\n"}), Goal.MINIMIZE, self.known.__getitem__)
        self.told(1.0, gain=True)

    def told(self, loss: float | None, trip: int | None = None, gain: bool = False) -> Expedition | None:
        """A new variant with this loss (None: it fails)."""
        variant = Variant({"t.py": f"A = 0.5\n# {len(self.known)}\n"})
        self.known[variant.id] = variant
        status = Status.CRASHED if loss is None else Status.OK
        self.population.tell(variant, Evaluation(variant.id, "j", status, loss))
        return self.escape.told(self.population, variant.id, trip, variant.id if gain else None)

    def drought(self) -> None:
        """Nothing is found until an expedition is due."""
        for _ in range(1000):
            if self.escape.due:
                return
            self.told(2.0)
        raise AssertionError("no expedition was ever due")


def test_heat_rises_with_fruitless_evaluations_and_falls_with_a_gain() -> None:
    trail = Trail()
    heats = []
    for _ in range(PATIENCE):
        heats.append(trail.escape.heat)
        trail.told(2.0)
    assert heats[0] == 0 and heats == sorted(heats) and heats[-1] < 1 == trail.escape.heat
    trail.told(0.5, gain=True)
    assert trail.escape.heat == 0


def test_patience_grows_with_what_gains_take_in_this_run() -> None:
    trail = Trail()
    for loss in (0.9, 0.8, 0.7):
        for _ in range(4 * PATIENCE):
            trail.told(2.0)
        trail.told(loss, gain=True)
    for _ in range(2 * PATIENCE):
        trail.told(2.0)
    assert trail.escape.heat < 1


def test_one_expedition_at_a_time() -> None:
    trail = Trail()
    trail.drought()
    trip = trail.escape.start("kick", "x")
    assert (trail.escape.active, trip.id, trip.spent, trip.outcome) == (trip, 0, 0, None)
    for _ in range(3 * PATIENCE):
        trail.told(2.0)
        assert not trail.escape.due


def test_what_is_not_part_of_it_costs_it_nothing() -> None:
    trail = Trail()
    trail.drought()
    trail.escape.start("kick", "x")
    assert trail.told(2.0) is None
    assert trail.escape.spent == 0


def test_one_that_finds_nothing_comes_home_empty_when_its_allowance_is_spent() -> None:
    trail = Trail()
    trail.drought()
    trail.escape.start("cross", "x")
    changed = [trail.told(9.0 + i, 0) for i in range(ALLOWANCE)]
    assert changed[:-1] == [None] * (ALLOWANCE - 1)
    assert (changed[-1].outcome, changed[-1].spent) == ("empty", ALLOWANCE)
    assert trail.escape.active is None
    assert trail.escape.heat == 0, "the next one waits until patience has run out again"


def test_one_that_climbs_is_extended_but_not_for_ever() -> None:
    trail = Trail()
    trail.drought()
    trail.escape.start("cross", "x")
    spent = 0
    while trail.escape.active:
        changed = trail.told(9.0 - spent / 10, 0)
        spent += 1
        if changed and not changed.outcome:
            assert changed.allowance == min(MAX_ALLOWANCE, spent + EXTENSION)
    assert spent == trail.escape.spent == MAX_ALLOWANCE


def test_one_that_finds_a_champion_is_home() -> None:
    trail = Trail()
    trail.drought()
    trail.escape.start("cross", "x")
    trail.told(3.0, 0)
    settled = trail.told(0.1, 0, gain=True)
    assert (settled.outcome, settled.spent, settled.best_loss) == ("champion", 2, 0.1)


def test_one_that_found_a_place_among_the_best_found_a_niche() -> None:
    trail = Trail()
    trail.drought()
    trail.escape.start("cross", "x")
    trail.told(0.999, 0)
    for _ in range(ALLOWANCE - 2):
        trail.told(5.0, 0)
    assert trail.told(5.0, 0).outcome == "niche"


@pytest.mark.parametrize("failures", [1, 3])
def test_one_that_lands_on_failures_ends_and_another_can_follow(failures) -> None:
    trail = Trail()
    for n in range(failures):
        trail.drought()
        assert trail.escape.start("cross", "x").id == n
        for _ in range(MAX_ALLOWANCE):
            if trail.escape.active:
                trail.told(None, n)
        assert trail.escape.expeditions[n].outcome == "empty"
        assert trail.escape.expeditions[n].best is None


def test_with_nowhere_to_go_on_from_it_is_over_at_once() -> None:
    trail = Trail()
    trail.drought()
    trail.escape.start("cross", "x")
    settled = trail.told(None, 0)
    assert settled is not None and settled.outcome == "empty", "the search continues from the best it has found: none"


def test_what_comes_back_after_it_was_settled_changes_nothing() -> None:
    trail = Trail()
    trail.drought()
    trail.escape.start("cross", "x")
    trail.told(0.1, 0, gain=True)
    before = list(trail.escape.expeditions)
    assert trail.told(0.01, 0, gain=True) is None
    assert trail.escape.expeditions == before


def test_expeditions_never_starve_the_hunt() -> None:
    trail, rng = Trail(), random.Random(0)
    for told in range(2000):
        trip = trail.escape.active
        if trip is None and trail.escape.due:
            trip = trail.escape.start("kick", "x")
            assert trail.escape.spent <= SHARE * (told + 1)
        trail.told(5.0 - told / 1000 + rng.random(), trip.id if trip else None)  # as often and as long as they may
        assert trail.escape.spent <= SHARE * (told + 2) + MAX_ALLOWANCE
    assert 0.2 < trail.escape.spent / 2000 < SHARE + 0.02


def test_the_kinds_that_pay_are_sent_more_often() -> None:
    trail = Trail()
    before = Counter(trail.escape.kind(random.Random(i)) for i in range(500))
    assert set(before) == set(LADDER) - {"depart"}  # nobody knows where to depart to
    assert {trail.escape.kind(random.Random(i), departures=True) for i in range(500)} == set(LADDER)
    for _ in range(12):
        kind = "cross" if len(trail.escape.expeditions) % 2 else "kick"
        trip = trail.escape.start(kind, "x")
        while trail.escape.active:
            trail.told(0.001 if kind == "cross" else 9.0, trip.id, gain=kind == "cross")
    after = Counter(trail.escape.kind(random.Random(i)) for i in range(500))
    assert after["cross"] > 1.5 * before["cross"]
    assert 0 < after["kick"] < before["kick"] / 1.5


def test_switched_off_it_measures_and_does_nothing() -> None:
    trail = Trail(enabled=False)
    for _ in range(5 * PATIENCE):
        trail.told(2.0)
    assert trail.escape.heat == 1
    assert not trail.escape.due


def test_the_credit_for_a_champion_goes_to_the_expedition_that_found_it() -> None:
    trail = Trail()
    trail.drought()
    trip = trail.escape.start("kick", "somewhere")
    trail.told(3.0, trip.id)
    find = list(trail.known)[-1]
    while trail.escape.active:
        trail.told(3.0, trip.id)
    again = trail.escape.told(trail.population, find, None, find)
    assert again and again.id == trip.id and again.outcome == "champion"


def test_an_expedition_gets_no_credit_for_a_champion_that_somebody_else_found() -> None:
    trail = Trail()
    trail.told(0.1)
    other = list(trail.known)[-1]
    trail.drought()
    trip = trail.escape.start("kick", "somewhere")
    trail.told(3.0, trip.id)
    trail.escape.told(trail.population, other, None, other)
    assert trail.escape.expeditions[trip.id].outcome is None
