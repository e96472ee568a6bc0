from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from wolf.cli import main
from wolf.commands.export import write_files
from wolf.errors import UsageError
from wolf.reading.records import Run, load_run
from wolf.store.events import Event

Story = Callable[..., list[Event]]
WriteRun = Callable[..., Path]


def wolf(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def path(write_run: WriteRun, tmp_path: Path) -> Path:
    return write_run(tmp_path / "demo")


def test_git_has_the_champions_line_with_scores(path: Path, tmp_path: Path) -> None:
    run, folder = load_run(path), tmp_path / "repository"
    assert "commits from the seed to the champion" in wolf("export", path, "--format", "git", "-o", folder).output
    steps = run.lineage()
    titles = git(folder, "log", "--reverse", "--format=%s").splitlines()
    assert len(titles) == len(steps) > 2
    assert all(title.startswith("val_bpb ") for title in titles)
    for back, step in enumerate(reversed(steps)):
        assert git(folder, "show", f"HEAD~{back}:train.py") == run.files(step.id)["train.py"]
        assert f"Variant: {step.id}" in git(folder, "log", "-1", "--format=%b", f"HEAD~{back}")
    assert "On fresh seeds the champion is better" in git(folder, "log", "-1", "--format=%b")
    assert (folder / "train.py").read_text() == run.best().files["train.py"] and git(folder, "status", "--short") == ""
    again = tmp_path / "again"
    wolf("export", path, "--format", "git", "-o", again)
    assert git(again, "rev-parse", "HEAD") == git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--format", "git"], "--format git needs a new folder to write to: add --output PATH"),
        (["--format", "parquet"], "--format parquet needs a file to write to"),
        (["--format", "git", "-o", "{full}"], "is not empty: name a new folder"),
        (["--format", "git", "--table", "votes", "-o", "new"], "leave --table out"),
        (["--best", "best", "--format", "csv"], "leave --table, --format and --output out"),
        (["--force"], "--force overwrites what --best writes"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(path: Path, tmp_path: Path, more: list[str], said: str) -> None:
    result = wolf("export", path, *(word.format(full=path) for word in more))
    assert result.exit_code == 2 and said in result.output and result.output.count("\n") == 1


@pytest.mark.parametrize("table", ["variants", "evaluations", "calls", "votes", "events"])
def test_parquet_says_what_csv_says(path: Path, tmp_path: Path, table: str) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    csv, parquet = tmp_path / "t.csv", tmp_path / "t.parquet"
    assert wolf("export", path, "--table", table, "--format", "csv", "-o", csv).exit_code == 0
    assert wolf("export", path, "--table", table, "--format", "parquet", "-o", parquet).exit_code == 0
    one, other = pandas.read_csv(csv), pandas.read_parquet(parquet)
    assert list(one.columns) == list(other.columns) and len(one) == len(other)
    for column in one.columns:
        if one[column].dtype.kind in "if" and other[column].dtype.kind in "if":
            assert one[column].fillna(-1).tolist() == pytest.approx(other[column].fillna(-1).tolist())


def _with(events: list[Event], *more: tuple[str, dict[str, Any]]) -> Run:
    last = events[-1]
    return Run.of([*events, *(Event(last.seq + k, last.time + k, *pair) for k, pair in enumerate(more, 1))])


def test_a_call_is_one_row_whatever_it_took(story: Story) -> None:
    first = {"call": 0, "state": "reserved", "attempt": 1, "model": "m", "purpose": "llm:edit", "about": None,
             "prompt": {"system": "x", "user": "make it better", "max_tokens": 9, "schema": None}}  # fmt: skip
    failed = {
        "call": 0,
        "state": "failed",
        "attempt": 1,
        "model": "m",
        "fault": "overloaded",
        "cost": 0.25,
        "again": True,
    }
    answered = {"call": 0, "state": "answered", "attempt": 2, "model": "m", "text": "so", "stop": "end_turn",
                "usage": {"input": 3}, "cost": 0.5, "seconds": 1.5, "request": "r"}  # fmt: skip
    proposed = {"call": 0, "operator": "llm:edit", "model": "m", "cost": 0.75, "variants": ["abc"], "problems": [],
                "fault": None}  # fmt: skip
    run = _with(story(), ("call", first), ("call", failed), ("call", answered), ("proposed", proposed))
    (row,) = run.calls_frame().to_dict("records")
    assert (row["state"], row["attempts"], row["cost"], row["text"]) == ("answered", 2, 0.75, "so")
    assert row["prompt"] == "make it better" and row["variants"] == ["abc"]


def test_peoples_votes_are_rows(story: Story) -> None:
    vote = {"id": "1", "stamp": 1.0, "order": "vote", "by": "ada", "evaluations": 3, "better": "a", "worse": "b",
            "people": 2}  # fmt: skip
    rows = _with(story(), ("intervention", vote)).votes_frame().to_dict("records")
    assert [(row["voter"], row["kind"], row["ranking"], row["weight"]) for row in rows] == [
        ("ada", "person", ["a", "b"], 2)
    ]


@pytest.mark.parametrize("beside", [{}, {"article.md": "What a headline stands above."}], ids=["alone", "beside"])
def test_a_valid_ballot_is_a_row_that_names_variants(path: Path, beside: dict[str, str]) -> None:
    """Also where the target has more files than the one that the judges read."""
    from judges.ballots import BALLOT, Brief, Criterion, paper

    run = load_run(path)
    best, seed = run.best(), run.header.seed_variant
    texts = {"champion": best.files["train.py"], "seed": run.files(seed)["train.py"], "anchor": "An anchor."}
    if beside:
        run.header = replace(run.header, config={**run.header.config, "judge": {"kind": "panel", "file": "train.py"}})
        run.read = lambda id, read=run.read: {**read(id), **beside}
    asked = paper(Brief(), [Criterion(id="pull", q="Which?")], texts, random.Random(0))
    codes = {text: code for code, text in asked.codes.items()}
    for number, ranking in enumerate((["champion", "anchor", "seed"], ["champion"])):  # the second is no valid ballot
        reply = json.dumps({"ranking": [codes[text] for text in ranking], "best": {"pull": codes["champion"]},
                            "gates": {}, "objections": {}})  # fmt: skip
        prompt = {"system": "x", "user": asked.prompt.user, "max_tokens": 9, "schema": None}
        body = {"call": number, "state": "answered", "attempt": 1, "model": "m", "purpose": BALLOT, "about": None,
                "prompt": prompt, "text": reply, "cost": 0.1}  # fmt: skip
        run.add(Event(10_000 + number, run.events[-1].time, "call", body))
    (row,) = run.votes_frame().to_dict("records")
    assert (row["voter"], row["kind"], row["ranking"]) == ("m", BALLOT, [best.id, "An anchor.", seed])


def test_a_run_answers_for_its_best(path: Path) -> None:
    run = load_run(path)
    best = run.best()
    assert best.id == run.champion and "LR = 0.0341" in best.files["train.py"]
    assert run.lineage() == run.lineage("best") == run.lineage(best.id) and run.lineage()[0].origin == "seed"
    change = run.diff()
    assert change.changes["LR"] == (0.02, 0.0341) and "+LR = 0.0341" in change.lines
    assert change.gain is not None and change.gain.mean > 0 and run.diff("best", "seed").gain.mean < 0
    assert run.diff("best", "best").lines == ""


def test_there_is_no_best_before_a_score(story: Story) -> None:
    with pytest.raises(UsageError, match="no champion yet"):
        Run.of(story()[:2]).best()


@pytest.mark.slow
def test_the_notebook_runs() -> None:
    book = json.loads((Path(__file__).parents[2] / "docs" / "reading.ipynb").read_text("utf-8"))
    world: dict[str, Any] = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), world)
    assert world["run"].status == "finished" and world["change"].gain.mean > 0


@pytest.mark.parametrize("mode", [0o755, 0o644])
def test_a_program_is_a_program_where_its_champion_goes(tmp_path: Path, mode: int) -> None:
    origin, there = tmp_path / "target", tmp_path / "there"
    origin.mkdir()
    (origin / "sort.sh").write_text("#!/bin/sh\n")
    (origin / "sort.sh").chmod(mode)
    (written,) = write_files({"sort.sh": "#!/bin/sh\nsort\n"}, there, False, origin)
    assert os.access(written, os.X_OK) == bool(mode & 0o100)
    written.chmod(0o600)
    write_files({"sort.sh": "#!/bin/sh\ntrue\n"}, there, True, origin)
    assert not os.access(written, os.X_OK), "whoever has it there already has decided"
