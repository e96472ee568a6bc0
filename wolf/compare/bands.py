"""Best-so-far curves of a comparison as one SVG: a mean per arm, and its 95 % interval over the seeds as a band."""

from __future__ import annotations

import math
from statistics import fmean

from markupsafe import Markup

from wolf.compare.paired import interval
from wolf.compare.standings import Line, Standings
from wolf.report.svg import Box, Frame, Span, heights, joined, path, roomy, ticks

WIDTH, HEIGHT = 960, 420
BOX = Box(left=70, top=30, right=790, foot=376)
COLOURS = ("#2563a8", "#c2500e", "#2f8f4e", "#8a3ea8", "#b0891c", "#36868c", "#b23a63", "#666666")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#444}.grid{stroke:#ddd;stroke-width:1}.mean{fill:none;stroke-width:2}"
    ".band{opacity:.13;stroke:none}"
)
Point = tuple[float, float, float, float]  # evaluations, mean, low, high; in the metric's own direction


def chart(result: Standings) -> str:
    """A standalone SVG file."""
    curves = {line.arm.name: _points(line, result) for line in result.lines}
    ends = [end for points in curves.values() for point in points for end in point[1:]]
    frame = Frame(Span(0, result.evaluations), roomy(min(ends), max(ends)) if ends else Span(0, 1), BOX)
    ground = '<rect width="{}" height="{}" fill="#fff"/>'
    title = '<text x="{}" y="18">{} ({} is better), as each search believed</text>'
    below = '<text x="{}" y="{}" text-anchor="end">evaluations</text>'
    tick = '<text x="{}" y="{}" text-anchor="middle">{:.0f}</text>'
    parts = [
        Markup(ground).format(WIDTH, HEIGHT),
        Markup(title).format(BOX.left, result.metric, result.goal.better),
        heights(frame),
        *(Markup(tick).format(frame.x(v), BOX.foot + 18, v) for v in ticks(frame.xs, 10) if v == int(v)),
        Markup(below).format(BOX.right, HEIGHT - 8),
        *(_arm(index, name, points, frame) for index, (name, points) in enumerate(curves.items())),
    ]
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img"><style>{}</style>{}</svg>\n'
    return str(Markup(svg).format(WIDTH, HEIGHT, Markup(STYLE), joined(parts)))


def _arm(index: int, name: str, points: list[Point], frame: Frame) -> Markup:
    """An arm's band, its mean, and its line of the legend."""
    colour, row = COLOURS[index % len(COLOURS)], BOX.top + 16 + 22 * index
    legend = '<path stroke="{}" stroke-width="3" d="M{} {}h22"/><text x="{}" y="{}">{}</text>'
    said = Markup(legend).format(colour, BOX.right + 16, row - 4, BOX.right + 46, row, name)
    if not points:
        return said
    upper = [(frame.x(n), frame.y(high)) for n, _, _, high in points]
    lower = [(frame.x(n), frame.y(low)) for n, _, low, _ in reversed(points)]
    mean = [(frame.x(n), frame.y(mean)) for n, mean, _, _ in points]
    curve = '<path class="band" fill="{}" d="{}Z"/><path class="mean" stroke="{}" d="{}"/>'
    return Markup(curve).format(colour, path([*upper, *lower]), colour, path(mean)) + said


def _points(line: Line, result: Standings) -> list[Point]:
    """Wherever all of an arm's runs have a champion."""
    loss = result.goal.loss
    columns = enumerate(zip(*(run.curve for run in line.outcomes), strict=False), 1)
    scored = [(n, [loss(value) for value in losses]) for n, losses in columns if not any(map(math.isnan, losses))]
    return [(n, fmean(scores), *interval(scores)) for n, scores in scored]
