"""The target: a folder, the files in it that evolve, and the memo that a person writes for whoever proposes."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from judges.workspace import passing, tree
from population.genome import Genome
from population.knobs import Space
from population.literals import Value
from population.ranges import KnobError
from population.variant import Variant
from wolf.errors import ConfigError
from wolf.settings import commit, shipped
from wolf.settings.yamlfile import Keys

if TYPE_CHECKING:
    from wolf.settings.sections import TargetConfig

FROZEN = "frozen.json"  # in a run's folder: the frozen files it was started with, and a hash of each
LARGEST = 10_000_000  # bytes of a file that evolves
LARGE = 16 * 2**20  # bytes; of larger files, the tree's hash covers the size and the first part


@dataclass(frozen=True, slots=True)
class Target:
    """A target on this machine.

    Attributes:
        root: the folder, absolute.
        files: the editable files, relative to root.
        memo_path: where the memo is; None if there is none.
        start: values of knobs that the seed variant has instead of those in its files.
        commit: the git commit whose files are the seed variant; None: as they are on disk.
    """

    root: Path
    files: tuple[str, ...]
    memo_path: Path | None
    start: Mapping[str, Value] = field(default_factory=dict)
    commit: str | None = None

    @classmethod
    def of(cls, config: TargetConfig) -> Target:
        """The target that a configuration names."""
        root = shipped.resolve(config.root)
        return cls(root, config.files, None if config.memo is None else root / config.memo, config.start, config.commit)

    def seed(self) -> Variant:
        """The files as they are on disk now or were at the commit, with the values to start from.

        Raises:
            ConfigError: if one cannot be read, or is not text.
        """
        texts = {}
        for file in self.files:
            try:
                texts[file] = _read(self.root, file, self.commit).decode("utf-8")
            except (OSError, ValueError) as error:
                raise ConfigError([f"target.files: {self.root / file} cannot be read as text: {error}"]) from error
        try:
            return Variant(_started(texts, self.start))
        except KnobError as error:
            raise ConfigError([f"target.start: {error}"]) from error

    def memo(self) -> str:
        """The memo as it is on disk now; it may be edited while a run goes on. Empty if there is none."""
        try:
            return self.memo_path.read_text("utf-8", errors="replace") if self.memo_path else ""
        except OSError:
            return ""

    def tree_hash(self, names: Collection[str] | None = None) -> str:
        """16 hex digits over what is frozen, or over those `names` of it that are still there."""
        digest = hashlib.sha256()
        for _, data in self._frozen(names):
            digest.update(data)
        return digest.hexdigest()[:16]

    def frozen(self) -> dict[str, str]:
        """A hash of each file that is frozen: those that judges copy, without the editable ones and the memo."""
        return {name: hashlib.sha256(data).hexdigest()[:16] for name, data in self._frozen()}

    def note(self, run_dir: Path) -> None:
        """Write down in a new run's folder what is frozen, so that `changed` can name what is no longer."""
        with suppress(OSError):
            (run_dir / FROZEN).write_text(json.dumps(self.frozen(), indent=0), "utf-8")

    def changed(self, run_dir: Path, known: str) -> str:
        """What of the frozen files has changed since the run was started with the tree hash `known`; empty if nothing.

        Files that have come since do not count: a log, an exported champion. (Without the note all files count.)
        """
        if self.tree_hash() == known:
            return ""
        if not self.root.is_dir():
            return f"the files of the target, {self.root}, are gone"
        try:
            before: dict[str, str] = json.loads((run_dir / FROZEN).read_text("utf-8"))
            if self.tree_hash(before) == known and not self._left_out(before):
                return ""
            now = dict.fromkeys(before) | self.frozen()
        except (OSError, ValueError, TypeError):
            return f"the frozen files of {self.root} have changed"
        names = [f"{name} ({'changed' if now[name] else 'gone'})" for name in before if now[name] != before[name]]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"frozen files of {self.root} have changed: {', '.join(names[:3]) or FROZEN}{more}"

    def _left_out(self, names: Collection[str]) -> bool:
        """Whether one of these files is here and no copy would have it: somebody's log now. Editors' never matter."""
        copied = {*tree(self.root)}
        return any(name not in copied and not passing(name) and (self.root / name).is_file() for name in names)

    def _frozen(self, names: Collection[str] | None = None) -> Iterator[tuple[str, bytes]]:
        for name in tree(self.root) if names is None else sorted(names):
            path = self.root / name
            if name in self.files or path == self.memo_path or not path.is_file():
                continue
            with path.open("rb") as file:
                head = f"{name}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape")
                yield name, head + file.read(LARGE)


def problems(config: TargetConfig) -> Iterator[tuple[Keys, str]]:
    """What the configuration says of the target and is not so: the keys, and a sentence about each."""
    root = shipped.resolve(config.root)
    if not root.is_dir():
        yield ("target", "root"), f"there is no folder {root}"
        return
    texts = {}
    for index, file in enumerate(config.files):
        try:
            found = _read(root, file, config.commit)
            if len(found) > LARGEST:
                size = f"{len(found) / 1e6:.0f} MB, and every variant keeps its own"
                yield (
                    ("target", "files", index),
                    f"{root / file} is {size}: name a file of at most {LARGEST / 1e6:g} MB",
                )
                return
            texts[file] = found.decode("utf-8")
        except commit.CommitError as error:
            yield ("target", "commit"), str(error)
            return
        except OSError as error:
            yield ("target", "files", index), f"{root / file} cannot be read: {error.strerror}"
        except UnicodeDecodeError as error:
            yield ("target", "files", index), f"{root / file} is not UTF-8 text (byte {error.start})"
    if config.memo is not None and not (root / config.memo).is_file():
        yield ("target", "memo"), f"there is no file {root / config.memo}"
    if len(texts) == len(config.files):
        try:
            texts = _started(texts, config.start)
        except KnobError as error:
            yield ("target", "start"), str(error)
            return
        try:
            Space.of(texts, config.knobs)
        except KnobError as error:
            name = next((name for name in config.knobs if f" {name}:" in str(error)), None)
            yield ("target", "files") if name is None else ("target", "knobs", name), str(error)


def _read(root: Path, file: str, at: str | None) -> bytes:
    if at is not None:
        return commit.read(root, at, file)
    path = root / file
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "Not a plain file")  # a pipe would be waited for without end
    return path.read_bytes()


def _started(texts: dict[str, str], start: Mapping[str, Value]) -> dict[str, str]:
    """The files with other values of some knobs; raises `KnobError` for what is no knob or none of its values."""
    if not start:
        return texts
    try:
        return Genome.of(texts, Space.of(texts)).replace(start).files()
    except KeyError as error:
        raise KnobError(f"{error} is no knob of {', '.join(texts)}") from None
    except ValueError as error:
        raise KnobError(str(error)) from None
