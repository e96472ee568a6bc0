from __future__ import annotations

import math
import random
from collections.abc import Mapping
from statistics import stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from population import pool
from population.admission import Admission, Verdict
from population.evaluation import Doubt, Evaluation, Goal, Status
from population.genome import Genome, changes
from population.knobs import Space
from population.pool import Population
from population.variant import Unread, Variant, text_hash

SEED = Variant({"t.py": "A = 0.5  # knob: 0 .. 1\nB = 3  # knob: 0 .. 9\nON = False\n"})
SPACE = Space.of(SEED.files)
TEXT = "A = {}  # knob: 0 .. 1\nB = {}  # knob: 0 .. 9\nON = {}\n"
TEXTS = [TEXT.format(n / 40, n % 10, n % 3 == 0) + "x = 1\n" * (n % 4) for n in range(30)]
VARIANTS = [SEED, *(Variant({"t.py": text}, (SEED.id,)) for text in TEXTS)]
KNOWN = {variant.id: variant for variant in VARIANTS}

Script = list[tuple[int, float | None]]
scripts = st.lists(st.tuples(st.integers(0, 30), st.none() | st.floats(-5, 5).map(lambda x: round(x, 2))), max_size=60)


def empty(goal: Goal = Goal.MINIMIZE) -> Population:
    return Population(SPACE, goal, KNOWN.__getitem__)


def tell(population: Population, variant: Variant, score: float | None) -> Admission:
    population.expect(variant)
    status = Status.CRASHED if score is None else Status.OK
    return population.tell(variant, Evaluation(variant.id, "j", status, score))


def state(population: Population) -> tuple[object, ...]:
    """All that a strategy may see."""
    data = population.observations()
    return (
        population.pool, population.incumbent, population.noise, list(population), population.contestants(0.7),
        [(population.estimate(v), population.failed(v), v in population) for v in KNOWN],
        [x.tobytes() for x in (data.units, data.losses, data.counts)], population.waiting,
    )  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def small_pool():
    """Room for six, so that somebody has to leave."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "POOL_SIZE", 6)
        yield


@settings(max_examples=150, deadline=None)
@given(scripts)
def test_what_is_known_is_what_was_told(script: Script) -> None:
    population, readings = empty(), {}
    for index, score in script:
        variant = VARIANTS[index]
        admission = tell(population, variant, score)
        mine = readings.setdefault(variant.id, [])
        mine += [] if score is None else [score]
        assert (admission.verdict is Verdict.FAILED) == (score is None)
        assert (admission.verdict is Verdict.REPEATED) == (score is not None and len(mine) > 1)
        assert admission.reason
    assert len(population) == len(readings)
    assert list(population) == list(readings), "in order"
    for id, mine in readings.items():
        estimate = population.estimate(id)
        assert (estimate.n, population.failed(id), id in population) == (len(mine), not mine, True)
        assert estimate.mean == pytest.approx(np.mean(mine) if mine else math.inf)
    data = population.observations()
    assert data.losses.tolist() == pytest.approx(
        [np.mean(m) if m else math.nan for m in readings.values()], nan_ok=True
    )
    assert data.counts.tolist() == [max(len(m), 1) for m in readings.values()]
    assert not population.waiting


@settings(max_examples=150, deadline=None)
@given(scripts)
def test_the_pool_is_small_sorted_scored_and_holds_the_incumbent(script: Script) -> None:
    population = empty()
    for index, score in script:
        before = set(population.pool)
        admission = tell(population, VARIANTS[index], score)
        members = population.pool
        assert len(members) == len(set(members)) <= 6
        assert not any(population.failed(v) for v in members)
        means = [population.estimate(v).mean for v in members]
        assert means == sorted(means), "best first"
        assert (population.incumbent in members) if members else population.incumbent is None
        assert before - set(members) <= {admission.evicted}
        bounds = {v: population.estimate(v).mean + population.estimate(v).sigma for v in members}
        assert not members or bounds[population.incumbent] == min(bounds.values())


@settings(max_examples=80, deadline=None)
@given(scripts, st.integers(0, 60))
def test_it_is_a_pure_fold(script: Script, pause: int) -> None:
    one, two = empty(), empty()
    for i, (index, score) in enumerate(script):
        if i == pause:  # whoever looks changes nothing
            state(one)
            [one.genome(v) for v in one]
        assert tell(one, VARIANTS[index], score) == tell(two, VARIANTS[index], score)
    assert state(one) == state(two)


@settings(max_examples=200, deadline=None)
@given(scripts)
def test_who_has_no_place_changes_nothing_even_if_its_novelty_were_measured(script: Script) -> None:
    def told(population: Population) -> tuple[object, ...]:
        admissions = [tell(population, VARIANTS[index], score) for index, score in script]
        return admissions, state(population)

    thorough = empty()
    thorough._hopeless = lambda loss, foretold: loss is None  # type: ignore[method-assign]
    assert told(empty()) == told(thorough)


@settings(max_examples=100, deadline=None)
@given(scripts)
def test_what_a_history_tells_is_not_decided_again_and_comes_to_the_same(script: Script) -> None:
    whole, again, decided = empty(), empty(), list[list[str]]()
    survivors = again._survivors
    again._survivors = lambda ids, losses: decided.append(ids) or survivors(ids, losses)  # type: ignore[method-assign]
    for index, score in script:
        first = VARIANTS[index].id not in whole
        said = tell(whole, VARIANTS[index], score)
        again.foretell(said.reason, said.evicted)
        assert tell(again, VARIANTS[index], score) == said
        assert not (first and decided), "of a newcomer the history says enough"
        decided.clear()
    assert state(again) == state(whole)


@pytest.mark.parametrize("seed", range(12))
def test_what_a_history_tells_comes_to_the_same_between_a_persons_orders(seed: int) -> None:
    """A pin takes nobody's place: the pool is larger until somebody comes, with a place or without."""
    whole, again, rng = empty(), empty(), random.Random(seed)
    for variant in rng.sample(VARIANTS, len(VARIANTS)):
        order, whom = rng.choice(["pin", "pin", "veto", "free"]), rng.choice(VARIANTS).id
        if rng.random() < 0.3 and whole.estimate(whom).n and not (order == "pin" and whole.barred(whom)):
            for population in (whole, again):
                getattr(population, order)(whom)
        score = rng.choice([None, *range(9)])
        said = tell(whole, variant, score)
        again.foretell(said.reason, said.evicted)
        assert tell(again, variant, score) == said
        assert (again.pool, again.incumbent) == (whole.pool, whole.incumbent)
    assert state(again) == state(whole)


@settings(max_examples=100, deadline=None)
@given(scripts)
def test_what_is_only_mentioned_is_known_as_if_its_files_had_been_read(script: Script) -> None:
    """A history names variants; their files are read of those only who are asked for."""
    whole, read, population = empty(), list[str](), empty()
    genomes = {variant.id: Genome.of(variant.files, SPACE) for variant in VARIANTS}

    def files(variant: Variant) -> Mapping[str, str]:
        read.append(variant.id)
        return variant.files

    def told(index: int, score: float | None) -> Admission:
        variant = VARIANTS[index]
        mention = Variant(Unread(lambda: files(variant)), variant.parents, variant.origin, variant.note, variant.id)
        values = {k: new for k, (_, new) in changes(genomes[SEED.id], genomes[variant.id]).items()}
        hashes = {path: text_hash(text) for path, text in variant.files.items()}
        population.expect(mention, population.heir(SEED.id, values, hashes) if variant.parents else None)
        status = Status.CRASHED if score is None else Status.OK
        return population.tell(mention, Evaluation(variant.id, "j", status, score))

    for index, score in [(0, 0.0), *script]:
        assert told(index, score) == tell(whole, VARIANTS[index], score)
    unshaped = {v.id for v in VARIANTS if genomes[v.id].skeleton_id != genomes[SEED.id].skeleton_id}
    assert set(read) <= {SEED.id, *unshaped}, "who shares the skeleton of its parent is not read"
    assert state(population) == state(whole)
    for variant in whole:
        assert population.genome(variant) == whole.genome(variant)
        assert population.variant(variant) == whole.variant(variant)


@settings(max_examples=60, deadline=None)
@given(scripts)
def test_maximising_is_minimising_the_negative(script: Script) -> None:
    down, up = empty(), empty(Goal.MAXIMIZE)
    for index, score in script:
        tell(down, VARIANTS[index], score)
        tell(up, VARIANTS[index], None if score is None else -score)
    assert (down.pool, down.incumbent, down.noise) == (up.pool, up.incumbent, up.noise)


def test_noise_is_pooled_over_repeats_and_errs_on_the_safe_side() -> None:
    population = empty()
    tell(population, SEED, 1.0)
    assert population.noise is None
    tell(population, SEED, 1.0)
    assert population.noise == 0.0
    tell(population, VARIANTS[1], 2.0)
    assert population.noise == 0.0, "a variant that is new says nothing about noise"

    rng, population = np.random.default_rng(0), empty()
    readings = rng.normal(3.0, 0.1, 3)
    for reading in readings:
        tell(population, SEED, float(reading))
    assert population.noise > stdev(readings.tolist())
    for variant in VARIANTS[1:]:
        for reading in rng.normal(0.0, 0.1, 10):
            tell(population, variant, float(reading))
    assert population.noise == pytest.approx(0.1, rel=0.1)


def test_one_lucky_reading_is_no_incumbent() -> None:
    population = empty()
    for score in (1.0, 1.2, 0.8, 1.1, 0.9):
        tell(population, SEED, score)
    tell(population, VARIANTS[1], 0.95)
    assert population.incumbent == SEED.id
    tell(population, VARIANTS[2], 0.5)
    assert population.incumbent == VARIANTS[2].id
    tell(population, VARIANTS[2], 1.5)
    assert population.incumbent == SEED.id, "it lost its ground with its second reading"


def test_what_is_being_judged_is_known_and_pending_until_it_is_told() -> None:
    population, variant = empty(), VARIANTS[3]
    assert variant.id not in population
    population.expect(variant)
    population.expect(variant)
    assert variant.id in population and len(population) == 0
    assert population.waiting == (variant.id,)
    population.tell(variant, Evaluation(variant.id, "j", Status.OK, 1.0))
    assert population.waiting == ()
    population.expect(variant)
    assert population.waiting == (), "another reading of a known variant is no new place"


def test_the_evicted_and_the_failed_are_remembered() -> None:
    population = empty()
    for n, variant in enumerate(VARIANTS):
        tell(population, variant, None if n == 5 else float(n))
    for variant in VARIANTS:
        assert variant.id in population
        assert population.variant(variant.id).files == variant.files
        assert population.genome(variant.id).files() == variant.files
    assert population.failed(VARIANTS[5].id)
    assert population.estimate("never heard of").n == 0


def test_novelty_keeps_strangers_in_the_pool() -> None:
    population = empty()
    for n in range(1, 20):
        tell(population, VARIANTS[n], n / 10)
    crowded, spread = (sorted(population.contestants(weight), key=lambda c: -c.fitness)[0].id for weight in (0.0, 5.0))
    assert crowded == population.pool[0]
    assert spread in population.pool
    assert set(population.pool[:4]) == {v.id for v in VARIANTS[1:5]}, "the best stay whatever is new"


def test_an_incumbent_by_many_readings_keeps_its_place_among_lucky_ones() -> None:
    population = empty()
    for score in (0.8, 1.2, 0.9, 1.1, 1.0, 1.0):
        tell(population, SEED, score)
    for n, variant in enumerate(VARIANTS[1:12]):
        before = {*population.pool}
        evicted = tell(population, variant, 0.98 - n / 1000).evicted
        assert before - {*population.pool} <= {evicted} and len(population.pool) <= 6
        assert population.incumbent == SEED.id in population.pool


def test_a_genome_that_comes_with_a_variant_changes_nothing() -> None:
    """A resumed run has only the files, and must write the same children."""
    seed = Variant({"t.py": "A = 8 * 16  # knob: 1 .. 999\nB = 1\n"})
    space, children = Space.of(seed.files), []
    for handed in (True, False):
        known = {seed.id: seed}
        population = Population(space, Goal.MINIMIZE, known.__getitem__)

        def add(variant: Variant, loss: float, population: Population = population, genome: Any = None) -> None:
            known.setdefault(variant.id, variant)  # noqa: B023
            population.expect(variant, genome)
            population.tell(variant, Evaluation(variant.id, "j", Status.OK, loss))

        add(seed, 9.0)
        for n in range(8):
            add(Variant({"t.py": f"A = {n + 2}  # knob: 1 .. 999\nB = 1\n"}), 1.0 + n)
        assert seed.id not in population.pool
        genome = population.genome(seed.id).replace({"A": 500})
        child = Variant(genome.files(), (seed.id,))
        add(child, 0.1, genome=genome if handed else None)
        children.append(population.genome(child.id).replace({"A": 128}).files())
    assert children[0] == children[1]


def test_how_far_variants_are_apart_is_told_without_reading_them_again() -> None:
    population = empty()
    gone = Variant({"t.py": "A = 0.5  # knob: 0 .. 1\nON = False\n"}, (SEED.id,))
    known = {**KNOWN, gone.id: gone}
    for n, variant in enumerate([*VARIANTS, gone]):
        tell(population, variant, None if n % 5 == 1 else n / 10)
    genomes = {id: Genome.of(known[id].files, SPACE) for id in population}
    for one in population:
        here = genomes[one]
        expected = {
            o: (there.skeleton_id != here.skeleton_id, len(changes(here, there))) for o, there in genomes.items()
        }
        assert population.apart(one) == expected
    assert population.judged(gone.id) and not population.judged("nobody")


DOUBT = Doubt(0.5, 0.7, 0.8, 0.15)


def doubting(*losses: tuple[int, float]) -> Population:
    population = Population(SPACE, Goal.MINIMIZE, KNOWN.__getitem__, DOUBT)
    for index, loss in losses:
        tell(population, VARIANTS[index], loss)
    return population


def test_with_doubt_the_incumbent_keeps_ties_and_small_leads() -> None:
    noisy = [(0, 1.0), (0, 1.6), (0, 0.7)]
    tied, slight, clear = (doubting(*noisy, (1, loss)) for loss in (1.1, 0.6, -2.0))
    assert tied.incumbent == slight.incumbent == SEED.id
    assert clear.incumbent == VARIANTS[1].id
    assert slight.challenger == VARIANTS[1].id  # it leads, and is worth another reading
    assert doubting(*noisy, (1, 5.0)).challenger is None
    assert Population(SPACE, Goal.MINIMIZE, KNOWN.__getitem__).challenger is None


def test_doubt_is_a_normal_prior_on_the_lead() -> None:
    assert DOUBT.better(0.0, 10.0) == pytest.approx(0.24, abs=0.02)  # no reading to speak of: the prior alone
    assert DOUBT.better(2.0, 0.1) > 0.99 and DOUBT.better(-0.1, 0.1) < 0.15
    assert DOUBT.better(0.1, 0.0) == 1.0 and DOUBT.better(0.0, 0.0) == 0.0
