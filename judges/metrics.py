"""Numbers in what a program prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

NAME = r"[A-Za-z_][\w./-]*"
LINE = re.compile(
    rf"^\s*(?P<name>{NAME})\s*[:=]\s*(?P<value>[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf))\s*$",
    re.IGNORECASE,
)
LINES = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")  # where `str.splitlines` divides a text


def read_metrics(output: str) -> dict[str, float]:
    """Every number that `output` names on a line of its own: `name: 1.5`, `name = 1.5` or `{"name": 1.5}`.

    Where a name occurs more than once, the last line wins. NaN and infinities are returned as such; `true` and `false`
    are no numbers.
    """
    found: dict[str, float] = {}
    for line in _lines(output):
        if match := LINE.match(line):
            found[match["name"]] = float(match["value"])
        elif line.lstrip().startswith("{"):
            found |= _read_json(line)
    return found


def unread(output: str, name: str) -> str:
    """Why `read_metrics` found no number of that name, as the end of a sentence that begins `NAME is`."""
    if not re.fullmatch(NAME, name):
        return f"missing: a name like this is only read from JSON, {json.dumps({name: 1.5})}"
    why = "missing: no line `name: number` on stdout has this name"
    mention = re.compile(rf'(?<!\w){re.escape(name)}"?\s*[:=]')
    near = ""
    for line in _lines(output):
        near = line.strip() if mention.search(line) else near
    return f"{why}; the nearest is `{near:.80}`" if near else why


def _lines(output: str) -> Iterator[str]:
    """One by one those that are not empty: a candidate may print megabytes of them, and all at once leave holes."""
    return (match[0] for match in LINES.finditer(output))


def _read_json(line: str) -> dict[str, float]:
    try:
        data = json.loads(line)
        return {
            name: float(value)
            for name, value in data.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
    except (ValueError, OverflowError, RecursionError):
        return {}
