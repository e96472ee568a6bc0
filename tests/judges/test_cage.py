"""What a candidate sees and may do in each cage, from inside; tests/attacks tries to get out."""

from __future__ import annotations

import json
import marshal
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from judges import cage, confine, docker, sandbox, seccomp
from judges.cage import Cage, Level, Need, lock
from judges.process import Limits, environment, run

LEVELS = [
    pytest.param(level, marks=pytest.mark.skipif(bool(sandbox.absent(level)), reason=f"no {level} here"))
    for level in (Level.BUBBLEWRAP, Level.LANDLOCK)
]
BUBBLEWRAP, LANDLOCK = LEVELS
PRELUDE = """
import errno, json, os, socket, sys
def can(path, mode="r"):
    try:
        with open(path, mode) as file:
            return mode != "r" or bool(file.read(1))
    except OSError:
        return False
def can_list(path):
    try:
        return os.listdir(path)
    except OSError:
        return None
def size(path):
    found = os.statvfs(path)
    return found.f_blocks * found.f_frsize
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "own"
    made.mkdir()
    return made


def inside(level: Level, need: Need, code: str) -> Any:
    """What a candidate that runs `code` prints, from JSON."""
    command = [sys.executable, "-I", "-S", "-c", PRELUDE + code]
    env = environment(need.folder, 1)
    done = run(command, cwd=need.folder, env=env, limits=Limits(30), cage=lock(level, need))
    assert done.ok, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("level", [BUBBLEWRAP])
def test_bubblewrap_shows_a_machine_of_its_own(level: Level, folder: Path) -> None:
    code = """
with open("/proc/net/dev") as file:
    networks = [line.split(":")[0].strip() for line in file if ":" in line]
print(json.dumps({
    "ids": [os.getuid(), os.getgid(), os.uname().nodename, len([n for n in os.listdir("/proc") if n.isdigit()]) < 5],
    "sizes": [size("/tmp"), size("/dev/shm")],
    "networks": networks,
    "writable": [p for p in ("/x", "/dev/x", "/usr/x", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/etc/x")
                 if can(p, "w")],
    "scratch": [can(p, "w") for p in ("/tmp/x", "/dev/shm/x", "x")],
    "devices": [p for p in ("null", "zero", "urandom") if not os.path.exists(f"/dev/{p}")],
    "etc": os.listdir("/etc"), "sys": os.path.exists("/sys/kernel"),
}))
"""
    seen = inside(level, Need(folder), code)
    assert seen["ids"] == [1000, 1000, "wolf", True]
    assert seen["sizes"] == [256_000_000, 1_024_000_000]
    assert seen["networks"] == ["lo"]
    assert (seen["writable"], seen["scratch"], seen["devices"]) == ([], [True] * 3, [])
    assert set(seen["etc"]) <= set(cage.ETC) and "passwd" in seen["etc"]
    assert not seen["sys"]


@pytest.mark.parametrize("level", [BUBBLEWRAP])
def test_links_of_the_system_lead_where_they_lead_outside(level: Level, folder: Path) -> None:
    code = "print(json.dumps([[p, os.path.realpath(p), os.path.isdir(p)] for p in sys.argv[1:]]))"
    there = [place for place in cage.SYSTEM if os.path.isdir(place)]
    seen = inside(level, Need(folder), code.replace("sys.argv[1:]", repr(there)))
    assert seen == [[place, os.path.realpath(place), True] for place in there]


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_named_can_be_read_or_changed_and_what_is_not_cannot(
    level: Level, folder: Path, tmp_path: Path
) -> None:
    """One may lie in another, and a link is readable by both its names."""
    paths = {name: tmp_path / name for name in ("data", "data/cache", "secret", "real", "shared", "shared/frozen")}
    for path in paths.values():
        path.mkdir()
        (path / "file").write_text("text")
    (tmp_path / "link").symlink_to("real")
    need = Need(folder, (paths["data"], tmp_path / "link", paths["shared/frozen"], tmp_path / "none"),
                (paths["data/cache"], paths["shared"]))  # fmt: skip
    places = [*paths, "link"]
    code = f"""
base = {str(tmp_path)!r}
print(json.dumps({{name: [can(f"{{base}}/{{name}}/file"), can(f"{{base}}/{{name}}/new", "w")] for name in {places}}}))
"""
    seen = inside(level, need, code)
    frozen = seen.pop("shared/frozen")
    assert frozen[0]
    if level is Level.BUBBLEWRAP:
        assert not frozen[1], "a frozen folder inside one that may be changed; Landlock only adds rights"
    if level is Level.BUBBLEWRAP:
        inner = Need(folder, (paths["data"], paths["data/cache"]))
        assert str(paths["data"]) in lock(level, inner).prefix
        assert str(paths["data/cache"]) not in lock(level, inner).prefix, "it is there with what it lies in"
    assert seen == {
        "data": [True, False],
        "data/cache": [True, True],
        "secret": [False, False],
        "real": [True, False],
        "link": [True, False],
        "shared": [True, True],
    }


@pytest.mark.parametrize("level", [BUBBLEWRAP])
@pytest.mark.parametrize("code", ["import ctypes; ctypes.string_at(0)", "sys.exit(128)"])
def test_a_signal_inside_is_one_outside(level: Level, code: str, folder: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", PRELUDE + code]
    done = run(command, cwd=folder, env=environment(folder, 1), limits=Limits(30), cage=lock(level, Need(folder)))
    if "exit" in code:
        assert (done.returncode, done.reason) == (128, "exited with code 128")
    else:
        assert (done.returncode, done.reason) == (-11, "killed by signal 11 (Segmentation fault)")


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("network", [False, True])
def test_the_network_is_there_only_if_it_is_asked_for(level: Level, network: bool, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"""
try:
    socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 5).close()
    reached = True
except OSError:
    reached = False
print(json.dumps([reached, can("/etc/hosts")]))
"""
        reached, hosts = inside(level, Need(folder, network=network), code)
    assert reached is network
    assert hosts is (network and os.path.getsize("/etc/hosts") > 0)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("gpu", [False, True])
def test_devices_and_drivers_of_a_gpu_only_if_it_is_asked_for(
    level: Level, gpu: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, libraries = tmp_path / "nvidia0", tmp_path / "driver"
    device.write_text("a device")
    libraries.mkdir()
    (libraries / "libcuda.so.1").write_text("a library")
    monkeypatch.setattr(cage, "devices", lambda: [str(device)])
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries))
    code = f"""
print(json.dumps([can({str(device)!r}, "r+"), can({str(libraries / "libcuda.so.1")!r}), bool(can_list("/sys/kernel"))]))
"""
    assert inside(level, Need(folder, gpu=gpu), code) == [gpu] * 3


@pytest.mark.parametrize("level", [LANDLOCK])
def test_landlock_lets_names_of_the_house_be_listed_and_its_files_not_be_read(level: Level, folder: Path) -> None:
    """Python looks for modules there; judges and the training target are read."""
    code = """
house = sys.argv[1]
print(json.dumps([bool(can_list(house)), can(house + "/wolf/store/ledger.py"), can(house + "/judges/base.py"),
                  [can("/dev/" + name, "r+") for name in ("null", "zero", "full")], can("/proc/self/stat"),
                  can("/proc/1/stat"), can("/proc/version"), can("/etc/passwd"), can("/etc/fstab")]))
"""
    said = inside(level, Need(folder), code.replace("sys.argv[1]", repr(str(cage.HOUSE))))
    assert said == [True, False, True, [True] * 3, True, False, True, True, False]


def test_devices_are_files_and_drivers_are_folders_that_have_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"/dev/nvidia*": ["/dev/nvidia1", "/dev/nvidia0", "/dev/nvidia-caps"],
             "/dev/nvidia-caps/*": ["/dev/nvidia-caps/nvidia-cap1"]}  # fmt: skip
    monkeypatch.setattr(cage, "glob", found.__getitem__)
    monkeypatch.setattr(cage.os.path, "isdir", lambda path: path == "/dev/nvidia-caps")
    assert cage.devices() == ["/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia0", "/dev/nvidia1"]
    monkeypatch.undo()
    odd, without = tmp_path / "a[b]", tmp_path / "none"
    for path in (odd, without):
        path.mkdir()
    (odd / "libcuda.so.1").write_text("")
    monkeypatch.chdir(odd.parent)
    monkeypatch.setenv("LD_LIBRARY_PATH", os.pathsep.join([str(odd), str(without), "", odd.name]))
    assert cage.drivers() == [str(odd)]
    monkeypatch.delenv("LD_LIBRARY_PATH")
    assert cage.drivers() == []


def test_every_cage_says_which_folder_is_watched_and_how_much_may_lie_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cage, "docker_daemon", lambda: docker.Daemon(("docker",), "1:1", "image"))
    for level in Level:
        rules = marshal.loads(bytes.fromhex(lock(level, Need(folder)).rules))
        assert (rules["folder"], rules["disk"]) == (str(folder), 20_000_000_000)
        assert ("filter" in rules) is (level in (Level.BUBBLEWRAP, Level.LANDLOCK))
        assert rules.get("landlock") == {Level.BUBBLEWRAP: False, Level.LANDLOCK: True}.get(level)
        assert ("life" in rules) is (level is Level.DOCKER)
        assert marshal.loads(bytes.fromhex(lock(level, Need(folder, disk_bytes=5)).rules))["disk"] == 5


@pytest.mark.parametrize(("abi", "signals", "truncate"), [(1, False, False), (3, False, True), (6, True, True)])
def test_what_an_older_landlock_cannot_confine_the_filter_refuses(
    abi: int, signals: bool, truncate: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confine, "landlock_abi", lambda: abi)
    rules = marshal.loads(bytes.fromhex(lock(Level.LANDLOCK, Need(folder, network=True)).rules))
    wanted = seccomp.filter_bytes(network=True, shared=True, signals=signals, truncate=truncate)
    assert rules["filter"] == wanted
    assert "/etc/resolv.conf" in rules["readable"]


def test_a_command_is_wrapped_by_what_starts_it() -> None:
    env = {"A": "1", "B": "2"}
    assert cage.OPEN.wrap(["a", "b"], "/f", env, [0], 5, 6) == ["a", "b"]
    assert Cage(prefix=("bwrap", "--")).wrap(["a"], "/f", env, [0], 5, 6) == ["bwrap", "--", "a"]
    contained = Cage(prefix=("docker", "run"), inside=("image", "guard"))
    assert contained.wrap(["a"], "/f", env, [1, 3], 5, 6) == [
        "docker", "run", "--workdir=/f", "--env=A", "--env=B", "--cpuset-cpus=1,3", "--memory=5", "--memory-swap=5",
        "--ulimit=fsize=6", "image", "guard", "a",
    ]  # fmt: skip
    assert contained.wrap(["a"], "/f", {}, [], 0, 0) == ["docker", "run", "--workdir=/f", "image", "guard", "a"]


@pytest.mark.parametrize(("network", "gpu"), [(False, False), (True, True)])
def test_a_container_is_shown_the_same_as_bubblewrap_shows(
    network: bool, gpu: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cage, "docker_daemon", lambda: docker.Daemon(("docker",), "1:1", "image"))
    monkeypatch.setattr(cage, "devices", lambda: ["/dev/nvidia0"])
    monkeypatch.setattr(cage, "drivers", list)
    (tmp_path / "data").mkdir()
    made = lock(Level.DOCKER, Need(folder, (tmp_path / "data", folder), (tmp_path / "data",), network, gpu))
    shown = {
        word.split("source=")[1].split(",")[0]: word.endswith(",readonly") for word in made.prefix if "bind" in word
    }
    rules = marshal.loads(bytes.fromhex(made.rules))
    assert shown.pop(rules["life"]) is True
    assert (shown.pop(str(folder)), shown.pop(str(tmp_path / "data"))) == (False, False), "writable wins"
    assert set(shown.values()) == {True}
    assert {"/usr", "/etc/passwd", sys.prefix, str(cage.HOUSE / "judges")} <= set(shown)
    assert not any(os.path.islink(path) for path in shown if path in cage.SYSTEM)
    assert not any(path.startswith("/sys/") or not os.path.exists(path) for path in shown)
    assert f"--network={'bridge' if network else 'none'}" in made.prefix
    assert ("--device=/dev/nvidia0" in made.prefix) is gpu
    assert "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size=256000000" in made.prefix
    assert "--shm-size=1024000000" in made.prefix
    assert made.inside[0] == "image" and rules["life"] in made.inside
    inner = marshal.loads(bytes.fromhex(made.inside[-1]))
    assert inner["filter"] == seccomp.filter_bytes(network=network, shared=False)


def test_the_daemons_image_has_the_links_of_this_system(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(docker, "daemon", asked.append)
    cage.docker_daemon()
    assert dict(asked[0]) == {place: os.readlink(place) for place in cage.SYSTEM if os.path.islink(place)}
