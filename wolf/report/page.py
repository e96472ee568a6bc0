"""All that the page shows, as values for the template."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from wolf.reading.lines import first_asks, what_changed, workers
from wolf.reading.records import Run
from wolf.reading.rows import Belief
from wolf.reading.spending import budget
from wolf.reading.terminal import duration, line, number
from wolf.reading.tree import trunk
from wolf.reading.verdict import FATES, by_holdout, places, verdict
from wolf.report import story, vain
from wolf.report.trust import statistics, trust

if TYPE_CHECKING:
    from markupsafe import Markup

    from wolf.reading.finalists import Finalist
    from wolf.report.landscape import Map

MOST_VARIANTS = 10_000  # rows in the table of variants; `wolf export` has them all
FINALISTS = 3


def page(run: Run) -> dict[str, Any]:
    """What page.html needs."""
    values = common(run)
    for part in PARTS.values():
        values |= part(run)
    values |= pictures(run)
    return values | {"data": _data(run, values["map"])}


def common(run: Run) -> dict[str, Any]:
    """What any part of the page may need."""
    digits = places(run)
    return {
        "run": run, "head": run.header, "verdict": verdict(run), "fates": FATES,
        "started": _when(run.events[0].time), "score": lambda value: number(value, digits),
        "belief": lambda belief: _belief(belief, digits),
    }  # fmt: skip


def _top(run: Run) -> dict[str, Any]:
    return {"tiles": _tiles(run, places(run))}


def _answers(run: Run) -> dict[str, Any]:
    return {"answers": story.answers(run)}


def _course(run: Run) -> dict[str, Any]:
    from wolf.report.curve import curve

    return {"curve": curve(run), **_escapes(run)}


def _changed(run: Run) -> dict[str, Any]:
    return {"knob_changes": _knobs(run), "sides": _sides(run), "ids": _ids(run)}


def _judged(run: Run) -> dict[str, Any]:
    from wolf.reading.ballotbox import minutes
    from wolf.reading.finalists import judgement

    return {"finalists": _finalists(run), "judges": [*judgement(run), *minutes(run)]}


def _descent(run: Run) -> dict[str, Any]:
    return {"steps": _lineage(run, places(run)), "tree": _tree(run, places(run))}


def _escapes(run: Run) -> dict[str, Any]:
    return {"expeditions": list(run.expeditions.values()), "interventions": run.interventions}


def _misses(run: Run) -> dict[str, Any]:
    return {"turned": vain.knobs(run), "closest": vain.closest(run), "failures": list(run.failures().items())}


def _earned(run: Run) -> dict[str, Any]:
    return {"operators": vain.operators(run), "models": vain.models(run)}


def _table(run: Run) -> dict[str, Any]:
    return {
        "variants": list(islice(variants(run), MOST_VARIANTS)),
        "left_out": max(0, len(run.variants) - MOST_VARIANTS),
    }


def _believed(run: Run) -> dict[str, Any]:
    return {
        "trust": trust(run, places(run)), "statistics": statistics(run),
        "config": json.dumps(run.header.config, indent=2, ensure_ascii=False, default=str),
    }  # fmt: skip


PARTS: Mapping[str, Callable[[Run], dict[str, Any]]] = {  # parts/NAME.html -> what it needs beside `common`
    "top": _top, "answers": _answers, "curve": _course, "changed": _changed, "finalists": _judged, "lineage": _descent,
    "expeditions": _escapes, "vain": _misses, "earnings": _earned, "variants": _table, "trust": _believed,
}  # fmt: skip


def pictures(run: Run) -> dict[str, Any]:
    """What parts/map.html and parts/effects.html need beside `common`: a model of the population, seconds of work."""
    from wolf.report.effects import effects
    from wolf.report.ground import survey
    from wolf.report.landscape import chart, legend

    ground = survey(run) if run.read is not None else None
    drawn = chart(run, ground) if ground is not None else None
    return {
        "map": drawn,
        "legend": legend(drawn, places(run)) if drawn else [],
        "effects": effects(run, ground) if ground is not None else [],
    }


def spots(run: Run, drawn: Map) -> list[tuple[str, float, float, str]]:
    """Who is where on the map: id, x, y, a few words."""
    digits = places(run)
    rows = zip(run.variants, drawn.places, strict=False)
    return [(id, x, y, _named(run, id, digits)) for id, (x, y) in islice(rows, MOST_VARIANTS)]


def _data(run: Run, drawn: Map | None) -> Markup:
    """For the page's script."""
    from wolf.report.texts import archive

    known = {"map": spots(run, drawn)} if drawn else {}
    return script_data({"seed": run.header.seed_variant, "champion": run.champion, **archive(run), **known})


def script_data(data: Any) -> Markup:
    """JSON that may stand inside a script element."""
    from markupsafe import Markup

    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))


def _named(run: Run, id: str, digits: int) -> str:
    belief = run.beliefs.get(id)
    return f"{_belief(belief, digits)} · {line(run.variants[id].origin, 40)}"


def _tiles(run: Run, digits: int) -> list[tuple[str, str, str]]:
    """The figures at the top: label, figure, small print."""
    final, said = run.final or {}, verdict(run)
    tiles = []
    for name, id in (("seed", run.header.seed_variant), ("champion", run.champion)):
        fresh = Belief.of((final.get(name) or {}).get("fresh"))
        belief = fresh or run.beliefs.get(id or "")
        where = ("the hold-out" if by_holdout(run) else "fresh seeds") if fresh else "search score"
        if belief is not None:
            spread = f"± {number(belief.sigma, digits)}, " if 0 < belief.sigma < math.inf else ""
            count = f"{belief.n} reading{'' if belief.n == 1 else 's'}, {where}"
            tiles.append((name, number(belief.mean, digits), spread + count))
    if said.gain is not None:
        small = said.gain.interval(digits) + ("" if said.fresh else ", by search scores")
        tiles.append(("gain", said.gain.size(digits), small))
    limit = budget(run).get("evaluations")
    failed = sum(not told.ok for told in run.searched)
    tiles.append(("evaluations", f"{run.evaluations}", f"{f'of {limit:g}, ' if limit else ''}{failed} failed"))
    tiles.append(("time", duration(final.get("seconds") or run.seconds), workers(run)))
    return tiles


def _compared(run: Run) -> bool:
    return run.read is not None and run.champion not in (None, run.header.seed_variant)


def _knobs(run: Run) -> list[tuple[str, str, str]]:
    """Knobs of the champion that are not the seed's: name, there, here."""
    from wolf.reading.difference import knob_changes, value

    if not _compared(run):
        return []
    changes = knob_changes(run, run.files(run.header.seed_variant), run.files(run.champion or ""))
    return [(name, value(old), value(new)) for name, (old, new) in changes.items()]


def _sides(run: Run) -> list[Any]:
    from wolf.report.sides import rows

    return rows(run.files(run.header.seed_variant), run.files(run.champion or "")) if _compared(run) else []


def _ids(run: Run) -> list[str]:
    """Who is offered for a comparison: seed and champion, its line, the best."""
    return [*dict.fromkeys((run.header.seed_variant, *reversed(trunk(run)), *run.ranking()))][:300]


def _tree(run: Run, digits: int) -> Markup:
    from wolf.report.descent import descent

    return descent(run, digits)


def _lineage(run: Run, digits: int) -> list[dict[str, Any]]:
    """The champion's ancestors, the seed first: who, how good, what changed at each step."""
    from wolf.reading.difference import describe, knob_changes
    from wolf.report.svg import cover, whisker

    line_of = run.lineage(run.champion) if run.champion else []
    span = cover([run.beliefs[step.id] for step in line_of if step.id in run.beliefs])
    steps: list[dict[str, Any]] = []
    for before, step in zip([None, *line_of], line_of, strict=False):
        changed = ""
        if before is not None and run.read is not None:
            changed = describe(knob_changes(run, run.files(before.id), run.files(step.id)))
        others = [parent for parent in step.parents if before is None or parent != before.id]
        belief = run.beliefs.get(step.id)
        steps.append({"variant": step, "belief": _belief(belief, digits), "whisker": whisker(belief, span),
                      "changed": line(changed, 300), "others": others, "note": line(step.note, 300)})  # fmt: skip
    return steps


def _finalists(run: Run) -> list[Finalist]:
    """For texts: the original, and the best."""
    from wolf.reading.finalists import finalists

    shown = finalists(run, FINALISTS) if run.read is not None else []
    return [*shown[-1:], *shown[:-1]]


def variants(run: Run) -> Iterator[dict[str, Any]]:
    """Best first, then those without a score in the order they were proposed."""
    from wolf.reading.tables import TABLES

    rows = {row["variant"]: row for row in TABLES["variants"].rows(run)}
    asked = first_asks(run)
    ranking = run.ranking()
    unscored = [id for id in rows if id not in run.beliefs]
    outcomes: dict[str, str] = {}
    for told in run.searched:  # that of its first reading, unless it was crowned by a later one
        outcomes.setdefault(told.variant, told.outcome)
    outcomes |= {crown.variant: "crowned" for crown in run.crowned}
    for id in [id for id in (*ranking, *unscored) if id in rows]:
        what = what_changed(asked.get(id), None).removeprefix(rows[id]["origin"])
        rows[id] |= {"what": line(what or rows[id]["note"], 140), "outcome": outcomes.get(id, "not evaluated")}
        yield rows[id]


def _belief(belief: Belief | None, digits: int) -> str:
    return belief.text(digits) if belief else "not scored"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
