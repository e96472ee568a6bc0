"""The best-so-far curve of a run, as inline SVG. Drawn by hand: it says what was believed, and how surely.

The line is the champion's estimate after each evaluation and the band its 95% interval; dots are single readings,
ticks at the foot are failures, shaded stretches are expeditions, and the two whiskers at the right are the seed and
the champion on fresh seeds, which is where a lucky pick shows. Colours are classes; the page gives them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from wolf.records import Run
from wolf.rows import Z95, Belief
from wolf.terminal import decimals, number, safe

WIDTH, HEIGHT = 960, 380
_LEFT, _RIGHT, _TOP, _FOOT = 64, 140, 26, 42


class Span(NamedTuple):
    """The values that an axis covers."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Frame:
    """Values to pixels."""

    xs: Span
    ys: Span

    def x(self, value: float) -> float:
        return round(_LEFT + (value - self.xs.low) / (self.xs.high - self.xs.low) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        inside = min(max(value, self.ys.low), self.ys.high)
        return round(
            HEIGHT - _FOOT - (inside - self.ys.low) / (self.ys.high - self.ys.low) * (HEIGHT - _FOOT - _TOP), 1
        )


def curve(run: Run) -> Markup:
    """The whole chart; an empty text if nothing was scored."""
    if not run.curve:
        return Markup("")
    frame = _Frame(Span(0, max(run.evaluations, 2)), _heights(run))
    parts = [_axes(run, frame), _expeditions(run, frame), _readings(run, frame), _best(run, frame), _fresh(run, frame)]
    label = f"Best {run.header.metric} so far over {run.evaluations} evaluations"
    svg = '<svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    return Markup(svg).format(WIDTH, HEIGHT, safe(label), Markup("").join(parts))


def whisker(belief: Belief | None, across: Span) -> Markup:
    """A small dot with its 95% interval, on a scale shared by a column of them."""
    if belief is None:
        return Markup("")
    place = _scaled(across, 6, 154)
    low, high = (place(belief.mean + side * Z95 * _width(belief)) for side in (-1, 1))
    svg = '<svg class="whisker" viewBox="0 0 160 14"><path d="M{} 7H{}"/><circle cx="{}" cy="7" r="3.5"/></svg>'
    return Markup(svg).format(low, high, place(belief.mean))


def cover(beliefs: Sequence[Belief]) -> Span:
    """The span that shows all `beliefs` with their intervals."""
    ends = [belief.mean + side * Z95 * _width(belief) for belief in beliefs for side in (-1, 1)]
    return _roomy(min(ends), max(ends)) if ends else Span(0, 1)


def ticks(span: Span, about: int = 6) -> list[float]:
    """Round values inside `span`, about so many."""
    rough = (span.high - span.low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough * 0.999)
    first = math.ceil(span.low / step)
    return [round(k * step, 12) for k in range(first, math.floor(span.high / step) + 1)]


def _heights(run: Run) -> Span:
    """What the y axis covers: all of the curve, and the readings except the worst tenth, which are far out."""
    loss = run.header.goal.loss
    losses = sorted(loss(told.score) for told in run.searched if told.score is not None)
    ends = [losses[0], losses[min(len(losses) - 1, int(0.9 * len(losses)))]] if losses else []
    beliefs = [told.best for told in run.curve if told.best] + [belief for _, belief in _confirmed(run)]
    ends += [loss(belief.mean) + side * Z95 * _width(belief) for belief in beliefs for side in (-1, 1)]
    low, high = _roomy(min(ends), max(ends))
    return Span(*sorted((loss(low), loss(high))))


def _axes(run: Run, frame: _Frame) -> Markup:
    parts = []
    places = decimals([b - a for a, b in zip(ticks(frame.ys), ticks(frame.ys)[1:], strict=False)]) - 1
    for value in ticks(frame.ys):
        y = frame.y(value)
        line = '<path class="grid" d="M{} {}H{}"/><text class="tick" x="{}" y="{}" text-anchor="end">{}</text>'
        parts.append(Markup(line).format(_LEFT, y, WIDTH - _RIGHT, _LEFT - 8, y + 4, number(value, max(0, places))))
    for value in ticks(frame.xs, 10):
        if value == int(value):
            tick = '<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>'
            parts.append(Markup(tick).format(frame.x(value), HEIGHT - _FOOT + 18, int(value)))
    better = "lower" if run.header.goal.value == "minimize" else "higher"
    title = '<text class="label" x="{}" y="14">{} ({} is better)</text>'
    below = '<text class="label" x="{}" y="{}" text-anchor="end">evaluations</text>'
    parts.append(Markup(title).format(_LEFT, safe(run.header.metric), better))
    parts.append(Markup(below).format(WIDTH - _RIGHT, HEIGHT - 6))
    seed = run.beliefs.get(run.header.seed_variant)
    if seed is not None:
        y = frame.y(seed.mean)
        base = '<path class="baseline" d="M{} {}H{}"/><text class="tick" x="{}" y="{}" text-anchor="end">seed</text>'
        parts.append(Markup(base).format(_LEFT, y, WIDTH - _RIGHT, WIDTH - _RIGHT - 4, y - 5))
    return Markup("").join(parts)


def _expeditions(run: Run, frame: _Frame) -> Markup:
    parts = []
    for trip in run.expeditions.values():
        left = frame.x(trip.started)
        width = max(3.0, round(frame.x(run.evaluations if trip.ended is None else trip.ended) - left, 1))
        found = "found" if trip.outcome in ("champion", "niche") else "empty"
        box = (
            '<g class="trip {}"><title>expedition {} ({}): {}</title><rect x="{}" y="{}" width="{}" height="{}"/>'
            '<text class="tick" x="{}" y="{}">{}</text></g>'
        )
        tall = HEIGHT - _TOP - _FOOT
        parts.append(
            Markup(box).format(
                found,
                trip.id,
                safe(trip.kind),
                trip.outcome or "under way",
                left,
                _TOP,
                width,
                tall,
                left + 3,
                _TOP + 20,
                trip.id,
            )
        )
    return Markup("").join(parts)


def _readings(run: Run, frame: _Frame) -> Markup:
    """All readings in three paths, so that ten thousand of them still make a small page."""
    dots, far, failed = [], [], []
    for told in run.searched:
        x = frame.x(told.evaluations)
        if told.score is None:
            failed.append(f"M{x} {HEIGHT - _FOOT}v-7")
        elif frame.ys.low <= told.score <= frame.ys.high:
            dots.append(f"M{x} {frame.y(told.score)}h0")
        else:
            down = told.score < frame.ys.low
            tip = HEIGHT - _FOOT - 1 if down else _TOP + 1
            far.append(f"M{x - 3} {tip - 5 if down else tip + 5}l3 {5 if down else -5}l3 {-5 if down else 5}")
    paths = (
        '<path class="readings" d="{}"/><path class="far" d="{}"><title>off the scale</title></path>'
        '<path class="failed" d="{}"/>'
    )
    return Markup(paths).format("".join(dots), "".join(far), "".join(failed))


def _best(run: Run, frame: _Frame) -> Markup:
    points: list[tuple[int, Belief, str | None]] = []
    for told in run.curve:  # only where something changed: the steps between are straight
        if told.best is not None and (not points or (told.best, told.champion) != points[-1][1:]):
            points.append((told.evaluations, told.best, told.champion))
    upper, lower, middle = [], [], []
    for (x, belief, _), after in zip(points, [*points[1:], None], strict=True):
        ends = (frame.x(x), frame.x(after[0] if after else run.evaluations))
        spread = Z95 * _width(belief)
        for end in ends:
            upper.append((end, frame.y(belief.mean + spread)))
            lower.append((end, frame.y(belief.mean - spread)))
            middle.append((end, frame.y(belief.mean)))
    band = Markup('<path class="band" d="{}Z"/><path class="best" d="{}"/>').format(
        _path([*upper, *reversed(lower)]), _path(middle)
    )
    parts, seen = [band], None
    for x, belief, champion in points:
        if champion != seen:
            digits = decimals([_width(belief)])
            dot = '<circle class="crown" cx="{}" cy="{}" r="4"><title>{} · {} ± {} · evaluation {}</title></circle>'
            said = (champion, number(belief.mean, digits), number(belief.sigma, digits), x)
            parts.append(Markup(dot).format(frame.x(x), frame.y(belief.mean), *said))
            seen = champion
    return Markup("").join(parts)


def _fresh(run: Run, frame: _Frame) -> Markup:
    parts = []
    for (name, belief), x in zip(_confirmed(run), (WIDTH - _RIGHT + 35, WIDTH - _RIGHT + 100), strict=False):
        low, high = (frame.y(belief.mean + side * Z95 * _width(belief)) for side in (-1, 1))
        mark = (
            '<g class="fresh {}"><title>{} on fresh seeds: {} ± {}</title><path d="M{} {}V{}"/>'
            '<circle cx="{}" cy="{}" r="4.5"/><text class="tick" x="{}" y="{}" text-anchor="middle">{}</text></g>'
        )
        digits = decimals([_width(belief)])
        said = (name, name, number(belief.mean, digits), number(belief.sigma, digits))
        parts.append(Markup(mark).format(*said, x, low, high, x, frame.y(belief.mean), x, HEIGHT - _FOOT + 18, name))
    if parts:
        where = '<text class="label" x="{}" y="{}" text-anchor="middle">fresh seeds</text>'
        parts.append(Markup(where).format(WIDTH - _RIGHT + 68, HEIGHT - 6))
    return Markup("").join(parts)


def _confirmed(run: Run) -> list[tuple[str, Belief]]:
    final = run.final or {}
    told = ((name, Belief.of((final.get(name) or {}).get("fresh"))) for name in ("seed", "champion"))
    return [(name, belief) for name, belief in told if belief is not None]


def _width(belief: Belief) -> float:
    """The standard error, or nothing where it is unknown: an unbounded band says less than none."""
    return belief.sigma if math.isfinite(belief.sigma) else 0.0


def _roomy(low: float, high: float) -> Span:
    margin = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    return Span(low - margin, high + margin)


def _scaled(span: Span, left: float, right: float) -> Callable[[float], float]:
    def place(value: float) -> float:
        inside = min(max(value, span.low), span.high)
        return round(left + (inside - span.low) / (span.high - span.low) * (right - left), 1)

    return place


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)
