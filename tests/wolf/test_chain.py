"""Long ledgers are checked by several processes, and nobody can tell but by the time it takes."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from population.variant import Variant
from wolf.errors import LedgerDamaged
from wolf.store import chain
from wolf.store import ledger as ledger_module
from wolf.store.ledger import Ledger, recover

STEPS = 20
LAST = 1 + 3 * STEPS


def variant(number: int) -> Variant:
    return Variant({"a.py": f"X = {number}\n"})


@pytest.fixture()
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that counts as long, on a machine with four cores."""
    monkeypatch.setattr(ledger_module, "LONG", LAST)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    with Ledger.create(tmp_path / "r", {"format": 1}) as ledger:
        for n in range(STEPS):
            ledger.append([("asked", {"ordinal": n}), ("told", {"ordinal": n, "note": "é\x7f\n"})], [variant(n)])
    return tmp_path / "r"


def change(run: Path, statement: str) -> None:
    with closing(sqlite3.connect(run / "ledger.db")) as db, db:
        db.execute(statement)


def test_the_helpers_say_what_one_process_says(run: Path) -> None:
    with chain.checked(run / "ledger.db", LAST) as sound:
        assert sound()
    assert chain.sound(run / "ledger.db", 0, LAST)
    assert not chain.sound(run / "ledger.db", 0, LAST + 1), "the end is missing"


def test_a_long_ledger_holds_what_a_short_one_holds(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(Ledger, "_verified", lambda self: iter(read.append(self._seq) or ()))
    with Ledger.open(run) as ledger:
        assert set(read) == {LAST}, "nothing was left to check"
        assert ledger.kinds == {"run", "variant", "asked", "told"}
        assert ledger.last.seq == LAST
        assert [ledger.told(n)["ordinal"] for n in range(STEPS)] == [*range(STEPS)]
        assert [dict(ledger.variant(variant(n).id).files) for n in range(STEPS)] == [
            dict(variant(n).files) for n in range(STEPS)
        ]


def test_a_long_ledger_goes_on(run: Path) -> None:
    with Ledger.open(run, write=True) as ledger:
        ledger.append([("told", {"ordinal": STEPS})])
    with Ledger.open(run) as ledger:
        assert (ledger.last.seq, ledger.told(STEPS)) == (LAST + 1, {"ordinal": STEPS})


@pytest.mark.parametrize("seq", [1, LAST // 3, LAST // 3 + 1, LAST])
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET body = replace(body, '1', '2') || ' ' WHERE seq = {}",
        "UPDATE event SET body = 7 WHERE seq = {}",
        "UPDATE event SET body = x'ff' WHERE seq = {}",
        "UPDATE event SET kind = iif(kind = 'told', 'variant', 'told') WHERE seq = {}",
        "UPDATE event SET hash = zeroblob(32) WHERE seq = {}",
        "UPDATE event SET time = time + 1 WHERE seq = {}",
        "DELETE FROM event WHERE seq = {}",
    ],
)
def test_damage_is_named_wherever_it_is(run: Path, seq: int, damage: str) -> None:
    change(run, damage.format(seq))
    with pytest.raises(LedgerDamaged, match=rf"(is damaged at|ends at) event {seq}\b|ends at event {seq - 1},"):
        Ledger.open(run)
    if seq > 1:
        assert recover(run)[0] == seq - 1


def test_helpers_that_cannot_be_started_are_not_missed(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for broken in ("/nowhere/python", "/bin/false"):
        monkeypatch.setattr(sys, "executable", broken)
        with Ledger.open(run) as ledger:
            assert ledger.last.seq == LAST


def test_one_core_checks_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0})
    monkeypatch.setattr("subprocess.Popen", lambda *a, **k: pytest.fail("no core for it"))
    with Ledger.open(run) as ledger:
        assert ledger.last.seq == LAST
