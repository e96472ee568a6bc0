"""The supervisor's parts, each in a process of its own that has exactly the children that the test gives it."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
JUDGES = Path(__file__).parents[2] / "judges"
CHILD = f"""
import json, os, sys, time
sys.path.insert(0, {str(JUDGES)!r})
import supervisor as s
from supervisor import signal
def child(work=lambda: time.sleep(60)):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(7)
    return pid
def until(true):
    while not true():
        time.sleep(0.005)
def state(pid):
    return s.stat(pid)[0]
"""


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as the zygote has it: its neighbours are top-level modules."""
    monkeypatch.syspath_prepend(str(JUDGES))
    return importlib.import_module("supervisor")


def answer(code: str, cwd: Path | None = None) -> Any:
    """What a process that runs `code` prints, from JSON; it is a subreaper's parent of nobody else's children."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD + code], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("listed", [True, False])
def test_children_are_found_with_and_without_the_kernels_list(listed: bool) -> None:
    """Without `children` in /proc every process is asked who its parent is."""
    code = f"""
s.PROC_CHILDREN = {listed} and s.PROC_CHILDREN
first, second = child(), child(lambda: (child(), time.sleep(60)))
until(lambda: len(s.descendants()) == 3)
direct, tree = s.children(os.getpid()), s.descendants()
assert sorted(direct) == sorted([first, second]), direct
assert tree[:2] == direct and s.children(second) == tree[2:]  # parents first
for pid in tree:
    s.kill(pid, 9)
until(lambda: not s.children(second))
print(json.dumps(s.children(first)))
"""
    assert answer(code) == []


def test_who_is_gone_has_no_children_no_state_and_takes_no_signal(
    supervisor: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    assert supervisor.children(process.pid) == []
    assert supervisor.stat(process.pid) == ["0"] * 22
    supervisor.kill(process.pid, 15)
    monkeypatch.setattr(supervisor, "PROC_CHILDREN", False)
    monkeypatch.setattr(supervisor.os, "listdir", lambda path: (_ for _ in ()).throw(FileNotFoundError(path)))
    assert supervisor.children(os.getpid()) == [], "where there is no /proc there is nothing to find"


def test_a_system_without_prctl_is_told_apart(supervisor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert supervisor.prctl(3, 0) is False  # PR_GET_DUMPABLE answers 1, which is not 0
    assert supervisor.prctl(15, 0) is False  # a name that cannot be read
    monkeypatch.setattr(supervisor.ctypes, "CDLL", lambda name: object())
    assert supervisor.prctl(supervisor.PR_SET_DUMPABLE, 1) is False


def test_an_option_that_is_set_says_so() -> None:
    code = "print(json.dumps([s.prctl(s.PR_SET_CHILD_SUBREAPER, 1), s.prctl(s.PR_SET_CHILD_SUBREAPER, 0)]))"
    assert answer(code) == [True, True]


def test_signals_arrive_in_the_pipe_as_numbers_and_do_nothing_else() -> None:
    code = """
import io
sys.stderr = io.StringIO()
wake, other = s.wakeup(signal.SIGTERM, signal.SIGHUP)
assert not os.get_blocking(other) and os.get_blocking(wake)
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGHUP)
for _ in range(66_000):  # a pipe that is full loses signals, and nobody hears a warning
    os.kill(os.getpid(), signal.SIGTERM)
print(json.dumps([*os.read(wake, 2), sys.stderr.getvalue()]))
"""
    assert answer(code) == [15, 1, ""]


def test_usage_is_that_of_all_below_and_of_those_that_were_waited_for() -> None:
    code = """
def burn(seconds, keep):
    hoard = b"x" * 50_000_000
    while time.process_time() < seconds:
        pass
    if keep:
        time.sleep(60)
assert s.usage()[1:] == (0, 0)
before = s.reaped_seconds()
gone = child(lambda: burn(0.3, False))
until(lambda: state(gone) == "Z")
os.waitpid(gone, 0)
after = s.reaped_seconds()
alive = child(lambda: burn(0.3, True))
until(lambda: s.usage()[0] >= after + 0.29)
used, memory, count = s.usage()
s.kill(alive, 9)
print(json.dumps([after - before, used, memory, count]))
"""
    reaped, used, memory, count = answer(code)
    assert 0.29 < reaped < 0.6
    assert reaped + 0.29 <= used < 1.2
    assert 50_000_000 < memory < 200_000_000
    assert count == 1


def test_what_is_written_is_counted_in_blocks_and_names(
    supervisor: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "elsewhere").symlink_to("/usr")
    blocks = 512 * (tmp_path / "deep" / "er" / "file").stat().st_blocks
    assert blocks >= 100_000
    assert not supervisor.written(str(tmp_path), blocks)
    assert supervisor.written(str(tmp_path), blocks - 1)
    monkeypatch.setattr(supervisor, "MAX_FILES", 4)  # two folders, a file and a link
    assert not supervisor.written(str(tmp_path), blocks)
    monkeypatch.setattr(supervisor, "MAX_FILES", 3)
    assert supervisor.written(str(tmp_path), blocks)
    assert not supervisor.written(str(tmp_path / "gone"), 0)


def test_collecting_says_how_the_main_one_ended_and_whether_others_are_left() -> None:
    code = """
said = [s.reap(1)]
main, other = child(lambda: None), child()
until(lambda: state(main) == "Z")
said += [s.reap(main), s.reap(main)]
s.kill(other, 9)
until(lambda: state(other) == "Z")
said += [s.reap(main)]
crashed = child(lambda: os.kill(os.getpid(), 11))
until(lambda: state(crashed) == "Z")
said += [s.reap(crashed)]
print(json.dumps(said))
"""
    assert answer(code) == [[None, False], [7, True], [None, True], [None, False], [-11, False]]


def test_sweeping_leaves_nobody_and_knows_how_the_main_one_ended() -> None:
    code = """
s.prctl(s.PR_SET_CHILD_SUBREAPER, 1)
def family():
    child(lambda: (os.setsid(), child(), time.sleep(60)))
    time.sleep(60)
main = child(family)
until(lambda: len(s.descendants()) == 3)
tree = s.descendants()
first = s.sweep(main)
ended = child(lambda: None)
until(lambda: state(ended) == "Z")
print(json.dumps([first, s.sweep(ended), s.sweep(ended), s.children(os.getpid()), [state(pid) for pid in tree]]))
"""
    assert answer(code) == [-9, 7, None, [], ["0", "0", "0"]]


def test_sweeping_gives_up_where_nothing_can_be_killed() -> None:
    """As a process in uninterruptible sleep cannot be."""
    code = """
stuck, killed = child(), []
s.SWEEP_SECONDS, s.kill = 0.2, lambda pid, number: killed.append((pid, number))
started = time.monotonic()
code = s.sweep(stuck)
took = time.monotonic() - started
os.kill(stuck, 9)
print(json.dumps([code, 0.2 <= took < 5, set(killed) == {(stuck, 9)}, len(killed) > 3]))
"""
    assert answer(code) == [None, True, True, True]


def test_without_proc_the_group_of_the_main_one_is_killed() -> None:
    code = """
main = child(lambda: (os.setsid(), child(), time.sleep(60)))
until(lambda: len(s.descendants()) == 2)
tree = s.descendants()
s.descendants = list
code = s.sweep(main)
until(lambda: all(state(pid) in "0Z" for pid in tree))
print(json.dumps(code))
"""
    assert answer(code) == -9


WATCH = """
control, hold = os.pipe()
parent, folder = os.getppid(), os.getcwd()
def watch(main, seconds=20.0, cpu=0.0, memory=0, disk=0, parent=parent):
    started = time.monotonic()
    why, code, used = s.watch(main, parent, control, seconds, cpu, memory, folder, disk)
    return why, code, time.monotonic() - started
def end(pid):
    s.kill(pid, 9)
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize(
    ("why", "limit", "work"),
    [
        ("deadline", "seconds=0.3", "time.sleep(60)"),
        ("cpu", "cpu=0.2", "[None for _ in iter(int, 1)]"),
        ("memory", "memory=60_000_000", "(lambda hoard: time.sleep(60))(b'x' * 100_000_000)"),
        ("disk", "disk=500_000", "(open('big', 'wb').write(bytes(1_000_000)), time.sleep(60))"),
        ("stopped", "parent=1", "time.sleep(60)"),
    ],
)
def test_each_limit_ends_the_watch_and_is_named(tmp_path: Path, why: str, limit: str, work: str) -> None:
    code = f"""
main = child(lambda: {work})
said = watch(main, {limit})
end(main)
print(json.dumps(said))
"""
    said, code_, took = answer(WATCH + code, tmp_path)
    assert (said, code_) == (why, None)
    assert took < 15
    assert took >= {"deadline": 0.3, "cpu": 0.2}.get(why, 0.0)


def test_what_is_at_its_limit_and_not_above_goes_on(tmp_path: Path) -> None:
    """Processes: 1 of at most 1; memory: exactly what it may have; disk: nothing written."""
    code = """
main = child(lambda: time.sleep(0.7))
until(lambda: s.usage()[2] == 1)
s.MAX_PROCESSES = 1
memory = s.usage()[1]
s.usage = lambda: (0.0, memory, 1)
print(json.dumps(watch(main, cpu=0.1, memory=memory, disk=1)))
"""
    why, code_, took = answer(WATCH + code, tmp_path)
    assert (why, code_) == ("ended", 7)
    assert took < 5, "its end is noticed at once"


def test_too_many_processes_end_the_watch(tmp_path: Path) -> None:
    code = """
s.MAX_PROCESSES = 1
main = child(lambda: (child(), time.sleep(60)))
print(json.dumps(watch(main)))
for pid in s.descendants():
    s.kill(pid, 9)
"""
    assert answer(WATCH + code, tmp_path)[:2] == ["processes", None]


@pytest.mark.parametrize("how", ["os.close(hold)", "os.kill(os.getppid(), 15)", "os.kill(os.getppid(), 1)"])
def test_whoever_holds_it_can_stop_it(tmp_path: Path, how: str) -> None:
    code = f"""
def stop():
    time.sleep(0.3)
    {how}
    time.sleep(60)
main, other = child(lambda: (os.close(hold), time.sleep(60))), child(stop)
os.close(hold)
said = watch(main)
end(main), end(other)
print(json.dumps(said))
"""
    why, code_, took = answer(WATCH + code, tmp_path)
    assert (why, code_) == ("stopped", None)
    assert took < 5


def test_the_end_of_another_child_is_not_the_end(tmp_path: Path) -> None:
    code = """
other = child(lambda: time.sleep(0.2))
main = child(lambda: time.sleep(0.8))
print(json.dumps([watch(main), os.WIFEXITED(os.waitpid(-1, os.WNOHANG)[1]) if s.children(os.getpid()) else None]))
"""
    (why, code_, took), left = answer(WATCH + code, tmp_path)
    assert (why, code_, left) == ("ended", 7, None)
    assert 0.3 < took < 6


def test_when_all_have_ended_and_none_was_the_main_one_it_is_over(tmp_path: Path) -> None:
    """Its parent may have waited for it."""
    code = "print(json.dumps(watch(12345678)))"
    assert answer(WATCH + code, tmp_path)[:2] == ["ended", None]


def test_reading_a_job_waits_for_all_of_it_and_ends_with_its_sender() -> None:
    code = """
ours, theirs = os.pipe()
def send():
    for part in (b"ab", b"c", b"de"):
        os.write(theirs, part)
        time.sleep(0.05)
sender = child(send)
said = s.read(ours, 5).decode()
os.waitpid(sender, 0)
reader = child(lambda: (os.close(theirs), s.read(ours, 1)))
os.close(theirs)
print(json.dumps([said, os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1])]))
"""
    started = time.monotonic()
    assert answer(code) == ["abcde", 0]
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(("command", "killed", "said"), [("false", True, "memory 1"), ("false", False, "ended 1"),
                                                         ("true", True, "ended 0")])  # fmt: skip
def test_what_the_kernel_killed_for_its_memory_has_run_out_of_it(command: str, killed: bool, said: str) -> None:
    """As the control group tells; what ended well did without those that were killed."""
    code = f"""
import marshal
s.cgroup.out_of_memory = lambda groups: {killed}
control, status = os.pipe(), os.pipe()
def supervise():
    streams = [os.open("/dev/null", os.O_RDWR) for _ in range(3)]
    s.main([*streams, control[0], status[1]], os.getppid())
supervising = child(supervise)
job = marshal.dumps(("/", dict(os.environ), [], 20.0, 0, 0, 0, marshal.dumps({{}}).hex(), [{command!r}]))
os.write(control[1], len(job).to_bytes(8, "little") + job)
os.close(status[1])
with os.fdopen(status[0]) as file:
    pid, line = file.read().splitlines()
print(json.dumps([int(pid) == supervising, os.waitstatus_to_exitcode(os.waitpid(supervising, 0)[1]), line]))
"""
    itself, ended, line = answer(code)
    assert (itself, ended) == (True, 0), "it never returns to whoever forked it"
    why, code_, seconds, cpu = line.split()
    assert f"{why} {code_}" == said
    assert 0 < float(seconds) < 20 and 0 <= float(cpu) < 20
