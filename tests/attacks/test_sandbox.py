"""Candidates that attack the machine, at every level that works here, as whoever runs the tests and, if that is root,
as an unprivileged user too. gauntlet.py has the attacks."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from functools import cache
from pathlib import Path

import pytest

from judges import cage, sandbox
from judges.cage import Level

GAUNTLET = Path(__file__).with_name("gauntlet.py")
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3"]
LEVELS = (Level.BUBBLEWRAP, Level.LANDLOCK, pytest.param(Level.DOCKER, marks=pytest.mark.slow))
USERS = ("me", pytest.param("nobody", marks=pytest.mark.slow))


@cache
def run_gauntlet(level: Level, user: str) -> dict[str, str]:
    """What each attack achieved; skips if the level or the other user cannot be had here."""
    if why := sandbox.absent(level):
        pytest.skip(f"{level}: {why}")
    python = [sys.executable]
    if user == "nobody":
        if os.getuid() != 0 or not os.access("/usr/bin/python3", os.X_OK):
            pytest.skip("only root can become nobody, and nobody needs /usr/bin/python3")
        if level is Level.DOCKER:
            pytest.skip("who may talk to the daemon is as good as root")
        python = NOBODY
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "ANTHROPIC_API_KEY": uuid.uuid4().hex}
    env |= {name: os.environ[name] for name in ("DOCKER_HOST",) if name in os.environ}
    command = [*python, "-B", str(GAUNTLET), level]
    finished = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=250)
    if user == "nobody" and "Permission denied" in finished.stderr:
        pytest.skip("the checkout is not readable for nobody")
    assert finished.returncode == 0, finished.stderr
    found: dict[str, str] = json.loads(finished.stdout)
    return found


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("level", LEVELS)
def test_no_attack_succeeds(level: Level, user: str) -> None:
    found = run_gauntlet(level, user)
    assert len(found) > 80
    assert {attack: achieved for attack, achieved in found.items() if achieved} == {}


def test_every_attack_is_a_program() -> None:
    """One that does not parse would never succeed."""
    spec = importlib.util.spec_from_file_location("gauntlet", GAUNTLET)
    assert spec and spec.loader
    spec.loader.exec_module(gauntlet := importlib.util.module_from_spec(spec))
    for name, code in (gauntlet.ATTACKS | gauntlet.FLOODS).items():
        compile(gauntlet.PREAMBLE + code, name, "exec")


def test_most_attacks_succeed_without_a_sandbox() -> None:
    """So that the test above can fail: what harms nobody, run for real."""
    harmless = ["reads: a file outside", "reads: the key in any environment", "reads: by watching", "reaches: TCP",
                "reads: the harness's environment", "reaches: an abstract socket", "writes: a new file outside",
                "writes: by truncating", "reaches: the harness by a signal"]  # fmt: skip
    env = {"PATH": os.environ["PATH"], "HOME": "/", "ANTHROPIC_API_KEY": uuid.uuid4().hex}
    command = [sys.executable, "-B", str(GAUNTLET), "none", *harmless]
    finished = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=100)
    found = json.loads(finished.stdout)
    assert [name for name in harmless if not found[name]] == []


@pytest.mark.parametrize("level", LEVELS)
def test_the_probe_finds_no_hole(level: Level) -> None:
    if why := sandbox.absent(level):
        pytest.skip(f"{level}: {why}")
    assert sandbox.broken(level) == ""


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_survives_the_deadline_or_the_harness(level: Level, tmp_path: Path) -> None:
    if why := sandbox.absent(level):
        pytest.skip(f"{level}: {why}")
    mark = uuid.uuid4().hex
    code = f"""
import sys
sys.path.insert(0, {str(GAUNTLET.parents[2])!r})
from pathlib import Path
from judges.cage import Level, Need, lock
from judges.process import Limits, environment, run
folder = Path({str(tmp_path)!r})
bomb = "import os, time\\nfor _ in range(8):\\n    if os.fork() == 0: os.setsid(); os.fork() and os._exit(0)"
bomb += "\\nopen('ready', 'w').close()\\ntime.sleep(60)"
env = environment(folder, 1, {{"WOLF_MARK": {mark!r}}})
run([sys.executable, "-I", "-S", "-c", bomb], cwd=folder, env=env, limits=Limits(float(sys.argv[1])),
    cage=lock(Level({str(level)!r}), Need(folder)))
"""
    harness = subprocess.Popen([sys.executable, "-c", code, "60"])
    deadline = time.monotonic() + 20
    while not (tmp_path / "ready").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert marked(mark)
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    time.sleep(1.0)
    assert marked(mark) == []
    subprocess.run([sys.executable, "-c", code, "0.7"], check=True, timeout=20)
    time.sleep(0.1)
    assert marked(mark) == []


def marked(mark: str) -> list[str]:
    """Living processes that carry the mark in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path("/proc", pid, "environ").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def test_a_gpu_that_is_asked_for_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cage, "devices", list)
    with pytest.raises(sandbox.JudgeError, match=r"no /dev/nvidia\* here: load the driver"):
        sandbox.Access(gpu=True).check()


def test_without_any_sandbox_the_refusal_names_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "strongest", lambda: sandbox.Verdict(Level.NONE, ("bubblewrap: it is not installed",)))
    with pytest.raises(sandbox.JudgeError, match=r"bubblewrap: it is not installed.*--unsafe-no-sandbox"):
        sandbox.choose()
    assert sandbox.choose(unsafe=True).level is Level.NONE


def test_without_bubblewrap_the_verdict_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    assert "apt install bubblewrap" in sandbox.absent(Level.BUBBLEWRAP)


def test_without_user_namespaces_the_verdict_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert "user namespaces must be allowed" in sandbox.broken(Level.BUBBLEWRAP)


def test_the_key_is_nowhere_in_the_run(tmp_path: Path) -> None:
    key = f"sk-ant-canary-{uuid.uuid4().hex}"
    env = {**os.environ, "ANTHROPIC_API_KEY": key, "PYTHONPATH": str(GAUNTLET.parents[2])}
    command = [sys.executable, "-m", "wolf", "run", "knobs", "budget.evaluations=4", "confirm.seeds=0"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    if "no sandbox holds" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 2
    assert key not in done.stdout + done.stderr
    assert [path for path in files if key.encode() in path.read_bytes()] == []
