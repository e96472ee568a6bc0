"""What a candidate is locked into, per level of isolation.

`lock` turns what a candidate needs into a `Cage`, which `judges/process.py` hands to the supervisor. Whatever is not
named does not exist for the candidate (bubblewrap) or cannot be opened by it (Landlock). Whether a level really holds
on this machine is found out by `judges/sandbox.py`.
"""

from __future__ import annotations

import marshal
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from glob import escape as glob_escape
from glob import glob
from pathlib import Path

from judges import docker
from judges.seccomp import filter_bytes

HOUSE = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000
TMP_BYTES, SHM_BYTES, DISK_BYTES = 256 * MEGABYTE, 1024 * MEGABYTE, 20_000 * MEGABYTE
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/nix/store", "/sys/devices/system/cpu")
ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "ssl", "pki", "ca-certificates",
       "passwd", "group", "nsswitch.conf", "OpenCL")  # fmt: skip
ETC_NETWORK = ("resolv.conf", "hosts", "services", "gai.conf")
PROC = ("self", "cpuinfo", "meminfo", "stat", "version", "filesystems", "sys/vm", "sys/kernel", "driver/nvidia")
# When root runs us, the candidate is root to the files of /proc, whatever its user number looks like inside.
PROC_SETTINGS = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "mtrr", "pressure")
DEVICES = ("null", "zero", "full", "random", "urandom")


class Level(StrEnum):
    """How far a candidate is shut off, strongest first."""

    BUBBLEWRAP = "bubblewrap"
    DOCKER = "docker"
    LANDLOCK = "landlock"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Need:
    """All that a candidate may touch besides Python and the system's programs and libraries, which it may read.

    Attributes:
        folder: its own, to write in; its size is watched.
        readable: files and folders that it may read.
        writable: more that it may change; nobody watches their size.
        network: whether it may open internet connections.
        gpu: whether it may use NVIDIA devices.
        disk_bytes: how much may lie in `folder` before it is killed, looked at every half second.
    """

    folder: Path
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    network: bool = False
    gpu: bool = False
    disk_bytes: int = DISK_BYTES


@dataclass(frozen=True, slots=True)
class Cage:
    """How the supervisor starts a candidate.

    Attributes:
        prefix: the program that wraps the command, with its arguments.
        rules: what `judges/confine.py` applies and the supervisor watches: a marshalled dict in hex.
        inside: what starts the command in a container; empty where there is none.
    """

    prefix: tuple[str, ...] = ()
    rules: str = marshal.dumps({}).hex()
    inside: tuple[str, ...] = ()

    def wrap(
        self, command: Sequence[str], cwd: str, env: Mapping[str, str], cores: Sequence[int], memory: int, file: int
    ) -> list[str]:
        """The whole command line; a container is told what a process inherits: folder, environment, cores, limits."""
        if not self.inside:
            return [*self.prefix, *command]
        told = [f"--workdir={cwd}", *(f"--env={name}" for name in env)]  # the values are in the client's environment
        told += [f"--cpuset-cpus={','.join(map(str, cores))}"] if cores else []
        told += [f"--memory={memory}", f"--memory-swap={memory}"] if memory else []
        told += [f"--ulimit=fsize={file}"] if file else []
        return [*self.prefix, *told, *self.inside, *command]


OPEN = Cage()


def lock(level: Level, need: Need) -> Cage:
    """The cage of a candidate."""
    watched = {"folder": str(need.folder), "disk": need.disk_bytes}
    if need.gpu:
        need = replace(need, readable=(*need.readable, *map(Path, drivers())))
    match level:
        case Level.DOCKER:
            return _docker(need, watched)
        case Level.BUBBLEWRAP:
            rules = {"landlock": False, "filter": filter_bytes(network=need.network, shared=False)}
            return Cage(tuple(_bubblewrap(need)), marshal.dumps({**watched, **rules}).hex())
        case Level.LANDLOCK:
            return Cage(rules=marshal.dumps({**watched, **_landlock(need)}).hex())
        case _:
            return Cage(rules=marshal.dumps(watched).hex())


def interpreter() -> list[str]:
    """Where the Python that runs us, and what it needs of us, lies."""
    ours = (HOUSE / "judges", HOUSE / "train_target")
    return [*dict.fromkeys((sys.prefix, sys.base_prefix, sys.exec_prefix, *map(str, ours)))]


def devices() -> list[str]:
    """The NVIDIA devices of this machine."""
    return sorted(path for path in glob("/dev/nvidia*") + glob("/dev/nvidia-caps/*") if not os.path.isdir(path))


def drivers() -> list[str]:
    """Folders outside the system's that hold the NVIDIA driver's library, as the environment has them."""
    named = [*os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep), "/run/opengl-driver/lib"]  # the latter on NixOS
    return [path for path in named if os.path.isabs(path) and glob(f"{glob_escape(path)}/libcuda.so*")]


def _bubblewrap(need: Need) -> list[str]:
    """The command line of bwrap. Its own environment is readable inside: the supervisor's has no secrets."""
    words = [shutil.which("bwrap") or "bwrap"]  # not as the candidate's PATH has it
    words += ["--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL",
              "--disable-userns", "--die-with-parent", "--new-session", "--hostname", "wolf"]  # fmt: skip
    words += ["--share-net"] if need.network else []
    words += ["--proc", "/proc", "--dev", "/dev"]
    for name in PROC_SETTINGS:
        words += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    words += ["--size", str(SHM_BYTES), "--tmpfs", "/dev/shm", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"]
    for path in SYSTEM:
        if os.path.islink(path):
            words += ["--symlink", os.readlink(path), path]
        else:
            words += ["--ro-bind-try", path, path]
    for name in ETC + (ETC_NETWORK if need.network else ()):
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    binds = dict.fromkeys(_both(*interpreter(), *need.readable), "--ro-bind")
    binds |= dict.fromkeys(_both(need.folder, *need.writable), "--bind")
    bound = list(SYSTEM)  # compared as text: pathlib interns each part, and Python's table of names keeps their places
    for path, how in sorted(binds.items()):  # what lies inside another comes after it
        if how == "--bind" or not any(f"{path}/".startswith(f"{other}/") for other in bound):
            words += [how, path, path]
        if how == "--ro-bind":
            bound.append(path)
    if need.gpu:
        words += ["--ro-bind", "/sys", "/sys"]  # without it cuInit fails
        for path in devices():
            words += ["--dev-bind", path, path]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/", "--seccomp", "9", "--"]


def docker_daemon() -> docker.Daemon:
    """The Docker daemon, with an image for this machine's files; raises `docker.DockerError` if there is none."""
    return docker.daemon(tuple((path, os.readlink(path)) for path in SYSTEM if os.path.islink(path)))


def _docker(need: Need, watched: dict[str, object]) -> Cage:
    life = docker.life()
    etc = [f"/etc/{name}" for name in ETC if os.path.exists(f"/etc/{name}")]
    system = [path for path in SYSTEM if os.path.isdir(path) and not os.path.islink(path) and path[:5] != "/sys/"]
    writable = sorted(set(_both(need.folder, *need.writable)))
    readable = sorted({*system, *etc, *_both(*interpreter(), *need.readable)} - set(writable))
    found = docker_daemon()
    words = docker.prefix(
        found, [*readable, life], writable, devices() if need.gpu else (), need.network, f"{TMP_BYTES},{SHM_BYTES}"
    )
    filtered = marshal.dumps({"filter": filter_bytes(network=need.network, shared=False)}).hex()
    rules = marshal.dumps({**watched, "life": life}).hex()
    return Cage(tuple(words), rules, (found.image, *docker.guarded(life, filtered)))


def _landlock(need: Need) -> dict[str, object]:
    from judges import confine

    etc = ETC + (ETC_NETWORK if need.network else ())
    readable = [*SYSTEM, *(f"/etc/{name}" for name in etc), *(f"/proc/{name}" for name in PROC), *interpreter()]
    usable = [f"/dev/{name}" for name in DEVICES]
    if need.gpu:
        readable.append("/sys")
        usable += devices()
    abi = confine.landlock_abi()
    signals, truncate = abi >= confine.SCOPES_SINCE, abi >= confine.TRUNCATE_SINCE
    return {
        "landlock": True,
        "listable": [str(HOUSE)],
        "readable": readable + [str(path) for path in need.readable],
        "writable": [str(need.folder), *map(str, need.writable)],
        "devices": usable,
        "filter": filter_bytes(network=need.network, shared=True, signals=signals, truncate=truncate),
    }


def _both(*paths: object) -> list[str]:
    """Each path as it is written and, if it goes through links, where it leads; those that exist."""
    return [place for path in map(str, paths) for place in {path, os.path.realpath(path)} if os.path.exists(place)]
