"""Swaps, drops and moves the sentences and list items of a text; headings and fenced code stay as they are.

The texts are outlines: a sentence that holds a knob may move but is not dropped. A sentence that leans on the one
before it ("They ...", "Then ...", "However, ...", or a knob, which may say anything) stays behind it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import pairwise

from population.genome import OPEN

_BEGIN = re.compile(r"^(?=[ \t]*(?:[-*+#>|]|\d+[.)]\s|\n))", re.MULTILINE)  # a list item, a heading, a paragraph
_HEADING = re.compile(r"^#[^\n]*\n", re.MULTILINE)
_END = re.compile(r"(?<=[.!?])(?<!^\d\.)(?<!^\d\d\.)[\"')\]]*(?=\s+[^a-z\s])", re.MULTILINE)
_LEANS = re.compile(
    rf"[\s\"'(]*(?:{OPEN}|(?:it|they|he|she|its|their|his|her|this|that|these|those|such|both|either|neither|one|ones"
    r"|here|here's|there|then|so|but|and|or|nor|yet|still|also|too|thus|hence|therefore|otherwise|instead|however"
    r"|moreover|furthermore|besides|nevertheless|nonetheless|meanwhile|afterwards|consequently|accordingly|similarly"
    r"|likewise|conversely|finally|first|second|third|next|again|even so|for (?:example|instance|that reason)"
    r"|in (?:fact|short|other words|addition|contrast|turn|that case)|on the (?:other hand|contrary)|as a result"
    r"|after that|at the same time|of course|what is more|the (?:other|latter|former|same)|another|others)\b)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^```.*?(?:^```|\Z)", re.MULTILINE | re.DOTALL)


def swap(text: str, rng: random.Random) -> tuple[str, str] | None:
    """Swaps two neighbours. Returns the new text and a note."""
    parts, gaps = split(text)
    places = [
        i
        for i in range(len(parts) - 1)
        if parts[i] != parts[i + 1] and _loose(parts[i], parts[i + 1])
        if not (leans(parts[i]) or leans(parts[i + 1]) or bears(parts, i + 1))
    ]
    if not places:
        return None
    i = rng.choice(places)
    parts[i], parts[i + 1] = parts[i + 1], parts[i]
    return joined(parts, gaps), f"swapped {quote(parts[i + 1])} and {quote(parts[i])}"


def move(text: str, rng: random.Random) -> tuple[str, str] | None:
    """Moves one behind another of its section that is not its neighbour. Returns the new text and a note."""
    parts, gaps = split(text)
    pairs = [
        (i, j)
        for i, part in enumerate(parts)
        for j, other in enumerate(parts)
        if abs(i - j) > 1 and part != other and _loose(part, other) and _is_item(part) == _is_item(other)
        if not any(between.startswith("#") for between in parts[min(i, j) : max(i, j)])
        if not (leans(part) or bears(parts, i) or bears(parts, j))
    ]
    if not pairs:
        return None
    i, j = rng.choice(pairs)
    moved, behind = parts[i], parts[j]
    _remove(parts, gaps, i)
    _insert(parts, gaps, j if j < i else j - 1, moved)
    return joined(parts, gaps), f"moved {quote(moved)} behind {quote(behind)}"


def drop(text: str, rng: random.Random) -> tuple[str, str] | None:
    """Drops one of two or more. Returns the new text and a note."""
    parts, gaps = split(text)
    places = [
        i
        for i, part in enumerate(parts)
        if OPEN not in part and _loose(part) and not bears(parts, i) and not _alone(parts, i)
    ]
    if len(parts) < 2 or not places:
        return None
    i = rng.choice(places)
    note = f"dropped {quote(parts[i])}"
    _remove(parts, gaps, i)
    return joined(parts, gaps), note


def leans(part: str) -> bool:
    """Whether a sentence cannot be understood, or may not be, without the one before it. English only."""
    return _LEANS.match(part) is not None


def bears(parts: Sequence[str], i: int) -> bool:
    """Whether the sentence behind part `i` leans on it."""
    return i + 1 < len(parts) and not _is_item(parts[i + 1]) and leans(parts[i + 1])


def _alone(parts: Sequence[str], i: int) -> bool:
    """Whether part `i` is all that stands below its heading."""
    return i > 0 and parts[i - 1].startswith("#") and (i + 1 == len(parts) or parts[i + 1].startswith("#"))


def _loose(*parts: str) -> bool:
    return not any(part.startswith(("#", "```")) for part in parts)


def _is_item(part: str) -> bool:
    return _BEGIN.match(part) is not None


def _remove(parts: list[str], gaps: list[str], i: int) -> None:
    """Takes out a part with the gap behind it; the last one, also of a paragraph, with the gap before it."""
    part = parts.pop(i)
    ends = not _is_item(part) and gaps[i + 1].count("\n") > gaps[i].count("\n")
    gaps.pop(i if ends or i == len(parts) else i + 1)


def _insert(parts: list[str], gaps: list[str], i: int, part: str) -> None:
    """Puts a part behind part `i`."""
    parts.insert(i + 1, part)
    gaps.insert(i + 1, "\n" if _is_item(part) else " ")


def split(text: str) -> tuple[list[str], list[str]]:
    """The sentences, and the white space before, between and after them."""
    fences = [match.span() for match in _FENCE.finditer(text)]
    cuts = {match.start() for match in _BEGIN.finditer(text)}
    cuts |= {match.end() for pattern in (_HEADING, _END) for match in pattern.finditer(text)}
    cuts = {cut for cut in cuts if not any(start < cut < end for start, end in fences)}
    edges = sorted({0, *cuts, len(text), *(end for _, end in fences)})
    parts: list[str] = []
    gaps = [""]
    for start, end in pairwise(edges):
        chunk = text[start:end]
        part = chunk.strip()
        at = chunk.find(part) if part else len(chunk)
        gaps[-1] += chunk[:at]
        if part:
            parts.append(part)
            gaps.append(chunk[at + len(part) :])
    return parts, gaps


def joined(parts: list[str], gaps: list[str]) -> str:
    """The inverse of `split`."""
    return gaps[0] + "".join(part + gap for part, gap in zip(parts, gaps[1:], strict=True))


def quote(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return f'"{line if len(line) <= 50 else line[:47] + "..."}"'
