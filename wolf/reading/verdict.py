"""What a run found, in sentences: the same ones at the end of a run, in `wolf show` and on the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from shlex import quote

from wolf.reading.records import Run
from wolf.reading.reopening import larger, objection
from wolf.reading.rows import Z95, Belief, Expedition, Gain, Told
from wolf.reading.terminal import decimals, duration, number

FATES = {  # of expeditions, by `Expedition.outcome`
    "champion": "found a new champion",
    "rival": "found a rival of the champion",
    "niche": "found a new niche",
    "empty": "found nothing",
    None: "unfinished",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a run so far.

    Attributes:
        kind: `gain`, `noise`, `loss`, `seed` (the champion is the seed), or `none` (nothing was scored, or champion or
            seed failed where the gain was to be confirmed).
        sentence: the outcome in one sentence, with its interval; then the warning, if there is one.
        fresh: whether it rests on fresh seeds. If not, it rests on the scores that the champion was picked by.
        gain: champion over seed.
        warning: that fresh readings of champion or seed failed, that frozen files were edited while the run went on, or
            that the hold-out confirms less than half of the gain that the judges see; else empty.
    """

    kind: str
    sentence: str
    fresh: bool
    gain: Gain | None
    warning: str = ""


def places(run: Run) -> int:
    """Decimals that this run's scores deserve: two digits of its noise."""
    if run.header.rates_texts:
        return 2  # log odds
    beliefs = [run.beliefs[id].sigma for id in (run.header.seed_variant, run.champion) if id in run.beliefs]
    return decimals([run.noise, *beliefs])


def verdict(run: Run) -> Verdict:
    """What `run` found, as far as it can be said now; first of all why it could not go on, if it could not."""
    said = _found(run)
    cause = f"It could not go on: {run.reason}. " if run.status == "aborted" else ""
    return replace(said, sentence=cause + said.sentence) if cause else said


def _found(run: Run) -> Verdict:
    seed, champion = run.header.seed_variant, run.champion
    if champion is None:
        return Verdict("none", "Nothing has been scored yet.", False, None)
    confirmed = Gain.of(run.final or {})
    fresh = confirmed is not None
    if champion == seed:
        surely = "surely " if ahead(run) else ""
        sentence = f"Nothing {surely}better than the seed was found: the seed is the champion."
        return Verdict("seed", sentence, fresh, None)
    failed = _failed(run)
    warned = ". ".join(filter(None, (failed, _edited(run), _warning(run))))
    if failed and not fresh:
        return Verdict("none", f"Nothing is confirmed. {warned}.", False, None, warned)
    gain = confirmed or run.gain(champion, seed)
    if gain is None:
        return Verdict("none", "The seed or the champion has no score yet.", fresh, None)
    digits = places(run)
    if fresh and run.header.judge == "reader" and (told := _champion(run)) is not None:
        reach = Z95 * told.metrics.get("holdout_error", 0.0)
        gain = Gain(gain.mean, gain.mean - reach, gain.mean + reach)
    interval, by = gain.interval(digits), confirmer(run)
    where = (
        ((f"By the hold-out ({by})" if by else "By the hold-out") if by_holdout(run) else "On fresh seeds")
        if fresh
        else f"After {run.evaluations} evaluations, by the scores it was picked by,"
    )
    if gain.low > 0:
        kind, rest = "gain", f"is better than the seed by {gain.size(digits)} ({interval})"
    elif gain.high < 0:
        kind, rest = "loss", f"is worse than the seed by {gain.size(digits).removeprefix('-')} ({interval})"
    else:
        kind, rest = "noise", f"cannot be told from the seed: {gain.size(digits)}, {interval}"
    return Verdict(kind, f"{where} the champion {rest}." + (f" {warned}." if warned else ""), fresh, gain, warned)


def _failed(run: Run) -> str:
    """That champion or seed failed on fresh seeds: what is left flatters that one, for it is the lucky part."""
    parts, why = [], ""
    for name, id in (("champion", run.champion), ("seed", run.header.seed_variant)):
        told = run.confirmations(id) if run.final else []
        if failed := [one for one in told if not one.ok]:
            parts.append(f"{len(failed)} of {len(told)} fresh readings of the {name}")
            why = why or failed[-1].failure
    return f"WARNING: {' and '.join(parts)} failed and do not count ({why})" if parts else ""


def _edited(run: Run) -> str:
    said = (run.final or {}).get("edited", "")
    return f"WARNING: {said} while the run went on: scores before and after that may not compare" if said else ""


def _warning(run: Run) -> str:
    if not run.header.rates_texts:
        return ""
    from judges.watch import warning
    from wolf.reading.holdout import gains

    found = gains(run)
    return warning(found.seen, found.confirmed, found.error, found.by) if found else ""


def ahead(run: Run) -> str | None:
    """The variant with the highest rating by a panel, if it is not the champion; see `ties`."""
    if run.header.judge != "panel":
        return None
    first = next((id for id in run.ranking() if id not in run.barred), None)
    return None if first == run.champion else first


def ties(run: Run) -> str:
    """Why a panel's champion has not the highest rating, in a sentence; empty if it has."""
    first = ahead(run)
    if first is None or run.champion is None:
        return ""
    ours, its = (run.beliefs[id].text(places(run)) for id in (run.champion, first))
    return (
        f"{first[:8]} has a higher rating than the champion ({its} against {ours}) and is not surely better: most "
        "challengers of a champion are worse, so it keeps the title while that may be luck"
    )


def holdout_of(run: Run) -> str:
    """What the hold-out of a run is: `a judge`, or `questions` where the judges are the same ones."""
    judge = run.header.config.get("judge", {})
    return "questions" if run.header.judge == "panel" and not judge.get("holdout") else "a judge"


def by_holdout(run: Run) -> bool:
    """Whether the confirmation was judged by somebody whom the search never asked, not by the same on new seeds."""
    return run.header.judge == "reader" or bool(confirmer(run))


def confirmer(run: Run) -> str:
    """Who takes the fresh readings of a panel in place of those who select; empty if they do themselves."""
    judge = run.header.config.get("judge", {}) if run.header.judge == "panel" else {}
    hidden = bool(judge.get("hidden"))
    who = ", ".join(judge.get("holdout") or ()) or ("the same judges" if hidden else "")
    return f"{who}, on hidden questions" if hidden else who


def along(run: Run) -> str:
    """What to call the reader that reads along and does not select; by its name where others may confirm, too."""
    prior = run.header.config.get("judge", {}).get("prior") if run.header.judge == "panel" else None
    return f"kept-out reader {prior}-words" if prior else "hold-out"


def _champion(run: Run) -> Told | None:
    return next((told for told in reversed(run.searched) if told.ok and told.variant == run.champion), None)


def closing(run: Run) -> list[tuple[str, str]]:
    """The outcome and the numbers behind it, as (what it is about, the line); for a run with a `finished` event."""
    final, digits = run.final or {}, places(run)
    metric, goal = run.header.metric, run.header.goal
    lines = [("verdict", verdict(run).sentence)]
    lines += [("earlier", said)] if (said := history(run)) else []
    for name in ("champion", "seed"):
        told = final.get(name) or {}
        search, fresh = Belief.of(told.get("search")), Belief.of(told.get("fresh"))
        where = "by the hold-out" if by_holdout(run) else "on fresh seeds"
        scores = f"{_readings(fresh, digits)} {where} · {_readings(search, digits)} in the search"
        lines.append((name, f"{told.get('id', '-')}  {metric} {scores}"))
    if run.header.rates_texts:
        from wolf.reading.finalists import judgement

        lines += [("hold-out", sentence) for sentence in judgement(run)]
    if said := ties(run):
        lines.append(("a tie", said))
    if run.header.judge == "panel":
        from wolf.reading.ballotbox import minutes

        lines += [("judges", sentence) for sentence in minutes(run)]
    won = run.champion not in (None, run.header.seed_variant) and final.get("gain") is not None
    if won and final.get("curse") is not None and not by_holdout(run):  # two judges' scores differ for other reasons
        lines.append(("winner's curse", _curse(final["curse"], digits)))
    if final.get("noise") is not None and run.header.judge != "reader":
        lines.append(
            (
                "noise",
                f"one reading varies by {number(final['noise'], digits)} from seed to seed (sigma, 75% upper bound)",
            )
        )
    trips = final.get("expeditions") or {}
    if trips.get("count"):
        share = f"{100 * (trips.get('share') or 0):.0f}% of the evaluations"
        lines.append(("expeditions", f"{trips['count']}: {fates(run.expeditions.values())} · {share}"))
    counted = f"{run.evaluations} evaluations in {duration(final.get('seconds') or run.seconds)}"
    lines.append(("work", f"{counted} · {metric} is {goal.value}d · {run.reason or 'done'}"))
    return lines


def history(run: Run) -> str:
    """What earlier ends of a run that was opened again confirmed, and what looking again costs; else empty."""
    earlier, digits = run.ends[:-1] if run.final else run.ends, places(run)
    if not earlier:
        return ""
    gains = [Gain.of(body) for body in run.ends]
    said = ", ".join(
        f"end {n} after {body['evaluations']} evaluations confirmed {f'a gain of {g.text(digits)}' if g else 'nothing'}"
        for n, (body, g) in enumerate(zip(earlier, gains, strict=False), 1)
    )
    if run.final is None:
        return f"This run was opened again: {said}."
    many = len(run.ends)
    worth = f"This is end {many} of this run: {said}."
    if by_holdout(run):
        return f"{worth} The hold-out is the same at every end, so it has been looked at {many} times."
    if not any(g and g.low < g.high for g in gains):
        return worth
    luck = (
        f"at least one of {many} such 95% intervals misses the truth in up to {100 * (1 - 0.95**many):.0f} of 100 runs"
    )
    return f"{worth} Each reads seeds of its own, and each is a chance for luck: {luck}."


def fates(trips: Iterable[Expedition]) -> str:
    """What became of some expeditions: `1 found a new champion, 2 found nothing`."""
    outcomes = Counter(trip.outcome for trip in trips)
    return ", ".join(f"{outcomes[key]} {what}" for key, what in FATES.items() if outcomes[key])


def next_commands(run: Run) -> list[tuple[str, str]]:
    """Commands that make sense now, and what each is for."""
    where = quote(str(run.path or "RUN"))
    page = (f"wolf report {where}", "one HTML page: curve, lineage, statistics")
    left = run.status in ("stopped", "killed") or (run.status == "aborted" and run.beliefs)
    resume = [(f"wolf resume {where}", "go on where it stopped")] if left else []
    name, many = larger(run)
    raised = (f"wolf tell {where} budget --{name} {many:g}", "more; then `wolf resume` goes on")
    more = [raised] if run.final and not objection(run, {name: many}) else []
    if run.champion in (None, run.header.seed_variant):  # there is no change to look at or to take away
        return [*resume, (f"wolf top {where}", "what was tried, and what failed"), page, *more]
    seen = resume or [(f"wolf diff best {where}", "what changed from the seed to the champion")]
    return [*seen, page, (f"wolf export {where} --best best", "the champion's files, into ./best"), *more]


def _readings(belief: Belief | None, digits: int) -> str:
    return belief.counted(digits) if belief else "-"


def _curse(curse: float, digits: int) -> str:
    """`curse` is the gain on fresh seeds minus the gain in the search: negative when the search flattered."""
    size = number(abs(curse), digits)
    if float(size) == 0:
        return "none: the gain is the same on fresh seeds as in the search"
    return f"the gain is {'smaller' if curse < 0 else 'larger'} on fresh seeds than in the search by {size}"
