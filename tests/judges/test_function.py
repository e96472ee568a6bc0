from __future__ import annotations

import re
from pathlib import Path

import pytest

from judges.base import Context, JudgeError
from judges.function import FunctionJudge
from judges.testing import JudgeConformance
from population.evaluation import Evaluation, Status
from population.variant import Variant

SCORE = """
from pathlib import Path
import params
def score(folder, seed):
    print("this is not the answer: 5")
    assert Path.cwd() == folder
    return params.result(seed)
"""


def evaluate(tmp_path: Path, body: str, call: str = "tools/judge.py:score", seconds: float = 20.0) -> Evaluation:
    """Judge a candidate whose `result(seed)` has the given body."""
    root = tmp_path / "root"
    (root / "tools").mkdir(parents=True)
    (root / "tools/judge.py").write_text(SCORE)
    (root / "tools/params.py").write_text("raise SystemExit('the variant is not there')")
    (tmp_path / "scratch").mkdir()
    judge = FunctionJudge(call=call, seconds=seconds)
    judge.prepare(root, print)
    variant = Variant({"tools/params.py": f"def result(seed):\n    {body}\n"})
    return judge.evaluate(variant, Context(root, tmp_path / "scratch", seed=7))


class TestConformance(JudgeConformance):
    def judge(self) -> FunctionJudge:
        return FunctionJudge(call="judge.py:score")

    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "root"
        root.mkdir()
        (root / "judge.py").write_text("def score(folder, seed): return float((folder / 'x.txt').read_text()) + seed")
        return root

    def good(self) -> Variant:
        return Variant({"x.txt": "2.5"})

    def bad(self) -> Variant:
        return Variant({"x.txt": "two and a half"})


def test_a_number_is_the_score(tmp_path: Path) -> None:
    evaluation = evaluate(tmp_path, "return seed / 2")
    assert (evaluation.score, evaluation.metrics, evaluation.seed) == (3.5, {}, 7)


def test_a_dict_has_the_metric_and_more(tmp_path: Path) -> None:
    evaluation = evaluate(tmp_path, "return {'score': 1, 'size_info': 1e300, 'bad': float('inf')}")
    assert (evaluation.score, evaluation.metrics) == (1.0, {"size_info": 1e300})


@pytest.mark.parametrize(
    ("body", "status", "feedback"),
    [
        ("return float('nan')", Status.INVALID, "score is nan"),
        ("return 'best'", Status.CRASHED, "must return a number, or a dict of numbers with 'score' in it, not 'best'"),
        ("raise ValueError('too deep')", Status.CRASHED, "ValueError: too deep"),
        (
            "raise SystemExit",
            Status.INVALID,
            "score is missing: the process ended before tools/judge.py:score returned",
        ),
        ("import os; os._exit(0)", Status.INVALID, "score is missing: the process ended before tools/judge.py:score"),
        ("while True: pass", Status.TIMEOUT, "killed after 1 s"),
    ],
)
def test_failure_is_never_a_score(tmp_path: Path, body: str, status: Status, feedback: str) -> None:
    evaluation = evaluate(tmp_path, body, seconds=1.0 if status is Status.TIMEOUT else 20.0)
    assert (evaluation.status, evaluation.score) == (status, None)
    assert feedback in evaluation.feedback


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("{'loss': 1, 'speed': 2}", "; the one that it returned has 'loss', 'speed'"),
        ("{}", "; the one that it returned has nothing"),
        ("True", ", not True: true or false says nothing of how good it is"),
        ("{'score': 1 > 2}", ", not {'score': False}: true or false says nothing of how good it is"),
    ],
)
def test_an_answer_without_a_score_is_told_what_was_wanted_and_what_came(
    tmp_path: Path, answer: str, said: str
) -> None:
    evaluation = evaluate(tmp_path, f"return {answer}")
    assert (evaluation.status, evaluation.score) == (Status.CRASHED, None)
    wanted = "TypeError: tools/judge.py:score must return a number, or a dict of numbers with 'score' in it"
    assert evaluation.feedback.splitlines()[-1] == wanted + said


def test_numpys_booleans_are_no_scores_either(tmp_path: Path) -> None:
    evaluation = evaluate(tmp_path, "import numpy; return numpy.float64(1) < 2")
    assert not evaluation.ok and evaluation.feedback.endswith(": true or false says nothing of how good it is")


def test_flags_beside_the_score_are_one_and_zero(tmp_path: Path) -> None:
    evaluation = evaluate(tmp_path, "return {'score': 2, 'fits': True, 'late': False}")
    assert (evaluation.score, evaluation.metrics) == (2.0, {"fits": 1.0, "late": 0.0})


def test_a_metric_that_could_not_be_printed_is_refused() -> None:
    with pytest.raises(ValueError, match="metric"):
        FunctionJudge(call="judge.py:score", metric="mean error")


def test_threads_that_are_left_do_not_hold_up_the_answer(tmp_path: Path) -> None:
    assert evaluate(
        tmp_path, "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); return 1"
    ).ok


def test_an_importable_function(tmp_path: Path) -> None:
    evaluation = evaluate(tmp_path, "return 4", call="tools.judge:score")
    assert evaluation.status is Status.CRASHED  # `params` is not beside the folder: no hidden paths
    assert "No module named 'params'" in evaluation.feedback


def test_a_missing_file_is_a_broken_setup(tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match=r"judge.call names judge.py, which is not in the target"):
        FunctionJudge(call="judge.py:score").prepare(tmp_path, print)


@pytest.mark.parametrize("call", ["nope.module:f", "nope:f", "tools.nope:f", "tools/judge:score", "json.nope:loads"])
@pytest.mark.parametrize("key", ["call", "smoke"])
def test_a_missing_module_is_a_broken_setup(tmp_path: Path, call: str, key: str) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/judge.py").write_text(SCORE)
    judge = FunctionJudge(**{"call": "tools.judge:score", key: call})
    with pytest.raises(JudgeError, match=f"^judge.{key} names {call.partition(':')[0]}, and there is no such module"):
        judge.check(tmp_path)


def test_a_module_is_looked_into_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/judge.py").write_text("raise SystemExit('it ran')\ndef score(folder, seed): ...\n")
    FunctionJudge(call="tools.judge:score").check(tmp_path)
    with pytest.raises(JudgeError, match=re.escape("which is not in tools.judge: did you mean score?")):
        FunctionJudge(call="tools.judge:scores").check(tmp_path)


@pytest.mark.parametrize(
    "call", ["json:loads", "json.decoder:JSONDecoder", "math:sin", "numpy.linalg:norm", "sys:exit"]
)
def test_a_function_may_be_installed(tmp_path: Path, call: str) -> None:
    FunctionJudge(call=call).check(tmp_path)


def test_a_call_has_a_shape() -> None:
    with pytest.raises(ValueError, match="call"):
        FunctionJudge(call="judge.py")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def score(folder, seed): ...\n", "which is not in judge.py: did you mean score?"),
        ("import math\n\ndef measure(folder, seed): ...\n", "which is not in judge.py: it has measure"),
        ("LIMIT = 3\n", "which is not in judge.py: it has no function"),
    ],
)
def test_a_function_that_is_not_there_is_missed_before_anything_runs(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "judge.py").write_text(text)
    with pytest.raises(JudgeError, match=f"judge.call names scores, {re.escape(said)}"):
        FunctionJudge(call="judge.py:scores").check(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "def scores(folder, seed): ...\n",
        "from elsewhere import measure as scores\n",
        "from elsewhere import *\n",
        "scores = lambda folder, seed: 1.0\n",
        "if True:\n    class scores: ...\n",
        "def __getattr__(name): ...\n",
        "def (\n",
        "",
    ],
)
def test_a_function_that_may_be_there_is_not_missed(tmp_path: Path, text: str) -> None:
    (tmp_path / "judge.py").write_text(text)
    FunctionJudge(call="judge.py:scores").check(tmp_path)
