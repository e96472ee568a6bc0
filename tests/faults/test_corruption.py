"""A thousand damaged ledgers: each is refused with a sentence or shows exactly what was written (F6)."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from population.variant import Variant
from wolf.errors import LedgerError
from wolf.store.ledger import Ledger, recover

COPIES = 1000
PAGE = 4096


def everything(run: Path) -> tuple[list[Any], list[Variant]]:
    """All that a reader can see."""
    with Ledger.open(run) as ledger:
        events = list(ledger.events())
        return events, [ledger.variant(event.body["id"]) for event in events if event.kind == "variant"]


def damage(data: bytearray, rng: random.Random) -> str:
    """Something that disks, copies and people do to files; returns what."""
    size = len(data)
    how = rng.choice(["bit", "bit", "bits", "cut", "zeroed page", "page of another", "run of noise", "byte lost"])
    at = rng.randrange(size)
    page = rng.randrange(size // PAGE) * PAGE
    if how == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif how == "bits":
        for _ in range(30):
            data[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del data[at:]
    elif how == "zeroed page":
        data[page : page + PAGE] = bytes(PAGE)
    elif how == "page of another":
        other = rng.randrange(size // PAGE) * PAGE
        data[page : page + PAGE] = data[other : other + PAGE]
    elif how == "run of noise":
        data[at : at + 200] = rng.randbytes(min(200, size - at))
    else:
        del data[at]
    return how


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("where", ["ledger.db", "ledger.db-wal"])
def test_a_thousand_damages_are_noticed_and_all_before_them_is_recovered(tmp_path: Path, where: str) -> None:
    """In a ledger at rest, and in the log of one that was killed before it was folded into the ledger."""
    run, copy, rng = tmp_path / "r", tmp_path / "c", random.Random(where)
    ledger = Ledger.create(run, {"name": "test", "format": 1})
    for n in range(40):
        made = Variant({"a.py": f"X = {n}\n" * 30, "b.txt": "same\n"}, (), "perturb:nudge", f"X -> {n}")
        ledger.append([("asked", {"ordinal": n, "variant": made.id}), ("told", {"feedback": f"{n} " * 20})], [made])
    if where == "ledger.db":
        ledger.close()
    shutil.copytree(run, tmp_path / "whole")  # of the running one: as a kill would leave it
    ledger.close()
    events, variants = everything(tmp_path / "whole")
    shutil.rmtree(run)
    if where == "ledger.db-wal":  # reading has not folded it in
        assert (tmp_path / "whole" / where).stat().st_size > 100_000
    whole = (tmp_path / "whole" / where).read_bytes()
    noticed = recovered = 0
    for _ in range(COPIES):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(tmp_path / "whole", copy)
        (copy / "ledger.db-shm").unlink(missing_ok=True)
        data = bytearray(whole)
        how = damage(data, rng)
        (copy / where).write_bytes(data)
        try:
            assert everything(copy) == (events, variants), how
        except LedgerError as error:
            assert "\n" not in str(error)
            noticed += 1
            try:
                kept, _ = recover(copy)
            except LedgerError as hopeless:
                assert "nothing can be recovered" in str(hopeless) or "is not a ledger" in str(hopeless), how
                continue
            rescued, files = everything(copy)
            assert rescued == events[:kept] and files == variants[: len(files)], how
            recovered += kept
    mean = f"{recovered / noticed:.0f} of {len(events)}"
    print(f"{where}: {COPIES} damages, {noticed} noticed, the others harmless; recovered on average {mean} events")
    assert noticed > COPIES // 4
