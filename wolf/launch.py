"""From a configuration to a running search: the one place that knows all the parts."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from judges.base import JudgeError
from judges.cage import Level
from population.evaluation import Evaluation
from population.knobs import Space
from population.pool import Population
from population.statements import arrangeable
from population.variant import Variant
from wolf.control.form import Secretary
from wolf.control.inbox import Inbox
from wolf.control.orders import Budget
from wolf.control.signals import heeded
from wolf.control.steering import Able, CheckIns
from wolf.control.stopping import Rules, Stop
from wolf.errors import LedgerError, UsageError, WolfError
from wolf.llm.smoking import SmokeRuns
from wolf.machines import gpus
from wolf.null import Null
from wolf.proposing import proposing
from wolf.reading.records import Run
from wolf.reading.reopening import objection
from wolf.reading.rows import TEXTS
from wolf.search import Search
from wolf.settings.config import Config
from wolf.settings.target import Target
from wolf.store.events import Event, Observer
from wolf.store.ledger import Ledger
from wolf.strategy.asks import Ask, Purpose, Strategy
from wolf.strategy.baselines import BASELINES
from wolf.strategy.hunt import Options, Wolf
from wolf.strategy.operators import available
from wolf.strategy.optimisers import OPTIMISERS
from wolf.strategy.sameness import Sameness
from wolf.strategy.screen import Screen, modelled
from wolf.terms import Terms
from wolf.workers.company import Company
from wolf.workers.lease import Leases
from wolf.workers.local import Job, LocalWorkers, Task, Workers
from wolf.workers.scratch import scratch
from wolf.workers.slots import lease

if TYPE_CHECKING:
    from wolf.store.bodies import Body, Record

WIDE = 8  # slots from which on a cohort wastes a fifth of the workers' time or more (benchmarks/scale.py)
FEW_KNOBS = 4  # with fewer, `statements: auto` lets perturbations touch the code itself


def create(config: Config, level: Level, run_dir: Path | None = None) -> Ledger:
    """A new run directory with its ledger, below `config.runs` or where it is said; candidates will be in `level`.

    Raises:
        UsageError: if nothing can be varied.
        JudgeError: if the judge lacks something here.
    """
    from wolf import version

    target = Target.of(config.target)
    seed = target.seed()
    operators(config, Space.of(seed.files, config.target.knobs), [*seed.files])
    if config.workers.kind == "local":  # the nodes of a cluster may have what is missing here
        config.judge.check(target.root)
    header = {
        "format": 1,
        "version": version(),
        "python": platform.python_version(),
        "name": config.name,
        "config": config.to_dict(),
        "strategy": config.search.strategy,
        "seed": config.search.seed,
        "slots": config.workers.slots,
        "judge": config.to_dict()["judge"]["kind"],
        "sandbox": level.value,
        "device": _device(config),
        "trust": config.judge.trust_level,
        "timed": config.judge.timed,
        "metric": config.judge.name,
        "goal": config.judge.goal.value,
        "target": target.tree_hash(),
        "seed_variant": seed.id,
        "noise": None,
    }
    ledger = Ledger.create(run_dir or _fresh_directory(Path(config.runs), config.name), header, [seed])
    target.note(ledger.run_dir)
    return ledger


def open_run(run_dir: Path) -> tuple[Ledger, Config]:
    """A run to go on with, and the configuration it was started with.

    Raises:
        LedgerError: if it cannot be opened, or if another process is running it.
        UsageError: if it is finished and no larger budget waits in its inbox, if its frozen files have changed since,
            or if it ran on another kind of GPU.
    """
    ledger = Ledger.open(run_dir, write=True)
    try:
        header = next(ledger.events()).body
        if ledger.finished and (said := objection(Run.of(ledger.events(), path=run_dir), _ordered(ledger))):
            raise UsageError(said)
        config = Config.from_dict(header["config"])
        if changed := Target.of(config.target).changed(run_dir, header["target"]):
            raise UsageError(
                f"{changed} since {run_dir} was started, so old and new scores cannot be compared: put them back, or "
                "start another run (a run keeps the configuration that it was started with, but for its budget, which "
                f"`wolf tell {quote(str(run_dir))} budget` changes)"
            )
        here = _device(config)
        if here != (before := header.get("device", here)):
            raise UsageError(
                f"{run_dir} has run on {before}, and here it would run on {here}, so old and new scores could not be "
                f"compared: go on where there is {before} (CUDA_VISIBLE_DEVICES chooses), or start another run"
            )
        return ledger, config
    except BaseException:
        ledger.close()
        raise


def drive(
    ledger: Ledger,
    config: Config,
    level: Level,
    observers: Sequence[Observer],
    say: Callable[[str], None],
    witnesses: Sequence[Observer] = (),
) -> Body | None:
    """Run the search of an open ledger to its end, or to where a person stops it; candidates are locked into `level`.

    `observers` see the events to come, `witnesses` those of earlier sessions, while the search takes them in.
    The first SIGINT or SIGTERM lets running evaluations finish, the second ends them.

    Returns:
        The body of `finished`; None if it was stopped and can be resumed.

    Raises:
        SetupError: if what the workers need is not here, or another run holds it.
    """
    target, header = Target.of(config.target), next(ledger.events()).body
    root, seed_variant = target.root, ledger.variant(header["seed_variant"])
    texts = header.get("judge") in TEXTS
    searching = strategy(config, seed_variant, ledger.variant)

    with (
        Leases(str(ledger.run_dir)) as leases,
        scratch(ledger.run_dir) as place,
        proposing(
            config,
            ledger.run_dir,
            searching.population,
            seed_variant,
            SmokeRuns(config.judge, root, config.workers.slots, level, place),
            say,
            lambda memo: search.steering.memo(memo),
            ledger.told,
        ) as proposer,
        workers_of(config, Task(config.judge, root, level, config.workers.threads), leases, place, say) as workers,
    ):
        workers.prepare(say)
        if config.search.mode == "cohort" and config.workers.slots >= WIDE:
            say(
                f"search.mode: cohort can be repeated, and waits for the slowest of {config.workers.slots} evaluations "
                "each time; search.mode=steady keeps every worker busy"
            )
        searching.ideas = proposer
        sameness = Sameness(config.judge.name, searching.population, seed_variant)

        def submit(ask: Ask) -> Future[Evaluation]:
            if known := sameness.verdict(ask.variant, ask.seed):
                done: Future[Evaluation] = Future()
                done.set_result(known)
                return done
            last = ask.purpose is Purpose.CONFIRM  # the one look at the holdout that an end of the run takes
            models = proposer.llms(ask.ordinal) if proposer else {}
            beside = ledger.variant(ask.beside).files if ask.beside and config.judge.compares else {}
            return start(Job(ask.variant, ask.seed, last, models, beside))

        def stopping() -> bool:
            return search.stop is not Stop.NO

        def record(records: list[Record]) -> None:
            for event in ledger.append(records):
                for observer in observers:
                    observer(event)

        watching, start = [*observers], workers.submit
        kinds, last = ledger.kinds, ledger.last
        missing = {"company", "null"} - kinds if "ended" not in kinds else set[str]()
        readings = _readings(ledger, seed_variant.id) if missing else []
        if "company" in missing and config.workers.slots > 1 and config.judge.timed:
            company = Company(seed_variant, config.workers.slots, workers.submit, record, stopping, readings)
            watching.append(company)
            start = company.submit
            if not readings:
                say(
                    "the seed's first evaluation runs alone, and the others wait for it: does company change the score?"
                )
        if "null" in missing:
            watching.append(Null(config.judge, seed_variant, lambda null: start(Job(null, 0)), record, readings))
        if config.check_in is not None:
            watching.append(Secretary(ledger.run_dir))
        checks = config.check_in

        def edited() -> str:
            """What somebody has changed under the candidates that run here; what cannot be read says nothing."""
            with suppress(OSError):
                if config.workers.kind == "local" and not texts:
                    return target.changed(ledger.run_dir, header["target"])
            return ""

        search = Search(
            searching,
            submit,
            ledger,
            _rules(config),
            terms(config, seed_variant, level),
            observers=watching,
            proposer=proposer,
            able=Able(config.llm is not None, texts, config.search.mode == "cohort"),
            sameness=sameness,
            checks=CheckIns(checks.every, checks.seconds, checks.show) if checks else None,
            edited=edited,
        )

        def stop(number: int) -> bool:
            search.signal = number
            search.stop = Stop.DRAIN if search.stop is Stop.NO else Stop.NOW
            return search.stop is Stop.DRAIN

        with heeded(stop, say):
            try:
                ended = search.run(witnesses)
                if ended is None and (said := edited()):
                    say(f"WARNING: {said}; `wolf resume` will want them back")
                return ended
            except (LedgerError, OSError):  # there is nowhere to write it
                raise
            except Exception as error:
                if last.kind != "aborted" or ledger.last.seq != last.seq:  # or it has got no further
                    record([("aborted", {"reason": _reason(error)})])
                raise
            finally:
                if proposer:
                    proposer.hang_up()
                if search.stop is Stop.NOW:
                    workers.close(kill=True)


def _reason(error: Exception) -> str:
    """Why a run could not go on, for whoever looks at it later."""
    ours = isinstance(error, WolfError | JudgeError)
    return str(error) if ours else f"a fault of Auto Wolf itself ({type(error).__name__}: {error})"


def workers_of(config: Config, task: Task, leases: Leases, place: Path, say: Callable[[str], None]) -> Workers:
    """The workers that a configuration asks for; what they have to themselves here is among `leases`, and `place`."""
    if config.workers.kind == "ray":
        from wolf.workers.cluster import RayWorkers

        return RayWorkers(task, config.workers, Target.of(config.target))
    return LocalWorkers(task, lease(config.workers, leases, say), place)


def operators(config: Config, space: Space, files: Sequence[str]) -> tuple[str, ...]:
    """The names of the operators that can change these files.

    Raises:
        UsageError: if nothing can.
    """
    search = config.search
    wanted = search.statements == "on" or (search.statements == "auto" and len(space.names) < FEW_KNOBS)
    statements = wanted and (config.llm is not None or any(map(arrangeable, files)))
    sampling = search.strategy in ("random", *OPTIMISERS)  # these draw knobs, and can do nothing else
    if not space.names and (not statements or sampling):
        raise UsageError(
            f"{', '.join(files)}: no knobs, so there is nothing to vary: name constants in ALL_CAPS, or "
            "declare target.knobs" + ("" if sampling or wanted else ", or set search.statements: on")
        )
    return available(bool(space.names), search.recombine, statements, bool(space.frames))


def strategy(config: Config, seed_variant: Variant, recall: Callable[[str], Variant]) -> Strategy:
    """The strategy that a configuration asks for, with nothing told yet."""
    overrides: dict[str, Any] = dict(config.target.knobs)
    space = Space.of(seed_variant.files, overrides)
    population = Population(space, config.judge.goal, recall, config.judge.doubt)
    search, names = config.search, operators(config, space, [*seed_variant.files])
    if search.strategy != "wolf":
        return (BASELINES | OPTIMISERS)[search.strategy](
            population, seed_variant, search.seed, names, config.budget.evaluations
        )
    options = Options(search.survey, search.departures, search.novelty, search.noise_gate, search.escape)
    screen = Screen(modelled(search.surrogate, config.judge.seconds_expected))
    return Wolf(population, seed_variant, search.seed, names, config.budget.evaluations, options, screen)


def terms(config: Config, seed_variant: Variant, level: Level = Level.NONE) -> Terms:
    """What the search of a configuration is told when it begins; candidates are locked into `level`."""
    return Terms(
        config.judge.goal,
        config.judge.name,
        config.search.seed,
        seed_variant,
        config.workers.slots,
        config.search.mode == "cohort",
        config.confirm.seeds,
        level.value,
    )


def _ordered(ledger: Ledger) -> dict[str, float]:
    """The budget that waits in the inbox of a run, as totals by name."""
    answered = (event.body for event in ledger.events() if event.kind in ("intervention", "refused"))
    letters = Inbox(ledger.run_dir).letters({(body["id"], body["stamp"]) for body in answered})
    orders = [letter.order for letter in letters if isinstance(letter.order, Budget)]
    return {name: many for order in orders for name, many in order.limits.items()}


def _readings(ledger: Ledger, variant: str) -> list[Event]:
    """The `told` events of a variant."""
    told = (event for event in ledger.events(naming=variant) if event.kind == "told")
    return [event for event in told if event.body["variant"] == variant]


def _device(config: Config) -> str:
    """What evaluations would run on now: a kind of GPU, or `cpu`."""
    workers = config.workers
    if workers.kind == "ray":
        from wolf.machines import cluster

        return cluster.device(workers.address or "auto", workers.threads, workers.gpus_per_job)
    return gpus.device(workers.gpus_per_job)


def _rules(config: Config) -> Rules:
    budget, stop = config.budget, config.stop
    seconds = budget.hours and budget.hours * 3600
    return Rules(
        budget.evaluations, seconds, stop.target, stop.plateau, config.judge.goal, usd=budget.usd, alarm=stop.alarm
    )


def _fresh_directory(runs: Path, name: str) -> Path:
    stamp = datetime.now().strftime("%m%d-%H%M%S")
    candidates = (runs / f"{name}-{stamp}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    for path in candidates:
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            continue
        except OSError as error:
            raise LedgerError(
                f"cannot make {path}: {error.strerror}; set runs: to a folder you can write to"
            ) from error
    raise LedgerError(f"{runs} is full of runs called {name}-{stamp}")
