"""Long ledgers are checked by several processes, and nobody can tell but by the time it takes."""

from __future__ import annotations

import sqlite3
import sys
import time
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


def test_what_cannot_be_read_is_not_sound(run: Path) -> None:
    assert not chain.sound(run / "nothing.db", 0, LAST)
    (run / "text.db").write_text("no ledger " * 1000)
    assert not chain.sound(run / "text.db", 0, LAST)


@pytest.mark.parametrize(("cores", "helpers"), [(1, 0), (2, 1), (3, 2), (4, 3), (64, 3)])
def test_one_core_is_left_for_the_caller(run: Path, monkeypatch: pytest.MonkeyPatch, cores: int, helpers: int) -> None:
    """Each helper has its part, together they have all of it, and one who says no is enough."""
    asked: list[list[str]] = []

    class Helper:
        def __init__(self, words: list[str], **_: object) -> None:
            asked.append(words[-2:])

        def wait(self) -> int:
            return int(asked[-1] is no)

        def kill(self) -> None:
            pass

    no: list[str] = []
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(cores)))
    monkeypatch.setattr("subprocess.Popen", Helper)
    with chain.checked(run / "ledger.db", 600) as sound:
        assert sound() is (helpers > 0)
        assert len(asked) == helpers
        if helpers:
            assert [first for first, _ in asked] == ["0", *(last for _, last in asked[:-1])]
            assert asked[-1][1] == "600"
            no = asked[-1]
            assert sound() is False


def test_helpers_end_with_whoever_asked_them(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text(f'#!/bin/sh\necho $$ >> "{tmp_path}/pids"\nexec sleep 100\n')
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    with chain.checked(run / "ledger.db", LAST):
        while not (tmp_path / "pids").exists() or len((tmp_path / "pids").read_text().split()) < 3:
            time.sleep(0.01)
    for pid in (tmp_path / "pids").read_text().split():
        assert not Path("/proc", pid).exists()
