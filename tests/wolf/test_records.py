from __future__ import annotations

import math
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from wolf.errors import UsageError
from wolf.reading.finding import find_run
from wolf.reading.lines import failed, still
from wolf.reading.records import Run, load_run
from wolf.reading.rows import Belief, Gain
from wolf.reading.verdict import next_commands
from wolf.store.events import Event
from wolf.store.ledger import Ledger

Story = Callable[..., list[Event]]
WriteRun = Callable[..., Path]


def test_a_run_on_disk_reads_back_as_it_was_told(story: Story, write_run: WriteRun, tmp_path: Path) -> None:
    read = load_run(write_run(tmp_path / "demo"))
    folded = Run.of(story())
    assert [told.score for told in read.told] == [told.score for told in folded.told]
    assert list(read.variants) == list(folded.variants)
    assert read.champion == folded.champion
    assert len(read.files(read.champion or "")["train.py"]) > 50


def test_a_run_is_one_line_where_a_notebook_shows_it(write_run: WriteRun, tmp_path: Path, story: Story) -> None:
    path = write_run(tmp_path / "demo")
    assert repr(load_run(path)) == f"<Run {path}: finished, 40 evaluations>"
    assert repr(Run.of(story(end="stopped"))) == "<Run demo: stopped, 40 evaluations>"


def test_status_tells_how_a_run_ended(write_run: WriteRun, tmp_path: Path) -> None:
    for end, status in (("finished", "finished"), ("stopped", "stopped"), ("", "killed")):
        assert load_run(write_run(tmp_path / f"run-{status}", end=end)).status == status


def test_a_locked_run_is_running_even_after_it_once_finished(write_run: WriteRun, tmp_path: Path) -> None:
    path = write_run(tmp_path / "demo", end="stopped")
    with Ledger.open(path, write=True) as ledger:
        ledger.append([("resumed", {"ordinal": 40})])
        assert load_run(path).status == "running"
    assert load_run(path).status == "killed"


def test_confirmations_are_neither_searched_nor_believed(story: Story) -> None:
    run = Run.of(story())
    assert len(run.told) == len(run.searched) + 5
    assert run.evaluations == 40
    assert run.beliefs[run.champion or ""].n == 4


@pytest.mark.parametrize("looked", [True, False])
def test_every_belief_has_the_noise_that_is_known_now(story: Story, looked: bool) -> None:
    events = story()
    run = Run.of(events[:1])
    for event in events[1:]:
        noise = 0.09 if len(run.told) > 30 else 0.03
        body = {**event.body, "noise": noise} if event.kind == "told" else event.body
        run.add(structs.replace(event, body=body))
        assert not looked or run.beliefs is not None
    assert len(run.beliefs) > 30
    assert {round(belief.sigma * math.sqrt(belief.n), 9) for belief in run.beliefs.values()} == {0.09}


def test_the_curve_only_improves_and_ends_at_the_champion(story: Story) -> None:
    for goal in ("minimize", "maximize"):
        run = Run.of(story(goal=goal))
        losses = [run.header.goal.loss(told.best.mean) for told in run.curve if told.best]
        assert losses == sorted(losses, reverse=True)
        assert run.curve[-1].champion == run.champion


def test_gain_is_positive_when_better_in_either_direction(story: Story) -> None:
    for goal in ("minimize", "maximize"):
        run = Run.of(story(goal=goal))
        gain = run.gain(run.champion or "", run.header.seed_variant)
        assert gain is not None and gain.low < gain.mean < gain.high
        assert gain.low > 0
        assert run.ranking()[0] == run.champion


def test_what_is_in_flight_is_known_until_it_comes_back(story: Story) -> None:
    run: Run | None = None
    for event in story():
        if run is None:
            run = Run.of([event])
            continue
        run.add(event)
        if event.kind == "asked":
            assert event.body["ordinal"] in run.working
        if event.kind == "told":
            assert event.body["ordinal"] not in run.working


def test_time_does_not_count_the_pause_before_a_resume(story: Story) -> None:
    events = story(end="stopped")
    run = Run.of(events)
    before = run.seconds
    run.add(Event(len(events) + 1, events[-1].time + 9_999, "resumed", {"ordinal": 40}))
    assert run.seconds == before == 5.0 * (len(events) - 1)
    assert run.reason == ""


def test_what_was_in_flight_is_started_again_on_a_resume(story: Story) -> None:
    events = story(end="")
    asked = next(i for i, event in enumerate(events) if event.kind == "asked" and event.body["ordinal"] == 9)
    run = Run.of(events[: asked + 1])
    late = Event(999, events[asked].time + 500, "resumed", {"ordinal": 9})
    run.add(late)
    assert {ordinal: known.time for ordinal, known in run.working.items()} == {9: late.time}
    run.add(Event(1000, late.time, "evaluated", {"ordinal": 9, "evaluation": {}}))  # done, and waiting for its turn
    assert run.working == {}


def test_who_waits_for_a_worker_is_not_under_way(story: Story) -> None:
    """Two workers; five are asked at once, as in the confirmation."""
    first, *_ = story()
    ask = next(event.body for event in story() if event.kind == "asked")
    told = next(event.body for event in story() if event.kind == "told")
    for timed in (False, True):
        run = Run.of([structs.replace(first, body={**first.body, "slots": 2, "timed": timed})])
        for ordinal in range(5):
            run.add(Event(2, 100.0, "asked", {**ask, "ordinal": ordinal}))
        assert list(run.working) == ([0] if timed else [0, 1]), "the first reading of a timed run is alone"
        run.add(Event(3, 160.0, "told", {**told, "ordinal": 0}))
        assert {ordinal: asked.time for ordinal, asked in run.working.items()} == (
            {1: 160.0, 2: 160.0} if timed else {1: 100.0, 2: 160.0}
        )
        assert list(run.waiting) == [3, 4] and "2 more wait for a worker" in still(run, "", 170.0)
        run.add(Event(4, 180.0, "evaluated", {"ordinal": 2, "evaluation": {}}))
        assert list(run.working) == [1, 3] and run.working[3].time == 180.0
        run.add(Event(5, 500.0, "resumed", {"ordinal": 5}))
        assert {ordinal: asked.time for ordinal, asked in run.working.items()} == {1: 500.0, 3: 500.0}
        assert list(run.waiting) == [4], "2 has come back, though it is not told yet"
        run.add(Event(6, 510.0, "stopped", {"reason": "you stopped it", "signal": 2}))
        assert not run.working and not run.waiting


def test_a_model_that_is_asked_again_is_silent_until_it_answers(story: Story) -> None:
    events = story(end="")
    run = Run.of(events[: next(i for i, event in enumerate(events) if event.kind == "asked") + 1])
    again = {"call": 0, "state": "failed", "model": "m", "fault": "no connection", "again": True}
    for seq, at in enumerate((100.0, 130.0)):
        run.add(Event(90 + seq, at, "call", again))
    assert run.silent == {"m": (100.0, "no connection")}
    assert "m has not answered for 1m 40s (no connection)" in still(run, "", 200.0)
    run.add(Event(92, 210.0, "call", {"call": 0, "state": "answered", "model": "m"}))
    assert run.silent == {}


def test_an_expedition_counts_its_evaluations_while_it_is_under_way(story: Story) -> None:
    events = story()
    start = next(i for i, event in enumerate(events) if event.kind == "expedition")
    (trip,) = Run.of(
        [*events[: start + 1], *[e for e in events[start + 1 :] if e.kind in ("asked", "told")][:6]]
    ).expeditions.values()
    assert (trip.evaluations, trip.allowance, trip.outcome) == (3, 8, None)


def test_expeditions_span_the_evaluations_they_lasted(story: Story) -> None:
    (trip,) = Run.of(story()).expeditions.values()
    assert (trip.started, trip.ended, trip.outcome, trip.evaluations) == (20, 28, "champion", 8)


def test_lineage_leads_from_the_seed_and_survives_a_circle(story: Story) -> None:
    run = Run.of(story())
    line = run.lineage(run.champion or "")
    assert line[0].id == run.header.seed_variant
    assert line[-1].id == run.champion
    for id, parent in (("x", "y"), ("y", "x")):
        run.add(Event(999, 0.0, "variant", {"id": id, "files": {}, "parents": [parent], "origin": "o", "note": ""}))
    assert [proposal.id for proposal in run.lineage("x")] == ["y", "x"]


def test_failures_are_grouped_by_the_line_that_names_the_error(story: Story) -> None:
    groups = Run.of(story()).failures()
    assert [len(group) for group in groups.values()] == [4, 1]
    assert next(iter(groups)).startswith("crashed: ValueError: ")


def test_failures_of_the_confirmation_are_not_the_searchs(story: Story) -> None:
    events = story()
    run = Run.of(events)
    assert failed(run) == "5 evaluations failed"
    last = max(event.seq for event in events if event.kind == "told")
    spoilt = [
        structs.replace(event, body={**event.body, "evaluation": {**event.body["evaluation"], "status": "timeout"}})
        if event.seq == last else event
        for event in events
    ]  # fmt: skip
    assert failed(Run.of(spoilt)) == "6 evaluations failed, 1 of them in the confirmation"
    assert failed(Run.of([event for event in events if event.kind != "told"])) == ""


def test_the_line_that_names_the_error_is_not_the_code_that_raised_it(story: Story) -> None:
    told = next(told for told in Run.of(story()).told if not told.ok)
    said = 'it failed (exited with code 1)\nTraceback:\n  File "j.py", line 2\n    raise TypeError(f"not {x!r}")\n'
    assert structs.replace(told, feedback=f"{said}TypeError: not 3").failure == "crashed: TypeError: not 3"
    assert (
        structs.replace(told, feedback=said).failure == 'crashed: raise TypeError(f"not {x!r}")'
    )  # the end was cut off


@pytest.mark.parametrize(
    ("status", "feedback", "failure"),
    [
        ("invalid", "error is nan (exited with code 0)\nerror: nan", "invalid: error is nan (exited with code 0)"),
        (
            "crashed",
            "it failed (exited with code 1)\nstep 1\nno file x",
            "crashed: it failed (exited with code 1); no file x",
        ),
        ("crashed", "it failed (exited with code 1)\n    raise KeyError(5)\nKeyError: 5", "crashed: KeyError: 5"),
        ("timeout", "it failed (killed after 5 s)\nstep 1\nstep 2", "timeout: it failed (killed after 5 s)"),
        (
            "crashed",
            "it failed (exited with code 1)\n+ Exception Group Traceback (most recent call last):\n"
            "  | ExceptionGroup: a (1 sub-exception)\n"
            "ExceptionGroup: a (1 sub-exception); the first: KeyError",
            "crashed: ExceptionGroup: a (1 sub-exception); the first: KeyError",
        ),
    ],
)
def test_a_failure_in_one_line(story: Story, status: str, feedback: str, failure: str) -> None:
    told = next(told for told in Run.of(story()).told if not told.ok)
    assert structs.replace(told, status=status, feedback=feedback).failure == failure


def test_a_gain_has_no_more_digits_than_its_interval() -> None:
    assert Gain(-0.188, -12.4, 12.1).text(0) == "0 [-12, 12]" and Gain(-6, -12, 0.3).interval(0) == (
        "95% interval -12 to 0"
    )
    assert Gain(0.188, 0.188, 0.188).text(0) == "0.188", "readings do not vary, so all of it counts"
    assert Gain(3e-9, -1e-9, 7e-9).text(6) == "3e-09 [-1e-09, 7e-09]", "there are no more decimals"


def test_commands_that_a_run_names_can_be_pasted_whatever_its_folder_is_called(
    write_run: WriteRun, tmp_path: Path
) -> None:
    run = load_run(write_run(tmp_path / "my runs" / "it's", end="stopped"))
    words = [shlex.split(command, comments=True) for command, _ in next_commands(run)]
    assert words[0] == ["wolf", "resume", str(run.path)]
    assert all(said[2] == str(run.path) for said in words)


def test_names_resolve_to_variants_or_to_a_sentence(story: Story) -> None:
    run = Run.of(story())
    best = run.champion or ""
    assert run.resolve("best") == run.resolve(best) == run.resolve(best[:6]) == best
    assert run.resolve("seed") == run.header.seed_variant
    for name, says in (("zzz", "no variant starts with"), ("", "no variant starts with")):
        with pytest.raises(UsageError, match=says):
            run.resolve(name)
    for id in ("aa11", "aa22"):
        run.add(Event(999, 0.0, "variant", {"id": id, "files": {}, "parents": [], "origin": "o", "note": ""}))
    with pytest.raises(UsageError, match="beginning of 2 variants"):
        run.resolve("aa")


def test_a_run_without_a_score_has_no_champion(story: Story) -> None:
    run = Run.of(story()[:3])
    assert run.champion is None and run.curve == [] and run.ranking() == []
    with pytest.raises(UsageError, match="no champion yet"):
        run.resolve("best")


def test_a_history_must_begin_with_its_run(story: Story) -> None:
    for events in ([], story()[1:]):
        with pytest.raises(ValueError, match="first event"):
            Run.of(events)


def test_unknown_spread_is_infinite_and_unknown_mean_is_no_belief() -> None:
    assert Belief.of({"mean": 1.0, "sigma": None, "n": 1}) == Belief(1.0, math.inf, 1)
    assert Belief.of({"mean": 1.0, "se": 0.5, "n": 2}) == Belief(1.0, 0.5, 2)
    assert Belief.of({"mean": None}) is Belief.of(None) is None


def test_a_run_is_found_by_folder_by_name_or_as_the_latest(
    write_run: WriteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no run in \./runs"):
        find_run()
    old, new = (write_run(Path("runs") / name, evaluations=4) for name in ("zzz-old", "new"))
    os.utime(old / "ledger.db", (1, 1))
    load_run(old)  # reading is not writing: it does not make a run the latest
    assert find_run() == find_run("runs") == find_run(".") == new, "a project stands for the runs in it"
    assert find_run("zzz-old") == find_run(old) == old
    with pytest.raises(UsageError, match="no run at nowhere"):
        find_run("nowhere")


def test_frames_have_stable_columns_and_hold_hostile_text(story: Story) -> None:
    run = Run.of(story())
    evaluations, variants = run.evaluations_frame(), run.variants_frame()
    assert list(evaluations.columns[:5]) == ["ordinal", "time", "variant", "purpose", "status"]
    assert len(evaluations) == 45 and len(variants) == len(run.variants)
    assert list(variants.loc[variants["champion"], "variant"]) == [run.champion]
    assert list(run.events_frame().columns) == ["seq", "time", "kind", "body"]
