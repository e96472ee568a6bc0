"""What a search keeps in memory of each evaluation, part by part: where a long run's memory goes.

    python benchmarks/remembered.py RUN

RUN is finished, in cohort mode, steered by nobody and never opened again: a soak's, for instance. It is derived again
from its ledger, as by `wolf dev replay`, and then everything that its search can reach is counted once, by the part
that reaches it first. Sizes are Python's own: what allocators round up is not in them.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from wolf.dev import replay
from wolf.reading.finding import find_run
from wolf.settings.config import Config
from wolf.store.ledger import Ledger

CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
LEAST = 5.0  # bytes per evaluation of a part that gets a line


def deep(thing: object, seen: set[int]) -> tuple[int, int]:
    """Bytes and number of the objects that `thing` reaches and that are not in `seen`, to which they are added."""
    size = count = 0
    todo = [thing]
    while todo:
        found = todo.pop()
        if id(found) in seen or isinstance(found, CODE):
            continue
        seen.add(id(found))
        size, count = size + sys.getsizeof(found), count + 1
        todo += gc.get_referents(found)
        if isinstance(found, dict):
            todo += found  # of names the garbage collector, which has no use for them, says nothing
    return size, count


def parts(search: Any) -> Iterator[tuple[str, object]]:
    """The parts of a search, the innermost first."""
    proposer = search._proposer
    inner: Mapping[str, object] = {"population": search._strategy.population}
    if proposer is not None:
        inner = {**inner, "calls": proposer._calls, "stock": proposer._stock, "proposer": proposer}
    for name, part in {**inner, "strategy": search._strategy, "search": search}.items():
        for key, value in vars(part).items():
            if value is not search._strategy.population:
                yield f"{name}.{key.lstrip('_')}", value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    with Ledger.open(find_run(parser.parse_args().run)) as ledger, tempfile.TemporaryDirectory() as folder:
        events = list(ledger.events())
        told = sum(event.kind == "told" for event in events)
        seed = ledger.variant(events[0].body["seed_variant"])
        with Ledger.create(Path(folder, "run"), events[0].body, [seed]) as again:
            config, until = Config.from_dict(events[0].body["config"]), events[-1].body["evaluations"]
            search = replay._search(config, events, again, until)
            search.run()
            seen = {id(events)}
            deep(events, seen)
            print(f"{told} evaluations, {len(search._strategy.population)} variants", flush=True)
            for name, part in parts(search):
                size, count = deep(part, seen)
                if size >= LEAST * told:
                    print(f"{name:28} {size / 1000:9.1f} kB {count:7} objects {size / told:8.1f} bytes per evaluation")


if __name__ == "__main__":
    main()
