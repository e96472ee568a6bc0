from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from judges.fitting import Recipe, Table, cross_validate, fit, standard_error
from judges.pairs import Pair, PairsError, read_pairs
from judges.reader import Reader
from wolf.cli import main

WORDS = "cat dog river house garden letter morning teacher song winter road market window friend story"
NOUNS = WORDS.split()


def world(groups: int, seed: int = 0) -> list[Pair]:
    """Readers of this world like questions and dislike the word "report", most of the time."""
    rng = random.Random(seed)
    pairs = []
    for group in range(groups):
        text = " ".join(rng.sample(NOUNS, 5))
        good, bad = f"why did the {text}?", f"report on the {text}"
        won, lost = (good, bad) if rng.random() < 0.9 else (bad, good)
        pairs.append(Pair(won, lost, str(group)))
    return pairs


def test_a_reader_learns_what_readers_like_and_says_how_sure_it_is() -> None:
    table = Table(world(120))
    held = cross_validate(table, Recipe("r", "headline", ("style", "char"), 1e-3), 6)
    mean, low, high, n = held.accuracy()
    assert (0.8 < mean < 0.98) and low < mean < high and n == 120
    reader = held.settle(fit(table, Recipe("r", "headline", ("style", "char"), 1e-3)))
    win = 1 / (1 + np.exp(reader.read("report on cats").raw - reader.read("why did the cat sing?").raw))
    assert 0.8 < win < 0.98  # 0.9 in truth


def test_a_neutral_reader_does_not_pay_for_length() -> None:
    rng = random.Random(1)
    pairs = []
    for group in range(200):
        long, short = " ".join(rng.choices(NOUNS, k=16)), " ".join(rng.choices(NOUNS, k=8))
        won, lost = (long, short) if rng.random() < 0.8 else (short, long)
        pairs.append(Pair(won, lost, str(group)))
    table = Table(pairs)
    longer = table.ratio > 0
    plain = cross_validate(table, Recipe("r", "argument", ("style", "char"), 1e-2), 5)
    neutral = cross_validate(table, Recipe("r", "argument", ("style", "char"), 1e-2, neutral=True), 5)
    assert plain.accuracy(longer)[0] > 0.9
    assert neutral.accuracy(~longer)[0] > plain.accuracy(~longer)[0] + 0.2


def test_a_saved_reader_reads_the_same(tmp_path: Path) -> None:
    table = Table(world(40))
    recipe = Recipe("mine", "headline", ("style", "word"), 1e-3)
    reader = cross_validate(table, recipe, 4).settle(fit(table, recipe))
    reader.save(tmp_path / "mine.npz")
    again = Reader.load(tmp_path / "mine.npz")
    for text in ("why did the dog sing?", "report on the garden"):
        assert again.read(text).rating == pytest.approx(reader.read(text).rating, abs=0.02)


def test_ab_tests_weigh_what_they_prove(tmp_path: Path) -> None:
    path = tmp_path / "tests.csv"
    path.write_text(
        "a,b,impressions_a,clicks_a,impressions_b,clicks_b\n"
        "one,two,1000,10,1000,30\nthree,four,1000,10,1000,11\nfive,six,100,3,100,3\ntwo,three,1000,40,1000,10\n"
    )
    pairs = read_pairs(path)
    assert [(pair.won, pair.lost) for pair in pairs] == [("two", "one"), ("four", "three"), ("two", "three")]
    assert pairs[0].weight == pytest.approx(10.2, abs=0.1) and pairs[1].weight < 0.1 and pairs[2].weight == 16
    assert len({pair.group for pair in pairs}) == 1  # connected by their texts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x,y\n1,2\n", "line 1: expected the columns won,lost or"),
        ("won,lost\nonly,\n", "line 2: won or lost is empty"),
        ("won,lost\n", "has no pairs"),
        ("a,b,impressions_a,clicks_a,impressions_b,clicks_b\none,two,ten,1,10,1\n", "impressions_a is 'ten'"),
        ("a,b,impressions_a,clicks_a,impressions_b,clicks_b\none,two,10,11,10,1\n", "more clicks than impressions"),
    ],
)
def test_a_wrong_file_of_pairs_is_one_sentence_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "tests.csv").write_text(text)
    with pytest.raises(PairsError, match=said):
        read_pairs(tmp_path / "tests.csv")


def test_the_command_trains_measures_and_saves(tmp_path: Path) -> None:
    path = tmp_path / "tests.csv"
    path.write_text("won,lost\n" + "".join(f'"{pair.won}","{pair.lost}"\n' for pair in world(60)))
    result = CliRunner().invoke(main, ["train-reader", str(path)])
    assert result.exit_code == 0, result.output
    assert "this reader" in result.output and "the shipped reader" in result.output
    assert Reader.load(tmp_path / "tests.npz").read("why did the dog sing?").known > 0.5


def test_too_few_tests_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tests.csv").write_text("won,lost\none,two\n")
    result = CliRunner().invoke(main, ["train-reader", str(tmp_path / "tests.csv")])
    assert result.exit_code == 2
    assert "10 are needed" in result.output


def test_the_standard_error_falls_with_the_data() -> None:
    recipe = Recipe("r", "headline", ("style", "char"), 1e-3)
    small, large = (standard_error(Table(world(groups, seed=3)), recipe) for groups in (60, 480))
    assert 0 < large < small
    assert 1.5 < small / large < 8, "about the square root of the data, eightfold here"


def test_chances_are_calibrated_by_the_other_half_of_the_groups() -> None:
    table = Table(world(200, seed=5))
    recipe = Recipe("r", "headline", ("style", "char"), 1e-3)
    held = cross_validate(table, recipe, 5)
    assert 0 <= held.calibration_error() < 0.1
    boasting = dataclasses.replace(held, margin=held.margin * np.where(table.group % 2 == 0, 1.0, 9.0))
    assert boasting.calibration_error() > 2 * held.calibration_error()
    again = held.of(fit(table, recipe))
    assert again.accuracy()[0] >= held.accuracy()[0], "of what it was trained with"
