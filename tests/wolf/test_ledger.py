"""The ledger keeps its promises: whole appends, one writer, noticed damage, nothing acknowledged ever lost."""

from __future__ import annotations

import errno
import fcntl
import gc
import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from population.variant import Variant
from wolf.errors import LedgerBusy, LedgerDamaged, LedgerError
from wolf.store import chain, database
from wolf.store.events import Event
from wolf.store.ledger import Ledger, recover
from wolf.store.lock import held

REPOSITORY = Path(__file__).parents[2]
HEADER = {"name": "test", "format": 1}

WRITER = """
import sys, random
from contextlib import closing
from pathlib import Path
from population.variant import Variant
from wolf.store.ledger import Ledger

run, rng = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
ledger = Ledger.open(run, write=True)
have = sum(1 for event in ledger.events() if event.kind == "asked")
while True:
    variant = Variant({"a.py": f"X = {have}\\n" * rng.randrange(1, 400)}, note=str(have))
    ledger.append([("asked", {"ordinal": have, "variant": variant.id, "pad": "x" * rng.randrange(5000)})], [variant])
    print(have, flush=True)
    have += 1
"""


def variant(n: int) -> Variant:
    return Variant({"a.py": f"X = {n}\n" * 20, "b.txt": "same\n"}, ("p" * 12,), "perturb:nudge", f"X -> {n}")


def filled(run: Path, steps: int = 30) -> list[Event]:
    """A run with `steps` variants; its events."""
    with Ledger.create(run, HEADER) as ledger:
        for n in range(steps):
            ledger.append([("asked", {"ordinal": n, "variant": variant(n).id})], [variant(n)])
            ledger.append([("told", {"ordinal": n, "feedback": f"step {n} " * 10, "score": n / 7})])
        return list(ledger.events())


def test_the_latest_event_is_known_as_soon_as_it_is_written(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "r", HEADER) as ledger, Ledger.open(tmp_path / "r") as reader:
        for n in range(3):
            ledger.append([("told", {"ordinal": n})])
            for seen in (ledger.last, reader.last):
                assert (seen.kind, seen.body["ordinal"]) == ("told", n)


def everything(run: Path) -> tuple[list[Event], list[Variant]]:
    """All that a reader can see; raises `LedgerError` as soon as something is wrong."""
    with Ledger.open(run) as ledger:
        events = list(ledger.events())
        return events, [ledger.variant(event.body["id"]) for event in events if event.kind == "variant"]


texts = st.text(max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
kinds = texts.filter(lambda kind: kind != "variant")  # those the ledger writes itself
anything = st.text(st.characters(exclude_categories=()), max_size=40)  # lone surrogates too


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(kinds, st.dictionaries(texts, values, max_size=4)), max_size=4),
    st.lists(st.dictionaries(anything, anything, max_size=3), max_size=3),
)
def test_what_goes_in_comes_out(tmp_path_factory, records, trees) -> None:
    run = tmp_path_factory.mktemp("run") / "r"
    variants = [Variant(files, ("a", "b"), "llm:edit", "why") for files in trees]
    with Ledger.create(run, HEADER) as ledger:
        written = ledger.append(records, variants)
        live = list(ledger.events())
    events, read = everything(run)
    assert events == live and events[1:] == written
    assert [(event.kind, event.body) for event in events if event.seq > 1 + len(read)] == records
    assert {made.id: made for made in read} == {made.id: made for made in variants}
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_run_begins_with_its_header_and_its_first_variants_at_once(tmp_path: Path) -> None:
    Ledger.create(tmp_path / "r", HEADER, [variant(1)]).close()
    events, variants = everything(tmp_path / "r")
    assert [event.kind for event in events] == ["run", "variant"] and variants == [variant(1)]


def test_a_variant_is_stored_once(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "r", HEADER) as ledger:
        assert [event.kind for event in ledger.append([], [variant(1), variant(1)])] == ["variant"]
        assert ledger.append([("asked", {})], [variant(1)])[0].kind == "asked"
        shared = sqlite3.connect(tmp_path / "r" / "ledger.db").execute("SELECT count(*) FROM text").fetchone()[0]
        ledger.append([], [variant(2)])
    db = sqlite3.connect(tmp_path / "r" / "ledger.db")
    assert db.execute("SELECT count(*) FROM text").fetchone()[0] == shared + 1  # b.txt is the same
    db.close()


def test_what_was_told_is_found_by_its_number(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "r", HEADER) as ledger:
        ledger.append([("asked", {"n": 0}), ("told", {"n": 0})], [variant(1)])
    with Ledger.open(tmp_path / "r", write=True) as ledger, Ledger.open(tmp_path / "r") as reader:
        ledger.append([("told", {"n": 1}), ("asked", {"n": 1}), ("told", {"n": 2})])
        assert [ledger.told(n) for n in range(3)] == [{"n": n} for n in range(3)]
        assert [*reader.events()][-1].kind == "told"
        assert reader.told(2) == {"n": 2}


def test_a_reader_follows_a_run_under_way(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "r", HEADER) as writer, Ledger.open(tmp_path / "r") as reader:
        writer.append([("told", {"n": 1})], [variant(1)])
        assert [event.kind for event in reader.events(after=1)] == ["variant", "told"]
        assert reader.variant(variant(1).id) == variant(1)
        with pytest.raises(LedgerError, match="reading only"):
            reader.append([("told", {})])


def test_what_is_not_json_changes_nothing(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "r", HEADER) as ledger:
        for body in ({"x": float("inf")}, {"x": float("nan")}, {"x": object()}):
            with pytest.raises((ValueError, TypeError)):
                ledger.append([("told", {"fine": 1}), ("told", body)], [variant(1)])
        ledger.append([("told", {"n": 1})], [variant(1)])
    assert [event.kind for event in everything(tmp_path / "r")[0]] == ["run", "variant", "told"]


def test_a_second_writer_is_turned_away_at_once(tmp_path: Path) -> None:
    run = tmp_path / "r"
    with Ledger.create(run, HEADER):
        code = "from pathlib import Path; from wolf.store.ledger import Ledger; "
        code += f"Ledger.open(Path({str(run)!r}), write=True)"
        second = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
        assert f"LedgerBusy: another process (pid {os.getpid()}) is running {run}; wait" in second.stderr
        with pytest.raises(LedgerBusy) as busy:
            recover(run)
        assert busy.value.exit_code == 75
    Ledger.open(run, write=True).close()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "there is no run in"),
        (lambda path: path.write_bytes(b""), "is not a ledger of Auto Wolf"),
        (lambda path: path.write_text("name: value\n" * 400), "is not a ledger of Auto Wolf"),
        (lambda path: sqlite3.connect(path).executescript("CREATE TABLE event (a)").close(), "is not a ledger"),
        (lambda path: filled(path.parent, 1) and pragma(path, "user_version = 9"), "newer Auto Wolf (ledger format 9"),
    ],
)
def test_what_is_no_ledger_of_ours(tmp_path: Path, make, sentence: str) -> None:
    make(tmp_path / "ledger.db")
    for write in (False, True):
        with pytest.raises(LedgerError) as error:
            Ledger.open(tmp_path, write=write)
        assert sentence in str(error.value) and "\n" not in str(error.value)


def pragma(path: Path, words: str) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA {words}")
    db.close()


def test_create_does_not_write_over_a_run(tmp_path: Path) -> None:
    before = filled(tmp_path / "r", 2)
    with pytest.raises(LedgerError, match="exists already"):
        Ledger.create(tmp_path / "r", HEADER)
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot make the run directory"):
        Ledger.create(tmp_path / "file" / "r", HEADER)
    assert everything(tmp_path / "r")[0] == before


def test_changed_events_are_noticed_and_all_before_them_are_recovered(tmp_path: Path) -> None:
    """Edits that SQLite itself cannot notice: one column of one row, a row gone, two rows exchanged."""
    run, rng = tmp_path / "r", random.Random(1)
    events = filled(run)
    for trial in range(60):
        copy = tmp_path / f"c{trial}"
        shutil.copytree(run, copy)
        seq = rng.randrange(1, len(events) + 1)
        db = sqlite3.connect(copy / "ledger.db")
        change = rng.choice(["time = time + 1", "kind = 'x'", "body = body || ' '", "hash = zeroblob(32)", "", "swap"])
        if change == "swap" and seq < len(events):
            db.execute("UPDATE event SET seq = -1 WHERE seq = ?", (seq,))
            db.execute("UPDATE event SET seq = ? WHERE seq = ?", (seq, seq + 1))
            db.execute("UPDATE event SET seq = ? WHERE seq = -1", (seq + 1,))
        elif change and change != "swap":
            db.execute(f"UPDATE event SET {change} WHERE seq = ?", (seq,))
        else:
            db.execute("DELETE FROM event WHERE seq = ?", (seq,))
        db.commit()
        db.close()
        with pytest.raises(LedgerDamaged):
            everything(copy)
        if seq == 1:
            with pytest.raises(LedgerError, match="nothing can be recovered"):
                recover(copy)
            continue
        kept, backup = recover(copy)
        assert kept == seq - 1 and backup.is_file()
        assert everything(copy)[0] == events[: seq - 1]
        with Ledger.open(copy, write=True) as ledger:
            assert ledger.append([("resumed", {})])[0].seq == seq


def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    """240 damaged copies: each is refused, or shows exactly what was written (the bit was in unused space)."""
    run, rng = tmp_path / "r", random.Random(2)
    filled(run)
    events, variants = everything(run)
    whole = (run / "ledger.db").read_bytes()
    copy = tmp_path / "c"
    noticed = 0
    for _ in range(240):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(run, copy)
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 1, 1, 30])):
            damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.1:
            del damaged[rng.randrange(len(whole)) :]
        (copy / "ledger.db").write_bytes(damaged)
        try:
            assert everything(copy) == (events, variants)
        except LedgerError as error:
            assert "\n" not in str(error)
            noticed += 1
            try:
                kept, _ = recover(copy)
            except LedgerError as hopeless:
                assert "nothing can be recovered" in str(hopeless) or "is not a ledger" in str(hopeless)
                continue
            rescued, files = everything(copy)
            assert rescued == events[:kept] and files == variants[: len(files)]
    assert noticed >= 120


def test_damaged_files_of_a_variant_cost_that_variant_and_what_follows(tmp_path: Path) -> None:
    events = filled(tmp_path / "r", 5)
    lost = next(event for event in events if event.kind == "variant" and event.body["note"] == "X -> 3")
    db = sqlite3.connect(tmp_path / "r" / "ledger.db")
    db.execute("UPDATE text SET body = zeroblob(50) WHERE hash = ?", (lost.body["files"]["a.py"],))
    db.commit()
    db.close()
    with Ledger.open(tmp_path / "r") as ledger, pytest.raises(LedgerDamaged, match=f"damaged at event {lost.seq}:"):
        ledger.variant(lost.body["id"])
    assert recover(tmp_path / "r")[0] == lost.seq - 1


def test_a_lost_tail_is_noticed(tmp_path: Path) -> None:
    """A copy that forgot `ledger.db-wal` is sound as far as it goes; the lock file remembers that there was more."""
    run = tmp_path / "r"
    ledger = Ledger.create(run, HEADER)
    ledger.append([("told", {"n": n}) for n in range(5)])
    shutil.copytree(run, tmp_path / "c")
    ledger.close()
    (tmp_path / "c" / "ledger.db-wal").write_bytes(b"")
    with pytest.raises(LedgerError):
        Ledger.open(tmp_path / "c")


def test_a_full_disk_tears_nothing(tmp_path: Path) -> None:
    """File size limit of 200 kB, as the kernel enforces it on a writer of its own; afterwards there is space again."""
    run = tmp_path / "r"
    Ledger.create(run, HEADER).close()
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(run), "1"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )
    out, err = writer.communicate(timeout=60)
    assert "LedgerError: cannot use" in err and "nothing that was written is lost" in err
    asked = [event for event in everything(run)[0] if event.kind == "asked"]
    assert len(asked) == len(out.split()) > 5
    with Ledger.open(run, write=True) as ledger:
        ledger.append([("resumed", {})])


def test_sqlite_full_is_a_sentence_and_the_ledger_goes_on(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "r", HEADER) as ledger:
        pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
        ledger._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(LedgerError, match=r"the disk is full .*; nothing that was written is lost"):
            ledger.append([("told", {"n": 1}), ("told", {"pad": "x" * 50_000})])
        ledger._db.execute("PRAGMA max_page_count = 100000")
        assert ledger.append([("told", {"n": 2})])[0].seq == 2
    assert [event.body for event in everything(tmp_path / "r")[0]] == [HEADER, {"n": 2}]


def test_a_reader_that_looks_whether_anybody_writes_turns_nobody_away(tmp_path: Path) -> None:
    """The reader's shared lock lasts an instant; the writer that comes in that instant waits it out."""
    run = tmp_path / "r"
    filled(run, 1)
    with (run / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        threading.Timer(0.05, fcntl.flock, (lock, fcntl.LOCK_UN)).start()
        Ledger.open(run, write=True).close()
    assert not held(run)
    with Ledger.open(run, write=True):
        assert held(run)
    assert not held(tmp_path)


@pytest.mark.parametrize("how", ["removed", "moved", "replaced by a copy", "its lock replaced"])
def test_a_folder_that_goes_away_under_the_writer_is_noticed(tmp_path: Path, how: str) -> None:
    run, aside = tmp_path / "r", tmp_path / "aside"
    filled(run, 1)
    with Ledger.open(run, write=True) as ledger:
        if how == "its lock replaced":
            (run / "lock").rename(aside)
            (run / "lock").write_bytes(aside.read_bytes())
        else:
            run.rename(aside)
        if how == "removed":
            shutil.rmtree(aside)
        if how == "replaced by a copy":
            shutil.copytree(aside, run)
        with pytest.raises(LedgerError, match=r"was removed or replaced while the run was going on.*wolf resume"):
            ledger.append([("told", {})])
    if how == "moved":
        aside.rename(run)
        with Ledger.open(run, write=True) as ledger:
            ledger.append([("resumed", {})])


def test_times_of_a_session_do_not_jump_with_the_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.create(tmp_path / "r", HEADER) as ledger:
        now = time.time()
        for jump in (86_400, -86_400):
            monkeypatch.setattr(time, "time", lambda jump=jump: now + jump)
            ledger.append([("told", {})])
        times = [event.time for event in ledger.events()]
    assert times == sorted(times) and times[-1] - times[0] < 60


def test_kill_nine_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """25 kills of one run's writers at random instants: every one leaves a ledger with all acknowledged appends."""
    run, rng = tmp_path / "r", random.Random(3)
    Ledger.create(run, HEADER).close()
    acknowledged = -1
    for kill in range(25):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(run), str(kill)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            acknowledged = int(writer.stdout.readline())  # it is writing now
            time.sleep(rng.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                if line.endswith("\n"):
                    acknowledged = int(line)
        events, variants = everything(run)
        asked = [event for event in events if event.kind == "asked"]
        assert [event.body["ordinal"] for event in asked] == list(range(len(asked)))
        assert len(variants) == len(asked) >= acknowledged + 1
        assert len(asked) <= acknowledged + 2  # at most the one whose acknowledgement was on its way
    assert acknowledged > 100


def test_what_the_disk_says_becomes_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.create(tmp_path / "r", HEADER) as ledger:
        for number, advice in (
            (errno.ENOSPC, "the disk is full (`df -h` says which)"),
            (errno.EDQUOT, "the disk is full (`df -h` says which)"),
            (errno.EIO, "the disk fails or is full"),
            (errno.EROFS, "it can no longer be written to"),
            (errno.EPERM, "Operation not permitted"),
        ):
            refused = OSError(number, os.strerror(number))
            monkeypatch.setattr("wolf.store.lock.os.pwrite", lambda *_, refused=refused: (_ for _ in ()).throw(refused))
            with pytest.raises(LedgerError, match=re.escape(f"cannot use {tmp_path}/r/ledger.db: {advice}")) as said:
                ledger.append([("told", {})])
            assert f"go on with `wolf resume {tmp_path}/r`" in str(said.value)
        monkeypatch.undo()
        ledger.append([("told", {})])
        monkeypatch.setattr("wolf.store.lock.os.pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(LedgerError, match=r"cannot write to .*: No space left; make room"):
        Ledger.open(tmp_path / "r", write=True)
    monkeypatch.undo()
    assert not held(tmp_path / "r"), "whoever cannot write does not keep the lock"
    assert [event.kind for event in everything(tmp_path / "r")[0]] == ["run"] + ["told"] * 6


def test_a_read_only_ledger_is_a_sentence(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "r", HEADER) as ledger:
        ledger._db.execute("PRAGMA query_only = 1")  # as SQLite does where the file may not be written
        with pytest.raises(LedgerError, match="it can no longer be written to; nothing that was written is lost"):
            ledger.append([("told", {})])


def test_a_folder_that_is_none_holds_no_lock_and_takes_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not held(tmp_path / "file")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "ledger.db").write_text("")
    (tmp_path / "r" / "lock").mkdir()
    with pytest.raises(LedgerError, match=r"cannot write to .*: Is a directory; make room or get the right to"):
        Ledger.open(tmp_path / "r", write=True)


def test_a_file_system_without_shared_memory_holds_no_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite answers with the journal that it has instead; a database in memory can have no log."""
    plain = sqlite3.connect

    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: plain(":memory:", isolation_level=None))
    with pytest.raises(LedgerError, match="cannot hold a ledger; set runs: to a folder on a local disk"):
        Ledger.create(tmp_path / "r", HEADER)


def test_where_there_is_no_run_nothing_is_recovered(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="there is no run in"):
        recover(tmp_path)


def test_a_variant_that_there_is_not_and_a_text_that_is_another(tmp_path: Path) -> None:
    filled(tmp_path / "r", 2)
    with Ledger.open(tmp_path / "r") as ledger:
        with pytest.raises(LedgerError, match="there is no variant nowhere in"):
            ledger.variant("nowhere")
        known = variant(1)
        digest = next(e.body["files"]["a.py"] for e in ledger.events() if e.body.get("id") == known.id)
    db = sqlite3.connect(tmp_path / "r" / "ledger.db")
    db.execute("UPDATE text SET body = ? WHERE hash = ?", (zlib.compress(b"X = 2\n"), digest))
    db.commit()
    db.close()
    with Ledger.open(tmp_path / "r") as ledger, pytest.raises(LedgerDamaged):
        ledger.variant(known.id)


def test_a_disk_that_fails_while_it_is_read_is_not_called_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovering would cut off what is sound."""
    filled(tmp_path / "r", 2)
    broken = sqlite3.OperationalError("disk I/O error")
    broken.sqlite_errorname = "SQLITE_IOERR_READ"
    monkeypatch.setattr(database, "rows", lambda *_: (_ for _ in ()).throw(broken))
    with pytest.raises(LedgerError, match=r"the disk fails or is full \(disk I/O error;") as said:
        Ledger.open(tmp_path / "r")
    assert not isinstance(said.value, LedgerDamaged)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    Ledger.create(tmp_path / "r", HEADER).close()
    assert (tmp_path / "r" / "ledger.db").read_bytes()[68:72] == b"Wolf", "SQLite's application id, as file(1) reads it"


def test_a_reader_cannot_write_even_by_mistake(tmp_path: Path) -> None:
    filled(tmp_path / "r", 1)
    with Ledger.open(tmp_path / "r") as ledger, pytest.raises(sqlite3.OperationalError, match="readonly"):
        ledger._db.execute("DELETE FROM event")


def test_new_names_are_on_disk_and_nothing_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino) or fsync(handle))
    gc.collect()  # what other tests have left open is not to be closed in between
    before = len(os.listdir("/proc/self/fd"))
    filled(tmp_path / "r", 1)
    assert synced == [(tmp_path / "r").stat().st_ino]
    with sqlite3.connect(tmp_path / "r" / "ledger.db") as db:
        db.execute("DELETE FROM event WHERE seq = 2")
    db.close()
    recover(tmp_path / "r")
    assert synced[1:] == [(tmp_path / "r").stat().st_ino]
    assert len(os.listdir("/proc/self/fd")) == before


@given(st.floats(allow_nan=False, allow_infinity=False), st.text().map(json.dumps))
def test_the_chain_hashes_what_json_writes(at: float, body: str) -> None:
    """A body is what `json.dumps` makes of something, so it is printable ASCII."""
    kind = "told"
    said = json.dumps([7, at, kind, body]).encode()
    assert chain.link(b"before", 7, at, kind, body) == hashlib.sha256(b"before" + said).digest()


@pytest.mark.parametrize("value", [10**40, -(10**19), "\ud800", "\u2028", 0.1 + 0.2, -0.0, 5e-324, [None, True, {}]])
def test_an_event_says_what_was_written_to_the_last_digit(tmp_path: Path, value: object) -> None:
    with Ledger.create(tmp_path / "r", {"format": 1}) as ledger:
        (event,) = ledger.append([("told", {"value": value})])
        assert repr(event.body["value"]) == repr(value) == repr([*ledger.events()][-1].body["value"])


def test_kinds_and_events_that_name_something(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "r", {"format": 1}) as ledger:
        ledger.append([("told", {"variant": "abc"}), ("told", {"variant": "def"}), ("null", {})])
        assert ledger.kinds == {"run", "told", "null"}
        assert [event.body for event in ledger.events(naming="abc")] == [{"variant": "abc"}]
    with Ledger.open(tmp_path / "r") as again:
        assert again.kinds == {"run", "told", "null"}


def test_a_run_at_rest_is_read_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a read-only mount; a run under way, whose log is there, is read as ever."""
    run = tmp_path / "r"
    events, there = filled(run, 3), sorted(os.listdir(run))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with Ledger.open(run) as reader:
        assert list(reader.events()) == events
        assert sorted(os.listdir(run)) == there, "not even a log was made"
    with Ledger.open(run, write=True) as writer:
        new = writer.append([("told", {"ordinal": 3})])
        with Ledger.open(run) as reader:
            assert list(reader.events()) == [*events, *new]
    with Ledger.create(tmp_path / "new", HEADER) as writer, Ledger.open(tmp_path / "new") as reader:
        new = writer.append([("told", {"ordinal": 0})])
        assert list(reader.events())[1:] == new, "also by a reader who was there before its log"


def test_a_ledger_that_cannot_be_opened_or_recovered_is_left_as_it_was(tmp_path: Path) -> None:
    """Nobody holds its lock afterwards, and no half-made ledger lies beside it."""
    run = tmp_path / "r"
    filled(run, 2)
    with sqlite3.connect(run / "ledger.db") as db:
        db.execute("UPDATE event SET body = '{}' WHERE seq = 1")
    db.close()
    there = sorted(os.listdir(run))
    with pytest.raises(LedgerDamaged, match="at event 1"):
        Ledger.open(run, write=True)
    assert not held(run)
    with pytest.raises(LedgerError, match="nothing can be recovered"):
        recover(run)
    assert not held(run)
    assert sorted({*os.listdir(run)} - {"ledger.db-wal", "ledger.db-shm"}) == there


def test_what_a_killed_recovery_left_is_no_obstacle(tmp_path: Path) -> None:
    run = tmp_path / "r"
    events = filled(run, 2)
    with sqlite3.connect(run / "ledger.db") as db:
        db.execute("UPDATE event SET body = '{}' WHERE seq = 3")
    db.close()
    (run / "ledger.new.db").write_text("half of a ledger\n" * 1000)
    assert recover(run)[0] == 2
    assert everything(run)[0] == events[:2]


def test_a_run_is_finished_until_it_is_opened_again(tmp_path: Path) -> None:
    with Ledger.create(tmp_path / "run", HEADER, []) as ledger:
        for kind, finished in [("asked", False), ("finished", True), ("told", True), ("reopened", False)]:
            ledger.append([(kind, {})])
            assert ledger.finished is finished
            with Ledger.open(tmp_path / "run") as reading:
                assert reading.finished is finished
        ledger.append([("finished", {})])
        assert ledger.finished


def test_a_file_keeps_few_pages_in_memory_and_its_log_can_be_folded_in(tmp_path: Path) -> None:
    """The faults of a disk in `tests/faults` say what becomes of a log that was not."""
    path, log = tmp_path / "ledger.db", tmp_path / "ledger.db-wal"
    with closing(database.connect(path)) as db:
        database.make_tables(db)
        database.add(db, (1, 0.0, "run", "{}", b"h"))
        assert log.stat().st_size > 0
        database.fold(db)
        assert log.stat().st_size == 0
        for one in (db, other := database.connect(path, read_only=True)):
            assert one.execute("PRAGMA cache_size").fetchone() == (-database.CACHE,)
        assert [*database.rows(other, 0)] == [(1, 0.0, "run", "{}", b"h")] and not [*database.rows(other, 1)]
        other.close()
        assert db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
