"""The target: a folder, the files in it that evolve, and the memo that a person writes for whoever proposes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from population.variant import Variant
from wolf import shipped
from wolf.config import TargetConfig
from wolf.errors import ConfigError
from wolf.yamlfile import Keys

LARGE = 16 * 2**20  # bytes; of larger files, the tree's hash covers the size and the first part
SKIPPED = {".git", ".hg", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True, slots=True)
class Target:
    """A target on this machine.

    Attributes:
        root: the folder, absolute.
        files: the editable files, relative to root.
        memo_path: where the memo is; None if there is none.
    """

    root: Path
    files: tuple[str, ...]
    memo_path: Path | None

    @classmethod
    def of(cls, config: TargetConfig) -> Target:
        """The target that a configuration names."""
        root = shipped.resolve(config.root)
        return cls(root, config.files, None if config.memo is None else root / config.memo)

    def seed(self) -> Variant:
        """The files as they are on disk now.

        Raises:
            ConfigError: if one cannot be read, or is not text.
        """
        texts = {}
        for file in self.files:
            try:
                texts[file] = (self.root / file).read_bytes().decode("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError([f"target.files: {self.root / file} cannot be read as text: {error}"]) from error
        return Variant(texts)

    def memo(self) -> str:
        """The memo as it is on disk now; it may be edited while a run goes on. Empty if there is none."""
        try:
            return self.memo_path.read_text("utf-8", errors="replace") if self.memo_path else ""
        except OSError:
            return ""

    def tree_hash(self) -> str:
        """16 hex digits over what is frozen: all files under root except editable ones, memo, caches and runs."""
        digest = hashlib.sha256()
        for path in sorted(self._frozen()):
            size = path.stat().st_size
            digest.update(f"{path.relative_to(self.root).as_posix()}\0{size}\0".encode("utf-8", "surrogateescape"))
            with path.open("rb") as file:
                digest.update(file.read(LARGE))
        return digest.hexdigest()[:16]

    def _frozen(self) -> Iterator[Path]:
        changing = {self.root / file for file in self.files} | {self.memo_path}
        for folder, folders, files in os.walk(self.root):
            if "ledger.db" in files:  # a run directory
                folders.clear()
                continue
            folders[:] = [name for name in folders if name not in SKIPPED]
            yield from (path for name in files if (path := Path(folder, name)) not in changing and path.is_file())


def missing(config: TargetConfig) -> Iterator[tuple[Keys, str]]:
    """What the configuration names and is not there: the keys, and a sentence about each."""
    root = shipped.resolve(config.root)
    if not root.is_dir():
        yield ("target", "root"), f"there is no folder {root}"
        return
    for index, file in enumerate(config.files):
        if not (root / file).is_file():
            yield ("target", "files", index), f"there is no file {file} in {root}"
    if config.memo is not None and not (root / config.memo).is_file():
        yield ("target", "memo"), f"there is no file {config.memo} in {root}"
    for name, knob in config.knobs.items():
        if knob.file is not None and knob.file not in config.files:
            yield ("target", "knobs", name, "file"), f"{knob.file} is not one of target.files"
