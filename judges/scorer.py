"""The scorer: asks a predictor for logits and computes bits per byte from them, in a process of its own.

    python -m judges.scorer < JOB

It imports no candidate code, and nothing that a candidate computes is believed except logits. Tokens, targets, bytes
per token, log-softmax and arithmetic are ours, so every answer is a proper distribution whatever it sums to. Windows
do not overlap and the last token of each is never sent. An answer that is not exactly rows * length * vocab finite
float32 numbers, or comes before it was asked for, or is followed by anything, makes the whole reading invalid.

JOB (JSON): `command` (the predictor's; see train_target/harness_predict.py for the frames), `cwd`, `env`, `seconds`
(the predictor's limit), `corpus` and `tokens` (paths), `context`, `count` (tokens to score). The answer on stdout is
one JSON object: a `Reading`.

What is not covered yet: whether the logits at one place depend on tokens after it. `score` returns bits per token in
the order of `windows`, which is what such an audit has to compare.
"""

from __future__ import annotations

import json
import math
import os
import select
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judges import process
from judges.process import Limits, Running

FRAME_BYTES = 32 << 20  # of one answer, unless a single row is larger


@dataclass(frozen=True, slots=True)
class Reading:
    """What a scorer says.

    Attributes:
        status: `ok`, `invalid` (the answers break the contract), `crashed` or `timeout` (the predictor did).
        bpb: bits per byte; None unless ok.
        tokens: tokens scored.
        seconds: wall-clock seconds, loading the artefact included.
        why: what was wrong; empty if ok.
    """

    status: str
    bpb: float | None
    tokens: int
    seconds: float
    why: str


class InvalidError(Exception):
    """An answer breaks the contract; the message says how, in numbers only."""


def windows(tokens: NDArray[np.uint16], context: int, count: int) -> NDArray[np.int32]:
    """Rows of `context + 1` tokens, evenly spread and not overlapping, about `count` scored tokens in all."""
    width = context + 1
    available = len(tokens) // width
    rows = min(available, max(1, round(count / context)))
    starts = np.arange(rows) * (available / max(1, rows))
    return np.stack([tokens[width * int(i) : width * (int(i) + 1)] for i in starts]).astype(np.int32)


def bits(logits: NDArray[np.float32], targets: NDArray[np.int32]) -> NDArray[np.float64]:
    """Bits to encode each target under the softmax of its logits (last axis), in float64.

    Raises:
        InvalidError: if a logit is NaN or infinite.
    """
    if not np.isfinite(logits).all():
        raise InvalidError(f"{(~np.isfinite(logits)).sum()} of {logits.size} logits are not finite")
    wide = logits.astype(np.float64)
    top = wide.max(-1, keepdims=True)
    chosen = np.take_along_axis(wide, targets[..., None].astype(np.int64), -1)
    wide -= top
    total = np.log(np.exp(wide, out=wide).sum(-1))
    result: NDArray[np.float64] = (total + (top - chosen)[..., 0]) / math.log(2)
    return result


def ask(predictor: Running, rows: NDArray[np.int32], vocab: int) -> NDArray[np.float32]:
    """The predictor's logits [*rows.shape, vocab].

    Raises:
        InvalidError: if it answered before it was asked, or too little.
        OSError: if it has ended.
    """
    pipe = predictor.stdout.fileno()  # unbuffered: what we did not ask for stays in the pipe, where it is noticed
    if select.select([pipe], [], [], 0)[0] and os.read(pipe, 1):
        raise InvalidError("it answered before it was asked")
    predictor.stdin.write(struct.pack("<ii", *rows.shape) + rows.astype("<i4").tobytes())
    predictor.stdin.flush()
    answer = np.empty((*rows.shape, vocab), dtype="<f4")
    view, got = memoryview(answer.data).cast("B"), 0
    while got < len(view) and (n := os.readv(pipe, [view[got:]])):
        got += n
    if got < len(view):
        raise InvalidError(f"an answer has {got} of {len(view)} bytes")
    return answer


def score(predictor: Running, rows: NDArray[np.int32], vocab: int) -> NDArray[np.float64]:
    """Bits for every token of `rows` but the first of each row.

    Raises:
        InvalidError: if an answer breaks the contract.
        OSError: if the predictor has ended.
    """
    batch = max(1, FRAME_BYTES // (4 * (rows.shape[1] - 1) * vocab))
    result = np.empty((len(rows), rows.shape[1] - 1))
    for i in range(0, len(rows), batch):
        part = rows[i : i + batch]
        result[i : i + batch] = bits(ask(predictor, part[:, :-1], vocab), part[:, 1:])
    predictor.stdin.close()
    if os.read(predictor.stdout.fileno(), 1):
        raise InvalidError("it went on after the last answer")
    return result


def read(job: dict[str, Any]) -> Reading:
    """Start the predictor, ask it everything, and say what came of it."""
    started = time.monotonic()
    meta = json.loads(Path(job["corpus"]).read_text())
    sizes = np.array(meta["token_bytes"])
    rows = windows(np.fromfile(job["tokens"], dtype=np.uint16), job["context"], job["count"])
    why, bpb, lengths = "", None, sizes[rows[:, 1:]]
    with process.start(
        job["command"], cwd=Path(job["cwd"]), env=job["env"], limits=Limits(job["seconds"])
    ) as predictor:
        try:
            bpb = float((score(predictor, rows, meta["vocab"]) * (lengths > 0)).sum() / lengths.sum())
        except InvalidError as error:
            why = str(error)
        except OSError:
            why = "it ended before the last answer"
        finished = predictor.finished()
    if finished.timed_out:
        status, why = "timeout", finished.reason
    elif why and not finished.ok:
        status, why = "crashed", finished.reason  # not what it printed: that could be our tokens
    else:
        status = "invalid" if why else "ok"
    return Reading(status, None if why else bpb, lengths.size, time.monotonic() - started, why)


if __name__ == "__main__":
    print(json.dumps(asdict(read(json.load(sys.stdin)))))
