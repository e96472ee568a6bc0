"""A variant: some named files, and where they came from.

A variant is content-addressed. Two variants with the same files are the same variant, whoever made them, so a
duplicate is known before it costs an evaluation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import force_setattr, replace


def content_id(files: Mapping[str, str]) -> str:
    """The first 12 hex digits of the SHA-256 of the files, independent of their order."""
    text = json.dumps(sorted(files.items()), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def text_hash(text: str) -> str:
    """The SHA-256 of one file's text, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def joined(files: Mapping[str, str]) -> str:
    """All files as one text, in the order of their names."""
    return "\n\n".join(files[path] for path in sorted(files))


class Variant(Struct, frozen=True):
    """One candidate: the editable files of a target, in full.

    Attributes:
        files: path relative to the target's root -> text. Only editable files; the frozen ones are the target's.
        parents: ids of the variants it was made from, most important first; empty for the seed.
        origin: the operator that made it, `family:name` (`seed`, `perturb:nudge`, `recombine:join`, `llm:edit`).
        note: one line of rationale. It may be wrong about what changed; the files are the truth.
        id: content hash of `files`; parents, origin and note do not enter it. Whoever knows it may say so.
    """

    files: Mapping[str, str]
    parents: tuple[str, ...] = ()
    origin: str = "seed"
    note: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            force_setattr(self, "id", content_id(self.files))

    @property
    def read(self) -> bool:
        """Whether its files are at hand."""
        return not isinstance(self.files, Unread)

    def whole(self) -> Variant:
        """With its files at hand, so that it can go anywhere."""
        return self if self.read else replace(self, files=dict(self.files))


Read = Callable[[], Mapping[str, str]]


class Unread(Mapping[str, str]):
    """Files of which a history speaks, read when somebody asks for one."""

    __slots__ = ("_files", "_read")

    def __init__(self, read: Read) -> None:
        self._read: Read | None = read
        self._files: Mapping[str, str] = {}

    def __getitem__(self, path: str) -> str:
        return self._all()[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> Mapping[str, str]:
        if self._read is not None:
            self._files, self._read = self._read(), None
        return self._files
