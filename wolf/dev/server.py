"""A local HTTP server that plays a model: it speaks the Messages API, streaming included, and can misbehave.

At `/v1/chat/completions` it also answers as OpenAI's API does, without streaming and faults.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wolf.dev.faults import FAULTS, send
from wolf.dev.wire import Said, completion, encode, message

Player = Callable[[Mapping[str, Any]], Said]
"""Makes an answer of a request's body."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, as the server saw it: the how many-th, a hash of what was asked, the fault played, if any."""

    number: int
    prompt: str
    fault: str | None
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class FakeServer:
    """`with FakeServer(player) as server: ... server.url`; every request is in `server.log`."""

    def __init__(
        self,
        player: Player,
        fault: Callable[[int, str], str | None] = lambda number, prompt: None,
        *,
        port: int = 0,
        latency: float = 0.0,
        log: Path | None = None,
    ) -> None:
        """`fault(n, prompt)` names the fault of request n = 0, 1, ..., which asks what hashes to `prompt`.

        `log` is a file that gets a line for each request.
        """
        self.log: list[Entry] = []
        self._player = player
        self._fault = fault
        self._latency = latency
        self._file = log
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # clients that give up are part of the play

        self._server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers.get("content-length", 0))))
        prompt = sha256(json.dumps([body.get("system"), body.get("messages")]).encode()).hexdigest()[:16]
        with self._lock:
            number = len(self.log)
            fault = self._fault(number, prompt)
            self.log.append(Entry(number, prompt, fault, body, dict(handler.headers)))
            if self._file is not None:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"number": number, "prompt": prompt, "fault": fault}) + "\n")
        time.sleep(self._latency)
        said, stream = self._player(body), bool(body.get("stream"))
        if handler.path.endswith("/chat/completions"):
            send(handler, 200, json.dumps(completion(said)).encode(), {"content-type": "application/json"})
        elif fault is not None:
            FAULTS[fault](handler, said, stream)
        else:
            content, kind = encode(message(said), stream)
            send(handler, 200, content, {"content-type": kind})

    def serve(self) -> None:
        """Answer until interrupted."""
        self._server.serve_forever()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
