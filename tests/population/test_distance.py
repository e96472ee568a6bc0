from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from population.distance import (
    NEIGHBOURS,
    SAMPLE,
    SIGNATURE_SIZE,
    STRUCTURE_WEIGHT,
    Features,
    Metric,
    Terrain,
    closer,
    novelty,
    signature,
)

KINDS = (False, False, True)  # two ordered knobs and a choice
METRIC = Metric(KINDS)
unit = st.none() | st.floats(0, 1, width=32)
point = st.tuples(unit, unit, st.sampled_from([None, 0.0, 0.5, 1.0]), st.sampled_from(["a", "a b", "a b c", "x = y"]))
points = st.lists(point, min_size=1, max_size=25)


def features(p: tuple[float | None, ...]) -> Features:
    row = [math.nan if u is None else u for u in p[:3]]
    return Features(np.array(row, dtype=np.float32), signature(p[3]))


def by_hand(a: tuple[float | None, ...], b: tuple[float | None, ...]) -> float:
    """The formula of the module's docstring, written out."""
    total = 0.0
    for k in range(3):
        if a[k] is None or b[k] is None:
            total += a[k] is not b[k]
        else:
            total += float(a[k] != b[k]) if KINDS[k] else abs(a[k] - b[k])
    cosine = float(signature(a[3]) @ signature(b[3]))
    return total + STRUCTURE_WEIGHT * (0.0 if a[3] == b[3] else math.sqrt(max(0.0, 1.0 - cosine)))


@settings(max_examples=80, deadline=None)
@given(points, points)
def test_distances_taken_together_are_those_taken_one_by_one_to_the_last_bit(old, new) -> None:
    terrain, members, one_by_one = Terrain(METRIC, 3), range(len(old)), []
    for p in old:
        terrain.add(features(p))
    for p in new:
        one_by_one.append(terrain.distances(features(p), list(members)))
        terrain.add(features(p))
    together = terrain.between(len(old), len(terrain), list(members))
    assert together.tobytes() == np.ascontiguousarray(np.array(one_by_one).T).tobytes()


def test_a_signature_is_a_unit_vector_of_the_tokens() -> None:
    assert signature("").tolist() == [0.0] * SIGNATURE_SIZE
    assert np.linalg.norm(signature("def f(x): return x")) == pytest.approx(1)
    assert np.array_equal(signature("a  b\n\tc"), signature("a b c")), "white space is no structure"
    assert not np.array_equal(signature("a b c"), signature("c b a")), "order is"


@settings(max_examples=80, deadline=None)
@given(point, point)
def test_distance_is_the_formula(a, b) -> None:
    terrain = Terrain(METRIC, 3)
    terrain.add(features(a))
    assert terrain.distances(features(b), [0])[0] == pytest.approx(by_hand(a, b), abs=2e-3)


@settings(max_examples=60, deadline=None)
@given(points, points)
def test_parts_are_symmetric_within_0_and_1_and_sum_to_the_distance(left, right) -> None:
    def stacked(ps):
        rows = [features(p) for p in ps]
        return np.array([f.units for f in rows]), np.array([f.signature for f in rows])

    parts = METRIC.parts(*stacked(left), *stacked(right))
    assert parts.shape == (len(left), len(right), 4)
    assert np.all((parts >= 0) & (parts <= 1))
    assert np.allclose(parts, METRIC.parts(*stacked(right), *stacked(left)).transpose(1, 0, 2), atol=1e-6)
    weighted = parts[..., :3].sum(axis=-1) + STRUCTURE_WEIGHT * parts[..., 3]
    assert np.allclose(weighted, [[by_hand(a, b) for b in right] for a in left], atol=5e-3)
    itself = METRIC.parts(*stacked(left), *stacked(left))
    assert not any(itself[i, i].any() for i in range(len(left))), "nothing is far from itself"


@settings(max_examples=60, deadline=None)
@given(points, points)
def test_neighbours_kept_up_to_date_are_those_found_at_once(old, new) -> None:
    terrain, me = Terrain(METRIC, 3), features(old[0])
    for p in old[1:]:
        terrain.add(features(p))
    kept = terrain.nearest(me)[None]
    for p in new:
        kept = closer(kept, np.array([[by_hand(old[0], p)]], dtype=np.float32))
        terrain.add(features(p))
    distances = sorted(by_hand(old[0], p) for p in [*old[1:], *new])[:NEIGHBOURS]
    known = kept[0][np.isfinite(kept[0])]
    assert known.tolist() == pytest.approx(distances, abs=5e-3)
    assert terrain.nearest(me)[: len(distances)].tolist() == pytest.approx(distances, abs=5e-3)
    assert novelty(kept)[0] == pytest.approx(np.mean(distances) if distances else 0.0, abs=5e-3)


def test_a_variant_that_is_alone_is_not_novel() -> None:
    assert novelty(Terrain(METRIC, 3).nearest(features((0, 0, 0, "")))[None]).tolist() == [0.0]


def test_a_terrain_gives_back_what_was_put_in_however_much_it_grows() -> None:
    rng = np.random.default_rng(0)
    terrain = Terrain(METRIC, 3)
    texts = [f"line {i % 20}" for i in range(300)]
    rows = rng.random((300, 3), dtype=np.float32)
    assert [terrain.add(Features(row, signature(text))) for row, text in zip(rows, texts, strict=True)] == [*range(300)]
    assert len(terrain) == 300
    units, signs = terrain.rows([0, 299, 64, 64])
    assert np.array_equal(units, rows[[0, 299, 64, 64]])
    assert np.array_equal(signs[1], signature(texts[299]))
    units[:] = 9
    assert terrain.rows([0])[0].max() <= 1, "rows are copies"
    few, many = (
        terrain.distances(features((0, 0, 0, "z")), [3]),
        terrain.distances(features((0, 0, 0, "z")), slice(300)),
    )
    assert few[0] == pytest.approx(many[3], abs=1e-6), "one and all take different ways to the same number"


def test_beyond_the_sample_novelty_is_still_about_right() -> None:
    rng = np.random.default_rng(1)
    terrain, same = Terrain(Metric((False,)), 1), signature("x")
    for u in rng.random(SAMPLE + 500, dtype=np.float32):
        terrain.add(Features(np.array([u], dtype=np.float32), same))
    inside, outside = (terrain.nearest(Features(np.array([u], dtype=np.float32), same)) for u in (0.5, 3.0))
    assert novelty(inside[None])[0] < 0.01
    assert novelty(outside[None])[0] == pytest.approx(2.0, abs=0.05)


def test_the_weighted_sum_is_that_of_the_parts() -> None:
    rng = np.random.default_rng(0)
    metric = Metric([False, True, False, True, False])
    units = rng.random((70, 5), dtype=np.float32)
    units[:, [1, 3]] = rng.integers(0, 3, (70, 2)) / 2
    units[rng.random((70, 5)) < 0.2] = np.nan
    signs = np.array([signature(f"x = {n % 4}") for n in range(70)])
    weights = np.array([0.5, 1.0, 0.0, 2.0, 0.1, 0.7], dtype=np.float32)
    for a, b in ((slice(None), slice(None)), (slice(0, 3), slice(5, 70)), (slice(0, 0), slice(None))):
        expected = metric.parts(units[a], signs[a], units[b], signs[b]) ** 1.5 @ weights
        found = metric.weighted(weights, units[a], signs[a], units[b], signs[b])
        assert found.shape == expected.shape
        assert np.allclose(found, expected, atol=1e-5)
