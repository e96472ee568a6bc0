"""Numbers in what a program prints."""

from __future__ import annotations

import json
import re

LINE = re.compile(
    r"^\s*(?P<name>[A-Za-z_][\w./-]*)\s*[:=]\s*(?P<value>[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf))\s*$",
    re.IGNORECASE,
)


def read_metrics(output: str) -> dict[str, float]:
    """Every number that `output` names on a line of its own: `name: 1.5`, `name = 1.5` or `{"name": 1.5}`.

    Where a name occurs more than once, the last line wins. NaN and infinities are returned as such.
    """
    found: dict[str, float] = {}
    for line in output.splitlines():
        if match := LINE.match(line):
            found[match["name"]] = float(match["value"])
        elif line.lstrip().startswith("{"):
            found |= _read_json(line)
    return found


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
