"""The folder that a candidate runs in: a copy of the target's tree with the variant's files on top."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

from judges.base import JudgeError

BIG_BYTES = 8 << 20  # a larger file is linked, not copied
CACHES = {".pytest_cache", ".mypy_cache", ".ruff_cache"}
SKIPPED = {".git", ".venv", "__pycache__", "node_modules", *CACHES}
PASSING = (".*.sw?", ".#*", "#*#", "*~", ".~lock.*", ".nfs*")  # of editors, or the system: gone before the run ends
OUTPUT = ("/ledger.db", "/comparison.json")  # a folder with one of these is our own output


def lay_out(
    files: Mapping[str, str], root: Path, folder: Path, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()
) -> tuple[Path, ...]:
    """Fill `folder` (created here) with the target's tree, then with `files`.

    Args:
        files: the variant's files, path relative to `root` -> text.
        root: the target's tree. In a git checkout its tracked files and the untracked ones that git does not ignore
            are copied, elsewhere all but `.git`, `.venv`, `node_modules` and Python's caches; never a folder with a
            `ledger.db` or a `comparison.json`, which is a run or a comparison, nor a file that the output of this
            process goes to, nor what editors leave beside an open file, nor sockets. Files above 8 MB become links
            to the original: without a sandbox, a candidate could write to them.
        folder: where to.
        include: globs of files that are copied too, although git ignores them.
        exclude: globs of files that are not copied; `*` matches slashes as well.

    Returns:
        What links in `folder` lead to outside of it.

    Raises:
        JudgeError: if a file of the variant would land outside `folder`.
    """
    folder.mkdir(parents=True)
    names = [name for name in tree(root, include, exclude) if name not in files]
    linked = tuple(target for name in names if (target := _copy(root, folder, name)))
    for name, text in files.items():
        place = folder / name
        if not place.resolve().is_relative_to(folder.resolve()):
            raise JudgeError(
                f"{name} is not inside the target {root} (or is behind a link); list it under its own path"
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8", "surrogatepass"))
        if (root / name).is_file():
            shutil.copymode(root / name, place)
    return linked


@lru_cache(maxsize=64)
def tree(root: Path, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The files of a target (see `lay_out`), relative to `root`, sorted. Listed once per process."""
    found = _tracked(root) or _walk(root, root)
    names = {name for name in found if not passing(name)}
    for glob in include:
        names.update(str(path.relative_to(root)) for path in root.glob(glob) if not path.is_dir())
    logs = _logs()
    names = {name for name in names if not _printed_to(root / name, logs)}
    runs = tuple(name[: name.rindex("/") + 1] for name in names if name.endswith(OUTPUT))
    return tuple(
        sorted(name for name in names if not name.startswith(runs) and not any(fnmatch(name, glob) for glob in exclude))
    )


def passing(name: str) -> bool:
    """Whether a file is an editor's or the system's, and may be gone before the run ends."""
    return any(fnmatch(os.path.basename(name), glob) for glob in PASSING)


def _printed_to(path: Path, logs: list[os.stat_result]) -> bool:
    try:
        found = path.stat()
        return any(os.path.samestat(found, log) for log in logs)
    except OSError:
        return False


def _logs() -> list[os.stat_result]:
    """Where this process prints to, and the files of whoever reads that: `wolf run task.yaml > log`, `| tee log`."""
    ends = []
    for stream in (1, 2):
        with suppress(OSError):  # it is closed
            ends.append(os.fstat(stream))
    pipes = {end.st_ino for end in ends if stat.S_ISFIFO(end.st_mode)}
    for process in os.listdir("/proc") if pipes and os.path.isdir("/proc") else ():
        if process.isdigit() and int(process) != os.getpid():
            with suppress(OSError):  # it has ended, or is somebody else's
                theirs = [(end, _mode(process, fd)) for fd in os.listdir(f"/proc/{process}/fd")
                          if (end := _stat(f"/proc/{process}/fd/{fd}"))]  # fmt: skip
                if any(end.st_ino in pipes and mode == os.O_RDONLY for end, mode in theirs):
                    ends += [end for end, mode in theirs if stat.S_ISREG(end.st_mode) and mode == os.O_WRONLY]
    return ends


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _mode(process: str, fd: str) -> int:
    """Whether it is open to be read, written, or both."""
    said = Path(f"/proc/{process}/fdinfo/{fd}").read_text()
    return int(said.partition("flags:")[2].split()[0], 8) & os.O_ACCMODE


def _tracked(root: Path) -> Iterator[str] | None:
    """What git knows about or would add; None outside a checkout, without git, or if git ignores `root` as a whole."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    paths = [root / os.fsdecode(name) for name in listed.split(b"\0") if name]
    return _expand(root, paths) if paths else None


def _expand(root: Path, paths: list[Path]) -> Iterator[str]:
    for path in paths:
        if path.is_dir() and not path.is_symlink():  # a submodule, or a checkout inside this one
            yield from _walk(root, path)
        elif path.exists() or path.is_symlink():
            yield str(path.relative_to(root))


def _walk(root: Path, top: Path) -> Iterator[str]:
    for where, folders, names in os.walk(top):
        links = [name for name in folders if os.path.islink(os.path.join(where, name))]
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in names + links:
            yield os.path.relpath(os.path.join(where, name), root)


def _copy(root: Path, folder: Path, name: str) -> Path | None:
    """Copy one file; or link it, and return what the link leads to if that is outside."""
    source, place = root / name, folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    target = Path(os.path.realpath(source))
    if source.is_symlink() and (target.is_relative_to(root.resolve()) or not target.exists()):
        place.symlink_to(os.readlink(source))  # one that leads nowhere does so in the copy, too
    elif target.is_socket():
        return None
    elif target.is_dir() or target.is_fifo() or target.stat().st_size > BIG_BYTES:
        place.symlink_to(target)
        return target
    else:
        shutil.copy(target, place)
    return None
