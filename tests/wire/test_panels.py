"""A whole run before a panel of played models: their ballots are on the books, and their words reach the ledger."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from judges.ballots import texts_on
from judges.cage import Level
from judges.llm import Prompt
from judges.panel import HOPELESS
from judges.stand_ins import StandIn
from wolf import launch
from wolf.cli import main
from wolf.control.inbox import post
from wolf.dev.players import competent
from wolf.dev.replay import replay
from wolf.dev.server import FakeServer
from wolf.dev.wire import Said
from wolf.dev.writers import literate
from wolf.errors import ConfigError, UsageError
from wolf.reading.finalists import judgement
from wolf.reading.holdout import gains
from wolf.reading.records import Run, load_run
from wolf.reading.verdict import ahead, closing, next_commands, ties, verdict
from wolf.report.story import answers
from wolf.report.trust import trust
from wolf.search import Search, Stop
from wolf.settings.config import load
from wolf.store.events import Event
from wolf.store.ledger import Ledger


def player(request: Any) -> Said:
    """Judges by the number of capitals when it is shown a ballot, and has its usual ideas otherwise."""
    user = str(request["messages"][0]["content"])
    if not user.startswith("Text "):
        return competent({})(request)
    judge = StandIn(lambda text: float(text.count("Street") + text.count("School")), noise=0.2)
    return Said(judge.ask(Prompt("judge:ballot", "", user)).result().text)


@pytest.fixture(autouse=True)
def _short_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wolf.search.TICK", 0.01)
    short = {"at_once": 4, "patience": 900.0, "longest_pause": 0.02, "clock": time.monotonic}
    monkeypatch.setattr("wolf.llm.calls.Calls.__init__.__kwdefaults__", short)


def run(tmp_path: Path, *overrides: str, fault: Any = lambda number, prompt: None) -> tuple[list[Any], Any]:
    with FakeServer(player, fault) as server:
        settings = [f"llm.base_url={server.url}", f"runs={tmp_path / 'runs'}", "budget.evaluations=12",
                    "search.survey=3", "confirm.seeds=2", *overrides]  # fmt: skip
        config = load("headline_panel", settings)
        with launch.create(config, Level.NONE) as ledger:
            finished = launch.drive(ledger, config, Level.NONE, [], lambda said: None)
            return list(ledger.events()), finished


def commanded(tmp_path: Path, *settings: str) -> Run:
    """The same from the command line."""
    with FakeServer(player) as server:
        given = [
            "run",
            "headline_panel",
            f"llm.base_url={server.url}",
            f"runs={tmp_path}",
            "search.survey=2",
            *settings,
        ]
        assert CliRunner().invoke(main, given).exit_code == 0
    return load_run(next(tmp_path.iterdir()))


def test_a_run_before_a_panel_pays_for_every_ballot_and_keeps_what_was_said(tmp_path: Path) -> None:
    events, finished = run(tmp_path)
    ballots = [e.body for e in events if e.kind == "call" and e.body["state"] == "answered"]
    assert {body["model"] for body in ballots} == {"claude-haiku-5-5", "claude-sonnet-5-5"}
    readings = [e.body["evaluation"] for e in events if e.kind == "told" and e.body["evaluation"]["status"] == "ok"]
    assert len(readings) >= 10
    for said in (reading["metrics"] for reading in readings):  # half for those that are hopeless, if there are any
        assert said["ballots"] == 4 or (said["ballots"] == 2 and said["p_over_original"] < HOPELESS)
    assert all(reading["cost"] > 0 for reading in readings)
    assert all("objection to" in reading["feedback"] for reading in readings)
    assert finished["champion"]["fresh"]["n"] == 2


def test_a_run_whose_models_are_often_broken_still_ends(tmp_path: Path) -> None:
    events, finished = run(tmp_path, fault=lambda number, _: "500" if number % 3 == 0 else None)
    assert finished is not None
    assert sum(e.kind == "told" for e in events) >= 12


def test_the_first_stop_does_not_wait_for_a_judge_that_is_not_there(tmp_path: Path) -> None:
    """It would wait for as long as the outage lasts; what the others have answered is kept."""
    down: list[bool] = []
    stops: list[Event] = []

    def watch(event: Event) -> None:
        if event.kind == "told" and event.body["ordinal"] == 5:
            down.append(True)
        if event.kind == "call" and event.body["state"] == "failed" and not stops:
            stops.append(event)
            post(ledger.run_dir, {"order": "stop", "now": False})

    with FakeServer(player, lambda *_: "503" if down else None) as server:
        config = load("headline_panel", [f"llm.base_url={server.url}", f"runs={tmp_path}", "budget.evaluations=12",
                                         "search.survey=3", "confirm.seeds=0"])  # fmt: skip
        ledger = launch.create(config, Level.NONE)
        with ledger:
            assert launch.drive(ledger, config, Level.NONE, [watch], lambda said: None) is None
            assert [*ledger.events()][-1].kind == "stopped"
        down.clear()
        ledger, config = launch.open_run(ledger.run_dir)
        with ledger:
            finished = launch.drive(ledger, config, Level.NONE, [], lambda said: None)
            told = [e.body for e in ledger.events() if e.kind == "told"]
    assert finished is not None and len(told) == 12
    assert all(body["evaluation"]["metrics"].get("lost", 0) == 0 for body in told)


def test_a_vote_that_was_paid_for_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is cut off in the middle of evaluations, over and over; the server knows what it was asked twice."""
    original, cut = Search._commit, iter((4, 7, 9, 14, 22, 10**6))
    votes, limit = 0, next(cut)

    def commit(self: Search, records: Any, variants: Any = ()) -> None:
        nonlocal votes
        original(self, records, variants)
        votes += sum(kind == "call" and body["state"] == "answered" for kind, body in records)
        if votes >= limit:
            raise KeyboardInterrupt  # as good as a kill: what is in the ledger is all that is left

    monkeypatch.setattr(Search, "_commit", commit)
    answered: Counter[str] = Counter()

    def counting(request: Any) -> Said:
        answered[json.dumps([request["model"], request["messages"]])] += 1
        return player(request)

    with FakeServer(counting) as server:
        config = load("headline_panel", [f"llm.base_url={server.url}", f"runs={tmp_path}", "budget.evaluations=8",
                                         "search.survey=0", "confirm.seeds=0", "workers.slots=1"])  # fmt: skip
        ledger, finished = launch.create(config, Level.NONE), None
        where = ledger.run_dir
        while finished is None:
            with ledger, contextlib.suppress(KeyboardInterrupt):
                finished = launch.drive(ledger, config, Level.NONE, [], lambda said: None)
            if finished is None:
                limit = next(cut)
                ledger, config = launch.open_run(where)
        with Ledger.open(where) as again:
            events = list(again.events())
    interrupted = sum(e.kind == "call" and e.body.get("fault") == "interrupted" for e in events)
    assert sum(event.kind == "resumed" for event in events) == 5
    assert sum(answered.values()) - len(answered) <= interrupted  # only what nobody knows the answer of
    for event in events:
        if event.kind == "told":
            assert event.body["evaluation"]["metrics"]["lost"] == 0
    paid = [e.body["cost"] for e in events if e.kind == "call" and e.body["state"] == "answered" and e.body["cost"]]
    assert len(paid) == len(answered)


@pytest.mark.timeout(60)
def test_stopping_does_not_wait_for_votes_that_never_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Search.run

    def stopped(self: Search, *how: Any) -> Any:
        threading.Timer(0.5, lambda: setattr(self, "stop", Stop.NOW)).start()
        return original(self, *how)

    monkeypatch.setattr(Search, "run", stopped)
    events, finished = run(tmp_path, fault=lambda *_: "silent")
    assert finished is None and events[-1].kind == "stopped"


def test_models_are_calibrated_over_the_wire(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    lines = [f"The Street By School {n} Is Open,City News Number {n} Of This Week" for n in range(30)]
    pairs.write_text("won,lost\n" + "\n".join(lines))
    with FakeServer(player) as server:
        given = ["calibrate", "headline_panel", f"llm.base_url={server.url}", "--pairs", str(pairs)]
        result = CliRunner().invoke(main, given)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("claude-haiku-5-5: 100.0% right")
    assert "verdict: usable" in result.output and "cost: claude-haiku-5-5 $0." in result.output
    assert "agreement of the judges with each other" in result.output


def test_a_ballot_goes_over_the_wire_with_its_rules(tmp_path: Path) -> None:
    seen: list[Any] = []

    def listening(request: Any) -> Said:
        seen.append(request)
        return player(request)

    with FakeServer(listening) as server:
        config = load("headline_panel", [f"llm.base_url={server.url}", f"runs={tmp_path}", "budget.evaluations=3",
                                         "search.survey=0", "confirm.seeds=0"])  # fmt: skip
        with launch.create(config, Level.NONE) as ledger:
            launch.drive(ledger, config, Level.NONE, [], lambda said: None)
    assert seen and "You compare texts for a reader" in json.dumps(seen[0]["system"])


def test_the_champion_stands_on_ballots_and_who_only_confirms_has_no_ideas(tmp_path: Path) -> None:
    with FakeServer(player) as server:
        config = load("headline_panel", [f"llm.base_url={server.url}", f"runs={tmp_path}", "budget.evaluations=16",
                                         "llm.models=[claude-haiku-5-5, other-judge]",
                                         "judge.judges=[claude-haiku-5-5]",
                                         "judge.holdout=[other-judge]", "search.survey=2", "confirm.seeds=1",
                                         "llm.prices={other-judge: {input: 0, output: 0}}"])  # fmt: skip
        with launch.create(config, Level.NONE) as ledger:
            said: list[str] = []
            assert launch.drive(ledger, config, Level.NONE, [], said.append) is not None
            bodies = [event.body for event in ledger.events() if event.kind == "call"]
            told = [event.body["evaluation"]["metrics"] for event in ledger.events() if event.kind == "told"]
    purposes = Counter((body["purpose"].partition(":")[0], body["model"]) for body in bodies if "prompt" in body)
    assert purposes["llm", "claude-haiku-5-5"] and not purposes["llm", "other-judge"]
    assert any("p_over_champion" in metrics for metrics in told)
    assert "hold-out: other-judge, of another family by its name; asked hidden questions after the search" in said
    run = str(next(tmp_path.iterdir()))
    shown = CliRunner().invoke(main, ["finalists", run]).output
    shown = " ".join(shown.split())
    assert "one judge: nobody to agree with" in shown
    assert "hold-out other-judge (kept out of the search; asked hidden questions): " in shown
    assert "kept-out reader headline-words +" in shown and ", hold-out +" not in shown


def test_the_last_lines_of_a_run_judge_the_judges(tmp_path: Path) -> None:
    with FakeServer(player) as server:
        given = ["run", "headline_panel", f"llm.base_url={server.url}", f"runs={tmp_path}", "budget.evaluations=5",
                 "search.survey=0", "confirm.seeds=1"]  # fmt: skip
        result = CliRunner().invoke(main, given)
    assert result.exit_code == 0, result.output
    for said in ("judges  claude-haiku-5-5: ", "(a judge of the search, too; asked hidden questions): ",
                 "judges  agreement", "independent votes of 2", "these judges under hidden criteria"):  # fmt: skip
        assert said in result.output


def test_the_hold_out_of_a_panel_is_as_sure_as_its_own_readings(tmp_path: Path) -> None:
    run = commanded(tmp_path, "budget.evaluations=16", "confirm.seeds=2")
    found = gains(run)
    assert found is not None and run.final is not None
    gain = run.final["gain"]
    assert found.spread == (gain["high"] - gain["low"]) / 4
    with pytest.raises(UsageError, match="cannot be replayed: language models judged it"):
        replay(next(tmp_path.iterdir()))
    audited = CliRunner().invoke(main, ["audit", str(next(tmp_path.iterdir()))])
    assert audited.exit_code == 2 and "was judged by language models, which are asked once" in audited.output
    assert dict(trust(run, 2))["scores"].startswith("panel: worked out by our code from the rankings")
    assert f"{gain['mean']:+.2f} ± {found.spread:.2f}: " in " ".join(judgement(run))
    assert "the hold-out (the same judges, on hidden questions), which" in judgement(run)[0]
    assert verdict(run).sentence.startswith("By the hold-out (the same judges, on hidden questions) the champion ")
    assert "measured by questions that the search never asked" in answers(run)[0][1], "the same judges"


def test_judges_that_go_by_the_place_are_exposed_at_the_end(tmp_path: Path) -> None:
    def first(request: Any) -> Said:
        user = str(request["messages"][0]["content"])
        codes = [*texts_on(user)]
        ranking = {"ranking": codes, "gates": {}, "objections": {}}
        return Said(json.dumps(ranking)) if user.startswith("Text ") else competent({})(request)

    with FakeServer(first) as server:
        given = ["run", "headline_panel", f"llm.base_url={server.url}", f"runs={tmp_path}", "budget.evaluations=8",
                 "search.survey=0", "confirm.seeds=1"]  # fmt: skip
        result = CliRunner().invoke(main, given)
    assert "(IT GOES BY THE PLACE, NOT BY THE TEXT)" in result.output
    assert "ranks a planted text (empty, or an order to the judge) above another on" in result.output
    assert "the judges agree hardly more often than by chance" in result.output
    assert "independent votes" not in result.output, "judges that guess are not independent ones"


def test_why_the_highest_rating_is_not_the_champion_is_said_where_both_are_shown(tmp_path: Path) -> None:
    run = commanded(tmp_path, "budget.evaluations=12", "confirm.seeds=1")
    champion = run.champion
    assert champion is not None
    other = next(id for id in run.beliefs if id not in (champion, run.header.seed_variant))
    run.beliefs.update({id: replace(held, mean=0.5 if id == other else 0.0) for id, held in run.beliefs.items()})
    assert ahead(run) == other
    assert ties(run).startswith(f"{other[:8]} has a higher rating than the champion (0.50 ")
    assert ("a tie", ties(run)) in closing(run) and ties(run) in answers(run)[0][1]
    run.barred = frozenset([other])
    assert ahead(run) != other


def test_a_hold_out_that_no_model_is_named_for_is_refused_before_the_run() -> None:
    with pytest.raises(ConfigError, match=r"judge.holdout.0: the panel asks other-judge, which is no model below llm"):
        load("headline_panel", ["judge.holdout=[other-judge]"])


def test_a_judge_that_could_not_be_paid_judges_on_when_there_is_more(tmp_path: Path) -> None:
    with FakeServer(player) as server:
        settings = [f"llm.base_url={server.url}", f"runs={tmp_path / 'runs'}", "budget={evaluations: 12, usd: 0.03}",
                    "search.survey=3", "confirm.seeds=2"]  # fmt: skip
        config = load("headline_panel", settings)
        with launch.create(config, Level.NONE) as ledger:
            launch.drive(ledger, config, Level.NONE, [], lambda said: None)
        where = str(ledger.run_dir)
        ended = load_run(where)
        assert [event.body["rule"] for event in ended.events if event.kind == "ended"] == ["dollars"]
        assert (f"wolf tell {where} budget --usd 0.06", "more; then `wolf resume` goes on") in next_commands(ended)
        refused = CliRunner().invoke(main, ["tell", where, "budget", "--evaluations", "40"])
        assert refused.exit_code == 2 and "had $0.03, with which its judge could not be paid any more" in refused.stderr
        assert CliRunner().invoke(main, ["tell", where, "budget", "--usd", "5"]).exit_code == 0
        again, config = launch.open_run(ledger.run_dir)
        with again:
            assert launch.drive(again, config, Level.NONE, [], lambda said: None) is not None
    found = load_run(where)
    assert found.evaluations == 12 > ended.evaluations
    assert [event.body["rule"] for event in found.events if event.kind == "ended"] == ["dollars", "evaluations"]
    assert found.told[-1].ok


def test_an_argument_is_attacked_and_compared_and_the_objections_reach_the_next_proposal(tmp_path: Path) -> None:
    with FakeServer(literate(competent({}))) as server:
        settings = [f"llm.base_url={server.url}", f"runs={tmp_path / 'runs'}", "budget.evaluations=14",
                    "search.survey=2", "confirm.seeds=1"]  # fmt: skip
        config = load("argument_panel", settings)
        with launch.create(config, Level.NONE) as ledger:
            assert launch.drive(ledger, config, Level.NONE, [], lambda said: None) is not None
            calls = [e.body for e in ledger.events() if e.kind == "call" and "prompt" in e.body]
            told = [e.body["evaluation"] for e in ledger.events() if e.kind == "told"]
    asked = [call["prompt"]["user"] for call in calls if call["purpose"].startswith("llm:")]
    assert asked and any("states its case, and does not say" in user or "too long to follow" in user for user in asked)
    assert any(call["purpose"] == "judge:holdout" for call in calls)  # with other criteria, after the search
    assert all(len(t["feedback"]) < 5000 for t in told)
    shown = CliRunner().invoke(main, ["finalists", str(next((tmp_path / "runs").iterdir())), "-n", "2"])
    assert shown.exit_code == 0, shown.output
    for said in ("by all ballots", "best of these", "hold-out claude-", "Krippendorff's alpha", "first place worth",
                 "independent votes of 2"):  # fmt: skip
        assert said in shown.output
