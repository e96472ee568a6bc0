from __future__ import annotations

import random

import pytest

from population.evaluation import Evaluation, Goal, Status
from population.knobs import Space
from population.pool import Population
from population.variant import Variant
from wolf.strategy.gate import CROWNING_Z, READINGS, Crowning, NoiseGate

SIGMA = 0.03


class Bench:
    """A gate, a population, and a judge with noise; a contender is read again as the search does."""

    def __init__(self, seed: int, enabled: bool = True, sigma: float = SIGMA) -> None:
        self.rng, self.sigma = random.Random(seed), sigma
        self.known: dict[str, Variant] = {}
        self.population = Population(Space.of({"t.py": "A = 0.5\n"}), Goal.MINIMIZE, self.known.__getitem__)
        self.gate = NoiseGate(enabled)
        self.truth: dict[str, float] = {}
        self.crowned: list[Crowning] = []
        self.readings = 0
        self.seed = self.add(1.0, 3)

    def add(self, truth: float, readings: int = 1) -> str:
        """A new variant, read so often; then whoever the gate wants read again."""
        variant = Variant({"t.py": f"A = 0.5\n# {len(self.known)}\n"})
        self.known[variant.id], self.truth[variant.id] = variant, truth
        for _ in range(readings):
            self.read(variant.id)
        while contender := self.gate.contender(self.population):
            self.read(contender)
        return variant.id

    def last(self) -> None:
        """A while without news, so that the incumbent is seen to last and is read again."""
        for _ in range(12):
            self.add(2.0)

    def read(self, variant: str) -> None:
        score = self.truth[variant] + self.rng.gauss(0.0, self.sigma)
        self.population.expect(self.known[variant])
        self.population.tell(self.known[variant], Evaluation(variant, "j", Status.OK, score))
        self.readings += 1
        if crowning := self.gate.told(self.population, variant):
            self.crowned.append(crowning)


def test_of_a_thousand_changes_without_effect_a_couple_are_crowned_at_most() -> None:
    crowned = []
    for seed in range(4):
        bench = Bench(seed)
        for _ in range(1000):
            bench.add(1.0)
        crowned.append(len(bench.crowned))
        assert bench.readings < 1100, "and hardly anything was spent on reading them again"
    assert max(crowned) <= 2, crowned
    assert sum(crowned) <= 4, crowned


def test_without_the_gate_luck_is_crowned_again_and_again() -> None:
    bench = Bench(0, enabled=False)
    for _ in range(300):
        bench.add(1.0)
    assert len(bench.crowned) >= 3
    assert bench.readings == 303, "and nothing is read twice"


def test_gains_far_beyond_the_noise_are_crowned_at_once() -> None:
    bench = Bench(1)
    better = bench.add(1.0 - 20 * SIGMA)
    assert [c.variant for c in bench.crowned] == [better]
    crowning = bench.crowned[0]
    assert (crowning.previous, bench.gate.champion) == (bench.seed, better)
    assert crowning.low < 20 * SIGMA < crowning.high
    assert crowning.low < crowning.gain < crowning.high


def test_gains_of_a_few_sigma_are_crowned_once_they_have_lasted_and_were_read_again() -> None:
    found = 0
    for seed in range(20):
        bench = Bench(seed)
        better = bench.add(1.0 - 4.5 * SIGMA)
        bench.last()
        found += bench.gate.champion == better
    assert found >= 16


def test_a_chain_of_real_gains_is_followed_to_its_end() -> None:
    bench = Bench(5)
    for step in range(1, 11):
        bench.add(1.0 - 6 * SIGMA * step)
        bench.last()
    assert len(bench.crowned) >= 6
    assert bench.truth[bench.gate.champion or ""] <= 1.0 - 6 * SIGMA * 9
    for crowning in bench.crowned:
        assert crowning.low > 0


def test_a_judge_without_noise_is_believed_at_its_word() -> None:
    bench = Bench(0, sigma=0.0)
    assert bench.population.noise == 0.0
    better = bench.add(1.0 - 1e-9)
    assert bench.gate.champion == better
    assert bench.crowned[0].low == bench.crowned[0].high == pytest.approx(1e-9)
    bench.add(1.0 - 1e-9)
    assert bench.gate.champion == better, "as good is not better"
    assert bench.readings == 5, "and nothing is read twice"


def test_a_contender_is_read_until_it_is_clear_but_not_for_ever() -> None:
    for seed in range(10):
        bench = Bench(seed)
        variant = bench.add(1.0 - 1.0 * SIGMA)
        bench.last()
        assert bench.population.estimate(variant).n <= READINGS
        assert bench.gate.contender(bench.population) is None


def test_before_anything_is_known_about_noise_nobody_is_crowned() -> None:
    known: dict[str, Variant] = {}
    population = Population(Space.of({"t.py": "A = 0.5\n"}), Goal.MINIMIZE, known.__getitem__)
    gate = NoiseGate()
    for text, score in (("A = 0.5\n", 1.0), ("A = 0.6\n", 0.9), *((f"A = {n}\n", 2.0) for n in range(1, 13))):
        variant = Variant({"t.py": text})
        population.expect(variant)
        population.tell(variant, Evaluation(variant.id, "j", Status.OK, score))
        assert gate.told(population, variant.id) is None
    assert gate.champion == next(iter(population))
    assert gate.contender(population) == population.incumbent, "another reading will tell"


def test_failures_are_neither_champions_nor_contenders() -> None:
    bench = Bench(0)
    broken = Variant({"t.py": "broken\n"})
    bench.population.expect(broken)
    bench.population.tell(broken, Evaluation(broken.id, "j", Status.CRASHED))
    assert bench.gate.told(bench.population, broken.id) is None
    assert bench.gate.champion == bench.seed


def test_the_bar_is_one_in_a_thousand() -> None:
    from scipy.special import ndtr

    assert ndtr(-CROWNING_Z) < 0.0011


class Forgetful(NoiseGate):
    """Weighs the incumbent's claim anew with every reading, whether anything has changed or not."""

    def told(self, population: Population, variant: str) -> Crowning | None:
        self._weighed = None, None, None
        return super().told(population, variant)


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_a_claim_is_weighed_again_whenever_that_could_change_the_answer(seed: int, enabled: bool) -> None:
    """Progress, luck, readings of anybody, votes and vetoes."""
    benches = [Bench(seed, enabled), Bench(seed, enabled)]
    benches[1].gate.__class__ = Forgetful
    for bench in benches:
        rng, ids = random.Random(seed), [bench.seed]
        for n in range(400):
            match rng.choice(("new", "new", "new", "better", "read", "sway", "veto", "free")):
                case "better":
                    ids.append(bench.add(1.0 - n / 2000 - rng.random() / 20))
                case "read":
                    bench.read(rng.choice(ids))
                case "sway":
                    bench.population.sway({rng.choice(ids): rng.uniform(-0.1, 0.1)})
                    bench.gate.steered(bench.population)
                case "veto" if n % 5 == 0:
                    bench.population.veto(rng.choice(ids), line=False)
                    bench.gate.steered(bench.population)
                case "free":
                    bench.population.free(rng.choice(ids))
                    bench.gate.steered(bench.population)
                case _:
                    ids.append(bench.add(1.0 + rng.random() / 20))
    assert benches[0].crowned == benches[1].crowned
    assert benches[0].crowned, "or it would say little"
    assert benches[0].gate.champion == benches[1].gate.champion
    assert benches[0].readings == benches[1].readings


def test_votes_against_the_champion_make_way_for_the_incumbent_at_once() -> None:
    """Neither is read, and it is another variant that is told next."""
    bench = Bench(2)
    bench.add(0.96)
    bench.last()
    ahead = bench.population.incumbent
    assert ahead not in (None, bench.gate.champion) and not bench.crowned, "a lead that could be luck"
    bench.population.sway({bench.seed: 1.0})
    bench.gate.steered(bench.population)
    bench.add(2.0)
    assert [crowning.variant for crowning in bench.crowned] == [ahead]
