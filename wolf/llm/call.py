"""One call to a model: a prompt, what has become of it, and what the ledger says about it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from judges.llm import Prompt, Reply

Body = dict[str, Any]


@dataclass(slots=True)
class Call:
    """One prompt and what has become of it.

    Attributes:
        id: 0, 1, 2, ... in the order of asking.
        prompt: what is asked.
        model: who is asked.
        about: whatever the asker wants to find again after a resume; None for one that asks anew by itself.
        reading: the ordinal of the evaluation that it belongs to, if one asks.
        state: waiting, reserved, answered or failed.
        attempt: attempts so far.
        worst: dollars reserved now.
        cost: dollars charged so far.
        reply: the answer, if there is one.
        why: the last fault's name.
        asker: whoever in another thread waits for the reply.
        question: what its prompt asks, as `question` says.
    """

    id: int
    prompt: Prompt
    model: str
    about: Body | None = None
    reading: int | None = None
    state: str = "waiting"
    attempt: int = 0
    worst: float = 0.0
    cost: float = 0.0
    reply: Reply | None = None
    why: str = ""
    broken: int = 0
    due: float = 0.0  # of the next attempt, on the clock
    since: float | None = None  # first attempt of this session
    sent: Future[Reply] | None = None
    written: bool = False  # whether the ledger knows of it
    orphan: bool = False  # whether whoever asked is gone with an earlier session
    asker: Future[Reply] | None = None
    question: str = field(init=False)

    def __post_init__(self) -> None:
        self.question = question(self.prompt)

    @property
    def settled(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("answered", "failed")

    @property
    def back(self) -> bool:
        """Whether nothing of it is under way: its attempt has ended, or died with an earlier session."""
        return self.sent is None or self.sent.done()

    def failed(self, fault: str, message: str, cost: float, again: bool) -> Body:
        """The event that says that an attempt, or all of it, has failed."""
        return {"call": self.id, "state": "failed", "attempt": self.attempt, "model": self.model, "fault": fault,
                "message": message, "cost": cost, "again": again}  # fmt: skip


def digest(text: str) -> str:
    """A text's name in the ledger."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def question(prompt: Prompt) -> str:
    """What makes two prompts one question."""
    return digest("\0".join((prompt.purpose, prompt.system, prompt.user)))


def fatal(body: Mapping[str, Any]) -> str:
    """What a person reads about an event of a fault that no other request can avoid."""
    advice = {
        "http 401": "set ANTHROPIC_API_KEY to a valid key, then `wolf resume`",
        "http 402": "see to the bill, then `wolf resume`",
        "http 403": "this key may not use it: set one that may, then `wolf resume`, or start another run",
        "http 404": "correct its name or llm: base_url: and start another run: this one keeps what it has",
        "http 413": "the files or the memo are too long for this model: start another run with another, or with less",
    }.get(body["fault"], "see to it, then `wolf resume`")
    return f"{body['model']} will not answer ({body['fault']}: {body['message']}): {advice}"


GONE = Call(-1, Prompt("gone", "", "", 0), "")  # stands for every settled call that nobody looks at again
