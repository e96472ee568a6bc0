from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population.evaluation import Evaluation, Goal, Status
from population.genome import Genome
from population.knobs import Space
from population.pool import Population
from population.variant import Variant
from wolf.strategy.sameness import Forms, Sameness

CODE = "LR = 0.001  # knob: 0 .. 1\n\n\ndef f(x):\n    return x + 1\n"
SPACE = Space.of({"a.py": CODE})


@pytest.mark.parametrize(
    "other",
    [
        CODE.replace("  # knob: 0 .. 1", ""),
        CODE.replace("0.001", "1e-3"),
        CODE.replace("\n\n\n", "\n# more\n"),
        CODE + "\n",
    ],
)
def test_a_variant_in_disguise_is_not_evaluated(other: str) -> None:
    known, disguised = Variant({"a.py": CODE}), Variant({"a.py": other})
    sameness, _ = expecting(known, [disguised])
    assert sameness.verdict(known, 1) is None, "a replicate is no disguise"
    found = sameness.verdict(disguised, 7)
    assert found is not None and (found.status, found.score, found.seed) == (Status.INVALID, None, 7)
    assert f"the same as {known.id}" in found.feedback


@pytest.mark.parametrize("other", [CODE.replace("1\n", "2\n"), CODE.replace("0.001", "0.002"), "def f(:"])
def test_what_differs_is_new(other: str) -> None:
    variant = Variant({"a.py": other})
    assert expecting(Variant({"a.py": CODE}), [variant])[0].verdict(variant, 1) is None


def test_what_an_earlier_session_asked_for_is_known_and_only_what_stands_alike_is_read() -> None:
    seed, first = Variant({"a.py": CODE}), Variant({"a.py": CODE.replace("0.001", "0.25")})
    others = [Variant({"a.py": CODE.replace("0.001", f"0.{n}")}) for n in range(30, 60)]
    twin, again = Variant({"a.py": first.files["a.py"] + "\n"}), Variant({"a.py": "# !\n" + first.files["a.py"]})
    changed = Variant({"a.py": first.files["a.py"].replace("x + 1", "x + 2")})
    sameness, read = expecting(seed, [first, *others, twin, again, changed])
    for variant in (seed, first, *others, twin):
        sameness.asked(variant.id)
    assert [sameness.verdict(variant, 1) for variant in (seed, first, *others, changed)] == [None] * 33
    for variant in (twin, again):
        found = sameness.verdict(variant, 1)
        assert found is not None and f"the same as {first.id}" in found.feedback, "whoever was asked first"
    assert read == [first.id, twin.id], "none but those whose knobs stand alike, for the one that was changed"


def expecting(seed: Variant, variants: list[Variant]) -> tuple[Sameness, list[str]]:
    """A sameness whose population was asked for these, and the ids whose files were fetched."""
    known, read = {variant.id: variant for variant in (seed, *variants)}, []

    def recall(id: str) -> Variant:
        read.append(id)
        return known[id]

    population = Population(SPACE, Goal.MINIMIZE, recall)
    for variant in known.values():
        population.expect(variant)
        population.tell(variant, Evaluation(variant.id, "loss", Status.CRASHED))
    return Sameness("loss", population, seed), read


def test_text_keeps_its_words_and_its_inner_layout() -> None:
    def form(files: dict[str, str]) -> bytes:
        return Forms(Space.of({"a.md": "one\n"})).of(files)

    assert form({"a.md": "one \ntwo\n"}) == form({"a.md": "one\ntwo"})
    assert form({"a.md": "one\ntwo"}) != form({"a.md": "one two"})
    assert form({"a.md": "one"}) != form({"b.md": "one"})


LITERALS = st.sampled_from(["0.5", ".5", "0.25", "1", "1.0", "True", "-1", "- 1", "2**3", "8", "'a'", '"a"', "1e-3"])
LAYOUTS = ["A = {}\nB = {}\n\n\ndef f():\n    return A\n", "A = {}  # knob: 0 .. 9\nB = {}\ndef f(): return A\n",
           "A = {}; B = {}\n\n\ndef f():\n    return B\n", "A = ({})\nB = [{}]\n", "def f(:\n{} {}"]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(LAYOUTS), LITERALS, LITERALS), min_size=2, max_size=12))
def test_the_form_is_that_of_the_whole_program(said: list[tuple[str, str, str]]) -> None:
    """Whatever skeletons are known, two programs have one form only if they are one program."""
    texts = [layout.format(*literals) for layout, *literals in said]
    forms = Forms(Space.of({"a.py": LAYOUTS[0].format("0.5", "8")}))
    known = [(forms.of({"a.py": text}), text) for text in texts]
    for form, text in known:
        for other_form, other in known:
            assert (form == other_form) == (dumped(text) == dumped(other)), (text, other)


def dumped(text: str) -> str:
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:
        return text.strip()


def test_a_skeleton_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = Forms(SPACE)
    genome = Genome.of({"a.py": CODE}, SPACE)
    forms.of(genome.files())
    monkeypatch.setattr(Genome, "of", None)
    made = {forms.of(genome.replace({"LR": n / 64}).files()) for n in range(1, 65)}
    assert len(made) == 64
