"""Configurations: every mistake becomes one sentence with its place, and what is right survives the ledger."""

from __future__ import annotations

import json
import os
import pickle
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judges.base import JudgeConfig, LocalPath
from judges.workspace import tree
from population.evaluation import Goal
from wolf.errors import ConfigError, SetupError, UsageError
from wolf.machines.here import cores
from wolf.settings import kinds, shipped
from wolf.settings.config import Config, load, schema
from wolf.settings.target import FROZEN, Target

REPOSITORY = Path(__file__).parents[2]
GOOD = """\
target: {root: ., files: [train.py], memo: memo.md}
judge:
  kind: command
  run: python train.py
  metric: loss
budget: {evaluations: 20}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("LR = 0.02\nDEPTH = 4\nprint('loss: 1')\n")
    (tmp_path / "memo.md").write_text("be bold\n")
    (tmp_path / "task.yaml").write_text(GOOD)
    return tmp_path


def problems(project: Path, text: str, *overrides: str) -> list[str]:
    """The complaints about a YAML text, without the quoted source lines and the folder."""
    (project / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load(str(project / "bad.yaml"), overrides)
    assert error.value.exit_code == 2
    return [problem.splitlines()[0].replace(f"{project}/", "") for problem in error.value.problems]


BAD = [
    # unknown keys, and what was probably meant
    (GOOD + "serch: {}\n", "bad.yaml:7:1: serch: unknown key, did you mean 'search'?"),
    (GOOD + "search:\n  tournment: 4\n", "bad.yaml:8:3: search.tournment: unknown key, expected one of departures, "
     "escape, mode, noise_gate, novelty, recombine, seed, statements, strategy, surrogate, survey"),
    (GOOD + "search:\n  departure: 0.5\n", "bad.yaml:8:3: search.departure: unknown key, did you mean 'departures'?"),
    (GOOD.replace("metric", "metrics"), "bad.yaml:2:1: judge.metric: is missing",
     "bad.yaml:5:3: judge.metrics: unknown key, did you mean 'metric'?"),
    (GOOD + "seed: 3\n", "bad.yaml:7:1: seed: unknown key, did you mean 'search.seed'?"),
    (GOOD + "search: {slots: 3}\n", "bad.yaml:7:10: search.slots: unknown key, did you mean 'workers.slots'?"),
    # kinds
    (GOOD.replace("command", "comand"), "bad.yaml:3:3: judge.kind: expected one of command, function, panel, reader, "
     "training, found 'comand', did you mean 'command'?"),
    (GOOD.replace("  kind: command\n", ""),
     "bad.yaml:2:1: judge.kind: is missing; it is one of command, function, panel, reader, training"),
    ("judge: {kind: training, corpus: {kind: fils}}\n" + GOOD.partition("judge")[0] + "budget: {hours: 1}\n",
     "bad.yaml:1:34: judge.corpus.kind: expected one of stdlib, files, climbmix, found 'fils', did you mean 'files'?"),
    ("judge: {kind: training, corpus: {kind: stdlib, vocap: 300}}\n" + GOOD.partition("judge")[0]
     + "budget: {hours: 1}\n", "bad.yaml:1:48: judge.corpus.vocap: unknown key, did you mean 'vocab'?"),
    # types and ranges
    (GOOD.replace("20", "many"), "bad.yaml:6:10: budget.evaluations: expected a whole number, found 'many'"),
    (GOOD.replace("20", "true"), "bad.yaml:6:10: budget.evaluations: expected a whole number, found true"),
    (GOOD.replace("20", "0"), "bad.yaml:6:10: budget.evaluations: must be at least 1, found 0"),
    (GOOD.replace("evaluations: 20", "hours: .inf"),
     "bad.yaml:6:10: budget.hours: expected a finite number, found inf"),
    (GOOD.replace("{evaluations: 20}", "{}"),
     "bad.yaml:6:1: budget: needs `evaluations`, `hours` or both, or the search would never end"),
    (GOOD.replace("{evaluations: 20}", "20"), "bad.yaml:6:1: budget: expected keys with values below it, found 20"),
    (GOOD.replace("budget: {evaluations: 20}\n", ""), "bad.yaml: budget: is missing"),
    (GOOD.replace("  metric", "  seconds: .inf\n  metric"),
     "bad.yaml:5:3: judge.seconds: expected a finite number, found inf"),
    (GOOD.replace("python train.py", '"echo it\'s"'), "bad.yaml:4:3: judge.run: is no command as a shell would read it "
     "(no closing quotation); close the quote"),
    (GOOD.replace("python train.py", "echo it\\"), "bad.yaml:4:3: judge.run: is no command as a shell would read it "
     "(no escaped character); leave out the backslash at its end"),
    (GOOD + "search: {surrogate: yes}\n",
     "bad.yaml:7:10: search.surrogate: expected one of auto, on, off, found 'yes'"),
    (GOOD + "search: {departures: 1.5}\n", "bad.yaml:7:10: search.departures: must be at most 1, found 1.5"),
    (GOOD + "name: my run\n",
     "bad.yaml:7:1: name: expected letters, digits, '.', '_' and '-' only, found 'my run'"),
    (GOOD + "workers: {slots: 0}\n", "bad.yaml:7:11: workers.slots: must be at least 1, found 0"),
    (GOOD.replace("[train.py]", "train.py"),
     "bad.yaml:1:19: target.files: expected a list such as [train.py], found 'train.py'"),
    (GOOD.replace("[train.py]", "[]"), "bad.yaml:1:19: target.files: must not be empty"),
    # files
    (GOOD.replace("root: .", "root: gone"), "bad.yaml:1:10: target.root: there is no folder gone"),
    (GOOD.replace("[train.py]", "[train.py, tain.py]"),
     "bad.yaml:1:37: target.files.1: tain.py cannot be read: No such file or directory"),
    (GOOD.replace("[train.py]", "[../x.py]"),
     "bad.yaml:1:27: target.files.0: must be a path relative to target.root and inside it"),
    (GOOD.replace("memo.md", "no.md"), "bad.yaml:1:38: target.memo: there is no file no.md"),
    # knobs
    (GOOD.replace("memo: memo.md", "knobs: {DEPHT: fixed}"),
     "bad.yaml:1:46: target.knobs.DEPHT: knob DEPHT: no file has such a literal; did you mean DEPTH?"),
    (GOOD.replace("memo: memo.md", "knobs: {LR: 3}"), "bad.yaml:1:46: target.knobs.LR: expected a range, not 3; "
     "say `low .. high`, `low .. high log`, `one | two | three` or `fixed`"),
    (GOOD.replace("memo: memo.md", "knobs: {LR: 1 .. 2}"),
     "bad.yaml:1:46: target.knobs.LR: train.py:1: LR: its value 0.02 must lie in 1 .. 2; widen the range"),
    (GOOD.replace("memo: memo.md", "knobs: {LR: 2 .. 1}"),
     "bad.yaml:1:46: target.knobs.LR: train.py:1: LR: the range 2 .. 1 must go from low to high"),
    # YAML itself
    (GOOD + "budget: {hours: 1}\n", "bad.yaml:7:1: budget: appears twice, first in line 6; keep one"),
    (GOOD.replace("loss", "&a loss"), "bad.yaml:5:11: anchors, aliases and tags are not allowed here; write it out"),
    (GOOD.replace("loss", "!!python/name:os.system x"),
     "bad.yaml:5:11: anchors, aliases and tags are not allowed here; write it out"),
    (GOOD + "a: [1,\n", "bad.yaml:8:1: is not YAML: expected the node content, but found '<stream end>'"),
    (GOOD.replace("python train.py", "echo loss: 3"), "bad.yaml:4:17: is not YAML: mapping values are not allowed "
     "here: text with a colon and a space in it needs quotes around it"),
    (GOOD + "\tx: 1\n", "bad.yaml:7:1: is not YAML: found character '\\t' that cannot start any token: YAML is "
     "indented with spaces, not with tabs"),
    ("- 1\n", "bad.yaml: expected `key: value` lines, found no keys; `wolf init` writes a first one"),
    ("", "bad.yaml: expected `key: value` lines, found nothing; `wolf init` writes a first one"),
    ("a: " + "[" * 600, "bad.yaml: is nested too deeply"),
    (GOOD + "extends: 3\n", "bad.yaml:7:1: extends: expected the name of a preset or a path"),
    (GOOD + "extends: ./gone.yaml\n", "bad.yaml:7:1: extends: there is no file gone.yaml; `wolf init` makes a first "
     "configuration"),
    (GOOD + "extends: ./bad.yaml\n", "bad.yaml:7:1: extends: ./bad.yaml extends this file in turn"),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case[1][:60])
def test_a_mistake_is_one_sentence_with_its_place(project: Path, case: tuple[str, ...]) -> None:
    text, *sentences = case
    assert problems(project, text) == sentences


def test_a_pipe_among_the_files_is_not_waited_for(project: Path) -> None:
    os.mkfifo(project / "pipe")
    (sentence,) = problems(project, GOOD.replace("[train.py]", "[pipe]"))
    assert sentence == "bad.yaml:1:27: target.files.0: pipe cannot be read: Not a plain file"


def test_bounds_upside_down(project: Path) -> None:
    text = GOOD.replace("  metric", "  constraints: {vram: {min: 3, max: 1}}\n  metric")
    assert (
        "judge.constraints.vram: min 3 is above max 1, so nothing could pass: swap them" in problems(project, text)[0]
    )


def test_the_source_line_and_a_caret_are_shown(project: Path) -> None:
    (project / "bad.yaml").write_text(GOOD + "serch: {}\n")
    with pytest.raises(ConfigError) as error:
        load(str(project / "bad.yaml"))
    assert str(error.value).splitlines()[1:] == ["      7 | serch: {}", "        | ^"]


def test_all_mistakes_at_once_in_the_order_of_the_file(project: Path) -> None:
    text = GOOD.replace("20", "x") + "confirm: {seeds: -1}\nconfirm: {}\nserch: 1\n"
    found = problems(project, text, "search.seed=-1", "runz=x")
    assert [problem.split(": ")[1] for problem in found] == [
        "confirm", "budget.evaluations", "confirm.seeds", "serch", "search.seed", "runz",
    ]  # fmt: skip
    assert found[-1] == "command line: runz: unknown key, did you mean 'runs'?"
    assert problems(project, GOOD, "judge.metric=") == ["command line: judge.metric: expected text, found nothing"]


def test_what_an_argument_replaced_is_not_pointed_at(project: Path) -> None:
    said = problems(project, GOOD, "judge={kind: function}", "target.files=3")
    assert said == [
        "command line: judge.call: is missing",
        "command line: target.files: expected a list, found 3",
    ]
    (said,) = problems(project, GOOD, "judge.run=echo loss: 3")
    assert said.endswith("found keys with values: text with a colon and a space in it needs quotes around it")


@pytest.mark.parametrize("argument", ["budget", "=3", "a..b=1", "budget.evaluations=[", "name=&a x"])
def test_a_bad_argument_is_a_sentence(project: Path, argument: str) -> None:
    with pytest.raises(ConfigError, match=r"^command line: "):
        load(str(project / "task.yaml"), [argument])


def test_a_file_that_is_no_text(project: Path) -> None:
    (project / "bad.yaml").write_bytes(b"name: \xff\n")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 6\)"):
        load(str(project / "bad.yaml"))
    (project / "train.py").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"task.yaml:1:27: target.files.0: .*train.py is not UTF-8 text"):
        load(str(project / "task.yaml"))


def test_no_such_configuration() -> None:
    with pytest.raises(UsageError, match=r"there is no file nowhere/x\.yaml"):
        load("nowhere/x.yaml")
    with pytest.raises(UsageError, match=r"there is no preset 'nonsense'.*such as \./nonsense\.yaml"):
        load("nonsense")


def test_defaults_are_settled_and_survive_the_ledger(project: Path) -> None:
    config = load(str(project / "task.yaml"), ["workers.threads=2", "search.surrogate=off", "budget.hours=1e-1"])
    assert config.name == "task"
    assert config.workers.slots == max(1, len(cores()) // 2)
    assert config.search.surrogate == "off"
    assert config.budget.hours == 0.1
    assert config.judge.name == "loss"
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_builtin_root_survives_and_stays_movable(project: Path) -> None:
    (project / "b.yaml").write_text(
        GOOD.replace("root: .", "root: builtin:train_target").replace(", memo: memo.md", "")
    )
    config = load(str(project / "b.yaml"))
    assert config.to_dict()["target"]["root"] == "builtin:train_target"
    assert Config.from_dict(config.to_dict()) == config
    assert Target.of(config.target).root == REPOSITORY / "train_target"


def test_from_dict_of_another_version_is_a_sentence(project: Path) -> None:
    data = load(str(project / "task.yaml")).to_dict() | {"new": 1}
    with pytest.raises(ConfigError, match=r"^configuration: new: unknown key"):
        Config.from_dict(data)


def test_paths_start_where_they_are_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the base file, of the file that extends it, and of the command line."""
    (project / "sub").mkdir()
    (project / "sub" / "train.py").write_text("LR = 1.0\n")
    (project / "sub" / "memo.md").write_text("")
    (project / "sub" / "more.yaml").write_text("extends: ../task.yaml\nbudget: {hours: 2}\n")
    config = load(str(project / "sub" / "more.yaml"))
    assert (config.target.root, config.name) == (str(project), "more")
    assert (config.budget.evaluations, config.budget.hours) == (20, 2.0)
    (project / "sub" / "more.yaml").write_text("extends: ../task.yaml\ntarget: {root: .}\n")
    assert load(str(project / "sub" / "more.yaml")).target.root == str(project / "sub")
    monkeypatch.chdir(project)
    assert load("sub/more.yaml", ["target.root=."]).target.root == str(project)


def test_another_kind_of_judge_replaces_the_keys_of_the_one_below(project: Path) -> None:
    (project / "more.yaml").write_text("extends: ./task.yaml\njudge: {kind: function, call: 'j.py:score'}\n")
    assert load(str(project / "more.yaml")).to_dict()["judge"]["call"] == "j.py:score"


class LengthJudge(JudgeConfig):
    """A judge of another package."""

    kind: Literal["length"]
    words: LocalPath
    goal: Goal = Goal.MINIMIZE


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package that registers one judge that works and two that do not."""
    module = ModuleType("their_judges")
    module.LengthJudge = LengthJudge  # type: ignore[attr-defined]
    module.broken = print  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_judges", module)
    places = {"length": "their_judges:LengthJudge", "gone": "nowhere_at_all:X", "odd": "their_judges:broken"}
    points = {name: EntryPoint(name, place, "wolf.judges") for name, place in places.items()}
    monkeypatch.setattr(kinds, "theirs", lambda: points)


@pytest.mark.usefixtures("plugins")
def test_a_judge_of_another_package(project: Path) -> None:
    head, tail = GOOD.partition("judge:")[0], "budget: {hours: 1}\n"
    (project / "l.yaml").write_text(f"{head}judge: {{kind: length, words: w/*.txt}}\n{tail}")
    config = load(str(project / "l.yaml"))
    assert isinstance(config.judge, LengthJudge)
    assert config.judge.words == project / "w" / "*.txt"
    assert Config.from_dict(config.to_dict()) == config
    assert problems(project, f"{head}judge: {{kind: length, word: 3}}\n{tail}") == [
        "bad.yaml:2:1: judge.words: is missing",
        "bad.yaml:2:23: judge.word: unknown key, did you mean 'words'?",
    ]
    for kind, sentence in (
        ("gone", "cannot be imported: No module named 'nowhere_at_all'"),
        ("odd", "is not a judges"),
    ):
        (project / "l.yaml").write_text(f"{head}judge: {{kind: {kind}}}\n{tail}")
        with pytest.raises(SetupError, match=f"the judge {kind!r} {sentence}"):
            load(str(project / "l.yaml"))


def test_a_configuration_can_be_sent_to_another_process(project: Path) -> None:
    config = load(str(project / "task.yaml"))
    assert pickle.loads(pickle.dumps(config)) == config


def test_target_reads_the_memo_anew_and_hashes_what_is_frozen(project: Path) -> None:
    target = Target.of(load(str(project / "task.yaml")).target)
    assert target.seed().files == {"train.py": (project / "train.py").read_text()}
    assert target.memo() == "be bold\n"
    before = target.tree_hash()
    (project / "memo.md").write_text("be careful\n")
    (project / "train.py").write_text("LR = 3.0\n")
    assert target.memo() == "be careful\n"
    assert target.tree_hash() == before
    (project / "memo.md").unlink()
    assert target.memo() == ""
    (project / "data.txt").write_text("new")
    tree.cache_clear()  # listed once per process
    assert target.tree_hash() != before


def test_a_frozen_file_that_no_copy_would_have_any_more_is_named(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads what this process prints writes to it."""
    (tmp_path / "run").mkdir()
    (project / "data.txt").write_text("old")
    (project / "data.txt~").write_text("an older version froze it, and it never mattered")
    target = Target.of(load(str(project / "task.yaml")).target)
    tree.cache_clear()
    target.note(tmp_path / "run")
    known, log = target.tree_hash(), (project / "data.txt").stat()
    monkeypatch.setattr("judges.workspace._logs", lambda: [log])
    tree.cache_clear()
    assert target.changed(tmp_path / "run", known).endswith("have changed: data.txt (gone)")


def test_files_that_have_come_since_do_not_count_and_others_are_named(project: Path, tmp_path: Path) -> None:
    run = tmp_path / "elsewhere"
    run.mkdir()
    (project / "data.txt").write_text("old")
    (project / "more.txt").write_text("old")
    target = Target.of(load(str(project / "task.yaml")).target)
    tree.cache_clear()
    target.note(run)
    known = target.tree_hash()
    (project / "log.txt").write_text("new")
    tree.cache_clear()
    assert target.tree_hash() != known and target.changed(run, known) == ""
    (project / "data.txt").write_text("new")
    (project / "more.txt").unlink()
    tree.cache_clear()
    assert target.changed(run, known).endswith("have changed: data.txt (changed), more.txt (gone)")
    (run / FROZEN).unlink()
    assert target.changed(run, known) == f"the frozen files of {target.root} have changed"
    (project / "data.txt").write_text("old")
    (project / "more.txt").write_text("old")
    (project / "log.txt").unlink()
    tree.cache_clear()
    assert target.changed(run, known) == ""
    project.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
    tree.cache_clear()
    assert target.changed(run, known) == f"the files of the target, {project}, are gone"


@pytest.mark.parametrize("name", shipped.presets())
def test_every_preset_names_the_schema_and_is_right(name: str) -> None:
    path = shipped.find(name)
    assert path.read_text().splitlines()[0] == "# yaml-language-server: $schema=./wolf.schema.json"
    try:
        config = load(name)
    except ConfigError as error:  # a preset may need a folder of yours
        assert "target.root: there is no folder" in str(error) and len(error.problems) == 1
        return
    assert Config.from_dict(config.to_dict()) == config


def test_the_schema_is_current() -> None:
    stored = REPOSITORY / "configs" / "wolf.schema.json"
    assert json.loads(stored.read_text()) == schema(), "run: wolf schema > configs/wolf.schema.json"
    words = json.dumps(schema())
    assert "val_bpb" not in words and os.sep + "root" not in words  # nothing of this machine


keys = st.sampled_from(["target", "judge", "budget", "root", "files", "kind", "evaluations", "knobs", "name", "x", "1"])
scalars = st.sampled_from(
    ["command", "training", "1", "-1", "1e400", "0x1F", "~", ".nan", "[", "{", "", "é", "'", "*a"]
)
nodes = st.recursive(
    scalars | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(keys, inner), max_size=4).map(lambda kv: f"{{{', '.join(f'{k}: {v}' for k, v in kv)}}}")
    ),
    max_leaves=10,
)
documents = st.lists(st.tuples(keys, nodes), max_size=6).map(lambda kv: "".join(f"{k}: {v}\n" for k, v in kv))


@settings(max_examples=300, deadline=None)
@given(text=documents | st.text(max_size=60), argument=st.text(max_size=12) | st.tuples(keys, nodes).map("=".join))
def test_no_text_ends_in_a_traceback(tmp_path_factory: pytest.TempPathFactory, text: str, argument: str) -> None:
    path = tmp_path_factory.getbasetemp() / "random.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for overrides in ((), (argument,)):
        try:
            load(str(path), overrides)
        except UsageError as error:
            assert str(error).strip()


def test_a_run_may_start_from_other_values_than_the_files(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("LR = 0.1  # knob: 0.01 .. 1 log\nDEPTH = 4\n")
    (tmp_path / "run.yaml").write_text(
        "target: {root: ., files: [train.py], start: {DEPTH: 40}, knobs: {DEPTH: 20 .. 80}}\n"
        "judge: {kind: command, run: python train.py, metric: loss}\nbudget: {evaluations: 3}\n"
    )
    config = load(str(tmp_path / "run.yaml"))
    assert Target.of(config.target).seed().files == {"train.py": "LR = 0.1  # knob: 0.01 .. 1 log\nDEPTH = 40\n"}
    for start, message in (("DEPHT=3", "'DEPHT' is no knob of train.py"), ("LR=fast", "knob LR cannot be 'fast'")):
        with pytest.raises(ConfigError, match=message):
            load(str(tmp_path / "run.yaml"), [f"target.start.{start}"])
