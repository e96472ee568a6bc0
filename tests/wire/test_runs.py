"""Whole runs against a played model: the path is the one that a person's run takes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from judges.cage import Level
from wolf import launch
from wolf.cli import main
from wolf.control.inbox import post
from wolf.dev.faults import FAULTS
from wolf.dev.players import competent, repetitive, sloppy
from wolf.dev.replay import replay
from wolf.dev.server import FakeServer
from wolf.errors import LedgerError, SetupError
from wolf.llm.call import GONE
from wolf.llm.calls import BROKEN_RETRIES, Calls
from wolf.llm.stock import Stock
from wolf.reading.proposals import models, operators
from wolf.reading.records import load_run
from wolf.reading.spending import budget, spent
from wolf.reading.verdict import verdict
from wolf.settings.config import load
from wolf.store.ledger import Ledger

SOFT = [name for name in FAULTS if name not in (
    "400", "401", "402", "403", "404", "413", "spend-limit", "spend-limit-after", "silent", "drip", "max_tokens",
    "refusal", "pause_turn", "tool_use", "context-full", "no-content", "blank")]  # fmt: skip
"""The faults after which the same question is asked again."""


class Sick:
    """Spoils answers, of each question as many in a row as are forgiven at most, whoever else asks at the same time.

    Were faults drawn by the number of the request, which call meets which would depend on the machine's load, and one
    call could meet more than the run has patience for.
    """

    def __init__(self, share):
        self.share = share
        self.times = Counter()

    def __call__(self, number, prompt):
        rng = random.Random(f"{prompt} {self.times[prompt]}")
        self.times[prompt] += 1
        return rng.choice(SOFT) if self.times[prompt] <= BROKEN_RETRIES and rng.random() < self.share else None


def asked(events):
    return [(e.body["variant"], e.body["origin"]) for e in events if e.kind == "asked"]


def calls(events, state):
    return [e.body for e in events if e.kind == "call" and e.body["state"] == state]


def test_ideas_are_evaluated_beside_perturbations_and_are_on_the_books(toy, run):
    events, finished, log = run(toy, competent({"X": "3.0", "Z": "40.0"}))
    origins = Counter(origin.partition(":")[0] for _, origin in asked(events))
    assert origins["llm"] >= 3
    assert origins["perturb"] >= 10
    assert len(log) == len(calls(events, "reserved"))
    assert [e.kind for e in events if e.kind == "call" or e.kind == "proposed"].count("proposed") >= 2
    for n, event in enumerate(events):  # nothing is proposed before it is written, nothing asked before it is proposed
        if event.kind == "asked" and event.body["origin"].startswith("llm:"):
            known = [v for e in events[:n] if e.kind == "proposed" for v in e.body["variants"]]
            assert event.body["variant"] in known
    assert finished["champion"]["search"]["mean"] < finished["seed"]["search"]["mean"]
    asking = [row for row in operators(events) if row.calls]
    for rows in (asking, models(events)):
        assert all(row.proposals >= row.valid >= row.evaluated >= row.wins for row in rows)
        assert sum(row.evaluated for row in rows) == origins["llm"]
        assert sum(row.calls for row in rows) == len(log)
        assert sum(row.usd for row in rows) == pytest.approx(sum(b["cost"] for b in calls(events, "answered")))


def test_ideas_that_were_asked_for_are_in_the_ledger_and_nowhere_else(toy, run, monkeypatch):
    stocks, books = [], []
    monkeypatch.setattr("wolf.llm.proposer.Stock", lambda *parts: stocks.append(Stock(*parts)) or stocks[-1])
    monkeypatch.setattr(Calls, "over", lambda self, reading: books.append(self))
    events, _, _ = run(toy, competent({"X": "3.0", "Z": "40.0"}), "budget.evaluations=60")
    due = {body["call"]: body["about"]["due"] for body in calls(events, "reserved") if body.get("about")}
    gone = [call for call, ordinal in due.items() if ordinal < 50]
    assert len(gone) >= 3 and all(books[-1].calls[call] is GONE for call in gone)
    proposed = {id for event in events if event.kind == "proposed" for id in event.body["variants"]}
    tried = {variant for variant, _ in asked(events)}
    (stock,) = stocks
    left = {variant.id for made in stock.made.values() for variant in made.variants}
    assert len(proposed & tried) >= 10
    last = {variant for variant, _ in asked(events)[50:]}  # they go when calls are planned, and none is in the end
    assert not left & (tried - last)
    assert stock._forms.keys() <= left | {stock._seed.id} | last


def test_without_the_section_nothing_is_different(toy, run):
    path = run.write(toy, "http://127.0.0.1:9")
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("llm:")))
    config = load(str(path), [f"runs={toy / 'runs'}"])
    with launch.create(config, Level.NONE) as ledger:
        launch.drive(ledger, config, Level.NONE, [], lambda said: None)
        assert not {"call", "proposed"} & {event.kind for event in ledger.events()}


def test_a_cohort_run_is_the_same_whatever_goes_wrong_on_the_wire(toy, run):
    player = sloppy({"X": "3.0"})
    plain, finished, log = run(toy, player, "search.surrogate=on")
    faulty, again, more = run(toy, player, "search.surrogate=on", fault=Sick(0.4), latency=0.02)
    spoilt = Counter(entry.prompt for entry in more if entry.fault)
    assert max(spoilt.values()) == BROKEN_RETRIES, "some questions met as many faults in a row as are forgiven"
    assert len(more) == len(log) + spoilt.total()
    assert asked(faulty) == asked(plain)
    assert again["champion"] == finished["champion"]


@pytest.mark.slow
def test_three_hundred_proposals_under_mixed_faults_end_like_without_faults(toy, run, monkeypatch):
    """Recorded answers: the played model says the same to the same question, however often it has to be asked."""
    monkeypatch.setattr("wolf.strategy.bandit.PRIOR_PULLS", 10**6)  # the share of the models stays at 80 %
    long = ("budget.evaluations=300", "budget.usd=50", "llm.share=0.8", "search.surrogate=off", "llm.ideas=12")
    plain, finished, log = run(toy, competent({}), *long)
    made = [event.body for event in plain if event.kind == "proposed"]
    assert sum(len(body["variants"]) + len(body["problems"]) for body in made) >= 300
    faulty, again, more = run(toy, competent({}), *long, fault=Sick(0.3))
    spoilt = [entry.fault for entry in more if entry.fault]
    assert len(spoilt) >= 10 and len(set(spoilt)) >= 8
    assert len(more) == len(log) + len(spoilt)  # each was asked for again, once
    assert asked(faulty) == asked(plain)
    assert again["champion"] == finished["champion"]


def test_a_recorded_run_is_replayed_without_a_server(toy, run):
    plain, finished, _ = run(toy, competent({}))
    recorded = f"replay:{finished['run']}"
    again, repeated, log = run(toy, competent({}), f"llm.models=['{recorded}']", "budget.usd=0")
    assert not log
    assert asked(again) == asked(plain)
    assert repeated["champion"] == finished["champion"]


def test_a_script_is_a_model(toy, run):
    block = "## Idea: bigger\n<<<<<<< SEARCH\nX = 0.1  # knob: 1e-3 .. 1e3 log\n=======\nX = 2.5\n>>>>>>> REPLACE\n"
    (toy / "script.txt").write_text(block)
    events, _, _ = run(toy, competent({}), f"llm.models=['script:{toy}/script.txt']", "budget.usd=0", "llm.share=0.9")
    assert any(origin.startswith("llm:") for _, origin in asked(events))


def test_a_fatal_fault_stops_the_run_with_a_sentence_after_one_request(toy, run):
    with pytest.raises(SetupError, match="set ANTHROPIC_API_KEY to a valid key"):
        run(toy, competent({}), fault=lambda *_: "401")


def test_a_run_that_its_model_would_not_serve_says_so_and_goes_on_once_it_does(toy, run):
    with FakeServer(competent({}), lambda n, _: None if n else "401") as server:
        config = load(str(run.write(toy, server.url)), [f"runs={toy / 'runs'}"])
        ledger = launch.create(config, Level.NONE)
        with ledger, pytest.raises(SetupError):
            launch.drive(ledger, config, Level.NONE, [], lambda said: None)
        ended = load_run(ledger.run_dir)
        assert ended.status == "aborted" and "set ANTHROPIC_API_KEY" in ended.reason and not ended.working
        assert verdict(ended).sentence.startswith("It could not go on: claude-sonnet-5-5 will not answer (http 401")
        again, config = launch.open_run(ledger.run_dir)
        with again:
            assert launch.drive(again, config, Level.NONE, [], lambda said: None) is not None
    assert load_run(ledger.run_dir).status == "finished"


def test_each_summary_comes_when_enough_was_told(toy, run):
    events, _, _ = run(toy, competent({}), "workers.slots=4", "llm.explain=5", "budget={evaluations: 48, usd: 50}")
    asked = {body["call"]: body["about"]["at"] for body in calls(events, "reserved") + calls(events, "waiting")
             if body.get("purpose") == "llm:explain"}  # fmt: skip
    assert [*asked.values()][:6] == [8, 12, 16, 20, 28, 32], "the first batch after each five evaluations"


def test_the_ceiling_holds_and_the_search_goes_on_without_models(toy, run):
    events, finished, _ = run(toy, competent({}), "budget.usd=0.3")
    spent = sum(body.get("cost", 0.0) for body in calls(events, "answered") + calls(events, "failed"))
    assert 0 < spent <= 0.3
    assert finished["evaluations"] == 30


@pytest.mark.parametrize("when", ["going on", "finished"])
def test_dollars_can_be_raised_and_models_are_asked_again(toy, run, when):
    with FakeServer(competent({})) as server:
        config = load(str(run.write(toy, server.url)), [f"runs={toy / 'runs'}", "budget.usd=0.001", "llm.share=0.8"])
        more, before = {"order": "budget", "evaluations": 60, "usd": 5}, []

        def raised(event):
            if event.kind == "told" and event.body["ordinal"] == 20 and when == "going on":
                before.append(len(server.log))
                post(ledger.run_dir, more)

        with launch.create(config, Level.NONE) as ledger:
            assert launch.drive(ledger, config, Level.NONE, [raised], lambda said: None) is not None
        if when == "finished":
            before.append(len(server.log))
            assert CliRunner().invoke(main, ["tell", str(ledger.run_dir), "budget", "--usd", "5"]).exit_code == 2
            words = ["--usd", "5", "--evaluations", "60"]
            assert CliRunner().invoke(main, ["tell", str(ledger.run_dir), "budget", *words]).exit_code == 0
            again, config = launch.open_run(ledger.run_dir)
            with again:
                assert launch.drive(again, config, Level.NONE, [], lambda said: None) is not None
        asked = len(server.log)
    found = load_run(ledger.run_dir)
    assert found.evaluations == 60 and before == [0] and asked > 3
    assert 0.001 < spent(found).proposing <= 5 and budget(found)["usd"] == 5
    assert "a budget of 60 evaluations and $5" in [hand.sentence for hand in found.interventions]
    assert when != "finished" or replay(ledger.run_dir) == []


def test_models_that_refuse_are_given_up_and_the_search_goes_on(toy, run):
    _, finished, log = run(toy, competent({}), fault=lambda *_: "refusal")
    assert finished["evaluations"] == 30
    assert 3 <= len(log) <= 4  # two may be under way when the third refuses


def test_in_steady_mode_no_slot_waits_for_a_slow_model(toy, run):
    import anthropic  # noqa: F401  # else all is evaluated before it is there, on a quick machine

    told, in_vain, player = [], [], competent({})
    judge = toy / "toy/judge.py"
    judge.write_text(judge.read_text().replace("space = {}", "import time; time.sleep(0.2); space = {}"))

    def slow(prompt):
        """Answers once four more evaluations have been told."""
        enough, until = min(30, len(told) + 4), time.monotonic() + 200
        while len(told) < enough:
            if time.monotonic() > until:
                in_vain.append(prompt)
                break
            time.sleep(0.01)
        return player(prompt)

    tell = lambda event: told.append(event) if event.kind == "told" else None  # noqa: E731
    _, finished, log = run(toy, slow, "search.mode=steady", observers=[tell])
    assert finished["evaluations"] == 30
    assert log and not in_vain, "something waited for the model"


@pytest.mark.parametrize("strategy", ["greedy", "wolf"])
def test_a_model_that_repeats_itself_does_no_harm(toy, run, strategy):
    _, finished, _ = run(toy, repetitive, f"search.strategy={strategy}")
    assert finished["evaluations"] == 30


def written(runs):
    """How many events the one run in a folder has."""
    for ledger in runs.glob("*/ledger.db"):
        with contextlib.suppress(LedgerError), Ledger.open(ledger.parent) as opened:
            return sum(1 for _ in opened.events())
    return 0


def test_a_killed_run_pays_for_no_answer_twice_and_ends_like_one_that_was_not(toy, run):
    player = competent({"X": "3.0"})
    plain, _, _ = run(toy, player, "search.surrogate=on")
    with FakeServer(player, latency=0.05) as server:
        path = run.write(toy, server.url)
        command = [sys.executable, "-m", "wolf"]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        arguments = ["run", "--unsafe-no-sandbox", str(path), f"runs={toy / 'killed'}", "search.surrogate=on"]
        for enough in (25, 40, 55, 10**6):
            child = subprocess.Popen([*command, *arguments], env=environment, stdout=subprocess.DEVNULL)
            while child.poll() is None and written(toy / "killed") < enough:
                time.sleep(0.02)
            child.send_signal(signal.SIGKILL)
            code = child.wait()
            arguments = ["resume", "--unsafe-no-sandbox", str(next((toy / "killed").iterdir()))]
        assert code == 0
        (ledger,) = (toy / "killed").glob("*/ledger.db")
        with Ledger.open(ledger.parent) as opened:
            events = list(opened.events())
        assert any(event.kind == "resumed" for event in events)
        assert asked(events) == asked(plain)
        answered = Counter(body["call"] for body in calls(events, "answered"))
        assert set(answered.values()) == {1}
        interrupted = sum(body["fault"] == "interrupted" for body in calls(events, "failed"))
        assert len(server.log) <= len(answered) + interrupted
