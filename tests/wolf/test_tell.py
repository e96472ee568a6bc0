"""`wolf tell` to runs that nobody is working on: what is posted, and what is refused with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from wolf.cli import main
from wolf.commands import tell
from wolf.reading.records import load_run
from wolf.store.ledger import Ledger

Write = Callable[..., Path]


@pytest.fixture
def run(write_run: Write, tmp_path: Path) -> Path:
    """One that was stopped."""
    return write_run(tmp_path / "run", evaluations=8, end="stopped")


def order(run: Path, *words: str) -> tuple[int, str, dict[str, Any] | None]:
    """Exit code, what was said, and the order that waits now."""
    done = CliRunner().invoke(main, ["tell", str(run), *words])
    waiting = sorted((run / "inbox").glob("*.json")) if (run / "inbox").exists() else []
    return done.exit_code, done.output, json.loads(waiting[-1].read_text()) if waiting else None


def names(run: Path) -> tuple[str, str]:
    """The seed, and another variant."""
    found = load_run(run)
    seed = found.header.seed_variant
    return seed, next(id for id in found.variants if id != seed)


@pytest.mark.parametrize(
    ("words", "posted"),
    [
        (["pause"], {"order": "pause"}),
        (["go"], {"order": "go"}),
        (["finish"], {"order": "finish"}),
        (["say", "no", "dropout"], {"order": "instruction", "text": "no dropout"}),
        (["veto", "OTHER"], {"order": "veto", "variant": "OTHER", "alone": False}),
        (["veto", "OTHER", "--alone"], {"order": "veto", "variant": "OTHER", "alone": True}),
        (["pin", "OTHER"], {"order": "pin", "variant": "OTHER"}),
        (["free", "OTHER"], {"order": "free", "variant": "OTHER"}),
        (["prefer", "OTHER", "SEED", "--people", "3"],
         {"order": "vote", "better": "OTHER", "worse": "SEED", "people": 3}),
    ],
)  # fmt: skip
def test_an_order_waits_for_the_run_to_be_resumed(run: Path, words: list[str], posted: dict[str, Any]) -> None:
    seed, other = names(run)
    real = {"OTHER": other, "SEED": seed}
    code, said, found = order(run, *(real.get(word, word)[:8] for word in words))
    assert (code, found) == (0, {"by": "terminal", **{key: real.get(value, value) if isinstance(value, str) else value
                                                     for key, value in posted.items()}})  # fmt: skip
    assert said == f"nobody is working on {run}: it will be obeyed after `wolf resume {run}`\n"


def test_a_budget_names_what_changes(run: Path) -> None:
    assert order(run, "budget", "--evaluations", "200")[2] == {"by": "terminal", "order": "budget", "evaluations": 200}
    assert (order(run, "budget", "--hours", "1.5")[2] or {})["hours"] == 1.5


def test_texts_come_from_files(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("LR = 0.5\n")
    assert order(run, "memo", str(file))[2] == {"by": "terminal", "order": "memo", "text": "LR = 0.5\n"}
    _, _, found = order(run, "inject", str(file), "--note", "mine")
    assert found is not None
    assert (found["files"], found["note"], found["parent"]) == ({"train.py": "LR = 0.5\n"}, "mine", names(run)[0])
    other = tmp_path / "another-name.py"
    other.write_text("LR = 0.6\n")
    assert (order(run, "inject", str(other))[2] or {})["files"] == {"train.py": "LR = 0.6\n"}, "there is only one"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["stop"], 2, "nobody is working on"),
        (["stop", "--now"], 2, "so there is nothing to stop"),
        (["dance"], 2, "there is no order 'dance'; expected one of budget, finish, free, go"),
        (["pin", "ffffffff"], 2, "ffffffff"),
        (["budget"], 2, "budget: it names neither evaluations nor hours"),
        (["budget", "--evaluations", "0"], 2, "expected a whole number of at least 1, found 0"),
        (["budget", "--hours", "0"], 2, "expected a number of more than 0, found 0.0"),
        (["memo", "binary"], 2, "is not UTF-8 text (byte 0)"),
        (["say", ""], 2, "text"),
        ([], 2, "what? one of budget, finish, free, go, inject, memo, pause, pin, prefer, say, stop, veto; `wolf"),
        (["inject", "notes.md"], 2, "notes.md: what evolves is train.py; a variant of it ends in .py, too"),
        (["inject", "broken.py"], 2, "broken.py: does not parse: line 2: '(' was never closed; correct it"),
    ],
)
def test_what_makes_no_sense_is_refused_and_not_posted(
    run: Path, words: list[str], code: int, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "notes.md").write_text("LR = 0.5\n")
    (tmp_path / "broken.py").write_text("LR = 0.5\nDEPTH = (\n")
    found, said, posted = order(run, *words)
    assert (found, posted) == (code, None)
    assert sentence in said


def test_a_file_that_is_none_of_several_has_to_be_named_like_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tell, "_files", lambda where: {"a/train.py": "", "b/model.py": ""})
    for name in ("model.py", "other.py"):
        (tmp_path / name).write_text("X = 1\n")
    code, said, posted = order(run, "inject", str(tmp_path / "other.py"))
    assert (code, posted) == (2, None)
    assert "the target has the files a/train.py, b/model.py; name yours like one of them" in said
    assert (order(run, "inject", str(tmp_path / "model.py"))[2] or {})["files"] == {"b/model.py": "X = 1\n"}


def test_a_finished_run_takes_no_orders_but_a_larger_budget(write_run: Write, tmp_path: Path) -> None:
    run = write_run(tmp_path / "done", evaluations=8)
    code, said, posted = order(run, "pause")
    assert (code, posted) == (2, None)
    assert f"{run} is finished and takes no orders but a larger budget, with which `wolf resume` goes on" in said
    assert f"look at it with `wolf report {run}`" in said
    for words, sentence in {
        ("--evaluations", "8"): "has used 8 evaluations, which count: order more with --evaluations",
        ("--hours", "2"): "has used 8 evaluations, which count: order more with --evaluations",
        ("--evaluations", "9", "--hours", "0.01"): "has worked for 3m 40s, which counts: order more with --hours",
    }.items():
        code, said, posted = order(run, "budget", *words)
        assert (code, posted) == (2, None) and f"{run} {sentence}" in said
    code, said, posted = order(run, "budget", "--evaluations", "9")
    assert (code, said) == (0, f"{run} is finished: `wolf resume {run}` goes on from there\n")
    assert posted is not None and posted["evaluations"] == 9


def test_where_no_budget_helps_a_finished_run_says_what_does(write_run: Write, tmp_path: Path) -> None:
    run = write_run(tmp_path / "done", evaluations=8, end="")
    final = dict(load_run(write_run(tmp_path / "other", evaluations=8)).final or {})
    with Ledger.open(run, write=True) as ledger:
        ledger.append([("ended", {"rule": "exhausted", "reason": "it is over"}), ("finished", final)])
    code, said, posted = order(run, "budget", "--evaluations", "100")
    assert (code, posted) == (2, None)
    assert "everything within reach was tried" in said
    assert f"`wolf export {run} --best FOLDER --force`, and start another run" in said


@pytest.mark.parametrize("answer", ["obeyed", "refused", "silence"])
def test_a_run_that_is_worked_on_answers(run: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is this process, which writes down its answer as soon as the order lies in the inbox."""
    monkeypatch.setattr(tell, "PATIENCE", 0.3)
    with Ledger.open(run, write=True) as ledger:

        def posted(path: Path, said: dict[str, Any]) -> str:
            body = {"id": "7", "stamp": 1, "order": said["order"], "evaluations": 8}
            ledger.append([("intervention", body | {"id": "6", "by": "somebody"})])
            if answer == "obeyed":
                ledger.append([("intervention", body | {"by": "terminal"})])
            elif answer == "refused":
                ledger.append([("refused", body | {"reason": "it is paused already"})])
            return "7"

        monkeypatch.setattr("wolf.control.inbox.post", posted)
        code, said, _ = order(run, "pause")
    if answer == "obeyed":
        assert (code, said) == (0, "paused\n")
    elif answer == "refused":
        assert code == 2 and "refused: it is paused already" in said
    else:
        assert code == 3 and "has not answered yet; the order waits in" in said
