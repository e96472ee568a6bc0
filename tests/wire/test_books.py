"""The books to the cent and to the second: pauses, who waits for whom, what a resume gives up, what an event says."""

from __future__ import annotations

from concurrent.futures import Future
from hashlib import sha256
from itertools import pairwise

import pytest

from judges.llm import Prompt, Reply, Unanswered, Usage
from wolf.errors import SetupError
from wolf.llm import calls as books_of
from wolf.llm.call import GONE, Call, digest, fatal, question
from wolf.llm.calls import Calls
from wolf.llm.client import Fault, Kind
from wolf.llm.prices import Price

PRICE = Price(input=1000, output=5000)
PROMPT = Prompt("test:ask", "static", "varying", 100)
WORST = PRICE.worst(PROMPT)
BUSY = Fault(Kind.BUSY, "http 529")


class Held:
    """A model whose answers come when the test gives them."""

    def __init__(self):
        self.sent = []
        self.closed = False

    def send(self, prompt):
        self.sent.append(Future())
        return self.sent[-1]

    def close(self):
        self.closed = True


class Table:
    """Calls with held models, a clock that stands still, and their books."""

    def __init__(self, usd=100.0, names=("m",), **options):
        self.now, self.bodies = [0.0], []
        self.models = {name: Held() for name in names}
        options = {"longest_pause": books_of.LONGEST_PAUSE} | options  # conftest.py makes it short
        self.calls = Calls(self.models, dict.fromkeys(names, PRICE), usd, clock=lambda: self.now[0], **options)

    def commit(self, records):
        assert {kind for kind, _ in records} == {"call"}
        self.bodies += [body for _, body in records]

    def pump(self, start=True):
        return self.calls.pump(self.commit, start)

    def sent(self, name="m"):
        return self.models[name].sent

    def play(self, outcome, name="m"):
        """The last request is answered; what is settled by that."""
        (self.sent(name)[-1].set_exception if isinstance(outcome, Exception) else self.sent(name)[-1].set_result)(
            outcome
        )
        return self.pump()


def reply(**usage):
    return Reply("yes", "m", Usage(20, 10, **usage), "end_turn", 1.5, "req")


@pytest.fixture
def even(monkeypatch):
    """Luck that is always the most."""
    monkeypatch.setattr(books_of.random, "uniform", lambda low, high: high)
    monkeypatch.setattr(books_of.random, "random", lambda: 1.0)


def attempts(table, until):
    """The times at which requests leave, as everything is answered with `until` says at once."""
    times = []
    while True:
        before = len(table.sent())
        table.pump()
        if len(table.sent()) > before:
            times.append(table.now[0])
            if table.play(until(len(times))):
                return times
        table.now[0] += 0.25
        assert table.now[0] < 5000


def test_pauses_double_up_to_the_longest(even):
    table = Table()
    table.calls.put(PROMPT, "m", {})
    times = attempts(table, lambda n: BUSY if n < 10 else reply())
    assert [b - a for a, b in pairwise(times)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_server_that_says_when_is_asked_then_and_at_most_a_minute_later(even):
    table = Table()
    table.calls.put(PROMPT, "m", {})
    said = {1: 5.0, 2: 0.0, 3: 3600.0}
    times = attempts(table, lambda n: Fault(Kind.BUSY, "http 429", after=said[n]) if n in said else reply())
    assert [b - a for a, b in pairwise(times)] == [6, 1, 60]


def test_patience_ends_before_a_pause_that_would_pass_it_and_not_at_one_that_would_not(even):
    for patience, tries in ((7.0, 4), (6.9, 3)):
        table = Table(patience=patience)
        call = table.calls.put(PROMPT, "m", {})
        times = attempts(table, lambda n: BUSY)
        assert len(times) == tries and (call.state, call.why) == ("failed", "http 529")
        assert table.bodies[-1]["again"] is False and table.calls.spent == 0


def test_two_broken_answers_are_asked_again_and_the_third_is_not(even):
    table = Table()
    call = table.calls.put(PROMPT, "m", {})
    times = attempts(table, lambda n: Fault(Kind.BROKEN, "cut stream"))
    assert times == [0, 1, 3]
    assert call.cost == table.calls.spent == pytest.approx(3 * WORST)
    counted = Table()
    counted.calls.put(PROMPT, "m", {})
    attempts(counted, lambda n: Fault(Kind.BROKEN, "cut stream", usage=Usage(1, 1)))
    assert counted.calls.spent == pytest.approx(3 * PRICE.cost(Usage(1, 1))), "what the server has counted is known"


def test_a_useless_answer_is_charged_and_not_asked_again_and_shows_that_others_may_be_sent():
    table = Table()
    for n in range(3):
        table.calls.put(PROMPT, "m", {"n": n})
    table.pump()
    assert len(table.sent()) == 1
    (call,) = table.play(Fault(Kind.USELESS, "refusal", usage=Usage(7, 3)))
    assert (call.state, call.cost) == ("failed", pytest.approx(PRICE.cost(Usage(7, 3))))
    assert len(table.sent()) == 3
    judge = table.calls.ask(PROMPT)
    table.play(reply())
    table.play(Fault(Kind.USELESS, "refusal"))
    with pytest.raises(Unanswered, match="no answer from m: refusal"):
        judge.result(0)


def test_a_model_that_raises_what_nobody_foresaw_gave_a_broken_answer(even):
    table = Table()
    table.calls.put(PROMPT, "m", {})
    table.pump()
    table.play(KeyError("x" * 500))
    body = table.bodies[-1]
    assert (body["fault"], body["kind"], body["again"]) == ("broken answer", Kind.BROKEN.value, True)
    assert body["message"].startswith("KeyError: 'xxx") and len(body["message"]) == 300
    assert table.calls.spent == pytest.approx(WORST)


def test_only_so_many_are_under_way_at_once_and_the_next_leaves_when_one_is_back():
    table = Table(at_once=2)
    table.calls.put(PROMPT, "m", {})
    table.pump()
    table.play(reply())
    for n in range(5):
        table.calls.put(PROMPT, "m", {"n": n})
    table.pump()
    assert len(table.sent()) == 3 and table.calls.waiting
    assert table.calls.reserved == pytest.approx(2 * WORST)
    table.play(reply())
    assert len(table.sent()) == 4


def test_the_ceiling_is_reached_and_not_passed():
    cost = PRICE.cost(reply().usage)
    table = Table(usd=2 * WORST + cost + 1e-9)
    assert table.calls.affords(PROMPT, "m") and not table.calls.waiting
    first = table.calls.put(PROMPT, "m", {})
    table.pump()
    assert table.calls.reserved == pytest.approx(WORST) and table.calls.waiting
    table.play(reply())
    assert (first.cost, table.calls.spent, table.calls.reserved) == (pytest.approx(cost), pytest.approx(cost), 0)
    calls = [table.calls.put(PROMPT, "m", {}) for _ in range(3)]
    table.pump()
    assert [call.state for call in calls] == ["reserved", "reserved", "failed"]
    assert "does not fit into what is left of budget.usd" in table.bodies[-1]["message"]
    assert f"${WORST:.4f}" in table.bodies[-1]["message"]
    assert not table.calls.affords(PROMPT, "m") and not table.calls.broke, "nobody else has to do without"


def test_a_judge_that_cannot_be_paid_is_noticed():
    table = Table(usd=0.9 * WORST)
    asked = table.calls.ask(PROMPT)
    table.pump()
    assert table.calls.broke
    with pytest.raises(Unanswered, match="budget"):
        asked.result(0)


@pytest.mark.parametrize(("usd", "sent"), [(0.8 * WORST, 0), (0.9 * WORST, 0), (1.1 * WORST, 1)])
def test_a_higher_ceiling_pays_a_judge_again(usd, sent):
    table = Table(usd=0.9 * WORST)
    table.calls.ask(PROMPT)
    table.pump()
    table.calls.allow(usd)
    assert table.calls.broke is (not sent)
    table.calls.ask(PROMPT)
    table.pump()
    assert (len(table.sent()), table.calls.broke) == (sent, not sent)


def test_without_a_start_only_what_a_judge_waits_for_leaves():
    table = Table()
    mine = table.calls.put(PROMPT, "m", {})
    table.calls.ask(PROMPT)
    table.pump(start=False)
    assert len(table.sent()) == 1 and mine.state == "waiting"
    assert [(body["state"], body["call"]) for body in table.bodies] == [("waiting", 0), ("reserved", 1)]
    table.play(reply())
    assert len(table.sent()) == 2, "now it may start"


def test_when_the_run_ends_everything_open_is_given_up_and_what_was_under_way_is_charged():
    table = Table()
    under_way = table.calls.ask(PROMPT)
    table.pump()
    table.calls.put(PROMPT, "m", {})
    table.calls.settle(table.commit)
    assert [(body["call"], body["fault"], body["cost"]) for body in table.bodies[1:]] == [
        (0, "abandoned", pytest.approx(WORST)), (1, "abandoned", 0)]  # fmt: skip
    assert "prompt" in table.bodies[2], "its first event says what was asked"
    assert table.calls.spent == pytest.approx(WORST) and table.calls.reserved == 0 and not table.calls.waiting
    with pytest.raises(Unanswered, match="abandoned"):
        under_way.result(0)
    written = len(table.bodies)
    table.calls.settle(table.commit)
    assert len(table.bodies) == written
    table.calls.close()
    assert table.models["m"].closed


def test_who_waits_when_nobody_pumps_any_more_is_told_so():
    table = Table()
    answered, waiting = table.calls.ask(PROMPT), table.calls.ask(PROMPT)
    table.pump()
    call = table.calls.calls[0]
    call.asker.set_result(reply())
    late = table.calls.ask(PROMPT)
    table.calls.hang_up()
    assert answered.result(0).text == "yes"
    for future in (waiting, late, table.calls.ask(PROMPT)):
        with pytest.raises(Unanswered, match="the run was stopped"):
            future.result(0)
    table.play(reply())  # an answer to whom nobody listens any more harms nobody


def test_one_model_is_asked_by_name_and_any_that_is_live_without_one():
    table = Table(names=("a", "b"), at_once=9)
    table.calls.by("b", 3).ask(PROMPT)
    table.pump()
    assert (len(table.sent("a")), len(table.sent("b"))) == (0, 1)
    assert (table.bodies[0]["model"], table.bodies[0]["reading"]) == ("b", 3)
    table.play(reply(), "b")
    table.calls.ask(PROMPT)
    table.pump()
    assert len(table.sent("a")) == 1
    for _ in range(3):
        table.calls.put(PROMPT, "a", {})
        table.calls.put(PROMPT, "b", {})
    table.pump()
    for name in ("a", "b"):
        for future in table.sent(name):
            if not future.done():
                future.set_exception(Fault(Kind.USELESS, "refusal"))
    table.pump()
    assert table.calls.live == []
    table.calls.ask(PROMPT)
    table.pump()
    assert table.bodies[-1]["model"] == "a", "somebody has to be asked"


def test_refusals_count_in_a_row_and_other_faults_do_not():
    table = Table(names=("a", "b"))

    def ask(outcome):
        table.calls.put(PROMPT, "a", {})
        table.pump()
        table.play(outcome, "a")

    no = Fault(Kind.USELESS, "refusal: cyber")
    for outcome in (no, no, reply(), no, no, Fault(Kind.USELESS, "max_tokens")):
        ask(outcome)
        assert table.calls.live == ["a", "b"]
    ask(no)
    assert table.calls.live == ["b"]


def test_what_a_reading_was_answered_before_a_kill_is_not_paid_twice():
    table = Table()
    for _ in range(2):
        table.calls.by("m", 4).ask(PROMPT)
        table.pump()
        table.play(reply())
    again = Table()
    for body in table.bodies:
        again.calls.restore(body)
    cost = PRICE.cost(reply().usage)
    assert again.calls.spent == pytest.approx(2 * cost)
    heard = [again.calls.by("m", 4).ask(PROMPT) for _ in range(3)]
    other = again.calls.by("m", 5).ask(PROMPT)
    again.pump()
    assert [future.done() for future in (*heard, other)] == [True, True, False, False]
    assert heard[0].result().cost == pytest.approx(cost)
    assert not again.calls.broke and len(again.sent()) == 1, "the third is asked; until it is answered it is alone"


def test_once_an_evaluation_is_over_it_is_not_told_again_what_it_heard():
    table = Table()
    table.calls.by("m", 4).ask(PROMPT)
    table.pump()
    table.play(reply())
    again = Table()
    for body in table.bodies:
        again.calls.restore(body)
    for reading in (3, 4):
        again.calls.over(reading)
    heard = again.calls.by("m", 4).ask(PROMPT)
    again.pump()
    assert not heard.done()


def test_texts_that_nobody_will_read_again_are_let_go():
    table = Table()
    mine = table.calls.put(PROMPT, "m", {})
    table.pump()
    table.play(reply())
    asked = table.calls.ask(PROMPT)
    table.pump()
    (call,) = table.play(reply())
    assert (asked.result(0).text, asked.result(0).cost) == ("yes", pytest.approx(call.cost))
    assert table.calls.calls == [mine, GONE], "nobody looks at a judge's call again"
    assert (mine.prompt, mine.reply.text) == (PROMPT, "yes"), "whoever has a use for it looks at the call"
    again = Table()
    for body in table.bodies:
        again.calls.restore(body)
    assert [c.prompt.user for c in again.calls.calls] == ["varying", ""]
    for _ in range(2):  # forgetting twice is forgetting
        table.calls.forget(0)
        assert table.calls.calls == [GONE, GONE] and GONE.id == -1
    table.calls.put(PROMPT, "m", {})
    assert table.calls.calls[-1].id == 2, "its number is not used again"


def test_what_a_judge_waited_for_when_the_run_was_killed_is_given_up_and_free():
    table = Table()
    table.calls.put(PROMPT, "m", {})
    table.calls.ask(Prompt("judge", "other", "text", 50))
    table.pump()
    assert [body["state"] for body in table.bodies] == ["reserved", "waiting"]
    again = Table()
    for body in table.bodies:
        again.calls.restore(body)
    assert [call.prompt for call in again.calls.calls] == [PROMPT, Prompt("judge", "other", "text", 50)]
    again.pump()
    told = [(b["call"], b["state"], b.get("fault"), b.get("cost")) for b in again.bodies]
    assert told[0] == (0, "failed", "interrupted", pytest.approx(WORST))
    assert (1, "failed", "interrupted", 0.0) in told
    assert len(again.bodies[0]["message"]) > 10 and again.bodies[0]["again"] is True


def test_a_fault_that_no_other_request_can_avoid_stops_everything_with_advice():
    table = Table()
    for n in range(2):
        table.calls.put(PROMPT, "m", {"n": n})
    table.pump()
    with pytest.raises(SetupError, match=r"m will not answer \(http 401: .*\): set ANTHROPIC_API_KEY"):
        table.play(Fault(Kind.FATAL, "http 401", "bad key"))
    assert len(table.sent()) == 1 and table.bodies[-1]["kind"] == Kind.FATAL.value


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        ("http 401", "set ANTHROPIC_API_KEY to a valid key, then `wolf resume`"),
        ("http 402", "see to the bill, then `wolf resume`"),
        ("http 403", "set one that may, then `wolf resume`, or start another run"),
        ("http 404", "correct its name or llm: base_url: and start another run"),
        ("http 413", "too long for this model: start another run"),
        ("spend limit", "see to it, then `wolf resume`"),
    ],
)
def test_each_such_fault_has_its_advice(fault, advice):
    said = fatal({"model": "m", "fault": fault, "message": "why"})
    assert said.startswith(f"m will not answer ({fault}: why): ") and advice in said


def test_a_call_that_nobody_has_sent_is_neither_written_nor_paid():
    call = Call(3, PROMPT, "m")
    assert (call.state, call.attempt, call.worst, call.cost, call.why) == ("waiting", 0, 0.0, 0.0, "")
    assert (call.broken, call.due, call.written, call.orphan) == (0, 0.0, False, False)
    assert call.reply is call.about is call.reading is call.since is call.asker is None
    assert call.back and not call.settled and call.question == question(PROMPT)
    call.sent = Future()
    assert not call.back
    call.sent.set_result(reply())
    assert call.back
    for state, settled in (("reserved", False), ("answered", True), ("failed", True)):
        call.state = state
        assert call.settled is settled
    assert call.failed("f", "m", 0.5, again=True) == {
        "call": 3, "state": "failed", "attempt": 0, "model": "m", "fault": "f", "message": "m", "cost": 0.5,
        "again": True}  # fmt: skip


def test_texts_and_questions_have_names():
    assert digest("é\udc80") == sha256("é\udc80".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    others = [("test:ask", "static", "other"), ("test:ask", "staticvary", "ing"), ("test", "static", "varying")]
    names = {question(PROMPT), *(question(Prompt(*words, 100)) for words in others)}
    assert len(names) == 4
    assert question(Prompt("test:ask", "static", "varying", 5)) == question(PROMPT), "its length is not the question"
