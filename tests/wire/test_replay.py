"""`wolf dev replay`: a run's decisions follow from its evaluations and answers, and where they do not it is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from judges.cage import Level
from wolf import launch
from wolf.cli import main
from wolf.control.inbox import post
from wolf.dev import replay
from wolf.dev.players import competent, sloppy
from wolf.dev.server import FakeServer
from wolf.errors import UsageError
from wolf.llm.proposer import Proposer
from wolf.settings.config import load
from wolf.store.ledger import Ledger


def test_a_run_with_ideas_faults_and_failures_is_derived_again(toy, run):
    """Played ideas, some useless, an outage now and then, and candidates that crash."""
    _, finished, _ = run(toy, sloppy({"X": "3.0"}), fault=lambda n, _: "500" if n % 3 == 1 else None)
    path = Path(finished["run"])
    assert replay.replay(path) == []
    done = CliRunner().invoke(main, ["dev", "replay", str(path)])
    assert (done.exit_code, done.output) == (0, f"every decision of {path} is derived again from its ledger\n")


def test_what_is_decided_differently_is_named(toy, run, monkeypatch):
    _, finished, _ = run(toy, competent({"X": "3.0"}), "budget.evaluations=16")
    path = Path(finished["run"])
    original = replay._decisions

    cut = iter([-3, None] * 2)  # of the run as it was, three decisions are missing
    monkeypatch.setattr(replay, "_decisions", lambda events: original(events)[: next(cut)])
    wrong = replay.replay(path)
    assert len(wrong) == 3 and all("event none: nothing was " in line and "in the replay" in line for line in wrong)
    done = CliRunner().invoke(main, ["dev", "replay", str(path)])
    assert done.exit_code == 1 and len(done.output.splitlines()) == 3


def test_another_seed_would_have_decided_otherwise(toy, run, monkeypatch):
    _, finished, _ = run(toy, competent({}), "budget.evaluations=12")
    strategy = replay.launch.strategy

    def other(config, *rest):
        return strategy(config.model_copy(update={"search": config.search.model_copy(update={"seed": 99})}), *rest)

    monkeypatch.setattr(replay.launch, "strategy", other)
    wrong = replay.replay(Path(finished["run"]))
    assert wrong and wrong[0].startswith("event ") and " was asked " in wrong[0]


def test_a_run_that_was_opened_again_asks_of_the_search_and_is_derived_end_by_end(toy, run, monkeypatch):
    """Prompts tell what the search read, never what was read at an end; a replay answers each end's calls in turn."""
    tale, told = Proposer._tale, []

    def watched(self, variant):
        told.append(self._setting.told(self._latest[self._population.number(variant)]))
        assert told[-1]["variant"] == variant and told[-1]["purpose"] != "confirm"
        return tale(self, variant)

    monkeypatch.setattr(Proposer, "_tale", watched)
    with FakeServer(competent({"X": "3.0"}), lambda *_: None) as server:
        overrides = [f"runs={toy / 'runs'}", "budget.evaluations=12", "confirm.seeds=2"]
        config = load(str(run.write(toy, server.url)), overrides)
        with launch.create(config, Level.NONE) as ledger:
            path = ledger.run_dir
            assert launch.drive(ledger, config, Level.NONE, [], lambda said: None)
        for many in (20, 30):
            before = len(told)
            post(path, {"order": "budget", "evaluations": many})
            ledger, config = launch.open_run(path)
            with ledger:
                finished = launch.drive(ledger, config, Level.NONE, [], lambda said: None)
            assert finished is not None and finished["evaluations"] == many
            assert len(told) > before, "models were asked again"
    assert replay.replay(path) == []


@pytest.mark.parametrize("why", ["steady", "unfinished", "steered"])
def test_what_cannot_be_replayed_is_refused(toy, run, why):
    mode = "steady" if why == "steady" else "cohort"
    events, finished, _ = run(toy, competent({}), "budget.evaluations=8", f"search.mode={mode}")
    path, short = Path(finished["run"]), toy / "short"
    if why != "steady":
        shutil.rmtree(short, ignore_errors=True)
        with Ledger.open(path) as whole, Ledger.create(short, events[0].body) as cut:
            made = [whole.variant(event.body["id"]) for event in events if event.kind == "variant"]
            rest = [(event.kind, event.body) for event in events[1:] if event.kind != "variant"]
            hand = ("intervention", {"id": "1", "stamp": 1, "order": "pause", "by": "terminal", "evaluations": 3})
            cut.append([hand, *rest] if why == "steered" else rest[:-1], made)
        path = short
    with pytest.raises(UsageError, match="only finished runs in cohort mode that nobody steered can"):
        replay.replay(path)
