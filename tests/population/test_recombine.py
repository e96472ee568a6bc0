from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from population import perturb, recombine, statements
from population.genome import Genome, changes
from population.knobs import Space
from population.literals import parse_python

BASE = """A = 1.0
B = 2.0
C = 8
ACT = "relu"  # knob: relu | gelu


def f(x):
    x = norm(x)
    x = attend(x)

    h = mlp(x)
    h = h + x

    return h
"""
SPACE = Space.of({"t.py": BASE})


def read(text: str) -> Genome:
    return Genome.of({"t.py": text}, SPACE)


def test_a_merge_takes_what_each_side_changed() -> None:
    ours = read(BASE.replace("A = 1.0", "A = 1.5").replace("norm(x)", "norm(x, 3)"))
    theirs = read(BASE.replace("C = 8", "C = 9").replace("return h", "return h * 2"))
    files = recombine.merge(read(BASE), ours, theirs, random.Random(0))
    assert files == {
        "t.py": BASE.replace("A = 1.0", "A = 1.5")
        .replace("norm(x)", "norm(x, 3)")
        .replace("C = 8", "C = 9")
        .replace("return h", "return h * 2")
    }


def test_knobs_that_stand_side_by_side_do_not_conflict() -> None:
    base = read(BASE)
    files = recombine.merge(base, base.replace({"A": 1.5}), base.replace({"B": 2.5}), random.Random(0))
    assert files == base.replace({"A": 1.5, "B": 2.5}).files()


def test_a_knob_that_both_changed_comes_from_either() -> None:
    base = read(BASE)
    ours, theirs = base.replace({"A": 1.5, "B": 3.0}), base.replace({"A": 1.7, "C": 9})
    seen = set()
    for seed in range(20):
        files = recombine.merge(base, ours, theirs, random.Random(seed))
        assert files is not None
        values = Genome.of(files, SPACE).values
        assert (values["B"], values["C"]) == (3.0, 9)
        seen.add(values["A"])
    assert seen == {1.5, 1.7}


def test_a_conflict_is_settled_by_a_side_and_the_result_parses() -> None:
    base = read(BASE)
    ours = read(BASE.replace("x = attend(x)", "if x:\n        x = attend(x, 1)").replace("A = 1.0", "A = 3.0"))
    theirs = read(BASE.replace("x = attend(x)", "for y in x:\n        x = attend(y)").replace("B = 2.0", "B = 3.0"))
    texts = {str(recombine.merge(base, ours, theirs, random.Random(seed))) for seed in range(20)}
    assert len(texts) == 2 and all(("if x" in text) != ("for y" in text) for text in texts)


def test_a_merge_that_would_be_one_of_its_parents_is_none() -> None:
    base = read(BASE)
    child = base.replace({"A": 3.0})
    assert recombine.merge(base, child, base, random.Random(0)) is None
    assert recombine.merge(base, child, child, random.Random(0)) is None


def test_cross_takes_knobs_from_both() -> None:
    base = read(BASE)
    a, b = base.replace({"A": 3.0, "B": 3.0, "C": 3}), base.replace({"ACT": "gelu"})
    for seed in range(30):
        child = recombine.cross(a, b, random.Random(seed))
        assert child is not None and child not in (a, b) and child.shape is a.shape
        assert all(value in (a.values[name], b.values[name]) for name, value in child.values.items())
    assert recombine.cross(base, b, random.Random(0)) is None


def test_cross_keeps_the_skeleton_of_the_first() -> None:
    base = read(BASE)
    a = base.replace({"A": 3.0, "B": 3.0})
    b = read(BASE.replace("return h", "return h * 2").replace("C = 8", "C = 3"))
    turned = recombine.cross(a, b, random.Random(0))
    assert turned is not None and turned.skeleton_id == a.skeleton_id and 0 < len(changes(a, turned)) < 3


def test_join_applies_all_near_misses_and_the_first_wins() -> None:
    base = read(BASE)
    others = [base.replace({"A": 1.1}), base.replace({"B": 2.2, "A": 1.3}), base.replace({"ACT": "gelu"})]
    child = recombine.join(base, others)
    assert child is not None and child.shape is base.shape
    assert child.values == {"A": 1.1, "B": 2.2, "C": 8, "ACT": "gelu"}
    assert recombine.join(base, others[:1]) is None
    assert recombine.join(base, []) is None


@given(st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_any_two_descendants_merge_into_something_that_parses(rng: random.Random) -> None:
    base = read(BASE)
    sides = []
    for _ in range(2):
        side = base
        for _ in range(rng.randrange(1, 4)):
            edit = rng.choice((statements.swap, statements.drop, statements.double))(side, rng)
            side = side if edit is None else Genome.of(edit.files, SPACE)
            side = perturb.nudge(side, SPACE, rng) or side
        sides.append(side)
    files = recombine.merge(base, sides[0], sides[1], rng)
    if files is not None:
        assert parse_python(files["t.py"]) is not None
        allowed = {(name, value) for side in (base, *sides) for name, value in side.values.items()}
        assert set(Genome.of(files, SPACE).values.items()) <= allowed
    joined = recombine.join(base, sides)
    assert joined is None or joined.skeleton_id == base.skeleton_id
