"""What `wolf doctor` says of machines other than this one."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from judges import sandbox
from judges.cage import Level
from wolf.commands import doctor
from wolf.commands.doctor import Health, examine
from wolf.errors import LedgerError, SetupError
from wolf.machines import gpus, here


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Health and sentence of one finding, while attributes are others."""

    def find(what: str, *changes: tuple[object, str, object]) -> tuple[Health, str]:
        monkeypatch.setattr(sandbox, "strongest", lambda: sandbox.Verdict(Level.LANDLOCK))
        monkeypatch.setattr(sandbox, "unlimited", lambda level: "")
        for owner, name, value in changes:
            monkeypatch.setattr(owner, name, value)
        (finding,) = (finding for finding in examine(tmp_path / "deep" / "runs") if finding.what == what)
        return finding.health, finding.text

    return find


def raising(error: Exception) -> Any:
    def refuse(*_: Any, **__: Any) -> Any:
        raise error

    return refuse


def test_packages_that_are_missing_or_of_another_version_are_named(find: Any) -> None:
    health, said = find("packages", (importlib.metadata, "version", lambda name: "9.9"))
    assert (health, said.split(", ")[0]) == (Health.OK, "torch 9.9")
    missing = importlib.metadata.PackageNotFoundError("deap")
    assert find("packages", (importlib.metadata, "version", raising(missing))) == (
        Health.BROKEN, "deap is not installed: pip install deap")  # fmt: skip
    mixed = SetupError("judges comes from elsewhere")
    assert find("packages", (doctor._guard, "check_sisters", raising(mixed))) == (Health.BROKEN, str(mixed))


def test_the_sandbox_is_whole_limited_or_none(find: Any) -> None:
    assert find("sandbox") == (Health.OK, "landlock holds: every attack from inside failed")
    health, said = find("sandbox", (sandbox, "unlimited", lambda level: "no control group"))
    assert (health, said[-18:]) == (Health.LIMITED, "; no control group")
    none = sandbox.Verdict(Level.NONE, ("bubblewrap: it is not installed", "landlock: old kernel"))
    health, said = find("sandbox", (sandbox, "strongest", lambda: none), (sandbox, "unlimited", lambda level: ""))
    assert health is Health.BROKEN
    assert said.startswith("none holds, so runs need --unsafe-no-sandbox; bubblewrap: it is") and "old kernel" in said


@pytest.mark.parametrize(("load", "health"), [(3.9, Health.OK), (4.1, Health.LIMITED)])
def test_a_processor_that_is_busy_is_told(find: Any, load: float, health: Health) -> None:
    cores = (here, "cores", lambda: [0, 1, 2, 3])
    found, said = find("processor", cores, (doctor.os, "getloadavg", lambda: (load, 0.0, 0.0)))
    assert found is health and said.startswith("4 cores, ") and f"{load:.1f}" in said
    assert ("timings will be poor" in said) is (health is Health.LIMITED)


@pytest.mark.parametrize(("pages", "health"), [(2**19, Health.OK), (2**17, Health.LIMITED)])
def test_little_memory_is_told(find: Any, pages: int, health: Health) -> None:
    sizes = {"SC_AVPHYS_PAGES": pages, "SC_PAGE_SIZE": 4096}
    found, said = find("memory", (doctor.os, "sysconf", lambda name: sizes.get(name, 1)))
    assert found is health and said.startswith(f"{pages / 2**18:.1f} GiB free")
    assert said.endswith("use few worker slots") is (health is Health.LIMITED)


def test_gpus_are_counted_by_kind(find: Any) -> None:
    big, small = SimpleNamespace(kind="H100", megabytes=81920), SimpleNamespace(kind="T4", megabytes=16384)
    health, said = find("gpu", (gpus, "found", lambda: [big, big]))
    assert (health, said) == (Health.OK, "2 x H100 (80 GiB), one evaluation each with workers: {slots: auto}")
    assert find("gpu", (gpus, "found", lambda: [big, small]))[1].endswith("; a run uses those of one kind")
    health, said = find("gpu", (gpus, "found", list))
    assert health is Health.LIMITED and "val_bpb_cpu" in said


def test_without_git_targets_are_copied_whole(find: Any) -> None:
    assert find("git", (doctor.shutil, "which", lambda name: "/usr/bin/git"))[0] is Health.OK
    health, said = find("git", (doctor.shutil, "which", lambda name: None))
    assert health is Health.LIMITED and "list big folders in judge.exclude" in said


def test_a_place_that_cannot_be_written_or_is_nearly_full_is_told(find: Any, tmp_path: Path) -> None:
    assert find("disk", (doctor.os, "access", lambda *_: False))[0] is Health.BROKEN
    usage = (doctor.shutil, "disk_usage", lambda place: SimpleNamespace(free=2**29))
    health, said = find("disk", (doctor.os, "access", lambda *_: True), usage)
    assert (health, said) == (Health.LIMITED, f"0.5 GiB free for {tmp_path / 'deep' / 'runs'}")


def test_a_network_file_system_and_one_without_a_ledger_are_told(find: Any, tmp_path: Path) -> None:
    health, said = find("ledger", (doctor, "_file_system", lambda place: "nfs4"))
    assert health is Health.LIMITED and said.startswith(f"{tmp_path} is on nfs4: locks may not hold")
    from wolf.store.ledger import Ledger

    refused = raising(LedgerError("the file system cannot hold a ledger"))
    health, said = find("ledger", (doctor, "_file_system", lambda place: ""), (Ledger, "create", refused))
    assert (health, said) == (Health.BROKEN, "the file system cannot hold a ledger")
    assert not list(tmp_path.glob(".wolf-doctor-*"))


def test_the_file_system_is_that_of_the_longest_mount_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = f"a / ext4 rw\nb {tmp_path} nfs4 rw\nc {tmp_path}/deep xfs rw\nd {tmp_path}x zfs rw\n"
    monkeypatch.setattr(Path, "read_text", lambda *_: mounts)
    assert doctor._file_system(tmp_path / "other") == "nfs4"
    assert doctor._file_system(tmp_path / "deep" / "er") == "xfs"
    assert doctor._file_system(Path("/")) == "ext4"
    monkeypatch.setattr(Path, "read_text", raising(FileNotFoundError()))
    assert doctor._file_system(tmp_path) == ""
