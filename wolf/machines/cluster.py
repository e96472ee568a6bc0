"""A Ray cluster: reaching it, and what its nodes have room for."""

from __future__ import annotations

import os
import socket
from collections import Counter
from typing import Any

from wolf.errors import SetupError

KIND = "accelerator_type:"  # Ray's resource that names the GPUs of a node
CONNECT_SECONDS = 10.0


def connect(address: str) -> Any:
    """The module `ray`, connected.

    Raises:
        SetupError: if Ray is not installed, or no cluster answers.
    """
    try:
        import ray
    except ImportError:
        raise SetupError("workers.kind: ray needs Ray: pip install 'auto-wolf[ray]'") from None
    if not ray.is_initialized():
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            ray.init(address=_reachable(address), log_to_driver=False, logging_level="ERROR")
        except (OSError, RuntimeError, ValueError) as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise SetupError(
                f"no Ray cluster answers at workers.address: {address} ({said[0]}); start one with `ray start --head`, "
                "set RAY_ADDRESS to where it is now, or use workers.kind: local"
            ) from error
    return ray


def _reachable(address: str) -> str:
    """`address`, or RAY_ADDRESS if nobody listens there: a run that is resumed knows only its first cluster.

    Raises:
        OSError: if nobody listens at either; Ray itself would try for minutes.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        return address
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
        return address
    except OSError:
        elsewhere = os.environ.get("RAY_ADDRESS", address)
        if elsewhere == address:
            raise
        return _reachable(elsewhere)


def width(address: str, threads: int, gpus_per_job: float) -> int:
    """How many jobs fit on the cluster at a time; at least 1.

    Raises:
        SetupError: see `connect`.
    """
    return max(1, sum(able_nodes(connect(address), threads, gpus_per_job)[1].values()))


def device(address: str, threads: int, gpus_per_job: float) -> str:
    """The kind of GPU, as Ray calls it, of the nodes that would be used now, or `cpu`.

    Raises:
        SetupError: see `connect`.
    """
    return able_nodes(connect(address), threads, gpus_per_job)[0] or "cpu"


def able_nodes(ray: Any, threads: int, gpus_per_job: float) -> tuple[str, dict[str, int]]:
    """The kind of GPU with the most room (empty: no GPUs are asked for), and the room of its nodes by id."""
    found = nodes(ray, threads, gpus_per_job)
    room: Counter[str] = Counter()
    for _, kind, jobs in found:
        room[kind] += jobs
    best = min(room, key=lambda kind: (-room[kind], kind), default="")
    return best, {id: jobs for id, kind, jobs in found if kind == best}


def nodes(ray: Any, threads: int, gpus_per_job: float) -> list[tuple[str, str, int]]:
    """Nodes that are alive and have room: id, kind of GPU, jobs at a time."""
    found = []
    for each in ray.nodes():
        has = each["Resources"]
        jobs = int(has.get("CPU", 0) // threads)
        kind = ""
        if gpus_per_job:
            jobs = min(jobs, int(has.get("GPU", 0) / gpus_per_job + 1e-9))
            kind = next((name.removeprefix(KIND) for name in sorted(has) if name.startswith(KIND)), "")
        if each["Alive"] and jobs:
            found.append((each["NodeID"], kind, jobs))
    return found
