"""What we ask of Ray, against a small Ray in this process: everything but Ray itself, in the time of a fast test.

`tests/wolf/test_cluster.py` has the same promises on Ray's own test cluster; they are slow, and need the extra `ray`.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from pathlib import Path
from typing import Any

import pytest

from judges import sandbox
from judges.base import Context, JudgeConfig, JudgeError
from judges.cage import Level
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant
from wolf.errors import SetupError
from wolf.machines import cluster as machines
from wolf.settings.sections import WorkersConfig
from wolf.settings.target import Target
from wolf.workers import cluster, node
from wolf.workers.cluster import RayWorkers
from wolf.workers.local import Job, Task


class RayError(Exception):
    pass


class OutOfMemoryError(RayError):
    pass


class WorkerCrashedError(RayError):
    pass


class TaskCancelledError(RayError):
    pass


class RayTaskError(RayError):
    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class LittleRay(types.ModuleType):
    """Runs tasks in threads, on nodes that are entries of a list."""

    def __init__(self, *nodes: dict[str, Any]) -> None:
        super().__init__("ray")
        self.exceptions = types.SimpleNamespace(
            RayError=RayError, RayTaskError=RayTaskError, OutOfMemoryError=OutOfMemoryError
        )
        self.inits: list[dict[str, Any]] = []
        self.options: list[dict[str, Any]] = []
        self.hosts = list(nodes)
        self.here = threading.local()
        self.lost: dict[int, Exception] = {}  # seed of a job -> how Ray says that its worker is lost
        self.gate = threading.Event()  # jobs wait for it
        self.gate.set()
        self.threads: list[threading.Thread] = []

    def is_initialized(self) -> bool:
        return bool(self.inits)

    def init(self, **how: Any) -> None:
        if how["address"] == "nowhere":
            raise ConnectionError("Could not find any running Ray instance.\nmore")
        self.inits.append(how)

    def nodes(self) -> list[dict[str, Any]]:
        return self.hosts

    def put(self, value: Any) -> Any:
        return value

    def remote(self, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        self.options.append(options)

        def decorate(function: Callable[..., Any]) -> Any:
            def submit(where: str, *arguments: Any) -> Future[Any]:
                ref: Future[Any] = Future()
                self.threads.append(threading.Thread(target=self._work, args=(ref, where, function, arguments)))
                self.threads[-1].start()
                return ref

            def on(scheduling_strategy: Any) -> Any:
                assert not scheduling_strategy.soft
                return types.SimpleNamespace(remote=lambda *args: submit(scheduling_strategy.node_id, *args))

            return types.SimpleNamespace(remote=lambda *args: submit(self.hosts[0]["NodeID"], *args), options=on)

        return decorate

    def _work(self, ref: Future[Any], where: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.here.node = where
        job = arguments[-1]
        if isinstance(job, Job):
            self.gate.wait(30)
            if job.seed in self.lost:
                return ref.set_exception(self.lost[job.seed])
        try:
            result = function(*arguments)
        except Exception as error:
            result = RayTaskError(error)
        if not ref.done():
            (ref.set_exception if isinstance(result, RayTaskError) else ref.set_result)(result)

    def get(self, refs: Any) -> Any:
        return [ref.result(30) for ref in refs] if isinstance(refs, list) else refs.result(30)

    def wait(self, refs: list[Future[Any]], timeout: float) -> tuple[list[Any], list[Any]]:
        done, not_done = wait(refs, timeout)
        return [*done], [*not_done]

    def cancel(self, ref: Future[Any], force: bool) -> None:
        assert force
        if not ref.done():
            ref.set_exception(TaskCancelledError())
        self.gate.set()

    def get_runtime_context(self) -> Any:
        return types.SimpleNamespace(get_node_id=lambda: self.here.node)


def host(id: str, cpus: float, gpus: float = 0, kind: str = "", alive: bool = True) -> dict[str, Any]:
    has = {"CPU": cpus} | ({"GPU": gpus, f"accelerator_type:{kind}": 1.0} if gpus else {})
    return {"NodeID": id, "Alive": alive, "Resources": has}


class Prober(JudgeConfig):
    """Says what it sees of its node."""

    name: str = "score"
    goal: Goal = Goal.MINIMIZE
    needs_gpu: bool = False
    clock: bool = False
    loud: bool = False

    @property
    def gpu(self) -> bool:
        return self.needs_gpu

    @property
    def timed(self) -> bool:
        return self.clock

    def prepare(self, root: Path, say: Any) -> None:
        if self.loud:
            say("making the tokenizer")
        if not (root / "params.py").is_file():
            raise JudgeError("no target")

    def evaluate(self, variant: Variant, context: Context) -> Evaluation:
        if variant.files.get("broken"):
            raise JudgeError("no corpus")
        said = f"gpu {context.gpu}; memory {context.memory}; root {context.root}; models {len(context.llms)}"
        return Evaluation(variant.id, "score", Status.OK, 1.0, feedback=said)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "task"
    (place / "deep").mkdir(parents=True)
    (place / "params.py").write_text("A = 0.5\n")
    (place / "deep" / "more.txt").write_text("more\n")
    return place


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LittleRay]:
    little = LittleRay(host("a", 2), host("b", 3), host("c", 8, alive=False), host("head", 0))
    strategies = types.ModuleType("ray.util.scheduling_strategies")
    strategies.NodeAffinitySchedulingStrategy = (  # type: ignore[attr-defined]
        lambda node_id, soft: types.SimpleNamespace(node_id=node_id, soft=soft)
    )
    for name, module in {"ray": little, "ray.util": types.ModuleType("ray.util"),
                         "ray.util.scheduling_strategies": strategies}.items():  # fmt: skip
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(node, "_ready", {})
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield little
    little.gate.set()
    for thread in little.threads:  # while `import ray` still finds this one: the real one may be installed
        thread.join()


def workers(root: Path, said: list[str], judge: Prober | None = None, level: Level = Level.NONE, **config: Any) -> Any:
    settings = WorkersConfig(kind="ray", address="auto", **({"slots": 2} | config))
    target = Target(root, ("params.py",), None)
    made = RayWorkers(Task(judge or Prober(needs_gpu=bool(settings.gpus_per_job)), root, level), settings, target)
    made.prepare(said.append)
    return made


def test_jobs_go_where_there_is_room_and_models_stay_here(ray: LittleRay, root: Path) -> None:
    said: list[str] = []
    with workers(root, said, Prober(loud=True)) as pool:
        found = pool.submit(Job(Variant({}), 1, llms={"m": object()})).result(30)
    assert said == ["making the tokenizer", "2 nodes of Ray, room for 5 jobs of 1 CPU"]
    assert found.ok and f"root {root}; models 0" in found.feedback
    assert ray.options[-1] == {"num_cpus": 1, "num_gpus": 0.0, "resources": {}, "max_retries": 1}
    assert [how["address"] for how in ray.inits] == ["auto"], "connected once"
    assert (machines.width("auto", 1, 0), machines.device("auto", 1, 0)) == (5, "cpu")
    assert machines.width("auto", 64, 0) == 1, "the configuration is checked later"


def test_what_a_job_does_to_its_worker_is_a_result(ray: LittleRay, root: Path) -> None:
    ray.lost = {7: WorkerCrashedError(), 8: OutOfMemoryError()}
    with workers(root, []) as pool:
        lost, full = (pool.submit(Job(Variant({}), seed)).result(30) for seed in (7, 8))
        with pytest.raises(JudgeError, match=r"^no corpus$"):
            pool.submit(Job(Variant({"broken": "yes"}), 1)).result(30)
    assert (lost.status, lost.seed, full.status) == (Status.CRASHED, 7, Status.MEMORY)
    assert "2 workers in a row were lost with it (WorkerCrashedError)" in lost.feedback


def test_only_one_kind_of_gpu_is_used(ray: LittleRay, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray.hosts = [host("h", 4, 2, "H100"), host("a", 4, 1, "A100")]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    said: list[str] = []
    with workers(root, said, gpus_per_job=0.5, memory_gb=2) as pool:
        found = pool.submit(Job(Variant({}), 1)).result(30)
    assert said == ["only the nodes with H100 are used: scores on A100 would not compare",
                    "1 node of Ray, room for 4 jobs of 1 CPU and 0.5 GPU"]  # fmt: skip
    assert "gpu 1; memory 2000000000;" in found.feedback
    assert ray.options[-1]["resources"] == {"accelerator_type:H100": 0.001}
    assert (machines.width("auto", 1, 0.5), machines.device("auto", 1, 0.5)) == (4, "H100")
    with pytest.raises(SetupError, match="no node of the Ray cluster has room for a job of 1 CPU and 4 GPU"):
        workers(root, [], gpus_per_job=4, slots=1)


def test_a_node_that_must_not_take_part_is_a_sentence(
    ray: LittleRay, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "absent", lambda level: "no bwrap")
    with pytest.raises(SetupError, match=r"the run's sandbox does not hold: no bwrap$"):
        workers(root, [], level=Level.BUBBLEWRAP)
    monkeypatch.setattr(sandbox, "absent", lambda level: "")
    monkeypatch.setattr(sandbox, "broken", lambda level: "it lets candidates out")
    with pytest.raises(SetupError, match="it lets candidates out"):
        workers(root, [], level=Level.BUBBLEWRAP)
    (root / "params.py").unlink()
    with pytest.raises(JudgeError, match="no target"):
        workers(root, [])


def test_a_node_that_changed_after_it_was_checked_scores_nothing(
    ray: LittleRay, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with workers(root, []) as pool:
        monkeypatch.setattr(node, "_ready", {})  # a worker that Ray has just started
        monkeypatch.setattr(node, "software", lambda: "newer")
        with pytest.raises(JudgeError, match=r"has other software \(newer\) than this run .*: install the same"):
            pool.submit(Job(Variant({}), 1)).result(30)


def test_processors_that_differ_are_named_where_the_clock_counts(
    ray: LittleRay, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = iter(["fast", "slow"] * 2)
    monkeypatch.setattr(node, "_processor", lambda: next(kinds))
    monkeypatch.setattr(node, "_prepared", lambda charge, made=node._prepared: node._ready.clear() or made(charge))
    said: list[str] = []
    workers(root, said, Prober(clock=True)).close()
    assert said[0].startswith("WARNING: the nodes have different processors (fast, slow)")
    said.clear()
    workers(root, said).close()
    assert len(said) == 1, "elsewhere it does not matter"


def test_a_node_without_the_target_gets_it_once(
    ray: LittleRay, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "tree_hash", lambda self: os.urandom(4).hex())
    for _ in range(2):
        with workers(root, [], slots=1) as pool:
            seen = pool.submit(Job(Variant({}), 1)).result(30).feedback
        place = Path(seen.partition("root ")[2].partition(";")[0])
        assert place.is_relative_to(tmp_path) and place != root
        assert (place / "deep" / "more.txt").read_text() == "more\n"
    assert [path.name for path in place.parent.iterdir()] == [place.name], "drafts are gone"
    monkeypatch.setattr(node, "MOST_BYTES", 4)
    with pytest.raises(JudgeError, match="too large to send"):
        workers(root, [])


def test_two_jobs_that_unpack_at_once_do_not_mind_each_other(
    ray: LittleRay, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "tree_hash", lambda self: os.urandom(4).hex())
    monkeypatch.setattr(Path, "rename", _beaten)
    with workers(root, [], slots=1) as pool:
        assert pool.submit(Job(Variant({}), 1)).result(30).ok


def _beaten(fresh: Path, place: Path) -> None:
    """Somebody else has put it there just before."""
    import shutil

    whole = shutil.copytree(fresh, f"{fresh}-theirs")
    os.rename(whole, place)  # at once, as a rename is
    raise OSError("Directory not empty")


def test_closing_at_once_ends_what_runs_and_takes_no_more(ray: LittleRay, root: Path) -> None:
    ray.gate.clear()
    pool = workers(root, [])
    running = [pool.submit(Job(Variant({}), n)) for n in range(2)]
    while len(pool._refs) < 2:
        threading.Event().wait(0.01)
    waiting = pool.submit(Job(Variant({}), 3))
    pool.close(kill=True)
    for future in (*running, waiting):
        with pytest.raises(CancelledError):
            future.result(30)
    assert not pool._refs
    with pytest.raises(CancelledError):
        pool._run(Job(Variant({}), 4))


def test_an_exception_closes_at_once(ray: LittleRay, root: Path) -> None:
    ray.gate.clear()
    with pytest.raises(KeyError), workers(root, []) as pool:
        job = pool.submit(Job(Variant({}), 1))
        while not pool._refs:
            threading.Event().wait(0.01)
        raise KeyError
    assert isinstance(job.exception(30), CancelledError)


def test_waiting_for_a_node_is_not_silent(ray: LittleRay, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 0.02)
    said: list[str] = []
    with workers(root, said) as pool:
        ray.gate.clear()
        job = pool.submit(Job(Variant({}), 1))
        threading.Event().wait(0.1)
        assert len(said) == 1, "there are nodes"
        before, ray.hosts = ray.hosts, [host("head", 0)]
        while len(said) < 2:
            threading.Event().wait(0.01)
        ray.hosts = before
        ray.gate.set()
        assert job.result(30).ok
    assert said[1].startswith("no node of the Ray cluster has room for a job: waiting for one")


def test_no_ray_and_no_cluster_are_sentences(ray: LittleRay, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match=r"no Ray cluster answers at workers.address: nowhere \(Could not find any"):
        machines.connect("nowhere")
    with pytest.raises(SetupError, match=r"no Ray cluster answers at workers.address: 127.0.0.1:1 \("):
        machines.connect("127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SetupError, match="pip install 'auto-wolf"):
        machines.connect("auto")


def test_a_resumed_run_finds_the_cluster_of_another_night(ray: LittleRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:2")
    with pytest.raises(SetupError, match="set RAY_ADDRESS to where it is now"):
        machines.connect("127.0.0.1:1")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        now = f"127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", now)
        machines.connect("127.0.0.1:1")
        assert [how["address"] for how in ray.inits] == [now]
        ray.inits.clear()
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
        machines.connect(now)
        assert [how["address"] for how in ray.inits] == [now], "what the run says comes first"


def test_a_processor_has_a_name_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert node._processor()
    monkeypatch.setattr(Path, "read_text", lambda *_: "processor : 0\n")
    assert node._processor() == platform.machine()

    def no_proc(*_: object) -> str:
        raise OSError

    monkeypatch.setattr(Path, "read_text", no_proc)
    assert node._processor() == platform.processor()
