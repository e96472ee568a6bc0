"""The arms of a comparison: each a configuration, and a run for each of the paired seeds.

    OUT/ARM/seed-N/ledger.db    an ordinary run; finished ones are kept, half-done ones go on where they were

The ledgers are the only state: what is there says what is left to do, and whether it was done with the same
configuration.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from judges.cage import Level
from wolf import launch
from wolf.errors import UsageError
from wolf.reading.finding import LEDGER
from wolf.settings.config import Config, load
from wolf.settings.sections import SearchConfig
from wolf.settings.target import Target
from wolf.store.ledger import Ledger

STRATEGIES: tuple[str, ...] = get_args(SearchConfig.model_fields["strategy"].annotation)
ABLATIONS = {  # what a mechanism's absence means in the configuration
    "screening": "search.surrogate=off",
    "survey": "search.survey=0",
    "departures": "search.departures=0",
    "escape": "search.escape=false",
    "novelty": "search.novelty=false",
    "recombine": "search.recombine=false",
    "noise_gate": "search.noise_gate=false",
}
REFERENCE = "wolf"  # what ablations are taken from
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IRRELEVANT = ("name", "runs")  # keys that change no trajectory


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to search. `against` is the arm that it is compared with, None for the baseline itself."""

    name: str
    overrides: tuple[str, ...]
    against: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of a comparison."""

    arm: str
    seed: int
    path: Path
    config: Config

    @property
    def total(self) -> int:
        """How many evaluations it takes at most: the search's, and those of seed and champion on fresh seeds."""
        return (self.config.budget.evaluations or 0) + 2 * self.config.confirm.seeds


def parse(strategies: str, ablate: str, own: Sequence[str], baseline: str | None) -> list[Arm]:
    """The arms that the options of the command line mean.

    Args:
        strategies: names separated by commas.
        ablate: mechanisms to take from `wolf`, separated by commas; may be empty.
        own: arms of one's own, `name: key=value key=value`.
        baseline: the arm that others are compared with; `greedy` or else the first.

    Raises:
        UsageError: for names that do not exist, or are there twice, and for fewer than two arms.
    """
    made: dict[str, tuple[str, ...]] = {}

    def add(name: str, overrides: Sequence[str], option: str) -> None:
        if name in made:
            raise UsageError(f"{option}: the arm {name!r} is there twice; keep one")
        made[name] = tuple(overrides)

    for name in _listed(strategies):
        add(_known(name, STRATEGIES, "--strategies", "strategy"), [f"search.strategy={name}"], "--strategies")
    for name in _listed(ablate):
        said = ABLATIONS[_known(name, [*ABLATIONS], "--ablate", "mechanism")]
        add(f"{REFERENCE}-{name}", [f"search.strategy={REFERENCE}", said], "--ablate")
    for text in own:
        name, colon, words = text.partition(":")
        if not colon or not _NAME.fullmatch(name.strip()) or not all("=" in word for word in words.split()):
            raise UsageError(f"--arm: expected `name: key=value key=value`, found {text!r}")
        add(name.strip(), words.split(), "--arm")
    if len(made) < 2:
        raise UsageError(f"a comparison needs two arms or more, found {', '.join(made) or 'none'}: add to --strategies")
    first = baseline or ("greedy" if "greedy" in made else next(iter(made)))
    if first not in made:
        raise UsageError(f"--baseline: there is no arm {first!r}; the arms are {', '.join(made)}")
    ablated = {f"{REFERENCE}-{name}" for name in ABLATIONS} if REFERENCE in made else set()
    return [
        Arm(name, overrides, None if name == first else REFERENCE if name in ablated else first)
        for name, overrides in made.items()
    ]


def plan(
    config: str, overrides: Sequence[str], arms: Sequence[Arm], seeds: int, evaluations: int | None, out: Path | None
) -> list[Entry]:
    """All runs, seed by seed, so that whoever stops half-way has whole pairs.

    Every arm gets the same evaluations (limits on hours, other reasons to stop early and check-ins are dropped) and one
    slot, unless `overrides` says otherwise: to evaluate several at once costs a search information, to run several
    searches at once costs nothing.

    Raises:
        UsageError: if there is no limit on evaluations, if there are fewer than two seeds, or if `out` is a run.
    """
    if seeds < 2:
        raise UsageError(f"--seeds: a comparison needs two seeds at least, found {seeds}; twelve is a good start")
    said = [*overrides, *([f"budget.evaluations={evaluations}"] if evaluations else [])]
    if not any(word.startswith("workers.slots=") for word in said):
        said.append("workers.slots=1")
    made: dict[str, Config] = {}
    for arm in arms:
        loaded = load(config, [*said, *arm.overrides])
        if loaded.budget.evaluations is None:
            raise UsageError(f"{config} limits hours only, and arms must have equal evaluations: say --evaluations N")
        made[arm.name] = _unhindered(loaded)
        _check(made[arm.name])
    first = next(iter(made.values()))
    same = (first.budget.evaluations, first.confirm.seeds, first.judge)
    if any((one.budget.evaluations, one.confirm.seeds, one.judge) != same for one in made.values()):
        raise UsageError("--arm: arms must have the same judge, budget.evaluations and confirm.seeds to be comparable")
    folder = out or Path(first.runs, f"compare-{first.name}")
    if (folder / LEDGER).is_file():
        raise UsageError(f"--out: {folder} is a run; name a folder that the runs of the comparison go into")
    return [
        Entry(arm, seed, folder / arm / f"seed-{seed}", _seeded(loaded, seed))
        for seed in range(seeds)
        for arm, loaded in made.items()
    ]


def prepare(entry: Entry, level: Level) -> tuple[bool, int]:
    """Make the run's ledger if it is not there.

    Returns:
        Whether the run is finished, and how many evaluations it has so far.

    Raises:
        UsageError: if it is there and was made with another configuration or from other files, or was opened again.
    """
    if not (entry.path / LEDGER).is_file():
        launch.create(entry.config, level, entry.path).close()
        return False, 0
    with Ledger.open(entry.path) as ledger:
        events = ledger.events()
        header = next(events).body
        kinds = [event.kind for event in events]
        done = ledger.finished
    target = Target.of(entry.config.target)
    changed = _difference(entry.config.to_dict(), header["config"])
    if header["seed_variant"] != target.seed().id:
        changed = f"the files of {target.root} have changed"
    changed = changed or target.changed(entry.path, header["target"])
    if changed:
        raise UsageError(
            f"{changed} since {entry.path} was made, so old and new scores cannot be compared: undo that, or "
            "name another folder with --out"
        )
    if "reopened" in kinds:
        raise UsageError(
            f"{entry.path} was opened again after its end, so its budget is not that of the others: move it elsewhere, "
            "or name another folder with --out"
        )
    return done, kinds.count("told")


def _check(config: Config) -> None:
    """That the strategy can search this target, before anything is started."""
    seed = Target.of(config.target).seed()
    launch.strategy(config, seed, {seed.id: seed}.__getitem__)


def _unhindered(config: Config) -> Config:
    """The configuration without what could end a run before its evaluations are used."""
    alarm = "go" if config.stop.alarm == "stop" else config.stop.alarm
    return config.model_copy(
        update={
            "budget": config.budget.model_copy(update={"hours": None}),
            "stop": config.stop.model_copy(update={"target": None, "plateau": None, "alarm": alarm}),
            "check_in": None,
        }
    )


def _seeded(config: Config, offset: int) -> Config:
    search = config.search.model_copy(update={"seed": config.search.seed + offset})
    return config.model_copy(update={"search": search})


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _known(name: str, names: Sequence[str], option: str, what: str) -> str:
    if name in names:
        return name
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(names)}"
    raise UsageError(f"{option}: there is no {what} {name!r}; {hint}")


def _difference(now: Any, then: Any, path: str = "") -> str:
    """The first key whose value differs, in words; nothing if none does."""
    if isinstance(now, dict) and isinstance(then, dict):
        keys = [key for key in {**then, **now} if path or key not in _IRRELEVANT]
        found = (_difference(now.get(key), then.get(key), f"{path}.{key}" if path else key) for key in keys)
        return next(filter(None, found), "")
    return "" if now == then else f"{path} (now {now}, then {then}) has changed"
