from __future__ import annotations

import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from judges.ballots import Criterion
from judges.calibrate import judges_of, measure, report
from judges.pairs import Pair
from judges.panel import PanelJudge
from judges.reading import ReaderJudge
from judges.stand_ins import Saying, StandIn
from wolf.cli import main

rng = random.Random(0)
PAIRS = [
    Pair(f"why {n} rivers sing at night", f"{n} rivers were {'seen ' * rng.randrange(1, 6)}here", str(n // 3))
    for n in range(150)
]


def knows(text: str) -> float:
    return float("why" in text)


def panel(**llms: StandIn | Saying) -> list[str]:
    judge = PanelJudge(criteria=(Criterion(id="pull", q="Which one?"),), judges=tuple(llms))
    return report([measure(name, choose, PAIRS) for name, choose in judges_of(judge, llms).items()])


def test_a_good_judge_is_measured_as_good() -> None:
    good, verdict = panel(good=StandIn(knows, noise=0.5))
    assert "takes the first 5" in good or "takes the first 4" in good
    assert "flips with the order" in good
    assert verdict.startswith("verdict: usable; best is good with 9")


def test_a_judge_that_takes_the_first_is_found_out() -> None:
    line, verdict = panel(lazy=StandIn(lambda text: 0.0, first=1.0))
    assert "flips with the order 100%" in line and "takes the first 100%" in line
    assert "none of these judges is better than a coin" in verdict


def test_a_judge_that_counts_words_is_found_out() -> None:
    line, _ = panel(wordy=StandIn(len))
    assert "the longer 9" in line or "the longer 100%" in line


def test_clones_are_counted_as_one() -> None:
    lines = panel(a=StandIn(knows, 1.0, seed=1), b=StandIn(knows, 1.0, seed=1), c=StandIn(knows, 1.0, seed=1))
    assert lines[3].startswith("together they are worth 1.0 independent votes of 3")


def test_a_judge_that_never_answers_gets_no_weight_and_no_vote_is_invented() -> None:
    lines = panel(mute=Saying(None), mad=Saying("{}"), good=StandIn(knows, 0.3))
    assert lines[0] == "mute: gave no answer to any of 150 pairs"
    assert lines[1] == "mad: gave no answer to any of 150 pairs"
    assert lines[-1].endswith("Weights: trust: {mute: 0.0, mad: 0.0, good: 2.68}")


def test_the_judge_of_a_reader_configuration_is_measured_with_its_hold_out() -> None:
    assert list(judges_of(ReaderJudge(task="headline"), {})) == [
        "headline-style+headline-words",
        "headline-style",
        "headline-words",
        "headline-letters (hold-out)",
    ]


def test_a_handful_of_pairs_is_no_verdict() -> None:
    judge = PanelJudge(criteria=(Criterion(id="pull", q="Which one?"),), judges=("lucky",))
    choose = judges_of(judge, {"lucky": StandIn(knows)})["lucky"]
    (*_, verdict) = report([measure("lucky", choose, PAIRS[:3])])
    assert verdict == "verdict: 3 pairs cannot tell; bring 30 or more, hundreds if you can"


def test_one_pair_of_texts_of_one_length_says_nothing_that_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("won,lost\none thing,another one\n")
    said = CliRunner().invoke(main, ["calibrate", "headline", "--pairs", str(tmp_path / "pairs.csv")])
    assert said.exit_code == 0 and "nan" not in said.output and "95 %" not in said.output
    assert "right (1 pair), flips" in said.output and "independent votes" not in said.output


def test_the_command_ends_in_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("won,lost\n" + "".join(f"{pair.won},{pair.lost}\n" for pair in PAIRS))
    result = CliRunner().invoke(main, ["calibrate", "headline", "--pairs", str(path), "--most", "60"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == "60 of 150 pairs, drawn at random"
    assert result.output.splitlines()[-1].startswith("verdict: ")
    assert "trust" not in result.output, "a key of panels only"


@pytest.mark.parametrize("command", [["calibrate", "headline", "--pairs"], ["train-reader"]])
def test_a_wrong_file_of_pairs_is_wrong_usage(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("won,lost\nonly,\n")
    result = CliRunner().invoke(main, [*command, str(tmp_path / "pairs.csv")])
    assert result.exit_code == 2 and "line 2: won or lost is empty" in result.output


@pytest.mark.parametrize(("config", "said"), [("knobs", "does not compare texts"), ("headline", "has no judge 'x'")])
def test_what_cannot_be_calibrated_is_one_sentence(config: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("won,lost\none thing,another\n")
    extra = ["--judge", "x"] if config == "headline" else []
    result = CliRunner().invoke(main, ["calibrate", config, "--pairs", str(tmp_path / "pairs.csv"), *extra])
    assert result.exit_code == 2 and said in result.output
