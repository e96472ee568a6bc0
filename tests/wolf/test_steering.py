"""The person in the loop, inside one process: what is ordered is written, obeyed, and still known after a resume."""

from __future__ import annotations

import itertools
import json
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from population.evaluation import Evaluation, Goal
from wolf.control.form import FORM, Form
from wolf.control.inbox import INBOX, Letter, post
from wolf.control.steering import Able, CheckIns
from wolf.control.stopping import Rules
from wolf.search import Search
from wolf.store.events import Event
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Ask
from wolf.terms import Terms

INCIDENTAL = ("resumed", "stopped", "evaluated", "intervention", "refused", "paused", "continued", "ended")
Orders = Mapping[int, list[dict[str, Any]]]  # ordinal that is told -> what a person orders then


class Desk:
    """A run of the toy, and a person who orders when certain evaluations are told."""

    def __init__(
        self, toy: Any, folder: Path, *, slots: int = 2, mode: Any = "cohort", evaluations: int | None = 30,
        strategy: str = "wolf", able: Able | None = None, checks: CheckIns | None = None, **rules: Any,
    ) -> None:  # fmt: skip
        self.toy, self.folder, self.slots, self.mode, self.strategy = toy, folder, slots, mode, strategy
        self.rules = Rules(evaluations, **rules)
        self.able, self.checks = able or Able(cohort=mode == "cohort"), checks
        self.count = itertools.count()
        self.pool = ThreadPoolExecutor(slots)
        self.commits: list[int] = []  # seq of the last event of each transaction

    def create(self) -> Ledger:
        return Ledger.create(
            self.folder / str(next(self.count)), {"seed_variant": self.toy.variant.id}, [self.toy.variant]
        )

    def submit(self, ask: Ask) -> Future[Evaluation]:
        """Judged in another thread, after a while that nobody can foresee."""

        def judge() -> Evaluation:
            time.sleep(random.uniform(0, 0.004))
            evaluation: Evaluation = self.toy.judge(ask)
            return evaluation

        return self.pool.submit(judge)

    def search(self, ledger: Ledger, orders: Orders | None = None, seen: list[Event] | None = None) -> Search:
        def person(event: Event) -> None:
            if seen is not None:
                seen.append(event)
            if event.kind == "told":
                for order in (orders or {}).get(event.body["ordinal"], ()):
                    post(ledger.run_dir, order)

        append = ledger.append

        def committing(*records: Any) -> list[Event]:
            events = append(*records)
            self.commits += [events[-1].seq] if events else []
            return events

        ledger.append = committing  # type: ignore[method-assign]
        strategy = self.toy.strategy(self.strategy, 0, self.rules.evaluations, recall=ledger.variant)
        return Search(
            strategy, self.submit, ledger, self.rules,
            Terms(Goal.MINIMIZE, "loss", 0, self.toy.variant, self.slots, self.mode == "cohort", 1),
            observers=[person], able=self.able, checks=self.checks,
        )  # fmt: skip

    def run(self, orders: Orders | None = None) -> Ledger:
        ledger = self.create()
        assert self.search(ledger, orders).run() is not None
        return ledger


def of(ledger: Ledger, kind: str) -> list[dict[str, Any]]:
    return [dict(event.body) for event in ledger.events() if event.kind == kind]


def trajectory(ledger: Ledger) -> list[tuple[str, dict[str, Any]]]:
    """What was found, without what differs from session to session."""
    clock = ("run", "seconds", "orders")
    return [
        (event.kind, {k: v for k, v in event.body.items() if k not in clock})
        for event in ledger.events()
        if event.kind not in INCIDENTAL
    ]


def mine(toy: Any, rate: float) -> dict[str, Any]:
    text = toy.text.replace("RATE = 3e-2", f"RATE = {rate}")
    return {"order": "inject", "files": {"toy.py": text}, "note": "my own"}


def busy(toy: Any) -> Orders:
    """Orders at the ends of batches of two and of three, where `best` is the same whatever is done first."""
    return {
        5: [{"order": "pause"}, {"order": "pin", "variant": "seed"}, {"order": "go"}],
        11: [{"order": "veto", "variant": "best"}, mine(toy, 0.0041)],
        17: [{"order": "veto", "variant": "best", "alone": True}, {"order": "budget", "evaluations": 36}],
        23: [{"order": "free", "variant": "seed"}, {"order": "nonsense"}],
    }


@pytest.fixture
def desk(toy: Any, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """In memory where there is such a place: many ledgers, each of whose commits waits for the disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path
    count = itertools.count()
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield lambda **how: Desk(toy(noise=how.pop("noise", 0.05)), Path(folder, f"desk{next(count)}"), **how)


# What orders do


def test_what_is_vetoed_never_is_a_parent_the_champion_or_found_again_in_its_line(desk: Any) -> None:
    bench = desk()
    ledger = bench.run({11: [{"order": "veto", "variant": "best"}]})
    (order,) = of(ledger, "intervention")
    vetoed = order["variant"]
    (steered,) = of(ledger, "steered")
    assert vetoed in steered["barred"] and steered["champion"]["id"] not in steered["barred"]
    assert [dict(e.body)["order"] for e in ledger.events() if e.kind == "intervention"] == ["veto"]
    seqs = {e.kind: e.seq for e in ledger.events() if e.kind in ("intervention", "steered")}
    assert seqs["intervention"] < seqs["steered"], "written down before it takes effect"
    line = {vetoed}
    for event in ledger.events():
        if event.kind == "variant" and set(event.body["parents"]) & line:
            line.add(event.body["id"])
            assert event.seq < seqs["steered"], "nothing new descends from it"
        if event.kind == "told" and event.seq > seqs["steered"]:
            assert event.body["champion"]["id"] not in line
        if event.kind == "crowned" and event.seq > seqs["steered"]:
            assert event.body["variant"] not in line
    assert of(ledger, "finished")[0]["champion"]["id"] not in line


@pytest.mark.parametrize("strategy", ["greedy", "anneal", "restart"])
def test_a_walk_leaves_what_is_vetoed(desk: Any, strategy: str) -> None:
    bench = desk(strategy=strategy, slots=1)
    ledger = bench.run({17: [{"order": "veto", "variant": "best"}]})
    barred = set(of(ledger, "steered")[0]["barred"])
    later = [body for body in of(ledger, "asked") if body["ordinal"] > 18 and body["purpose"] != "confirm"]
    assert later and not any(set(body["parents"]) & barred for body in later)
    assert of(ledger, "finished")[0]["champion"]["id"] not in barred


def test_a_persons_variant_is_evaluated_next_and_counted(desk: Any) -> None:
    bench = desk(slots=2)
    ledger = bench.run({7: [mine(bench.toy, 0.0041)]})
    (order,) = of(ledger, "intervention")
    told = [body for body in of(ledger, "told") if body["purpose"] == "person"]
    assert [(body["ordinal"], body["variant"]) for body in told] == [(8, order["variant"])]
    assert "RATE = 0.0041" in ledger.variant(order["variant"]).files["toy.py"]
    assert of(ledger, "finished")[0]["evaluations"] == 30, "it is one of them"


def test_what_is_pinned_gets_children(desk: Any) -> None:
    bench = desk(evaluations=60, slots=1)
    plain = bench.run()
    losers = [body["variant"] for body in of(plain, "told") if body["ordinal"] < 10]
    worst = losers[-1]
    ledger = bench.run({10: [{"order": "pin", "variant": worst}]})
    children = [body for body in of(ledger, "asked") if worst in body["parents"] and body["ordinal"] > 11]
    before = [body for body in of(plain, "asked") if worst in body["parents"] and body["ordinal"] > 11]
    assert len(children) > len(before)


def test_a_budget_can_be_changed_while_a_run_goes_on(desk: Any) -> None:
    bench = desk(slots=2, noise=0.0)
    for many in (41, 30, 14, 5):
        ledger = bench.run({9: [{"order": "budget", "evaluations": many}]})
        summary = of(ledger, "finished")[0]
        assert summary["evaluations"] == max(many, 10), "what is spent is spent"
        assert summary["reason"] == f"the budget of {many} evaluations is spent"
    assert of(ledger, "intervention")[0]["evaluations"] == 10, "how many had been told, not what was ordered"


def test_who_plans_with_a_budget_plans_with_the_new_one(desk: Any) -> None:
    """Annealing is as cold at the end of one budget as at that of another."""
    planned = desk(strategy="anneal", slots=1, evaluations=200).run()
    raised = desk(strategy="anneal", slots=1, evaluations=30).run({0: [{"order": "budget", "evaluations": 200}]})
    hasty = desk(strategy="anneal", slots=1, evaluations=30).run()
    asked = [[body["variant"] for body in of(ledger, "asked")] for ledger in (planned, raised, hasty)]
    assert asked[0] == asked[1] and asked[0][:30] != asked[2][:30]


def test_hours_can_be_added_and_what_is_not_named_stays(desk: Any) -> None:
    ledger = desk(evaluations=40, seconds=0.03).run({0: [{"order": "budget", "hours": 1}]})
    summary = of(ledger, "finished")[0]
    assert (summary["evaluations"], summary["reason"]) == (40, "the budget of 40 evaluations is spent")


def later(when: Callable[[], bool], then: Callable[[], Any]) -> threading.Thread:
    """Somebody who waits for something, and then does something."""

    def wait() -> None:
        while not when():
            time.sleep(0.01)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_pause_stands_still_and_its_time_does_not_count(desk: Any) -> None:
    bench = desk(evaluations=None, seconds=1.0)
    ledger, seen = bench.create(), []
    asked: list[int] = []

    def count() -> None:
        for _ in range(2):
            asked.append(sum(event.kind == "asked" for event in seen))
            time.sleep(1.5)
        post(ledger.run_dir, {"order": "go"})

    person = later(lambda: any(event.kind == "paused" for event in list(seen)), count)
    began = time.monotonic()
    assert bench.search(ledger, {5: [{"order": "pause"}]}, seen).run() is not None
    person.join()
    assert asked[0] == asked[1] and time.monotonic() - began > 3.9
    assert 0.9 < of(ledger, "finished")[0]["seconds"] <= time.monotonic() - began - 2.9  # it stood still for 3
    assert [event.kind for event in seen if event.kind in ("paused", "continued")] == ["paused", "continued"]


def test_an_order_is_obeyed_within_half_a_second(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = desk(slots=1)
    ledger, seen, posted, waited = bench.create(), [], [], []

    def waiting(futures: Any, timeout: float, **how: Any) -> Any:
        waited.append((time.monotonic(), timeout))
        return wait(futures, timeout, **how)

    monkeypatch.setattr("wolf.flight.wait", waiting)
    monkeypatch.setattr(bench, "submit", lambda ask: Future())  # nobody ever answers
    search = bench.search(ledger, None, seen)
    post_it = lambda: (post(ledger.run_dir, {"order": "stop", "now": True}), posted.append(time.monotonic()))  # noqa: E731
    person = later(lambda: len(waited) > 2, post_it)
    assert search.run() is None
    person.join()
    after = [seconds for begun, seconds in waited if begun > posted[0]]
    assert len(after) <= 1 and max(seconds for _, seconds in waited) <= 0.25, "it looks once more, and then it stops"
    assert seen[-1].kind == "stopped" and seen[-1].body["signal"] is None


def test_good_enough_is_confirmed_at_once(desk: Any) -> None:
    ledger = desk().run({9: [{"order": "finish"}]})
    summary = of(ledger, "finished")[0]
    assert summary["reason"] == "you said that it is good enough" and summary["evaluations"] < 14
    assert [body["purpose"] for body in of(ledger, "told")][-2:] == ["confirm"] * 2 or summary["champion"] == summary[
        "seed"
    ]


def test_what_has_just_been_ordered_can_be_taken_back(desk: Any) -> None:
    bench = desk(evaluations=12)
    plain = bench.run()
    for order in ("veto", "pin"):
        taken = [{"order": order, "variant": "best"}, {"order": "free", "variant": "best"}]
        ledger = bench.run({11: taken})
        assert not of(ledger, "refused") and [told["order"] for told in of(ledger, "intervention")] == [order, "free"]
        (steered,) = of(ledger, "steered")
        assert (steered["barred"], steered["pinned"]) == ([], [])
        assert steered["champion"]["id"] == of(plain, "finished")[0]["champion"]["id"]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"order": "veto", "variant": "zzz"}, "`zzz` is no variant of this run"),
        ({"order": "veto", "variant": "seed"}, "the seed cannot be vetoed"),
        ({"order": "pin", "variant": "ffff"}, "is no variant"),
        ({"order": "free", "variant": "best"}, "is neither vetoed nor pinned"),
        ({"order": "memo", "text": "be bold"}, "nobody would read the memo"),
        ({"order": "instruction", "text": "be bold"}, "nobody would read the instruction"),
        ({"order": "vote", "better": "best", "worse": "seed"}, "here the judge measures"),
        ({"order": "inject", "files": {"other.py": "x"}}, "'other.py' is no file of the target"),
        ({"order": "inject", "files": {"toy.py": "\ud800"}}, "unable to parse"),
        (
            {"order": "inject", "files": {"toy.py": "RATE = (\n"}},
            "toy.py does not parse: line 1: '(' was never closed; correct",
        ),
        ({"order": "go", "checkin": 3}, "check-in 3 is not open"),
        ({"order": "answer", "checkin": 3, "orders": [{"order": "dance"}]}, "'dance' is no order"),
        ({"order": "dance"}, "'dance' is no order"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_in_one_sentence_and_changes_nothing(desk: Any, order: Any, said: str) -> None:
    bench = desk(evaluations=12)
    plain, ledger = bench.run(), bench.run({5: [order]})
    (refused,) = of(ledger, "refused")
    assert said in refused["reason"] and "\n" not in refused["reason"]
    assert trajectory(ledger) == trajectory(plain)
    assert not list((ledger.run_dir / INBOX).iterdir())


def test_the_same_variant_is_not_put_in_twice(desk: Any) -> None:
    bench = desk()
    ledger = bench.run({5: [mine(bench.toy, 0.0041)], 11: [mine(bench.toy, 0.0041)]})
    assert "which this run has already; pin it instead" in of(ledger, "refused")[0]["reason"]


def test_when_the_search_is_over_only_what_still_matters_is_obeyed(desk: Any) -> None:
    bench = desk(evaluations=20)
    late = [mine(bench.toy, 0.0041), {"order": "budget", "evaluations": 99}]
    ledger = bench.run({20: [*late, {"order": "veto", "variant": "best"}]})
    assert ["comes too late" in body["reason"] for body in of(ledger, "refused")] == [True, True]
    assert of(ledger, "refused")[1]["reason"].endswith("; order it again when that is done")
    vetoed = of(ledger, "intervention")[0]["variant"]
    summary = of(ledger, "finished")[0]
    assert summary["champion"]["id"] != vetoed
    assert summary["champion"]["fresh"]["n"] == 1, "whoever is champion instead is confirmed"


# Always the same


@pytest.mark.parametrize("slots", [1, 3])
def test_the_same_orders_at_the_same_evaluations_give_the_same_trajectory(desk: Any, slots: int) -> None:
    bench = desk(slots=slots)
    first, second = bench.run(busy(bench.toy)), bench.run(busy(bench.toy))
    assert trajectory(first) == trajectory(second) != trajectory(bench.run())
    assert [body["order"] for body in of(first, "intervention")] == [
        "pause", "pin", "go", "veto", "inject", "veto", "budget", "free",
    ]  # fmt: skip
    assert len(of(first, "refused")) == 1


@pytest.mark.parametrize("mode", ["cohort", "steady"])
def test_resumed_from_any_cut_it_knows_every_order(desk: Any, mode: str) -> None:
    """As after `kill -9`: the ledger has a beginning of the events, the inbox what was not removed in time."""
    bench = desk(slots=2 if mode == "cohort" else 1, mode=mode, evaluations=26)
    orders = busy(bench.toy)
    ledger = bench.run(orders)
    events, cuts = list(ledger.events()), bench.commits[:-1:3]
    for cut in cuts:
        copy = bench.create()
        for event in events[2:cut]:
            if event.kind == "variant":
                copy.append([], [ledger.variant(event.body["id"])])
            else:
                copy.append([(event.kind, event.body)])
        told = {body["ordinal"] for body in of(copy, "told")}
        written = len(of(copy, "intervention")) + len(of(copy, "refused"))
        given = [order for n in sorted(orders) if n in told for order in orders[n]]
        for order in given[written:]:  # posted before the kill, not yet read
            post(copy.run_dir, order)
        assert bench.search(copy, orders).run() is not None
        said = [[step for step in trajectory(run) if step[0] != "steered"] for run in (copy, ledger)]
        assert said[0] == said[1], f"cut at {cut}"
        for key in ("barred", "pinned"):  # orders that take effect together may be told of one by one after a kill
            assert of(copy, "steered")[-1][key] == of(ledger, "steered")[-1][key], f"cut at {cut}"
        copy.close()


def test_a_file_that_the_kill_left_is_not_obeyed_twice(desk: Any) -> None:
    bench = desk(evaluations=16)
    ledger = bench.create()
    letter = ledger.run_dir / INBOX / "mine.json"
    letter.parent.mkdir()
    letter.write_text(json.dumps(mine(bench.toy, 0.0041)))
    search = bench.search(ledger)

    def killed(letter: Letter) -> None:
        raise RuntimeError("kill -9 between the record and the effect's end")

    search.steering._inbox.discard = killed  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        search.run()
    assert letter.exists() and len(of(ledger, "intervention")) == 1
    assert bench.search(ledger).run() is not None
    assert len(of(ledger, "intervention")) == 1 and not letter.exists()
    assert len([body for body in of(ledger, "told") if body["purpose"] == "person"]) == 1


def test_a_paused_run_is_paused_still_after_a_resume(desk: Any) -> None:
    bench = desk(evaluations=16)
    ledger, seen = bench.create(), []
    search = bench.search(ledger, {5: [{"order": "pause"}]}, seen)
    later(lambda: any(e.kind == "paused" for e in list(seen)), lambda: post(ledger.run_dir, {"order": "stop"}))
    assert search.run() is None
    asked, stood = len(of(ledger, "asked")), []
    began = time.monotonic()
    later(
        lambda: time.monotonic() > began + 0.6, lambda: (stood.append(len(seen)), post(ledger.run_dir, {"order": "go"}))
    )
    assert bench.search(ledger, None, seen).run() is not None
    assert sum(event.kind == "asked" for event in seen[: stood[0]]) == asked < 10
    assert len(of(ledger, "paused")) == len(of(ledger, "continued")) == 1


# Check-ins


def answering(ledger: Ledger, seen: list[Event], answers: list[Callable[[], Any]]) -> threading.Thread:
    """A person who answers one check-in after the other."""

    def answer() -> None:
        for number, reply in enumerate(answers, 1):
            while sum(event.kind == "paused" for event in list(seen)) < number:
                time.sleep(0.01)
            reply()

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return thread


def test_a_check_in_asks_and_goes_on_when_it_is_answered(desk: Any) -> None:
    bench = desk(evaluations=24, checks=CheckIns(every=10, show=2))
    ledger, seen = bench.create(), []

    def veto() -> None:
        body = of_seen(seen, "checkin")[-1]
        post(ledger.run_dir, {"order": "answer", "checkin": body["checkin"], "by": "me",
                              "orders": [{"order": "veto", "variant": body["finalists"][0]}]})  # fmt: skip

    answering(ledger, seen, [veto, lambda: post(ledger.run_dir, {"order": "go"})])
    assert bench.search(ledger, None, seen).run() is not None
    first, second = of(ledger, "checkin")
    assert (first["checkin"], first["evaluations"], len(first["finalists"])) == (1, 10, 2)
    assert (second["checkin"], second["evaluations"]) == (2, 20)
    assert [body["order"] for body in of(ledger, "intervention")] == ["veto", "go", "go"]
    assert first["finalists"][0] not in second["finalists"]


def of_seen(seen: list[Event], kind: str) -> list[dict[str, Any]]:
    return [dict(event.body) for event in list(seen) if event.kind == kind]


def test_an_answer_is_obeyed_whole_or_not_at_all(desk: Any) -> None:
    bench = desk(evaluations=14, checks=CheckIns(every=10))
    ledger, seen = bench.create(), []

    def half() -> None:
        best = of_seen(seen, "checkin")[-1]["finalists"][0]
        orders = [{"order": "veto", "variant": best}, {"order": "pin", "variant": "nobody"}]
        post(ledger.run_dir, {"order": "answer", "checkin": 1, "orders": orders})
        time.sleep(0.5)
        assert not of_seen(seen, "intervention")
        post(ledger.run_dir, {"order": "go", "checkin": 2})
        post(ledger.run_dir, {"order": "go", "checkin": 1})

    answering(ledger, seen, [half])
    assert bench.search(ledger, None, seen).run() is not None
    assert [body["order"] for body in of(ledger, "intervention")] == ["go"]
    assert ["`nobody`" in b["reason"] or "check-in 2" in b["reason"] for b in of(ledger, "refused")] == [True, True]


def test_nobody_answers_and_after_a_while_it_goes_on(desk: Any) -> None:
    bench = desk(evaluations=12, checks=CheckIns(every=10, wait=0.4))
    ledger = bench.run()
    assert of(ledger, "continued")[0]["reason"] == "nobody answered in time"
    plain = desk(evaluations=12).run()
    assert [step for step in trajectory(ledger) if step[0] != "checkin"] == trajectory(plain), (
        "and nothing else changes"
    )


def test_a_run_that_died_at_its_check_in_comes_back_to_it(desk: Any) -> None:
    bench = desk(evaluations=14, checks=CheckIns(every=10, wait=30.0))
    ledger, seen = bench.create(), []
    answering(ledger, seen, [lambda: post(ledger.run_dir, {"order": "stop", "now": True})])
    assert bench.search(ledger, None, seen).run() is None
    again: list[Event] = []
    later(
        lambda: any(e.kind == "resumed" for e in list(again)),
        lambda: post(ledger.run_dir, {"order": "go", "checkin": 1}),
    )
    assert bench.search(ledger, None, again).run() is not None
    assert len(of(ledger, "checkin")) == 1 and not of(ledger, "refused")


def test_the_form_is_read_when_it_says_go(desk: Any) -> None:
    bench = desk(evaluations=14, checks=CheckIns(every=10))
    ledger, seen = bench.create(), []
    form = ledger.run_dir / FORM

    def fill() -> None:
        body = of_seen(seen, "checkin")[-1]
        Form(ledger.run_dir).write(body, ["a card"])
        text = form.read_text()
        assert "# a card" in text
        for wrong in ("go: [", text.replace("go: no", "go: yes\ndance: 1"), text.replace("veto: []", "veto: [9]")):
            before = len(of_seen(seen, "refused"))
            form.write_text(wrong.replace("go: no", "go: yes"))
            while len(of_seen(seen, "refused")) == before:
                time.sleep(0.01)
        assert len(of_seen(seen, "refused")) == 3 and not of_seen(seen, "intervention")
        form.write_text(text.replace("veto: []", "veto: [1]"))
        time.sleep(0.45)
        assert not of_seen(seen, "intervention"), "it does not say go yet"
        form.write_text(text.replace("veto: []", "veto: [1]").replace("go: no", "go: yes"))

    person = answering(ledger, seen, [fill])
    assert bench.search(ledger, None, seen).run() is not None
    person.join()
    said = [body["reason"] for body in of(ledger, "refused")]
    assert "no YAML in line" in said[0] and "no key 'dance'" in said[1] and "`9` is no variant" in said[2]
    assert [body["order"] for body in of(ledger, "intervention")] == ["veto", "go"]
    assert of(ledger, "intervention")[0]["variant"] == of(ledger, "checkin")[0]["finalists"][0]
    assert not form.exists()


# The memo


def test_the_memo_is_the_one_that_was_told_and_what_was_added(desk: Any) -> None:
    bench = desk(able=Able(models=True), evaluations=14)
    ledger = bench.create()
    orders = {
        4: [{"order": "instruction", "text": "shorter,\nplease"}],
        6: [{"order": "memo", "text": "A new memo.\n"}, {"order": "instruction", "text": "no lists"}],
    }
    search = bench.search(ledger, orders)
    assert search.steering.memo("old") == "old"
    search.run()
    said = search.steering.memo("old")
    assert said.startswith("A new memo.") and said.endswith("- no lists\n") and "old" not in said
    resumed = bench.search(ledger)
    resumed._restore()
    assert resumed.steering.memo("old") == said
