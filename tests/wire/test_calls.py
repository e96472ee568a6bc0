"""The books: reservations, attempts, charges, and what a resumed run knows."""

from __future__ import annotations

import gc
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import AsyncGeneratorType

import pytest

from judges.llm import Prompt, Reply, Unanswered, Usage
from wolf.dev.faults import FAULTS
from wolf.dev.server import FakeServer
from wolf.dev.wire import Said
from wolf.errors import SetupError
from wolf.llm.calls import Calls
from wolf.llm.client import Fault, Kind, Remote
from wolf.llm.prices import Price

PRICE = Price(input=1000, output=5000)  # dollars per million: a call costs cents
PROMPT = Prompt("test:ask", "static", "varying", 100)


class Books:
    """A ledger in a list."""

    def __init__(self):
        self.bodies = []

    def __call__(self, records):
        self.bodies += [body for _, body in records]

    @property
    def states(self):
        return [body["state"] for body in self.bodies]


class Played:
    """A model in this process: each answer is a reply or a fault."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = 0

    def send(self, prompt):
        self.sent += 1
        future = Future()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        future.set_exception(answer) if isinstance(answer, Exception) else future.set_result(answer)
        return future

    def close(self):
        pass


def reply(text="yes", output=10):
    return Reply(text, "m", Usage(20, output))


def run(calls, books, seconds=120.0):
    end = time.monotonic() + seconds
    settled = []
    while not settled:
        settled = calls.pump(books)
        assert time.monotonic() < end
        time.sleep(0.005)
    return settled[0]


def over_the_wire(fault, **options):
    """One call against a server that plays `fault` first (or always, if it is a callable)."""
    faults = fault if callable(fault) else lambda n, _: fault if n == 0 else None
    with FakeServer(lambda request: Said("Awoo.", output=10), faults) as server:
        model = Remote("m", base_url=server.url, seconds=options.pop("seconds", 5))
        calls, books = Calls({"m": model}, {"m": PRICE}, 100, longest_pause=0.05, **options), Books()
        try:
            calls.put(PROMPT, "m", {})
            call = run(calls, books)
            return call, calls, books, len(server.log)
        except SetupError as error:
            return error, calls, books, len(server.log)
        finally:
            calls.close()


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_costs_the_requests_and_the_dollars_that_it_should(name, kind_of):
    """Played once, then an answer; and played again and again."""
    kind, seconds = kind_of(name), 0.5 if name in ("silent", "drip") else 30
    outcome, calls, books, requests = over_the_wire(name, seconds=seconds)
    answer, worst = PRICE.cost(Usage(100, 10)), PRICE.worst(PROMPT)
    if kind is Kind.FATAL:
        assert isinstance(outcome, SetupError) and "m will not answer" in str(outcome)
        assert (requests, calls.spent) == (1, 0)
        return
    if kind is Kind.USELESS:
        assert (outcome.reply, outcome.state, requests) == (None, "failed", 1)
        assert 0 < calls.spent < worst
        return
    if name not in ("silent", "drip"):  # they need a deadline so short that a busy machine may miss it
        assert (outcome.reply.text, requests) == ("Awoo.", 2)
        assert books.states == ["reserved", "failed", "reserved", "answered"]
        assert calls.spent == pytest.approx(answer + (worst if kind is Kind.BROKEN else 0))
    if kind is Kind.BROKEN:
        outcome, calls, books, requests = over_the_wire(lambda *_: name, seconds=seconds)
        assert (outcome.reply, outcome.state, requests) == (None, "failed", 3)
        assert calls.spent == pytest.approx(3 * worst)


@pytest.mark.parametrize(
    "name", ["529", "reset", "half", "broken-off", "stream-error", "drip", "max_tokens", "200-html"]
)
def test_nothing_of_a_failed_attempt_waits_for_the_collector(name):
    """A collection in this thread would close the SDK's half-read generators while the loop's thread does."""

    def left():
        return [thing for thing in gc.get_objects() if type(thing) in (AsyncGeneratorType, Fault)]

    gc.collect()
    others = left()  # of other tests
    gc.disable()
    try:
        over_the_wire(lambda *_: name, seconds=0.5 if name == "drip" else 5, patience=0)
        end = time.monotonic() + 5
        while len(left()) > len(others):
            assert time.monotonic() < end, left()
            time.sleep(0.05)
    finally:
        gc.enable()


def test_until_something_is_answered_one_request_is_under_way_at_a_time():
    refused = Fault(Kind.FATAL, "http 401")
    model, books = Played(refused), Books()
    calls = Calls({"m": model}, {"m": PRICE}, 100)
    for n in range(4):
        calls.put(PROMPT, "m", {"n": n})
    with pytest.raises(SetupError):
        for _ in range(9):
            calls.pump(books)
    assert model.sent == 1
    model = Played(reply())
    calls = Calls({"m": model}, {"m": PRICE}, 100)
    for n in range(4):
        calls.put(PROMPT, "m", {"n": n})
    calls.pump(books)
    assert model.sent == 1
    calls.pump(books)
    assert model.sent == 4


def test_an_outage_is_given_up_when_patience_ends():
    now, model, books = [0.0], Played(Fault(Kind.BUSY, "http 529")), Books()
    calls = Calls({"m": model}, {"m": PRICE}, 100, patience=900, longest_pause=60, clock=lambda: now[0])
    call = calls.put(PROMPT, "m", {})
    while not call.settled:
        calls.pump(books)
        now[0] += 1.0
    assert (call.state, call.why, calls.spent) == ("failed", "http 529", 0)
    assert 840 <= now[0] <= 902
    assert 900 / 60 <= model.sent <= 30  # half a minute to a minute apart, once the pauses have grown


def test_an_evaluation_waits_for_its_judge_however_long_the_outage_is():
    now, model, books = [0.0], Played(*[Fault(Kind.BUSY, "no connection")] * 300, reply()), Books()
    calls = Calls({"m": model}, {"m": PRICE}, 100, patience=900, longest_pause=60, clock=lambda: now[0])
    vote = calls.ask(PROMPT, "m", reading=0)
    while not vote.done():
        calls.pump(books)
        assert calls.stuck is (now[0] > 0 and not vote.done())
        now[0] += 1.0
    assert vote.result().text == "yes" and now[0] > 9000
    assert {body["judging"] for body in books.bodies if body["state"] == "failed"} == {True}


def test_an_answer_that_ends_at_a_stop_sequence_is_one():
    with FakeServer(lambda request: Said("Awoo.", extra={"stop_reason": "stop_sequence"})) as server:
        model = Remote("m", base_url=server.url)
        calls = Calls({"m": model}, {"m": PRICE}, 100)
        calls.put(PROMPT, "m", {})
        assert run(calls, Books(), 30).reply.stop == "stop_sequence"
        calls.close()


def test_several_refusals_in_a_row_retire_a_model():
    no, books = Fault(Kind.USELESS, "refusal: cyber", usage=Usage(1, 1)), Books()
    calls = Calls({"a": Played(no), "b": Played(reply())}, {"a": PRICE, "b": PRICE}, 100)
    for n in range(3):
        assert calls.live == ["a", "b"]
        calls.put(PROMPT, "a", {"n": n})
        run(calls, books)
    assert calls.live == ["b"]
    assert calls.ask(PROMPT) and run(calls, books).model == "b"
    again = Calls({"a": Played(no), "b": Played(reply())}, {"a": PRICE, "b": PRICE}, 100)
    for body in books.bodies:
        again.restore(body)
    assert again.live == ["b"]


def test_the_fold_of_the_books_is_the_books():
    books = Books()
    lost = Fault(Kind.BROKEN, "cut stream")
    calls = Calls({"m": Played(lost, reply("one"), reply("two"))}, {"m": PRICE}, 100, longest_pause=0)
    for text in ("first", "second"):
        calls.put(Prompt("llm:edit", "static", text, 50), "m", {"text": text})
        run(calls, books)
    again = Calls({"m": Played(reply())}, {"m": PRICE}, 100)
    for body in books.bodies:
        again.restore(body)
    assert [c.reply.text for c in again.calls] == ["one", "two"]
    assert [(c.prompt, c.about, c.cost) for c in again.calls] == [(c.prompt, c.about, c.cost) for c in calls.calls]
    assert again.spent == calls.spent
    assert not again.pump(Books())  # nothing is asked again
    assert sum("system" in body for body in books.bodies) == 1  # the static part is written once


def test_what_was_under_way_when_the_run_died_is_charged_and_asked_again():
    books = Books()
    never = Future()
    model = Played(reply())
    calls = Calls({"m": model}, {"m": PRICE}, 100)
    calls.put(PROMPT, "m", {"n": 0})
    run(calls, books)
    model.send = lambda prompt: never
    calls.put(PROMPT, "m", {"n": 1})
    calls.ask(PROMPT)  # a judge: the evaluation starts anew after a resume, and asks by itself
    calls.pump(books)
    assert books.states == ["reserved", "answered", "reserved", "reserved"]
    again, after = Calls({"m": Played(reply())}, {"m": PRICE}, 100), Books()
    for body in books.bodies:
        again.restore(body)
    for _ in range(5):
        again.pump(after)
    assert [(b["state"], b.get("again")) for b in after.bodies] == [
        ("failed", True), ("failed", False), ("reserved", None), ("answered", None)
    ]  # fmt: skip
    assert again.spent == pytest.approx(2 * PRICE.worst(PROMPT) + 2 * PRICE.cost(Usage(20, 10)))


def test_the_worst_case_is_written_before_the_request_leaves():
    books = Books()
    model = Played(reply())
    send = model.send
    model.send = lambda prompt: (books.states == ["reserved"] or pytest.fail("sent unwritten")) and send(prompt)
    calls = Calls({"m": model}, {"m": PRICE}, 100)
    calls.put(PROMPT, "m", {})
    run(calls, books)


class Random:
    """Answers at random times with random costs, some of them broken; the bill is what it really charged."""

    def __init__(self, rng, pool):
        self.rng, self.pool, self.bill, self.lock = rng, pool, 0.0, threading.Lock()

    def send(self, prompt):
        draws = self.rng.random(), self.rng.randint(0, prompt.max_tokens), self.rng.randint(1, 12)
        return self.pool.submit(self._answer, *draws)

    def _answer(self, luck, output, tokens):
        with self.lock:
            self.bill += PRICE.cost(Usage(tokens, output))
        if luck < 0.2:
            raise Fault(Kind.BROKEN, "cut stream")
        return Reply("x", "m", Usage(tokens, output))

    def close(self):
        pass


def race(calls):
    """A worker that asks until it is told that there is no money left, at most three times."""
    for _ in range(3):
        try:
            calls.ask(PROMPT).result()
        except Unanswered as error:
            if "budget" in str(error):
                return


@pytest.mark.parametrize("races", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_eight_who_race_never_pass_the_ceiling(races):
    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(8) as askers:
        for seed in range(races):
            rng = random.Random(seed)
            model, books = Random(rng, pool), Books()
            ceiling = rng.uniform(1, 4) * PRICE.worst(PROMPT)
            calls = Calls({"m": model}, {"m": PRICE}, ceiling, at_once=8, longest_pause=0)
            workers = [askers.submit(race, calls) for _ in range(8)]
            while not all(worker.done() for worker in workers):
                calls.pump(books)
                assert calls.spent + calls.reserved <= ceiling + 1e-12
                time.sleep(0.0002)
            assert model.bill <= calls.spent + 1e-12 <= ceiling + 2e-12


def test_a_call_that_does_not_fit_is_not_sent():
    model, books = Played(reply()), Books()
    calls = Calls({"m": model}, {"m": PRICE}, PRICE.worst(PROMPT) * 0.99)
    future = calls.ask(PROMPT)
    calls.pump(books)
    assert model.sent == 0
    with pytest.raises(Unanswered, match="budget"):
        future.result(0)


def test_who_asks_in_another_thread_hears_why_there_is_no_answer_and_the_call_keeps_no_texts():
    refused = Fault(Kind.USELESS, "refusal", usage=Usage(100, 10))
    calls, books = Calls({"m": Played(refused, reply("Awoo."))}, {"m": PRICE}, 100), Books()
    refusal = calls.ask(PROMPT, reading=7)
    run(calls, books)
    with pytest.raises(Unanswered, match="no answer from m: refusal"):
        refusal.result(0)
    answer = calls.ask(PROMPT, reading=8)
    run(calls, books)
    assert answer.result(0).text == "Awoo."
    again = Calls({"m": Played()}, {"m": PRICE}, 100)
    for body in books.bodies:
        again.restore(body)
    for call in [*calls.calls, *again.calls]:  # a panel asks a hundred thousand times
        assert not call.prompt.user and not call.prompt.system and call.asker is None and call.sent is None
        assert call.reply is None or not call.reply.text
    assert again.spent == calls.spent


def test_an_answer_that_was_paid_for_is_given_to_its_own_reading_until_that_is_over():
    calls, books = Calls({"m": Played(reply("one"), reply("two"))}, {"m": PRICE}, 100), Books()
    for reading in (1, 2):
        calls.ask(PROMPT, "m", reading)
        run(calls, books)
    again = Calls({"m": Played(reply("anew"))}, {"m": PRICE}, 100)
    for body in books.bodies:
        again.restore(body)
    again.over(1)
    heard, late = again.ask(PROMPT, "m", 2), again.ask(PROMPT, "m", 1)
    run(again, books)
    assert (heard.result(0).text, late.result(0).text) == ("two", "anew")
