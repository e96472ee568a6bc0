"""What training may leave behind, and what it may not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from judges import seal as sealing
from judges.seal import SealError, digest, seal


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.pt").write_bytes(b"weights")
    (folder / "deep" / "more").write_bytes(b"more")
    return folder


ATTACKS: dict[str, Callable[[Path], object]] = {
    "a symbolic link": lambda out: (out / "x").symlink_to("/etc/passwd"),
    "a link to a folder": lambda out: (out / "x").symlink_to("/etc"),
    "a dangling link": lambda out: (out / "x").symlink_to("/nowhere"),
    "a hard link": lambda out: os.link(out / "model.pt", out / "x"),
    "a named pipe": lambda out: os.mkfifo(out / "x"),
    "too much": lambda out: os.truncate(out / "model.pt", sealing.MOST_BYTES + 1),
    "too many files": lambda out: [(out / str(n)).touch() for n in range(30)],
}


@pytest.mark.parametrize("name", ATTACKS)
def test_anything_but_plain_files_is_refused(name: str, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MOST_FILES", 20)
    ATTACKS[name](out)
    with pytest.raises(SealError, match="training left"):
        seal(out, out.parent / "sealed")


def test_a_replaced_folder_is_refused(out: Path) -> None:
    out.rename(out.parent / "elsewhere")
    out.symlink_to(out.parent / "elsewhere")
    with pytest.raises(SealError, match="replaced its output folder"):
        seal(out, out.parent / "sealed")


def test_plain_files_are_copied_read_only_and_every_change_shows(out: Path) -> None:
    sealed = out.parent / "sealed"
    before = seal(out, sealed)
    assert (sealed / "deep" / "more").read_bytes() == b"more"
    assert (sealed / "model.pt").stat().st_mode & 0o222 == 0
    assert digest(sealed) == before
    (sealed / "model.pt").chmod(0o644)
    (sealed / "model.pt").write_bytes(b"better.")
    assert digest(sealed) != before
