"""A variant: some named files, and where they came from.

A variant is content-addressed. Two variants with the same files are the same variant, whoever made them, so a
duplicate is known before it costs an evaluation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


def content_id(files: Mapping[str, str]) -> str:
    """The first 12 hex digits of the SHA-256 of the files, independent of their order."""
    text = json.dumps(sorted(files.items()), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Variant:
    """One candidate: the editable files of a target, in full.

    Attributes:
        files: path relative to the target's root -> text. Only editable files; the frozen ones are the target's.
        parents: ids of the variants it was made from, most important first; empty for the seed.
        origin: the operator that made it, `family:name` (`seed`, `perturb:nudge`, `recombine:join`, `llm:edit`).
        note: one line of rationale. It may be wrong about what changed; the files are the truth.
        id: content hash of `files`; parents, origin and note do not enter it.
    """

    files: Mapping[str, str]
    parents: tuple[str, ...] = ()
    origin: str = "seed"
    note: str = ""
    id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", content_id(self.files))
