"""What the charts share: values to pixels, round ticks, axes. Drawn by hand, docs/decisions/ says why.

Colours are classes; the page gives them, so that a chart follows the reader's light or dark and prints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup

from wolf.reading.rows import Z95, Belief
from wolf.reading.terminal import decimals, number


class Span(NamedTuple):
    """The values that an axis covers."""

    low: float
    high: float


class Box(NamedTuple):
    """Where on the picture the values lie, in pixels."""

    left: float
    top: float
    right: float
    foot: float


@dataclass(frozen=True, slots=True)
class Frame:
    """Values to pixels."""

    xs: Span
    ys: Span
    box: Box

    def x(self, value: float) -> float:
        """Pixels from the left."""
        share = (value - self.xs.low) / (self.xs.high - self.xs.low)
        return round(self.box.left + share * (self.box.right - self.box.left), 1)

    def y(self, value: float) -> float:
        """Pixels from the top; what is off the scale stands at its end."""
        inside = min(max(value, self.ys.low), self.ys.high)
        share = (inside - self.ys.low) / (self.ys.high - self.ys.low)
        return round(self.box.foot - share * (self.box.foot - self.box.top), 1)


def heights(frame: Frame, about: int = 6) -> Markup:
    """Grid lines with their values at the left."""
    marks = ticks(frame.ys, about)
    places = max(0, decimals([b - a for a, b in pairwise(marks)]) - 1)
    line = '<path class="grid" d="M{} {}H{}"/><text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
    box = frame.box
    return joined(
        Markup(line).format(box.left, frame.y(v), box.right, box.left - 8, frame.y(v) + 4, number(v, places))
        for v in marks
    )


def ticks(span: Span, about: int = 6) -> list[float]:
    """Round values inside `span`, about so many."""
    rough = (span.high - span.low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough * 0.999)
    first = math.ceil(span.low / step)
    return [round(k * step, 12) for k in range(first, math.floor(span.high / step) + 1)]


def whisker(belief: Belief | None, across: Span) -> Markup:
    """A small dot with its 95% interval, on a scale shared by a column of them."""
    if belief is None:
        return Markup("")
    place = _scaled(across, 6, 154)
    low, high = (place(belief.mean + side * Z95 * spread(belief)) for side in (-1, 1))
    svg = (
        '<svg class="whisker" viewBox="0 0 160 14" aria-hidden="true"><path d="M{} 7H{}"/>'
        '<circle cx="{}" cy="7" r="3.5"/></svg>'
    )
    return Markup(svg).format(low, high, place(belief.mean))


def cover(beliefs: Sequence[Belief]) -> Span:
    """The span that shows all `beliefs` with their intervals."""
    ends = [belief.mean + side * Z95 * spread(belief) for belief in beliefs for side in (-1, 1)]
    return roomy(min(ends), max(ends)) if ends else Span(0, 1)


def spread(belief: Belief) -> float:
    """The standard error, or nothing where it is unknown: an unbounded band says less than none."""
    return belief.sigma if math.isfinite(belief.sigma) else 0.0


def roomy(low: float, high: float) -> Span:
    """From `low` to `high` with a margin; never empty."""
    margin = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    return Span(low - margin, high + margin)


def dots(points: Sequence[tuple[float, float]]) -> str:
    """Points as one path, drawn by round line ends: ten thousand of them still make a small page."""
    return "".join(f"M{x} {y}h0" for x, y in points)


def path(points: Sequence[tuple[float, float]]) -> str:
    """A line through points."""
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def joined(parts: Iterable[str]) -> Markup:
    """Parts of a drawing, one after the other."""
    return Markup("").join(parts)


def _scaled(span: Span, left: float, right: float) -> Callable[[float], float]:
    def place(value: float) -> float:
        inside = min(max(value, span.low), span.high)
        return round(left + (inside - span.low) / (span.high - span.low) * (right - left), 1)

    return place
