"""The command line around a run: check, init, doctor, schema, recover, and how errors reach a person."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import judges
from judges.base import Context, JudgeError
from population.evaluation import Status
from population.knobs import Space
from wolf import _guard, cli
from wolf.commands.doctor import Health, examine
from wolf.commands.init import STARTER
from wolf.errors import LedgerBusy, SetupError, WolfError
from wolf.settings.config import load
from wolf.settings.target import Target
from wolf.store.ledger import Ledger

REPOSITORY = Path(__file__).parents[2]


def wolf(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments, prog_name="wolf")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh starter project as the current directory."""
    assert wolf("init", str(tmp_path / "p")).exit_code == 0
    monkeypatch.chdir(tmp_path / "p")
    return tmp_path / "p"


def test_help_lists_every_command_and_imports_none(tmp_path: Path) -> None:
    code = "import sys; from wolf.cli import main\ntry: main(['--help'])\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in cli.COMMANDS)
    assert all(f"\n{heading}:\n" in done.stdout for heading in cli.GROUPS)
    texts = done.stdout.partition("Texts and their judges:")[2].partition("\n\n")[0]
    assert [row.split()[0] for row in texts.strip().splitlines()] == ["finalists", "duel", "calibrate", "train-reader"]
    loaded = set(done.stderr.split())
    assert not loaded & {
        "torch",
        "numpy",
        "scipy",
        "pandas",
        "pydantic",
        "yaml",
        "rich",
        "anthropic",
        "wolf.settings.config",
    }


def test_sums_are_made_by_one_thread_whatever_the_environment_says() -> None:
    """Several add up in another order, and the last digits lead a search elsewhere."""
    code = """import os, wolf.cli, numpy, scipy.linalg
numpy.ones((700, 700)) @ numpy.ones((700, 700)); scipy.linalg.cholesky(numpy.eye(700))
print(len(os.listdir("/proc/self/task")))"""
    env = os.environ | {"OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "4"}
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=env, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


def test_help_answers_at_once() -> None:
    """In processor time, which a busy machine hardly changes, and without `make coverage` looking on."""
    best = min(_seconds([sys.executable, "-m", "wolf", "--help"]) for _ in range(3))
    assert best < 0.3


def _seconds(command: list[str]) -> float:
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_where_it_is_said_to_be(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name][0].partition(":")
    command = getattr(import_module(module), attribute)
    assert command.help
    assert wolf(name, "--help").exit_code == 0


def test_a_misspelt_command() -> None:
    result = wolf("chekc")
    assert result.exit_code == 2
    assert "there is no command 'chekc'; did you mean `wolf check`?" in result.stderr


def test_check_says_what_a_run_would_do(here: Path) -> None:
    result = wolf("check", "task.yaml", "workers.slots=1")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "forecast: the configuration is right; `wolf run task.yaml workers.slots=1` would",
        f"  evolve      forecast.py (25 lines) in {here}",
        "  judge by    function: error, lower is better",
        "  search      wolf, cohort mode, seed 0",
        "  stop after  60 evaluations, then 6 more on fresh seeds",
        "  use         1 worker of 1 thread",
        "  take        at most 22m 00s, one evaluation at most 20s",
        f"  write to    {here}/runs/forecast-*",
        "",
        "  7 knobs",
        "    LEVEL        0.5   0.01 .. 1",
        "    TREND        0.5   0.001 .. 1 log",
        "    DAMPING      1.0   0.5 .. 1",
        "    SEASON       0.5   0.01 .. 1",
        "    LIMIT      100.0   1 .. 100 log",
        "    LAST_WEEK    0.5   0 .. 1",
        "    MULTIPLY   False   False | True",
    ]


def test_check_for_machines(here: Path) -> None:
    found = json.loads(wolf("check", "task.yaml", "--json").stdout)
    assert found["ok"] and found["evaluations"] == 60 and found["fresh"] == 6 and found["metric"] == "error"
    assert found["knobs"][3] == {"name": "SEASON", "value": 0.5, "range": "0.01 .. 1", "guessed": False}
    assert found["config"]["search"]["strategy"] == "wolf"
    result = wolf("check", "task.yaml", "--json", "search.sede=1", "budget.evaluations=0")
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert not found["ok"] and [problem.split(": ")[1] for problem in found["problems"]] == [
        "budget.evaluations",
        "search.sede",
    ]


def test_check_says_that_a_file_cannot_be_read_as_python(here: Path) -> None:
    (here / "forecast.py").write_text("LEVEL = 0.5  # knob: 0 .. 1\n\ndef forecast(:\n")
    output = wolf("check", "task.yaml").output
    assert re.search(r"note +forecast\.py: this Python cannot read it \(line 3: .+\), so it has no knobs", output)


def test_check_says_which_ranges_are_guesses_and_how_to_fix_a_knob(here: Path) -> None:
    (here / "a.c").write_text(
        "#define N 1000\n#define BLOCK 32 /* knob: 8 .. 64 */\n#define FAST true\n#define M 7 // knob: fixed\n"
    )
    (here / "t.yaml").write_text(
        "target: {root: ., files: [a.c]}\njudge: {kind: command, run: [cat, a.c], metric: loss}\n"
        "budget: {evaluations: 2}\n"
    )
    out = wolf("check", "t.yaml").stdout
    assert "  N      1000   125 .. 8000 log (a guess)\n" in out and "  BLOCK    32   8 .. 64\n" in out
    assert "gets\n  `knob: fixed` in a comment behind it, or `knobs: {N: fixed}` under target:" in out
    fixed = wolf("check", "t.yaml", "target.knobs={N: fixed}").stdout
    assert " N " not in fixed and "guess" not in fixed and "BLOCK" in fixed


def test_check_says_which_comments_with_a_range_have_no_effect(here: Path) -> None:
    text = "#define N 4 // knob: 1 .. 8\nstatic int k = 3; /* knob: 1 .. 9 */\n"
    text += "const double LR = 1e-3; /* knob: 1e-5 .. 1 log */\n"
    (here / "a.c").write_text(text)
    (here / "t.yaml").write_text(
        "target: {root: ., files: [a.c]}\njudge: {kind: command, run: [cat, a.c], metric: loss}\n"
        "budget: {evaluations: 2}\n"
    )
    out = wolf("check", "t.yaml").stdout
    assert "a.c, line 2: `knob: 1 .. 9 */` has no effect" in out and out.count("has no effect") == 1
    for preset in ("task.yaml", "knobs", "speed", "val_bpb_cpu", "headline"):
        assert "has no effect" not in wolf("check", preset).stdout


def test_check_says_what_a_single_fresh_seed_is_worth(here: Path) -> None:
    assert "one fresh reading has no interval" in wolf("check", "task.yaml", "confirm.seeds=1").stdout
    assert "one fresh reading" not in wolf("check", "task.yaml", "confirm.seeds=2").stdout
    assert "one fresh reading" not in wolf("check", "headline", "confirm.seeds=1").stdout


def test_what_check_says_of_a_knob_of_json_works_as_it_stands(here: Path) -> None:
    (here / "a.json").write_text('{"sizes": [64, 8]}')
    text = "target: {root: ., files: [a.json], @}\njudge: {kind: command, run: [cat, a.json], metric: loss}\n"
    text += "budget: {evaluations: 2}\n"
    (here / "t.yaml").write_text(text.replace("@", ""))
    out = wolf("check", "t.yaml").stdout
    assert "in a comment" not in out
    advice = re.search(r"`(knobs: \{.+})` under target:", out)
    assert advice is not None
    (here / "t.yaml").write_text(text.replace("@", advice[1]))
    out = wolf("check", "t.yaml").stdout
    assert "  sizes[0]" not in out and "  sizes[1]" in out


def test_check_says_what_a_range_without_its_colon_is_worth(here: Path) -> None:
    text = (here / "forecast.py").read_text()
    assert "without a colon" not in wolf("check", "task.yaml").output
    (here / "forecast.py").write_text(text.replace("# knob: 0.01 .. 1", "# knob 0.01 .. 1", 1))
    number = next(n for n, line in enumerate(text.splitlines(), 1) if "# knob: 0.01 .. 1" in line)
    output = " ".join(wolf("check", "task.yaml").output.split())
    assert (
        f"forecast.py, line {number}: `# knob 0.01 .. 1` says nothing without a colon: write `# knob: 0.01 .. 1`"
        in output
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["compare", "x", "--evaluations", "many"],
            "--evaluations: expected a whole number of at least 1, found 'many'",
        ),
        (["compare", "x", "--evaluations", "0"], "--evaluations: expected a whole number of at least 1, found 0"),
        (["train-reader", "gone.csv"], "file 'gone.csv' does not exist"),
        (["compare", "x", "--seeds", "2.5"], "--seeds: expected a whole number, found '2.5'"),
        (["compare", "x", "--good", "fast"], "--good: expected a number, found 'fast'"),
        (["tell", "x", "budget", "--hours", "0"], "--hours: expected a number of more than 0, found 0.0"),
        (["serve", "--port", "99999"], "--port: expected a whole number of at least 0 and at most 65535, found 99999"),
        (
            ["export", "--format", "git2"],
            "--format: expected one of jsonl, csv, parquet, git, results.tsv, found 'git2'",
        ),
        (["run"], "CONFIG is missing: expected `wolf run CONFIG [KEY=VALUE]...`; `wolf run --help` says more"),
        (
            ["tell", "x", "veto"],
            "VARIANT is missing: expected `wolf tell RUN veto VARIANT`; `wolf tell RUN veto --help` says more",
        ),
        (["calibrate", "x"], "--pairs is missing: `wolf calibrate --help` says what it takes"),
        (["top", "x", "y"], "there is no place for `y`: expected `wolf top [RUN]`; `wolf top --help` says more"),
        (["top", "--jsn"], "there is no option --jsn; did you mean --json?"),
        (
            ["run", "x", "--evaluations", "5"],
            "there is no option --evaluations; `wolf run --help` lists those that there are; keys of the file have no "
            "dashes: `budget.evaluations=20`",
        ),
        (["top", "--count"], "--count: expected a value behind it"),
        (["--nope"], "there is no option --nope; `wolf --help` lists those that there are"),
        (["--debug"], "missing command: `wolf --help` lists them all"),
        (["dev", "nope"], "no such command 'nope': `wolf dev --help` lists them all"),
        (["rnu"], "there is no command 'rnu'; did you mean `wolf run`?"),
    ],
)
def test_what_cannot_be_understood_is_answered_by_one_sentence(arguments: list[str], sentence: str) -> None:
    result = wolf(*arguments)
    assert (result.exit_code, result.stderr) == (2, f"{sentence}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["check", "."], 2, "is a folder; name the file, such as task.yaml"),
        (["check", "task.yaml", "search.seeed=1"], 2, "command line: search.seeed: unknown key, did you mean 'seed'?"),
        (["check", "nowhere.yaml"], 2, "there is no file nowhere.yaml; `wolf init` makes a first configuration"),
        (["check", "task.yaml", "judge.call=gone.py:score"], 3, "judge.call names gone.py, which is not in the target"),
        (["check", "forecast.py"], 2, "forecast.py is no configuration: expected a YAML file, such as task.yaml"),
        (
            ["check", "task.yaml", "judge.call=judge.py"],
            2,
            "judge.call: expected `judge.py:score`, a file of the target",
        ),
        (["check", "task.yaml", "judge.metric=a b"], 2, "judge.metric: expected a name without spaces: letters, "),
        (["check", "task.yaml", "check_in.wait=soon"], 2, "check_in.wait: expected a time such as `90 s`, `10 min` or"),
        (["check", "task.yaml", "name=my run"], 2, "name: expected letters, digits, '.', '_' and '-' only, found"),
        (["resume", "task.yaml"], 2, "or a folder of such folders; `wolf run task.yaml` starts one"),
        (["init", "task.yaml"], 2, "task.yaml is a file; name an empty folder: `wolf init my-search`"),
        (["init"], 2, "already has forecast.py, judge.py, memo.md, task.yaml"),
        (["recover", "runs/none"], 3, "there is no run in runs/none"),
    ],
)
def test_errors_are_sentences_with_exit_codes(here: Path, arguments: list[str], code: int, sentence: str) -> None:
    result = wolf(*arguments)
    assert result.exit_code == code
    assert sentence in result.stderr and "Traceback" not in result.output
    with pytest.raises((WolfError, JudgeError)) as raised:
        CliRunner().invoke(cli.main, ["--debug", *arguments], catch_exceptions=False)
    assert cli.exit_code(raised.value) == code


@pytest.mark.parametrize(
    ("keys", "code", "sentence"),
    [
        (
            ["judge.call=gone.module:score"],
            3,
            "judge.call names gone.module, and there is no such module, neither in the",
        ),
        (["target.files=[memo.md]", "search.statements=off"], 2, "memo.md: no knobs, so there is nothing to vary"),
    ],
)
def test_a_run_that_cannot_start_announces_nothing(here: Path, keys: list[str], code: int, sentence: str) -> None:
    result = wolf("run", "task.yaml", *keys)
    assert result.exit_code == code and sentence in result.stderr
    assert not result.stdout and not (here / "runs").exists()


def test_a_judge_that_evolves_is_noted(here: Path) -> None:
    note = "judge.py is judge and judged: take it out of target.files"
    assert note in wolf("check", "task.yaml", "target.files=[forecast.py, judge.py]").stdout
    assert note in wolf("check", "task.yaml", "target.files=[forecast.py, judge.py]", "judge.call=judge:score").stdout
    assert "is judge and judged" not in wolf("check", "task.yaml").stdout


def test_what_the_system_refuses_is_said_without_its_number() -> None:
    assert cli.sentence(PermissionError(13, "Permission denied", "runs/ledger.db")) == (
        "cannot use runs/ledger.db: Permission denied"
    )
    assert cli.sentence(OSError(28, "No space left on device")) == "No space left on device"
    assert cli.sentence(SetupError("as it is")) == "as it is"


def test_exit_codes() -> None:
    assert cli.exit_code(LedgerBusy("x")) == 75
    assert cli.exit_code(JudgeError("x")) == 3
    assert cli.exit_code(PermissionError("x")) == 3
    assert cli.exit_code(BrokenPipeError()) is None
    assert cli.exit_code(ValueError("a bug of ours")) is None


def test_the_starter_project_scores_and_can_be_improved(here: Path, tmp_path: Path) -> None:
    config = load("task.yaml")
    target = Target.of(config.target)
    seed = target.seed()
    better = type(seed)({"forecast.py": seed.files["forecast.py"].replace("LIMIT = 100.0", "LIMIT = 20.0")})
    scores = []
    for n, variant in enumerate((seed, better)):
        (tmp_path / f"s{n}").mkdir()
        evaluation = config.judge.evaluate(variant, Context(target.root, tmp_path / f"s{n}", seed=1))
        assert evaluation.status is Status.OK, evaluation.feedback
        scores.append(evaluation.score)
    assert scores[1] < 0.95 * scores[0]
    assert "forecast" in target.memo().lower()


def test_init_ships_all_its_files_and_never_overwrites(here: Path) -> None:
    assert {path.name for path in here.iterdir()} == {path.name for path in STARTER.iterdir() if path.is_file()}
    (here / "memo.md").write_text("mine")
    assert wolf("init", ".").exit_code == 2
    assert (here / "memo.md").read_text() == "mine"


def test_the_starter_for_texts_runs_as_it_is_and_its_phrases_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = wolf("init", "--text", str(tmp_path / "t"))
    assert made.exit_code == 0 and "headline.txt  the text that evolves" in made.stdout
    monkeypatch.chdir(tmp_path / "t")
    config = load("task.yaml", ["budget.evaluations=12", "workers.slots=1"])
    seed = Target.of(config.target).seed()
    space = Space.of(seed.files, config.target.knobs)
    assert {*space.names} == {"who", "deed", "sequel", "outcome"} and space.slots
    assert wolf("run", "task.yaml", "budget.evaluations=12", "workers.slots=1").exit_code == 0
    assert "the original" in wolf("finalists").stdout


def test_doctor(here: Path) -> None:
    result = wolf("doctor")
    assert result.exit_code == 0 and "SQLite" in result.stdout
    found = json.loads(wolf("doctor", "--json").stdout)
    assert found["ok"] and {"python", "packages", "gpu", "ledger"} <= {finding["what"] for finding in found["findings"]}
    assert not list(here.glob(".wolf-doctor-*"))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which nothing can be made")
def test_doctor_finds_that_runs_cannot_be_written() -> None:
    broken = {finding.what for finding in examine(Path("/proc/self/runs")) if finding.health is Health.BROKEN}
    assert "ledger" in broken
    assert wolf("doctor", "--runs", "/proc/self/runs").exit_code == 3


def test_recover(here: Path) -> None:
    Ledger.create(here / "runs" / "r", {}).close()
    result = wolf("recover", "runs/r")
    assert result.exit_code == 0
    assert result.stdout == (
        "kept 1 event; the ledger as it was is now runs/r/ledger.damaged-1.db\n"
        "next: `wolf top runs/r` shows what is left; unless it was finished, `wolf resume` goes on\n"
    )


def test_schema_is_printed() -> None:
    assert json.loads(wolf("schema").stdout)["properties"]["search"]


def test_a_stranger_with_our_packages_name_is_noticed(tmp_path: Path) -> None:
    _guard.check_sisters()
    (tmp_path / "judges").mkdir()
    (tmp_path / "judges" / "__init__.py").write_text("")
    code = "import sys; sys.path.append(sys.argv[1]); from wolf.cli import main; main(['check', 'x.yaml'])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert "another package of that name is in the way" in done.stderr and "Traceback" not in done.stderr


def test_a_broken_installation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert judges.__file__
    monkeypatch.setitem(_guard.SISTERS, "judges", "gone.py")
    with pytest.raises(SetupError, match="Auto Wolf's package 'judges' should lie in"):
        _guard.check_sisters()
