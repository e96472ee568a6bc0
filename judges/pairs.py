"""Pairs of texts of which people chose one: what readers are trained on and panels are measured against.

A CSV file has a line per pair, in one of two shapes: columns `won` and `lost`; or `a`, `b`, `impressions_a`,
`clicks_a`, `impressions_b`, `clicks_b` of an A/B test. A column `group` says which pairs belong together (a story, a
debate); without it, pairs that share a text do.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

CAP = 16.0  # of a pair's weight: no single experiment proves more
_CHOICE = {"won", "lost"}
_TEST = {"a", "b", "impressions_a", "clicks_a", "impressions_b", "clicks_b"}


class PairsError(ValueError):
    """A file of pairs is wrong. The message is one sentence that names the line and column of the first mistake."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison.

    Attributes:
        won: the text that readers chose.
        lost: the other.
        group: what must never be split between training and test.
        weight: what the experiment proves; the squared z of an A/B test, 1 for a vote.
    """

    won: str
    lost: str
    group: str
    weight: float = 1.0


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a CSV file; A/B tests without any difference are left out.

    Raises:
        PairsError: naming the line and column of the first mistake.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = set(rows.fieldnames or ())
            if not (columns >= _CHOICE or columns >= _TEST):
                raise PairsError(
                    f"{path} line 1: expected the columns won,lost or {','.join(sorted(_TEST))}, "
                    f"found {','.join(sorted(filter(None, columns))) or 'nothing'}"
                )
            read = _vote if columns >= _CHOICE else _tested
            pairs = [pair for row in rows if (pair := read(row, f"{path} line {rows.line_num}")) is not None]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PairsError(f"{path} cannot be read as a CSV file in UTF-8: {error}") from error
    if not pairs:
        raise PairsError(f"{path} has no pairs with a winner")
    return pairs if "group" in columns else _grouped(pairs)


def _vote(row: Mapping[str, str | None], where: str) -> Pair:
    won, lost = _texts(row, "won", "lost", where)
    return Pair(won, lost, row.get("group") or "")


def _tested(row: Mapping[str, str | None], where: str) -> Pair | None:
    texts = _texts(row, "a", "b", where)
    shown = [_number(row, f"impressions_{side}", where) for side in "ab"]
    clicked = [_number(row, f"clicks_{side}", where) for side in "ab"]
    if any(not 0 <= clicks <= views or not views for clicks, views in zip(clicked, shown, strict=True)):
        raise PairsError(f"{where}: a text needs impressions, and cannot have more clicks than impressions")
    rates = [clicks / views for clicks, views in zip(clicked, shown, strict=True)]
    pooled = sum(clicked) / sum(shown)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / shown[0] + 1 / shown[1]))
    if rates[0] == rates[1] or not spread:
        return None
    won, lost = texts if rates[0] > rates[1] else texts[::-1]
    return Pair(won, lost, row.get("group") or "", min(CAP, ((rates[0] - rates[1]) / spread) ** 2))


def _texts(row: Mapping[str, str | None], one: str, other: str, where: str) -> tuple[str, str]:
    texts = (row[one] or "").strip(), (row[other] or "").strip()
    if not all(texts):
        raise PairsError(f"{where}: {one} or {other} is empty")
    return texts


def _number(row: Mapping[str, str | None], column: str, where: str) -> float:
    try:
        value = float(row[column] or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise PairsError(f"{where}: {column} is {row[column]!r}, expected a number")
    return value


def _grouped(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with one group for all that are connected by their texts."""
    leader: dict[str, str] = {}

    def find(text: str) -> str:
        while leader.setdefault(text, text) != text:
            leader[text] = text = leader[leader[text]]
        return text

    for pair in pairs:
        leader[find(pair.won)] = find(pair.lost)
    return [replace(pair, group=find(pair.won)) for pair in pairs]
