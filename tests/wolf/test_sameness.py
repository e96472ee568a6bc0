from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population.evaluation import Status
from population.genome import Genome
from population.knobs import Space
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
    sameness = Sameness("loss", SPACE, [known])
    assert sameness.verdict(known, 1) is None, "a replicate is no disguise"
    found = sameness.verdict(disguised, 7)
    assert found is not None and (found.status, found.score, found.seed) == (Status.INVALID, None, 7)
    assert f"the same code as {known.id}" in found.feedback


@pytest.mark.parametrize("other", [CODE.replace("1\n", "2\n"), CODE.replace("0.001", "0.002"), "def f(:"])
def test_what_differs_is_new(other: str) -> None:
    assert Sameness("loss", SPACE, [Variant({"a.py": CODE})]).verdict(Variant({"a.py": other}), 1) is None


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
