"""What whoever opens the report in the morning asks first, and the answers, each in a sentence or two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wolf.reading.difference import from_seed, line_diff
from wolf.reading.lines import failed, workers
from wolf.reading.records import Run
from wolf.reading.rows import Told
from wolf.reading.spending import spent
from wolf.reading.terminal import duration, line, number
from wolf.reading.verdict import by_holdout, fates, history, holdout_of, places, ties, verdict

MANY = 6  # knobs named before "and n more"


@dataclass(frozen=True, slots=True)
class Drought:
    """A stretch of a run without a new champion.

    Attributes:
        start: evaluations when it began, `end` when it ended.
        way_out: the evaluation that ended it; None if the run ended first.
    """

    start: int
    end: int
    way_out: Told | None

    @property
    def length(self) -> int:
        """Evaluations."""
        return self.end - self.start


def answers(run: Run) -> list[tuple[str, str]]:
    """(question, answer) in the order in which they are asked."""
    told = [
        ("Is it real?", " ".join(_real(run))),
        ("What changed?", _changed(run)),
        ("Where did it get stuck, and what got it out?", " ".join(_stuck(run))),
        ("What was tried in vain?", " ".join(_vain(run))),
        ("What did it cost?", " ".join(_cost(run))),
    ]
    return [(question, answer) for question, answer in told if answer]


def droughts(run: Run) -> list[Drought]:
    """Every stretch without a new champion, in order; the last is still open. [] before the first score."""
    if not run.curve:
        return []
    found: list[Drought] = []
    last, champion = run.curve[0].evaluations, run.curve[0].champion
    for told in run.curve:
        if told.champion != champion:
            found.append(Drought(last, told.evaluations, told))
            last, champion = told.evaluations, told.champion
    return [*found, Drought(last, run.searched[-1].evaluations, None)]


def leaders(run: Run) -> set[str]:
    """Ids of all that were the champion for a time; what was crowned beside a champion that keeps ties is none."""
    return {told.champion for told in run.curve if told.champion is not None}


def misses(run: Run, count: int = 10) -> list[str]:
    """Variants that came closest to the champion and never were it, the closest first."""
    led = leaders(run) | {run.champion, run.header.seed_variant}
    return [id for id in run.ranking() if id not in led][:count]


def _real(run: Run) -> Iterator[str]:
    said, digits, final = verdict(run), places(run), run.final or {}
    if said.gain is None:
        yield said.sentence if said.kind == "none" else "There is nothing to confirm: the seed is the champion."
        return
    if not said.fresh:
        why = "Not confirmed" if final else "Not confirmed yet"
        need = "Champion and seed need two fresh readings each" if final else "A finished run measures again"
        yield f"{why}: these scores chose the champion, so they flatter it. {need}."
    else:
        n = (final.get("champion") or {}).get("fresh", {}).get("n", 0)
        how = f"measured on {_many(n, 'seed')} that the search never used"
        if by_holdout(run):
            how = f"measured by {holdout_of(run)} that the search never asked"
        if said.gain.low == said.gain.high and by_holdout(run):
            yield f"It was {how}. Both are models and answer the same every time: an opinion, not a measurement."
        elif said.gain.low == said.gain.high:
            yield f"This judge answers the same every time, so one reading settles it; it was {how}."
        else:
            inside = {"gain": "does not contain zero", "noise": "contains zero: it may be luck"}.get(
                said.kind, "is below zero"
            )
            yield f"It was {how}, and the 95% interval {inside}."
    if final.get("curse") and said.fresh and said.gain.low != said.gain.high and not by_holdout(run):
        size = number(abs(final["curse"]), digits)
        yield f"The search had {'over' if final['curse'] < 0 else 'under'}estimated it by {size}."
    if said_before := history(run):
        yield said_before
    if run.header.rates_texts:
        from wolf.reading.finalists import judgement

        yield from judgement(run)
    if tie := ties(run):
        yield f"{tie}."


def _changed(run: Run) -> str:
    seed, champion = run.header.seed_variant, run.champion
    if champion is None or champion == seed or run.read is None:
        return ""
    before, after = run.files(seed), run.files(champion)
    named = from_seed(run, champion, MANY)
    rows = [row[:1] for row in line_diff(before, after, context=0).splitlines() if row[:3] not in ("---", "+++")]
    steps = len(run.lineage(champion)) - 1
    lines = f"{_many(rows.count('+'), 'line')} added, {rows.count('-')} removed, in {_many(steps, 'step')}."
    return line(f"{named}: {lines}" if named else lines, 600)


def _stuck(run: Run) -> Iterator[str]:
    stretches = droughts(run)
    if not stretches:
        return
    ended = max(stretches[:-1], key=lambda stretch: stretch.length, default=None)
    if ended is not None and ended.way_out is not None and ended.length > 2:
        asked = run.asked.get(ended.way_out.ordinal)
        trip = run.expeditions.get(asked.expedition) if asked and asked.expedition is not None else None
        way = f"expedition {trip.id} ({line(trip.kind, 20)})" if trip else f"a {line(ended.way_out.purpose, 20)}"
        made = (
            f", made by {line(asked.origin, 40)}," if asked and asked.purpose not in ("replicate", "baseline") else ""
        )
        yield f"From evaluation {ended.start} to {ended.end} nothing was better; then {way}{made} was."
    last = stretches[-1]
    if last.length > 2:
        yield f"The last new champion came at evaluation {last.start}; the {last.length} after it brought none."
    if max(stretch.length for stretch in stretches) < 3:
        yield "It never went three evaluations without a new champion."
    if run.expeditions:
        yield f"{_many(len(run.expeditions), 'expedition')} set out: {fates(run.expeditions.values())}."


def _vain(run: Run) -> Iterator[str]:
    tried = {told.variant for told in run.searched} - {run.header.seed_variant}
    led = leaders(run)
    if not tried:
        return
    failures = run.failures()
    yield f"{len(tried - led)} of {len(tried)} variants never were the champion."
    if failures:
        most = next(iter(failures))
        yield f"{failed(run)}, most often “{line(most, 90)}”."
    closest = misses(run, 1)
    if closest and run.champion:
        gain = run.gain(run.champion, closest[0])
        if gain is not None:
            size = number(abs(gain.mean), digits := places(run))
            mine, its = (number(run.beliefs[id].sigma, digits) for id in (run.champion, closest[0]))
            beyond = "not surely better" if run.header.judge == "panel" else f"± {its} against ± {mine}"
            where = f"{size} behind" if gain.mean > 0 else f"{size} ahead by its mean, but {beyond}"
            yield f"The closest miss, {closest[0][:8]}, is {where if float(size) else 'level with it'}."


def _cost(run: Run) -> Iterator[str]:
    seconds = (run.final or {}).get("seconds") or run.seconds
    judged = sum(told.seconds for told in run.told)
    yield f"{run.evaluations} evaluations in {duration(seconds)}; {workers(run)} judged for {duration(judged)} in all."
    paid, asked = spent(run)
    if paid is None:
        yield f"What the judge charged is not known; proposals cost ${asked:.2f}."
    elif paid or asked:
        yield f"${paid + asked:.2f}: judging ${paid:.2f}, proposals ${asked:.2f}."
    else:
        yield "It cost no dollars."


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
