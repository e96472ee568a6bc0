from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from wolf.cli import main
from wolf.commands.runs import Entry
from wolf.reading.records import Run
from wolf.reading.spending import budget, left, spent
from wolf.store.events import Event

Story = Callable[..., list[Event]]
WriteRun = Callable[..., Path]


def runs(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["runs", *(str(argument) for argument in arguments)])


def test_every_run_is_a_line_the_latest_first(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(tmp_path / "one")
    write_run(tmp_path / "two", end="stopped")
    rows = [json.loads(row) for row in runs(tmp_path, "--json").output.splitlines()]
    assert [(Path(row["path"]).name, row["status"]) for row in rows] == [("two", "stopped"), ("one", "finished")]
    assert rows[1]["gain"] == "0.709" and rows[1]["sentence"].startswith("On fresh seeds the champion is better")
    text = runs(tmp_path).output
    assert text.count("\n") == 3 and "2.991 ± 0.015" not in text.splitlines()[0]


def test_large_figures_and_long_sentences_are_whole_where_no_terminal_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Entry(
        "runs/one", 0.0, "finished", best="-2.84e+12 ± 4.85e+10", gain="2.38e+12", sentence="word " * 60 + "end"
    )
    monkeypatch.setattr("wolf.commands.runs.entries", lambda folder: [one])
    monkeypatch.delenv("COLUMNS", raising=False)
    head, row = runs(tmp_path).output.splitlines()
    assert one.best in row and row.endswith(" end")
    assert row.index(one.gain) + len(one.gain) == head.index("gain") + len("gain")


def test_a_run_that_cannot_be_read_does_not_hide_the_others(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(tmp_path / "good")
    write_run(tmp_path / "newer")
    write_run(tmp_path / "broken")
    with sqlite3.connect(tmp_path / "newer" / "ledger.db") as db:
        db.execute("PRAGMA user_version = 99")
    (tmp_path / "broken" / "ledger.db").write_bytes(b"no database")
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (tmp_path / "broken" / name).unlink(missing_ok=True)
    rows = {Path(row["path"]).name: row for row in map(json.loads, runs(tmp_path, "--json").output.splitlines())}
    assert rows["good"]["status"] == "finished"
    assert rows["newer"]["status"] == rows["broken"]["status"] == "unreadable"
    assert "newer Auto Wolf" in rows["newer"]["sentence"]


def test_runs_are_found_from_their_project_and_from_among_them(
    write_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "runs" / "mine")
    for here, words in ((tmp_path, ()), (tmp_path / "runs", ()), (tmp_path / "runs", ("..",)), (tmp_path, ("runs",))):
        monkeypatch.chdir(here)
        said = CliRunner().invoke(main, ["runs", *words, "--json"])
        assert said.exit_code == 0 and Path(json.loads(said.output)["path"]).name == "mine", (here, words)


def test_the_runs_of_a_comparison_are_deeper(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(tmp_path / "compare-x" / "wolf" / "seed-0")
    for command in ("runs", "top"):
        done = CliRunner().invoke(main, [command, str(tmp_path / "compare-x")])
        assert done.exit_code == 2 and f"such as {tmp_path / 'compare-x' / 'wolf'}\n" in done.output


def test_a_folder_without_runs_is_one_sentence(tmp_path: Path) -> None:
    result = runs(tmp_path)
    assert result.exit_code == 2 and "start one with `wolf run CONFIG`" in result.output


def test_the_time_that_is_left_follows_the_pace(story: Story) -> None:
    events = story(end="stopped")
    part = Run.of(events[: len(events) // 2], locked=True)
    now = part.events[-1].time
    done, rest = part.evaluations, left(part, now)
    assert 2 < done < 40
    assert rest == pytest.approx(min(part.seconds * (40 - done) / done, 1800 - part.seconds))
    assert (left(part, now + 10) or 0) != rest
    assert left(Run.of(events), now) is None and left(Run.of(events[:3], locked=True), now) is None
    limits = {"evaluations": done + 1}
    order = {"id": "1", "stamp": 1, "order": "budget", "by": "", "evaluations": done, "limits": limits}
    part.add(Event(len(events), now, "intervention", order))
    assert budget(part) == {**part.header.budget, **limits}
    assert left(part, now) == pytest.approx(min(part.seconds / done, 1800 - part.seconds)), "a person changed it"


def test_a_judge_that_asks_models_is_paid_once(story: Story) -> None:
    def call(number: int, purpose: str, cost: float) -> tuple[str, dict[str, Any]]:
        return "call", {
            "call": number,
            "purpose": purpose,
            "state": "answered",
            "attempt": 1,
            "model": "m",
            "cost": cost,
        }

    events = story()
    assert spent(Run.of(events)) == (0.0, 0.0)
    more = [call(0, "llm:edit", 0.5), call(1, "judge:ballot", 0.25)]
    run = Run.of([*events, *(Event(len(events) + k, events[-1].time, *pair) for k, pair in enumerate(more, 1))])
    assert spent(run) == (0.25, 0.5)
