"""One attempt against a real server: what is an answer, what is not, and what follows from it."""

from __future__ import annotations

import time

import pytest

from judges.llm import Prompt, Usage
from wolf.dev.faults import FAULTS
from wolf.dev.server import FakeServer
from wolf.dev.wire import Said
from wolf.llm.client import Fault, Kind, Remote

PROMPT = Prompt("test:ask", "You are a wolf.", "What do you say?", 1000)


def howl(request: object) -> Said:
    return Said("Awoo. " * 200, input=120, output=40, cached=60)


def attempt(fault: str | None, stream: bool, seconds: float = 20.0):
    with FakeServer(howl, lambda *_: fault) as server:
        model = Remote("wolfling", base_url=server.url, seconds=seconds, stream=stream)
        try:
            return model.send(PROMPT).result(30), server.log
        except Fault as found:
            return found, server.log
        finally:
            model.close()


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_comes_whole_with_its_usage(stream):
    reply, log = attempt(None, stream)
    assert reply.text == "Awoo. " * 200
    assert reply.usage == Usage(120, 40, cache_read=60)
    assert (reply.stop, reply.model, reply.request, len(log)) == ("end_turn", "wolfling", "req_fake", 1)


def test_the_static_part_goes_first_and_is_cached_and_nothing_is_sampled():
    _, log = attempt(None, True)
    body = log[0].body
    assert body["system"][0] == {"type": "text", "text": PROMPT.system, "cache_control": {"type": "ephemeral"}}
    assert not {"temperature", "top_p", "top_k"} & body.keys()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", [name for name in FAULTS if name not in ("silent", "drip")])
def test_no_fault_is_taken_for_an_answer_and_each_costs_one_request(name, stream, kind_of):
    found, log = attempt(name, stream)
    assert isinstance(found, Fault)
    assert len(log) == 1
    expected = Kind.BUSY if name == "stream-error" and not stream else kind_of(name)
    assert found.kind is expected, (found.what, str(found))
    assert found.__context__ is None  # what the SDK left half-way has to go in the loop's thread
    if expected is Kind.USELESS:
        assert found.usage is not None  # it is billed


@pytest.mark.parametrize("name", ["silent", "drip"])
def test_a_slow_server_is_cut_at_the_wall_deadline(name):
    start = time.monotonic()
    found, log = attempt(name, True, seconds=0.7)
    assert (found.kind, found.what, len(log)) == (Kind.BROKEN, "deadline", 1)
    assert time.monotonic() - start < 6


def test_a_page_is_not_read_out_but_named_by_its_address():
    found, _ = attempt("502-html", True)
    assert found.what == "http 502" and str(found).endswith("/v1/messages") and "<" not in str(found)


def test_retry_after_is_read_as_seconds_or_a_date_and_nonsense_is_ignored():
    waits = {name: attempt(name, True)[0].after for name in FAULTS if name.startswith("429-")}
    assert waits["429-after-2"] == 2
    assert waits["429-after-3600"] == 3600
    assert waits["429-after-date"] > 10**7
    assert waits["429-after-past"] == 0
    assert waits["429-after-nonsense"] is None


@pytest.mark.parametrize("url", ["http://no-such-host.invalid", "http://127.0.0.1:9"])
def test_no_connection_is_not_billed(url):
    model = Remote("wolfling", base_url=url, seconds=10)
    with pytest.raises(Fault) as found:
        model.send(PROMPT).result(30)
    model.close()
    assert (found.value.kind, found.value.what) == (Kind.BUSY, "no connection")


def test_the_key_is_in_no_message(monkeypatch):
    monkeypatch.setattr("wolf.llm.client.key", lambda: "sk-secret")
    monkeypatch.setitem(FAULTS, "echo", lambda handler, said, stream: _echo(handler))
    found, log = attempt("echo", True)
    assert "sk-secret" in str(log[0].headers)
    assert "sk-secret" not in str(found)
    assert "[key]" in str(found)


def _echo(handler) -> None:
    from wolf.dev.faults import send

    send(handler, 400, b'{"type": "error", "error": {"type": "invalid_request_error", "message": "bad sk-secret"}}')
