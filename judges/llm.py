"""What a language model is to those who ask one: a prompt in, a future reply out.

`wolf` implements `LLM` (reserving money, retrying, writing to the ledger) and hands it over; whoever only asks needs
nothing but this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question.

    Attributes:
        purpose: who asks and what for, `family:name` (`llm:edit`, `judge:duel`); accounts and replays are kept by it.
        system: the part that stays the same from call to call; it goes first and is cached.
        user: the part that varies.
        max_tokens: what the reply may be long, thinking included.
        schema: a JSON schema that the reply has to follow, where the model can be held to one.
    """

    purpose: str
    system: str
    user: str
    max_tokens: int = 8192
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens billed: `input` excludes those written to or read from the cache."""

    input: int
    output: int
    cache_write: int = 0
    cache_write_hour: int = 0
    cache_read: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer: the model came to an end of its own.

    Attributes:
        text: what it said, without its thinking. Untrusted.
        model: who said it, by the name in the configuration.
        usage: what is billed.
        stop: why it ended (`end_turn` or `stop_sequence`).
        seconds: from sending to the last byte.
        request: the provider's id of the request, for complaints.
        cost: dollars; filled in by whoever knows the prices.
    """

    text: str
    model: str
    usage: Usage
    stop: str = "end_turn"
    seconds: float = 0.0
    request: str = ""
    cost: float = 0.0


class Unanswered(Exception):
    """There is no reply, and there will be none for this prompt. The message is one sentence that says why."""


class LLM(Protocol):
    """Answers prompts. `ask` may be called from any thread and returns at once."""

    def ask(self, prompt: Prompt) -> Future[Reply]:
        """A future of the reply; it raises `Unanswered` when there is none."""
        ...
