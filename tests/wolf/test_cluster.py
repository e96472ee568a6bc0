"""Runs on Ray's own test cluster: several nodes on this machine, without a GPU (the GPUs here are Ray's word only)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judges.base import Context, JudgeConfig, JudgeError
from judges.cage import Level
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant
from wolf.errors import SetupError
from wolf.settings.sections import WorkersConfig
from wolf.settings.target import Target
from wolf.store.ledger import Ledger
from wolf.workers import node
from wolf.workers.local import Job, Task

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("default"),  # Ray leaves sockets and files to the garbage collector
]

WOLF = Path(sys.executable).with_name("wolf")
STORE = 80 << 20
CONFIG = """
name: demo
target: {root: ., files: [params.py]}
judge: {kind: function, call: "judge.py:score", metric: loss, seconds: 60, sandbox: {writable: [MARKS]}}
budget: {evaluations: 14}
confirm: {seeds: 1}
search: {surrogate: "off"}
workers: {slots: 4}
"""
JUDGE = """
import os, pathlib, runpy, time, uuid
def score(folder, seed):
    pathlib.Path("MARKS", uuid.uuid4().hex).touch()
    time.sleep(0.3)
    found = runpy.run_path(str(folder / "params.py"))
    return (found["A"] - 0.3) ** 2 + (found["B"] - 0.8) ** 2 + seed % 100 * 1e-4
"""


@pytest.fixture(scope="module")
def ray() -> Any:
    return pytest.importorskip("ray")


@pytest.fixture
def cluster(ray: Any) -> Iterator[Any]:
    """A head without room and two nodes with room for two jobs each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": STORE})
    made.nodes = [made.add_node(num_cpus=2, object_store_memory=STORE) for _ in range(2)]
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def task(tmp_path: Path) -> Path:
    place, marks = tmp_path / "task", tmp_path / "marks"
    place.mkdir()
    marks.mkdir()
    (place / "params.py").write_text("A = 0.5  # knob: 0 .. 1\nB = 0.5  # knob: 0 .. 1\nC = 0.5  # knob: 0 .. 1\n")
    (place / "judge.py").write_text(JUDGE.replace("MARKS", str(marks)))
    (place / "task.yaml").write_text(CONFIG.replace("MARKS", str(marks)))
    return place


def start(task: Path, *more: str) -> subprocess.Popen[str]:
    command = [str(WOLF), "run", "task.yaml", "--json", *more]
    return subprocess.Popen(command, cwd=task, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def on(cluster: Any) -> tuple[str, str]:
    return "workers.kind=ray", f"workers.address={cluster.address}"


def story(lines: str) -> list[tuple[Any, ...]]:
    """What was asked and told, without the clock."""
    events = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    asked = [("asked", e["ordinal"], e["variant"], e["seed"]) for e in events if e["event"] == "asked"]
    told = [("told", e["ordinal"], e["evaluation"]["score"]) for e in events if e["event"] == "told"]
    return sorted(asked) + sorted(told)


def told(process: subprocess.Popen[str], count: int) -> str:
    """The output up to the told event of this number."""
    assert process.stdout
    lines = []
    while count:
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        lines.append(line)
        count -= '"told"' in line
    return "".join(lines)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def marks(task: Path) -> int:
    return len(os.listdir(task.parent / "marks"))


def test_the_same_trajectory_as_on_one_machine_though_a_node_is_killed(cluster: Any, task: Path) -> None:
    here = story(finish(start(task)))
    paid = marks(task)
    assert len(here) == 2 * (14 + 2)
    remote = start(task, *on(cluster))
    begun = told(remote, 3)
    cluster.remove_node(cluster.nodes[0], allow_graceful=False)
    there = story(begun + finish(remote))
    assert there == here
    assert marks(task) - 2 * paid <= 2  # no more was repeated than the lost node had under way


def test_a_killed_head_goes_on_where_it_was(cluster: Any, task: Path) -> None:
    here = story(finish(start(task)))
    remote = start(task, *on(cluster))
    told(remote, 4)
    remote.send_signal(signal.SIGKILL)
    remote.communicate()
    (run,) = [path for path in (task / "runs").iterdir() if not (path / "results.tsv").exists()]
    resumed = subprocess.run([WOLF, "resume", run, "--json"], cwd=task, capture_output=True, text=True, timeout=300)
    assert resumed.returncode == 0, resumed.stderr
    with Ledger.open(run) as ledger:
        lines = [json.dumps({"event": event.kind, **event.body}) for event in ledger.events()]
    assert story("\n".join(lines)) == here


class Prober(JudgeConfig):
    """Says what it sees of its node, or takes its worker down with it."""

    name: str = "score"
    goal: Goal = Goal.MINIMIZE
    needs_gpu: bool = False

    @property
    def gpu(self) -> bool:
        return self.needs_gpu

    def prepare(self, root: Path, say: Any) -> None:
        assert (root / "params.py").is_file()

    def evaluate(self, variant: Variant, context: Context) -> Evaluation:
        if variant.files.get("die"):
            os._exit(1)
        if variant.files.get("broken"):
            raise JudgeError("no corpus")
        return Evaluation(variant.id, "score", Status.OK, 1.0, feedback=f"gpu {context.gpu}; root {context.root}")


@pytest.fixture
def workers(ray: Any, cluster: Any, task: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from wolf.workers.cluster import RayWorkers

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    target = Target(task, ("params.py",), None)

    def make(said: list[str], target: Target = target, **config: Any) -> RayWorkers:
        settings = WorkersConfig(kind="ray", address=cluster.address, **config)
        judge = Prober(needs_gpu=bool(settings.gpus_per_job))
        made = RayWorkers(Task(judge, target.root, Level.NONE), settings, target)
        made.prepare(said.append)
        return made

    return make


def test_what_a_job_does_to_its_worker_is_a_result(workers: Any) -> None:
    said: list[str] = []
    with workers(said) as pool:
        lost = pool.submit(Job(Variant({"die": "yes"}), 7))
        fine = pool.submit(Job(Variant({}), 1))
        broken = pool.submit(Job(Variant({"broken": "yes"}), 1))
        assert fine.result(120).ok
        with pytest.raises(JudgeError, match=r"^no corpus$"):
            broken.result(120)
        found = lost.result(120)
        assert (found.status, found.seed) == (Status.CRASHED, 7)
        assert "2 workers in a row were lost with it" in found.feedback
    assert said == ["2 nodes of Ray, room for 4 jobs of 1 CPU"]


def test_one_kind_of_gpu_and_what_there_is_no_room_for(workers: Any, cluster: Any) -> None:
    for kind, count in (("A100", 1), ("H100", 2)):
        cluster.add_node(
            num_cpus=4, num_gpus=count, resources={f"accelerator_type:{kind}": 1}, object_store_memory=STORE
        )
    said: list[str] = []
    with workers(said, gpus_per_job=0.5) as pool:
        results = [pool.submit(Job(Variant({"n": str(n)}), n)) for n in range(6)]
        seen = {future.result(120).feedback.split(";")[0] for future in results}
    assert seen <= {"gpu 0", "gpu 1"}
    assert said == ["only the nodes with H100 are used: scores on A100 would not compare",
                    "1 node of Ray, room for 4 jobs of 1 CPU and 0.5 GPU"]  # fmt: skip
    with pytest.raises(SetupError, match="no node of the Ray cluster has room for a job of 1 CPU and 4 GPU"):
        workers([], gpus_per_job=4, slots=1)


def test_a_node_without_the_target_gets_it(workers: Any, task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target, "tree_hash", lambda self: "not what a node finds")
    with workers([], slots=1) as pool:
        seen = pool.submit(Job(Variant({}), 1)).result(120).feedback
    assert "/target-" in seen and str(task) not in seen


def test_what_a_node_must_have() -> None:
    good = node.Facts("b", node.software(), "", "corpus-1", "cpu")
    assert node.mismatch(good, replace(good, node="a")) == ""
    assert "b has other software (old) than" in node.mismatch(replace(good, software="old"), good)
    assert "on b the run's sandbox does not hold: no bwrap" in node.mismatch(replace(good, sandbox="no bwrap"), good)
    assert "b has other data than a (2 and 1)" in node.mismatch(
        replace(good, data="2"), replace(good, node="a", data="1")
    )


def test_no_cluster_is_a_sentence(ray: Any, task: Path) -> None:
    done = subprocess.run([WOLF, "run", "task.yaml", "workers.kind=ray", "workers.address=127.0.0.1:1"], cwd=task,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 3
    assert "no Ray cluster answers at workers.address: 127.0.0.1:1" in done.stderr
