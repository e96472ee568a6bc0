"""A finished run is opened again: it goes on from where it was, and its next end reads seeds that nobody has seen."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from population.evaluation import Evaluation, Goal
from wolf.commands import audit
from wolf.control.inbox import post
from wolf.control.stopping import Rules
from wolf.reading.lines import tell
from wolf.reading.records import Run
from wolf.reading.reopening import objection
from wolf.reading.verdict import history, verdict
from wolf.report.story import answers
from wolf.search import Search
from wolf.store.events import Event
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Ask
from wolf.terms import Terms

_COUNT = itertools.count()
REPOSITORY = Path(__file__).parents[2]
INCIDENTAL = ("resumed", "evaluated")
HEADER = {
    "name": "toy", "strategy": "wolf", "seed": 0, "slots": 2, "judge": "function", "metric": "loss", "goal": "minimize",
    "version": "0.1.0", "config": {"budget": {"evaluations": 20}},
}  # fmt: skip


class Bench:
    """A toy run of 20 evaluations that goes on to 35 after its end."""

    def __init__(self, toy: Any, folder: Path, *, mode: str = "cohort", rules: Rules | None = None) -> None:
        self.toy, self.folder, self.mode, self.rules = toy, folder, mode, rules or Rules(20)
        self.commits: list[int] = []  # seq of the last event of each transaction
        self.strange = 0.0  # what is added to every confirmation

    def create(self) -> Ledger:
        header = {**HEADER, "seed_variant": self.toy.variant.id}
        return Ledger.create(self.folder / str(next(_COUNT)), header, [self.toy.variant])

    def submit(self, ask: Ask) -> Future[Evaluation]:
        done: Future[Evaluation] = Future()
        told = self.toy.judge(ask)
        if ask.purpose == "confirm" and told.score is not None:
            told = structs.replace(told, score=told.score + self.strange)
        done.set_result(told)
        return done

    def search(self, ledger: Ledger, strategy: str = "wolf") -> Search:
        append = type(ledger).append.__get__(ledger)

        def committing(*records: Any) -> list[Event]:
            events: list[Event] = append(*records)
            self.commits += [events[-1].seq] if events else []
            return events

        ledger.append = committing  # type: ignore[method-assign]
        planned = self.toy.strategy(strategy, 0, self.rules.evaluations, recall=ledger.variant)
        terms = Terms(Goal.MINIMIZE, "loss", 0, self.toy.variant, 2, self.mode == "cohort", 2)
        return Search(planned, self.submit, ledger, self.rules, terms)

    def ended(self) -> Ledger:
        ledger = self.create()
        assert self.search(ledger).run() is not None
        return ledger

    def again(self, ledger: Ledger, **limits: float) -> Ledger:
        post(ledger.run_dir, {"order": "budget", **(limits or {"evaluations": 35})})
        assert self.search(ledger).run() is not None
        return ledger


@pytest.fixture
def bench(toy: Any, folder: Path) -> Callable[..., Bench]:
    return lambda **how: Bench(toy(noise=0.05), folder, **how)


def of(ledger: Ledger, kind: str) -> list[dict[str, Any]]:
    return [dict(event.body) for event in ledger.events() if event.kind == kind]


def trajectory(ledger: Ledger) -> list[tuple[str, dict[str, Any]]]:
    """What was found, without what differs from session to session."""
    clock = ("run", "seconds", "orders", "id", "stamp")
    return [
        (event.kind, {k: v for k, v in event.body.items() if event.kind == "variant" or k not in clock})
        for event in ledger.events()
        if event.kind not in INCIDENTAL
    ]


def truncated(bench: Bench, ledger: Ledger, seq: int) -> Ledger:
    """A new ledger with the first events of another, and in its inbox what was not read by then."""
    copy = bench.create()
    for event in list(ledger.events()):
        if 2 < event.seq <= seq:
            made = [ledger.variant(event.body["id"])] if event.kind == "variant" else []
            copy.append([] if made else [(event.kind, event.body)], made)
    return copy


@pytest.mark.parametrize("mode", ["cohort", "steady"])
def test_it_goes_on_with_its_population_and_confirms_on_seeds_that_nobody_has_read(bench: Any, mode: str) -> None:
    one = bench(mode=mode)
    ledger = one.ended()
    first = trajectory(ledger)
    one.again(ledger)
    assert trajectory(ledger)[: len(first)] == first, "what was is as it was"
    asked = of(ledger, "asked")
    assert [ask["ordinal"] for ask in asked] == [*range(len(asked))]
    assert sum(ask["purpose"] != "confirm" for ask in asked) == 35
    assert sum(ask["purpose"] == "baseline" for ask in asked) == 3, "nothing is begun anew"
    seeds = {ask["seed"] for ask in asked if ask["purpose"] != "confirm"}
    fresh = [{ask["seed"] for ask in asked if ask["purpose"] == "confirm" and start <= ask["ordinal"] < start + 4}
             for start in (20, 20 + 4 + 15)]  # fmt: skip
    assert [len(some) for some in fresh] == [2, 2] and not fresh[0] & fresh[1] and not seeds & (fresh[0] | fresh[1])
    assert of(ledger, "reopened") == [{"end": 1, "evaluations": 20}]
    begun, last = of(ledger, "finished")
    assert (begun["evaluations"], last["evaluations"]) == (20, 35)
    readings = [body["evaluation"] for body in of(ledger, "told") if body["ordinal"] >= 39]
    mine = [one["score"] for one in readings if one["seed"] in fresh[1]]
    both = [last[side]["fresh"] for side in ("champion", "seed")]
    assert sum(side["mean"] * side["n"] for side in both) == pytest.approx(sum(mine)), "of these readings and no other"


def test_what_the_first_end_read_does_not_steer_what_comes_after(bench: Any) -> None:
    plain, odd = bench(), bench()
    odd.strange = 100.0
    found = []
    for one in (plain, odd):
        ledger = one.ended()
        one.strange = 0.0
        one.again(ledger)
        found.append([(kind, body) for kind, body in trajectory(ledger) if kind in ("asked", "crowned", "steered")])
        last = of(ledger, "finished")[-1]
        found.append({key: last[key] for key in ("champion", "seed", "gain", "curse", "noise")})
    assert found[:2] == found[2:]


def test_killed_at_any_event_after_its_end_it_decides_the_same(bench: Any) -> None:
    one = bench()
    ledger = one.ended()
    end = ledger.last.seq
    one.again(ledger)
    whole = trajectory(ledger)
    heard = next(event.seq for event in ledger.events() if event.kind == "intervention")
    for seq in [cut for cut in dict.fromkeys(one.commits) if cut >= end]:
        copy = truncated(one, ledger, seq)
        if seq == ledger.last.seq:
            assert copy.finished
            continue
        if seq < heard:
            post(copy.run_dir, {"order": "budget", "evaluations": 35})
        assert one.search(copy).run() is not None
        assert trajectory(copy) == whole, f"killed after event {seq}"


def test_a_second_and_a_third_time(bench: Any) -> None:
    one = bench()
    ledger = one.ended()
    for many in (30, 45):
        one.again(ledger, evaluations=many)
    assert [body["evaluations"] for body in of(ledger, "finished")] == [20, 30, 45]
    fresh = [ask["seed"] for ask in of(ledger, "asked") if ask["purpose"] == "confirm"]
    assert len(set(fresh)) == 6
    run = Run.of(ledger.events(), path=ledger.run_dir)
    assert len(run.ends) == 3 and run.final == run.ends[2]
    assert {told.seed for told in run.confirmations(run.champion)} == {*fresh[-4:]}
    assert {told.seed for told in audit.readings(run, 9)} == {*fresh[-4:]}


@pytest.mark.parametrize("rule", ["target", "plateau", "person"])
def test_what_ended_it_is_no_reason_to_end_at_once_again(bench: Any, rule: str) -> None:
    limits = {"target": {"target": 3.0}, "plateau": {"plateau": 1}, "person": {}}[rule]
    one = bench(rules=Rules(60, **limits))
    ledger = one.create()
    search = one.search(ledger, "greedy" if rule == "plateau" else "wolf")
    search.steering.finish = rule == "person"
    assert search.run() is not None
    (ended,) = of(ledger, "ended")
    before = of(ledger, "finished")[0]["evaluations"]
    assert ended["rule"] == rule and before < 40
    post(ledger.run_dir, {"order": "budget", "evaluations": 50})
    assert one.search(ledger, "greedy" if rule == "plateau" else "wolf").run() is not None
    last = of(ledger, "ended")[1]
    evaluations = of(ledger, "finished")[1]["evaluations"]
    assert evaluations > before
    assert (last["rule"], evaluations) == ("evaluations", 50) if rule != "plateau" else last["rule"] == rule


def test_the_endgame_is_that_of_the_new_budget(bench: Any) -> None:
    """The strategy counts in ordinals, and the confirmations had some."""
    one = bench()
    ledger = one.ended()
    planned: list[Any] = []
    post(ledger.run_dir, {"order": "budget", "evaluations": 35})
    search = one.search(ledger)
    search._strategy.replan = lambda *budgets: planned.append(budgets)  # type: ignore[method-assign]
    assert search.run() is not None
    assert planned == [(35 + 4, None, None)]


def test_hours_count_the_work_of_all_sessions_and_not_the_nights_between(bench: Any) -> None:
    one = bench(rules=Rules(20, seconds=3600.0))
    ledger = one.ended()
    events = [structs.replace(event, time=1000.0 + event.seq) for event in ledger.events()]
    again = [Event(len(events) + 1, 90_000.0, "resumed", {"ordinal": 24, "sandbox": "none"}),
             Event(len(events) + 2, 90_000.0, "reopened", {"end": 1, "evaluations": 20})]  # fmt: skip
    run = Run.of([*events, *again])
    assert run.seconds == len(events) - 1
    assert run.final is None and run.status == "killed" and not run.reason
    search = one.search(ledger)
    for event in [*events, *again]:
        search._pace.seen(event)
    assert search._pace._clock.seconds < 3600


def test_the_claim_is_the_last_ends_and_the_first_is_history(bench: Any) -> None:
    one = bench()
    one.strange = 0.25
    ledger = one.ended()
    finished = Run.of(ledger.events(), path=ledger.run_dir)
    assert history(finished) == "" and "wolf tell" in "\n".join(tell(finished, finished.events[-1], None))
    one.strange = 0.0
    one.again(ledger)
    events = [*ledger.events()]
    opened = next(event for event in events if event.kind == "reopened")
    going = Run.of([event for event in events if event.seq <= opened.seq], path=ledger.run_dir, locked=True)
    assert going.status == "running" and not verdict(going).fresh
    assert history(going).startswith("This run was opened again: end 1 after 20 evaluations confirmed a gain of ")
    assert tell(going, opened, None) == ["opened again after end 1; its champion will be confirmed anew"]
    run = Run.of(events, path=ledger.run_dir)
    said, gain = verdict(run), of(ledger, "finished")[1]["gain"]
    assert run.status == "finished" and said.fresh and said.gain is not None and said.gain.mean == gain["mean"]
    assert history(run).startswith("This is end 2 of this run: end 1 after 20 evaluations confirmed a gain of ")
    assert history(run).endswith("at least one of 2 such 95% intervals misses the truth in up to 10 of 100 runs.")
    assert history(run) in dict(answers(run))["Is it real?"]
    assert any(history(run)[:40] in text for text in tell(run, events[-1], None))


def test_it_needs_more_than_it_has_used(bench: Any) -> None:
    run = Run.of(bench().ended().events(), path=Path("runs/x"))
    assert "`wolf tell runs/x budget --evaluations 40` (in all)" in objection(run, {})
    assert "has used 20 evaluations" in objection(run, {"evaluations": 20})
    assert "has used 20 evaluations" in objection(run, {"hours": 9})
    assert "has worked for" in objection(run, {"evaluations": 30, "hours": 1e-9})
    assert objection(run, {"evaluations": 21}) == objection(run, {"evaluations": 21, "hours": 9}) == ""


def wolf(folder: Path, *words: str) -> tuple[int, str, str]:
    """The command in a process of its own."""
    env = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "wolf", *words], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_person_who_wakes_up_gives_it_more(tmp_path: Path) -> None:
    settings = ["budget.evaluations=8", "search.surrogate=off", "confirm.seeds=2"]
    assert wolf(tmp_path, "run", "knobs", *settings)[0] == 0
    (run,) = (tmp_path / "runs").iterdir()
    name = f"runs/{run.name}"
    code, _, err = wolf(tmp_path, "resume", name)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{name} is finished" in err and f"`wolf tell {name} budget --evaluations 16`" in err
    code, _, err = wolf(tmp_path, "tell", name, "budget", "--evaluations", "8")
    assert code == 2 and "has used 8 evaluations" in err
    code, out, _ = wolf(tmp_path, "tell", name, "budget", "--evaluations", "14")
    assert (code, out) == (0, f"{name} is finished: `wolf resume {name}` goes on from there\n")
    code, out, err = wolf(tmp_path, "resume", name, "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0, err
    assert [event["event"] for event in events[:4]] == ["resumed", "reopened", "intervention", "steered"]
    assert events[-1]["event"] == "finished" and events[-1]["evaluations"] == 14
    code, out, _ = wolf(tmp_path, "runs", "--json")
    row = json.loads(out)
    assert (row["status"], row["evaluations"]) == ("finished", 14)
    assert wolf(tmp_path, "dev", "replay", name)[0] == 0
    assert wolf(tmp_path, "audit", name)[1].endswith("the champion holds\n")
    assert wolf(tmp_path, "report", name)[0] == 0
    assert "This is end 2 of this run" in (run / "report.html").read_text()
    assert wolf(tmp_path, "export", name, "--format", "git", "-o", "line")[0] == 0
    code, _, err = wolf(tmp_path, "resume", name)
    assert code == 2 and "is finished" in err, "one budget opens it once"


def test_a_comparison_takes_no_run_that_was_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["--strategies", "random,greedy", "--seeds", "2", "--evaluations", "4", "confirm.seeds=0", "--out", "out"]
    assert wolf(tmp_path, "compare", "knobs", *small)[0] == 0
    run = tmp_path / "out" / "random" / "seed-0"
    post(run, {"order": "budget", "evaluations": 6})
    assert wolf(tmp_path, "resume", str(run))[0] == 0
    code, _, err = wolf(tmp_path, "compare", "knobs", *small)
    assert code == 2 and "was opened again after its end" in err
