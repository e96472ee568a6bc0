"""Answer the scorer's questions with the candidate's `load` and `predict`.

    python -m train_target.harness_predict JOB

JOB (JSON): code, out (paths), vocab, threads. A question on stdin is two int32 (rows, length) and rows * length
int32 tokens; the answer on stdout is rows * length * vocab float32 logits and nothing else. What the candidate prints
goes to stderr.
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


def main(job: dict[str, Any]) -> None:
    """Serve until stdin ends."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    torch.set_num_threads(job["threads"])
    sys.path.insert(0, job["code"])
    predict = importlib.import_module("train").load(Path(job["out"]))
    while header := questions.read(8):
        rows, length = np.frombuffer(header, np.int32)
        tokens = np.frombuffer(questions.read(4 * rows * length), np.int32).reshape(rows, length)
        logits = np.ascontiguousarray(predict(tokens.copy()), dtype=np.float32)
        if logits.shape != (rows, length, job["vocab"]):
            raise ValueError(f"predict gave logits {logits.shape}, not {(rows, length, job['vocab'])}")
        answers.write(logits.data)
        answers.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
    os._exit(0)
