"""Slots and leases, with a stand-in for nvidia-smi on PATH: no GPU is needed, and none is proven."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from judges.cage import Level
from judges.command import CommandJudge
from population.variant import Variant
from wolf import cli, launch
from wolf.errors import ConfigError, SetupError, UsageError
from wolf.machines import gpus
from wolf.machines.here import cores
from wolf.settings.config import load
from wolf.settings.sections import WorkersConfig
from wolf.workers.lease import Leases
from wolf.workers.local import Job, LocalWorkers, Task
from wolf.workers.slots import Slot, lease

FOUR = [f"{n}, GPU-{letter * 4}, NVIDIA H100, 81559" for n, letter in enumerate("abcd")]
MIXED = [*FOUR[:3], "3, GPU-dddd, Tesla T4, 15360"]


@pytest.fixture(autouse=True)
def own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[str]) -> None:
    """A stand-in nvidia-smi that answers with these rows."""
    place = tmp_path / "bin" / "nvidia-smi"
    place.parent.mkdir(exist_ok=True)
    place.write_text("#!/bin/sh\ncat <<END\n" + "\n".join(rows) + "\nEND\n")
    place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place.parent}{os.pathsep}{os.environ['PATH']}")


def slots(**config: object) -> list[Slot]:
    with Leases("runs/a") as leases:
        return lease(WorkersConfig.model_validate(config), leases, print)


def test_one_job_per_gpu_of_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, FOUR)
    assert [slot.gpu for slot in slots(gpus_per_job=1)] == ["GPU-aaaa", "GPU-bbbb", "GPU-cccc", "GPU-dddd"]
    assert [slot.gpu for slot in slots(gpus_per_job=2)] == ["GPU-aaaa,GPU-bbbb", "GPU-cccc,GPU-dddd"]
    assert [slot.gpu for slot in slots(gpus_per_job=1, slots=1)] == ["GPU-aaaa"]


def test_shares_spread_over_the_gpus_before_they_double_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, FOUR[:2])
    assert [s.gpu for s in slots(gpus_per_job=0.5)] == ["GPU-aaaa", "GPU-bbbb", "GPU-aaaa", "GPU-bbbb"]
    assert [s.gpu for s in slots(gpus_per_job=0.5, slots=2)] == [
        "GPU-aaaa",
        "GPU-aaaa",
    ]  # no more is leased than needed


@pytest.mark.parametrize(
    ("visible", "ids"),
    [("2,0", ["GPU-cccc", "GPU-aaaa"]), ("GPU-b", ["GPU-bbbb"]), ("", []), ("MIG-1f", ["MIG-1f"]), ("9", [])],
)
def test_only_what_is_visible_to_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, ids: list[str]
) -> None:
    driver(tmp_path, monkeypatch, FOUR)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.id for gpu in gpus.found()] == ids


def test_unlike_gpus_are_left_out_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    driver(tmp_path, monkeypatch, MIXED)
    assert [slot.gpu for slot in slots(gpus_per_job=1)] == ["GPU-aaaa", "GPU-bbbb", "GPU-cccc"]
    assert "only the 3 NVIDIA H100 are used: scores on Tesla T4 would not compare" in capsys.readouterr().out


def test_no_gpu_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, [])
    with pytest.raises(SetupError, match="nvidia-smi finds none here"):
        slots(gpus_per_job=1)


def test_the_second_run_is_told_who_holds_the_gpu_and_takes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver(tmp_path, monkeypatch, FOUR[:2])
    one, two = (WorkersConfig(gpus_per_job=1, slots=n) for n in (1, 2))
    with Leases("runs/first") as first, Leases("runs/second") as second:
        assert lease(one, first, print)[0].gpu == "GPU-aaaa"
        with pytest.raises(
            SetupError, match=r"needs 2 of .* 1 are free \(GPU-aaaa is held by runs/first \(process \d+"
        ):
            lease(two, second, print)
        assert lease(one, second, print)[0].gpu == "GPU-bbbb"  # what the failed attempt held was given back
    with Leases("runs/third") as third:
        assert len(lease(two, third, print)) == 2


def test_leases_of_the_dead_are_free(tmp_path: Path) -> None:
    code = "from wolf.workers.lease import Leases; Leases('runs/dead').take(['GPU-a'], 1); "
    code += "print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"held\n"
        with Leases("runs/b") as leases, pytest.raises(SetupError, match="runs/dead"):
            leases.take(["GPU-a"], 1)
        process.kill()
    with Leases("runs/b") as leases:
        assert leases.take(["GPU-a"], 1) == ["GPU-a"]


def test_pinned_slots_have_cores_of_their_own(tmp_path: Path) -> None:
    count = len(cores())
    made = slots(pin=True, slots=count)
    assert sorted(core for slot in made for core in slot.cores) == cores()
    with pytest.raises(SetupError, match=f"needs {count + 1} of core-"):
        slots(pin=True, slots=count + 1)


def test_memory_is_shared_out() -> None:
    alone, *_ = slots(slots=1)
    several = slots(slots=3)
    assert alone.memory and all(s.memory == pytest.approx(alone.memory / 3, rel=0.01) for s in several)
    assert slots(slots=2, memory_gb=1.5)[1].memory == 1_500_000_000


def test_a_judge_that_needs_a_gpu_gets_one_per_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, FOUR)
    workers = load("val_bpb_h100").workers
    assert (workers.gpus_per_job, workers.slots) == (1, 4)
    assert load("val_bpb_h100", ["workers.gpus_per_job=0.5"]).workers.slots == 8
    assert load("speed", ["judge.sandbox.gpu=true", "workers.slots=auto"]).workers.slots == 4
    assert load("val_bpb_cpu").workers.gpus_per_job == 0


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("gpus_per_job=0.3", "must be a whole number of GPUs, or a share that divides one"),
        ("address=auto", "address is for kind: ray"),
        ("memory_gb=0", "must be more than 0"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(said: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        load("val_bpb_cpu", [f"workers.{said}"])


def test_what_a_pinned_slot_starts_stays_on_its_cores(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    code = "import os; print('cores:', sum(1 << core for core in os.sched_getaffinity(0)))"
    judge = CommandJudge(run=("python", "-c", code), metric="cores")
    made = [Slot(n, cores=(core,)) for n, core in enumerate(cores()[:2])]
    with LocalWorkers(Task(judge, tmp_path / "root", Level.NONE), made, tmp_path) as workers:
        futures = [workers.submit(Job(Variant({"n": str(n)}), n)) for n in range(2 * len(made))]
        seen = {future.result(60).score for future in futures}
    assert seen <= {1 << core for core in cores()[:2]}
    assert len(os.sched_getaffinity(0)) == len(cores())  # ours are untouched


YAML = """
target: {{root: {root}, files: [a.py]}}
judge: {{kind: command, run: "true", metric: loss, goal: minimize}}
budget: {{evaluations: 3}}
workers: {{gpus_per_job: 1, slots: 1}}
runs: {runs}
"""


def target(tmp_path: Path) -> Path:
    """A configuration of a run that wants a GPU."""
    root = tmp_path / "target"
    root.mkdir()
    (root / "a.py").write_text("RATE = 0.1\n")
    config = tmp_path / "wolf.yaml"
    config.write_text(YAML.format(root=root, runs=tmp_path / "runs"))
    return config


def test_a_run_goes_on_on_its_own_kind_of_gpu_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, FOUR[:1])
    with launch.create(load(str(target(tmp_path))), Level.NONE) as ledger:
        assert next(ledger.events()).body["device"] == "NVIDIA H100"
    driver(tmp_path, monkeypatch, MIXED[3:])
    with pytest.raises(UsageError, match="has run on NVIDIA H100, and here it would run on Tesla T4") as refused:
        launch.open_run(ledger.run_dir)
    assert "\n" not in str(refused.value)
    driver(tmp_path, monkeypatch, MIXED)
    launch.open_run(ledger.run_dir)[0].close()


def test_a_run_that_is_refused_its_lease_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver(tmp_path, monkeypatch, FOUR[:1])
    with Leases("runs/first") as first:
        first.take(["GPU-aaaa"], 1)
        done = CliRunner().invoke(cli.main, ["run", str(target(tmp_path)), "--unsafe-no-sandbox"])
    assert "GPU-aaaa is held by runs/first" in str(done.exception) + done.output
    assert not [*(tmp_path / "runs").iterdir()]
