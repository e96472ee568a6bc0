from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from population import prose, sentences
from population.genome import CLOSE, OPEN

Move = Callable[[str, random.Random], tuple[str, str] | None]

TEXT = (
    "# Title\n\nBecause children sit all day, they need sport. Many schools cut sport in order to save money.\n\n"
    "It is clear that sport helps. The evidence is strong when we look at grades."
)


def outcomes(move: Move, text: str) -> set[str]:
    return {made[0] for seed in range(60) if (made := move(text, random.Random(seed))) is not None}


def test_a_text_is_said_shorter_in_the_same_words() -> None:
    assert outcomes(prose.trim, TEXT) == {
        TEXT.replace("in order to save", "to save"),
        TEXT.replace("It is clear that sport helps.", "Sport helps."),
    }


@pytest.mark.parametrize(
    ("text", "turned"),
    [
        ("Because it rains, we stay.", "We stay because it rains."),
        ("We stay because it rains.", "Because it rains, we stay."),
        ("The roads close if snow falls!", "If snow falls, the roads close!"),
        ("London floods when it rains.", None),  # a name is not written small
        ("If it rains, we stay, and if it snows, we go.", None),
        ("We stay.", None),
    ],
)
def test_a_clause_goes_to_the_other_end(text: str, turned: str | None) -> None:
    assert outcomes(prose.turn, text) == ({turned} if turned else set())


@pytest.mark.parametrize("text", ["It was not very good.", "It is a very old idea.", "We don't really know."])
def test_words_that_carry_meaning_or_an_article_stay(text: str) -> None:
    assert not outcomes(prose.trim, text)


def test_a_sentence_is_borrowed_for_the_one_it_is_most_like() -> None:
    other = "Sport makes grades better. Nothing in common."
    made = prose.borrow(TEXT, other, random.Random(2))
    assert made is not None
    assert made[0] in {
        TEXT.replace(old, "Sport makes grades better.")
        for old in ("The evidence is strong when we look at grades.", "It is clear that sport helps.")
    }
    assert prose.borrow(TEXT, "Entirely unlike it.", random.Random(0)) is None
    assert prose.borrow(TEXT, TEXT, random.Random(0)) is None


def test_what_holds_a_knob_is_not_borrowed_away() -> None:
    slot = f"{OPEN}tone{CLOSE}"
    for seed in range(40):
        made = prose.borrow(f"Sport helps {slot} pupils. Sport is fun.", "Sport is healthy fun.", random.Random(seed))
        assert made is not None and slot in made[0]


def test_a_paragraph_that_loses_its_last_sentence_keeps_its_end() -> None:
    text = "One is here. Two is here.\n\n## Next\n\nThree is here."
    for move in (sentences.move, sentences.drop):
        assert all("\n\n## Next\n\n" in made or made.endswith("## Next") for made in outcomes(move, text))


@given(st.text(max_size=200), st.integers(0, 99))
def test_no_text_breaks_a_move(text: str, seed: int) -> None:
    for made in (
        prose.trim(text, random.Random(seed)),
        prose.turn(text, random.Random(seed)),
        prose.borrow(text, TEXT, random.Random(seed)),
    ):
        assert made is None or (made[0] != text and "\n" not in made[1])


@pytest.mark.parametrize("opening", ["They", "However, they", "Then she", "For example, it", f"{OPEN}knob{CLOSE} it"])
def test_a_sentence_that_leans_on_another_stays_behind_it(opening: str) -> None:
    text = f"The first is here. Roads are wide. {opening} went away. Trees are green. Cars are loud."
    for move in (sentences.swap, sentences.move, sentences.drop):
        for made in outcomes(move, text):
            assert f"Roads are wide. {opening} went away." in made or opening not in made
    borrowed = prose.borrow(text, "Roads are very wide.", random.Random(0))
    assert borrowed is None or f"Roads are wide. {opening}" in borrowed[0]


@pytest.mark.parametrize(
    ("sentence", "depends"),
    [
        ("The team's plan is good.", False),
        ("The teams' plan is good.", False),
        ("Anna’s figures agree.", False),
        ("Its plan is good.", True),
        ("The other's plan is good.", True),
        ("One's own plan is good.", True),
    ],
)
def test_a_possessive_leans_only_if_it_speaks_of_what_came_before(sentence: str, depends: bool) -> None:
    assert sentences.leans(sentence) is depends


@given(
    st.sampled_from(["city", "team", "school", "mayor"]), st.sampled_from(["'s", "’s", "s'", "s’"]), st.integers(0, 20)
)
def test_a_sentence_about_somebodys_plan_may_move(name: str, mark: str, seed: int) -> None:
    plan = f"The {name}{mark} plan works."
    assert sentences.split(f"Roads are wide. {plan} Trees are green.")[0][1] == plan
    text = f"Roads are wide. {plan}"
    made = sentences.swap(text, random.Random(seed))
    assert made is not None and made[0] == f"{plan} Roads are wide."


def test_no_heading_loses_its_last_sentence() -> None:
    text = "# One\n\nOnly this.\n\n# Two\n\nThere is more. A lot of it."
    assert all("Only this." in made for made in outcomes(sentences.drop, text))
