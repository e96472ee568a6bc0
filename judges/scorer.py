"""The scorer: asks a predictor for logits and computes bits per byte from them, in a process of its own.

    python -m judges.scorer < JOB

It imports no candidate code, and nothing that a candidate computes is believed except logits. Tokens, targets, bytes
per token, log-softmax and arithmetic are ours, so every answer is a proper distribution whatever it sums to. Windows
do not overlap and the last token of each is never sent. An answer that is not exactly rows * length * vocab finite
numbers of the agreed size, or comes before it was asked for, or is followed by anything, makes the reading invalid.
While the predictor works on a question, the scorer works on the answer to the one before.

JOB (JSON): `replicas` (one or two predictors, each `command`, `cwd`, `env` and `cage`; see
train_target/harness_predict.py for the frames), `seconds` and `memory` (a predictor's limits), `corpus` and `tokens`
(paths), `context`, `count` (tokens to score), `audit` (rows to audit), `seed` (of the audit), `device` (where the
arithmetic is done; `cpu` does without torch), `dtype` (of the logits: `float32` or `float16`, which a GPU's have hardly
more to say than and which halves what goes through the pipe). The answer on stdout is one JSON object: a `Reading`.

The first replica is scored. The second is started when the first is gone, and audits it (judges/audit.py); what the
answers leak is added to the score.
"""

from __future__ import annotations

import json
import math
import os
import select
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from judges import audit, process
from judges.cage import Cage
from judges.process import Limits, Running

Logits = NDArray[np.floating[Any]]
Arithmetic = Callable[[Logits, NDArray[np.int32]], NDArray[np.float64]]

FRAME_BYTES = 32 << 20  # of one answer, unless a single row is larger
SILENT = "what it printed is not shown, for it could be the text that is held out"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a scorer says.

    Attributes:
        status: `ok`, `invalid` (the answers break the contract), `crashed`, `timeout` or `memory` (the
            predictor did).
        bpb: bits per byte, `charge` included; None unless ok.
        tokens: tokens scored.
        seconds: wall-clock seconds, loading the artefact and the audit included.
        why: what was wrong; empty if ok.
        charge: bits per byte that were added for what the model may know of the next token: an upper bound.
        audited: rows that the second replica was asked.
        audit_seconds: how much of `seconds` the audit took.
    """

    status: str
    bpb: float | None
    tokens: int
    seconds: float
    why: str = ""
    charge: float = 0.0
    audited: int = 0
    audit_seconds: float = 0.0


class NoReadingError(Exception):
    """A replica gave no usable answers: the status of the reading, and why."""


class InvalidError(Exception):
    """An answer breaks the contract; the message says how, in numbers only."""


def windows(tokens: NDArray[np.uint16], context: int, count: int) -> NDArray[np.int32]:
    """Rows of `context + 1` tokens, evenly spread and not overlapping, about `count` scored tokens in all."""
    width = context + 1
    available = len(tokens) // width
    rows = min(available, max(1, round(count / context)))
    starts = np.arange(rows) * (available / max(1, rows))
    return np.stack([tokens[width * int(i) : width * (int(i) + 1)] for i in starts]).astype(np.int32)


def bits(logits: Logits, targets: NDArray[np.int32]) -> NDArray[np.float64]:
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


def bits_on(device: str, logits: Logits, targets: NDArray[np.int32]) -> NDArray[np.float64]:
    """What `bits` says, computed by torch on `device`: a GPU makes 8,192 logits a token cheap.

    Raises:
        InvalidError: if a logit is NaN or infinite.
    """
    import torch

    wide = torch.from_numpy(logits).to(device).double()
    if not bool(torch.isfinite(wide).all()):
        raise InvalidError(f"{int((~torch.isfinite(wide)).sum())} of {logits.size} logits are not finite")
    chosen = wide.gather(-1, torch.from_numpy(targets).to(device).long()[..., None])[..., 0]
    result: NDArray[np.float64] = ((wide.logsumexp(-1) - chosen) / math.log(2)).cpu().numpy()
    return result


def ask(predictor: Running, rows: NDArray[np.int32]) -> None:
    """Send a question.

    Raises:
        InvalidError: if it answered before it was asked.
        OSError: if it has ended.
    """
    pipe = predictor.stdout.fileno()  # unbuffered: what we did not ask for stays in the pipe, where it is noticed
    if select.select([pipe], [], [], 0)[0] and os.read(pipe, 1):
        raise InvalidError("it answered before it was asked")
    predictor.stdin.write(struct.pack("<ii", *rows.shape) + rows.astype("<i4").tobytes())
    predictor.stdin.flush()


def receive(predictor: Running, answer: Logits) -> Logits:
    """The predictor's answer, read into `answer`, an array of its shape and type.

    Raises:
        InvalidError: if it is too short.
    """
    pipe = predictor.stdout.fileno()
    view, got = memoryview(answer.data).cast("B"), 0
    while got < len(view) and (n := os.readv(pipe, [view[got:]])):
        got += n
    if got < len(view):
        raise InvalidError(f"an answer has {got} of {len(view)} bytes")
    return answer


def score(
    predictor: Running,
    inputs: NDArray[np.int32],
    targets: NDArray[np.int32],
    vocab: int,
    arithmetic: Arithmetic = bits,
    dtype: str = "float32",
) -> NDArray[np.float64]:
    """Bits for every target, given the inputs up to its place.

    Raises:
        InvalidError: if an answer breaks the contract.
        OSError: if the predictor has ended.
    """
    size = np.dtype(dtype).newbyteorder("<")
    batch = min(len(inputs), max(1, FRAME_BYTES // (size.itemsize * inputs.shape[1] * vocab)))
    parts = [slice(i, i + batch) for i in range(0, len(inputs), batch)]
    answers = np.empty((batch, inputs.shape[1], vocab), size)
    result = np.empty(inputs.shape)
    ask(predictor, inputs[parts[0]])
    for part, following in zip_longest(parts, parts[1:]):
        answer = receive(predictor, answers[: len(targets[part])])
        if following:
            ask(predictor, inputs[following])
        result[part] = arithmetic(answer, targets[part])
    predictor.stdin.close()
    if os.read(predictor.stdout.fileno(), 1):
        raise InvalidError("it went on after the last answer")
    return result


def replica(
    how: dict[str, Any],
    limits: Limits,
    inputs: NDArray[np.int32],
    targets: NDArray[np.int32],
    vocab: int,
    arithmetic: Arithmetic,
    dtype: str,
) -> NDArray[np.float64]:
    """Start a predictor, ask it everything, end it: bits for every target.

    Raises:
        NoReadingError: if its answers are of no use.
    """
    why, paid = "", np.empty(0)
    made = how["cage"]
    cage = Cage(tuple(made["prefix"]), made["rules"], tuple(made["inside"]))
    with process.start(how["command"], cwd=Path(how["cwd"]), env=how["env"], limits=limits, cage=cage) as predictor:
        try:
            paid = score(predictor, inputs, targets, vocab, arithmetic, dtype)
        except InvalidError as error:
            why = str(error)
        except OSError:
            why = "it ended before the last answer"
        finished = predictor.finished()
    if finished.timed_out:
        raise NoReadingError("timeout", finished.reason)
    if finished.out_of_memory and not finished.ok:
        raise NoReadingError("memory", finished.reason)
    if why and not finished.ok:
        raise NoReadingError("crashed", f"{finished.reason}; {SILENT}")
    if why:
        raise NoReadingError("invalid", why)
    return paid


def read(job: dict[str, Any]) -> Reading:
    """Score the first replica, audit it with the second, and say what came of it."""
    started = time.monotonic()
    meta = json.loads(Path(job["corpus"]).read_text())
    vocab, sizes = meta["vocab"], np.array(meta["token_bytes"])
    rows = windows(np.fromfile(job["tokens"], dtype=np.uint16), job["context"], job["count"])
    inputs, targets = rows[:, :-1], rows[:, 1:]
    lengths = sizes[targets]
    outcome, audited, limits = audit.Outcome(), 0, Limits(job["seconds"], memory_bytes=job.get("memory"))
    device = job.get("device", "cpu")
    if device != "cpu":  # to start a GPU takes seconds: meanwhile the predictor starts
        Thread(target=bits_on, args=(device, np.zeros((1, 1, 1), np.float32), np.zeros((1, 1), np.int32))).start()
    how = (vocab, bits if device == "cpu" else partial(bits_on, device), job.get("dtype", "float32"))
    try:
        paid = replica(job["replicas"][0], limits, inputs, targets, *how)
        scored = time.monotonic()
        if job["audit"]:
            plan = audit.plan(rows, paid, job["audit"], job["seed"])
            audited = len(plan.source)
            again = replica(job["replicas"][1], limits, plan.inputs, targets[plan.source], *how)
            outcome = audit.compare(plan, paid, again)
    except NoReadingError as error:
        return Reading(error.args[0], None, lengths.size, time.monotonic() - started, error.args[1])
    now = time.monotonic()
    charge = outcome.charge * lengths.size / float(lengths.sum())
    bpb = float((paid * (lengths > 0)).sum() / lengths.sum()) + charge
    status = "invalid" if outcome.why else "ok"
    facts = (lengths.size, now - started, outcome.why, charge, audited, now - scored)
    return Reading(status, None if outcome.why else bpb, *facts)


if __name__ == "__main__":
    print(json.dumps(asdict(read(json.load(sys.stdin)))))
