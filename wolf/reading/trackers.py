"""Runs in TensorBoard, MLflow and Weights & Biases: `wolf run CONFIG --track tensorboard`.

A tracker is an observer: it cannot change the search, and when it breaks it says so once and is left alone. What it
shows is what `Run` folded; the ledger stays the one record. TensorBoard's files and, without `MLFLOW_TRACKING_URI` or
`WANDB_DIR`, the others' too, lie in the run directory. A resumed run goes on in the same place.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from wolf.errors import SetupError
from wolf.reading.lines import what_changed
from wolf.reading.records import ENDS, Run
from wolf.reading.rows import Told
from wolf.reading.verdict import verdict
from wolf.store.events import Event

LONGEST_PARAMETER = 500  # characters: MLflow takes no more


class Backend(Protocol):
    """What a tracker's library is asked to do."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers at an evaluation."""

    def note(self, step: int, text: str) -> None:
        """A sentence at an evaluation."""

    def close(self, facts: Mapping[str, Any], done: bool) -> None:
        """The outcome; `done` unless the run may be resumed."""


class Tracker:
    """Tells a backend what happens."""

    def __init__(self, name: str, backend: Backend, so_far: Run, say: Callable[[str], None]) -> None:
        """Go on from `so_far`; `name` and `say` are for the sentence when it breaks."""
        self._name, self._backend, self._run, self._say = name, backend, so_far, say
        self._broken = False

    def __call__(self, event: Event) -> None:
        """Fold and pass on. Whatever the library does wrong ends tracking and not the run."""
        self._run.add(event)
        if self._broken:
            return
        try:
            self._pass_on(event)
        except Exception as error:
            self._broken = True
            self._say(f"{self._name} gave up: {type(error).__name__}: {error}; the run goes on without it")

    def _pass_on(self, event: Event) -> None:
        run = self._run
        match event.kind:
            case "told":
                told = run.told[-1]
                self._backend.log(told.ordinal, dict(_numbers(told)))
            case "crowned":
                crown = run.crowned[-1]
                self._backend.note(crown.ordinal, f"{crown.variant} {what_changed(run.asked.get(crown.ordinal), None)}")
            case kind if kind in ENDS:
                said = verdict(run)
                facts: dict[str, Any] = {"champion": run.champion, "verdict": said.sentence, "status": event.kind}
                if said.gain is not None:
                    facts |= {"gain": said.gain.mean, "gain_low": said.gain.low, "gain_high": said.gain.high}
                self._backend.close(facts, event.kind == "finished")


def require(names: Sequence[str]) -> None:
    """Whether the libraries are there.

    Raises:
        SetupError: if one is missing.
    """
    for name in names:
        if find_spec(name) is None:
            raise SetupError(f"--track {name} needs its library: pip install 'auto-wolf[trackers]'")


def tracker(name: str, so_far: Run, say: Callable[[str], None]) -> Tracker:
    """The tracker called `name` for the run `so_far`, which has a directory.

    Raises:
        SetupError: if its library is missing, or will not start.
    """
    assert so_far.path is not None
    make: Mapping[str, Callable[[Run, Path], Backend]] = {"tensorboard": TensorBoard, "mlflow": MLflow, "wandb": WandB}
    try:
        return Tracker(name, make[name](so_far, so_far.path), so_far, say)
    except Exception as error:
        raise SetupError(f"--track {name} cannot start: {type(error).__name__}: {error}") from error


class TensorBoard:
    """Event files in RUN/tensorboard: `tensorboard --logdir RUN/tensorboard`."""

    def __init__(self, run: Run, path: Path) -> None:
        """Open a new event file; a resumed run has several, which TensorBoard shows as one."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(path / "tensorboard"))
        if not run.told:
            rows = "".join(f"    {name}: {value}\n" for name, value in parameters(run).items())
            self._writer.add_text("configuration", rows, 0)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def note(self, step: int, text: str) -> None:
        """A text."""
        self._writer.add_text("champions", text, step)

    def close(self, facts: Mapping[str, Any], done: bool) -> None:
        """The outcome as a text."""
        self._writer.add_text("outcome", "\n".join(f"    {name}: {fact}" for name, fact in facts.items()))
        self._writer.close()


class MLflow:
    """A run of the experiment that is called like the configuration."""

    def __init__(self, run: Run, path: Path) -> None:
        """Find this run's, or begin it."""
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # it prefers a database; the run directory is ours
        from mlflow import MlflowClient
        from mlflow.entities import Metric

        self._metric = Metric
        where = os.environ.get("MLFLOW_TRACKING_URI") or (path.resolve() / "mlruns").as_uri()
        self._client, identity = MlflowClient(where), _identity(run)
        known = self._client.get_experiment_by_name(run.header.name)
        experiment = known.experiment_id if known else self._client.create_experiment(run.header.name)
        found = self._client.search_runs([experiment], f"tags.wolf = '{identity}'")
        if found:
            self._id = found[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
            return
        self._id = self._client.create_run(experiment, tags={"wolf": identity}, run_name=path.name).info.run_id
        for name, value in parameters(run).items():
            self._client.log_param(self._id, name, value[:LONGEST_PARAMETER])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One batch."""
        import time

        now = int(1000 * time.time())
        self._client.log_batch(self._id, [self._metric(name, value, now, step) for name, value in values.items()])

    def note(self, step: int, text: str) -> None:
        """As a tag: the latest champion."""
        self._client.set_tag(self._id, "champion", f"{step}: {text}"[:LONGEST_PARAMETER])

    def close(self, facts: Mapping[str, Any], done: bool) -> None:
        """Tags, and the end."""
        for name, fact in facts.items():
            self._client.set_tag(self._id, f"outcome.{name}", str(fact))
        self._client.set_terminated(self._id, "FINISHED" if done else "KILLED")


class WandB:
    """A run of the project `auto-wolf`, or of `WANDB_PROJECT`; `WANDB_MODE=offline` keeps it here."""

    def __init__(self, run: Run, path: Path) -> None:
        """Begin it, or go on with it."""
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "auto-wolf"), name=path.name, id=_identity(run), resume="allow",
            config=dict(parameters(run)), dir=os.environ.get("WANDB_DIR", str(path)),
            settings=wandb.Settings(silent=True, console="off", disable_git=True, save_code=False),
        )  # fmt: skip

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One row; `ordinal` is its own step, because confirmations may come back in any order."""
        self._run.log({**values, "ordinal": step})

    def note(self, step: int, text: str) -> None:
        """In the summary: the latest champion."""
        self._run.summary["latest_champion"] = f"{step}: {text}"

    def close(self, facts: Mapping[str, Any], done: bool) -> None:
        """The summary, and the end."""
        self._run.summary.update(dict(facts))
        self._run.finish(exit_code=0 if done else 1)


def parameters(run: Run) -> dict[str, str]:
    """The configuration, flat: `search.strategy` -> `wolf`."""
    flat: dict[str, str] = {}
    stack: list[tuple[str, Any]] = [("", run.header.config)]
    while stack:
        name, value = stack.pop()
        if isinstance(value, Mapping) and value:
            stack += [(f"{name}.{key}" if name else str(key), below) for key, below in value.items()]
        elif value is not None:
            flat[name] = str(value)
    return dict(sorted(flat.items()))


def _numbers(told: Told) -> list[tuple[str, float]]:
    confirming = told.purpose == "confirm"
    numbers: list[tuple[str, float | None]] = [
        ("confirmation" if confirming else "score", told.score), ("seconds", told.seconds), ("cost", told.cost),
        ("failed", float(not told.ok)),
    ]  # fmt: skip
    if not confirming:
        numbers += [("heat", told.heat), ("noise", told.noise)]
        if told.best is not None:
            numbers += [("champion", told.best.mean), ("champion_sigma", told.best.sigma)]
    numbers += [(f"metrics.{name}", value) for name, value in told.metrics.items()]
    return [(name, float(value)) for name, value in numbers if value is not None]


def _identity(run: Run) -> str:
    """The same for a run and its resumption, another for every other run."""
    return hashlib.sha256(f"{run.header.name} {run.events[0].time}".encode()).hexdigest()[:16]
