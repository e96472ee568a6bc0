"""A model rewrites a text that nothing else can change: it is waited for, and never hears of the hold-out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judges.cage import Level
from wolf import launch
from wolf.control.inbox import post
from wolf.dev.players import competent
from wolf.dev.replay import replay
from wolf.dev.server import FakeServer
from wolf.dev.wire import Said
from wolf.dev.writers import literate
from wolf.settings.config import load
from wolf.store.events import Event
from wolf.store.ledger import Ledger


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "h.txt").write_text("A City Closed A Street\n")
    (tmp_path / "task.yaml").write_text(
        "target: {root: ., files: [h.txt]}\njudge: {kind: reader, task: headline, file: h.txt}\n"
        "llm: {models: [claude-haiku-5-5]}\nbudget: {evaluations: 16, usd: 1}\nworkers: {slots: 1}\n"
    )
    return tmp_path / "task.yaml"


def run(task: Path, runs: str, stop_at: int | None = None) -> tuple[Path, list[Event]]:
    with FakeServer(literate(competent({}))) as server:
        config = load(str(task), [f"llm.base_url={server.url}", f"runs={task.parent / runs}"])
        with launch.create(config, Level.NONE) as ledger:
            path = ledger.run_dir

            def person(event: Event) -> None:
                if event.kind == "told" and event.body["ordinal"] == stop_at:
                    post(path, {"order": "stop"})

            finished = launch.drive(ledger, config, Level.NONE, [person], lambda said: None)
        if stop_at is not None:
            assert finished is None
            ledger, config = launch.open_run(path)
            with ledger:
                assert launch.drive(ledger, config, Level.NONE, [], lambda said: None) is not None
    with Ledger.open(path) as ledger:
        return path, list(ledger.events())


def asked(events: list[Event]) -> list[Any]:
    return [(e.body["variant"], e.body["origin"], e.body["purpose"]) for e in events if e.kind == "asked"]


def test_a_sentence_that_only_a_model_can_change_is_changed_by_it(task: Path) -> None:
    path, events = run(task, "runs")
    origins = [origin for _, origin, _ in asked(events)]
    assert len(origins) > 10 and sum(origin.startswith("llm:") for origin in origins) >= 3
    assert replay(path) == []


def test_it_ends_the_same_way_if_it_was_stopped_in_between(task: Path) -> None:
    _, whole = run(task, "whole")
    _, broken = run(task, "broken", stop_at=6)
    assert asked(broken) == asked(whole)


def test_who_proposes_never_hears_of_the_hold_out(task: Path) -> None:
    _, events = run(task, "runs")
    prompts = [e.body["prompt"] for e in events if e.kind == "call" and "prompt" in e.body]
    said = json.dumps(prompts).lower()
    assert "beats" in said and "hold-out" not in said and "holdout" not in said


def test_an_idea_that_loses_a_locked_phrase_costs_no_evaluation(tmp_path: Path) -> None:
    def forgetful(request: Any) -> Said:
        made = literate(competent({}))(request)
        return replace(made, text=made.text.replace("Street\n>>>", "Road\n>>>").replace("A Street.", "A Road."))

    (tmp_path / "h.txt").write_text("A City Closed A Street\n")
    for kind in ("reader, task: headline", "panel, judges: ['reader:headline'], criteria: [{id: pull, q: Which one}]"):
        (tmp_path / "task.yaml").write_text(
            f"target: {{root: ., files: [h.txt]}}\njudge: {{kind: {kind}, file: h.txt, box: {{must: [Street]}}}}\n"
            "llm: {models: [claude-haiku-5-5]}\nbudget: {evaluations: 12, usd: 1}\nworkers: {slots: 1}\n"
        )
        runs = tmp_path / kind[:6]
        with FakeServer(forgetful) as server:
            config = load(str(tmp_path / "task.yaml"), [f"llm.base_url={server.url}", f"runs={runs}"])
            with launch.create(config, Level.NONE) as ledger:
                assert launch.drive(ledger, config, Level.NONE, [], lambda said: None) is not None
                events, path = list(ledger.events()), ledger.run_dir
        told = [event.body["evaluation"]["status"] for event in events if event.kind == "told"]
        refused = [event.body["feedback"] for event in events if event.kind == "checked"]
        assert "invalid" not in told and any("does not contain 'Street'" in said for said in refused)
        calls = [event.body for event in events if event.kind == "call" and "prompt" in event.body]
        repairs = [call["prompt"]["user"] for call in calls if call["purpose"] == "llm:repair"]
        assert any("does not contain 'Street'" in user for user in repairs), "the model is told why"
        assert replay(path) == []


@pytest.mark.parametrize("bad", [2, 99])
def test_where_only_models_have_ideas_they_are_asked_again_when_all_were_refused(task: Path, bad: int) -> None:
    task.write_text(task.read_text().replace("file: h.txt}", "file: h.txt, box: {must: [Street]}}"))
    asked = 0

    def forgetful(request: Any) -> Said:
        nonlocal asked
        asked += "Give one idea" not in str(request["messages"])
        text = f"A City Closed {'A Road' if asked <= bad else 'One Street'} For {asked} Days"
        edit = f"<<<<<<< SEARCH\nA City Closed A Street\n=======\n{text}\n>>>>>>> REPLACE"
        return Said(f"## Idea: number {asked}\nh.txt\n{edit}")

    with FakeServer(forgetful) as server:
        config = load(str(task), [f"llm.base_url={server.url}", f"runs={task.parent / 'runs'}"])
        with launch.create(config, Level.NONE) as ledger:
            done = launch.drive(ledger, config, Level.NONE, [], lambda said: None)
            events, path = list(ledger.events()), ledger.run_dir
    judged = {event.body["variant"] for event in events if event.kind == "told"}
    assert done is not None and replay(path) == []
    if bad == 2:
        assert len(judged) > 1, "the third answer is judged"
    else:
        assert len(judged) == 1 and 3 <= asked <= 8, "nobody is asked for ever"
