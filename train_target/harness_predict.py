"""Answer the scorer's questions with the candidate's `load` and `predict`.

    python -m train_target.harness_predict JOB

JOB (JSON): code, out (paths), vocab, threads, dtype. A question on stdin is two int32 (rows, length) and rows * length
int32 tokens; the answer on stdout is rows * length * vocab logits of that type and nothing else. What the candidate
prints goes to stderr.
"""

from __future__ import annotations

import gc

gc.disable()  # collecting while torch is imported costs a fifth of the import

import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

gc.enable()

HALF = (torch.finfo(torch.float16).min, torch.finfo(torch.float16).max)


def framed(logits: Any, dtype: str) -> np.ndarray:
    """Logits of the candidate (an array, or a tensor on any device) as an array of `float32` or `float16`.

    A tensor is made smaller where it is, before it travels. What is finite stays so.
    """
    if not isinstance(logits, torch.Tensor):
        logits = torch.from_numpy(np.require(logits, np.float32, ["C", "W"]))
    size = getattr(torch, dtype)
    if logits.dtype != size and size == torch.float16:
        logits = torch.where(logits.isinf(), logits, logits.clamp(*HALF))
    framed: np.ndarray = logits.detach().to(size).cpu().contiguous().numpy()
    return framed


def main(job: dict[str, Any]) -> None:
    """Serve until stdin ends."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    torch.set_num_threads(job["threads"])
    sys.path.insert(0, job["code"])
    predict = importlib.import_module("train").load(Path(job["out"]))
    while header := questions.read(8):
        rows, length = np.frombuffer(header, np.int32).tolist()
        tokens = np.frombuffer(questions.read(4 * rows * length), np.int32).reshape(rows, length)
        logits = framed(predict(tokens.copy()), job["dtype"])
        if logits.shape != (rows, length, job["vocab"]):
            raise ValueError(f"predict gave logits {logits.shape}, not {(rows, length, job['vocab'])}")
        answers.write(logits.data)
        answers.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
    os._exit(0)
