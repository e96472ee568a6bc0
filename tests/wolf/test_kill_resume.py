"""Real runs in real processes, killed at any instant: what is resumed ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest

from judges import sandbox
from wolf.reading.records import load_run
from wolf.store.ledger import Ledger

REPOSITORY = Path(__file__).parents[2]
TIMES = {"time", "seconds", "run"}
SETTINGS = ["budget.evaluations=36", "workers.slots=2", "search.surrogate=off", "confirm.seeds=2"]
SLOW = """
from judge import score as fast
import time


def score(folder, seed):
    time.sleep(30)
    return fast(folder, seed)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for survivors in /proc")


class Wolf:
    """Starts the command, and knows every process that descends from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        mark = {"WOLF_TEST_MARK": uuid.uuid4().hex, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.env = os.environ | mark | {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder)}
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, log: IO[str] | None = None) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "wolf", *arguments]
        pipes = {"stdout": log or subprocess.PIPE, "stderr": log or subprocess.PIPE}
        process = subprocess.Popen(command, cwd=self.folder, env=self.env, text=True, start_new_session=True, **pipes)
        self.started.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def ledger(self) -> Path:
        """The only run directory, once it is there."""
        wait_until(lambda: list(self.folder.glob("runs/*/ledger.db")))
        return next(self.folder.glob("runs/*/ledger.db")).parent

    def candidates(self) -> list[int]:
        """Live processes of judges: they run below the folder for temporary files."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                if str(self.folder) in os.readlink(f"/proc/{pid}/cwd") and int(pid) not in [
                    p.pid for p in self.started
                ]:
                    found.append(int(pid))
        return found


@pytest.fixture
def wolf(tmp_path: Path) -> Iterator[Wolf]:
    """Fails the test if a process is left."""
    wolf = Wolf(tmp_path)
    yield wolf
    for process in wolf.started:
        if process.poll() is None:
            process.kill()
        process.communicate()
    wait_until(lambda: not wolf.candidates())


def wait_until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "waited in vain"
        time.sleep(0.01)


def events(run: Path) -> int:
    """How many there are by now; 0 while there is nothing to read yet."""
    with suppress(Exception), Ledger.open(run) as ledger:
        return sum(1 for _ in ledger.events())
    return 0


def exported(wolf: Wolf, run: Path) -> list[dict[str, Any]]:
    code, out, err = wolf.run("export", str(run), "--table", "evaluations", "--format", "jsonl")
    assert (code, err) == (0, "")
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in out.splitlines()]


def lines(out: str) -> list[dict[str, Any]]:
    """Every line is one JSON object."""
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The run that nobody disturbed: its lines and its evaluations."""
    wolf = Wolf(tmp_path_factory.mktemp("whole"))
    code, out, err = wolf.run("run", "knobs", *SETTINGS, "--json")
    assert (code, err) == (0, "")
    return lines(out), exported(wolf, wolf.ledger())


def test_machines_get_one_object_per_event_and_the_end_last(uninterrupted) -> None:
    said, evaluations = uninterrupted
    assert [line["seq"] for line in said] == [*range(1, len(said) + 1)]
    assert said[0]["event"] == "run"
    assert all(list(line)[:3] == ["event", "seq", "time"] for line in said)
    last = said[-1]
    assert last["event"] == "finished"
    assert {"run", "strategy", "evaluations", "champion", "seed", "gain", "expeditions"} <= last.keys()
    assert (last["strategy"], last["evaluations"]) == ("wolf", 36)
    for side in ("champion", "seed"):
        assert last[side].keys() == {"id", "search", "fresh"}
        assert last[side]["search"].keys() == {"mean", "sigma", "n"}
        assert last[side]["fresh"].keys() == {"mean", "se", "n"}
    assert last["gain"].keys() == {"mean", "low", "high"}
    assert last["gain"]["mean"] == pytest.approx(last["seed"]["fresh"]["mean"] - last["champion"]["fresh"]["mean"])
    assert last["expeditions"].keys() == {"count", "found", "share"}
    assert len(evaluations) == 36 + 4
    assert [line["ordinal"] for line in said if line["event"] == "asked"] == [*range(40)]
    assert [row["ordinal"] for row in evaluations] == [*range(40)]


def test_killed_again_and_again_it_ends_as_if_never_killed(wolf, uninterrupted) -> None:
    rng, kills = random.Random(), 0
    process = wolf.start("run", "knobs", *SETTINGS)
    run = wolf.ledger()
    wait_until(lambda: events(run) >= 3)
    for target in (rng.randrange(4, 20), rng.randrange(20, 60), rng.randrange(60, 100), 110, 120):  # injected points
        wait_until(lambda target=target, process=process: events(run) >= target or process.poll() is not None)
        time.sleep(rng.uniform(0, 0.15))  # and a random instant after it
        if process.poll() is None:
            kills += 1
        process.kill()
        process.communicate()
        wait_until(lambda: not wolf.candidates(), 10)
        with Ledger.open(run) as ledger:
            if any(event.kind == "finished" for event in ledger.events()):
                break
        process = wolf.start("resume", str(run), "--json")
    out, err = process.communicate(timeout=120)
    assert kills >= 2
    assert exported(wolf, run) == uninterrupted[1]
    if out:
        assert (process.returncode, err) == (0, "")
        last = lines(out)[-1]
        assert last["event"] == "finished"
        same = uninterrupted[0][-1]
        for key in same.keys() - TIMES - {"seq"}:
            assert last[key] == same[key]
    asked, told = load_run(run).asked, load_run(run).told
    assert len(asked) == len(told) == 40, "nothing that was told is asked again"


def test_killed_before_it_began_it_can_be_resumed(wolf, uninterrupted) -> None:
    process = wolf.start("run", "knobs", *SETTINGS)
    run = wolf.ledger()
    wait_until(lambda: events(run) >= 1)
    process.kill()
    process.communicate()
    code, _, err = wolf.run("resume", str(run), "--json")
    assert (code, err) == (0, "")
    assert exported(wolf, run) == uninterrupted[1]


@pytest.fixture
def slow(wolf: Wolf) -> str:
    """The same target with a judge that sleeps."""
    folder = wolf.folder / "slow"
    folder.mkdir()
    for file in ("judge.py", "params.py"):
        (folder / file).write_text((REPOSITORY / "configs" / "knobs" / file).read_text())
    (folder / "slow.py").write_text(SLOW)
    (wolf.folder / "slow.yaml").write_text(
        "name: slow\ntarget: {root: slow, files: [params.py]}\n"
        "judge: {kind: function, call: 'slow.py:score', metric: loss, goal: minimize, seconds: 60}\n"
        "search: {surrogate: 'off'}\nbudget: {evaluations: 10}\nworkers: {slots: 2}\n"
    )
    return "slow.yaml"


def test_nothing_survives_a_kill(wolf, slow) -> None:
    process = wolf.start("run", slow)
    wait_until(lambda: len(wolf.candidates()) >= 2)
    process.kill()
    wait_until(lambda: not wolf.candidates(), 10)
    process.communicate()


def test_a_second_process_on_a_run_exits_at_once_with_a_sentence(wolf, slow) -> None:
    process = wolf.start("run", slow)
    run = wolf.ledger()
    wait_until(lambda: events(run) >= 4)
    before = events(run)
    code, out, err = wolf.run("resume", str(run), "--json")
    assert (code, out) == (75, "")
    assert err.count("\n") == 1 and str(process.pid) in err and "Traceback" not in err
    assert process.poll() is None and events(run) == before


def test_interrupted_twice_it_stops_at_once_and_can_be_resumed(wolf, slow) -> None:
    process = wolf.start("run", slow)
    run = wolf.ledger()
    wait_until(lambda: len(wolf.candidates()) >= 2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None, "the first waits for what is running"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=25)  # the candidates take 30
    assert process.returncode == 130
    assert not wolf.candidates()
    assert "Traceback" not in out + err
    with Ledger.open(run) as ledger:
        kinds = [event.kind for event in ledger.events()]
    assert kinds[-1] == "stopped" and kinds.count("asked") == 2 and "told" not in kinds
    (wolf.folder / "slow.yaml").unlink()  # the ledger has what it needs
    again = wolf.start("resume", str(run))
    wait_until(lambda: len(wolf.candidates()) >= 2)
    again.kill()


def test_interrupted_once_it_drains_and_can_be_resumed(wolf, uninterrupted) -> None:
    process = wolf.start("run", "knobs", *SETTINGS, "--json")
    run = wolf.ledger()
    wait_until(lambda: events(run) >= 30)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    said = lines(out)
    assert said[-1]["event"] == "stopped" and said[-1]["reason"]
    assert len([e for e in said if e["event"] == "asked"]) - len([e for e in said if e["event"] == "told"]) in (0, 1, 2)
    assert "Traceback" not in err
    code, out, _ = wolf.run("resume", str(run), "--json")
    assert (code, lines(out)[-1]["event"]) == (0, "finished")
    assert exported(wolf, run) == uninterrupted[1]


def test_neither_its_log_nor_what_is_exported_into_the_target_keeps_a_run_from_being_resumed(wolf, slow) -> None:
    judge = SLOW.replace("30", "0.3")
    (wolf.folder / "slow" / "slow.py").write_text(judge)
    with (wolf.folder / "slow" / "night.log").open("w") as log:
        process = wolf.start("run", slow, log=log)
        run = wolf.ledger()
        wait_until(lambda: events(run) > 6)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert "night.log" not in json.loads((run / "frozen.json").read_text())
    assert "WARNING" not in (wolf.folder / "slow" / "night.log").read_text()
    assert wolf.run("export", str(run), "--best", "slow/best")[0] == 0
    (wolf.folder / "slow" / "slow.py").write_text("# another judge\n")
    code, _, err = wolf.run("resume", str(run))
    assert code == 2 and "have changed: slow.py (changed) since" in err
    (wolf.folder / "slow" / "slow.py").write_text(judge)
    code, out, err = wolf.run("resume", str(run), "--json")
    assert (code, lines(out)[-1]["event"]) == (0, "finished"), err


def test_what_was_edited_while_a_run_went_on_is_named_at_its_end(wolf, slow) -> None:
    judge = SLOW.replace("30", "0.3")
    (wolf.folder / "slow" / "slow.py").write_text(judge)
    process = wolf.start("run", slow)
    run = wolf.ledger()
    wait_until(lambda: events(run) > 6)
    (wolf.folder / "slow" / "slow.py").write_text(judge + "# edited\n")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "have changed: slow.py (changed); `wolf resume` will want them back" in out + err


def test_and_is_held_against_its_champion_whatever_the_metric_is_called(wolf, slow) -> None:
    config = wolf.folder / slow
    config.write_text(config.read_text().replace("metric: loss", "metric: rating"))
    judge = SLOW.replace("30", "0.1")
    (wolf.folder / "slow" / "slow.py").write_text(judge)
    process = wolf.start("run", slow, "budget.evaluations=20")
    run = wolf.ledger()
    wait_until(lambda: events(run) > 6)
    (wolf.folder / "slow" / "slow.py").write_text(judge + "# edited\n")
    said = "have changed: slow.py (changed) while the run went on"
    shown = " ".join("".join(process.communicate(timeout=120)).split())
    assert process.returncode == 0 and said in shown
    final = load_run(run).final or {}
    assert said in final["warning"] and final["edited"] in final["warning"]
    assert said in " ".join(wolf.run("audit", str(run))[1].split())


def test_opened_again_and_killed_at_any_instant_it_ends_as_if_never_killed(wolf) -> None:
    """Two copies of a finished run are given more; one of them goes on in peace."""
    assert wolf.run("run", "knobs", *SETTINGS[1:], "budget.evaluations=12")[0] == 0
    run = wolf.ledger()
    twin = wolf.folder / "twin" / run.name
    shutil.copytree(run, twin)
    for one in (run, twin):
        assert wolf.run("tell", str(one), "budget", "--evaluations", "30")[0] == 0
    assert wolf.run("resume", str(twin))[0] == 0
    before, rng = events(run), random.Random()
    for target in (1, rng.randrange(2, 10), rng.randrange(10, 50)):
        process = wolf.start("resume", str(run))
        wait_until(lambda target=target, process=process: events(run) >= before + target or process.poll() is not None)
        process.kill()
        process.communicate()
    code, _, err = wolf.run("resume", str(run))
    assert code == 0 or "is finished" in err, err  # or the last kill came too late
    assert exported(wolf, run) == exported(wolf, twin)
    assert load_run(run).status == "finished" and len(load_run(run).ends) == 2


def test_a_finished_run_is_not_resumed(wolf) -> None:
    code, out, _ = wolf.run("run", "knobs", "budget.evaluations=4", "search.strategy=random", "--json")
    assert (code, lines(out)[-1]["strategy"]) == (0, "random")
    code, out, err = wolf.run("resume", str(wolf.ledger()), "--json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "finished" in err


def test_a_seed_variant_that_fails_is_one_sentence(wolf, slow) -> None:
    (wolf.folder / "slow" / "slow.py").write_text("def score(folder, seed):\n    raise ValueError('no such luck')\n")
    code, _, err = wolf.run("run", slow)
    assert code == 3
    assert re.search(r"seed variant fails.*no such luck", err) and "Traceback" not in err
    code, out, _ = wolf.run("runs", str(wolf.ledger().parent))
    assert "aborted" in out and "It could not go on: the seed variant fails" in out
    before = events(wolf.ledger())
    assert load_run(wolf.ledger()).status == "aborted"
    code, _, err = wolf.run("resume", str(wolf.ledger()))
    assert code == 3 and "seed variant fails" in err and "then start another run" in err
    assert events(wolf.ledger()) == before, "nothing is tried again, and nothing said twice"


def test_a_resume_with_another_sandbox_is_in_the_ledger_and_in_the_report(wolf: Wolf) -> None:
    process = wolf.start("run", "knobs", *SETTINGS, "--unsafe-no-sandbox")
    run = wolf.ledger()
    wait_until(lambda: events(run) >= 12)
    process.kill()
    process.communicate()
    level = sandbox.strongest().level.value
    if level == "none":
        pytest.skip("no sandbox holds here")
    code, out, err = wolf.run("resume", str(run))
    assert code == 0, err
    assert f"sandbox {level}" in out
    read = load_run(run)
    after = next(iter(event.body for event in read.events if event.kind == "resumed"))
    assert after["sandbox"] == level
    assert list(read.sandboxes.values()) == ["none", level]
    code, out, _ = wolf.run("report", str(run), "--json")
    page = next(run.glob("report*.html")).read_text()
    assert f"from evaluation {list(read.sandboxes)[1] + 1} on" in page
