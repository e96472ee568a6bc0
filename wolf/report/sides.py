"""Two variants side by side, as rows of a table. `script.js` makes the same rows for any two in the browser."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from wolf.reading.terminal import safe

CONTEXT = 3
MOST_ROWS = 600


class Part(NamedTuple):
    """A line in three pieces, of which the middle one differs."""

    before: str
    middle: str
    after: str


class Row(NamedTuple):
    """One row: `kind` is `file`, `gap`, `same`, `swap`, `cut` or `add`; line numbers from 1, 0 where there is none."""

    kind: str
    left_number: int
    left: Part
    right_number: int
    right: Part


_NOTHING = Part("", "", "")


def rows(old: Mapping[str, str], new: Mapping[str, str]) -> list[Row]:
    """What differs, file by file, with `CONTEXT` equal lines around it; `MOST_ROWS` at most."""
    found: list[Row] = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            found.append(Row("file", 0, _whole(safe(path)), 0, _whole(safe(path))))
            found += _file(_lines(old.get(path, "")), _lines(new.get(path, "")))
    return found[:MOST_ROWS]


def _file(a: list[str], b: list[str]) -> Iterator[Row]:
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    for index, group in enumerate(matcher.get_grouped_opcodes(CONTEXT)):
        if index:
            yield Row("gap", 0, _whole("⋯"), 0, _whole("⋯"))
        for kind, i, end_i, j, end_j in group:
            for k in range(max(end_i - i, end_j - j)):
                left = a[i + k] if i + k < end_i else None
                right = b[j + k] if j + k < end_j else None
                yield _row("same" if kind == "equal" else "", i + k + 1, left, j + k + 1, right)


def _row(kind: str, i: int, left: str | None, j: int, right: str | None) -> Row:
    if left is None:
        return Row("add", 0, _NOTHING, j, _whole(right or ""))
    if right is None:
        return Row("cut", i, _whole(left), 0, _NOTHING)
    if kind == "same":
        return Row(kind, i, _whole(left), j, _whole(right))
    first = _shared(left, right)
    last = _shared(left[first:][::-1], right[first:][::-1])
    return Row("swap", i, _cut(left, first, last), j, _cut(right, first, last))


def _shared(left: str, right: str) -> int:
    """How many characters both begin with."""
    return next((k for k, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _cut(text: str, first: int, last: int) -> Part:
    return Part(text[:first], text[first : len(text) - last], text[len(text) - last :])


def _whole(text: str) -> Part:
    return Part(text, "", "")


def _lines(text: str) -> list[str]:
    return safe(text).removesuffix("\n").split("\n") if text else []
