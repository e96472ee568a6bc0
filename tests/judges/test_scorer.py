import json
import math
import re
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from judges import audit, scorer
from judges.cage import OPEN
from judges.process import environment
from judges.scorer import SILENT, Reading

VOCAB, CONTEXT = 5, 4
PREDICTOR = """
import os, sys, time
import numpy as np
def ask():
    header = sys.stdin.buffer.read(8)
    if not header:
        sys.exit(0)
    rows, length = np.frombuffer(header, np.int32)
    return np.frombuffer(sys.stdin.buffer.read(4 * rows * length), np.int32).reshape(rows, length)
def answer(logits):
    sys.stdout.buffer.write(np.asarray(logits, np.float32).tobytes())
    sys.stdout.buffer.flush()
"""
UNIFORM = "while True: answer(np.zeros((*ask().shape, 5)))"
CHEATS = {
    "NaN": ("x = np.zeros((*ask().shape, 5)); x[0, 0, 0] = np.nan; answer(x); ask()", "invalid", "1 of .* not finite"),
    "infinite": ("answer(np.full((*ask().shape, 5), np.inf)); ask()", "invalid", "not finite"),
    "short": ("answer(np.zeros((*ask().shape, 4)))", "invalid", "an answer has 128 of 160 bytes"),
    "text": ("ask(); print('val_bpb: 0.1')", "invalid", "an answer has 13 of 160 bytes"),
    "surplus": ("answer(np.zeros((*ask().shape, 5))); answer([0.0]); ask()", "invalid", "it went on after the last"),
    "silent": ("ask()", "invalid", "an answer has 0 of 160 bytes"),
    "crash": ("ask(); 1 / 0", "crashed", "^exited with code 1; what it printed is not shown"),
    "dead": ("os._exit(3)", "crashed", "^exited with code 3; what it printed is not shown"),
}


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "corpus.json").write_text(json.dumps({"vocab": VOCAB, "token_bytes": [0, 1, 2, 3, 4]}))
    np.array([0, 1, 2, 3, 4, 1, 2, 3, 0, 4], dtype=np.uint16).tofile(tmp_path / "val.bin")
    return {
        "cwd": str(tmp_path),
        "env": environment(tmp_path, 1),
        "seconds": 10,
        "memory": 0,
        "corpus": str(tmp_path / "corpus.json"),
        "tokens": str(tmp_path / "val.bin"),
        "context": CONTEXT,
        "count": 100,
    }


def read(job: dict[str, Any], predictor: str) -> Reading:
    how = {"command": [sys.executable, "-c", PREDICTOR + predictor], "cage": asdict(OPEN)}
    return scorer.read({**job, "replicas": [{**how, "cwd": job["cwd"], "env": job["env"]}], "audit": 0, "seed": 0})


def test_bits_per_byte_counts_bytes_of_text_and_nothing_for_tokens_without(job: dict[str, Any]) -> None:
    reading = read(job, UNIFORM)
    assert reading.status == "ok"
    assert reading.tokens == 8
    # targets are 1 2 3 4 and 2 3 0 4: seven of them stand for text, of 1 + 2 + 3 + 4 + 2 + 3 + 4 bytes
    assert reading.bpb == pytest.approx(7 * math.log2(5) / 19)


def test_half_precision_halves_the_answer(job: dict[str, Any]) -> None:
    say = "sys.stdout.buffer.write(x.tobytes()); sys.stdout.flush()"
    halves = f"while True: x = np.zeros((*ask().shape, 5), np.float16); {say}"
    assert read({**job, "dtype": "float16"}, halves).bpb == pytest.approx(7 * math.log2(5) / 19)
    assert re.search("an answer has 160 of 80|went on after", read({**job, "dtype": "float16"}, UNIFORM).why)
    nan = f"x = np.full((*ask().shape, 5), np.nan, np.float16); {say}; ask()"
    assert "not finite" in read({**job, "dtype": "float16"}, nan).why


def test_the_next_question_is_sent_before_the_answer_is_worked_on(
    job: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scorer, "FRAME_BYTES", 1)  # a row at a time
    seen = tmp_path / "seen"
    waited: list[bool] = []

    def arithmetic(logits: Any, targets: Any) -> Any:
        until = time.monotonic() + 10
        while not seen.exists() and time.monotonic() < until:
            time.sleep(0.01)
        waited.append(seen.exists())
        return bits(logits, targets)

    bits = scorer.bits
    monkeypatch.setattr(scorer, "bits", arithmetic)
    second = f"answer(np.zeros((*ask().shape, 5))); x = ask(); open({str(seen)!r}, 'w')"
    second += "\nanswer(np.zeros((*x.shape, 5))); ask()"
    assert read(job, second).status == "ok"
    assert waited == [True, True]


def test_torch_computes_the_same_reading(job: dict[str, Any]) -> None:
    assert read({**job, "device": "cpu:0", "seconds": 100}, UNIFORM).bpb == pytest.approx(read(job, UNIFORM).bpb)


def test_logits_need_no_normalisation(job: dict[str, Any]) -> None:
    assert read(job, UNIFORM.replace("zeros", "ones") + " * 1e4").bpb == pytest.approx(7 * math.log2(5) / 19)


def test_a_certain_and_right_predictor_needs_no_bits(job: dict[str, Any]) -> None:
    lucky = "ask(); x = np.full((2, 4, 5), -1e30); t = [[1, 2, 3, 4], [2, 3, 0, 4]]\n"
    lucky += "for i in range(2):\n    for j in range(4): x[i, j, t[i][j]] = 0\nanswer(x); ask()"
    assert read(job, lucky).bpb == 0


def test_the_last_target_is_never_sent(job: dict[str, Any], tmp_path: Path) -> None:
    read(job, f"x = ask(); open({str(tmp_path / 'seen')!r}, 'w').write(str(x.tolist())); answer(np.zeros((2, 4, 5)))")
    assert (tmp_path / "seen").read_text() == "[[0, 1, 2, 3], [1, 2, 3, 0]]"


@pytest.mark.parametrize("name", CHEATS)
def test_an_answer_that_breaks_the_contract_is_no_score(job: dict[str, Any], name: str) -> None:
    predictor, status, why = CHEATS[name]
    reading = read(job, predictor)
    assert (reading.status, reading.bpb) == (status, None)
    assert re.search(why, reading.why)


def test_an_answer_to_a_question_that_was_not_asked_is_no_score(
    job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer, "FRAME_BYTES", 1)  # a row at a time
    reading = read(job, "ask(); answer(np.zeros((2, 4, 5))); ask(); ask()")
    assert (reading.status, reading.why) == ("invalid", "it answered before it was asked")


def test_one_that_runs_out_of_memory_says_so(job: dict[str, Any]) -> None:
    reading = read({**job, "memory": 150_000_000}, "ask(); hoard = bytearray(10**9); time.sleep(60)")
    assert (reading.status, reading.bpb) == ("memory", None)


@pytest.mark.parametrize(("second", "status"), [(UNIFORM, "ok"), ("ask(); 1 / 0", "crashed")])
def test_the_second_replica_audits_the_first(job: dict[str, Any], second: str, status: str) -> None:
    hows = [{"command": [sys.executable, "-c", PREDICTOR + text], "cage": asdict(OPEN), "cwd": job["cwd"],
             "env": job["env"]} for text in (UNIFORM, second)]  # fmt: skip
    reading = scorer.read({**job, "replicas": hows, "audit": 4, "seed": 0})
    assert reading.status == status
    if status == "ok":
        assert reading.audited == 2 and 0 < reading.audit_seconds < reading.seconds
        assert reading.bpb is not None
        assert reading.bpb - reading.charge == pytest.approx(7 * math.log2(5) / 19)


def test_it_is_a_program_of_its_own(job: dict[str, Any]) -> None:
    how = {"command": [sys.executable, "-c", PREDICTOR + UNIFORM], "cage": asdict(OPEN), "cwd": job["cwd"]}
    given = json.dumps({**job, "replicas": [{**how, "env": job["env"]}], "audit": 0, "seed": 0})
    command = [sys.executable, "-m", "judges.scorer"]
    done = subprocess.run(command, input=given, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert json.loads(done.stdout)["bpb"] == pytest.approx(7 * math.log2(5) / 19), done.stderr


def test_a_predictor_that_hangs_is_killed(job: dict[str, Any]) -> None:
    started = time.monotonic()
    reading = read({**job, "seconds": 0.5}, "ask(); time.sleep(60)")
    assert (reading.status, reading.bpb) == ("timeout", None)
    assert time.monotonic() - started < 5


def test_windows_do_not_overlap_and_span_the_text() -> None:
    tokens = np.arange(1000, dtype=np.uint16)
    rows = scorer.windows(tokens, context=9, count=90)
    assert rows.shape == (10, 10)
    assert len(np.unique(rows)) == rows.size
    assert rows[-1, 0] >= 900
    assert scorer.windows(tokens, context=9, count=10**6).shape == (100, 10)


def test_bits_are_those_of_a_softmax_in_double_precision() -> None:
    logits = np.array([[[1000.0, 0.0], [0.0, 1.0]]], dtype=np.float32)
    result = scorer.bits(logits, np.array([[1, 0]], dtype=np.int32))
    assert result[0] == pytest.approx([1000 / math.log(2), math.log2(1 + math.e)])


def test_bits_on_a_device_are_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 30, (3, 5, 257)).astype(np.float32)
    targets = rng.integers(0, 257, (3, 5)).astype(np.int32)
    assert scorer.bits_on("cpu", logits, targets) == pytest.approx(scorer.bits(logits, targets), abs=1e-9)
    logits[1, 2, 3] = np.inf
    with pytest.raises(scorer.InvalidError, match=r"1 of 3855 logits are not finite"):
        scorer.bits_on("cpu", logits, targets)


def test_the_scorer_imports_neither_torch_nor_candidates() -> None:
    code = "import judges.scorer, sys; print(sorted({'torch', 'train', 'train_target', 'pydantic'} & set(sys.modules)))"
    house = Path(scorer.__file__).parent.parent
    finished = subprocess.run([sys.executable, "-c", code], cwd=house, capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"


def test_windows_are_spread_evenly_and_at_least_one() -> None:
    tokens = np.arange(75, dtype=np.uint16)  # seven windows of ten, and a rest
    assert scorer.windows(tokens, context=9, count=27)[:, 0].tolist() == [0, 20, 40]
    assert scorer.windows(tokens, context=9, count=27)[1].tolist() == list(range(20, 30))
    assert scorer.windows(tokens, context=9, count=1).tolist() == [list(range(10))]
    assert scorer.windows(tokens, context=9, count=13)[:, 0].tolist() == [0]  # 13 / 9 is nearer to one
    assert scorer.windows(tokens, context=9, count=14)[:, 0].tolist() == [0, 30]


@pytest.mark.parametrize("rows", [1, 3, 4, 7, 1000])
@pytest.mark.parametrize("size", ["float32", "float16"])
def test_the_reading_is_the_same_however_many_rows_are_asked_at_once(
    job: dict[str, Any], rows: int, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (np.arange(35) * 7 % VOCAB).astype(np.uint16).tofile(job["tokens"])  # seven rows
    varied = f"while True: x = ask(); sys.stdout.buffer.write(np.sin(np.arange(5) * x[..., None]).astype('{size}')"
    varied += ".tobytes()); sys.stdout.flush(); print(len(x), file=sys.stderr)"
    job["dtype"] = size
    at_once = read(job, varied)
    monkeypatch.setattr(scorer, "FRAME_BYTES", rows * CONTEXT * VOCAB * np.dtype(size).itemsize)
    asked: list[int] = []
    ask = scorer.ask
    monkeypatch.setattr(scorer, "ask", lambda predictor, part: asked.append(len(part)) or ask(predictor, part))
    reading = read(job, varied)
    assert reading.status == "ok" and reading.bpb == at_once.bpb
    assert sum(asked) == 7 and max(asked) == min(rows, 7) and asked[:-1] == [max(asked)] * (len(asked) - 1)


def test_every_reading_says_how_long_it_took_and_what_was_asked(job: dict[str, Any]) -> None:
    for predictor, status in ((UNIFORM, "ok"), ("ask()", "invalid")):
        started = time.monotonic()
        reading = read(job, predictor)
        assert 0 < reading.seconds <= time.monotonic() - started
        assert (reading.status, reading.tokens, reading.charge, reading.audited) == (status, 8, 0.0, 0)
        assert 0 <= reading.audit_seconds < 0.5
        assert (reading.why == "") is (status == "ok")


@pytest.mark.parametrize("why", ["", "it cheats"])
def test_what_leaks_is_charged_per_byte_and_what_breaks_the_audit_is_no_score(
    job: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = audit.Outcome(leak=0.4, charge=0.5, why=why)
    monkeypatch.setattr(audit, "compare", lambda plan, paid, again: outcome)
    how = {"command": [sys.executable, "-c", PREDICTOR + UNIFORM], "cage": asdict(OPEN), "cwd": job["cwd"]}
    reading = scorer.read({**job, "replicas": [{**how, "env": job["env"]}] * 2, "audit": 2, "seed": 0})
    assert reading.charge == pytest.approx(0.5 * 8 / 19)
    assert (reading.status, reading.why) == ("invalid" if why else "ok", why)
    assert reading.bpb == (None if why else pytest.approx(7 * math.log2(5) / 19 + 0.5 * 8 / 19))


def test_one_that_ends_well_after_a_bad_answer_is_invalid_and_one_that_fails_after_a_good_one_is_read(
    job: dict[str, Any],
) -> None:
    """The exit code says whose fault a bad answer was; of good answers it takes nothing away."""
    assert read(job, "ask(); answer(np.zeros(3)); sys.exit(0)").status == "invalid"
    assert read(job, "ask(); answer(np.zeros(3)); sys.exit(4)").status == "crashed"
    assert read(job, "answer(np.zeros((*ask().shape, 5))); sys.exit(4)").status == "ok"


def test_memory_that_a_predictor_asked_for_in_vain_and_did_without_costs_nothing(job: dict[str, Any]) -> None:
    assert read(job, "print('MemoryError', file=sys.stderr)\n" + UNIFORM).status == "ok"
    assert read(job, "ask(); print('MemoryError', file=sys.stderr); sys.exit(1)").status == "memory"


@pytest.mark.parametrize(("code", "status", "why"), [(0, "invalid", "it ended before the last answer"),
                                                     (3, "crashed", f"exited with code 3; {SILENT}")])  # fmt: skip
def test_one_that_leaves_before_the_last_question_is_no_score(
    job: dict[str, Any], code: int, status: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer, "FRAME_BYTES", 1)  # a row at a time
    reading = read(job, f"x = ask(); os.close(0); answer(np.zeros((*x.shape, 5))); os._exit({code})")
    assert (reading.status, reading.bpb, reading.why) == (status, None, why)
