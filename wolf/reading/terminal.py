"""Text for terminals: untrusted text made harmless, and the small marks that tables and logs are made of.

Candidates choose their notes and feedback. Before any of it is printed it goes through `safe`, `line` or `json_line`,
so that it can neither move the cursor, nor recolour or retitle the terminal, nor reorder what is read.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, DEL, C1
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # invisible, line-breaking and direction-changing
    "\ud800-\udfff]"  # lone surrogates cannot be encoded
)
_BARS = "▁▂▃▄▅▆▇█"
MOST_DECIMALS = 6


def safe(text: str) -> str:
    r"""`text` with every control, direction-changing or unencodable character shown as its escape (`\x1b`)."""
    return _HARMFUL.sub(lambda found: _escape(found.group()), text.replace("\r\n", "\n"))


def line(text: str, width: int | None = None) -> str:
    """`text` as one harmless line, cut with an ellipsis after `width` characters."""
    flat = " ".join(safe(text).split())
    return flat if width is None or len(flat) <= width else flat[: max(0, width - 1)].rstrip() + "…"


def columns() -> int:
    """How many characters fit into a line of the terminal; more than any line has where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def json_line(value: Any) -> str:
    """`value` as one line of strict JSON: no NaN or infinity (null instead), nothing that a terminal would obey."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
        text = json.dumps(finite, ensure_ascii=False)
    return _HARMFUL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def spark(values: Sequence[float], width: int) -> str:
    """`values` as a line of at most `width` bars, low to high; longer series keep the last value of each stretch."""
    if not values or width < 1:
        return ""
    if len(values) > width:
        values = [values[(i + 1) * len(values) // width - 1] for i in range(width)]
    low, high = min(values), max(values)
    if high == low:
        return _BARS[0] * len(values)
    return "".join(_BARS[round((value - low) / (high - low) * (len(_BARS) - 1))] for value in values)


def duration(seconds: float) -> str:
    """`8.2s`, `59s`, `3m 41s`, `2h 05m`, `1d 07h`."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    for unit, below, size, small in (("d", "h", 86400, 3600), ("h", "m", 3600, 60), ("m", "s", 60, 1)):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // small:02d}{below}"
    return f"{whole}s"


def decimals(scale: Iterable[float | None]) -> int:
    """How many decimals tell numbers apart whose typical differences are the smallest positive one in `scale`."""
    sizes = [size for size in scale if size is not None and math.isfinite(size) and size > 0]
    return min(MOST_DECIMALS, max(0, 1 - math.floor(math.log10(min(sizes))))) if sizes else 4


def number(value: float | None, places: int = 4) -> str:
    """`value` with `places` decimals; very large and very small ones in scientific notation; `-` for none."""
    if value is None or not math.isfinite(value):
        return "-"
    value += 0.0  # -0.0, the mean of a score of 0 that is maximized, is 0.0
    size = abs(value)
    if size >= 1e7 or 0 < size < 0.5 * 10.0**-places:
        return f"{value:.3g}"
    return f"{value:.{places}f}"


def rounded(value: float | None, places: int) -> str:
    """`number`, but 0.0 where `places` decimals leave nothing: of figures with an interval, which says what is left."""
    if value is not None and abs(value) < 0.5 * 10.0**-places and places < MOST_DECIMALS:
        value = 0.0
    return number(value, places)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
