"""Runs `wolf` commands in forked children on a disk that fails; a line of JSON in, a line of JSON out.

    LD_PRELOAD=shim.so python host.py shim.so < JOBS

JOB: `arguments` (of `wolf`), `folder` (to run in; what lies below it is the disk), `action`, `at`, `seed` (see shim.c).
The answer: `code` (an exit code, or minus a signal), `calls` (-1 where the child was killed), `said`.

A fork takes milliseconds where a new Python with all our imports takes seconds, and a kill -9 is just as final.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

import anthropic  # noqa: F401  # imported once, so that the children need not
import scipy.stats  # noqa: F401

from wolf import cli

shim = ctypes.CDLL(sys.argv[1])


def child(job: dict[str, Any], answer: int) -> None:
    """The command, armed."""
    os.chdir(job["folder"])
    said = os.open("said.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    shim.fault_arm(str(Path(job["folder"], "runs")).encode(), job["action"], ctypes.c_long(job["at"]), job["seed"])
    try:
        cli.main(job["arguments"], prog_name="wolf")
    except SystemExit as end:
        sys.stdout.flush()
        os.write(answer, f"{end.code or 0} {shim.fault_calls()}".encode())
    os._exit(0)


for line in sys.stdin:
    job = json.loads(line)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        child(job, write)
    os.close(write)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    answer = os.read(read, 100).decode().split()
    os.close(read)
    said = Path(job["folder"], "said.txt").read_text(errors="replace")
    calls = int(answer[1]) if answer else -1
    print(json.dumps({"code": int(answer[0]) if answer else code, "calls": calls, "said": said}), flush=True)
