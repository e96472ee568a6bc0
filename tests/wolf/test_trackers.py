"""Each tracker against the real library, offline; skipped where it is not installed."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from wolf.cli import main
from wolf.reading.records import Run
from wolf.reading.trackers import Tracker, parameters, tracker
from wolf.store.events import Event

Story = Callable[..., list[Event]]
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs


def follow(name: str, events: list[Event], path: Path) -> tuple[Run, list[str]]:
    """Tracks a run that is killed half-way and resumed."""
    said: list[str] = []
    half = len(events) // 2
    resumed = Event(events[half - 1].seq, events[half - 1].time + 1, "resumed", {"ordinal": 0})
    for start, end in ((2, half), (half, len(events))):
        before = [*events[:start], *([resumed] if start == half else [])]
        observer = tracker(name, Run.of(before, path=path, locked=True), said.append)
        for event in events[start:end]:
            observer(event)
    return Run.of(events), said


def test_tensorboard_has_every_score_at_its_step(story: Story, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run, said = follow("tensorboard", story(), tmp_path)
    read = accumulator.EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"scalars": 0})
    read.Reload()
    scores = {told.ordinal: told.score for told in run.searched if told.score is not None}
    assert {event.step: pytest.approx(event.value) for event in read.Scalars("score")} == scores
    assert len(read.Scalars("confirmation")) == 5 and said == []
    assert {"champion", "heat", "metrics.peak_vram_mb"} <= set(read.Tags()["scalars"])


def test_mlflow_has_one_run_with_scores_parameters_and_the_verdict(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run, said = follow("mlflow", story(), tmp_path)
    client = mlflow.MlflowClient((tmp_path / "mlruns").as_uri())
    (found,) = client.search_runs([client.get_experiment_by_name("demo").experiment_id])
    history = client.get_metric_history(found.info.run_id, "score")
    assert {m.step: m.value for m in history} == {t.ordinal: t.score for t in run.searched if t.score is not None}
    assert found.info.status == "FINISHED" and found.data.params["judge.kind"] == "command"
    assert found.data.tags["outcome.verdict"].startswith("On fresh seeds the champion is better") and said == []


def recorded(file: Path) -> bytes:
    """What a `.wandb` file holds: the records of a LevelDB log, after its own seven bytes, one after the other."""
    data, at, parts, block = file.read_bytes(), 7, [], 32768
    while at + 7 <= len(data):
        if (room := block - at % block) < 7:
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        assert kind <= 4
        parts.append(data[at + 7 : at + 7 + length])
        at += 7 + length
    return b"".join(parts)


def test_wandb_keeps_it_offline(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    run, said = follow("wandb", story(), tmp_path)
    files = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert files and len({file.name for file in files}) == 1  # resumed under the same id
    kept = b"".join(recorded(file) for file in files)
    scores = [told.score for told in run.searched if told.score is not None]
    assert [score for score in scores if json.dumps(score).encode() not in kept] == []
    assert b"On fresh seeds the champion is better" in kept and b"judge.kind" in kept and said == []


def test_a_tracker_that_breaks_says_so_once_and_does_not_end_the_run(story: Story) -> None:
    class Broken:
        def log(self, step: int, values: Mapping[str, float]) -> None:
            raise OSError("the disk is full")

        def note(self, step: int, text: str) -> None: ...

        def close(self, facts: Mapping[str, Any], done: bool) -> None: ...

    said: list[str] = []
    events = story()
    observer = Tracker("tensorboard", Broken(), Run.of(events[:2]), said.append)
    for event in events[2:]:
        observer(event)
    assert said == ["tensorboard gave up: OSError: the disk is full; the run goes on without it"]


def test_a_missing_library_is_one_sentence_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wolf.reading.trackers.find_spec", lambda name: None)
    arguments = ["run", "knobs", f"runs={tmp_path / 'runs'}", "--track", "wandb"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 3 and "pip install 'auto-wolf[trackers]'" in result.output
    assert not (tmp_path / "runs").exists()


def test_parameters_are_flat(story: Story) -> None:
    flat = parameters(Run.of(story()))
    assert flat["budget.evaluations"] == "40" and flat["name"] == "demo"


def test_a_run_that_is_opened_again_ends_again(story: Story) -> None:
    class Book:
        def __init__(self) -> None:
            self.closed: list[tuple[str, bool]] = []

        def log(self, step: int, values: Mapping[str, float]) -> None: ...

        def note(self, step: int, text: str) -> None: ...

        def close(self, facts: Mapping[str, Any], done: bool) -> None:
            self.closed.append((facts["status"], done))

    events, book = story(), Book()
    opened = {"resumed": {"ordinal": 45}, "reopened": {"end": 1, "evaluations": 40}, "finished": events[-1].body}
    ends = [Event(900 + n, 9_000.0, kind, body) for n, (kind, body) in enumerate(opened.items())]
    for start, more in ((events[:2], events[2:]), (events, ends)):
        observer = Tracker("mlflow", book, Run.of(start, path=Path("runs/demo"), locked=True), print)
        for event in more:
            observer(event)
    assert book.closed == [("finished", True)] * 2
