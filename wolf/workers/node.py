"""What happens on a node of a Ray cluster: see whether it can be trusted with a run, and run one job of it.

`cluster.py` calls these functions there; they know nothing of Ray but how to find out which node they are on.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
import platform
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from judges import sandbox
from judges.base import JudgeError
from judges.cage import HOUSE, Level
from judges.workspace import tree
from population.evaluation import Evaluation
from wolf.machines.here import SHARED, memory
from wolf.workers.local import Job, Task, evaluate, remove
from wolf.workers.slots import Slot

if TYPE_CHECKING:
    from wolf.settings.target import Target

PACKAGES = ("wolf", "judges", "population", "train_target")
LIBRARIES = ("numpy", "scipy", "torch")
MOST_BYTES = 256 << 20  # a larger target belongs on a file system that all nodes share


@dataclass(frozen=True, slots=True)
class Charge:
    """What a node is given once per run.

    Attributes:
        run: names the run.
        task: what all jobs share; its `root` is the head's.
        target: where the head has the target.
        tree: the target's hash.
        packed: the target's files, for nodes that have others under its path, or none; empty if they are too large.
        share: jobs that a node runs at the same time, by node id.
        memory: bytes of one evaluation; None: an equal share of the node's memory.
    """

    run: str
    task: Task
    target: Target
    tree: str
    packed: bytes
    share: dict[str, int]
    memory: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a node says of itself.

    Attributes:
        node: its name.
        software: versions, and a hash of our own code.
        sandbox: why candidates cannot be locked in there as the run demands; empty if they can.
        data: the judge's fingerprint.
        processor: its CPU.
        said: what preparing had to say.
    """

    node: str
    software: str
    sandbox: str
    data: str
    processor: str
    said: tuple[str, ...] = ()


_ready: dict[str, tuple[Task, Facts]] = {}  # by run, in this process


def facts(charge: Charge) -> Facts:
    """Make everything ready here, once per process, and say what there is.

    Raises:
        JudgeError: if the judge lacks something here.
    """
    return _prepared(charge)[1]


def run(charge: Charge, expected: Facts, node: str, job: Job) -> Evaluation:
    """Run one job here, unless this is not the kind of node that the others are.

    Raises:
        JudgeError: if scores from here would not compare, or candidates would not be locked in.
    """
    task, here = _prepared(charge)
    if why := mismatch(here, expected):
        raise JudgeError(why)
    jobs = charge.share.get(node, 0)
    share = charge.memory or (int(SHARED * memory() / jobs) if jobs else None)
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "") if task.judge.gpu else ""  # Ray's choice
    return evaluate(task, job, Slot(0, gpu, memory=share))


def mismatch(here: Facts, expected: Facts) -> str:
    """Why a node cannot take part; empty if it can."""
    if here.software != expected.software:
        return f"{here.node} has other software ({here.software}) than this run ({expected.software}): install the same"
    if here.sandbox:
        return f"on {here.node} the run's sandbox does not hold: {here.sandbox}"
    if here.data != expected.data:
        return (
            f"{here.node} has other data than {expected.node} ({here.data} and {expected.data}): let judge.cache be a "
            "folder that all nodes share, or install the same Python everywhere"
        )
    return ""


def software() -> str:
    """Versions of what scores depend on."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((HOUSE / package).rglob("*.py")):
            digest.update(f"{path.relative_to(HOUSE)}\0".encode() + path.read_bytes())
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    return f"Auto Wolf {digest.hexdigest()[:10]}, Python {platform.python_version()}, {libraries}"


def pack(target: Target, include: Sequence[str] = ()) -> bytes:
    """The target's files in one piece, links followed; nothing if they are too many to send."""
    names = tree(target.root, tuple(include))
    size = sum((target.root / name).stat().st_size for name in names if (target.root / name).is_file())
    if size > MOST_BYTES:
        return b""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", dereference=True) as archive:
        for name in names:
            if (target.root / name).is_file():
                archive.add(target.root / name, name, recursive=False)
    return out.getvalue()


def _prepared(charge: Charge) -> tuple[Task, Facts]:
    if charge.run not in _ready:
        task = replace(charge.task, root=_root(charge))
        said: list[str] = []
        task.judge.prepare(task.root, said.append)
        level = task.level
        why = "" if level is Level.NONE else sandbox.absent(level) or sandbox.broken(level)
        found = Facts(platform.node(), software(), why, task.judge.fingerprint(), _processor(), tuple(said))
        _ready[charge.run] = (task, found)
    return _ready[charge.run]


def _root(charge: Charge) -> Path:
    """The target here: where the head has it if that is the same, else what it sent, unpacked once per node."""
    here = charge.target.root
    if here.is_dir() and charge.target.tree_hash() == charge.tree:
        return here
    if not charge.packed:
        raise JudgeError(
            f"{platform.node()} has not the target that the head has in {here}, and it is too large to send "
            f"(more than {MOST_BYTES >> 20} MB): put it on a file system that all nodes share"
        )
    place = Path(
        tempfile.gettempdir(), f"auto-wolf-{os.getuid()}", f"target-{hashlib.sha256(charge.packed).hexdigest()}"
    )
    if not place.is_dir():
        place.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="target-", dir=place.parent))
        with tarfile.open(fileobj=io.BytesIO(charge.packed)) as archive:
            archive.extractall(fresh, filter="data")
        try:
            fresh.rename(place)
        except OSError:  # another job was faster
            remove(fresh)
    return place


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
