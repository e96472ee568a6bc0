from __future__ import annotations

import json
import random
import time
import tomllib

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from population import perturb
from population.genome import Genome, changes, describe, heir, reread
from population.knobs import Space
from population.literals import Value
from population.variant import text_hash

TRAIN = '''"""Größe: train."""
ADAM_BETAS = (0.8, 0.95)  # é
TOTAL_BATCH_SIZE = 2**19
WINDOW_PATTERN = "SSSL"
DEPTH: int = 8  # comment
LR = 1e-3  # knob: 1e-4 .. 1 log
ACT = "relu2"  # knob: relu2 | gelu
TOKENS = 128 * 1024
ON = True


class Config:
    WIDTH = 64


def f(x):
    return x * 3
'''


def genome_of(text: str, path: str = "train.py", **overrides: object) -> tuple[Genome, Space]:
    space = Space.of({path: text}, overrides)
    return Genome.of({path: text}, space), space


def test_a_genome_is_values_and_a_skeleton_and_gives_its_files_back() -> None:
    genome, space = genome_of(TRAIN)
    assert genome.files() == {"train.py": TRAIN}
    assert genome.values == {
        "ADAM_BETAS[0]": 0.8,
        "ADAM_BETAS[1]": 0.95,
        "TOTAL_BATCH_SIZE": 2**19,
        "DEPTH": 8,
        "LR": 0.001,
        "ACT": "relu2",
        "TOKENS": 131072,
        "ON": True,
        "Config.WIDTH": 64,
    }
    assert tuple(genome.values) == space.names
    assert "1e-3" not in genome.skeleton and "x * 3" in genome.skeleton and "comment" in genome.skeleton


def test_new_values_are_written_the_way_a_person_would() -> None:
    genome, space = genome_of(TRAIN)
    child = genome.replace(
        {"TOTAL_BATCH_SIZE": 2**18, "ADAM_BETAS[1]": 0.99, "ACT": "gelu", "TOKENS": 98304, "ON": False, "DEPTH": 9}
    )
    text = child.files()["train.py"]
    for line in (
        "ADAM_BETAS = (0.8, 0.99)  # é",
        "TOTAL_BATCH_SIZE = 2**18",
        "DEPTH: int = 9  # comment",
        "LR = 1e-3  # knob: 1e-4 .. 1 log",
        'ACT = "gelu"  # knob: relu2 | gelu',
        "TOKENS = 98304",
        "ON = False",
    ):
        assert line in text.splitlines()
    assert Genome.of(child.files(), space) == child
    assert child.replace({name: genome.values[name] for name in changes(genome, child)}).files() == genome.files()


def test_children_share_the_skeleton_whether_made_or_read() -> None:
    genome, space = genome_of(TRAIN)
    child = genome.replace({"DEPTH": 12, "TOTAL_BATCH_SIZE": 2**17, "LR": 0.3})
    assert child.shape is genome.shape and child.skeleton_id == genome.skeleton_id
    read = Genome.of(child.files(), space, like=genome)
    assert read == child and read.shape is genome.shape
    other = Genome.of({"train.py": TRAIN.replace("x * 3", "x + 3")}, space, like=genome)
    assert other.values == genome.values and other.skeleton_id != genome.skeleton_id


def test_equal_values_written_differently_are_equal_genomes() -> None:
    genome, space = genome_of(TRAIN)
    other = Genome.of({"train.py": TRAIN.replace("1e-3", "0.001")}, space, like=genome)
    assert other == genome and hash(other) == hash(genome) and other.files() != genome.files()


def test_what_does_not_fit_is_skeleton() -> None:
    _, space = genome_of(TRAIN)
    text = TRAIN.replace("DEPTH: int = 8", "DEPTH = 4 + 4").replace('"relu2"', '"silu"').replace("ON = True", "ON = 1")
    assert not {"DEPTH", "ACT", "ON"} & set(Genome.of({"train.py": text}, space).values)
    for broken in ("LR = (", "", "\0", "\ud800", "LR = 0.1\n\tx"):
        genome = Genome.of({"train.py": broken}, space)
        assert genome.values == {} and genome.files() == {"train.py": broken}


def test_replace_refuses_what_is_no_value_of_the_knob() -> None:
    genome, _ = genome_of(TRAIN)
    with pytest.raises(ValueError, match="knob ACT cannot be 'silu'"):
        genome.replace({"ACT": "silu"})
    with pytest.raises(KeyError):
        genome.replace({"NONE": 1})


def test_changes_are_truthful_and_readable() -> None:
    genome, space = genome_of(TRAIN)
    child = Genome.of({"train.py": TRAIN.replace("DEPTH: int = 8", "DEPTH = 9").replace("ON = True", "")}, space)
    assert changes(genome, child) == {"DEPTH": (8, 9), "ON": (True, None)}
    assert describe(changes(genome, child)) == "DEPTH 8 -> 9; ON True -> (none)"
    assert changes(genome, genome) == {}


def test_yaml_json_and_toml_leaves_are_knobs() -> None:
    document = """\
# a comment
model: &m
  depth: 8   # knob: 2 .. 16
  act: relu  # knob: relu | gelu | "off"
  betas: [0.9, 0.95]
  tie: true
  lr: 1e-3
  seed: 3
other: *m
"""
    genome, space = genome_of(document, "c.yaml")
    assert genome.values == {
        "model.depth": 8,
        "model.act": "relu",
        "model.betas[0]": 0.9,
        "model.betas[1]": 0.95,
        "model.tie": True,
        "model.lr": 0.001,
    }
    child = genome.replace({"model.act": "off", "model.lr": 1.3e-05, "model.tie": False, "model.betas[1]": 0.99})
    loaded = yaml.safe_load(child.files()["c.yaml"])
    assert loaded["other"] == loaded["model"]
    assert loaded["model"] == {
        "depth": 8,
        "act": "off",
        "betas": [0.9, 0.99],
        "tie": False,
        "lr": 1.3e-05,
        "seed": 3,
    }
    assert Genome.of(child.files(), space) == child

    table = (
        '[model]\ndepth = 8 # knob: 2 .. 16\nbetas = [0.9, 0.95]\non = true\ntext = """\non = true\n"""\n[[a]]\nx = 1\n'
    )
    genome, space = genome_of(table, "c.toml")
    assert list(genome.values) == ["model.depth", "model.betas[0]", "model.betas[1]"]  # `on` also stands in a string
    child = genome.replace({"model.betas[0]": 1e-05, "model.depth": 3})
    assert tomllib.loads(child.files()["c.toml"])["model"]["betas"] == [1e-05, 0.95]
    assert Genome.of(child.files(), space) == child

    genome, space = genome_of('{\n\t"a": {"lr": 1E-3, "on": false},\r\n"n":[1,2.5,"x"]}', "c.json")
    assert genome.values == {"a.lr": 0.001, "a.on": False, "n[0]": 1, "n[1]": 2.5}
    child = genome.replace({"a.lr": 2e-05, "a.on": True})
    assert json.loads(child.files()["c.json"])["a"] == {"lr": 2e-05, "on": True}


def test_slots_of_a_text() -> None:
    text = "Write in a calm tone. Be brief, and kind.\n"
    tone = {"file": "p.md", "choices": ["calm", "very calm", "bold"]}
    genome, space = genome_of(text, "p.md", tone=tone)
    assert genome.values == {"tone": "calm"}
    child = genome.replace({"tone": "very calm"})
    assert child.files() == {"p.md": text.replace("calm", "very calm")}
    assert Genome.of(child.files(), space) == child
    assert Genome.of({"p.md": "calm, bold"}, space).values == {}


def test_a_slot_goes_before_a_literal_inside_it() -> None:
    text = "LR = 0.1\n\ndef act(x):\n    return gelu(x, 0.5)\n"
    slot = {"file": "t.py", "choices": ["gelu(x, 0.5)", "relu(x).square()"]}
    genome, _ = genome_of(text, "t.py", act=slot, **{"act#1": "0 .. 1"})
    assert genome.values == {"LR": 0.1, "act": "gelu(x, 0.5)"}
    child = genome.replace({"act": "relu(x).square()"})
    assert child.files()["t.py"].endswith("return relu(x).square()\n")


numbers = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6, allow_nan=False), st.booleans())
names = st.from_regex(r"[A-Z][A-Z0-9_]{0,6}", fullmatch=True)
breaks = st.sampled_from(["\n", "\r\n", "\n\n# LR = 3 é\n", "  # 'x' knob\n", ';X9 = "🐺"\n'])


@st.composite
def sources(draw: st.DrawFn) -> tuple[str, str]:
    values = draw(st.dictionaries(names, st.one_of(numbers, st.lists(numbers, max_size=3)), max_size=6))
    suffix = draw(st.sampled_from(["py", "json", "yaml", "toml", "fallback.py"]))
    if suffix == "json":
        return "c.json", json.dumps(values, indent=draw(st.sampled_from([None, 1, "\t"])))
    if suffix == "yaml":
        return "c.yaml", yaml.safe_dump({"a": values}, default_flow_style=draw(st.sampled_from([None, True, False])))
    if suffix == "toml":
        return "c.toml", "[a]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
    if suffix == "fallback.py":
        return "c.py", "def é(x, a=2):\n" + "".join(f"    x = g({v!r}, 'é', b={v!r})\n" for v in values.values())
    return "c.py", "".join(f"{name} = {value!r}{draw(breaks)}" for name, value in values.items())


@given(sources(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_round_trips(source: tuple[str, str], rng: random.Random) -> None:
    path, text = source
    space = Space.of({path: text})
    genome = Genome.of({path: text}, space)
    assert genome.files() == {path: text} and tuple(genome.values) == space.names
    child = perturb.draw(genome, space, rng, rng.random())
    if child is None:
        assert not space.names
        return
    assert Genome.of(child.files(), space) == child
    assert Genome.of(child.files(), space, like=genome).shape is genome.shape
    assert genome.replace({name: new for name, (_, new) in changes(genome, child).items() if new is not None}) == child


def test_numbers_with_names_in_capitals_are_knobs_in_other_languages_too() -> None:
    c = """\
#define BLOCK 64       // rows; knob: 8 .. 256 log
#define RATE 0.5f      /* knob: 0.1 .. 1 */
# define UNROLL (4)
#ifdef SMALL
#define TWICE 3
#else
#define TWICE 5
#endif
#define SEED 42
#define VERSION 1.2.3
#define MASK 0x10
#define SUM 3 + 4
#define CALL(x) 3
static const double LEAK = -0.25;  // knob: -1 .. 0\r
constexpr std::size_t WAYS = 2, OTHER = 3;
// int OLD = 3;
int small = 3;
enum {
  DEPTH = 2,
};
if (DEPTH == 3) return;
"""
    genome, space = genome_of(c, "kernel.c")
    assert genome.values == {"BLOCK": 64, "RATE": 0.5, "UNROLL": 4, "LEAK": -0.25, "DEPTH": 2}
    assert (space["BLOCK"].low, space["BLOCK"].high, space["BLOCK"].log) == (8, 256, True)
    assert (space["RATE"].low, space["LEAK"].low) == (0.1, -1)
    child = genome.replace({"BLOCK": 96, "RATE": 0.25, "UNROLL": 8, "LEAK": -1e-05})
    text = child.files()["kernel.c"]
    assert "#define BLOCK 96       // rows" in text and "RATE 0.25f " in text and "(8)\n" in text
    assert "LEAK = -1e-05;" in text and Genome.of(child.files(), space) == child
    assert genome_of("export const LR = 0.02;\nlet n = 3\n", "a.js")[0].values == {"LR": 0.02}
    assert genome_of("pub const WAYS: usize = 8;\n", "a.rs")[0].values == {"WAYS": 8}
    assert genome_of("export JOBS=4  # knob: 1 .. 8\n", "a.sh")[0].values == {"JOBS": 4}
    assert genome_of("PRICE = 3\n", "a.txt")[0].values == {}, "prose has slots, no constants"


@given(st.sampled_from(["a.py", "a.yaml", "a.json", "a.toml", "a.c", "a.txt"]), st.text(max_size=60))
@settings(deadline=None)
def test_any_text_is_read(path: str, text: str) -> None:
    space = Space({}, {}) if "knob:" in text else Space.of({path: text})
    assert Genome.of({path: text}, space).files() == {path: text}


def test_it_is_fast_enough_for_hundreds_of_proposals_per_evaluation() -> None:
    text = "".join(f"K{i} = {i + 1.5}\n" for i in range(40)) + "def f(x):\n    return x + 1  # 20 KB\n\n" * 530
    genome, space = genome_of(text)
    rng = random.Random(0)

    def best(action: object, tries: int = 200) -> float:
        times = []
        for _ in range(tries):
            start = time.perf_counter()
            action()  # type: ignore[operator]
            times.append(time.perf_counter() - start)
        return min(times)

    values: dict[str, Value] = {"K3": 0.1}
    assert len(text) > 20_000 and len(space) == 40
    reading = best(lambda: Genome.of(genome.files(), space), 5)  # what a child that parses its files would take
    assert best(lambda: genome.replace(values).files()) < reading / 50
    assert best(lambda: perturb.nudge(genome, space, rng)) < reading / 50


def test_an_heir_is_what_reading_its_files_would_find_and_needs_none_of_them() -> None:
    parent, space = genome_of(TRAIN)
    for seed in range(60):
        child = perturb.kick(parent, space, random.Random(seed))
        assert child is not None
        said = {name: new for name, (_, new) in json.loads(json.dumps(changes(parent, child))).items()}
        hashes = {path: text_hash(text) for path, text in child.files().items()}
        found = heir("parent", parent, said, hashes)
        assert found is not None and parent.replace(found.values) == child == reread(child.files(), parent)
        assert heir("parent", parent, said, {path: text_hash(TRAIN) for path in hashes}) is None, "other text"
        assert heir("parent", parent, said, {**hashes, "more.py": text_hash("")}) is None, "one file more"
    assert heir("parent", parent, {"LR": None}, hashes) is None, "a knob that is gone"
    assert heir("parent", parent, {"LR": "many"}, hashes) is None
    assert heir("parent", parent, {"NEW": 1}, hashes) is None


def test_zero_keeps_its_sign_however_often_it_was_written() -> None:
    genome, _ = genome_of("X = 0.5  # knob: -1 .. 1\n")
    texts = [genome.replace({"X": value}).files()["train.py"] for value in (0.0, -0.0, 0.0, -0.0)]
    assert [text.partition("  ")[0] for text in texts] == ["X = 0.0", "X = -0.0"] * 2
