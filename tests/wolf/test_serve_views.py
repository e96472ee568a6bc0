"""What the dashboard's pages are filled with."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from population.variant import Variant
from wolf.control.inbox import INBOX, post
from wolf.errors import UsageError
from wolf.reading.records import Run, load_run
from wolf.serve import views
from wolf.store.events import Event
from wolf.store.ledger import Ledger

Write = Callable[..., Path]


def grown(path: Path, *events: tuple[str, dict[str, Any]]) -> Run:
    """The run in `path` after these events."""
    with Ledger.open(path, write=True) as ledger:
        ledger.append(events)
    return load_run(path)


def order(id: str, name: str, **about: Any) -> tuple[str, dict[str, Any]]:
    return "intervention", {"id": id, "stamp": 1, "order": name, "by": "ann", "evaluations": 8, **about}


@pytest.fixture
def path(write_run: Write, tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", evaluations=8, end="stopped")


def test_a_model_that_does_not_answer_is_named_while_somebody_works(path: Path) -> None:
    failed = {"call": 0, "state": "failed", "attempt": 1, "model": "m", "fault": "no connection", "again": True}
    run = grown(path, ("resumed", {"ordinal": 8}), ("call", failed | {"judging": True, "kind": "busy", "cost": 0.0}))
    assert views.now(run)["silent"] == []
    run.locked = True
    assert views.now(run)["silent"] == [("m", run.events[-1].time, "no connection")]


def test_orders_are_waiting_written_down_done_or_refused(path: Path) -> None:
    other = next(iter(load_run(path).variants))
    run = grown(
        path,
        order("1", "veto", variant=other, alone=True),
        ("steered", {"orders": ["1"], "champion": None, "barred": [other], "pinned": [], "estimates": {}}),
        order("2", "pin", variant=other),
        order("3", "pause"),
        ("refused", {"id": "4", "stamp": 1, "order": None, "reason": "no JSON", "evaluations": 8}),
        ("refused", {"id": "5", "stamp": 1, "order": "vote", "reason": "nobody votes here", "evaluations": 8}),
    )
    post(path, {"order": "instruction", "text": "no dropout"})
    answered = path / INBOX / "3.json"  # read and written down, but its file is still there
    answered.write_text("{}")
    os.utime(answered, ns=(1, 1))
    (path / INBOX / "9.json").write_text("half a")
    said = views.orders(run)
    assert said["waiting"] == ["instruction no dropout", "an order"]
    assert said["answered"] == [
        ("refused", "refused", "vote: nobody votes here", "", 8),
        ("refused", "refused", "an order: no JSON", "", 8),
        ("done", "done", "paused", "ann", 8),
        ("later", "written down; takes effect after the evaluations in progress", f"pinned {other[:8]}", "ann", 8),
        ("done", "done", f"vetoed {other[:8]} alone", "ann", 8),
    ]
    assert said["barred"] == [other]
    assert views.now(run)["holding"] is True
    many = grown(path, *(order(f"a{n}", "go") for n in range(30)))
    assert len(views.orders(many)["answered"]) == views.ANSWERED
    assert views.now(many)["holding"] is False


def test_each_budget_that_was_set_has_a_meter(path: Path) -> None:
    run = load_run(path)
    names = {name: (used, limit, said) for name, used, limit, said in views.now(run)["meters"]}
    assert names["evaluations"] == (8, 8, "8 of 8")
    assert names["time"][1] == 1800 and " of 30m" in names["time"][2]
    assert "dollars" not in names
    run.header.config["budget"]["usd"] = 5
    assert list(views.now(run)["meters"])[-1] == ("dollars", 0.0, 5, "$0.00 of $5")


def test_the_memo_is_the_last_that_was_told_or_the_targets(path: Path, tmp_path: Path) -> None:
    run = load_run(path)
    assert views.memo(run) == ""
    (tmp_path / "program.md").write_text("from the target")
    target = run.header.config["target"] = {"root": str(tmp_path), "memo": "program.md"}
    assert views.memo(run) == "from the target"
    target["memo"] = "gone.md"
    assert views.memo(run) == ""
    told = grown(path, order("1", "memo", text="first"), order("2", "memo", text="second"), order("3", "go"))
    assert views.memo(told) == "second"
    assert views.steer(told) == {"memo": "", "models": False, "votes": False}, "no model reads it here"
    told.header.config["llm"] = {"models": ["m"]}
    assert views.steer(told)["memo"] == "second"


def test_the_journal_is_short_and_the_latest_is_first() -> None:
    said = [(Event(n, float(n), "told", {}), f"line {n}" if n % 2 else " ") for n in range(200)]
    journal = views.journal(said)["journal"]
    assert len(journal) == 60 and journal[0] == (199.0, "told", "line 199") and journal[1][2] == "line 197"


def texts(tmp_path: Path, judge: str, scores: int) -> Run:
    """A run about texts with a seed and two others, of which so many have scores."""
    made = [Variant({"text.md": f"Text {n}."}, (), "seed" if not n else "llm:edit", "") for n in range(3)]
    header = {"format": 1, "version": "0.1.0", "name": "t", "strategy": "wolf", "seed": 0, "slots": 1, "judge": judge,
              "sandbox": "none", "trust": "reported", "metric": "rating", "goal": "maximize", "target": "abc",
              "seed_variant": made[0].id, "noise": None, "config": {"budget": {}}}  # fmt: skip
    with Ledger.create(tmp_path / "texts", header, made) as ledger:
        for n, variant in enumerate(made[:scores]):
            reading = {"status": "ok", "score": float(n), "metrics": {}, "feedback": "", "seconds": 1.0, "cost": 0.0,
                       "seed": n, "fidelity": 1.0}  # fmt: skip
            belief = {"mean": float(n), "sigma": 0.1, "n": 1}
            ledger.append([
                ("asked", {"ordinal": n, "variant": variant.id, "seed": n, "purpose": "hunt", "expedition": None,
                           "parents": [], "origin": "seed", "note": "", "changes": {}, "predicted": None}),
                ("told", {"ordinal": n, "variant": variant.id, "purpose": "hunt", "evaluation": reading,
                          "admission": {"kind": "admitted", "reason": "", "evicted": None}, "estimate": belief,
                          "champion": {"id": variant.id} | belief, "evaluations": n + 1, "heat": 0.0, "noise": 0.1}),
            ])  # fmt: skip
    return load_run(tmp_path / "texts")


def test_two_good_texts_are_shown_without_names_where_votes_count(tmp_path: Path) -> None:
    run = texts(tmp_path, "panel", 3)
    shown = views.duel(run, lambda pair: pair.sort())
    assert [text for _, text in shown["texts"]] == [run.files(id)["text.md"] for id, _ in shown["texts"]]
    assert len({id for id, _ in shown["texts"]}) == 2


@pytest.mark.parametrize(
    ("judge", "scores", "why"), [("command", 3, "votes count where"), ("panel", 1, "no two texts")]
)
def test_where_there_is_nothing_to_compare_it_says_so(tmp_path: Path, judge: str, scores: int, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        views.duel(texts(tmp_path, judge, scores))


def test_an_open_check_in_has_the_finalists_and_pairs_to_vote_on(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert views.checkin(load_run(path)) == {"checkin": None}
    run = texts(tmp_path, "panel", 3)
    ids = run.ranking()
    body = {"checkin": 1, "evaluations": 3, "finalists": [*ids, "f" * 12], "why": "every 3", "wait": None}
    opened = grown(tmp_path / "texts", ("checkin", body))
    assert views.checkin(opened) == {"checkin": None}, "nobody is working on it"
    opened.locked = True
    said = views.checkin(opened)
    assert [card["id"] for card in said["candidates"]] == ids
    assert said["candidates"][0]["texts"] == opened.files(ids[0]) and said["candidates"][0]["belief"].startswith("2")
    assert said["pairs"] == [(ids[0], ids[1]), (ids[1], ids[2]), (ids[1], ids[0]), (ids[2], ids[1])]
    assert json.dumps(said["checkin"]["finalists"]).count("f" * 12) == 1
