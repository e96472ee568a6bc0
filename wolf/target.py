"""The target: a folder, the files in it that evolve, and the memo that a person writes for whoever proposes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from judges.workspace import tree
from population.knobs import Space
from population.ranges import KnobError
from population.variant import Variant
from wolf import shipped
from wolf.errors import ConfigError
from wolf.yamlfile import Keys

if TYPE_CHECKING:
    from wolf.config import TargetConfig

LARGE = 16 * 2**20  # bytes; of larger files, the tree's hash covers the size and the first part


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
        """16 hex digits over what is frozen: the files that judges copy, without the editable ones and the memo."""
        digest = hashlib.sha256()
        for name in tree(self.root):
            path = self.root / name
            if name in self.files or path == self.memo_path or not path.is_file():
                continue
            digest.update(f"{name}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape"))
            with path.open("rb") as file:
                digest.update(file.read(LARGE))
        return digest.hexdigest()[:16]


def problems(config: TargetConfig) -> Iterator[tuple[Keys, str]]:
    """What the configuration says of the target and is not so: the keys, and a sentence about each."""
    root = shipped.resolve(config.root)
    if not root.is_dir():
        yield ("target", "root"), f"there is no folder {root}"
        return
    texts = {}
    for index, file in enumerate(config.files):
        try:
            texts[file] = (root / file).read_bytes().decode("utf-8")
        except OSError as error:
            yield ("target", "files", index), f"{root / file} cannot be read: {error.strerror}"
        except UnicodeDecodeError as error:
            yield ("target", "files", index), f"{root / file} is not UTF-8 text (byte {error.start})"
    if config.memo is not None and not (root / config.memo).is_file():
        yield ("target", "memo"), f"there is no file {root / config.memo}"
    if len(texts) == len(config.files):
        try:
            Space.of(texts, config.knobs)
        except KnobError as error:
            name = next((name for name in config.knobs if f" {name}:" in str(error)), None)
            yield ("target", "files") if name is None else ("target", "knobs", name), str(error)
