"""From the `llm:` section of a configuration to a proposer, or to none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from population.pool import Population
from population.variant import Variant
from wolf.llm.models import build
from wolf.llm.proposer import Proposer
from wolf.llm.setting import Setting
from wolf.llm.smoking import SmokeRuns
from wolf.llm.stock import Checks
from wolf.settings.config import Config
from wolf.settings.target import Target
from wolf.store.mishaps import plainly
from wolf.strategy.hunt import BASELINE_READINGS, surveyed

NOTES = "notes.md"  # in the run's folder: what it has learnt so far; a person may edit it


@contextmanager
def proposing(
    config: Config,
    run_dir: Path,
    population: Population,
    seed: Variant,
    smoking: SmokeRuns,
    say: Callable[[str], None],
    memo: Callable[[str], str],
    told: Callable[[int], Mapping[str, Any]],
) -> Iterator[Proposer | None]:
    """Who has ideas for a run that starts from `seed`; None without an `llm:` section.

    `memo` is what a person made of the target's memo; `smoking` tries ideas out; `told` finds `told` events by number.

    Raises:
        SetupError: if a model needs a key and there is none.
    """
    if config.llm is None:
        yield None
        return
    from wolf.llm.calls import Calls
    from wolf.llm.prompting import Texts

    models, prices = build(config.llm)
    writers = ", ".join(name for name in models if name not in silent(config)) or "nobody"
    where = f" at {config.llm.address}" if config.llm.address else ""
    say(f"proposals by {writers}{where}, for at most ${config.budget.usd:g}")
    calls = Calls(models, prices, config.budget.usd or 0.0, at_once=config.llm.at_once)
    with closing(calls), smoking:
        checks = Checks(smoking.glance, smoking.submit if config.judge.smokes else None)
        known = setting(config, run_dir, memo, checks, told)
        yield Proposer(config.llm, calls, Texts(config.llm.prompts), population, seed, known)


def setting(
    config: Config,
    run_dir: Path,
    memo: Callable[[str], str],
    checks: Checks,
    told: Callable[[int], Mapping[str, Any]],
) -> Setting:
    """What the proposer of a run in `run_dir` has to know; `memo` turns the written memo into the one that counts."""
    target, search, path = Target.of(config.target), config.search, run_dir / NOTES
    slots, survey = config.workers.slots, surveyed(search.survey, config.budget.evaluations)

    def places() -> Mapping[str, str]:
        return {**rules(config, target), "memo": memo(target.memo())}

    def notes(text: str | None) -> str:
        if text is not None:
            with plainly(path):
                path.write_text(text.strip() + "\n", "utf-8")
        return path.read_text("utf-8", errors="replace").strip() if path.is_file() else ""

    return Setting(
        seed=search.seed,
        slots=slots,
        cohort=search.mode == "cohort",
        first=BASELINE_READINGS + max(0, survey - 2 * slots) if search.strategy == "wolf" else 1,
        evaluations=config.budget.evaluations,
        seconds=config.budget.hours and config.budget.hours * 3600,
        usd=config.budget.usd or 0.0,
        places=places,
        notes=notes,
        checks=checks,
        told=told,
        silent=silent(config),
    )


def silent(config: Config) -> frozenset[str]:
    """Models that only confirm: whoever judges in the end has no ideas of its own in the race."""
    return frozenset(getattr(config.judge, "holdout", ()))


def rules(config: Config, target: Target) -> Mapping[str, str]:
    """What fills the places of `rules.md`."""
    seconds = config.judge.seconds_expected or config.judge.seconds_each
    return {
        "metric": config.judge.name,
        "direction": config.judge.goal.better,
        "evaluation": f"One evaluation takes about {seconds:.0f} s." if seconds else "",
        "wanted": config.judge.wanted,
        "files": ", ".join(target.files),
        "memo": target.memo(),
    }
