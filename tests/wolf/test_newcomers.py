"""What newcomers stumbled over: files that are no configuration, orders that do not exist, Ctrl-C."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest
from click.testing import CliRunner

from population.evaluation import Evaluation, Status
from population.variant import Variant
from wolf.cli import main
from wolf.workers.company import Company
from wolf.workers.local import Job

TASK = """target: {root: ., files: [data.txt]}
judge: {kind: command, run: [RUN], metric: loss, goal: minimize, seconds: 5}
budget: {evaluations: 2}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(main, [*arguments])
    assert done.exit_code == 2, done.output
    return done.output


def test_a_folder_is_not_said_to_be_no_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert "mine is a folder; name the file, such as mine/task.yaml" in refused("check", "./mine")


def test_a_run_is_no_configuration_and_its_folder_holds_none() -> None:
    assert CliRunner().invoke(main, ["run", "knobs", "budget.evaluations=1"]).exit_code == 0
    (run,) = Path("runs").iterdir()
    assert f"{run} is a run; `wolf resume {run}` goes on with it" in refused("run", str(run))


def test_a_huge_file_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "huge.yaml").write_text("a" * 1_000_001)
    assert "huge.yaml: is no configuration: 1.0 MB, and 1 MB at most are read" in refused("check", "huge.yaml")


def test_a_huge_target_is_refused_at_its_key(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(TASK.replace("RUN", "cat"))
    (tmp_path / "data.txt").write_text("a" * 10_000_001)
    said = refused("check", "task.yaml")
    assert said.startswith("task.yaml:1:27: target.files.0:")
    assert "is 10 MB, and every variant keeps its own: name a file of at most 10 MB" in said


def test_what_is_missing_in_the_file_or_what_it_extends_is_said_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "below.yaml").write_text("target: {root: ., files: [data.txt]}\n")
    (tmp_path / "task.yaml").write_text("extends: ./below.yaml\nbudget: {evaluations: 2}\n")
    assert refused("check", "task.yaml", "budget.evaluations=3").startswith("task.yaml: judge: is missing")


def test_a_program_of_the_target_is_not_looked_for_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(TASK.replace("RUN", "./bench"))
    (tmp_path / "data.txt").write_text("a")
    done = CliRunner().invoke(main, ["check", "task.yaml"])
    assert done.exit_code == 3
    assert "'./bench' is not in the target" in done.output
    assert "PATH" not in done.output


def test_an_order_that_does_not_exist_names_those_that_do() -> None:
    assert "there is no order 'halt'; expected one of budget, finish, free, go," in refused("tell", "runs", "halt")


def test_a_written_table_says_where_it_is() -> None:
    assert CliRunner().invoke(main, ["run", "knobs", "budget.evaluations=3"]).exit_code == 0
    done = CliRunner().invoke(main, ["export", "--format", "csv", "--output", "table.csv"])
    assert done.output == "wrote table.csv\n"


@pytest.mark.parametrize("stopping", [True, False])
def test_ctrl_c_while_the_seed_is_read_alone_begins_nothing_more(stopping: bool) -> None:
    begun: list[Future[Evaluation]] = []

    def submit(job: Job) -> Future[Evaluation]:
        begun.append(Future())
        return begun[-1]

    seed = Variant({"a": "1"})
    company = Company(seed, 2, submit, lambda records: None, lambda: stopping)
    company.submit(Job(seed, 0))
    null = company.submit(Job(Variant({"a": ""}), 0))
    begun[0].set_result(Evaluation(seed.id, "command", Status.OK, 1.0))
    assert len(begun) == (1 if stopping else 3)
    if stopping:
        with pytest.raises(CancelledError):
            null.result(timeout=1)


def test_an_entry_of_models_without_a_name_is_one_mistake() -> None:
    for entry in ("{}", "{effort: low}", "claude: {effort: low}"):
        said = refused("check", "knobs", f"llm.models=[{entry}]", "budget.usd=1")
        assert said.startswith("command line: llm.models.0: expected a model's name, or keys such as {name: ")
        assert said.count("llm.models.0") == 1


def test_more_workers_than_memory_is_no_configuration_and_more_than_cores_is_said() -> None:
    said = refused("check", "knobs", "workers.slots=1000000")
    assert "1000000 slots share this machine's memory, and " in said
    crowded = CliRunner().invoke(main, ["check", "knobs", "workers.slots=300"])
    assert crowded.exit_code == 0 and "note        300 x 1 threads on " in crowded.output
    assert "slow each other down" not in CliRunner().invoke(main, ["check", "knobs", "workers.slots=1"]).output


def test_code_in_which_nothing_can_be_turned_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(TASK.replace("RUN", "cat").replace("data.txt", "data.c"))
    (tmp_path / "data.c").write_text("int main(void) { return 0; }\n")
    for command in ("check", "run"):
        said = refused(command, "task.yaml")
        assert "data.c: no knobs, so there is nothing to vary: name constants in ALL_CAPS" in said
    (tmp_path / "data.c").write_text("#define DEPTH 3\nint main(void) { return 0; }\n")
    done = CliRunner().invoke(main, ["check", "task.yaml"])
    assert done.exit_code == 0 and "DEPTH  3   1 .. 24 log" in done.output


def test_a_terminal_without_our_signs_gets_their_escapes() -> None:
    wolf = [sys.executable, "-m", "wolf"]
    assert subprocess.run([*wolf, "run", "knobs", "budget.evaluations=4"], capture_output=True).returncode == 0
    narrow = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([*wolf, "tree"], capture_output=True, env=narrow)
    assert (done.returncode, done.stderr) == (0, b"") and rb"\u2605 champion" in done.stdout


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- 2>&- <&-"])
def test_a_stream_that_the_caller_closed_is_nobodys(closed: str) -> None:
    wolf = shlex.join([sys.executable, "-m", "wolf"])
    for command, made in (("run knobs budget.evaluations=2", "runs/*/ledger.db"), ("report", "runs/*/report.html")):
        done = subprocess.run(f"{wolf} {command} {closed}", shell=True, capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        assert list(Path().glob(made))
    assert subprocess.run(f"{wolf} tree {closed}", shell=True, capture_output=True).returncode == 0
