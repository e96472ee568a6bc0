from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from judges import features
from judges.base import Context, JudgeError
from judges.box import Box
from judges.reader import CREDIT, Reader
from judges.reading import ReaderJudge
from judges.testing import JudgeConformance
from population.evaluation import Evaluation, Status
from population.variant import Variant

SHIPPED = ("headline", "headline-words", "argument", "argument-words", "argument-plain")
GOOD = "She Asked Her Boss For A Raise. What He Said Next Is Why She Quit."
DULL = "Report on committee meeting"


def judged(text: str, tmp_path: Path, holdout: bool = False, **judge: Any) -> Evaluation:
    judge = {"task": "headline", **judge}
    return ReaderJudge(**judge).evaluate(Variant({"h.txt": text}), Context(tmp_path, tmp_path, holdout=holdout))


class TestReaderJudge(JudgeConformance):
    def judge(self) -> ReaderJudge:
        return ReaderJudge(task="headline", file="h.txt", box={"words": (3, 20)})

    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "target").mkdir(exist_ok=True)
        (tmp_path / "target" / "h.txt").write_text(GOOD)
        return tmp_path / "target"

    def good(self) -> Variant:
        return Variant({"h.txt": GOOD})

    def bad(self) -> Variant:
        return Variant({"h.txt": "No."})


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_reader_loads_and_has_a_card_that_says_how_good_it_is(name: str) -> None:
    reader = Reader.shipped(name)
    assert reader.name == name
    card = (Path(features.__file__).with_name("readers") / f"{name}.md").read_text()
    for promised in ("CC BY 4.0", "Accuracy with 95 % interval", "Calibration error", "Does not know"):
        assert promised in card


def test_the_two_readers_of_a_task_share_no_features() -> None:
    for task in ("headline", "argument"):
        assert not Reader.shipped(task).weights.keys() & Reader.shipped(f"{task}-words").weights.keys()


def test_readers_prefer_a_story_to_a_report() -> None:
    for name in ("headline", "headline-words"):
        reader = Reader.shipped(name)
        assert reader.read(GOOD).rating > reader.read(DULL).rating


@given(st.text(max_size=300))
def test_any_text_is_read_and_none_gets_credit_beyond_the_limit(text: str) -> None:
    reading = Reader.shipped("headline").read(text)
    assert 0 <= reading.percentile <= 100
    assert reading.rating <= reading.raw + 1e-9
    best = Reader.shipped("headline").quantiles
    assert reading.rating <= Reader.shipped("headline").slope * (best[int(CREDIT * len(best)) + 1] - best[100]) + 1e-9


def test_repeating_a_good_argument_earns_nothing() -> None:
    text = "Schools should teach sport because research shows that exercise improves concentration and health. "
    reader = Reader.shipped("argument")
    assert reader.read(text * 8).raw < reader.read(text).raw + 0.5


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u200d", "<b></b>", "!!!"])
def test_a_text_without_words_is_invalid(text: str, tmp_path: Path) -> None:
    found = judged(text, tmp_path)
    assert (found.status, found.feedback) == (Status.INVALID, "the text is empty")


def test_a_gigantic_text_is_invalid_and_takes_no_time(tmp_path: Path) -> None:
    judged(GOOD, tmp_path)  # its reader is loaded
    began = time.process_time()
    found = judged("word " * 10**6, tmp_path)
    assert found.status is Status.INVALID
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize(
    "text", ["Das ist eine kurze Meldung über den neuen Minister", "新しい大臣についての短い記事です よろしく"]
)
def test_another_language_is_refused_or_empty_and_never_rated(text: str, tmp_path: Path) -> None:
    assert judged(text, tmp_path).score is None


def test_the_hold_out_reading_is_the_other_readers(tmp_path: Path) -> None:
    seen, hidden = judged(GOOD, tmp_path), judged(GOOD, tmp_path, holdout=True)
    assert hidden.score == pytest.approx(seen.metrics["holdout"])
    assert hidden.score != pytest.approx(seen.score)


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ({"words": (3, 5)}, "15 words, not 3 to 5"),
        ({"must": ["Tuesday"]}, "does not contain 'Tuesday'"),
        ({"must_not": ["boss"]}, "contains 'boss'"),
        ({"characters": (1, 20)}, "66 characters, not 1 to 20"),
    ],
)
def test_a_text_outside_the_box_is_invalid_and_told_why(box: dict[str, Any], said: str, tmp_path: Path) -> None:
    found = judged(GOOD, tmp_path, box=box)
    assert found.status is Status.INVALID
    assert said in found.feedback


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ({"words": (9, 3)}, "leaves nothing"),
        ({"must": ["Big News"], "must_not": ["news"]}, "no text can do both"),
        ({"must": ["it is sold  out"], "must_not": ["sold out"]}, "no text can do both"),
        ({"must": ["one two three"], "words": (1, 2)}, "no text can do both"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(box: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ReaderJudge(task="headline", box=box)


def test_a_start_outside_the_box_is_said_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "h.txt").write_text(GOOD)
    with pytest.raises(JudgeError, match=r"h.txt cannot be judged from the start: 15 words"):
        ReaderJudge(task="headline", file="h.txt", box={"words": (2, 4)}).check(tmp_path)


def test_a_file_that_is_no_reader_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(b"not a reader")
    with pytest.raises(JudgeError, match="is not a reader"):
        Reader.load(tmp_path / "mine.npz")
    with pytest.raises(JudgeError, match="is not a reader"):
        Reader.load(tmp_path / "none.npz")


def test_a_text_that_repeats_itself_is_outside_any_box(tmp_path: Path) -> None:
    found = judged("He said no to all of it. She left. He said no to all of it.", tmp_path)
    assert found.feedback == "says twice: 'he said no to all of it'"


@pytest.mark.parametrize(
    ("phrase", "text", "there"),
    [
        ("5 hours", "It gains 5 hours.", True),
        ("5 hours", "It gains 15 hours.", False),
        ("5 hours", "It gains 2.5 hours.", False),
        ("fell by 28", "It fell by 28.", True),
        ("fell by 28", "It fell by 280 percent.", False),
        ("fell by 28", "It fell by 28,5 percent.", False),
        ("the shop", "In the shops all is well.", True),
        ("(9 of 10)", "Calls (9 of 10) were answered.", True),
    ],
)
def test_a_locked_figure_is_not_found_in_another(phrase: str, text: str, there: bool) -> None:
    assert Box(must=(phrase,)).complaints(text) == ([] if there else [f"does not contain {phrase!r}"])


SIGNS = st.text("abcé 059’'“”-.,%", max_size=12)


@given(SIGNS, SIGNS, SIGNS)
def test_a_phrase_is_found_as_a_person_sees_it_in_a_text(before: str, phrase: str, after: str) -> None:
    text = f"x {before} {phrase.strip()} {after}"
    assume(phrase.strip())
    assert not any("does not contain" in said for said in Box(must=(phrase.strip(),)).complaints(text))
    assert any("contains" in said for said in Box(must_not=(phrase.strip(),)).complaints(text))


@pytest.mark.parametrize("phrase", ["Anna’s numbers", "Anna's numbers", "anna’s  numbers"])
@pytest.mark.parametrize("text", ["Anna’s numbers show it.", "It is in Anna's numbers."])
def test_a_locked_phrase_is_the_same_with_a_curly_apostrophe(phrase: str, text: str) -> None:
    assert Box(must=(phrase,)).complaints(text) == []
    assert Box(must_not=(phrase,)).complaints(text) == [f"contains {phrase!r}"]


def test_spaces_at_the_ends_of_a_phrase_count() -> None:
    assert Box(must_not=(" AI ",)).complaints("He said so.") == []
    assert Box(must_not=(" AI ",)).complaints("What AI said.") == ["contains ' AI '"]


def test_what_a_text_repeats_all_the_time_is_said_once() -> None:
    assert Box().complaints("Night Buses In March " * 40) == ["says twice: 'night buses in march'"]


def test_a_change_must_be_worth_its_own_doubt_and_the_original_keeps_ties(tmp_path: Path) -> None:
    (tmp_path / "h.txt").write_text(GOOD)
    same, other = (judged(text, tmp_path, file="h.txt") for text in (GOOD, GOOD.replace("What He Said", "His Answer")))
    assert same.metrics["caution"] < 1e-6 and other.metrics["caution"] > 0.0
    seen, _ = ReaderJudge(task="headline").readers()
    text = GOOD.replace("What He Said", "His Answer")
    rating = sum(reader.read(text).rating for reader in seen) / len(seen)
    assert other.score == pytest.approx(rating - other.metrics["caution"])
    assert other.metrics["caution"] == pytest.approx(other.metrics["error"]), "one standard error"


def test_the_hold_out_is_not_cautious(tmp_path: Path) -> None:
    (tmp_path / "h.txt").write_text(GOOD)
    hidden = judged(DULL, tmp_path, holdout=True, file="h.txt")
    assert hidden.score == Reader.shipped("headline-letters").read(DULL).raw == hidden.metrics["holdout"]


def test_saying_the_same_at_once_again_is_no_gain_even_without_a_full_stop(tmp_path: Path) -> None:
    found = judged("A City Closed A Street A City Closed A Street", tmp_path)
    assert (found.status, found.feedback) == (Status.INVALID, "says twice: 'a city closed a street'")


def test_an_original_in_another_language_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "h.txt").write_text("Die Stadt hat eine Straße für Autos gesperrt.")
    with pytest.raises(JudgeError, match=r"h.txt is in German, and the readers know English only"):
        ReaderJudge(task="headline", file="h.txt").check(tmp_path)


def test_a_locked_phrase_may_be_broken_over_two_lines_and_keeps_its_outer_spaces() -> None:
    box = Box(must=("A vote should come first",), must_not=(" ai ", "sold out"))
    assert not box.complaints("They said: a vote\nshould  come first.")
    assert box.complaints("They said: vote first.") == ["does not contain 'A vote should come first'"]
    assert box.complaints("A vote should come first, or it is sold\nout.") == ["contains 'sold out'"]
    assert box.complaints("A vote should come first, said an\nAI here.") == ["contains ' ai '"]
