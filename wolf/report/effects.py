"""What each knob does by the surrogate: the score it predicts along one knob, all else as in the champion.

It is a model's opinion of the neighbourhood of the champion, not a law: the band says how sure it is, and the ticks at
the foot where variants have been.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from population.distance import Floats
from population.knobs import Knob
from population.surrogate import Hyper, Observations, Surrogate, newest_and_best
from wolf.reading.difference import value as written
from wolf.reading.records import Run
from wolf.reading.rows import Z95
from wolf.reading.terminal import line, safe
from wolf.report.ground import Ground
from wolf.report.svg import Box, Frame, Span, heights, joined, path, roomy, ticks

LEAST = 6  # variants with a score before a model says anything
STEPS = 33
WIDTH, HEIGHT = 300, 190
_BOX = Box(52, 14, WIDTH - 10, HEIGHT - 30)
_LABELS = 150  # pixels for the names of choices


@dataclass(frozen=True, slots=True)
class Effect:
    """One knob's.

    Attributes:
        knob: its name.
        size: by how much the predicted score varies along it, in the metric's units.
        best: the value that is predicted to be best, as text.
        here: the champion's value, as text.
        svg: the drawing.
    """

    knob: str
    size: float
    best: str
    here: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Predictions along one knob, in the metric's units."""

    knob: Knob
    units: Sequence[float]
    mean: Sequence[float]
    sigma: Sequence[float]


def effects(run: Run, ground: Ground) -> list[Effect]:
    """Every knob that the champion has, the most telling first; [] where too little is known for a model."""
    model = _model(run, ground)
    if model is None or run.champion is None:
        return []
    row = ground.index[run.champion]
    sweeps = []
    for column, name in enumerate(ground.space.names):
        if name in ground.values[run.champion]:
            sweeps.append(_sweep(run, model, ground, row, column, ground.space[name]))
    if not sweeps:
        return []
    means = [mean for sweep in sweeps for mean in sweep.mean]
    sure = Z95 * float(np.median([sigma for sweep in sweeps for sigma in sweep.sigma]))
    span = roomy(min(means) - sure, max(means) + sure)
    return sorted((_effect(run, ground, sweep, span) for sweep in sweeps), key=lambda effect: -effect.size)


def _model(run: Run, ground: Ground) -> Surrogate | None:
    """The surrogate on all that is known now, with the weights that the search learned last if it learned any."""
    judged = {told.variant for told in run.told}
    known = [id for id in run.variants if id in judged]
    losses = np.array([run.header.goal.loss(run.beliefs[id].mean) if id in run.beliefs else math.nan for id in known])
    if np.isfinite(losses).sum() < LEAST or np.nanstd(losses) == 0 or not ground.space.names:
        return None
    rows = newest_and_best(losses)
    chosen = [known[row] for row in rows]
    where = [ground.index[id] for id in chosen]
    counts = np.array([max(1, run.beliefs[id].n) if id in run.beliefs else 1 for id in chosen], dtype=np.float64)
    data = Observations(ground.units[where], ground.signatures[where], losses[rows], counts)
    return Surrogate(ground.metric, data, run.noise, _learned(run, len(ground.space.names)))


def _learned(run: Run, knobs: int) -> Hyper | None:
    said = (event.body.get("model") for event in reversed(run.events) if event.kind == "asked")
    model = next((model for model in said if model), None)
    return Hyper(np.array(model[3:]), model[1], model[2]) if model and len(model) == knobs + 4 else None


def _sweep(run: Run, model: Surrogate, ground: Ground, row: int, column: int, knob: Knob) -> _Sweep:
    count = len(knob.choices) if knob.categorical else STEPS
    units: Floats = np.linspace(0, 1, count, dtype=np.float32)
    there = np.repeat(ground.units[row][None, :], count, axis=0)
    there[:, column] = units
    mean, sigma = model.predict(there, np.repeat(ground.signatures[row][None, :], count, axis=0))
    sign = run.header.goal.loss(1.0)
    return _Sweep(knob, units.tolist(), (sign * mean).tolist(), sigma.tolist())


def _effect(run: Run, ground: Ground, sweep: _Sweep, span: Span) -> Effect:
    knob, values = sweep.knob, ground.values
    here, seed = (values[id].get(knob.name) for id in (run.champion or "", run.header.seed_variant))
    best = min(range(len(sweep.mean)), key=lambda i: run.header.goal.loss(sweep.mean[i]))
    size = max(sweep.mean) - min(sweep.mean)
    if knob.categorical:
        drawn = _choices(sweep, span, here, seed)
    else:
        drawn = _course(sweep, span, here, seed, [known[knob.name] for known in values.values() if knob.name in known])
    at = _short(knob.at(sweep.units[best]))
    return Effect(line(knob.name, 40), size, at, _short(here), drawn)


def _course(sweep: _Sweep, span: Span, here: Any, seed: Any, tried: Sequence[Any]) -> Markup:
    frame, knob = Frame(Span(0, 1), span, _BOX), sweep.knob
    xs = [frame.x(unit) for unit in sweep.units]
    band = list(zip(xs, sweep.mean, sweep.sigma, strict=True))
    upper = [(x, frame.y(mean + Z95 * sigma)) for x, mean, sigma in band]
    lower = [(x, frame.y(mean - Z95 * sigma)) for x, mean, sigma in band]
    rug = "".join(f"M{x} {_BOX.foot}v-5" for x in sorted({frame.x(knob.unit(value)) for value in tried}))
    body = '<path class="band" d="{}Z"/><path class="best" d="{}"/><path class="rug" d="{}"/>'
    middle = path([(x, frame.y(mean)) for x, mean, _ in band])
    parts = [heights(frame, 4), Markup(body).format(path([*upper, *reversed(lower)]), middle, rug)]
    for name, value in (("seed", seed), ("champion", here)):
        if value is not None:
            mark = '<path class="at {}" d="M{} {}V{}"><title>{}</title></path>'
            x = frame.x(knob.unit(value))
            parts.append(Markup(mark).format(name, x, _BOX.top, _BOX.foot, f"{name}: {_short(value)}"))
    for unit, anchor in ((0.0, "start"), (1.0, "end")):
        text = '<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>'
        parts.append(Markup(text).format(frame.x(unit), HEIGHT - 12, anchor, _short(knob.at(unit))))
    return _picture(sweep, HEIGHT, parts)


def _choices(sweep: _Sweep, span: Span, here: Any, seed: Any) -> Markup:
    """A row for each choice, because choices may be long texts."""
    frame = Frame(span, Span(0, 1), Box(_LABELS, 0, WIDTH - 10, 0))
    parts = []
    rows = zip(sweep.knob.choices, sweep.mean, sweep.sigma, strict=True)
    for y, (choice, mean, sigma) in enumerate(rows):
        low, high = (frame.x(min(max(mean + side * Z95 * sigma, span.low), span.high)) for side in (-1, 1))
        name = " ★" if choice == here else " ·" if choice == seed else ""
        row = (
            '<text class="{}" x="{}" y="{}" text-anchor="end">{}<title>{}</title></text>'
            '<path class="reach" d="M{} {}H{}"/><circle class="crown" cx="{}" cy="{}" r="4"><title>{}</title></circle>'
        )
        at = 20 + 22 * y
        label = ("label" if name else "tick", _LABELS - 8, at + 4, _short(choice, 17) + name, safe(str(choice)))
        parts.append(Markup(row).format(*label, low, at, high, frame.x(mean), at, f"{mean:.4g} ± {sigma:.2g}"))
    foot = 20 + 22 * len(parts)
    for value in ticks(span, 3):
        tick = '<text class="tick" x="{}" y="{}" text-anchor="middle">{:.4g}</text>'
        parts.append(Markup(tick).format(frame.x(value), foot + 8, value))
    return _picture(sweep, foot + 16, parts)


def _picture(sweep: _Sweep, height: int, parts: Sequence[Markup]) -> Markup:
    said = f"{sweep.knob.name}: predicted from {min(sweep.mean):.4g} to {max(sweep.mean):.4g}"
    svg = '<svg class="effect" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    return Markup(svg).format(WIDTH, height, safe(said), joined(parts))


def _short(value: Any, width: int = 24) -> str:
    return line(written(value), width)
