import math
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from judges.base import Context, JudgeError
from judges.corpus import Files
from judges.training import Budget, TrainingJudge
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant

pytest.importorskip("torch")
SHIPPED = Path(__file__).parents[2] / "train_target"
BIGRAM = """
import os, sys, time
import numpy as np
def train(data, out, seed, deadline):
    counts = np.ones((data.vocab, data.vocab))
    while deadline() < 1:
        x, y = data.batch(8, 32)
        np.add.at(counts, (x, y), 1)
    np.save(out / "counts.npy", counts)
    print("trained on", data.drawn)
    return {"pairs": counts.sum(), "nonsense": float("nan")}
def load(out):
    logits = np.log(np.load(out / "counts.npy"))
    return lambda tokens: logits[tokens]
"""


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> TrainingJudge:
    text = tmp_path_factory.mktemp("text")
    for i in range(60):
        (text / f"{i}.txt").write_text(f"document {i} says hello to the world, and {i * i} times more\n" * 20)
    corpus = Files(kind="files", globs=(text / "*.txt",), vocab=300)
    cache = tmp_path_factory.mktemp("cache")
    judge = TrainingJudge(corpus=corpus, budget=Budget(tokens=4096), context=32, tokens=2000, cache=cache)
    judge.prepare(SHIPPED, lambda _: None)
    return judge


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    yield Context(SHIPPED, scratch)


def evaluate(judge: TrainingJudge, context: Context, code: str = BIGRAM) -> Evaluation:
    return judge.evaluate(Variant({"train.py": code}), context)


def hurried(judge: TrainingJudge, **budget: float) -> TrainingJudge:
    """The judge with another budget; the corpus is prepared already."""
    return judge.model_copy(update={"budget": Budget(**budget)})


def test_an_honest_model_is_scored_and_its_numbers_are_shown(judge: TrainingJudge, context: Context) -> None:
    evaluation = evaluate(judge, context)
    assert evaluation.status is Status.OK
    assert evaluation.score is not None and 0.1 < evaluation.score < 3
    assert evaluation.judge == judge.name == "val_bpb" and judge.goal is Goal.MINIMIZE
    assert evaluation.feedback == "trained on 4096"
    wanted = {"pairs", "tokens", "memory_mb", "train_seconds", "train_cpu_seconds", "eval_seconds", "eval_tokens"}
    wanted |= {"audit_seconds", "audited", "leak"}
    assert set(evaluation.metrics) == wanted
    assert evaluation.metrics["tokens"] == 4096
    assert all(map(math.isfinite, evaluation.metrics.values()))
    assert evaluation.seconds > evaluation.metrics["eval_seconds"]


def test_tokens_and_one_thread_give_the_same_score_twice(judge: TrainingJudge, tmp_path: Path) -> None:
    code = (SHIPPED / "train.py").read_text()
    for line in ("DEPTH = 4", "BATCH_TOKENS = 2**12"):
        assert line in code
    code = code.replace("DEPTH = 4", "DEPTH = 1").replace("2**12", "2**9", 1)
    scores = []
    for run, seed in enumerate((7, 7, 8)):
        (tmp_path / str(run)).mkdir()
        evaluation = evaluate(judge, Context(SHIPPED, tmp_path / str(run), seed=seed), code)
        assert (evaluation.seed, evaluation.metrics["steps"]) == (seed, 8)
        scores.append(evaluation.score)
    assert scores[0] == scores[1] != scores[2]


def test_the_holdout_is_other_text(judge: TrainingJudge, context: Context, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    held = evaluate(judge, replace(context, scratch=tmp_path / "other", holdout=True))
    assert held.ok and held.score != evaluate(judge, context).score


def test_a_crash_is_a_status_with_the_error_and_the_last_words(judge: TrainingJudge, context: Context) -> None:
    code = BIGRAM.replace('print("trained on", data.drawn)', 'print("so far so good"); 1 / 0')
    evaluation = evaluate(judge, context, code)
    assert (evaluation.status, evaluation.score) == (Status.CRASHED, None)
    assert "so far so good" in evaluation.feedback
    assert evaluation.feedback.endswith("ZeroDivisionError: division by zero")


def test_code_that_does_not_parse_is_a_crash(judge: TrainingJudge, context: Context) -> None:
    evaluation = evaluate(judge, context, "def train(:")
    assert evaluation.status is Status.CRASHED
    assert "SyntaxError" in evaluation.feedback


@pytest.mark.parametrize("unit", ["seconds", "cpu_seconds"])
def test_training_past_the_budget_is_a_timeout(judge: TrainingJudge, context: Context, unit: str) -> None:
    evaluation = evaluate(hurried(judge, **{unit: 0.2}), context, BIGRAM.replace("deadline() < 1", "True"))
    assert (evaluation.status, evaluation.score) == (Status.TIMEOUT, None)
    assert evaluation.metrics[f"train_{unit}"] == pytest.approx(0.72, abs=0.3)
    assert evaluation.feedback == f"training used more than 0.2 {unit.replace('_', ' ')} and the grace of 0.52 s"


def test_disarming_the_timer_gains_nothing(judge: TrainingJudge, context: Context) -> None:
    disarm = "import signal; signal.setitimer(signal.ITIMER_PROF, 0)\n"
    code = disarm + BIGRAM.replace("deadline() < 1", "deadline() < 6")
    evaluation = evaluate(hurried(judge, cpu_seconds=0.2), context, code)
    assert (evaluation.status, evaluation.score) == (Status.TIMEOUT, None)


def test_what_hangs_is_killed_with_everything_it_started(judge: TrainingJudge, context: Context) -> None:
    fork = f"import os, time\nif os.fork() == 0: open({str(context.scratch / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    patient = hurried(judge, cpu_seconds=0.2).model_copy(update={"patience": 15.0})
    evaluation = evaluate(patient, context, fork + "time.sleep(600)")
    assert evaluation.status is Status.TIMEOUT
    assert evaluation.feedback == "training killed after 15.72 s", "it used no time of the CPU"
    with pytest.raises(ProcessLookupError):
        os.kill(int((context.scratch / "pid").read_text()), signal.SIGCONT)


def test_a_broken_answer_is_invalid_and_prints_of_the_predictor_go_nowhere(
    judge: TrainingJudge, context: Context
) -> None:
    code = BIGRAM.replace("logits = np", "print('val_bpb: 0.1', tokens_of_yours := 1)\n    logits = np.nan * np")
    evaluation = evaluate(judge, context, code)
    assert (evaluation.status, evaluation.score) == (Status.INVALID, None)
    assert "not finite" in evaluation.feedback and "0.1" not in evaluation.feedback


def test_a_model_that_cannot_be_loaded_is_a_crash_that_repeats_no_words(judge: TrainingJudge, context: Context) -> None:
    evaluation = evaluate(judge, context, BIGRAM.replace("logits = np.log", "raise ValueError('secret')"))
    assert evaluation.status is Status.CRASHED
    assert "secret" not in evaluation.feedback
    assert "what it printed is not shown" in evaluation.feedback


def test_training_sees_no_other_text_and_predicting_starts_from_fresh_code(
    judge: TrainingJudge, context: Context
) -> None:
    look = "    assert not list(data.tokens.filename.parent.glob('val*')), 'validation text'\n"
    meddle = "    open(__file__, 'a').write('raise SystemExit')\n"
    code = BIGRAM.replace("deadline):\n", "deadline):\n" + look + meddle)
    assert evaluate(judge, context, code).ok


def test_what_training_leaves_must_be_plain_files(judge: TrainingJudge, context: Context, tmp_path: Path) -> None:
    evaluation = evaluate(judge, context, BIGRAM.replace("    print(", "    (out / 'x').symlink_to('/')\n    print("))
    assert (evaluation.status, evaluation.score) == (Status.INVALID, None)
    assert "neither a plain file nor a folder" in evaluation.feedback


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"budget": {}}, "one of seconds, cpu_seconds and tokens"),
        ({"budget": {"seconds": 1, "tokens": 5}}, "one of seconds, cpu_seconds and tokens"),
        ({"budget": {"seconds": 0}}, "greater than 0"),
        ({"corpus": {"kind": "files", "globs": []}}, "at least 1 item"),
        ({"corpus": {"kind": "shakespeare"}}, "'stdlib', 'files', 'climbmix'"),
        ({"speed": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainingJudge(**config)


def test_a_broken_setup_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match=r"has no train.py; see"):
        TrainingJudge().check(tmp_path)
    (tmp_path / "train.py").write_text(BIGRAM.replace("def load", "def lod"))
    with pytest.raises(JudgeError, match=r"train.py lacks load \(see .*README.md\): did you mean lod\?"):
        TrainingJudge().check(tmp_path)
    empty = TrainingJudge(corpus=Files(kind="files", globs=(tmp_path / "nothing*",)), cache=tmp_path)
    said: list[str] = []
    with pytest.raises(JudgeError, match=r"no text in .*nothing\*.*check corpus.globs"):
        empty.prepare(SHIPPED, said.append)


def test_a_training_sees_the_gpu_of_its_slot_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    with_gpu, without = Context(tmp_path, tmp_path, gpu="GPU-b"), Context(tmp_path, tmp_path)
    assert [TrainingJudge(device="cuda")._visible(context) for context in (with_gpu, without)] == ["GPU-b", "4,6"]
    assert [TrainingJudge()._visible(context) for context in (with_gpu, without)] == ["", ""]
