from __future__ import annotations

import os
import socket
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from judges import metrics
from judges.base import Context, JudgeError
from judges.cage import Level
from judges.command import CommandJudge
from judges.metrics import read_metrics
from judges.sandbox import absent
from judges.testing import JudgeConformance
from judges.workspace import lay_out, tree
from population.evaluation import Evaluation, Goal, Status
from population.variant import Variant


def evaluate(judge: CommandJudge, tmp_path: Path, text: str, seed: int = 1) -> Evaluation:
    """Judge a shell script `go.sh` with the given text, beside a frozen file."""
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    (root / "go.sh").write_text("echo loss: 1")
    (root / "frozen.txt").write_text("frozen")
    scratch = tmp_path / f"scratch{len(list(tmp_path.iterdir()))}"
    scratch.mkdir()
    return judge.evaluate(Variant({"go.sh": text}), Context(root, scratch, seed=seed, slot=2, threads=3))


def judge(**fields: object) -> CommandJudge:
    return CommandJudge.model_validate({"run": "sh go.sh", "metric": "loss", "seconds": 20} | fields)


class TestConformance(JudgeConformance):
    def judge(self) -> CommandJudge:
        return judge()

    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "root"
        root.mkdir()
        (root / "go.sh").write_text("echo loss: 1")
        return root

    def good(self) -> Variant:
        return Variant({"go.sh": "echo loss: 0.5; rm -f frozen.txt; echo changed > go.sh"})

    def bad(self) -> Variant:
        return Variant({"go.sh": "echo loss: 0.1; exit 1"})


@pytest.mark.skipif(bool(absent(Level.LANDLOCK)), reason="no Landlock here")
@pytest.mark.parametrize(
    ("text", "said"), [("cat /bin/true > ./bench; ./bench", True), ("echo echo > ./bench; ./bench", False)]
)
def test_a_program_that_landlock_keeps_from_being_executable_is_explained(tmp_path: Path, text: str, said: bool):
    (tmp_path / "root").mkdir()
    (tmp_path / "scratch").mkdir()
    context = Context(tmp_path / "root", tmp_path / "scratch", level=Level.LANDLOCK)
    evaluation = judge().evaluate(Variant({"go.sh": text}), context)
    assert evaluation.status is Status.CRASHED and "ermission denied" in evaluation.feedback
    assert ("./bench cannot be started: link it with -fuse-ld=gold" in evaluation.feedback) is said


def test_the_last_line_wins_and_other_numbers_are_kept(tmp_path: Path) -> None:
    evaluation = evaluate(judge(), tmp_path, "echo loss: 3; echo noise; echo 'loss:   2.5'; echo '{\"mb\": 7}'")
    assert (evaluation.score, evaluation.metrics) == (2.5, {"mb": 7.0})


@pytest.mark.parametrize(
    ("text", "status", "feedback"),
    [
        ("echo loss: 1; echo oops >&2; exit 4", Status.CRASHED, "it failed (exited with code 4)\noops"),
        ("echo lose: 1", Status.INVALID, "loss is missing"),
        (
            "echo '{\"loss\": true}'",
            Status.INVALID,
            'loss is missing: no line `name: number` on stdout has this name; the nearest is `{"loss": true}`',
        ),
        (
            "echo loss: 5%; echo glossy: 1",
            Status.INVALID,
            "loss is missing: no line `name: number` on stdout has this name; the nearest is `loss: 5%`",
        ),
        ("echo loss: nan", Status.INVALID, "loss is nan"),
        ("echo loss: -1.7e308", Status.INVALID, "loss is -1.7e+308, too large to reckon with"),
        ("echo loss: -inf", Status.INVALID, "loss is -inf"),
        ("echo loss: 1 >&2", Status.INVALID, "loss is missing"),
        ("echo loss: 1; sleep 60", Status.TIMEOUT, "it failed (killed after 1 s)"),
    ],
)
def test_failure_is_never_a_score(tmp_path: Path, text: str, status: Status, feedback: str) -> None:
    evaluation = evaluate(judge(seconds=1), tmp_path, text)
    assert (evaluation.status, evaluation.score) == (status, None)
    assert evaluation.feedback.startswith(feedback)


def test_a_metric_whose_name_only_json_can_say(tmp_path: Path) -> None:
    named = judge(metric="my loss")
    assert evaluate(named, tmp_path, "echo '{\"my loss\": 2}'").score == 2
    (tmp_path / "other").mkdir()
    said = evaluate(named, tmp_path / "other", "echo my loss: 2").feedback
    assert said.startswith('my loss is missing: a name like this is only read from JSON, {"my loss": 1.5}')


def test_feedback_is_the_end_of_the_output_and_capped(tmp_path: Path) -> None:
    feedback = evaluate(judge(), tmp_path, "seq 1 9999; exit 1").feedback
    assert feedback.endswith("9998\n9999")
    assert len(feedback) < 2100


def test_gates_come_first(tmp_path: Path) -> None:
    gated = judge(gates=["test -f frozen.txt", ["sh", "-c", "! grep -q cheat go.sh || { echo no cheating; exit 1; }"]])
    assert evaluate(gated, tmp_path, "echo loss: 1").ok
    refused = evaluate(gated, tmp_path, "echo loss: 0  # cheat")
    assert refused.status is Status.INVALID
    assert refused.feedback.endswith("failed (exited with code 1)\nno cheating")


@pytest.mark.parametrize(
    ("bounds", "feedback"),
    [({"max": 10}, ""), ({"max": 4}, "mb is 5, above 4"), ({"min": 6}, "mb is 5, below 6"), ({"min": 5, "max": 5}, "")],
)
def test_constraints(tmp_path: Path, bounds: dict[str, float], feedback: str) -> None:
    evaluation = evaluate(judge(constraints={"mb": bounds}), tmp_path, "echo loss: 1; echo mb: 5")
    assert evaluation.ok == (not feedback)
    assert evaluation.feedback.startswith(feedback)


def test_the_metric_itself_may_have_bounds(tmp_path: Path) -> None:
    bounded = judge(constraints={"loss": {"min": 2}})
    assert evaluate(bounded, tmp_path, "echo loss: 1").feedback.startswith("loss is 1, below 2")
    assert evaluate(bounded, tmp_path, "echo loss: 3").score == 3


def test_a_constrained_metric_must_be_printed(tmp_path: Path) -> None:
    evaluation = evaluate(judge(constraints={"mb": {"max": 1}}), tmp_path, "echo loss: 1")
    assert evaluation.feedback.startswith("mb was not printed")


def test_repeat_takes_the_median(tmp_path: Path) -> None:
    count = "echo x >> n; echo loss: $(( ($(wc -l < n) * 7) % 5 ))"  # 2, 4, 1
    assert evaluate(judge(repeat=3), tmp_path, count).score == 2


def test_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("HOME", "/home/somebody")
    env = {"WHERE": "${ROOT}/x", "GPU": "${SLOT}", "WHO": "${HOME}", "BOTH": "${SEED}-${THREADS}"}
    evaluation = evaluate(judge(env=env), tmp_path, "env; test -w $HOME; test -w $TMPDIR; exit 1", seed=9)
    said = evaluation.feedback.splitlines()
    for line in (f"WHERE={tmp_path}/root/x", "GPU=2", "WHO=/home/somebody", "BOTH=9-3", "WOLF_SEED=9"):
        assert line in said
    assert "secret" not in evaluation.feedback
    assert "HOME=/home/somebody" not in said


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"run": "make && ./go"}, "'&&' needs a shell: write the command as [sh, -c, 'make && ./go']"),
        ({"run": ""}, "at least 1 item"),
        ({"env": {"KEY": "${ANTHROPIC_API_KEY}"}}, "KEY: ${ANTHROPIC_API_KEY} is not available"),
        ({"constraints": {"mb": {}}}, "a constraint needs a min or a max"),
        ({"repeat": 0}, "greater than or equal to 1"),
        ({"gaol": "minimize"}, "Extra inputs"),
    ],
)
def test_bad_configuration_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        judge(**fields)
    assert message in str(error.value)


def test_configuration_survives_a_round_trip() -> None:
    full = judge(run="python -m 'a b'", goal=Goal.MAXIMIZE, gates=["make test"], constraints={"mb": {"max": 1}})
    assert full.run == ("python", "-m", "a b")
    assert CommandJudge.model_validate_json(full.model_dump_json()) == full


def test_preparing_finds_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match=r"'no-such-program' is not on PATH"):
        judge(gates=["no-such-program --fast"]).prepare(tmp_path, print)
    with pytest.raises(JudgeError, match="is not a folder"):
        judge().prepare(tmp_path / "nowhere", print)
    judge(run="python -c pass").prepare(tmp_path, print)


# What is copied


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", root, *arguments], check=True, capture_output=True)


REPOSITORY = Path(__file__).parents[2]


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_a_git_checkout_is_copied_as_git_sees_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "a.py", "new.txt", "gone.txt", "data/big.bin", "out/log.txt", "sub/b.py", "ümlaut name")
    (root / ".gitignore").write_text("data/\nout/\n")
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", "a.py", "sub", "gone.txt")
    (root / "gone.txt").unlink()
    assert tree(root) == (".gitignore", "a.py", "new.txt", "sub/b.py", "ümlaut name")
    assert tree(root, ("data/*",), ("*.txt", ".git*")) == ("a.py", "data/big.bin", "sub/b.py", "ümlaut name")
    assert tree(root / "data") == ("big.bin",)  # ignored as a whole: then it is not git that knows


def test_outside_git_all_but_the_usual_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    write(tmp_path / "root", "a.py", "sub/b.py", ".venv/c.py", "sub/__pycache__/d.pyc", "node_modules/e.js")
    write(tmp_path / "root", ".pytest_cache/f", "sub/.ruff_cache/g")
    assert tree(tmp_path / "root") == ("a.py", "sub/b.py")


def test_what_editors_leave_beside_an_open_file_is_not_part_of_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    write(tmp_path / "root", "a.py", ".a.py.swp", "#a.py#", "sub/b.py~", ".~lock.b.odt#", "c.swp.txt", "sub/.nfs0001")
    (tmp_path / "root" / ".#a.py").symlink_to("me@here.1234:5678")
    assert tree(tmp_path / "root") == ("a.py", "c.swp.txt")
    assert tree(tmp_path / "root", ("sub/*",)) == ("a.py", "c.swp.txt", "sub/.nfs0001", "sub/b.py~")


@pytest.mark.parametrize("where", ["> run.log", "2>&1 | tee run.log", "2>&1 >/dev/null | tee run.log"])
def test_a_log_of_our_own_output_is_not_part_of_the_target(tmp_path: Path, where: str) -> None:
    write(tmp_path / "root", "a.py", "data.log", "run.log")
    code = "import time; time.sleep(1); from judges.workspace import tree; from pathlib import Path; import sys\n"
    code += "Path(sys.argv[1]).write_text(repr(tree(Path.cwd())))"  # tee has begun by then
    told = tmp_path / "told"
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" "$2" {where}', sys.executable, code, str(told)],
        cwd=tmp_path / "root",
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "GIT_CEILING_DIRECTORIES": str(tmp_path)},
    )
    assert done.returncode == 0 and told.read_text() == "('a.py', 'data.log')"


def test_links_that_lead_nowhere_and_sockets_do_not_end_a_run(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "copy"
    write(root, "a.py")
    (root / "nowhere").symlink_to("/does/not/exist")
    (root / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        inside = os.open(root, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{inside}/ear")  # the path of a socket must be short
        os.close(inside)
        assert lay_out({"a.py": "x"}, root, folder) == ()
    assert os.readlink(folder / "nowhere") == "/does/not/exist" and os.readlink(folder / "loop") == "loop"
    assert sorted(os.listdir(folder)) == ["a.py", "loop", "nowhere"]


def test_the_copy_keeps_modes_and_links_and_is_overlaid(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "copy"
    write(root, "run.sh", "lib/a.py", "lib/b.py")
    (tmp_path / "outside").write_text("outside")
    (root / "run.sh").chmod(0o755)
    (root / "inside").symlink_to("lib/a.py")
    (root / "outside").symlink_to("../outside")
    with (root / "big").open("wb") as file:
        file.truncate(9 << 20)
    lay_out({"run.sh": "new\r\n", "lib/c.py": "c"}, root, folder)
    assert (folder / "run.sh").read_bytes() == b"new\r\n"
    assert os.access(folder / "run.sh", os.X_OK)
    assert os.readlink(folder / "inside") == "lib/a.py"
    assert (folder / "outside").read_text() == "outside"
    assert (folder / "big").is_symlink()
    assert sorted(os.listdir(folder / "lib")) == ["a.py", "b.py", "c.py"]


@pytest.mark.parametrize("name", ["../escape.py", "/tmp/escape.py", "linked/escape.py"])
def test_files_stay_inside_the_copy(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    write(root, "a.py")
    write(tmp_path, "elsewhere/escape.py")
    (root / "linked").symlink_to("../elsewhere")
    with pytest.raises(JudgeError, match="is not inside the target"):
        lay_out({name: "x"}, root, tmp_path / "copy")
    assert (tmp_path / "elsewhere/escape.py").read_text() == "elsewhere/escape.py"


# What is read


def test_what_counts_as_a_metric() -> None:
    output = """---
val_bpb:          0.997900
depth = 8
  lr: 1e-3
loss: 3 at step 4
 {"a": 1, "ok": true, "name": "x", "nested": {"b": 2}, "inf": Infinity}
{"broken":
http://host:80
12: 5
time: 12:30
Loss: NaN
"""
    found = read_metrics(output)
    assert str(found.pop("Loss")) == "nan"
    assert found == {"val_bpb": 0.9979, "depth": 8.0, "lr": 0.001, "a": 1.0, "inf": float("inf")}


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    read_metrics(text)
    read_metrics("{" + text)


@given(st.floats(allow_nan=False))
def test_numbers_are_read_as_python_writes_them(value: float) -> None:
    assert read_metrics(f"noise\nloss: {value!r}\n") == {"loss": value}


@given(
    st.lists(st.one_of(st.text(), st.sampled_from(["a: 1", "b = 2\x85", "\r\n", "\x1c", "\u2028c: 3"]))).map("".join)
)
def test_lines_are_those_that_python_knows(text: str) -> None:
    assert [*metrics._lines(text)] == [line for line in text.splitlines() if line]


def test_megabytes_of_lines_are_never_all_there_at_once() -> None:
    printed = "\n" * 3 + "step: 1\r" * 200_000 + "loss: 0.5\n"
    tracemalloc.start()
    try:
        assert read_metrics(printed) == {"step": 1.0, "loss": 0.5}
        assert "nearest is `loss: 0.5`" in metrics.unread(printed, "loss")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("mode", "left_out"), [("w", True), ("r+", False)])
def test_of_whoever_reads_our_pipe_only_what_it_writes_is_a_log(tmp_path: Path, mode: str, left_out: bool) -> None:
    """This process reads the pipe; a notebook that starts a run may hold its data open, too."""
    (tmp_path / "file.txt").write_text("data")
    command = [sys.executable, "-c", "import sys; from judges.workspace import tree; from pathlib import Path; "
               "print('file.txt' in tree(Path(sys.argv[1])))", str(tmp_path)]  # fmt: skip
    with (tmp_path / "file.txt").open(mode):
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    assert said == f"{not left_out}\n"
