"""A run as flat tables, for export and for pandas.

Columns keep their names and order from release to release; new ones are added at the end. Rows are in the order in
which things happened, so the same run always gives the same bytes.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from wolf.errors import SetupError
from wolf.reading.records import Run
from wolf.reading.rows import Told
from wolf.reading.terminal import json_line, line

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of row: what the columns are and how a run gives them."""

    columns: tuple[str, ...]
    rows: Callable[[Run], Iterator[Row]]


def _variants(run: Run) -> Iterator[Row]:
    readings: dict[str, list[Told]] = {}
    for told in run.told:
        readings.setdefault(told.variant, []).append(told)
    crowned = {crown.variant for crown in run.crowned}
    for order, (id, variant) in enumerate(run.variants.items()):
        mine = readings.get(id, [])
        belief = run.beliefs.get(id)
        last = next((told for told in reversed(mine) if told.purpose != "confirm"), None)
        yield {
            "order": order, "variant": id, "parents": list(variant.parents), "origin": variant.origin,
            "note": _text(variant.note),
            "mean": belief.mean if belief else None, "sigma": belief.sigma if belief else None,
            "n": belief.n if belief else 0, "readings": len(mine), "failures": sum(not told.ok for told in mine),
            "outcome": last.outcome if last else None, "reason": _text(last.reason) if last else None,
            "crowned": id in crowned, "champion": id == run.champion, "seconds": sum(told.seconds for told in mine),
        }  # fmt: skip


def _evaluations(run: Run) -> Iterator[Row]:
    for told in run.told:
        asked = run.asked.get(told.ordinal)
        yield {
            "ordinal": told.ordinal, "time": told.time, "variant": told.variant, "purpose": told.purpose,
            "status": told.status, "score": told.score, "metrics": dict(told.metrics), "feedback": _text(told.feedback),
            "seconds": told.seconds, "cost": told.cost, "seed": told.seed, "fidelity": told.fidelity,
            "outcome": told.outcome, "reason": _text(told.reason),
            "mean": told.belief.mean if told.belief else None, "sigma": told.belief.sigma if told.belief else None,
            "n": told.belief.n if told.belief else 0,
            "champion": told.champion, "champion_mean": told.best.mean if told.best else None,
            "champion_sigma": told.best.sigma if told.best else None,
            "evaluations": told.evaluations, "heat": told.heat, "noise": told.noise,
            "expedition": asked.expedition if asked else None, "origin": asked.origin if asked else None,
            "note": _text(asked.note) if asked else None,
            "changes": {name: list(pair) for name, pair in asked.changes.items()} if asked else {},
            "predicted_mean": asked.predicted.mean if asked and asked.predicted else None,
            "predicted_sigma": asked.predicted.sigma if asked and asked.predicted else None,
        }  # fmt: skip


def _calls(run: Run) -> Iterator[Row]:
    """A call is one question; its events are its attempts."""
    rows: dict[int, Row] = {}
    for event in run.events:
        body = event.body
        if event.kind == "call":
            row = rows.setdefault(body["call"], {**dict.fromkeys(TABLES["calls"].columns), "call": body["call"],
                "time": event.time, "cost": 0.0, "variants": [], "problems": []})  # fmt: skip
            said = {"purpose": body.get("purpose"), "about": body.get("about"), "model": body["model"]}
            said["prompt"] = _text(body["prompt"]["user"]) if "prompt" in body else None
            said |= {"seconds": body.get("seconds"), "stop": body.get("stop"), "usage": body.get("usage")}
            said |= {"text": _text(body["text"]) if "text" in body else None, "fault": body.get("fault")}
            row.update({name: value for name, value in said.items() if value is not None})
            row |= {"state": body["state"], "attempts": body["attempt"], "cost": row["cost"] + body.get("cost", 0.0)}
        elif event.kind == "proposed" and body["call"] in rows:
            rows[body["call"]] |= {"variants": list(body["variants"]), "problems": list(body["problems"])}
    yield from rows.values()


def _votes(run: Run) -> Iterator[Row]:
    """Every comparison of texts: ballots of language models, and what people preferred, `weight` of them."""
    from judges.ballots import BALLOT, HOLDOUT, cast

    asked: dict[int, tuple[str, str]] = {}
    names: dict[str, str] = {}
    for event in run.events:
        body = event.body
        if event.kind == "intervention" and body["order"] == "vote":
            yield {"time": event.time, "voter": body["by"] or "person", "kind": "person", "call": None,
                   "ranking": [body["better"], body["worse"]], "weight": body["people"]}  # fmt: skip
        elif event.kind == "call":
            if body.get("purpose") in (BALLOT, HOLDOUT):
                asked[body["call"]] = body["purpose"], body["prompt"]["user"]
            if body["call"] not in asked or body["state"] != "answered":
                continue
            kind, question = asked[body["call"]]
            verdict = cast(body["model"], question, body["text"])
            if verdict is not None:
                names = names or _shown(run)
                ranking = [names.get(text, line(text, 80)) for text in verdict.ballot.ranking]
                yield {"time": event.time, "voter": body["model"], "kind": kind, "call": body["call"],
                       "ranking": ranking, "weight": 1}  # fmt: skip


def _shown(run: Run) -> dict[str, str]:
    """A variant's text as ballots show it -> its id."""
    from wolf.reading.ballotbox import shown_variant

    return {shown_variant(run, id): id for id in run.variants} if run.read is not None else {"": ""}


def _events(run: Run) -> Iterator[Row]:
    for event in run.events:
        yield {"seq": event.seq, "time": event.time, "kind": event.kind, "body": dict(event.body)}


TABLES: Mapping[str, Table] = {
    "variants": Table(
        ("order", "variant", "parents", "origin", "note", "mean", "sigma", "n", "readings", "failures", "outcome",
         "reason", "crowned", "champion", "seconds"), _variants),
    "evaluations": Table(
        ("ordinal", "time", "variant", "purpose", "status", "score", "metrics", "feedback", "seconds", "cost", "seed",
         "fidelity", "outcome", "reason", "mean", "sigma", "n", "champion", "champion_mean", "champion_sigma",
         "evaluations", "heat", "noise", "expedition", "origin", "note", "changes", "predicted_mean",
         "predicted_sigma"), _evaluations),
    "calls": Table(
        ("call", "time", "purpose", "about", "model", "state", "attempts", "seconds", "cost", "usage", "stop", "fault",
         "variants", "problems", "prompt", "text"), _calls),
    "votes": Table(("time", "voter", "kind", "call", "ranking", "weight"), _votes),
    "events": Table(("seq", "time", "kind", "body"), _events),
}  # fmt: skip


def write_jsonl(run: Run, table: str, out: TextIO) -> None:
    """One JSON object per row."""
    for row in TABLES[table].rows(run):
        out.write(json_line(row) + "\n")


def write_csv(run: Run, table: str, out: TextIO) -> None:
    """A header and one line per row; lists and mappings as JSON, nothing as an empty cell."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(TABLES[table].columns)
    for row in TABLES[table].rows(run):
        writer.writerow([_cell(row[column]) for column in TABLES[table].columns])


def write_parquet(run: Run, table: str, path: Path) -> None:
    """A parquet file; lists and mappings as JSON texts, because their shape differs from row to row.

    Raises:
        SetupError: without pyarrow.
    """
    import pandas

    rows = [{name: _cell(row[name]) for name in TABLES[table].columns} for row in TABLES[table].rows(run)]
    try:
        pandas.DataFrame(rows, columns=list(TABLES[table].columns)).to_parquet(path, index=False)
    except ImportError:
        raise SetupError("parquet needs pyarrow: pip install 'auto-wolf[parquet]', or use --format csv") from None


def write_results_tsv(run: Run, out: TextIO) -> None:
    """The `results.tsv` of autoresearch: tab-separated commit, metric, memory, keep | discard | crash, description.

    `commit` is the beginning of the variant's id. `keep` means that the champion's crown moved to it (or that it is
    the baseline), which is what keeping a commit means there; what is handed over is kept, too, at its last reading, if
    its lead was too small for a crown. A failure has 0.000000 and 0.0.
    """
    handed = {run.champion} - {run.header.seed_variant} - {crown.variant for crown in run.crowned}
    keeps = {told.ordinal for told in run.told[:1]}
    keeps |= {*[told.ordinal for told in run.searched if told.ok and told.variant in handed][-1:]}
    out.write(f"commit\t{run.header.metric}\tmemory_gb\tstatus\tdescription\n")
    for told in run.searched:
        asked = run.asked.get(told.ordinal)
        kept = told.outcome == "crowned" or told.ordinal in keeps
        status = "crash" if not told.ok else "keep" if kept else "discard"
        memory = told.metrics.get("peak_vram_mb", 0.0) / 1024 if told.ok else 0.0
        what = line((asked.note or asked.origin) if asked else told.purpose)
        out.write(f"{told.variant[:7]}\t{told.score or 0.0:.6f}\t{memory:.1f}\t{status}\t{what}\n")


WRITERS: Mapping[str, Callable[[Run, str, TextIO], None]] = {"jsonl": write_jsonl, "csv": write_csv}


def _cell(value: Any) -> Any:
    return json_line(value) if isinstance(value, Mapping | list | tuple) else value


def _text(text: str) -> str:
    """Candidates' text as valid Unicode: neither files nor pandas can hold a lone surrogate."""
    return text.encode("utf-8", "backslashreplace").decode()
