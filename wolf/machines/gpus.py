"""The GPUs of this machine, found by asking the driver: importing torch takes seconds and holds GPU memory."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

QUERY = ("nvidia-smi", "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits")
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU.

    Attributes:
        id: its UUID, which means the same in every process, whatever order CUDA counts in.
        kind: the model's name: `NVIDIA H100 80GB HBM3`.
        megabytes: its memory; 0 if nobody knows.
    """

    id: str
    kind: str
    megabytes: int = 0


def found() -> list[Gpu]:
    """The GPUs that this process may use, as far as CUDA_VISIBLE_DEVICES names them; none without a driver."""
    try:
        said = subprocess.run(QUERY, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in said.splitlines() if line.count(",") == 3]
    all_of_them = {row[0]: Gpu(row[1], row[2], int(row[3]) if row[3].isdigit() else 0) for row in rows}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list(all_of_them.values())
    named = [name.strip() for name in visible.split(",") if name.strip()]
    return [gpu for name in named if (gpu := all_of_them.get(name) or _by_id(name, all_of_them.values()))]


def _by_id(name: str, known: Iterable[Gpu]) -> Gpu | None:
    """By the first letters of a UUID, as CUDA allows; or a slice of a GPU (MIG), which the driver's list leaves out."""
    if name.startswith("MIG-"):
        return Gpu(name, "MIG slice")
    return next((gpu for gpu in known if name.startswith("GPU-") and gpu.id.startswith(name)), None)


def device(gpus_per_job: float) -> str:
    """What evaluations on this machine run on: the kind of GPU that is used, or `cpu`. Scores compare within one."""
    usable = alike(found()) if gpus_per_job else []
    return usable[0].kind if usable else "cpu"


def alike(gpus: Sequence[Gpu]) -> list[Gpu]:
    """Those of the kind that there is most of: scores of a training on a clock compare within one kind only."""
    if not gpus:
        return []
    kind = Counter(gpu.kind for gpu in gpus).most_common(1)[0][0]
    return [gpu for gpu in gpus if gpu.kind == kind]
