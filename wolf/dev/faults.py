"""What can go wrong on the wire, by name: each fault spoils one answer in one way.

A fault is given the connection's handler and the answer that it spoils; what it sends is all that is sent.
"""

from __future__ import annotations

import email.utils
import json
import socket
import struct
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any

from wolf.dev.wire import Said, encode, message

Fault = Callable[[BaseHTTPRequestHandler, Said, bool], None]
DRIP = 0.05  # seconds between the bytes of a slow answer
SILENCE = 30.0  # seconds that a silent server keeps the connection open


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    """One whole HTTP answer."""
    handler.send_response(status)
    for name, value in {"content-type": "application/json", "request-id": "req_fake", **(headers or {})}.items():
        handler.send_header(name, value)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _error(status: int, kind: str, text: str, headers: Mapping[str, str] | None = None, code: str = "") -> Fault:
    inner = {"type": kind, "message": text, **({"details": {"error_code": code}} if code else {})}
    body = json.dumps({"type": "error", "error": inner}).encode()

    def fault(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
        send(handler, status, body, headers)

    return fault


def _limited(after: Callable[[], str]) -> Fault:
    def fault(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
        _error(429, "rate_limit_error", "slow down", {"retry-after": after()})(handler, said, stream)

    return fault


def _body(content: bytes, kind: str = "application/json", status: int = 200) -> Fault:
    def fault(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
        send(handler, status, content, {"content-type": kind})

    return fault


def _changed(**changes: Any) -> Fault:
    """The answer with other values of some fields; None leaves the field out."""

    def fault(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
        spoilt = {name: value for name, value in {**message(said), **changes}.items() if value is not None}
        content, kind = encode(spoilt, stream)
        send(handler, 200, content, {"content-type": kind})

    return fault


def _part(share: float) -> Fault:
    """The beginning of the answer, then the end of the connection, as if it were whole."""

    def fault(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
        content, kind = encode(message(said), stream)
        send(handler, 200, content[: int(len(content) * share)], {"content-type": kind})

    return fault


def _broken_off(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
    """Fewer bytes than promised."""
    content, kind = encode(message(said), stream)
    handler.send_response(200)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.wfile.flush()
    handler.close_connection = True


def _reset(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def _hang_up(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
    handler.close_connection = True


def _silent(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
    handler.connection.settimeout(SILENCE)
    try:
        while handler.connection.recv(1024):  # until the other side gives up
            pass
    except OSError:
        pass
    handler.close_connection = True


def _drip(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
    content, kind = encode(message(said), stream)
    handler.send_response(200)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    for byte in content:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(DRIP)


def _error_in_stream(handler: BaseHTTPRequestHandler, said: Said, stream: bool) -> None:
    if not stream:
        return FAULTS["529"](handler, said, stream)
    content, kind = encode(message(said), stream)
    head = b"\n\n".join(content.split(b"\n\n")[:3]) + b"\n\n"
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "overloaded"}}
    send(handler, 200, head + f"event: error\ndata: {json.dumps(error)}\n\n".encode(), {"content-type": kind})


_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
_DATE = "Wed, 21 Oct 2037 07:28:00 GMT"

FAULTS: dict[str, Fault] = {
    "400": _error(400, "invalid_request_error", "max_tokens: must be positive"),
    "401": _error(401, "authentication_error", "invalid x-api-key"),
    "402": _error(402, "billing_error", "your credit balance is too low"),
    "403": _error(403, "permission_error", "this key may not use this model"),
    "404": _error(404, "not_found_error", "model: no-such-model"),
    "413": _error(413, "request_too_large", "request exceeds 32 MB"),
    "spend-limit": _error(429, "rate_limit_error", "monthly limit reached", code="enforced_spend_limit_reached"),
    "spend-limit-after": _error(
        429, "rate_limit_error", "limit reached", {"retry-after": "1"}, "enforced_spend_limit_reached"
    ),
    "408": _error(408, "timeout_error", "request timed out"),
    "429": _error(429, "rate_limit_error", "slow down"),
    "429-after-2": _limited(lambda: "2"),
    "429-after-3600": _limited(lambda: "3600"),
    "429-after-date": _limited(lambda: _DATE),
    "429-after-past": _limited(lambda: email.utils.formatdate(time.time() - 60)),
    "429-after-nonsense": _limited(lambda: "soon, my friend"),
    "500": _error(500, "api_error", "internal error"),
    "502-html": _body(_PAGE, "text/html", 502),
    "503": _error(503, "api_error", "unavailable"),
    "504": _error(504, "timeout_error", "gateway timeout"),
    "529": _error(529, "overloaded_error", "overloaded"),
    "reset": _reset,
    "hang-up": _hang_up,
    "silent": _silent,
    "drip": _drip,
    "200-html": _body(_PAGE, "text/html"),
    "200-empty": _body(b""),
    "200-list": _body(b"[1, 2]"),
    "200-bytes": _body(b"\xff\xfe\x00\x80{"),
    "half": _part(0.5),
    "no-end": _part(0.93),
    "broken-off": _broken_off,
    "stream-error": _error_in_stream,
    "no-usage": _changed(usage=None),
    "odd-usage": _changed(usage={"input_tokens": "many", "output_tokens": -3}),
    "no-stop": _changed(stop_reason=None),
    "max_tokens": _changed(stop_reason="max_tokens"),
    "refusal": _changed(stop_reason="refusal", content=[]),
    "pause_turn": _changed(stop_reason="pause_turn"),
    "tool_use": _changed(stop_reason="tool_use"),
    "context-full": _changed(stop_reason="model_context_window_exceeded"),
    "no-content": _changed(content=[]),
    "blank": _changed(content=[{"type": "text", "text": "  \n"}]),
}
"""Fault name -> how it is done. A name that cannot be resolved is the one fault that no server can play."""
