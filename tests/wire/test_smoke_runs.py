"""Ideas are checked before they cost an evaluation, beside the evaluations; those that leave start expeditions."""

from __future__ import annotations

import pytest

from judges.cage import Level
from population.variant import Variant
from wolf import launch
from wolf.dev.server import FakeServer
from wolf.dev.wire import Said
from wolf.llm.smoking import SmokeRuns
from wolf.reading.proposals import operators
from wolf.search import Search, Stop
from wolf.settings.config import load

CHECK = """
def check(folder, seed):
    import time
    log = open(LOG, "a")
    space = {}
    exec((folder / "params.py").read_text(), space)
    log.write(str(space["X"]) + "\\n")
    log.close()
    time.sleep(WAIT)
    if space["X"] > 6:
        raise ValueError("X is beyond six, and there is no more room")
"""
ASKS = ("judge.smoke=judge.py:check", "search.surrogate=on", "llm.share=0.7")


@pytest.fixture
def checked(toy):
    def make(wait=0.0, text=CHECK):
        with (toy / "toy/judge.py").open("a") as judge:
            judge.write(text.replace("LOG", repr(str(toy / "smoked"))).replace("WAIT", str(wait)))
        return toy

    return make


def block(x):
    line = "X = 0.1  # knob: 1e-3 .. 1e3 log"
    return f"## Idea: X is {x}\n<<<<<<< SEARCH\n{line}\n=======\n{line.replace('0.1', str(x))}\n>>>>>>> REPLACE\n"


def whole(x):
    return f"## Idea: X is {x}\n```\nX = {x}  # knob: 1e-3 .. 1e3 log\nY = 0.3\nZ = 2.0\nSLOW = False\n```\n"


def player(request):
    """Two ideas that run (the same one twice, in another layout), two that do not; each prompt has its own."""
    user = request["messages"][0]["content"]
    number = 1 + len(user) % 97 / 50
    if "fails" in user and "Give one idea" in user:
        return Said(whole(round(number, 3)))
    return Said(whole(round(number, 3)) + whole(f"{round(number, 3)}  ") + whole(round(7 + number, 3)) + whole(
        round(8 + number, 3)).replace("SLOW", "import nothing_like_it\nSLOW"))  # fmt: skip


def bodies(events, kind):
    return [event.body for event in events if event.kind == kind]


def test_an_idea_that_cannot_run_costs_no_evaluation_and_is_repaired_once(checked, run):
    toy = checked()
    events, finished, log = run(toy, player, *ASKS)
    failed = {body["variant"]: body["feedback"] for body in bodies(events, "checked") if body["status"] != "ok"}
    assert any("no more room" in said for said in failed.values())
    assert any("nothing_like_it" in said for said in failed.values())
    assert not failed.keys() & {body["variant"] for body in bodies(events, "asked")}
    assert all(body["evaluation"]["status"] == "ok" for body in bodies(events, "told"))
    assert finished["evaluations"] == 30
    repairs = [body for body in bodies(events, "call") if body.get("purpose") == "llm:repair"]
    assert len({body["about"]["of"] for body in repairs}) == len(repairs) <= len(failed)
    assert any("no more room" in body["prompt"]["user"] for body in repairs)
    assert any("X is beyond six" in str(entry.body["messages"]) for entry in log)
    for body in bodies(events, "proposed"):
        if body["operator"] != "llm:repair" and body["variants"]:
            assert body["problems"] == ["idea 2 is none: it is idea 1 again"]
            assert len(body["variants"]) == 3
    for row in operators(events):
        if row.name == "llm:edit":
            assert row.valid <= row.proposals / 4  # of four, one is a copy and two do not run


def test_a_resumed_run_smokes_nothing_again_and_ends_like_one_that_was_not_stopped(checked, run, monkeypatch):
    toy = checked()
    plain, _, _ = run(toy, player, *ASKS)
    (toy / "smoked").unlink()
    original, count = Search._ask, iter(range(1000))

    def stopping(self, batch):
        original(self, batch)
        if batch and next(count) in (6, 9):
            self.stop = Stop.NOW

    monkeypatch.setattr(Search, "_ask", stopping)
    with FakeServer(player) as server:
        config = load(str(run.write(toy, server.url)), [f"runs={toy / 'cut'}", *ASKS])
        with launch.create(config, Level.NONE) as ledger:
            assert launch.drive(ledger, config, Level.NONE, [], lambda said: None) is None
            where = ledger.run_dir
        for _ in range(2):
            ledger, config = launch.open_run(where)
            with ledger:
                finished = launch.drive(ledger, config, Level.NONE, [], lambda said: None)
                events = list(ledger.events())
    assert finished is not None
    names = [body["variant"] for body in bodies(events, "checked")]
    assert len(names) == len(set(names)) > 4
    smoked = (toy / "smoked").read_text().split()
    assert len(smoked) <= len(names) + 2  # at most the one that was cut short, each time
    order = [body["variant"] for body in bodies(plain, "asked")]
    assert [body["variant"] for body in bodies(events, "asked")] == order


def test_evaluations_go_on_while_ideas_are_smoked(checked, run):
    toy = checked(wait=0.8)
    events, finished, _ = run(toy, player, *ASKS, "search.mode=steady", "budget.evaluations=60")
    assert finished["evaluations"] == 60
    since = {name: event.time for event in events if event.kind == "proposed" for name in event.body["variants"]}
    told = [event.time for event in events if event.kind == "told"]
    checked = [event for event in events if event.kind == "checked" and event.body["variant"] in since]
    during = [sum(since[event.body["variant"]] < time < event.time for time in told) for event in checked]
    assert sum(during) > len(during), "evaluations waited for smoke runs"


def test_a_seed_variant_that_fails_its_smoke_run_switches_them_off(checked, run):
    events, finished, _ = run(
        checked(text="\ndef check(folder, seed):\n    raise OSError('no such device')\n"), player, *ASKS
    )
    (only,) = bodies(events, "checked")
    assert only["variant"] == events[0].body["seed_variant"] and "no such device" in only["feedback"]
    assert any(body["origin"].startswith("llm:") for body in bodies(events, "asked"))
    assert finished["evaluations"] == 30


def leaving(request):
    """Has ideas near by, and where it is told to leave, one far away that is better."""
    user = request["messages"][0]["content"]
    return Said(whole(2.9).replace("0.3", "0.03")) if "The search is stuck" in user else Said("I have no idea.")


def test_a_model_that_knows_where_to_go_starts_expeditions(toy, run, monkeypatch):
    monkeypatch.setattr("wolf.strategy.escape.LADDER", ladder := {"kick": 0.01, "depart": 0.9})
    events, _, log = run(toy, leaving, "budget.evaluations=80", "search.departures=0", "search.surrogate=on")
    started = [body for body in bodies(events, "expedition") if body["state"] == "started"]
    assert ladder and "depart" in {body["kind"] for body in started}
    launches = [body for body in bodies(events, "asked") if body["launch"] and body["launch"][0] == "depart"]
    assert launches[0]["origin"] == "llm:depart" and launches[0]["purpose"] == "expedition"
    prompt = next(str(e.body["messages"]) for e in log if "The search is stuck" in str(e.body["messages"]))
    assert "What has been tried, best first" in prompt and "Where the search got stuck" in prompt
    ordinary = [body for body in bodies(events, "asked") if body["purpose"] == "hunt"]
    assert not any(body["origin"] == "llm:depart" for body in ordinary)


def test_without_a_model_no_expedition_departs(toy, run):
    path = run.write(toy, "http://127.0.0.1:9")
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("llm:")))
    config = load(str(path), [f"runs={toy / 'runs'}", "budget.evaluations=60", "search.surrogate=on"])
    with launch.create(config, Level.NONE) as ledger:
        launch.drive(ledger, config, Level.NONE, [], lambda said: None)
        kinds = {body["kind"] for body in bodies(list(ledger.events()), "expedition")}
    assert kinds and "depart" not in kinds


def test_smoke_runs_work_in_the_folder_of_their_run(tmp_path):
    """So that whoever goes on after a kill removes what they left."""
    seen = []

    class Watcher:
        def smoke_run(self, variant, context):
            seen.append(context.scratch)
            (context.scratch / "left").write_text("behind")

    with SmokeRuns(Watcher(), tmp_path, 0, Level.NONE, tmp_path) as smoking:
        assert smoking.submit(Variant({"a.py": "A = 1\n"})).result() is None
    assert [place.parent for place in seen] == [tmp_path] and not list(tmp_path.iterdir())
