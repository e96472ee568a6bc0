"""The zygote's parts; tests/judges/test_spawn.py has the whole of it."""

from __future__ import annotations

import errno
import importlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from judges import spawn
from judges.process import Limits, environment, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
JUDGES = Path(__file__).parents[2] / "judges"
PRELUDE = f"""
import json, os, socket, sys, time
sys.path.insert(0, {str(JUDGES)!r})
import zygote
def child(work=lambda: time.sleep(60)):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid
def until(true):
    while not true():
        time.sleep(0.005)
def state(pid):
    return zygote.supervisor.stat(pid)[0]
"""


@pytest.fixture
def zygote(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(JUDGES))
    return importlib.import_module("zygote")


def answer(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", PRELUDE + code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_where_no_process_can_be_had_nobody_answers(zygote: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygote.os, "fork", lambda: (_ for _ in ()).throw(BlockingIOError(errno.EAGAIN, "no more")))
    ours, theirs = socket.socketpair()
    ends = [os.pipe() for _ in range(zygote.DESCRIPTORS)]
    with ours, theirs:
        socket.send_fds(ours, [b"s"], [write for _, write in ends])
        for _, write in ends:
            os.close(write)
        assert zygote.begin(theirs, (-1, -1)) == -1
    for read, _ in ends:
        assert os.read(read, 1) == b"", "no copy is left open"
        os.close(read)


def test_that_is_an_error_of_the_system_for_whoever_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poor = tmp_path / "poor.py"
    poor.write_text(
        "import os, runpy, errno\n"
        "def fork(): raise OSError(errno.EAGAIN, 'no more')\n"
        "os.fork = fork\n"
        f"runpy.run_path({str(JUDGES / 'zygote.py')!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(spawn, "_zygote", None)
    monkeypatch.setattr(spawn, "ZYGOTE", poor)
    with pytest.raises(BlockingIOError, match=os.strerror(errno.EAGAIN)):
        run(["true"], cwd=tmp_path, env=environment(tmp_path, 1), limits=Limits(20))
    spawn._close()


def test_it_forgets_supervisors_that_ended_and_kills_what_they_left() -> None:
    code = """
import ctypes
zygote.supervisor.prctl(zygote.supervisor.PR_SET_CHILD_SUBREAPER, 1)
keep, ended, orphan = child(), child(lambda: None), child()
until(lambda: state(ended) == "Z")
supervisors = {keep, ended}
left = zygote.collect(supervisors)
assert supervisors == {keep}, supervisors
until(lambda: state(orphan) == "Z")
alive = state(keep) not in "0Z"
os.kill(keep, 9)
until(lambda: state(keep) == "Z")
print(json.dumps([left, alive, zygote.collect(supervisors), len(supervisors)]))
"""
    assert answer(code) == [True, True, False, 0]


SERVE = """
ours, theirs = socket.socketpair()
def ask(folder="/", seconds=60):
    import marshal
    pipes = [os.pipe() for _ in range(5)]
    mine = [pipes[0][1], pipes[1][0], pipes[2][0], pipes[3][1], pipes[4][0]]
    their = [pipes[0][0], pipes[1][1], pipes[2][1], pipes[3][0], pipes[4][1]]
    socket.send_fds(ours, [b"s"], their)
    for descriptor in their:
        os.close(descriptor)
    words = ["sleep", "60"]
    job = marshal.dumps((folder, dict(os.environ), [], seconds, 0, 0, 0, marshal.dumps({}).hex(), words))
    os.write(mine[3], len(job).to_bytes(8, "little") + job)
    return mine, int(os.read(mine[4], 100).split()[0])
def serve(harness):
    ours.close()
    zygote.main(theirs, harness)
    os._exit(0)
"""


@pytest.mark.parametrize("how", ["the channel closes", "its parent is another"])
def test_when_the_harness_is_gone_it_ends_all_that_it_started_and_then_itself(how: str) -> None:
    code = f"""
serving = child(lambda: serve(os.getppid() + {int(how != "the channel closes")}))
theirs.close()
if {how == "the channel closes"}:
    held, first = ask()
    more, second = ask()
    until(lambda: len(zygote.supervisor.children(first)) == 1)
    ours.close()
else:
    first = second = 0
code = os.waitstatus_to_exitcode(os.waitpid(serving, 0)[1])
print(json.dumps([code, state(first) if first else "0", state(second) if second else "0"]))
"""
    assert answer(SERVE + code) == [0, "0", "0"]


def test_a_supervisor_that_ends_is_collected_while_it_serves() -> None:
    code = """
serving = child(lambda: serve(os.getppid()))
held, first = ask()
os.close(held[3])  # stop
until(lambda: state(first) == "0")
again, second = ask()
assert state(second) not in "0Z"
ours.close()
os.waitpid(serving, 0)
print(json.dumps(state(second)))
"""
    assert answer(SERVE + code) == "0"
