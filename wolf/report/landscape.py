"""The map of the population: every variant where its distances to the others put it, on two dimensions.

Classical scaling (Torgerson 1952) of the distance that novelty and the surrogate use. Beyond `LANDMARKS` variants it is
taken of the champion's line and an even sample, and the others are placed by their distances to those (landmark
scaling, de Silva & Tenenbaum 2004), so that ten thousand variants take seconds and not hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from wolf.reading.records import Run
from wolf.reading.terminal import number, safe
from wolf.report.ground import Ground
from wolf.report.svg import Box, Frame, Span, dots, joined, path

Points = NDArray[np.float64]

LANDMARKS = 300
SHADES = 5
WIDTH, HEIGHT = 960, 520
_BOX = Box(16, 16, WIDTH - 16, HEIGHT - 16)


@dataclass(frozen=True, slots=True)
class Map:
    """A drawn map.

    Attributes:
        svg: the drawing.
        kept: the share of the landmarks' squared distances that two dimensions can show.
        places: pixel coordinates of each variant, in the order in which they were proposed.
        shades: the score at the end of each shade, best first.
    """

    svg: Markup
    kept: float
    places: Sequence[tuple[float, float]]
    shades: Sequence[float]


def chart(run: Run, ground: Ground) -> Map | None:
    """The map of `run`; None with fewer than three variants, or when nothing tells them apart."""
    if len(ground.index) < 3:
        return None
    trunk = [ground.index[step.id] for step in run.lineage(run.champion or run.header.seed_variant)]
    points, kept = embed(ground, trunk)
    if kept == 0:
        return None
    frame = Frame(*_spans(points), _BOX)
    places = [(frame.x(x), frame.y(y)) for x, y in points.tolist()]
    shades, limits = _shaded(run)
    layers = [_layer(f"shade{shade}", [places[ground.index[id]] for id in ids]) for shade, ids in reversed(shades)]
    failed = [places[ground.index[id]] for id in run.variants if id not in run.beliefs]
    crosses = "".join(f"M{x - 2.5} {y - 2.5}l5 5m0 -5l-5 5" for x, y in failed)
    parts = [
        Markup('<path class="failed" d="{}"/>').format(crosses),
        *layers,
        Markup('<path class="trunk" d="{}"/>').format(path([places[row] for row in trunk])),
        *(_named(places[row], name) for row, name in _names(run, ground)),
    ]
    said = f"Map of {len(run.variants)} variants; near ones are alike. A line leads from the seed to the champion."
    svg = '<svg class="map" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    return Map(Markup(svg).format(WIDTH, HEIGHT, safe(said), joined(parts)), kept, places, limits)


def embed(ground: Ground, always: Sequence[int] = ()) -> tuple[Points, float]:
    """Two coordinates per variant, and the share of squared distances that they keep (0: all are the same).

    `always` are rows that must be among the landmarks.
    """
    everybody = np.arange(len(ground.index))
    even = np.linspace(0, len(everybody) - 1, min(LANDMARKS, len(everybody))).astype(np.int64)
    marks = np.unique(np.concatenate([even, np.asarray(always[-LANDMARKS:], dtype=np.int64)]))
    among = ground.distances(marks, marks).astype(np.float64) ** 2
    means = among.mean(axis=0)
    gram = -0.5 * (among - means[None, :] - means[:, None] + means.mean())
    values, vectors = np.linalg.eigh(gram)
    axes, length = vectors[:, [-1, -2]], values[[-1, -2]]
    total = float(values[values > 0].sum())
    if total <= 1e-9 or length[0] <= 1e-9:
        return np.zeros((len(everybody), 2)), 0.0
    length = np.maximum(length, 1e-12)
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])  # the same way round every time
    squares = ground.distances(everybody, marks).astype(np.float64) ** 2
    points = -0.5 * (squares - means) @ (axes / np.sqrt(length))
    points[:, length <= 1e-9 * length[0]] = 0.0
    return points, float(length.sum() / total)


def _spans(points: Points) -> tuple[Span, Span]:
    """What both axes cover, at the same scale."""
    low, high = points.min(axis=0), points.max(axis=0)
    sides = np.array([_BOX.right - _BOX.left, _BOX.foot - _BOX.top])
    half = 0.53 * float(((high - low) / sides).max()) * sides
    across, up = (
        Span(float(mid - reach), float(mid + reach)) for mid, reach in zip((low + high) / 2, half, strict=True)
    )
    return across, up


def _shaded(run: Run) -> tuple[list[tuple[int, list[str]]], list[float]]:
    """Scored variants in fifths, best first, and the score at which each fifth ends."""
    ranking = run.ranking()
    ends = [round(len(ranking) * (shade + 1) / SHADES) for shade in range(SHADES)]
    fifths = [(shade, ranking[start:end]) for shade, (start, end) in enumerate(zip([0, *ends], ends, strict=False))]
    return fifths, [run.beliefs[ids[-1]].mean for _, ids in fifths if ids]


def _layer(name: str, places: Sequence[tuple[float, float]]) -> Markup:
    return Markup('<path class="spots {}" d="{}"/>').format(name, dots(places))


def _names(run: Run, ground: Ground) -> list[tuple[int, str]]:
    named = [(ground.index[run.header.seed_variant], "seed")]
    if run.champion and run.champion != run.header.seed_variant:
        named.append((ground.index[run.champion], "champion"))
    return named


def _named(place: tuple[float, float], name: str) -> Markup:
    x, y = place
    end = "end" if x > WIDTH - 90 else "start"
    mark = (
        '<circle class="named {0}" cx="{1}" cy="{2}" r="7"/>'
        '<text class="label halo" x="{3}" y="{4}" text-anchor="{5}">{0}</text>'
    )
    return Markup(mark).format(name, x, y, x - 11 if end == "end" else x + 11, y + 4, end)


def legend(drawn: Map, places: int) -> list[tuple[str, str]]:
    """(class, what it means) of each shade."""
    return [(f"shade{shade}", number(limit, places)) for shade, limit in enumerate(drawn.shades)]
