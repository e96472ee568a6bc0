"""Slots: how many evaluations run at a time on this machine, and what each has to itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wolf.errors import SetupError
from wolf.machines import gpus
from wolf.machines.here import SHARED, cores, memory
from wolf.workers.lease import Leases

if TYPE_CHECKING:
    from wolf.settings.sections import WorkersConfig


@dataclass(frozen=True, slots=True)
class Slot:
    """What one evaluation at a time may use.

    Attributes:
        index: from 0.
        gpu: what its CUDA_VISIBLE_DEVICES is to be; empty: no GPU.
        cores: the cores that it is bound to; none: wherever there is room.
        memory: bytes of resident memory. None: no limit.
    """

    index: int
    gpu: str = ""
    cores: tuple[int, ...] = ()
    memory: int | None = None


def lease(config: WorkersConfig, leases: Leases, say: Callable[[str], None]) -> list[Slot]:
    """The slots that a configuration asks for; what a slot has to itself (a GPU, bound cores) is leased.

    Raises:
        SetupError: if there is not enough here, or another run holds it.
    """
    count, each = config.slots, config.gpus_per_job
    assigned_gpus, assigned_cores = [""] * count, [()] * count if not config.pin else _bound(config, leases)
    if each:
        there = gpus.found()
        usable = gpus.alike(there)
        if not usable:
            raise SetupError("an evaluation needs a GPU (workers.gpus_per_job), and nvidia-smi finds none here: load "
                             "the driver, or unset CUDA_VISIBLE_DEVICES")  # fmt: skip
        if len(usable) < len(there):
            others = ", ".join(sorted({gpu.kind for gpu in there} - {usable[0].kind}))
            say(f"only the {len(usable)} {usable[0].kind} are used: scores on {others} would not compare with theirs")
        assigned_gpus = _shared([gpu.id for gpu in usable], count, each, leases)
    share = int(config.memory_gb * 1e9) if config.memory_gb else int(SHARED * memory() / count)
    pairs = zip(assigned_gpus, assigned_cores, strict=True)
    return [Slot(index, gpu, bound, share) for index, (gpu, bound) in enumerate(pairs)]


def _shared(ids: list[str], count: int, each: float, leases: Leases) -> list[str]:
    """CUDA_VISIBLE_DEVICES of each slot: some GPUs of its own, or a share of one."""
    if each >= 1:
        whole = int(each)
        held = leases.take(ids, count * whole)
        return [",".join(held[i * whole : (i + 1) * whole]) for i in range(count)]
    jobs = int(1 / each + 1e-9)
    held = leases.take(ids, -(-count // jobs))
    return [held[i % len(held)] for i in range(count)]


def _bound(config: WorkersConfig, leases: Leases) -> list[tuple[int, ...]]:
    threads = config.threads
    held = leases.take([f"core-{core}" for core in cores()], config.slots * threads)
    numbers = [int(name.partition("-")[2]) for name in held]
    return [tuple(numbers[i * threads : (i + 1) * threads]) for i in range(config.slots)]
