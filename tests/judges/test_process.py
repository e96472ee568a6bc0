"""Hostile candidates, for real: every test starts processes and then looks for survivors."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from judges import process, spawn
from judges.killswitch import Cancelled, KillSwitch
from judges.process import Finished, Limits, Running, environment, run, start

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tree is only killed as a whole on Linux")
PYTHON = [sys.executable, "-I", "-S", "-c"]
REPOSITORY = Path(__file__).parents[2]
DAEMON = """
import os, sys, time
for _ in range(2):
    if os.fork():
        break
    os.setsid()
else:
    open("daemon", "w").write(str(os.getpid()))
    time.sleep(60)
    sys.exit()
while not os.path.exists("daemon"):
    time.sleep(0.01)
"""


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment that all descendants of a test's candidates carry; fails the test if one of them is left."""
    env = environment(tmp_path, 1, {"WOLF_TEST_MARK": uuid.uuid4().hex})
    yield env
    assert survivors(env) == []


def survivors(env: dict[str, str]) -> list[int]:
    """Live processes that carry the mark, zombies aside."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            marked = env["WOLF_TEST_MARK"].encode() in Path("/proc", pid, "environ").read_bytes()
        except OSError:
            continue
        if marked and int(pid) != os.getpid():
            found.append(int(pid))
    return found


def wait_until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Until the callable returns something true."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "waited in vain"
        time.sleep(0.01)


def python(code: str, env: dict[str, str], tmp_path: Path, **limits: Any) -> Finished:
    return run([*PYTHON, code], cwd=tmp_path, env=env, limits=Limits(**{"seconds": 20.0} | limits))


def test_says_what_happened(mark: dict[str, str], tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    finished = python(code, mark, tmp_path)
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, "out\n", "err\n")
    assert (finished.ok, finished.timed_out, finished.reason) == (False, False, "exited with code 3")
    assert 0 < finished.cpu_seconds < 5
    assert 0 < finished.seconds < 10


def test_passes_standard_input(mark: dict[str, str], tmp_path: Path) -> None:
    finished = run(["cat"], cwd=tmp_path, env=mark, limits=Limits(20), stdin=b"hello")
    assert (finished.ok, finished.stdout) == (True, "hello")


def test_input_that_nobody_reads_blocks_nobody(mark: dict[str, str], tmp_path: Path) -> None:
    assert run(["true"], cwd=tmp_path, env=mark, limits=Limits(20), stdin=b"x" * 10_000_000).ok


def test_a_missing_program_is_a_fact_about_the_candidate(mark: dict[str, str], tmp_path: Path) -> None:
    finished = run(["no-such-program"], cwd=tmp_path, env=mark, limits=Limits(20))
    assert finished.returncode == 127
    assert finished.stderr == "cannot start no-such-program: No such file or directory\n"


def test_a_crash_names_the_signal(mark: dict[str, str], tmp_path: Path) -> None:
    finished = python("import os; os.kill(os.getpid(), 11)", mark, tmp_path)
    assert (finished.returncode, finished.reason) == (-11, "killed by signal 11 (Segmentation fault)")


def test_without_a_sandbox_an_exit_code_is_no_signal(mark: dict[str, str], tmp_path: Path) -> None:
    assert python("import os; os._exit(139)", mark, tmp_path).reason == "exited with code 139"


def test_a_broken_pipe_ends_the_candidate_as_in_a_shell(mark: dict[str, str], tmp_path: Path) -> None:
    assert run(["sh", "-c", "yes | head -1"], cwd=tmp_path, env=mark, limits=Limits(20)).stdout == "y\n"


def test_sleeping_past_the_deadline(mark: dict[str, str], tmp_path: Path) -> None:
    finished = run(["sh", "-c", "echo early; sleep 60"], cwd=tmp_path, env=mark, limits=Limits(1.5))
    assert finished.timed_out
    assert finished.reason == "killed after 1.5 s"
    assert finished.stdout == "early\n"
    assert 1.5 <= finished.seconds < 50


def test_ignoring_every_signal(mark: dict[str, str], tmp_path: Path) -> None:
    code = "import _signal as s, time\nfor n in (1, 2, 15): s.signal(n, s.SIG_IGN)\ntime.sleep(60)"
    assert python(code, mark, tmp_path, seconds=0.5).timed_out


def test_a_daemon_dies_when_its_parent_ends(mark: dict[str, str], tmp_path: Path) -> None:
    assert python(DAEMON, mark, tmp_path).ok
    assert (tmp_path / "daemon").exists()


def test_a_daemon_dies_at_the_deadline(mark: dict[str, str], tmp_path: Path) -> None:
    assert python(DAEMON + "time.sleep(60)", mark, tmp_path, seconds=3.0).timed_out
    assert (tmp_path / "daemon").exists()


def test_children_that_hold_the_output_open_delay_nobody(mark: dict[str, str], tmp_path: Path) -> None:
    finished = run(["sh", "-c", "setsid sleep 60 & echo done"], cwd=tmp_path, env=mark, limits=Limits(20))
    assert finished.stdout == "done\n"
    assert finished.seconds < 10


def test_a_fork_loop_is_swept_away(mark: dict[str, str], tmp_path: Path) -> None:
    code = """
import _signal, os, time
_signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)  # no zombies
for _ in range(60):
    if not os.fork():
        if not os.fork():
            os.setsid()
        end = time.time() + 30
        while time.time() < end:
            time.sleep(0.05)
            if not os.fork():
                os._exit(0)
print("forked", flush=True)
time.sleep(60)
"""
    with start([*PYTHON, code], cwd=tmp_path, env=mark, limits=Limits(60)) as dialogue:
        assert dialogue.stdout.readline() == b"forked\n"
        wait_until(lambda: len(survivors(mark)) > 120)  # the supervisor, the first one and twice sixty
    assert dialogue.finished().reason == "stopped"


def test_a_fork_bomb_is_stopped_before_the_deadline(mark: dict[str, str], tmp_path: Path) -> None:
    code = "import os, time\nfor _ in range(1100):\n    if not os.fork(): time.sleep(60); os._exit(0)\ntime.sleep(60)"
    finished = python(code, mark, tmp_path, seconds=50.0)
    assert (finished.ok, finished.timed_out) == (False, False)
    assert finished.reason == "killed for starting too many processes"


def test_a_gigabyte_of_output_is_capped(mark: dict[str, str], tmp_path: Path) -> None:
    command = ["sh", "-c", "echo first; head -c 1000000000 /dev/zero; echo last"]
    finished = run(command, cwd=tmp_path, env=mark, limits=Limits(60, output_bytes=10_000))
    assert finished.ok
    assert finished.stdout.startswith("first\n")
    assert finished.stdout.endswith("last\n")
    assert "[999990011 bytes left out]" in finished.stdout
    assert len(finished.stdout) < 10_100


def test_closing_stdout_and_hanging(mark: dict[str, str], tmp_path: Path) -> None:
    assert python("import os, time; os.close(1); os.close(2); time.sleep(60)", mark, tmp_path, seconds=0.5).timed_out


def test_cpu_time_is_that_of_the_whole_tree(mark: dict[str, str], tmp_path: Path) -> None:
    code = "import os\nfor _ in range(2): os.fork()\nwhile True: pass"
    finished = python(code, mark, tmp_path, cpu_seconds=0.8, seconds=60.0)
    assert finished.timed_out
    assert finished.reason == "killed after 0.8 s of CPU time"
    assert 0.8 <= finished.cpu_seconds < 4


def test_cpu_time_of_children_that_have_ended_counts(mark: dict[str, str], tmp_path: Path) -> None:
    burn = "import os, time\ndef burn():\n    while time.process_time() < 0.15: pass\n"
    loop = "while True:\n    if not os.fork(): burn(); os._exit(0)\n    os.wait()"
    finished = python(burn + loop, mark, tmp_path, cpu_seconds=0.6, seconds=60.0)
    assert finished.reason == "killed after 0.6 s of CPU time"


def test_memory_is_limited(mark: dict[str, str], tmp_path: Path) -> None:
    finished = python("x = b'x' * 400_000_000\nimport time; time.sleep(60)", mark, tmp_path, memory_bytes=100_000_000)
    assert finished.reason == "killed at 100 MB of memory"
    assert not finished.timed_out


def test_file_size_is_limited(mark: dict[str, str], tmp_path: Path) -> None:
    finished = run(["sh", "-c", "cat /dev/zero > big"], cwd=tmp_path, env=mark, limits=Limits(20, file_bytes=10_000))
    assert not finished.ok
    assert (tmp_path / "big").stat().st_size <= 10_000


def test_dialogue(mark: dict[str, str], tmp_path: Path) -> None:
    code = "import sys\nprint('hi', file=sys.stderr)\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"
    with start([*PYTHON, code], cwd=tmp_path, env=mark, limits=Limits(20)) as dialogue:
        for word, answer in ((b"abc\n", b"cba\n"), (b"xyz\n", b"zyx\n")):
            dialogue.stdin.write(word)
            dialogue.stdin.flush()
            assert dialogue.stdout.readline() == answer
        finished = dialogue.finished()
    assert (finished.ok, finished.stderr, finished.stdout) == (True, "hi\n", "")


def test_a_dialogue_ends_at_the_deadline(mark: dict[str, str], tmp_path: Path) -> None:
    with start(["sleep", "60"], cwd=tmp_path, env=mark, limits=Limits(0.5)) as dialogue:
        assert dialogue.stdout.read() == b""
        assert dialogue.finished().timed_out


def test_leaving_a_dialogue_ends_it(mark: dict[str, str], tmp_path: Path) -> None:
    with start([*PYTHON, DAEMON + "time.sleep(60)"], cwd=tmp_path, env=mark, limits=Limits(60)) as dialogue:
        wait_until((tmp_path / "daemon").exists)
    finished = dialogue.finished()
    assert (finished.reason, finished.ok, finished.timed_out) == ("stopped", False, False)


def test_the_kill_switch_ends_what_runs_and_refuses_more(mark: dict[str, str], tmp_path: Path) -> None:
    switch = KillSwitch()
    outcome: list[object] = []

    def work() -> None:
        try:
            with switch.armed():
                outcome.append(python(DAEMON + "time.sleep(60)", mark, tmp_path))
        except Cancelled as cancelled:
            outcome.append(cancelled)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until((tmp_path / "daemon").exists)
    switch.pull()
    thread.join(30)
    assert isinstance(outcome[0], Cancelled)
    with switch.armed(), pytest.raises(Cancelled):
        python("pass", mark, tmp_path)
    assert python("pass", mark, tmp_path).ok


def test_killing_the_harness_leaves_nothing(mark: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "candidate.py").write_text(DAEMON.replace('"daemon"', 'f"daemon{os.sys.argv[1]}"') + "time.sleep(60)")
    code = f"""
import sys, threading
from pathlib import Path
sys.path.insert(0, {str(REPOSITORY)!r})
from judges.process import Limits, run
def work(number):
    command = [sys.executable, "-I", "-S", "candidate.py", str(number)]
    run(command, cwd=Path("."), env={mark!r}, limits=Limits(60))
for number in range(3):
    threading.Thread(target=work, args=(number,)).start()
"""
    harness = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    wait_until(lambda: len(list(tmp_path.glob("daemon?"))) == 3)
    assert len(survivors(mark)) >= 9  # three supervisors, candidates and daemons
    harness.kill()
    harness.wait()
    wait_until(lambda: not survivors(mark))


def test_a_terminated_supervisor_takes_everything_with_it(mark: dict[str, str], tmp_path: Path) -> None:
    with start([*PYTHON, DAEMON + "time.sleep(60)"], cwd=tmp_path, env=mark, limits=Limits(60)) as dialogue:
        wait_until((tmp_path / "daemon").exists)
        os.kill(dialogue.pid, signal.SIGTERM)
        assert dialogue.finished().reason == "stopped"


def test_killing_the_supervisor_is_noticed(mark: dict[str, str], tmp_path: Path) -> None:
    code = "import os, time; os.kill(os.getppid(), 9); time.sleep(60)"
    finished = python(code, mark, tmp_path)
    assert (finished.ok, finished.reason) == (False, "killed together with its supervisor")
    assert (finished.returncode, finished.seconds, finished.cpu_seconds) == (-9, 0.0, 0.0)
    assert not finished.timed_out and not finished.out_of_memory
    wait_until(lambda: not survivors(mark))


def test_stopping_the_supervisor_does_not_hang_us(
    mark: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("judges.process.GRACE_SECONDS", 0.3)
    code = "import os, time; os.kill(os.getppid(), 19); time.sleep(60)"
    assert not python(code, mark, tmp_path, seconds=0.5).ok


def test_a_supervisor_that_never_answers_is_given_up(
    mark: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one would in uninterruptible sleep: it does not even hear that it may go on."""
    kill = os.kill
    monkeypatch.setattr("judges.process.GRACE_SECONDS", 0.3)
    monkeypatch.setattr("judges.process.os.kill", lambda pid, number: number == signal.SIGCONT or kill(pid, number))
    code = "import os, time; os.kill(os.getppid(), 19); time.sleep(60)"
    finished = python(code, mark, tmp_path, seconds=3)  # for Python to start, on a machine that is busy
    assert (finished.ok, finished.reason) == (False, "killed together with its supervisor")
    wait_until(lambda: not survivors(mark))


def test_the_environment_is_scrubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    env = environment(tmp_path, 3, {"WOLF_SEED": "5"})
    assert not {"ANTHROPIC_API_KEY", "PYTHONPATH"} & set(env)
    assert (env["HOME"], env["OMP_NUM_THREADS"], env["WOLF_SEED"]) == (str(tmp_path), "3", "5")
    assert run(["env"], cwd=tmp_path, env=env, limits=Limits(20)).stdout.count("secret") == 0


def test_no_descriptor_leaks(mark: dict[str, str], tmp_path: Path) -> None:
    code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"  # the last one is the listing's own
    assert python(code, mark, tmp_path).stdout == "[0, 1, 2]\n"
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        python("pass", mark, tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_missing_folder_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        Running(["true"], tmp_path / "nowhere", {}, Limits(1), capture=True)


def test_starting_is_cheap(mark: dict[str, str], tmp_path: Path) -> None:
    """Only the first start pays for a Python; in CPU time, which a busy machine does not stretch."""

    def used() -> float:
        return sum(who.ru_utime + who.ru_stime for who in map(resource.getrusage, (resource.RUSAGE_SELF, -1)))

    def starts(number: int) -> float:
        spawn._close()
        before = used()
        for _ in range(number):
            assert run(["true"], cwd=tmp_path, env=mark, limits=Limits(20)).ok
        spawn._close()  # what a zygote has used is known once it has ended
        return used() - before

    starts(1)
    first, ten = min(starts(1) for _ in range(3)), min(starts(10) for _ in range(3))
    assert ten < 8 * first, f"{first:.3f} s for the first, {ten:.3f} s for ten"  # 3 to 4 times; 5 where it is measured


def test_a_candidate_gets_the_cores_of_the_thread_that_asked(mark: dict[str, str], tmp_path: Path) -> None:
    ours, said = os.sched_getaffinity(0), []

    def work() -> None:
        os.sched_setaffinity(0, {min(ours)})
        said.append(python("import os; print(sorted(os.sched_getaffinity(0)))", mark, tmp_path).stdout)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert said == [f"[{min(ours)}]\n"] and os.sched_getaffinity(0) == ours


def test_a_switch_forgets_what_has_ended(mark: dict[str, str], tmp_path: Path) -> None:
    switch = KillSwitch()
    with switch.armed():
        assert python("pass", mark, tmp_path).ok
    assert switch._stops == set()


def test_64_kilobytes_are_kept_unless_more_are_asked_for(mark: dict[str, str], tmp_path: Path) -> None:
    finished = python("print('x' * 99_999)", mark, tmp_path)
    assert "[34464 bytes left out]" in finished.stdout and finished.stdout.count("x") == 65535


def test_more_than_a_supervisor_says_in_time_is_not_waited_for(
    mark: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that goes on after its deadline is told to stop before it is killed."""
    monkeypatch.setattr(process, "GRACE_SECONDS", -9.7)
    with start(["sleep", "60"], cwd=tmp_path, env=mark, limits=Limits(10)) as dialogue:
        monkeypatch.setattr(process, "GRACE_SECONDS", 10.0)
        started = time.monotonic()
        assert dialogue.finished().reason == "stopped"
    assert time.monotonic() - started < 8
