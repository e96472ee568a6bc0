"""Calls to models, on the books: nothing is sent before its worst case is reserved, or used before it is written.

    waiting  ->  reserved  ->  answered                      the reply, with its true cost
                     ^     ->  failed (again)  ->  reserved  another attempt, after a pause
                               failed                        there will be no reply

Every arrow is a `call` event in the ledger. `Calls` is a fold of them, so a resumed run knows every answer it has ever
paid for, and what was spent. `pump` moves everything along and belongs to one thread; `ask` may be called from any.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any

from judges.llm import LLM, Prompt, Reply, Unanswered, Usage
from wolf.errors import SetupError
from wolf.llm.call import GONE, Body, Call, digest, fatal, question
from wolf.llm.client import Fault, Kind, Model
from wolf.llm.prices import Price

Commit = Callable[[Sequence[tuple[str, Body]]], None]

PATIENCE = 900.0  # seconds of "not now" before a call is given up, unless it is a judge's
LONGEST_PAUSE = 60.0  # seconds between two attempts, whatever the server asks for
BROKEN_RETRIES = 2  # of answers that were not received whole: each may be billed
REFUSALS = 3  # in a row before a model is not asked any more


class Calls:
    """All calls of a run; implements `judges.llm.LLM`."""

    def __init__(
        self,
        models: Mapping[str, Model],
        prices: Mapping[str, Price],
        usd: float,
        *,
        at_once: int = 4,
        patience: float = PATIENCE,
        longest_pause: float = LONGEST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`usd` is the ceiling of all that is charged and reserved; `at_once` bounds the requests under way."""
        self._models = models
        self._prices = prices
        self._usd = usd
        self._at_once = at_once
        self._patience = patience
        self._longest_pause = longest_pause
        self._clock = clock
        self._asked: SimpleQueue[tuple[Prompt, Future[Reply], str | None, int | None]] = SimpleQueue()
        self._heard: dict[int, dict[tuple[str, str], list[Reply]]] = {}  # paid for by a reading that was cut short
        self._silent = False
        self._answered = False  # in this session; until then one request at a time, for the next may be as useless
        self._systems: dict[str, str] = {}  # by hash, as far as they are in the ledger
        self._refused: Counter[str] = Counter()  # in a row, by model
        self.calls: list[Call] = []
        self._open: dict[int, Call] = {}
        self.spent = 0.0
        self.broke = False  # whether the ceiling has kept somebody in another thread, a judge, from asking

    # Asking

    def ask(self, prompt: Prompt, model: str | None = None, reading: int | None = None) -> Future[Reply]:
        """See `judges.llm.LLM`; answered while somebody pumps. Asks any model that is live if none is named.

        What the evaluation `reading` has been answered in an earlier session is not asked, or paid for, again.
        """
        future: Future[Reply] = Future()
        if self._silent:
            future.set_exception(Unanswered("the run was stopped"))
        else:
            self._asked.put((prompt, future, model, reading))
        return future

    def by(self, model: str, reading: int | None = None) -> LLM:
        """One model as an `LLM`, for the judge of one evaluation."""
        return _By(self, model, reading)

    def hang_up(self) -> None:
        """Nobody pumps any more: whoever waits in another thread gets `Unanswered`, now and from now on."""
        self._silent = True
        self._collect()
        for call in self._open.values():
            if call.asker and not call.asker.done():
                call.asker.set_exception(Unanswered("the run was stopped"))

    def put(self, prompt: Prompt, model: str, about: Body) -> Call:
        """Ask `model`, for somebody who will look at the call itself. Only from the thread that pumps."""
        call = Call(len(self.calls), prompt, model, about)
        self.calls.append(call)
        self._open[call.id] = call
        return call

    @property
    def live(self) -> list[str]:
        """The models that have not refused too often."""
        return [name for name in self._models if self._refused[name] < REFUSALS]

    @property
    def reserved(self) -> float:
        """Dollars of requests under way, at their worst."""
        return sum(call.worst for call in self._open.values())

    @property
    def waiting(self) -> bool:
        """Whether an answer is under way."""
        return any(call.state == "reserved" for call in self._open.values())

    @property
    def stuck(self) -> bool:
        """Whether an evaluation waits for a model that was asked in vain, and nobody for the answer to a first try."""
        tried = [call for call in self._open.values() if call.about is None and call.why and not call.orphan]
        return bool(tried) and not any(call.state == "reserved" and not call.why for call in self._open.values())

    def affords(self, prompt: Prompt, model: str) -> bool:
        """Whether the ceiling leaves room for the worst case of this prompt."""
        return self.spent + self.reserved + self._prices[model].worst(prompt) <= self._usd

    def allow(self, usd: float) -> None:
        """A new ceiling. Under a higher one whoever could not ask may try again."""
        self.broke = self.broke and usd <= self._usd
        self._usd = usd

    # Moving along

    def pump(self, commit: Commit, start: bool = True) -> list[Call]:
        """Take in what has arrived, then send what may leave. Returns the calls that are settled now.

        Without `start`, only what somebody waits for in another thread leaves: an evaluation under way has to end.

        Raises:
            SetupError: for a fault that no other request can avoid (the key, the bill, the model's name).
        """
        self._collect()
        records = [self._arrived(call) for call in self._open.values() if call.state == "reserved" and call.back]
        sending = self._next(start and not any(body.get("kind") == Kind.FATAL for body in records))
        records += sending
        if records:
            commit([("call", body) for body in records])
        for body in records:
            self.fold(body)
        for body in sending:
            if body["state"] == "reserved":
                self._send(self.calls[body["call"]])
        done = [call for call in self._open.values() if call.settled]
        for call in done:
            del self._open[call.id]
            self._answer(call)
        for body in records:
            if body.get("kind") == Kind.FATAL:
                raise SetupError(fatal(body))
        return done

    def settle(self, commit: Commit) -> None:
        """Give up everything that is open; what is under way is charged at its worst."""
        bodies = [{**c.failed("abandoned", "the run ended first", c.worst, again=False), **self._first(c)}
                  for c in self._open.values()]  # fmt: skip
        if bodies:
            commit([("call", body) for body in bodies])
        for body in bodies:
            self.fold(body)
            self._answer(self.calls[body["call"]])
        self._open.clear()

    def fold(self, body: Mapping[str, Any]) -> Call:
        """Take in one `call` event, which this session has just written; see `restore`."""
        if body["call"] == len(self.calls):
            said = body["prompt"]
            self._systems.setdefault(said["system"], body.get("system", ""))
            prompt = Prompt(body["purpose"], self._systems[said["system"]], said["user"], said["max_tokens"],
                            said["schema"])  # fmt: skip
            new = self.put(prompt, body["model"], body["about"])
            new.orphan, new.reading = body["about"] is None, body["reading"]
        call: Call = self.calls[body["call"]]
        call.written = True
        self._systems.setdefault(digest(call.prompt.system), call.prompt.system)
        call.state = "waiting" if body.get("again") else body["state"]
        call.attempt = body["attempt"]
        if body["state"] in ("waiting", "reserved"):
            call.worst = body.get("worst", 0.0)
            return call
        call.worst = 0.0
        call.cost += body["cost"]
        self.spent += body["cost"]
        if body["state"] == "answered":
            call.reply = Reply(body["text"], body["model"], Usage(**body["usage"]), body["stop"], body["seconds"],
                               body["request"], body["cost"])  # fmt: skip
            self._refused[call.model] = 0
        else:
            call.why = body["fault"]
            self.broke = self.broke or (call.why == "budget" and call.about is None)
            call.broken += body.get("kind") == Kind.BROKEN
            self._refused[call.model] += call.why.startswith("refusal")
        return call

    def restore(self, body: Mapping[str, Any]) -> Call:
        """Take in one `call` event of an earlier session."""
        call = self.fold(body)
        if call.settled:
            del self._open[call.id]
            if call.reply and call.reading is not None:
                heard = self._heard.setdefault(call.reading, {}).setdefault((call.model, call.question), [])
                heard.append(replace(call.reply, cost=call.cost))
            if call.about is None:
                self.forget(call.id)
        return call

    def forget(self, id: int) -> None:
        """Nobody will look at a settled call again: it is in the ledger, and here there may be thousands."""
        self.calls[id] = GONE

    def over(self, reading: int) -> None:
        """An evaluation has ended: what it was answered in an earlier session is not asked for again."""
        self._heard.pop(reading, None)

    def close(self) -> None:
        """Let go of connections."""
        for model in self._models.values():
            model.close()

    def _collect(self) -> None:
        while True:
            try:
                prompt, asker, named, reading = self._asked.get_nowait()
            except Empty:
                return
            model = named or next(iter(self.live), next(iter(self._models)))
            known = self._heard.get(reading, {}) if reading is not None else {}
            if heard := known.get((model, question(prompt))):
                asker.set_result(heard.pop(0))
                continue
            call = Call(len(self.calls), prompt, model, reading=reading, asker=asker)
            self.calls.append(call)
            self._open[call.id] = call

    def _next(self, start: bool) -> list[Body]:
        """Reservations for what may leave now, failures for what the ceiling forbids, and what is new and has to wait.

        In the order of the calls, so that a reader can count on the first event of each.
        """
        bodies: list[Body] = []
        busy = sum(call.state == "reserved" and not call.back for call in self._open.values())
        held = self.spent + self.reserved
        most = self._at_once if self._answered else 1
        for call in self._open.values():
            if call.state != "waiting" or call.due > self._clock() or busy >= most or not (start or call.about is None):
                if not call.written:
                    bodies.append({"call": call.id, "state": "waiting", "attempt": 0, "model": call.model,
                                   **self._first(call)})  # fmt: skip
                continue
            if call.orphan:
                bodies.append(call.failed("interrupted", "nobody waits for it any more", 0.0, again=False))
                continue
            worst = self._prices[call.model].worst(call.prompt)
            if held + worst > self._usd:
                message = f"the worst case of ${worst:.4f} does not fit into what is left of budget.usd"
                bodies.append({**call.failed("budget", message, 0.0, again=False), **self._first(call)})
                continue
            held += worst
            busy += 1
            body = {"call": call.id, "state": "reserved", "attempt": call.attempt + 1, "model": call.model,
                    "worst": worst, **self._first(call)}  # fmt: skip
            bodies.append(body)
        return bodies

    def _first(self, call: Call) -> Body:
        """What only the first event of a call says: the prompt, and a system text only the first time it is used."""
        if call.written:
            return {}
        prompt, name = call.prompt, digest(call.prompt.system)
        said = {"system": name, "user": prompt.user, "max_tokens": prompt.max_tokens,
                "schema": dict(prompt.schema) if prompt.schema else None}  # fmt: skip
        new = {} if name in self._systems else {"system": prompt.system}
        self._systems[name] = prompt.system
        return {"purpose": prompt.purpose, "about": call.about, "reading": call.reading, "prompt": said, **new}

    def _send(self, call: Call) -> None:
        call.since = self._clock() if call.since is None else call.since
        call.sent = self._models[call.model].send(call.prompt)

    def _arrived(self, call: Call) -> Body:
        """The event about an attempt that has ended."""
        if call.sent is None:  # it was under way when the last session died
            again = call.about is not None
            return call.failed("interrupted", "it was under way when the run was killed", call.worst, again=again)
        try:
            reply = call.sent.result()
        except Fault as fault:
            return self._faulty(call, fault.with_traceback(None))  # it has this frame, which has the call, which has it
        except Exception as error:
            return self._faulty(call, Fault(Kind.BROKEN, "broken answer", f"{type(error).__name__}: {error}"[:300]))
        self._answered = True
        return {
            "call": call.id, "state": "answered", "attempt": call.attempt, "model": call.model, "text": reply.text,
            "stop": reply.stop, "usage": asdict(reply.usage), "cost": self._prices[call.model].cost(reply.usage),
            "seconds": reply.seconds, "request": reply.request,
        }  # fmt: skip

    def _faulty(self, call: Call, fault: Fault) -> Body:
        self._answered = self._answered or fault.kind is Kind.USELESS
        if fault.usage is not None:
            cost = self._prices[call.model].cost(fault.usage)
        else:
            cost = call.worst if fault.kind is Kind.BROKEN else 0.0
        pause = self._pause(call, fault)
        if pause is not None:
            call.due = self._clock() + pause
        body = call.failed(fault.what, str(fault), cost, again=pause is not None)
        return {**body, "kind": fault.kind.value, "judging": call.about is None}

    def _pause(self, call: Call, fault: Fault) -> float | None:
        """Seconds until another attempt; None if there is to be none."""
        if fault.kind not in (Kind.BUSY, Kind.BROKEN) or call.broken + (fault.kind is Kind.BROKEN) > BROKEN_RETRIES:
            return None
        backoff = 2.0 ** min(call.attempt - 1, 10) * random.uniform(0.5, 1.0)
        pause = min(self._longest_pause, backoff if fault.after is None else fault.after + random.random())
        started = self._clock() if call.since is None else call.since
        judging = call.about is None  # half a panel would be another measure, so an evaluation waits for its judges
        return pause if judging or self._clock() + pause - started <= self._patience else None

    def _answer(self, call: Call) -> None:
        if call.asker and not call.asker.done():
            if call.reply is not None:
                call.asker.set_result(replace(call.reply, cost=call.cost))
            else:
                call.asker.set_exception(Unanswered(f"no answer from {call.model}: {call.why}"))
        if call.about is None:
            self.forget(call.id)


@dataclass(frozen=True, slots=True)
class _By:
    """See `Calls.by`."""

    calls: Calls
    model: str
    reading: int | None

    def ask(self, prompt: Prompt) -> Future[Reply]:
        """See `judges.llm.LLM`."""
        return self.calls.ask(prompt, self.model, self.reading)
