"""A container's first process, run outside of one: it ends with the candidate or with the supervisor's lock."""

from __future__ import annotations

import fcntl
import marshal
import os
import subprocess
import sys
from pathlib import Path

import pytest

from judges import seccomp
from judges.lifeline import Lifeline, lives

GUARD = Path(__file__).parents[2] / "judges" / "guard.py"
RULES = (
    marshal.dumps({"filter": seccomp.filter_bytes(network=False, shared=False)}).hex() if seccomp.supported() else ""
)
pytestmark = pytest.mark.skipif(sys.platform != "linux" or not RULES, reason="seccomp")
# As Docker starts it: without new privileges, which the filter needs.
BARE = "import ctypes, os, sys; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0); os.execv(sys.executable, sys.argv[1:])"


def guard(life: Path, *command: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", BARE, sys.executable, "-I", str(GUARD), str(life), RULES, *command]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("command", "code", "out", "err"),
    [
        (["sh", "-c", "echo out; exit 3"], 3, "out\n", ""),
        (["sh", "-c", "kill -9 $$"], 137, "", ""),
        (["no-such-program"], 127, "", "cannot start no-such-program: No such file or directory\n"),
        (["sh", "-c", "(exit 5) & sleep 0.1; exit 4"], 4, "", ""),
    ],
)
def test_its_exit_code_is_that_of_the_candidate(tmp_path: Path, command, code, out, err) -> None:
    life = Lifeline(str(tmp_path / "life"))
    process = guard(tmp_path / "life", *command)
    said, complained = process.communicate(timeout=30)
    assert (process.returncode, said, complained) == (code, out, err)
    life.cut()


def test_the_candidate_runs_under_the_filter_in_a_session_of_its_own(tmp_path: Path) -> None:
    life = Lifeline(str(tmp_path / "life"))
    code = "import os; print(os.getsid(0) == os.getpid(), 'Seccomp:\\t2' in open('/proc/self/status').read())"
    process = guard(tmp_path / "life", sys.executable, "-I", "-S", "-c", code)
    assert process.communicate(timeout=30) == ("True True\n", "")
    life.cut()


def test_it_tells_who_it_is_and_ends_with_the_lock(tmp_path: Path) -> None:
    life = Lifeline(str(tmp_path / "life"))
    assert life.guard() == 0
    waiting = "import time; print('here', flush=True); time.sleep(60)"
    process = guard(tmp_path / "life", sys.executable, "-I", "-S", "-c", waiting)
    assert process.stdout and process.stderr and process.stdout.readline() == "here\n"
    assert life.guard() == process.pid and lives(process.pid)
    life.cut()
    assert process.wait(30) == 137
    assert not lives(process.pid) and not (tmp_path / "life").exists()
    process.stdout.close()
    process.stderr.close()


def test_one_that_comes_too_late_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "life").write_text("")  # nobody holds it
    process = guard(tmp_path / "life", "touch", str(tmp_path / "started"))
    process.communicate(timeout=30)
    assert process.returncode == 137
    assert not (tmp_path / "started").exists()


def test_a_second_supervisor_cannot_take_the_same_place(tmp_path: Path) -> None:
    life = Lifeline(str(tmp_path / "life"))
    pid = os.fork()
    if pid == 0:  # locks are of processes
        try:
            Lifeline(str(tmp_path / "life"))
        except BlockingIOError:
            os._exit(5)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
    os.unlink(tmp_path / "life")
    life.cut()  # that it is gone already does not matter
    with (tmp_path / "x").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
    assert not lives(2**22 + 1)
