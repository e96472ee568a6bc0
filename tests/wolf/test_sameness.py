from __future__ import annotations

import pytest

from population.evaluation import Status
from population.variant import Variant
from wolf.sameness import Sameness, normal

CODE = "LR = 0.001  # knob: 0 .. 1\n\n\ndef f(x):\n    return x + 1\n"


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
    sameness = Sameness("loss", [known])
    assert sameness.verdict(known, 1) is None, "a replicate is no disguise"
    found = sameness.verdict(disguised, 7)
    assert found is not None and (found.status, found.score, found.seed) == (Status.INVALID, None, 7)
    assert f"the same code as {known.id}" in found.feedback


@pytest.mark.parametrize("other", [CODE.replace("1\n", "2\n"), CODE.replace("0.001", "0.002"), "def f(:"])
def test_what_differs_is_new(other: str) -> None:
    assert Sameness("loss", [Variant({"a.py": CODE})]).verdict(Variant({"a.py": other}), 1) is None


def test_text_keeps_its_words_and_its_inner_layout() -> None:
    assert normal({"a.md": "one \ntwo\n"}) == normal({"a.md": "one\ntwo"})
    assert normal({"a.md": "one\ntwo"}) != normal({"a.md": "one two"})
    assert normal({"a.md": "one"}) != normal({"b.md": "one"})
