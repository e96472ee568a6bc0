"""A run's folder on a disk: is it still the same one, and are its names there to stay?"""

from __future__ import annotations

import os
from pathlib import Path


def inodes(run_dir: Path) -> tuple[int, int] | None:
    """Of its ledger and its lock; None if one of them is gone."""
    try:
        return os.stat(run_dir / "ledger.db").st_ino, os.stat(run_dir / "lock").st_ino
    except OSError:
        return None


def sync(folder: Path) -> None:
    """Make new names in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
