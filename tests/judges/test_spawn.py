"""The zygote: it dies with us, takes everything with it, ends what a killed supervisor leaves, and is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from judges import spawn
from judges.process import Limits, environment, run, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
REPOSITORY = Path(__file__).parents[2]
SLEEP = ["sleep", "60"]


@pytest.fixture(autouse=True)
def own_zygote(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test kills its own, not the one that other tests use."""
    monkeypatch.setattr(spawn, "_zygote", None)
    yield
    spawn._close()


def zygote() -> int:
    """The process id of the current zygote."""
    assert spawn._zygote is not None
    return spawn._zygote._process.pid


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until(true: Callable[[], object], seconds: float = 30.0) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "waited in vain"
        time.sleep(0.01)


def marked(mark: str) -> list[int]:
    """Living processes that carry the mark in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path("/proc", pid, "environ").read_bytes():
                found.append(int(pid))
        except OSError:
            continue
    return found


def test_it_knows_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a key of ours")
    with start(SLEEP, cwd=tmp_path, env=environment(tmp_path, 1), limits=Limits(20)) as running:
        for pid in (zygote(), running.pid):
            assert b"a key" not in Path(f"/proc/{pid}/environ").read_bytes()
            held = set()  # these two for an instant: the supervisor looks after its children, and limits them, there
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with suppress(FileNotFoundError):  # closed meanwhile
                    held.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
            ours = ("socket:", "pipe:", "/dev/null", "/proc/", "/sys/fs/cgroup/")
            assert all(place.startswith(ours) for place in held), held


def test_a_supervisor_holds_nothing_of_the_zygotes(tmp_path: Path) -> None:
    """Neither the channel nor its wake-up: two ends of pipes are its own, and two were sent to it."""
    with start(SLEEP, cwd=tmp_path, env=environment(tmp_path, 1), limits=Limits(20)) as running:

        def held() -> list[str]:
            places = []
            for fd in os.listdir(f"/proc/{running.pid}/fd"):
                with suppress(FileNotFoundError):
                    places.append(os.readlink(f"/proc/{running.pid}/fd/{fd}").partition(":")[0])
            return sorted(place for place in places if not place.startswith("/proc/"))

        wait_until(lambda: held() == ["/dev/null"] * 4 + ["pipe"] * 4)


def test_candidates_do_not_end_with_one_another(tmp_path: Path) -> None:
    env = environment(tmp_path, 1)
    with start(SLEEP, cwd=tmp_path, env=env, limits=Limits(60)) as running:
        for _ in range(2):
            assert run(["true"], cwd=tmp_path, env=env, limits=Limits(20)).ok
        time.sleep(0.1)
        assert not gone(running.pid)
    assert running.finished().reason == "stopped"


def test_it_goes_with_the_harness_and_so_does_all_that_it_started(tmp_path: Path) -> None:
    """Even if a child of the harness has inherited every descriptor of the harness and lives on."""
    code = f"""
import ctypes, os, sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from pathlib import Path
from judges import spawn
from judges.process import Limits, environment, start
running = start({SLEEP!r}, cwd=Path("."), env=environment(Path("."), 1), limits=Limits(60))
heir = ctypes.CDLL(None).fork()  # behind Python's back: it holds copies of the channel and of the control pipe
if heir == 0:
    time.sleep(120)
    os._exit(0)
print(running.pid, spawn._zygote._process.pid, heir, flush=True)
time.sleep(60)
"""
    harness = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert harness.stdout
    pids = [int(word) for word in harness.stdout.readline().split()]
    assert len(pids) == 3
    assert not any(map(gone, pids))
    harness.kill()
    harness.wait()
    harness.stdout.close()
    heir = pids.pop()
    wait_until(lambda: all(map(gone, pids)))
    assert not gone(heir)
    os.kill(heir, signal.SIGKILL)


def test_what_a_killed_supervisor_leaves_is_ended(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.fork()\n    open('ready', 'w').close()\n"
    command = [sys.executable, "-I", "-S", "-c", daemon + "time.sleep(60)"]
    env = environment(tmp_path, 1, {"WOLF_MARK": mark})
    with start(command, cwd=tmp_path, env=env, limits=Limits(60)) as running:
        wait_until((tmp_path / "ready").exists)
        assert len(marked(mark)) >= 3
        os.kill(running.pid, signal.SIGKILL)
        wait_until(lambda: not marked(mark))
        assert running.finished().reason == "killed together with its supervisor"


def test_a_killed_zygote_takes_its_candidates_with_it_and_is_replaced(tmp_path: Path) -> None:
    env = environment(tmp_path, 1)
    with start(SLEEP, cwd=tmp_path, env=env, limits=Limits(60)) as running:
        first = zygote()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: gone(running.pid))
        assert not running.finished().ok
    assert run(["true"], cwd=tmp_path, env=env, limits=Limits(20)).ok
    assert zygote() != first


def test_a_stopped_zygote_is_woken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = environment(tmp_path, 1)
    assert run(["true"], cwd=tmp_path, env=env, limits=Limits(20)).ok
    os.kill(zygote(), signal.SIGSTOP)
    monkeypatch.setattr(spawn, "ANSWER_SECONDS", 2.0)
    assert run(["true"], cwd=tmp_path, env=env, limits=Limits(20)).ok


def test_a_zygote_that_never_answers_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = environment(tmp_path, 1)
    assert run(["true"], cwd=tmp_path, env=env, limits=Limits(20)).ok
    assert spawn._zygote is not None
    process = spawn._zygote._process
    os.kill(process.pid, signal.SIGSTOP)
    with monkeypatch.context() as patch, pytest.raises(TimeoutError, match=r"be started within 0\.2 s"):
        patch.setattr(spawn, "ANSWER_SECONDS", 0.1)
        patch.setattr(process, "send_signal", lambda number: None)
        run(["true"], cwd=tmp_path, env=env, limits=Limits(20))
    os.kill(process.pid, signal.SIGCONT)


def test_a_process_that_forks_before_the_first_candidate_has_no_zygote_to_leave() -> None:
    spawn._forked()
    assert spawn._zygote is None


def test_a_long_job_arrives_whole(tmp_path: Path) -> None:
    env = environment(tmp_path, 1, {f"NAME_{n}": "x" * 1000 for n in range(300)})
    finished = run(["sh", "-c", "env | wc -c"], cwd=tmp_path, env=env, limits=Limits(20))
    assert int(finished.stdout) > 300_000


def test_a_forked_process_has_a_zygote_of_its_own(tmp_path: Path) -> None:
    env = environment(tmp_path, 1)
    assert run(["true"], cwd=tmp_path, env=env, limits=Limits(20)).ok
    pid = os.fork()
    if pid == 0:
        os._exit(0 if spawn._zygote is None and run(["true"], cwd=tmp_path, env=env, limits=Limits(20)).ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert run(["true"], cwd=tmp_path, env=env, limits=Limits(20)).ok
