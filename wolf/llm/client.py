"""One request to a server that speaks the Messages API, and what can become of it. The only file that knows the SDK.

An attempt ends in a `Reply` or in a `Fault`, at the latest when its wall-clock deadline is over. Nothing here retries,
counts money or writes anything down: `wolf.llm.calls` does.

Not taken for an answer: an HTTP error, an error in the middle of a stream, a stream or a body that is cut, a reply
without a stop reason or without its usage, an empty one, one that ended at `max_tokens`, and a refusal.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

from judges.llm import Prompt, Reply, Usage
from wolf.memory import uncollected

COMPLETE = ("end_turn", "stop_sequence")


class Kind(StrEnum):
    """What a fault means for what happens next."""

    FATAL = "fatal"  # wrong key, no money, a request the server will never accept: asking again is useless
    BUSY = "busy"  # the server said not now; nothing was billed
    BROKEN = "broken"  # an answer may have been made and billed, and was not received whole
    USELESS = "useless"  # a whole answer, billed, that is none: refused, cut at max_tokens, empty


class Fault(Exception):
    """An attempt that brought no answer.

    Attributes:
        kind: what follows from it.
        what: a short name to count it by (`http 529`, `refusal`, `cut stream`).
        after: seconds that the server asked us to wait, if it did.
        usage: what it billed, where it said so.
    """

    def __init__(
        self, kind: Kind, what: str, message: str = "", after: float | None = None, usage: Usage | None = None
    ) -> None:
        super().__init__(message or what)
        self.kind = kind
        self.what = what
        self.after = after
        self.usage = usage


class Model(Protocol):
    """Somebody who answers prompts, one attempt at a time."""

    def send(self, prompt: Prompt) -> Future[Reply]:
        """The reply; the future raises `Fault`."""
        ...

    def close(self) -> None:
        """Let go of connections; unfinished attempts are lost."""
        ...


class Remote:
    """A model behind the Messages API."""

    def __init__(
        self,
        name: str,
        *,
        model: str | None = None,
        base_url: str | None = None,
        seconds: float = 300.0,
        stream: bool = True,
        effort: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`model` is the name on the wire if it is not `name`; `seconds` is the deadline of one attempt."""
        self._name = name
        self._model = model or name
        self._seconds = seconds
        self._stream = stream
        self._effort = effort
        self._base_url = base_url
        self._extra_body = dict(extra_body or {})
        self._headers = dict(headers or {})
        self._client: Any = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def send(self, prompt: Prompt) -> Future[Reply]:
        """See `Model.send`."""
        return asyncio.run_coroutine_threadsafe(self._attempt(prompt), _loop())

    def close(self) -> None:
        """See `Model.close`."""
        if self._client is not None:
            asyncio.run_coroutine_threadsafe(self._close(), _loop()).result(5)

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def _attempt(self, prompt: Prompt) -> Reply:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await self._request_and_reply(prompt)
        except Fault as fault:
            # It leaves this thread without what it was made of. Behind that, the SDK's generators wait where an error
            # stopped them, and a collection in another thread would close them while the loop does.
            fault.__context__ = None
            raise
        finally:
            self._tasks.discard(task)
            del task  # which has the fault, whose traceback has this frame

    async def _request_and_reply(self, prompt: Prompt) -> Reply:
        self._client = self._client or self._connect()
        import anthropic

        start = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                parts, request = await (self._streamed if self._stream else self._whole)(self._request(prompt))
        except TimeoutError:
            raise Fault(Kind.BROKEN, "deadline", f"no whole answer within {self._seconds:g} s") from None
        except anthropic.APIStatusError as error:
            raise _status_fault(error) from None
        except anthropic.APIConnectionError as error:
            raise _connection_fault(error) from None
        except Fault:
            raise
        except Exception as error:  # the SDK lets through what its HTTP library and its JSON parser raise
            raise Fault(Kind.BROKEN, "broken answer", _clean(f"{type(error).__name__}: {error}")) from None
        return _reply(parts, self._name, request, time.monotonic() - start)

    def _connect(self) -> Any:
        """The SDK's client. The SDK is very many objects, none of them garbage."""
        with uncollected(stays=True):
            import anthropic

            return anthropic.AsyncAnthropic(
                api_key=key() or ("none" if self._base_url else None), base_url=self._base_url, max_retries=0,
                timeout=self._seconds + 5.0, default_headers=self._headers,
            )  # fmt: skip

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        """Static part first, with the one cache mark behind it. No sampling parameters: new models refuse them."""
        request: dict[str, Any] = {
            "model": self._model,
            "max_tokens": prompt.max_tokens,
            "messages": [{"role": "user", "content": prompt.user}],
        }
        if prompt.system:
            request["system"] = [{"type": "text", "text": prompt.system, "cache_control": {"type": "ephemeral"}}]
        output: dict[str, Any] = {"effort": self._effort} if self._effort else {}
        if prompt.schema:
            output["format"] = {"type": "json_schema", "schema": dict(prompt.schema)}
        if output:
            request["extra_body"] = {"output_config": output, **self._extra_body}
        elif self._extra_body:
            request["extra_body"] = self._extra_body
        return request

    async def _whole(self, request: dict[str, Any]) -> tuple[dict[str, Any], str]:
        raw = await self._client.messages.with_raw_response.create(**request)
        body = json.loads(raw.http_response.content)
        if not isinstance(body, dict):
            raise Fault(Kind.BROKEN, "broken answer", "the answer is no JSON object")
        return body, raw.headers.get("request-id", "")

    async def _streamed(self, request: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The events of a stream put together as one body would have been; complete only after `message_stop`."""
        body: dict[str, Any] = {}
        texts: dict[int, str] = {}
        ended = False
        stream = await self._client.messages.create(**request, stream=True)
        async with stream:
            async for event in stream:
                if event.type == "message_start":
                    body["usage"] = _counts(event.message.usage)
                elif event.type == "content_block_start" and event.content_block.type == "text":
                    texts[event.index] = event.content_block.text or ""
                elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                    texts[event.index] = texts.get(event.index, "") + event.delta.text
                elif event.type == "message_delta":
                    body["stop_reason"] = event.delta.stop_reason
                    body["stop_details"] = getattr(event.delta, "stop_details", None)
                    body["usage"] = {**(body.get("usage") or {}), **_counts(event.usage)}
                ended = ended or event.type == "message_stop"
        if not ended:
            raise Fault(Kind.BROKEN, "cut stream", "the stream ended before the answer did")
        body["content"] = [{"type": "text", "text": texts[index]} for index in sorted(texts)]
        return body, stream.response.headers.get("request-id", "")


@cache
def key() -> str | None:
    """The API key, taken out of the environment on first use so that no child process inherits it."""
    return os.environ.pop("ANTHROPIC_API_KEY", None)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """The one background event loop."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="llm", daemon=True).start()
    return loop


def _reply(body: Mapping[str, Any], model: str, request: str, seconds: float) -> Reply:
    stop, usage = body.get("stop_reason"), _usage(body.get("usage"))
    if not isinstance(stop, str):
        raise Fault(Kind.BROKEN, "no stop reason", "the answer does not say why it ended")
    if usage is None:
        raise Fault(Kind.BROKEN, "no usage", "the answer does not say what it costs")
    if stop == "refusal":
        category = _category(body.get("stop_details"))
        raise Fault(Kind.USELESS, f"refusal: {category}" if category else "refusal", usage=usage)
    if stop not in COMPLETE:
        raise Fault(Kind.USELESS, stop, f"the answer ended with {stop}", usage=usage)
    blocks = body.get("content")
    texts = [b["text"] for b in blocks if isinstance(b, Mapping) and isinstance(b.get("text"), str)] if isinstance(
        blocks, list) else []  # fmt: skip
    text = "".join(texts).encode("utf-8", "replace").decode("utf-8")
    if not text.strip():
        raise Fault(Kind.USELESS, "empty", "the answer has no text", usage=usage)
    return Reply(text, model, usage, stop, seconds, request)


def _category(details: Any) -> str:
    found = details.get("category") if isinstance(details, Mapping) else getattr(details, "category", None)
    return found if isinstance(found, str) else ""


def _counts(usage: Any) -> dict[str, Any]:
    return (
        {}
        if usage is None
        else {name: value for name, value in usage.to_dict(warnings=False).items() if value is not None}
    )


def _usage(said: Any) -> Usage | None:
    """Tokens as billed; None unless input and output are whole numbers."""
    if not isinstance(said, Mapping):
        return None

    def count(name: str, where: Mapping[str, Any] = said) -> int | None:
        value = where.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

    tokens = count("input_tokens"), count("output_tokens")
    if tokens[0] is None or tokens[1] is None:
        return None
    split = said.get("cache_creation")
    hour = count("ephemeral_1h_input_tokens", split) if isinstance(split, Mapping) else 0
    written = count("cache_creation_input_tokens") or 0
    hour = min(hour or 0, written)
    return Usage(tokens[0], tokens[1], written - hour, hour, count("cache_read_input_tokens") or 0)


def _status_fault(error: Any) -> Fault:
    """By the error's own type and code; the HTTP status only where there is none."""
    inner = _mapping(_mapping(error.body).get("error"))
    foreign = not isinstance(error.body, Mapping)  # a page, from whatever else is at this address
    details = _mapping(inner.get("details"))
    code = str(details.get("error_code") or inner.get("error_code") or "")
    kind, status = str(inner.get("type") or ""), error.status_code
    what = f"http {status}" if status != 200 else f"error in stream: {kind or 'unknown'}"
    message = _clean(f"no JSON from {error.request.url}" if foreign else f"{inner.get('message') or error.message}")
    if status == 200:  # headers had gone out, and perhaps tokens: it may be billed
        return Fault(Kind.BROKEN, what, message)
    if "spend_limit" in code:
        return Fault(Kind.FATAL, code, message)
    if status in (408, 409, 429) or status >= 500:
        return Fault(Kind.BUSY, what, message, _retry_after(error.response.headers.get("retry-after")))
    return Fault(Kind.FATAL, what, message)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _connection_fault(error: BaseException) -> Fault:
    """Never connected: nothing was billed. Broken off later: it may have been."""
    names = set()
    cause: BaseException | None = error
    while cause is not None:
        names.add(type(cause).__name__)
        text = _clean(str(cause) or type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    if names & {"ConnectError", "ConnectTimeout", "gaierror", "ConnectionRefusedError"}:
        return Fault(Kind.BUSY, "no connection", text)
    return Fault(Kind.BROKEN, "connection lost", text)


def _retry_after(said: str | None) -> float | None:
    """Seconds, from a number or a date; None for nonsense."""
    if said is None:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds == seconds else None


def _clean(message: str) -> str:
    """One line without the key, at most 300 characters."""
    text = " ".join(message.split())
    secret = key()
    return (text.replace(secret, "[key]") if secret else text)[:300]
