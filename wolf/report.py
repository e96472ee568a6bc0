"""`wolf report`: one self-contained HTML page about a run, finished or not.

Nothing is fetched and nothing is executed: there is no script on the page, and its content security policy forbids
any. Candidates' text is escaped by the template engine and stripped of control characters before that.
"""

from __future__ import annotations

import json
import math
import time
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wolf.errors import SetupError
from wolf.records import Run, load_run
from wolf.rows import Belief
from wolf.terminal import duration, json_line, line, number, safe
from wolf.verdict import closing, places, verdict

if TYPE_CHECKING:
    from wolf.chart import Span
    from wolf.proposals import Tally

MOST_VARIANTS = 200  # rows in the table of variants; `wolf export` has them all
MOST_DIFF_LINES = 600
TRUST = {
    "full": "computed by our scorer from answers that it checks (trust: full)",
    "declared": "computed by code that you declared trustworthy (trust: declared)",
    "reported": "believed as the command printed it (trust: reported)",
}
SANDBOX = {
    "bubblewrap": "bubblewrap: candidates saw their folder, Python and the system's libraries",
    "landlock": "Landlock and seccomp: candidates could open their folder, Python and the system's libraries",
    "none": "none: candidates could do whatever the person who started the run could",
}


@click.command()
@click.argument("run", required=False)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="RUN/report.html if absent.")
@click.option("--open", "launch", is_flag=True, help="Open it in the browser.")
@click.option("--json", "as_json", is_flag=True, help="JSON for machines: where the page is.")
def report(run: str | None, output: Path | None, launch: bool, as_json: bool) -> None:
    """Write one HTML page about RUN: the verdict, the curve, the lineage, the diff, the statistics."""
    found = load_run(run)
    where = output or (found.path or Path()) / "report.html"
    try:
        where.write_text(render(found), encoding="utf-8")
    except OSError as error:
        raise SetupError(f"cannot write {where}: {error.strerror}; choose another place with --output") from error
    click.echo(json_line({"report": str(where), "run": str(found.path)}) if as_json else f"wrote {where}")
    if launch:
        click.launch(str(where))


def render(run: Run) -> str:
    """The page about `run`, as HTML text."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("wolf").joinpath("report.html").read_text("utf-8")
    page = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=lambda value: safe(value) if type(value) is str else value,
    ).from_string(source)  # fmt: skip
    return page.render(_page(run))


def _page(run: Run) -> dict[str, Any]:
    """All that the template shows."""
    from wolf.chart import curve

    said, digits, seed = verdict(run), places(run), run.header.seed_variant
    return {
        "run": run, "head": run.header, "verdict": said, "curve": curve(run),
        "facts": [fact for fact in closing(run) if fact[0] != "verdict"] if run.final else [],
        "tiles": _tiles(run, digits), "started": _when(run.events[0].time), "duration": duration,
        "score": lambda value: number(value, digits),
        "belief": lambda belief: _belief(belief, digits),
        "difference": _difference(run, seed, run.champion),
        "lineage": _lineage(run, digits),
        "expeditions": list(run.expeditions.values()),
        "operators": _operators(run), "models": _models(run),
        "failures": list(run.failures().items()),
        "variants": _variants(run)[:MOST_VARIANTS], "left_out": max(0, len(run.variants) - MOST_VARIANTS),
        "statistics": _statistics(run, digits),
        "config": json.dumps(run.header.config, indent=2, ensure_ascii=False, default=str),
    }  # fmt: skip


def _tiles(run: Run, digits: int) -> list[tuple[str, str, str]]:
    """The figures at the top: label, figure, small print."""
    final, gain = run.final or {}, verdict(run).gain
    tiles = []
    for name, id in (("champion", run.champion), ("seed", run.header.seed_variant)):
        fresh = Belief.of((final.get(name) or {}).get("fresh"))
        belief = fresh or run.beliefs.get(id or "")
        where = "fresh seeds" if fresh else "search score"
        if belief is not None:
            spread = f"± {number(belief.sigma, digits)}, " if 0 < belief.sigma < math.inf else ""
            count = f"{belief.n} reading{'' if belief.n == 1 else 's'}, {where}"
            tiles.append((name, number(belief.mean, digits), spread + count))
    if gain is not None:
        tiles.append(("gain", number(gain.mean, digits), gain.interval(digits)))
    limit = run.header.budget.get("evaluations")
    failed = sum(not told.ok for told in run.searched)
    tiles.append(("evaluations", f"{run.evaluations}", f"{f'of {limit:g}, ' if limit else ''}{failed} failed"))
    tiles.append(("time", duration(final.get("seconds") or run.seconds), f"{run.header.slots} workers"))
    return tiles


def _difference(run: Run, old: str, new: str | None) -> dict[str, Any]:
    """Knob changes and diff from `old` to `new`; empty if there is nothing to compare."""
    from wolf.difference import knob_changes, line_diff, value

    if new is None or new == old or run.read is None:
        return {"knobs": [], "lines": [], "more": 0}
    before, after = run.files(old), run.files(new)
    knobs = [(name, value(a), value(b)) for name, (a, b) in knob_changes(run, before, after).items()]
    lines = line_diff(before, after).split("\n")[:-1]
    shown = [(_kind(text), text) for text in lines[:MOST_DIFF_LINES]]
    return {"knobs": knobs, "lines": shown, "more": max(0, len(lines) - MOST_DIFF_LINES)}


def _kind(text: str) -> str:
    """What a line of a diff is, as a class of the page."""
    if text.startswith(("--- a/", "+++ b/", "--- /dev/null", "+++ /dev/null", "@@", "\\")):
        return "place"
    return {"+": "add", "-": "cut"}.get(text[:1], "")


def _lineage(run: Run, digits: int) -> list[dict[str, Any]]:
    """The champion's ancestors, the seed first: who, how good, what changed at each step."""
    from wolf.chart import cover, whisker
    from wolf.difference import describe, knob_changes

    line_of = run.lineage(run.champion) if run.champion else []
    span: Span = cover([run.beliefs[step.id] for step in line_of if step.id in run.beliefs])
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


def _models(run: Run) -> list[Tally]:
    """What language models brought: by operator, then by model."""
    from wolf.proposals import models, operators

    return [*(row for row in operators(run.events) if row.calls), *models(run.events)]


def _operators(run: Run) -> list[dict[str, Any]]:
    """What each way of making a child tried, failed at, and brought; the most productive first."""
    tables: dict[str, dict[str, Any]] = {}
    crowned = {crown.variant for crown in run.crowned}
    seen: set[str] = set()
    for told in run.searched:
        asked = run.asked.get(told.ordinal)
        proposal = run.variants.get(told.variant)
        name = line(proposal.origin if proposal else asked.origin if asked else "?", 40)
        row = tables.setdefault(
            name, dict.fromkeys(("tried", "failed", "kept", "crowned", "seconds"), 0) | {"name": name}
        )
        first = told.variant not in seen
        seen.add(told.variant)
        row["tried"] += first
        row["failed"] += first and not told.ok
        row["kept"] += first and told.outcome in ("admitted", "crowned")
        row["crowned"] += first and told.variant in crowned
        row["seconds"] += told.seconds
    return sorted(tables.values(), key=lambda row: (-row["crowned"], -row["kept"], row["name"]))


def _variants(run: Run) -> list[dict[str, Any]]:
    """Best first, then those without a score in the order they were proposed."""
    from wolf.tables import TABLES

    rows = {row["variant"]: row for row in TABLES["variants"].rows(run)}
    ranking = run.ranking()
    unscored = [id for id in rows if id not in run.beliefs]
    return [rows[id] for id in (*ranking, *unscored) if id in rows]


def _statistics(run: Run, digits: int) -> list[tuple[str, str]]:
    readings = run.told
    purposes: dict[str, int] = {}
    for told in readings:
        purposes[told.purpose] = purposes.get(told.purpose, 0) + 1
    judged = sum(told.seconds for told in readings)
    costs = [told.cost for told in readings]
    escapes = sum(asked.expedition is not None for asked in run.asked.values())
    return [
        ("strategy", f"{run.header.strategy}, seed {run.header.seed}, {run.header.slots} workers"),
        ("judge", f"{run.header.judge}: {TRUST.get(run.header.trust, 'nobody wrote down how scores came about')}"),
        ("sandbox", SANDBOX.get(run.header.sandbox, "nobody wrote down what candidates were locked into")),
        ("readings", ", ".join(f"{count} {name}" for name, count in purposes.items()) or "none"),
        (
            "variants",
            f"{len(run.variants)}, of which {len(run.beliefs)} have a score and {len(run.crowned)} were crowned",
        ),
        ("noise", f"{number(run.noise, digits)}, the standard deviation of one reading from seed to seed"),
        ("expeditions", f"{len(run.expeditions)}, with {escapes} evaluations"),
        ("time in judges", f"{duration(judged)} in {len(readings)} readings, over {duration(run.seconds)} of running"),
        ("cost", "unknown" if None in costs else f"${sum(cost for cost in costs if cost is not None):.2f}"),
        ("made by", f"Auto Wolf {run.header.version}"),
    ]


def _belief(belief: Belief | None, digits: int) -> str:
    return belief.text(digits) if belief else "not scored"


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
