"""The hold-out's alarm in a run: it turns the search back, asks or ends it, and is the same after a resume."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from population.evaluation import Evaluation, Goal
from wolf.control.inbox import post
from wolf.control.steering import CheckIns
from wolf.control.stopping import Rules
from wolf.search import Search
from wolf.store.events import Event
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Ask
from wolf.terms import Terms


@pytest.fixture
def captured(toy: Any, tmp_path: Path) -> Callable[..., tuple[Ledger, Search]]:
    """A run whose hold-out sees nothing of any gain, only that the text is not the first one."""
    bench = toy()

    def judge(ask: Ask) -> Future[Evaluation]:
        told, done = bench.judge(ask), Future()
        start = bench.judge(replace(ask, variant=bench.variant)).score
        if told.score is not None:
            same = min(told.score - start, 0.0) > -0.05  # as a loss: a small gain is believed, a large one is not
            hidden = -told.score if same else -start - 0.3
            done.set_result(structs.replace(told, metrics={"holdout": hidden, "holdout_error": 0.01}))
        else:
            done.set_result(told)
        return done

    def make(alarm: str = "go", ledger: Ledger | None = None, **how: Any) -> tuple[Ledger, Search]:
        ledger = ledger or Ledger.create(tmp_path / "run", {"seed_variant": bench.variant.id}, [bench.variant])
        strategy = bench.strategy("wolf", 0, 40, recall=ledger.variant)
        return ledger, Search(
            strategy, judge, ledger, Rules(40, goal=Goal.MINIMIZE, alarm=alarm),
            Terms(Goal.MINIMIZE, "loss", 0, bench.variant, 2, True, 0), **how,
        )  # fmt: skip

    return make


def of(ledger: Ledger, kind: str) -> list[dict[str, Any]]:
    return [dict(event.body) for event in ledger.events() if event.kind == kind]


def test_it_turns_back_to_where_both_agree_and_goes_on(captured: Any) -> None:
    ledger, search = captured()
    summary = search.run()
    alarms = of(ledger, "alarm")
    assert alarms and summary["evaluations"] == 40
    aside = {id for body in alarms for id in body["aside"]}
    assert alarms[0]["champion"] in aside and alarms[0]["back"] not in aside
    assert summary["champion"]["id"] not in aside
    asked = [
        e
        for e in ledger.events()
        if e.kind == "asked" and e.seq > max(a.seq for a in ledger.events() if a.kind == "alarm")
    ]
    assert not any(set(event.body["parents"]) & aside for event in asked), "they are parents no more"


def test_it_ends_the_search_where_that_is_wanted(captured: Any) -> None:
    ledger, search = captured("stop")
    summary = search.run()
    assert len(of(ledger, "alarm")) == 1 and summary["evaluations"] < 40
    assert of(ledger, "ended")[0]["rule"] == "alarm" and "hold-out" in summary["reason"]


def test_off_is_off(captured: Any) -> None:
    ledger, search = captured("off")
    assert search.run() is not None and not of(ledger, "alarm")


def test_with_check_ins_a_person_is_asked_about_it(captured: Any) -> None:
    ledger, search = captured(checks=CheckIns())

    def person(event: Event) -> None:
        if event.kind == "paused":
            post(ledger.run_dir, {"order": "finish"})

    search._observers = [person]
    summary = search.run()
    (checkin,), (alarm,) = of(ledger, "checkin"), of(ledger, "alarm")
    assert checkin["why"] == alarm["reason"] and summary["reason"] == "you said that it is good enough"


def test_what_people_voted_is_no_gain_that_a_hold_out_must_see(captured: Any) -> None:
    _, search = captured("off")
    search.run()
    population, watch = search._strategy.population, search._watch
    before = {id: watch._look(id) for id in watch._holdout}
    population.sway({id: -50.0 for id in before if id != search._terms.seed_variant.id})
    assert {id: watch._look(id) for id in before} == before and len(before) > 1


def test_the_same_ledger_gives_the_same_state(captured: Any) -> None:
    ledger, search = captured()
    search.run()
    _, again = captured(ledger=ledger)
    again._restore()
    first, second = search._strategy.population, again._strategy.population
    assert (first.incumbent, first.pool) == (second.incumbent, second.pool)
    assert [id for id in first if first.barred(id)] == [id for id in second if second.barred(id)] != []
