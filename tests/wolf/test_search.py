from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from population import pool
from population.evaluation import Evaluation, Goal, Status
from wolf.control.stopping import Rules, Stop
from wolf.errors import SetupError
from wolf.reading.records import Run
from wolf.reading.verdict import verdict
from wolf.search import Search
from wolf.store.events import Event
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Ask, Purpose
from wolf.streams import judge_seed
from wolf.terms import Terms

Trajectory = list[tuple[str, dict[str, Any]]]
HEADER = {"name": "toy", "strategy": "wolf", "seed": 0, "slots": 2, "judge": "function", "metric": "loss",
          "goal": "minimize", "version": "0", "config": {}}  # fmt: skip
INCIDENTAL = ("resumed", "stopped", "evaluated")  # events that say how it went, not what was found


class Bench:
    """Makes ledgers and searches of the toy."""

    def __init__(
        self, toy: Any, folder: Path, name: str = "wolf", *, slots: int = 2, mode: Any = "cohort",
        evaluations: int | None = 40, seconds: float | None = None, confirmations: int = 2, **how: Any,
    ) -> None:  # fmt: skip
        self.toy, self.folder, self.name, self.slots, self.mode, self.how = toy, folder, name, slots, mode, how
        self.budget, self.confirmations = Rules(evaluations, seconds), confirmations
        self.count = itertools.count()
        self.asked: list[Ask] = []
        self.commits: list[int] = []  # seq of the last event of each transaction

    def create(self) -> Ledger:
        header = {**HEADER, "seed_variant": self.toy.variant.id}
        return Ledger.create(self.folder / str(next(self.count)), header, [self.toy.variant])

    def submit(self, ask: Ask) -> Future[Evaluation]:
        """Judged at once."""
        self.asked.append(ask)
        done: Future[Evaluation] = Future()
        done.set_result(self.toy.judge(ask))
        return done

    def search(self, ledger: Ledger, submit: Callable[[Ask], Future[Evaluation]] | None = None, **more: Any) -> Search:
        strategy = self.toy.strategy(self.name, 0, self.budget.evaluations, recall=ledger.variant, **self.how)
        append = ledger.append

        def committing(*records: Any) -> list[Event]:
            events = append(*records)
            self.commits.append(events[-1].seq)
            return events

        ledger.append = committing  # type: ignore[method-assign]
        return Search(
            strategy, submit or self.submit, ledger, self.budget,
            Terms(Goal.MINIMIZE, "loss", 0, self.toy.variant, self.slots, self.mode == "cohort", self.confirmations),
            **more,
        )  # fmt: skip

    def truncated(self, ledger: Ledger, seq: int) -> Ledger:
        """A new ledger with the first events of another."""
        copy = self.create()
        for event in list(ledger.events()):
            if 2 < event.seq <= seq:
                if event.kind == "variant":
                    copy.append([], [ledger.variant(event.body["id"])])
                else:
                    copy.append([(event.kind, event.body)])
        return copy


def trajectory(ledger: Ledger) -> Trajectory:
    """What a run found, without what differs from machine to machine and from session to session."""
    clock = ("run", "seconds")
    found = [
        (event.kind, {k: v for k, v in event.body.items() if not (event.kind == "finished" and k in clock)})
        for event in ledger.events()
        if event.kind not in INCIDENTAL
    ]
    return found


def of(ledger: Ledger, kind: str) -> list[dict[str, Any]]:
    return [dict(event.body) for event in ledger.events() if event.kind == kind]


@pytest.fixture
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for five, so that parents are evicted and must be recalled."""
    monkeypatch.setattr(pool, "POOL_SIZE", 5)


# A run from end to end


@pytest.mark.parametrize("mode", ["cohort", "steady"])
@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("name", ["wolf", "greedy"])
def test_a_run_spends_its_budget_exactly_and_then_confirms(toy, folder, name, slots, mode) -> None:
    bench = Bench(toy(noise=0.1, fails=True), folder, name, slots=slots, mode=mode, evaluations=40, confirmations=3)
    ledger = bench.create()
    summary = bench.search(ledger).run()
    asked, told = of(ledger, "asked"), of(ledger, "told")
    assert [body["ordinal"] for body in asked] == [*range(46)]
    assert [body["purpose"] == "confirm" for body in asked] == [False] * 40 + [True] * 6
    assert sorted(body["ordinal"] for body in told) == [*range(46)]
    assert summary["evaluations"] == max(body["evaluations"] for body in told) == 40
    assert list(ledger.events())[-1].body == summary
    assert summary["strategy"] == name
    assert summary["reason"] == "the budget of 40 evaluations is spent"


def test_the_confirmation_compares_champion_and_seed_on_the_same_fresh_seeds(toy, folder) -> None:
    bench = Bench(toy(noise=0.05), folder, confirmations=4)
    ledger = bench.create()
    summary = bench.search(ledger).run()
    asks = [body for body in of(ledger, "asked") if body["purpose"] == "confirm"]
    seeds = {v: [b["seed"] for b in asks if b["variant"] == v] for v in {b["variant"] for b in asks}}
    champion, seed = summary["champion"], summary["seed"]
    assert seeds.keys() == {champion["id"], seed["id"]} and champion["id"] != seed["id"]
    assert seeds[champion["id"]] == seeds[seed["id"]]
    assert len(set(seeds[seed["id"]])) == 4
    assert not {*seeds[seed["id"]]} & {b["seed"] for b in of(ledger, "asked") if b["purpose"] != "confirm"}
    readings = {v: [b["evaluation"]["score"] for b in of(ledger, "told") if b["purpose"] == "confirm"
                    and b["variant"] == v] for v in seeds}  # fmt: skip
    for side in (champion, seed):
        assert side["fresh"]["n"] == 4
        assert side["fresh"]["mean"] == pytest.approx(sum(readings[side["id"]]) / 4)
        assert side["fresh"]["se"] > 0
    assert summary["gain"]["mean"] == pytest.approx(seed["fresh"]["mean"] - champion["fresh"]["mean"])
    assert summary["gain"]["low"] < summary["gain"]["mean"] < summary["gain"]["high"]
    shift = champion["search"]["mean"] - champion["fresh"]["mean"]
    assert summary["curse"] == pytest.approx(shift - (seed["search"]["mean"] - seed["fresh"]["mean"]))
    told = [body["evaluations"] for body in of(ledger, "told") if body["purpose"] == "confirm"]
    assert told == [40] * 8, "it is not counted"


def test_without_confirmation_there_is_no_claim(toy, folder) -> None:
    summary = (bench := Bench(toy(), folder, confirmations=0)).search(bench.create()).run()
    assert (summary["gain"], summary["curse"], summary["champion"]["fresh"]) == (None, None, None)
    assert summary["champion"]["search"]["n"] >= 1


def test_a_seed_that_nothing_beats_is_the_champion(toy, folder) -> None:
    twin = toy(text=toy().text)
    twin.loss = lambda variant: 1.0 + (variant.id != twin.variant.id)
    summary = (bench := Bench(twin, folder)).search(ledger := bench.create()).run()
    assert summary["champion"] == summary["seed"]
    assert summary["gain"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert len([b for b in of(ledger, "asked") if b["purpose"] == "confirm"]) == 2, "and is confirmed once, not twice"


@pytest.mark.parametrize("noise", [0.01, 0.0])
@pytest.mark.parametrize("who", ["champion", "seed"])
@pytest.mark.parametrize(("fail", "readings"), [(5, 0), (4, 1), (3, 2), (1, 4)])
def test_a_confirmation_that_fails_is_no_reading_and_is_said(
    toy, folder, noise, who: str, fail: int, readings: int
) -> None:
    bench = Bench(toy(noise=noise), folder, confirmations=5)
    failing = {judge_seed(0, i, "fresh") for i in range(fail)}

    def submit(ask: Ask) -> Future[Evaluation]:
        done = bench.submit(ask)
        if ask.seed in failing and (ask.variant.id == bench.toy.variant.id) == (who == "seed"):
            done = Future()
            done.set_result(Evaluation(ask.variant.id, "loss", Status.CRASHED, feedback="it diverged", seed=ask.seed))
        return done

    summary = bench.search(ledger := bench.create(), submit).run()
    fresh, said = summary[who]["fresh"], verdict(Run.of(ledger.events()))
    assert (fresh["n"] if fresh else 0) == readings
    warning = f"WARNING: {fail} of 5 fresh readings of the {who} failed and do not count (crashed: it diverged)"
    assert said.warning == summary["warning"] == warning and said.sentence.endswith(f" {warning}.")
    if readings < 2:
        assert (summary["gain"], said.gain, said.kind) == (None, None, "none"), "no gain by the scores it was picked by"
        assert said.sentence.startswith("Nothing is confirmed. ")
    else:
        assert said.kind == "gain" and said.fresh


def test_a_seed_that_never_varies_does_not_make_a_champion_that_does_certain(toy, folder) -> None:
    bench = Bench(toy(noise=0.3), folder, confirmations=4)

    def submit(ask: Ask) -> Future[Evaluation]:
        done: Future[Evaluation] = bench.submit(ask)
        if ask.variant.id == bench.toy.variant.id:
            done = Future()
            done.set_result(Evaluation(ask.variant.id, "loss", Status.OK, bench.toy.loss(ask.variant), seed=ask.seed))
        return done

    search = bench.search(bench.create(), submit)
    gain = (summary := search.run())["gain"]
    assert summary["noise"] == 0.0 and summary["champion"]["fresh"]["se"] > 0, "as this test has it"
    assert gain["mean"] == pytest.approx(summary["seed"]["fresh"]["mean"] - summary["champion"]["fresh"]["mean"])
    assert gain["low"] < gain["mean"] < gain["high"]


def test_an_observer_sees_what_is_written_in_order(toy, folder) -> None:
    bench, seen = Bench(toy(noise=0.1), folder), []
    ledger = bench.create()
    bench.search(ledger, observers=[seen.append]).run()
    assert seen == list(ledger.events())[2:]


def test_every_change_is_written_down(toy, folder) -> None:
    bench = Bench(toy(noise=0.02, fails=True), folder, evaluations=120, slots=2)
    ledger = bench.create()
    search = bench.search(ledger)
    summary = search.run()
    trips = of(ledger, "expedition")
    assert summary["expeditions"]["count"] == len({body["id"] for body in trips}) > 0
    for id in {body["id"] for body in trips}:
        states = [body["state"] for body in trips if body["id"] == id]
        assert states[0] == "started" and states.count("settled") <= 1
        assert set(states[1:-1]) <= {"extended"}
    settled = [body for body in trips if body["state"] == "settled"]
    assert summary["expeditions"]["found"] == sum(body["outcome"] != "empty" for body in settled)
    crowned = of(ledger, "crowned")
    assert crowned and crowned[0]["previous"] == bench.toy.variant.id
    for before, after in itertools.pairwise(crowned):
        assert after["previous"] == before["variant"]
    kinds = {body["admission"]["kind"] for body in of(ledger, "told")}
    assert {"admitted", "rejected", "failed", "crowned", "recorded"} <= kinds | {"rejected"}


# Order


class Scrambled:
    """Judges in threads; some answers take longer than others."""

    def __init__(self, bench: Bench, delay: Callable[[Ask], float]) -> None:
        self.bench, self.delay, self.threads = bench, delay, ThreadPoolExecutor(8)

    def __call__(self, ask: Ask) -> Future[Evaluation]:
        self.bench.asked.append(ask)
        return self.threads.submit(self._judge, ask)

    def _judge(self, ask: Ask) -> Evaluation:
        time.sleep(self.delay(ask))
        return self.bench.toy.judge(ask)


def test_a_cohort_is_told_in_the_order_of_asking_whoever_finishes_first(toy, folder) -> None:
    bench = Bench(toy(noise=0.1, fails=True), folder, slots=4)
    calm, wild = bench.create(), bench.create()
    bench.search(calm).run()
    bench.search(wild, Scrambled(bench, lambda ask: 0.004 * (3 - ask.ordinal % 4))).run()
    assert trajectory(wild) == trajectory(calm)
    told = [body["ordinal"] for body in of(wild, "told")]
    assert told == sorted(told)
    early = of(wild, "evaluated")
    assert early, "what came early was kept safe"
    asked = [(event.seq, event.body["ordinal"]) for event in wild.events() if event.kind == "asked"]
    for first in range(0, 40, 4):
        seqs = [seq for seq, ordinal in asked if first <= ordinal < first + 4]
        assert seqs[-1] - seqs[0] <= 6, "a batch is asked at once (with the variants and perhaps an expedition)"


def test_in_steady_mode_no_slot_waits(toy, folder) -> None:
    bench = Bench(toy(), folder, slots=2, mode="steady", confirmations=0)
    released = threading.Event()

    def delay(ask: Ask) -> float:
        if ask.ordinal == 0:
            released.wait(20)
        if ask.ordinal == 12:
            released.set()
        return 0.0

    ledger = bench.create()
    bench.search(ledger, Scrambled(bench, delay)).run()
    told = [body["ordinal"] for body in of(ledger, "told")]
    assert sorted(told) == [*range(40)]
    assert told.index(0) >= 11, "one slot was busy all the while, the other went on"
    assert not of(ledger, "evaluated")


# Resume


def resumed(bench: Bench, ledger: Ledger, seq: int, submit: Any = None) -> tuple[Ledger, list[Ask]]:
    """The first events in a new ledger, gone on with to the end; and what was judged again."""
    copy, bench.asked = bench.truncated(ledger, seq), []
    assert bench.search(copy, submit).run() is not None
    return copy, bench.asked


HOW: dict[str, dict[str, Any]] = {
    "plain": {"slots": 1},
    "wide": {"slots": 3},
    "statements": {"slots": 2, "statements": True},
    "ungated": {"slots": 2, "noise_gate": False, "novelty": False},
    "greedy": {"name": "greedy", "slots": 2, "statements": True},
    "anneal": {"name": "anneal", "slots": 1},
    "restart": {"name": "restart", "slots": 2},
}


@pytest.mark.parametrize("how", HOW)
def test_resumed_after_any_commit_it_ends_as_if_never_stopped(toy, folder, small_pool, how) -> None:
    bench = Bench(toy(noise=0.1, fails=True), folder, evaluations=28, **HOW[how])
    ledger = bench.create()
    bench.search(ledger).run()
    whole, judged, last = trajectory(ledger), len(bench.asked), list(ledger.events())[-1].seq
    for seq in [2, *bench.commits[:]]:
        if seq == last:
            continue
        told = sum(event.kind == "told" for event in ledger.events() if event.seq <= seq)
        copy, again = resumed(bench, ledger, seq)
        assert trajectory(copy) == whole, f"after event {seq}"
        assert len(again) == judged - told, "what was told is not judged again"
        copy.close()


def test_resumed_with_a_model_it_ends_as_if_never_stopped(toy, folder, small_pool) -> None:
    bench = Bench(
        toy(noise=0.1, fails=True), folder, slots=2, surrogate="on", statements=True, survey=5, evaluations=30
    )
    ledger = bench.create()
    bench.search(ledger).run()
    whole = trajectory(ledger)
    assert any(body["predicted"] for kind, body in whole if kind == "asked")
    for seq in bench.commits[1:-1:4]:
        copy, _ = resumed(bench, ledger, seq)
        assert trajectory(copy) == whole, f"after event {seq}"
        copy.close()


def test_resumed_with_answers_that_came_early_they_are_not_asked_for_again(toy, folder) -> None:
    bench = Bench(toy(noise=0.1), folder, slots=4, evaluations=24)
    ledger = bench.create()
    scrambled = Scrambled(bench, lambda ask: 0.004 * (3 - ask.ordinal % 4))
    bench.search(ledger, scrambled).run()
    whole, commits = trajectory(ledger), list(bench.commits)
    early = [event.seq for event in ledger.events() if event.kind == "evaluated"]
    for seq in early:
        answered = {e.body["ordinal"] for e in ledger.events() if e.seq <= seq and e.kind in ("told", "evaluated")}
        copy, again = resumed(bench, ledger, seq)
        assert trajectory(copy) == whole
        assert not answered & {ask.ordinal for ask in again}
        copy.close()
    assert set(early) <= set(commits)


def test_resumed_in_steady_mode_it_repeats_at_most_what_was_in_flight(toy, folder) -> None:
    bench = Bench(toy(noise=0.1, fails=True), folder, slots=3, mode="steady")
    ledger = bench.create()
    bench.search(ledger, Scrambled(bench, lambda ask: 0.001 * (ask.ordinal % 5))).run()
    for seq in bench.commits[1:-1:5]:
        events = [event for event in ledger.events() if event.seq <= seq]
        told = {event.body["ordinal"] for event in events if event.kind == "told"}
        flying = {event.body["ordinal"] for event in events if event.kind == "asked"} - told
        copy, again = resumed(bench, ledger, seq)
        ordinals = [ask.ordinal for ask in again]
        assert ordinals[: len(flying)] == sorted(flying)
        assert sorted(ordinals) == sorted({*range(44)} - told)
        assert trajectory(copy)[: len(trajectory(ledger)[:0])] == []
        copy.close()


def test_resumed_from_a_cut_inside_a_commit_it_still_ends_well(toy, folder) -> None:
    """As after `wolf recover`, which keeps every event before the damage."""
    bench = Bench(toy(noise=0.1, fails=True), folder, slots=3, evaluations=30)
    ledger = bench.create()
    bench.search(ledger).run()
    inside = sorted({event.seq for event in ledger.events()} - {*bench.commits, 1})
    assert inside
    for seq in inside[::2]:
        copy, _ = resumed(bench, ledger, seq)
        told = [body["ordinal"] for body in of(copy, "told")]
        assert told == [*range(34)]
        copy.close()


def test_resumed_again_and_again_it_ends_as_if_never_stopped(toy, folder, small_pool) -> None:
    bench = Bench(toy(noise=0.1, fails=True), folder, slots=2, statements=True)
    ledger = bench.create()
    bench.search(ledger).run()
    hobbled = bench.create()

    def submit(ask: Ask) -> Future[Evaluation]:
        nonlocal left
        left -= 1
        if left == 0:
            search.stop = Stop.NOW
        return bench.submit(ask)

    for _ in range(60):
        search, left = bench.search(hobbled, submit), 5  # what was in flight, and a little more
        if search.run():
            break
    assert trajectory(hobbled) == trajectory(ledger)
    assert len(of(hobbled, "resumed")) > 8


# Ends


@pytest.mark.parametrize("name", ["wolf", "greedy"])
def test_a_seed_that_fails_ends_the_run_with_a_sentence(toy, folder, name) -> None:
    broken = toy()
    broken.loss = lambda variant: None
    bench = Bench(broken, folder, name, slots=2)
    ledger = bench.create()
    with pytest.raises(SetupError, match=r"the seed variant fails \(it broke\)"):
        bench.search(ledger).run()
    assert [body["ordinal"] for body in of(ledger, "told")] == [0], "and nothing is lost"
    with pytest.raises(SetupError, match="the seed variant fails"):
        bench.search(ledger).run()


def test_to_drain_is_to_finish_what_runs_and_ask_no_more(toy, folder) -> None:
    bench = Bench(toy(noise=0.1), folder, slots=3)
    whole, ledger = bench.create(), bench.create()
    bench.search(whole).run()
    scrambled = Scrambled(bench, lambda ask: 0.002)
    started = 0

    def submit(ask: Ask) -> Future[Evaluation]:
        nonlocal started
        started += 1
        if started == 8:
            search.stop = Stop.DRAIN
        return scrambled(ask)

    search = bench.search(ledger, submit)
    assert search.run() is None
    assert len(of(ledger, "asked")) == 9
    assert 6 <= len(of(ledger, "told")) <= 9
    assert list(ledger.events())[-1].kind == "stopped"
    assert bench.search(ledger).run() is not None
    assert trajectory(ledger) == trajectory(whole)


def test_to_drain_while_confirming_is_not_to_wait_for_what_has_not_begun(toy, folder) -> None:
    bench = Bench(toy(noise=0.1), folder, slots=2, confirmations=10)
    ledger, threads, begun = bench.create(), ThreadPoolExecutor(2), []

    def judge(ask: Ask) -> Evaluation:
        if ask.purpose is Purpose.CONFIRM:
            begun.append(ask.ordinal)
            search.stop = Stop.DRAIN
            time.sleep(0.05)
        return bench.toy.judge(ask)

    search = bench.search(ledger, lambda ask: threads.submit(judge, ask))
    assert search.run() is None
    assert len(begun) < 12, "two at a time, and then a person wanted to stop"
    assert bench.search(ledger).run() is not None
    assert sorted(body["ordinal"] for body in of(ledger, "told")) == [*range(60)]


def test_to_stop_at_once_is_not_to_wait(toy, folder) -> None:
    bench = Bench(toy(), folder, slots=2)
    ledger, never = bench.create(), Future[Evaluation]()
    search = bench.search(ledger, lambda ask: never)
    threading.Timer(0.05, lambda: setattr(search, "stop", Stop.NOW)).start()
    began = time.monotonic()
    assert search.run() is None
    assert time.monotonic() - began < 5
    assert list(ledger.events())[-1].kind == "stopped"
    bench.asked = []
    assert bench.search(ledger).run() is not None
    assert [ask.ordinal for ask in bench.asked[:2]] == [0, 1], "what was in flight is begun again"


def test_a_budget_of_hours_ends_the_search_and_is_confirmed(toy, folder) -> None:
    bench = Bench(toy(), folder, slots=2, evaluations=None, seconds=0.3)
    ledger = bench.create()
    summary = bench.search(ledger, Scrambled(bench, lambda ask: 0.02)).run()
    assert 2 <= summary["evaluations"] < 40
    assert 0.3 <= summary["seconds"] < 5
    assert len([b for b in of(ledger, "asked") if b["purpose"] == "confirm"]) in (2, 4)


def test_a_pause_is_not_counted_as_time(toy, folder) -> None:
    bench = Bench(toy(), folder, slots=1, evaluations=None, seconds=1.5, confirmations=0)
    ledger = bench.create()

    def submit(ask: Ask) -> Future[Evaluation]:
        search.stop = Stop.DRAIN if ask.ordinal == 2 else search.stop
        return bench.submit(ask)

    search = bench.search(ledger, submit)
    assert search.run() is None
    time.sleep(2)
    before = len(of(ledger, "told"))
    summary = bench.search(ledger, Scrambled(bench, lambda ask: 0.01)).run()
    assert summary["evaluations"] > before, "counted, the pause alone would have been more than the whole budget"
    assert summary["seconds"] < 5


def test_once_the_confirmation_has_begun_the_search_is_over_whatever_the_clock_says(toy, folder) -> None:
    bench = Bench(toy(), folder, slots=2, evaluations=None, seconds=0.2, confirmations=3)
    ledger = bench.create()
    summary = bench.search(ledger, Scrambled(bench, lambda ask: 0.01)).run()
    cuts = [event.seq for event in ledger.events() if event.kind == "told" and event.body["purpose"] == "confirm"]
    bench.budget = Rules(None, 1000.0)  # as if the clock had been set back
    for seq in cuts:
        copy, _ = resumed(bench, ledger, seq)
        again = list(copy.events())[-1].body
        assert (again["evaluations"], again["champion"]) == (summary["evaluations"], summary["champion"])
        copy.close()


def test_a_judge_whose_setup_is_broken_ends_the_run_and_nothing_is_lost(toy, folder) -> None:
    bench = Bench(toy(noise=0.1), folder, slots=2)
    whole, ledger = bench.create(), bench.create()
    bench.search(whole).run()

    def submit(ask: Ask) -> Future[Evaluation]:
        done = bench.submit(ask)
        if ask.ordinal == 21:
            done = Future()
            done.set_exception(RuntimeError("no corpus"))
        return done

    with pytest.raises(RuntimeError, match="no corpus"):
        bench.search(ledger, submit).run()
    assert bench.search(ledger).run() is not None
    assert trajectory(ledger) == trajectory(whole)
