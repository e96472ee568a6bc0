"""Replies into files: what is understood, what is refused and in which words, and that nothing ever raises."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wolf.llm.edits import apply

CODE = """LR = 0.1
DEPTH = 4


def loss(x):
    y = x * 2
    return y + 1


def other(x):
    return x
"""
FILES = {"train.py": CODE, "notes.txt": "one\ntwo\n"}


def block(search, replace, path="train.py", head="## Idea: try it"):
    return f"{head}\n{path}\n<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"


def only(reply, files=FILES):
    (idea,) = apply(reply, files)
    return idea


def test_a_block_replaces_what_it_names_and_nothing_else():
    idea = only(block("LR = 0.1", "LR = 0.2"))
    assert idea.note == "try it"
    assert idea.files == {**FILES, "train.py": CODE.replace("0.1", "0.2")}


def test_ideas_are_independent_of_each_other():
    first, second = apply(block("LR = 0.1", "LR = 0.2") + block("DEPTH = 4", "DEPTH = 5"), FILES)
    assert "LR = 0.2" in first.files["train.py"] and "DEPTH = 4" in first.files["train.py"]
    assert "LR = 0.1" in second.files["train.py"] and "DEPTH = 5" in second.files["train.py"]


def test_an_idea_may_have_several_blocks_in_several_files():
    two = block("LR = 0.1", "LR = 0.2") + block("two", "three", "notes.txt", head="")
    assert only(two).files == {"train.py": CODE.replace("0.1", "0.2"), "notes.txt": "one\nthree\n"}


@pytest.mark.parametrize("opening", ["```python\n", "~~~\n", "`````\n"])
def test_a_whole_file_in_a_fence(opening):
    fence = opening.strip().rstrip("python").strip()
    idea = only(f"## Idea: anew\n`train.py`:\n{opening}LR = 1.0\n{fence}\n")
    assert idea.files["train.py"] == "LR = 1.0\n"


def test_blocks_wrapped_in_a_fence_are_blocks():
    wrapped = (
        "## Idea: try\ntrain.py\n```python\n<<<<<<< SEARCH\nLR = 0.1\n=======\nLR = 0.2\n>>>>>>> REPLACE\n```\nBye."
    )
    assert only(wrapped).files["train.py"] == CODE.replace("0.1", "0.2")


def test_the_path_may_be_left_out_where_there_is_one_file_only():
    bare = "<<<<<<< SEARCH\nLR = 0.1\n=======\nLR = 0.2\n>>>>>>> REPLACE"
    assert only(bare, {"train.py": CODE}).files == {"train.py": CODE.replace("0.1", "0.2")}
    assert "which file" in only(bare).problem


def test_line_ends_and_a_uniform_indentation_are_forgiven():
    assert only(block("LR = 0.1   ", "LR = 0.3")).files["train.py"].startswith("LR = 0.3\n")
    moved = only(block("y = x * 2\nreturn y + 1", "y = x * 3\nif y:\n    y += 1\nreturn y"))
    assert "    y = x * 3\n    if y:\n        y += 1\n    return y\n" in moved.files["train.py"]
    ast.parse(moved.files["train.py"])


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (block("LR = 0.7", "LR = 1"), "first line that is nowhere there is `LR = 0.7`"),
        (block("LR = 0.1\n\ndef loss(x):", "pass"), "do not follow each other"),
        (block("(x):", "(y):", path="train.py"), "nowhere there"),
        (block("x", "y", path="judge.py"), "judge.py is not one of the editable files"),
        (block("x", "y", path="../../etc/passwd.txt"), "not one of the editable files"),
        (block("LR = 0.1", "LR = 0.1"), "changes nothing"),
        (block("LR = 0.1", "LR = = 2"), "does not parse after the edit: line 1"),
        (block("", "LR = 2"), "is empty"),
        ("## Idea: x\ntrain.py\n<<<<<<< SEARCH\nLR = 0.1\n", "======= line is missing"),
        ("## Idea: x\ntrain.py\n<<<<<<< SEARCH\nLR = 0.1\n=======\nLR = 1\n", ">>>>>>> REPLACE line is missing"),
        ("## Idea: x\ntrain.py\n```python\nLR = 1\n", "closing fence is missing"),
        ("## Idea: just do better", "has no edit"),
        ("I would rather not.", "has no edit"),
        ("", "has no edit"),
    ],
)
def test_what_fails_says_why(reply, words):
    idea = only(reply)
    assert idea.files is None
    assert words in idea.problem


def test_two_matches_are_counted():
    assert "stands in notes.txt 2 times" in only(block("a", "b", "notes.txt"), {"notes.txt": "a\nx\na\n"}).problem


def test_only_the_editable_region_may_change():
    text = "SEED = 1\n# EVOLVE-BLOCK-START\nLR = 0.1\n# EVOLVE-BLOCK-END\nprint(LR)\n"
    assert only(block("LR = 0.1", "LR = 0.2\nWD = 1", "a.py"), {"a.py": text}).files
    for search, replace in (
        ("SEED = 1", "SEED = 2"),
        ("# EVOLVE-BLOCK-END", "# end"),
        ("LR = 0.1", "LR = 1\n# EVOLVE-BLOCK-END\nX = 1\n# EVOLVE-BLOCK-START"),
        ("print(LR)", ""),
    ):
        assert "outside its editable region" in only(block(search, replace, "a.py"), {"a.py": text}).problem


PIECES = st.sampled_from(
    ["## Idea: x", "### Idea 2) y", "train.py", "`notes.txt`", "/etc/passwd", "<<<<<<< SEARCH", "=======",
     ">>>>>>> REPLACE", "```", "```python", "~~~", "LR = 0.1", "    y = x * 2", "two", "", "\r", "\0", "\ud800",
     "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END", "(" * 300, "DEPTH = 9"]
)  # fmt: skip
REPLIES = st.lists(st.one_of(PIECES, st.text(max_size=30)), max_size=40).map("\n".join)


@settings(max_examples=400, deadline=None)
@given(REPLIES)
def test_no_reply_raises_or_writes_outside_the_files_or_breaks_a_file(reply):
    for idea in apply(reply, FILES):
        assert (idea.files is None) == bool(idea.problem)
        assert "\n" not in idea.note
        if idea.files is not None:
            assert idea.files.keys() == FILES.keys()
            assert idea.files != FILES
            ast.parse(idea.files["train.py"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(CODE.split("\n")), min_size=1, max_size=4), st.text(max_size=40))
def test_a_block_changes_only_where_its_search_text_stands(search, replace):
    for idea in apply(block("\n".join(search), replace), FILES):
        if idea.files is not None:
            assert idea.files["notes.txt"] == FILES["notes.txt"]


def test_a_reply_of_five_megabytes_is_read_in_no_time():
    (idea,) = apply("x" * 5_000_000, FILES)
    assert idea.files is None
