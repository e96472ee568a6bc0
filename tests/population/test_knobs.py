from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from population.genome import Genome
from population.knobs import Knob, Space
from population.ranges import KnobError

AUTORESEARCH = '''"""Pretraining script."""
ASPECT_RATIO = 64       # model_dim = depth * ASPECT_RATIO
WINDOW_PATTERN = "SSSL" # sliding window pattern
TOTAL_BATCH_SIZE = 2**19 # ~524K tokens per optimizer step
EMBEDDING_LR = 0.6      # learning rate for token embeddings (Adam)
ADAM_BETAS = (0.8, 0.95) # Adam beta1, beta2
WARMUP_RATIO = 0.0      # fraction of time budget for LR warmup
DEPTH = 8               # number of transformer layers
USE_BIAS = True
SEED = 42
RANDOM_SEED = 1337
'''


def space_of(text: str, path: str = "train.py", **overrides: object) -> Space:
    return Space.of({path: text}, overrides)


def test_the_constants_of_a_training_script_are_knobs_and_its_seeds_are_not() -> None:
    space = space_of(AUTORESEARCH)
    assert space.names == (
        "ASPECT_RATIO",
        "TOTAL_BATCH_SIZE",
        "EMBEDDING_LR",
        "ADAM_BETAS[0]",
        "ADAM_BETAS[1]",
        "WARMUP_RATIO",
        "DEPTH",
        "USE_BIAS",
    )
    assert space["DEPTH"] == Knob("DEPTH", "int", 1, 64, log=True)
    assert space["TOTAL_BATCH_SIZE"] == Knob("TOTAL_BATCH_SIZE", "int", 2**16, 2**22, log=True, power=True)
    assert space["EMBEDDING_LR"] == Knob("EMBEDDING_LR", "float", 0.075, 1.0, log=True)
    decay = space["ADAM_BETAS[1]"]
    assert [decay.low, decay.high] == pytest.approx([0.6, 0.99375]) and not decay.log
    assert space["WARMUP_RATIO"] == Knob("WARMUP_RATIO", "float", 0, 1)
    assert space["USE_BIAS"].kind == "switch"
    assert space.categorical == (False,) * 7 + (True,)


@pytest.mark.parametrize(
    ("comment", "knob"),
    [
        ("LR = 0.1  # knob: 1e-4 .. 1 log", Knob("LR", "float", 1e-4, 1, log=True)),
        ("lr = 0.1  # knob: 0.01 .. 1", Knob("lr", "float", 0.01, 1)),
        ("N = 8  # layers; knob: 2 .. 16  # not more", Knob("N", "int", 2, 16)),
        ("N = 1  # knob: 0.5 .. 2", Knob("N", "float", 0.5, 2)),
        ("N = 64  # knob: 2**4 .. 2**8", Knob("N", "int", 16, 256, log=True, power=True)),
        ("N = 64  # knob: 32 | 64 | 128", Knob("N", "choice", choices=(32, 64, 128))),
        ("ACT = 'relu2'  # knob: relu2 | gelu", Knob("ACT", "choice", choices=("relu2", "gelu"))),
        ("ON = True  # knob: False | True", Knob("ON", "switch", choices=(False, True))),
    ],
)
def test_comments_say_what_a_knob_may_be(comment: str, knob: Knob) -> None:
    space = space_of(comment + "\n")
    assert space[knob.name] == knob


def test_the_mark_that_windows_puts_before_a_text_hides_no_knob() -> None:
    space = space_of("\ufeffRATE = 0.5\r\nDEPTH = 8\r\n")
    assert space.names == ("RATE", "DEPTH")
    changed = Genome.of({"train.py": "\ufeffRATE = 0.5\r\nDEPTH = 8\r\n"}, space).replace({"RATE": 0.25, "DEPTH": 9})
    assert changed.files() == {"train.py": "\ufeffRATE = 0.25\r\nDEPTH = 9\r\n"}


def test_fixed_and_overridden() -> None:
    text = 'A = 1.0  # knob: fixed\nB = 2.0\nC = 3.0\nD = "x"\ne = 5\n'
    space = space_of(
        text, B="fixed", C={"low": 1, "high": 4}, D={"choices": ["x", "y"]}, e="1 .. 9", A={"high": 2, "low": 0.5}
    )
    assert space.names == ("A", "C", "D", "e")
    assert space["C"] == Knob("C", "float", 1, 4)
    assert space["D"].choices == ("x", "y")
    assert "B" not in space and len(space) == 4


def test_half_a_range_keeps_the_other_half_and_the_scale() -> None:
    assert space_of("DEPTH = 8\n", DEPTH={"high": 12})["DEPTH"] == Knob("DEPTH", "int", 1, 12, log=True)


def test_the_name_of_a_tuple_stands_for_its_elements() -> None:
    space = space_of("BETAS = (0.8, 0.9)\n", BETAS="0.5 .. 0.99")
    assert [space[name].low for name in space.names] == [0.5, 0.5]


def test_without_constants_the_numbers_inside_functions_are_knobs() -> None:
    text = '''
def f(x, n=10, seed=7):
    """Doc 3."""
    torch.manual_seed(42)
    y = x[0] * 0.5 + x[1:] - x[-1]
    assert n == 5
    return act(y, inplace=True) + f"{n:3}"

class Net:
    def g(self):
        return self.h(2, False) * 1
'''
    space = space_of(text)
    assert space.names == ("f#1", "f#3", "f#6", "Net.g#1", "Net.g#2")
    assert space["f#6"].kind == "switch"


def test_places_in_two_files_carry_the_file_only_if_they_must() -> None:
    space = Space.of({"a.py": "LR = 0.1\nA = 1\n", "b.yaml": "opt:\n  lr: 0.1\n", "c.py": "LR = 0.2\n"})
    assert space.names == ("a.py:LR", "A", "opt.lr", "c.py:LR")


def test_unit_scale_of_a_space() -> None:
    space = space_of("A = 1.0  # knob: 0 .. 4\nB = 8  # knob: 1 .. 64 log\n")
    unit = space.unit({"B": 8})
    assert math.isnan(unit[0]) and unit[1] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "overrides", "sentence"),
    [
        ("LR = 1\n", {"LT": "fixed"}, "did you mean LR"),
        ("LR = 1  # knob: lots\n", {}, "train.py:1: LR: cannot read the knob range 'lots'"),
        ("LR = 9  # knob: 1 .. 4\n", {}, "its value 9 must lie in 1 .. 4"),
        ("LR = 1  # knob: 0 .. 4 log\n", {}, "must begin above 0"),
        ("ACT = 'a'  # knob: b | c\n", {}, "must be one of"),
        ("ACT = 'a'  # knob: 1 .. 2\n", {}, "list its choices"),
        ("SEED = 1\n", {"SEED": "1 .. 9"}, "is a random seed"),
        ("LR = 1\n", {"LR": {"hihg": 4}}, "the keys are low, high"),
        ("LR = 1\n", {"LR": {"low": "x"}}, "`low` must be a number"),
        ("LR = 1\n", {"LR": 4}, "expected a range"),
        (
            "print()\n",
            {"BLOCK": "1 .. 9"},
            "are found, in other files list what may stand in a place: {file: NAME, choices",
        ),
        ("LR = 1\n", {"S": {"file": "no.md", "choices": ["a", "b"]}}, "no editable file 'no.md'"),
        ("LR = 1\n", {"S": {"file": "train.py", "choices": ["a"]}}, "at least two"),
        ("LR = 1\n", {"S": {"file": "train.py", "choices": ["a", "b"]}}, "exactly once"),
    ],
)
def test_bad_descriptions_are_one_clear_sentence(text: str, overrides: dict[str, object], sentence: str) -> None:
    with pytest.raises(KnobError) as caught:
        Space.of({"train.py": text}, overrides)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_that_is_in_two_files_is_asked_for_in_full() -> None:
    with pytest.raises(KnobError, match=r"did you mean a\.json:lr or b\.toml:lr"):
        Space.of({"a.json": '{"lr": 0.1}', "b.toml": "lr = 0.1\n"}, {"lr": "0 .. 1"})


finite = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def knobs(draw: st.DrawFn) -> Knob:
    kind = draw(st.sampled_from(["float", "int", "power", "choice"]))
    if kind == "choice":
        return Knob("k", "choice", choices=tuple(draw(st.lists(st.text(), min_size=2, max_size=5, unique=True))))
    if kind == "power":
        least = draw(st.integers(0, 20))
        return Knob("k", "int", 2**least, 2 ** (least + draw(st.integers(1, 10))), log=True, power=True)
    log = draw(st.booleans())
    low, high = sorted((draw(finite), draw(finite)))
    if log:
        low, high = abs(low) + 1e-3, abs(low) + 1e-3 + abs(high)
    if kind == "int":
        low, high = round(low) + log, round(high) + 1 + log
    assume(high - low > 1e-6 * max(1.0, abs(high), abs(low)))
    return Knob("k", "int" if kind == "int" else "float", low, high, log)


@given(knobs(), st.floats(0, 1), st.floats(-3, 3, allow_nan=False))
def test_values_stay_in_range_round_trip_and_always_move(knob: Knob, unit: float, step: float) -> None:
    value = knob.at(unit)
    assert knob.accept(value) == value
    if knob.categorical:
        assert value in knob.choices and value not in knob.others(value)
        return
    assert isinstance(value, int | float) and knob.low <= value <= knob.high
    if knob.kind == "float":
        assert knob.unit(value) == pytest.approx(unit, abs=2e-3)
    moved = knob.moved(value, step)
    assert moved != value and isinstance(moved, int | float) and knob.low <= moved <= knob.high
    if knob.power:
        assert isinstance(moved, int) and moved & (moved - 1) == 0


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.text()), knobs())
def test_any_value_is_accepted_or_refused_and_has_a_place(value: bool | int | float | str, knob: Knob) -> None:
    accepted = knob.accept(value)
    if accepted is not None:
        assert 0 <= knob.unit(accepted) <= 1
