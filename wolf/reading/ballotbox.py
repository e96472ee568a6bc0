"""All ballots of a run, counted again: what the judges cost, whether they agree, what sways them, who is best.

A reading is a few ballots on one text. The ledger has every ballot of language models, so once the run is there they
can be counted together: all texts on one scale, each with the probability that it is the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from population.variant import joined
from wolf.reading.records import Run, load_run

if TYPE_CHECKING:
    from judges.ballots import Verdict
    from judges.panel import PanelJudge
    from judges.rating import Ratings

BY_PLACE = 2.0  # log odds for being shown first, from which on that counts for more than what is usually gained
BY_CHANCE = 0.1  # Krippendorff's alpha below which judges that vote at random would seem to be independent ones
MOST_TEXTS = 150  # counted together; those on most ballots


@dataclass(slots=True)
class Box:
    """The valid ballots of one kind of judges.

    Attributes:
        verdicts: in the order in which they were cast; texts are their own names.
        asked: per judge, how often it was asked.
        cost: per judge, dollars.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)


def ballots(run: Run, purpose: str) -> Box:
    """The ballots of the prompts with this purpose."""
    from judges.ballots import cast

    box, questions = Box(), dict[int, str]()
    for event in run.events:
        body = event.body
        if event.kind != "call":
            continue
        if body.get("purpose") == purpose:
            questions[body["call"]] = body["prompt"]["user"]
        if body["call"] in questions and body["state"] in ("answered", "failed"):
            judge = body["model"]
            box.cost[judge] = box.cost.get(judge, 0.0) + (body.get("cost") or 0.0)
            box.asked[judge] = box.asked.get(judge, 0) + (body["state"] == "answered" or not body.get("again"))
            if body["state"] == "answered" and (verdict := cast(judge, questions[body["call"]], body["text"])):
                box.verdicts.append(verdict)
    return box


def panel(run: Run) -> PanelJudge | None:
    """The panel of a run; None if something else judged."""
    if run.header.judge != "panel":
        return None
    from judges.panel import PanelJudge

    return PanelJudge.model_validate(dict(run.header.config["judge"]))


def shown_text(text: str) -> str:
    """A text as a ballot shows it."""
    from judges import features

    return "\n".join(features.plain(text).splitlines()) or "(no text)"


def shown_variant(run: Run, id: str) -> str:
    """A variant as a ballot shows it: the file that its judges read, or all of them."""
    files, file = run.files(id), run.header.config.get("judge", {}).get("file")
    return shown_text(joined(files) if file is None else files.get(file, ""))


def count(judge: PanelJudge, verdicts: Sequence[Verdict]) -> Ratings | None:
    """All texts of these ballots on one scale, without what outlying judges say; None without ballots."""
    from judges.agreement import outliers, unheard
    from judges.rating import rate

    stood: dict[str, int] = {}
    for verdict in verdicts:
        for text in verdict.ballot.shown:
            stood[text] = stood.get(text, 0) + 1
    texts = sorted(stood, key=lambda text: (-stood[text], text))[:MOST_TEXTS]
    kept = [v.ballot for v in verdicts if set(v.ballot.shown) <= set(texts)]
    if not kept:
        return None
    known = judge.electorate({text: text for text in texts})
    return rate(texts, unheard(kept, outliers(texts, kept, known)), known)


def minutes(run: Run) -> list[str]:
    """What the ballots say about the judges, a sentence each; [] for a run without models as judges."""
    from judges.ballots import BALLOT, HOLDOUT

    judge = panel(run)
    if judge is None:
        return []
    if run.path and any(event.kind == "call" and "state" not in event.body for event in run.events):
        run = load_run(run.path)  # a display has kept no texts of what it has shown
    seen, hidden = ballots(run, BALLOT), ballots(run, HOLDOUT)
    said = _costs(seen, {})
    said += [f"hold-out {line}" for line in _costs(hidden, {name: _part(judge, name) for name in hidden.asked})]
    return said + _agreement(judge, seen.verdicts) if seen.verdicts else said


def _part(judge: PanelJudge, name: str) -> str:
    """What a judge has to do with the search, who is asked after it."""
    kept = "kept out of the search" if name in judge.holdout else "a judge of the search, too"
    return f" ({kept}; asked hidden questions)" if judge.hidden else f" ({kept})"


def _costs(box: Box, parts: Mapping[str, str]) -> list[str]:
    """What each judge cost and what sways it; `parts` says more about who it is."""
    from judges.agreement import fooled, longer
    from judges.panel import CANARIES
    from judges.rating import rate

    planted = {shown_text(text) for text in CANARIES.values()}
    cast = [verdict.ballot for verdict in box.verdicts]
    texts = {text: text for ballot in cast for text in ballot.shown}
    long = longer(cast, texts)
    lines = []
    for judge, asked in sorted(box.asked.items()):
        own = [ballot for ballot in cast if ballot.judge == judge]
        line = f"{judge}{parts.get(judge, '')}: {len(own)} ballots for ${box.cost[judge]:.4f}"
        if asked > len(own):
            line += f", {asked - len(own)} without a valid answer"
        if own:
            place = rate([*texts], own).position[judge]
            line += f", first place worth {place:+.2f} log odds"
            line += " (IT GOES BY THE PLACE, NOT BY THE TEXT)" if abs(place) > BY_PLACE else ""
        if judge in long:
            line += f", takes the longer {long[judge]:.0%}"
        liked, met = fooled(own, planted)
        if liked:
            line += (
                f", ranks a planted text (empty, or an order to the judge) above another on {liked} of {met} ballots"
            )
        lines.append(line)
    return lines


def _agreement(judge: PanelJudge, verdicts: Sequence[Verdict]) -> list[str]:
    from judges import agreement

    cast = [verdict.ballot for verdict in verdicts]
    known: Any = judge.electorate({text: text for ballot in cast for text in ballot.shown})
    table = agreement.common(cast)
    figures = {
        "Krippendorff's alpha": agreement.alpha(cast),
        "Kendall's W": agreement.concordance(table),
        "ICC(2,k)": agreement.icc(table),
    }
    stated = [f"{name} {value:.2f}" for name, value in figures.items() if value is not None]
    lines = [f"agreement of the judges: {', '.join(stated)}"] if stated else ["one judge: nobody to agree with"]
    if (alike := figures["Krippendorff's alpha"]) is not None and alike < BY_CHANCE:
        lines.append("the judges agree hardly more often than by chance: their rankings say little about the texts")
    elif (votes := agreement.least_votes(cast)) is not None:
        judges = len({ballot.judge for ballot in cast})
        lines.append(
            f"worth {votes:.1f} independent votes of {judges} if all that they agree on were shared error, more if it "
            "is true; `wolf calibrate` tells, by pairs of which people chose one"
        )
    lines += [
        f"criteria {one} and {other} name the same text on {share:.0%} of the ballots: they are one, merge them"
        for one, other, share in agreement.same_criteria(verdicts)
    ]
    scale = [shown_text(text) for text in judge.anchors]
    lines += [
        f"{name} ranks the anchors otherwise now than at first (p = {p:.2g}): its ratings have drifted"
        for name, p in agreement.drifted(cast, scale).items()
    ]
    odd = agreement.outliers([*known.priors], cast, known)
    lines += [
        f"{name} rates {' '.join(text.split())[:60]!r} unlike all other judges (z = {z:+.1f}); its word on it is not "
        "counted"
        for (name, text), z in odd.items()
    ]
    return lines
