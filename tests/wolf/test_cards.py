"""The finalists of a check-in, as a person is shown them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from population.variant import Variant
from wolf.reading import cards
from wolf.reading.records import Run, load_run
from wolf.store.events import Event
from wolf.store.ledger import Ledger


def test_a_card_has_its_score_and_what_tells_it_from_the_seed(write_run: Callable[..., Path], tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path / "run", evaluations=12, end="stopped"))
    seed, best = run.header.seed_variant, run.champion
    assert best is not None
    shown = cards.cards(run, [best, seed])
    first = shown.index(next(line for line in shown if line.startswith("2 ")))
    assert shown[0].startswith(f"1 {best[:8]} val_bpb 3.") and shown[0].endswith("champion")
    assert any(line.strip().startswith("LR 0.02 → ") for line in shown[1:first])
    assert any(line.startswith("   -LR = 0.02") for line in shown[1:first])
    assert shown[first].startswith(f"2 {seed[:8]}") and shown[first + 1 :] == ["   the seed"]


def test_a_long_change_is_cut_and_says_where_the_rest_is(
    write_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "DIFF_LINES", 2)
    run = load_run(write_run(tmp_path / "run", evaluations=12, end="stopped"))
    assert run.champion is not None
    shown = cards.cards(run, [run.champion])
    assert shown[-1].endswith(f"more lines: wolf diff {run.champion[:8]}") and shown[-1].startswith("   … ")


def test_texts_are_shown_whole_and_wrapped_the_seed_last(tmp_path: Path) -> None:
    seed = Variant({"text.md": "One line.\n\n" + "word " * 40})
    header = {"format": 1, "version": "0.1.0", "name": "t", "strategy": "wolf", "seed": 0, "slots": 1, "judge": "panel",
              "sandbox": "none", "trust": "reported", "metric": "rating", "goal": "maximize", "target": "abc",
              "seed_variant": seed.id, "noise": None, "config": {"budget": {}}}  # fmt: skip
    mine = Variant({"text.md": "Mine\x1b[2J."}, (seed.id,))
    Ledger.create(tmp_path / "run", header, [seed, mine]).close()
    shown = cards.cards(load_run(tmp_path / "run"), [mine.id], 60)
    assert shown[0] == f"1 {mine.id[:8]} not scored"
    assert "Mine" in shown[1] and "\x1b" not in shown[1]
    assert shown[2] == f"seed {seed.id[:8]} not scored"
    assert shown[3:5] == ["   | One line.", "   |"] and all(len(line) <= 60 for line in shown) and len(shown) > 7


def test_without_files_there_are_no_cards(story: Callable[..., list[Event]]) -> None:
    assert cards.cards(Run.of(story(evaluations=4, end="")), ["a" * 12]) == []
