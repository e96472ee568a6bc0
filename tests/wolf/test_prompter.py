"""What a person types at a check-in, and what becomes of it."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wolf.control.inbox import INBOX
from wolf.control.prompter import Prompter, Session
from wolf.reading.records import load_run
from wolf.store.events import Event
from wolf.store.ledger import Ledger


@pytest.fixture
def run(write_run: Callable[..., Path], tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


@pytest.fixture
def session(run: Path) -> Session:
    found = load_run(run)
    return Session(found, 2, found.ranking()[:3], random.Random(0))


def test_what_each_line_means(session: Session) -> None:
    ids = session._finalists
    for line, orders in {
        "": [{"order": "go", "checkin": 2}],
        "keep 2": [{"order": "pin", "variant": ids[1]}],
        "veto 1 3": [{"order": "veto", "variant": ids[0]}, {"order": "veto", "variant": ids[2]}],
        "VETO abc": [{"order": "veto", "variant": "abc"}],
        "free 9": [{"order": "free", "variant": "9"}],
        "say no  lists": [{"order": "instruction", "text": "no  lists"}],
        "2 > 1": [{"order": "vote", "better": ids[1], "worse": ids[0]}],
        "stop": [{"order": "stop"}],
    }.items():
        assert session.answer(line) == (orders, [])


@pytest.mark.parametrize("line", ["?", "veto", "keep", "jump", "1 >", "go away \x1b[2J"])
def test_what_is_no_answer_orders_nothing_and_says_what_would_be(session: Session, line: str) -> None:
    orders, said = session.answer(line)
    assert not orders and any("Enter" in sentence for sentence in said)
    assert "\x1b" not in "".join(said)


def test_blind_duels_are_votes(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wolf.control.prompter.is_text", lambda run: True)
    ids = session._finalists
    _, shown = session.answer("duel")
    assert not any(id[:8] in line for id in ids for line in shown), "blind"
    pair = session._duels[0]
    orders, _ = session.answer("1")
    assert orders == [{"order": "vote", "better": pair[0], "worse": pair[1]}]
    assert session.answer("perhaps")[0] == [] and len(session._duels) == 1
    assert session.answer("=")[0] == [] and not session._duels
    assert session.answer("") == ([{"order": "go", "checkin": 2}], []), "the duels are over"


def test_it_listens_only_while_a_check_in_is_open(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end, keyboard = os.pipe()
    said: list[str] = []
    prompter = Prompter(run, said.append, os.fdopen(end))
    prompter(Event(1, 0.0, "paused", {}))
    assert prompter._thread is None, "a pause is no question"
    body = {"checkin": 1, "evaluations": 9, "finalists": load_run(run).ranking()[:2], "why": "", "wait": None}
    with Ledger.open(run, write=True) as ledger:
        ledger.append([("checkin", body)])
    monkeypatch.setattr("wolf.control.prompter.is_text", lambda run: bool(run.files(run.header.seed_variant)))
    before = threading.active_count()
    prompter(Event(2, 0.0, "paused", {}))
    os.write(keyboard, b"duel\n=\nkeep 1\n\n")
    deadline = time.monotonic() + 20
    while len(list((run / INBOX).glob("*.json")) if (run / INBOX).is_dir() else []) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    prompter(Event(3, 0.0, "continued", {}))
    assert threading.active_count() == before and "Your turn" in said[0] and "--- 2 ---" in said
    orders = [json.loads(path.read_text()) for path in sorted((run / INBOX).glob("*.json"))]
    assert [(order["order"], order["by"]) for order in orders] == [("pin", "terminal"), ("go", "terminal")]
    os.close(keyboard)
    prompter._keys.close()
