"""Who came from whom, as nested lists that fold. The champion's line is the outermost list, so that it stays narrow."""

from __future__ import annotations

from markupsafe import Markup

from wolf.reading.lines import first_asks, what_changed
from wolf.reading.records import Run
from wolf.reading.terminal import line, number
from wolf.reading.tree import kept, trunk
from wolf.report.story import leaders

MOST = 3000  # variants drawn


def descent(run: Run, places: int) -> Markup:
    """Those that were kept for a time and their ancestors; the others are counted at their parent."""
    stem = trunk(run)
    shown = kept(run) | set(stem)
    children: dict[str, list[str]] = {}
    for id, proposal in run.variants.items():
        for parent in proposal.parents[:1]:
            children.setdefault(parent, []).append(id)
    asked = first_asks(run)
    led, told = leaders(run), {told.variant for told in run.told}

    def node(id: str) -> Markup:
        belief, proposal = run.beliefs.get(id), run.variants[id]
        mark, name = (
            ("★", "champion") if id == run.champion else ("◆", "led for a time") if id in led else ("○", "kept")
        )
        score = number(belief.mean, places) if belief else "failed" if id in told else "waiting"
        hidden = sum(child not in shown for child in children.get(id, ()))
        more = f" (+{hidden} not kept)" if hidden else ""
        text = '<span class="mark" role="img" aria-label="{}">{}</span> <code>{}</code> <b>{}</b> {}{}'
        what = line(what_changed(asked.get(id), None) or proposal.origin, 160)
        return Markup(text).format(name, mark, id, score, what, more)

    parts: list[Markup] = [Markup('<ul class="tree">')]
    roots = stem or [run.header.seed_variant]
    todo: list[str | Markup] = [*reversed(roots)]
    drawn = 0
    while todo:
        here = todo.pop()
        if isinstance(here, Markup):
            parts.append(here)
            continue
        if here not in run.variants:
            continue
        drawn += 1
        below = [child for child in children.get(here, ()) if child in shown and child not in stem]
        if not below or drawn >= MOST:
            parts.append(Markup("<li>{}</li>").format(node(here)))
            continue
        parts.append(Markup("<li><details><summary>{}</summary><ul>").format(node(here)))
        todo += [Markup("</ul></details></li>"), *reversed(below)]
    return Markup("").join([*parts, Markup("</ul>")])
