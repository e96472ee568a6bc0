"""The best-so-far curve of a run, as inline SVG. Drawn by hand: it says what was believed, and how surely.

The line is the champion's estimate after each evaluation and the band its 95% interval; dots are single readings,
ticks at the foot are failures, shaded stretches are expeditions, dotted uprights a person stepping in, and the two
whiskers at the right are the seed and the champion as they were confirmed, which is where a lucky pick shows. Colours
are classes; the page gives them.
"""

from __future__ import annotations

from markupsafe import Markup

from wolf.reading.records import Run
from wolf.reading.rows import Z95, Belief
from wolf.reading.terminal import decimals, safe
from wolf.reading.verdict import FATES, by_holdout
from wolf.report.svg import Box, Frame, Span, dots, heights, joined, path, roomy, spread, ticks

WIDTH, HEIGHT = 960, 380
_BOX = Box(64, 26, WIDTH - 140, HEIGHT - 42)


def curve(run: Run) -> Markup:
    """The whole chart; an empty text if nothing was scored."""
    if not run.curve:
        return Markup("")
    frame = Frame(Span(0, max(run.evaluations, 2)), _heights(run), _BOX)
    parts = [
        _axes(run, frame),
        _expeditions(run, frame),
        _hands(run, frame),
        _readings(run, frame),
        _best(run, frame),
        _fresh(run, frame),
    ]
    first, last = (told.best.mean for told in (run.curve[0], run.curve[-1]) if told.best)
    label = f"Best {run.header.metric} so far over {run.evaluations} evaluations: from {first:g} to {last:g}"
    svg = '<svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    return Markup(svg).format(WIDTH, HEIGHT, safe(label), joined(parts))


def _heights(run: Run) -> Span:
    """What the y axis covers: all of the curve, and the readings except the worst tenth, which are far out."""
    loss = run.header.goal.loss
    losses = sorted(loss(told.score) for told in run.searched if told.score is not None)
    ends = [losses[0], losses[min(len(losses) - 1, int(0.9 * len(losses)))]] if losses else []
    beliefs = [told.best for told in run.curve if told.best] + [belief for _, belief in _confirmed(run)]
    ends += [loss(belief.mean) + side * Z95 * spread(belief) for belief in beliefs for side in (-1, 1)]
    low, high = roomy(min(ends), max(ends))
    return Span(*sorted((loss(low), loss(high))))


def _axes(run: Run, frame: Frame) -> Markup:
    parts = [heights(frame)]
    for value in ticks(frame.xs, 10):
        if value == int(value):
            tick = '<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>'
            parts.append(Markup(tick).format(frame.x(value), _BOX.foot + 18, int(value)))
    title = '<text class="label" x="{}" y="14">{} ({} is better)</text>'
    below = '<text class="label" x="{}" y="{}" text-anchor="end">evaluations</text>'
    parts.append(Markup(title).format(_BOX.left, safe(run.header.metric), run.header.goal.better))
    parts.append(Markup(below).format(_BOX.right, HEIGHT - 6))
    seed = run.beliefs.get(run.header.seed_variant)
    if seed is not None:
        y = frame.y(seed.mean)
        base = '<path class="baseline" d="M{} {}H{}"/><text class="tick" x="{}" y="{}" text-anchor="end">seed</text>'
        parts.append(Markup(base).format(_BOX.left, y, _BOX.right, _BOX.right - 4, y - 5))
    return joined(parts)


def _expeditions(run: Run, frame: Frame) -> Markup:
    parts = []
    for trip in run.expeditions.values():
        left = frame.x(trip.started)
        width = max(3.0, round(frame.x(run.evaluations if trip.ended is None else trip.ended) - left, 1))
        found = "found" if trip.outcome in ("champion", "rival", "niche") else "empty"
        box = (
            '<g class="trip {}"><title>expedition {} ({}): {}</title><rect x="{}" y="{}" width="{}" height="{}"/>'
            '<text class="tick" x="{}" y="{}">{}</text></g>'
        )
        tall = _BOX.foot - _BOX.top
        parts.append(
            Markup(box).format(
                found,
                trip.id,
                safe(trip.kind),
                FATES[trip.outcome],
                left,
                _BOX.top,
                width,
                tall,
                left + 3,
                _BOX.top + 20,
                trip.id,
            )
        )
    return joined(parts)


def _hands(run: Run, frame: Frame) -> Markup:
    """Where a person stepped in."""
    mark = (
        '<g class="hand"><title>{}</title><path d="M{} {}V{}"/><text x="{}" y="{}" text-anchor="middle">✋</text></g>'
    )
    parts = []
    for hand in run.interventions:
        x = frame.x(hand.evaluations)
        said = safe(f"after evaluation {hand.evaluations}: {hand.sentence}")
        parts.append(Markup(mark).format(said, x, _BOX.top, _BOX.foot, x, _BOX.top - 4))
    return joined(parts)


def _readings(run: Run, frame: Frame) -> Markup:
    """All readings in three paths, so that ten thousand of them still make a small page."""
    near: list[tuple[float, float]] = []
    far, failed = [], []
    for told in run.searched:
        x = frame.x(told.evaluations)
        if told.score is None:
            failed.append(f"M{x} {_BOX.foot}v-7")
        elif frame.ys.low <= told.score <= frame.ys.high:
            near.append((x, frame.y(told.score)))
        else:
            down = told.score < frame.ys.low
            tip = _BOX.foot - 1 if down else _BOX.top + 1
            far.append(f"M{x - 3} {tip - 5 if down else tip + 5}l3 {5 if down else -5}l3 {-5 if down else 5}")
    paths = (
        '<path class="readings" d="{}"/><path class="far" d="{}"><title>off the scale</title></path>'
        '<path class="failed" d="{}"/>'
    )
    return Markup(paths).format(dots(near), "".join(far), "".join(failed))


def _best(run: Run, frame: Frame) -> Markup:
    points: list[tuple[int, Belief, str | None]] = []
    for told in run.curve:  # only where something changed: the steps between are straight
        if told.best is not None and (not points or (told.best, told.champion) != points[-1][1:]):
            points.append((told.evaluations, told.best, told.champion))
    upper, lower, middle = [], [], []
    for (x, belief, _), after in zip(points, [*points[1:], None], strict=True):
        ends = (frame.x(x), frame.x(after[0] if after else run.evaluations))
        reach = Z95 * spread(belief)
        for end in ends:
            upper.append((end, frame.y(belief.mean + reach)))
            lower.append((end, frame.y(belief.mean - reach)))
            middle.append((end, frame.y(belief.mean)))
    band = Markup('<path class="band" d="{}Z"/><path class="best" d="{}"/>').format(
        path([*upper, *reversed(lower)]), path(middle)
    )
    parts, seen = [band], None
    for x, belief, champion in points:
        if champion != seen:
            digits = decimals([spread(belief)])
            dot = '<circle class="crown" cx="{}" cy="{}" r="4"><title>{} · {} · evaluation {}</title></circle>'
            said = (champion, belief.text(digits), x)
            parts.append(Markup(dot).format(frame.x(x), frame.y(belief.mean), *said))
            seen = champion
    return joined(parts)


def _fresh(run: Run, frame: Frame) -> Markup:
    parts = []
    for (name, belief), x in zip(_confirmed(run), (_BOX.right + 35, _BOX.right + 100), strict=False):
        low, high = (frame.y(belief.mean + side * Z95 * spread(belief)) for side in (-1, 1))
        mark = (
            '<g class="fresh {}"><title>{} on fresh seeds: {}</title><path d="M{} {}V{}"/>'
            '<circle cx="{}" cy="{}" r="4.5"/><text class="tick" x="{}" y="{}" text-anchor="middle">{}</text></g>'
        )
        digits = decimals([spread(belief)])
        said = (name, name, belief.text(digits))
        parts.append(Markup(mark).format(*said, x, low, high, x, frame.y(belief.mean), x, _BOX.foot + 18, name))
    if parts:
        where = '<text class="label" x="{}" y="{}" text-anchor="middle">{}</text>'
        parts.append(
            Markup(where).format(_BOX.right + 68, HEIGHT - 6, "the hold-out" if by_holdout(run) else "fresh seeds")
        )
    return joined(parts)


def _confirmed(run: Run) -> list[tuple[str, Belief]]:
    final = run.final or {}
    told = ((name, Belief.of((final.get(name) or {}).get("fresh"))) for name in ("seed", "champion"))
    return [(name, belief) for name, belief in told if belief is not None]
