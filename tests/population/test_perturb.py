from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from population import blocks, perturb, sentences, statements
from population.genome import Genome, changes, describe
from population.knobs import Space
from population.literals import parse_python
from population.statements import Edit

CODE = '''"""Doc."""
import torch

DEPTH = 8
LR = 0.02
ACT = "relu"  # knob: relu | gelu | silu
ON = True
torch.manual_seed(42)


def forward(x, scale=0.7):
    """Doc."""
    # normalise
    x = norm(x)  # in place

    x = attend(x, 0.5)
    h = x + mlp(x)
    if ON:
        h = h * 3; x = h
    for i in range(10):
        h = step(h)
        log(h)
    return h
'''

PROSE = """# Title
Be brief. Write in a calm tone. Numbers like 3.5 stay, e.g. here!

- first item. It has two parts
- second item

```python
x = 1. Not a sentence. Really.
```
1. one
2. two
"""


def genome_of(text: str, path: str = "t.py", **overrides: object) -> tuple[Genome, Space]:
    space = Space.of({path: text}, overrides)
    return Genome.of({path: text}, space), space


def test_a_nudge_turns_one_knob_and_a_draw_turns_all() -> None:
    genome, space = genome_of(CODE)
    rng = random.Random(0)
    for _ in range(50):
        child = perturb.nudge(genome, space, rng)
        assert child is not None and len(changes(genome, child)) == 1
        assert child.shape is genome.shape
    seen: Counter[str] = Counter()
    for _ in range(50):
        child = perturb.draw(genome, space, rng)
        assert child is not None
        seen.update(changes(genome, child).keys())
    assert set(seen) == set(space.names) and seen["LR"] > 40
    assert len(changes(genome, perturb.nudge(genome, space, rng, knobs=3) or genome)) == 3


def test_kicks_are_heavy_tailed() -> None:
    text = "".join(f"K{i} = 1.0  # knob: 0 .. 10\n" for i in range(30))
    genome, space = genome_of(text)
    rng = random.Random(1)
    sizes = []
    for _ in range(400):
        child = perturb.kick(genome, space, rng)
        assert child is not None
        sizes.append(len(changes(genome, child)))
    assert min(sizes) == 2 and sorted(sizes)[200] <= 3 and max(sizes) == 30


def test_nothing_to_turn() -> None:
    genome, space = genome_of("x = [\n")
    rng = random.Random(0)
    assert perturb.nudge(genome, space, rng) is None
    assert perturb.kick(genome, space, rng) is None
    assert perturb.draw(genome, space, rng) is None
    for operator in (statements.swap, statements.drop, statements.double, statements.move):
        assert operator(genome, rng) is None
    assert statements.number(genome, space, rng) is None


def test_code_of_another_language_is_not_shuffled_like_prose() -> None:
    genome, _ = genome_of("int f(void);\n\nint main(void) {\n  return f();\n}\n\nint f(void) { return 1; }\n", "a.c")
    for operator in (statements.swap, statements.drop, statements.double, statements.move, statements.trim):
        assert operator(genome, random.Random(0)) is None
    assert not statements.arrangeable("a.c") and statements.arrangeable("a.py") and statements.arrangeable("a.md")


def test_the_same_random_state_gives_the_same_child() -> None:
    genome, space = genome_of(CODE)
    operators: list[Callable[[random.Random], Genome | Edit | None]] = [
        lambda rng: perturb.nudge(genome, space, rng),
        lambda rng: perturb.kick(genome, space, rng),
        lambda rng: perturb.draw(genome, space, rng, 0.5),
        lambda rng: statements.swap(genome, rng),
        lambda rng: statements.drop(genome, rng),
        lambda rng: statements.double(genome, rng),
        lambda rng: statements.number(genome, space, rng),
    ]
    for operator in operators:
        assert operator(random.Random(7)) == operator(random.Random(7))


def outcomes(change: Callable[[str, random.Random], tuple[str, str] | None], text: str) -> dict[str, str]:
    """Note -> text for many random states."""
    found = {}
    for seed in range(200):
        result = change(text, random.Random(seed))
        if result is not None:
            found[result[1]] = result[0]
    return found


def test_statements_are_swapped_with_their_comments_and_only_if_it_can_matter() -> None:
    swapped = outcomes(blocks.swap, CODE)
    text = swapped["line 14: swapped `x = norm(x) # in place` and `x = attend(x, 0.5)`"]
    assert "    x = attend(x, 0.5)\n\n    # normalise\n    x = norm(x)  # in place\n    h = x" in text
    assert len(swapped) == 4
    assert not any("h = x + mlp(x)` and" in note or "manual_seed" in note or "DEPTH" in note for note in swapped)


def test_statements_are_dropped_only_if_no_name_is_missed() -> None:
    dropped = outcomes(blocks.drop, CODE)
    assert "    # normalise" not in dropped["line 14: dropped `x = norm(x) # in place`"]
    assert {note.split("`")[1][:8] for note in dropped} == {
        "x = norm",
        "x = atte",
        "h = step",
        "log(h)",
        "for i in",
    }


def test_statements_are_doubled_only_if_twice_is_more() -> None:
    doubled = outcomes(blocks.double, CODE)
    assert "        log(h)\n        log(h)\n" in doubled["line 22: doubled `log(h)`"]
    assert not any("import" in note or "DEPTH" in note or "return" in note for note in doubled)
    assert blocks.double("x = 1\ny = x\n", random.Random(0)) is None


def test_the_last_line_needs_no_line_break() -> None:
    assert blocks.swap("a(x)\nb(x)", random.Random(0)) == ("b(x)\na(x)", "line 1: swapped `a(x)` and `b(x)`")
    assert blocks.double("a(x)", random.Random(0)) == ("a(x)\na(x)", "line 1: doubled `a(x)`")
    assert blocks.swap("a(x)\r\nb(x)\r\n", random.Random(0)) == (
        "b(x)\r\na(x)\r\n",
        "line 1: swapped `a(x)` and `b(x)`",
    )


def test_a_comment_sign_in_a_string_above_is_no_comment() -> None:
    text = 'x = f(x, """\n# no comment""")\nx = g(x)\n'
    result = blocks.swap(text, random.Random(0))
    assert result is not None and result[0] == 'x = g(x)\nx = f(x, """\n# no comment""")\n'


def test_numbers_that_are_no_knobs_change_and_knobs_and_seeds_do_not() -> None:
    genome, space = genome_of(CODE)
    notes = set()
    for seed in range(100):
        edit = statements.number(genome, space, random.Random(seed))
        assert edit is not None and edit.files != genome.files()
        assert Genome.of(edit.files, space).values == genome.values
        assert "manual_seed(42)" in edit.files["t.py"]
        notes.add(edit.note.split(" -> ")[0])
    assert notes == {"t.py line 11: 0.7", "t.py line 16: 0.5", "t.py line 19: 3", "t.py line 20: 10"}


def test_sentences_keep_the_shape_of_the_text() -> None:
    swapped = outcomes(sentences.swap, PROSE)
    assert PROSE.replace("Be brief. Write in a calm tone.", "Write in a calm tone. Be brief.") in swapped.values()
    assert all(sorted(text.split()) == sorted(PROSE.split()) for text in swapped.values())
    assert all(text.count("\n") == PROSE.count("\n") for text in swapped.values())
    dropped = outcomes(sentences.drop, PROSE)
    assert PROSE.replace("Be brief. ", "") in dropped.values()
    assert dropped['dropped "- second item"'] == PROSE.replace("- second item\n\n", "")
    moved = outcomes(sentences.move, PROSE)
    assert moved['moved "Be brief." behind "Numbers like 3.5 stay, e.g. here!"'].startswith(
        "# Title\nWrite in a calm tone. Numbers like 3.5 stay, e.g. here! Be brief.\n\n- first"
    )
    assert 'moved "2. two" behind "- first item."' not in moved  # "It has two parts" leans on that one
    fence = "```python\nx = 1. Not a sentence. Really.\n```"
    for text in (*swapped.values(), *dropped.values(), *moved.values()):
        assert fence in text and text.startswith("# Title\n")


def test_a_sentence_with_a_slot_moves_but_stays() -> None:
    genome, space = genome_of(PROSE, "p.md", tone={"file": "p.md", "choices": ["calm", "bold"]})
    for seed in range(100):
        rng = random.Random(seed)
        assert statements.double(genome, rng) is None, "nobody wants to read a sentence twice"
        for operator in (statements.swap, statements.drop, statements.move):
            edit = operator(genome, rng)
            assert edit is not None and edit.files != genome.files()
            assert Genome.of(edit.files, space).values == {"tone": "calm"}, edit.note
            assert edit.note.startswith("p.md ") and "\n" not in edit.note


lines = st.sampled_from(
    [
        "x = f(x)",
        "y = x + 1",
        "if x:\n    y = 2\n    x = g(y)",
        "# note é",
        "",
        "for i in x: y = i",
        "a(); b()",
        "A = 3",
        "def f(x, n=4):\n    # c\n    x += 0.5\n    return x",
        "class C:\n    K = 2\n    def m(self): return self.k * 2.5",
        's = """\n# x\n"""',
        "try:\n    x = a(x)\n    x = b(x)\nfinally:\n    c(x)",
        "x = (1,\n  2)",
        "\tbroken",
        "x = 'é' * 3; y = -4",
    ]
)


@given(st.lists(lines, max_size=8), st.sampled_from(["\n", "\r\n"]), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_operators_on_code_never_raise_and_what_parsed_still_parses(
    parts: list[str], line_break: str, rng: random.Random
) -> None:
    text = line_break.join(parts).replace("\n", line_break)
    genome, space = genome_of(text)
    parsable = parse_python(text) is not None
    edits = [operator(genome, rng) for operator in (statements.swap, statements.drop, statements.double)]
    edits.append(statements.number(genome, space, rng))
    for edit in edits:
        if edit is not None:
            assert parsable and edit.files["t.py"] != text
            assert parse_python(edit.files["t.py"]) is not None, edit.note
    for child in (
        perturb.nudge(genome, space, rng, 2),
        perturb.kick(genome, space, rng),
        perturb.draw(genome, space, rng),
    ):
        if child is not None:
            assert child != genome and parse_python(child.files()["t.py"]) is not None
            assert describe(changes(genome, child))


@pytest.mark.parametrize("change", [sentences.swap, sentences.drop, sentences.move])
@given(text=st.text(st.sampled_from("ab. !\n\t-#1`é\ue000"), max_size=60), rng=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_operators_on_prose_never_raise(
    change: Callable[[str, random.Random], tuple[str, str] | None], text: str, rng: random.Random
) -> None:
    result = change(text, rng)
    if result is not None:
        assert result[0] != text
