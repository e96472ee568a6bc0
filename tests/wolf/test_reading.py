from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from population.variant import Variant
from wolf import cli
from wolf.commands.audit import readings
from wolf.commands.export import export
from wolf.commands.reading import diff, show, top, tree
from wolf.errors import SetupError, UsageError
from wolf.reading.difference import at_an_end, from_seed, knob_changes
from wolf.reading.records import Run, load_run
from wolf.reading.tables import TABLES, write_results_tsv
from wolf.store.events import Event
from wolf.store.ledger import Ledger

WriteRun = Callable[..., Path]
Call = Callable[..., str]
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")
GROUP = click.Group(commands={str(command.name): command for command in (top, show, diff, tree, export)})


@pytest.fixture
def wolf(write_run: WriteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls a command where ./runs holds one run, `demo`."""
    monkeypatch.chdir(tmp_path)
    write_run(Path("runs/demo"))

    def call(*arguments: str) -> str:
        result = CliRunner().invoke(GROUP, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_top_ranks_by_estimate_and_counts_failures(wolf: Call) -> None:
    lines = wolf("top", "-n", "3").splitlines()
    assert lines[0] == "runs/demo · finished · 40 evaluations · 38 variants"
    assert lines[1].startswith("On fresh seeds the champion is better")
    assert lines[4].startswith("  1★     2.981   0.015   4  f64db3f2f1ac")
    assert "5 evaluations failed:" in lines and any(line.startswith("   4 × crashed: ValueError") for line in lines)


def test_top_compares_with_the_seed_and_tree_with_the_parent(wolf: Call) -> None:
    header, best = wolf("top").splitlines()[3:5]
    assert header.endswith("  against the seed") and best.endswith(
        "  recombine:join      LR 0.02 → 0.0341, DEPTH 4 → 5"
    )
    assert re.search(r"(?m)^★ f64db3f2 +2\.981  recombine:join.*  LR 0\.02 → 0\.013, DEPTH 4 → 6$", wolf("tree"))
    assert wolf("tree").endswith("each with what it changed of its parent\n")
    assert "  in all    LR 0.02 → 0.0341, DEPTH 4 → 5 (from the seed)\n" in wolf("show")
    child = load_run("runs/demo").lineage("best")[1].id
    assert "changed" in wolf("show", child) and "in all" not in wolf("show", child)


def test_where_other_lines_differ_the_note_comes_before_the_knobs(wolf: Call) -> None:
    seed = load_run("runs/demo").header.seed_variant
    text = load_run("runs/demo").files(seed)["train.py"]
    rewritten = text.replace("LR * DEPTH", "LR + DEPTH")
    sum_ = Variant({"train.py": rewritten}, (seed,), "llm:idea", "add\x1b them")
    knobs = Variant({"train.py": rewritten.replace("LR = 0.02", "LR = 0.03")}, (sum_.id,), "nudge", "LR 0.02 -> 0.03")
    both = Variant({"train.py": text.replace("4", "6").replace("return", "return 2 *")}, (seed,), "llm:idea", "double")
    last = Variant({"train.py": rewritten.replace("return", "return 3 *")}, (sum_.id,), "llm:idea", "triple")
    with Ledger.open(Path("runs/demo"), write=True) as ledger:
        ledger.append([], [sum_, knobs, both, last])
    run = load_run("runs/demo")
    said = [from_seed(run, id) for id in (seed, sum_.id, knobs.id, both.id, last.id)]
    assert said[:4] == ["", "add\\x1b them", "other lines, LR 0.02 → 0.03", "double, DEPTH 4 → 6"]
    assert said[4] == "triple, after other changes"


def test_of_a_text_every_sentence_that_was_dropped_is_named_and_not_the_last_step_alone(tmp_path: Path) -> None:
    (tmp_path / "c.md").write_text("# Fridays\n\nThe plan is simple. People rest. Calls are answered. It is fair.\n")
    (tmp_path / "t.yaml").write_text(
        f"target: {{root: {tmp_path}, files: [c.md]}}\njudge: {{kind: reader, task: argument, file: c.md}}\n"
        f"search: {{statements: 'on'}}\nbudget: {{evaluations: 4}}\nruns: {tmp_path / 'runs'}\nworkers: {{slots: 1}}\n"
    )
    assert CliRunner().invoke(cli.main, ["run", str(tmp_path / "t.yaml")]).exit_code == 0
    path = next((tmp_path / "runs").iterdir())
    seed = load_run(path).header.seed_variant
    one = Variant(
        {"c.md": "# Fridays\n\nThe plan is simple. Calls are answered. It is fair.\n"}, (seed,), "drop", "less"
    )
    two = Variant(
        {"c.md": "# Fridays\n\nCalls are answered. It is fair. The plan is simple.\n"}, (one.id,), "move", "x"
    )
    new = Variant({"c.md": "# Mondays\n\nNobody works.\n"}, (two.id,), "llm:edit", "y")
    with Ledger.open(path, write=True) as ledger:
        ledger.append([], [one, two, new])
    run = load_run(path)
    assert [from_seed(run, id) for id in (one.id, two.id, new.id)] == [
        "less", 'dropped "People rest.", sentences moved', 'written as "# Mondays Nobody works."'
    ]  # fmt: skip


def test_large_scores_stand_below_each_other_and_a_line_needs_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.json").write_text('{"a": 3}')
    (tmp_path / "b.py").write_text(
        "import json, os, random\nnoise = random.Random(os.environ['WOLF_SEED']).gauss(1, 0.03)\n"
        "print('ops:', 10**12 * json.load(open('p.json'))['a'] * noise)\n"
    )
    (tmp_path / "t.yaml").write_text(
        "target: {root: ., files: [p.json]}\njudge: {kind: command, run: python b.py, metric: ops, goal: maximize}\n"
        "budget: {evaluations: 8}\nworkers: {slots: 1}\nconfirm: {seeds: 0}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli.main, ["run", "t.yaml"]).exit_code == 0
    head, *rows = CliRunner().invoke(cli.main, ["top"]).output.splitlines()[3:]
    assert len(rows) > 1 and any(len(row[14:].split()[0]) == 8 for row in rows)
    assert all(row[head.index("variant") - 1] == " " and row[head.index("variant")] != " " for row in rows)
    assert "p.json (1 line)" in CliRunner().invoke(cli.main, ["show"]).output


def test_one_of_a_thing_is_not_several(wolf: Call) -> None:
    made = CliRunner().invoke(cli.main, ["run", "knobs", "budget.evaluations=1", "workers.slots=1", "name=one"])
    assert made.exit_code == 0, made.output
    run = next(Path("runs").glob("one-*"))
    assert wolf("top", str(run)).splitlines()[0].endswith("· 1 evaluation · 1 variant")
    assert CliRunner().invoke(cli.main, ["report", str(run)]).exit_code == 0
    assert ", 1 worker<" in (run / "report.html").read_text("utf-8")


def test_top_fits_a_narrow_terminal_and_breaks_no_word(wolf: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = wolf("top").splitlines()[1]
    monkeypatch.setattr("wolf.commands.reading.columns", lambda: 70)
    lines = wolf("top").splitlines()
    assert max(map(len, lines[1:])) <= 70 and " ".join(lines[1:3]) == whole


def test_top_for_machines(wolf: Call) -> None:
    found = json.loads(wolf("top", "demo", "--json"))
    means = [row["mean"] for row in found["variants"]]
    assert means == sorted(means) and len(means) == 10
    assert found["status"] == "finished" and found["gain"]["low"] > 0 and found["fresh"]
    assert found["variants"][0]["variant"] == found["champion"]
    assert sum(found["failures"].values()) == 5


def test_top_of_a_maximised_run_puts_the_largest_first(wolf: Call, write_run: WriteRun) -> None:
    write_run(Path("runs/up"), goal="maximize")
    means = [row["mean"] for row in json.loads(wolf("top", "up", "--json"))["variants"]]
    assert means == sorted(means, reverse=True)


def test_show_tells_where_it_came_from_and_every_reading(wolf: Call) -> None:
    text = wolf("show")
    assert text.startswith("variant f64db3f2f1ac · the champion")
    assert "made by   recombine:join from 05bacbe8c7ac" in text
    assert "changed   LR 0.0893 → 0.0341, DEPTH 11 → 5" in text
    assert text.count(" confirm, seed ") == 5 and "rank 1 of 33" in text
    assert "-LR = 0.0893" in text and "+LR = 0.0341" in text
    assert wolf("show", "seed").startswith("variant dbf57f9410b7 · the seed")


def test_show_of_a_failure_shows_its_feedback_harmlessly(wolf: Call) -> None:
    text = wolf("show", "63bc45a5")
    assert "feedback of its last evaluation" in text and "  | ValueError: \\x1b]0;owned" in text
    assert not HARMFUL.search(text.replace("\n", ""))


def test_a_ledger_means_its_run(wolf: Call) -> None:
    assert wolf("top", "runs/demo/ledger.db") == wolf("top")


def test_show_for_machines(wolf: Call) -> None:
    found = json.loads(wolf("show", "best", "--run", "demo", "--json"))
    assert found["variant"] == "f64db3f2f1ac" and found["champion"] is True
    assert found["changes"] == {"LR": [0.0893, 0.0341], "DEPTH": [11, 5]}
    assert len(found["evaluations"]) == 6 and "train.py" in found["files"]


def test_diff_is_from_the_seed_or_between_two(wolf: Call) -> None:
    text = wolf("diff", "best")
    assert text.startswith("dbf57f9410b7 → f64db3f2f1ac")
    assert "knobs: LR 0.02 → 0.0341, DEPTH 4 → 5" in text and "better by 0.719" in text
    assert "+LR = 0.02 " in wolf("diff", "best", "seed")
    assert "the files are the same" in wolf("diff", "best", "best")
    found = json.loads(wolf("diff", "best", "--json"))
    assert found["changes"]["DEPTH"] == [4, 5] and found["diff"].startswith("--- a/train.py\n+++ b/train.py\n@@")


def test_every_command_takes_the_run_as_an_argument_or_with_an_option(
    wolf: Call, write_run: WriteRun, tmp_path: Path
) -> None:
    write_run(Path("runs/later"), evaluations=8)
    for command in (["top"], ["tree"], ["show"], ["show", "best"], ["show", "seed"], ["diff"], ["diff", "best"]):
        said = wolf(*command, "--run", "demo")
        assert said == wolf(*command, "demo") == wolf(*command, "-r", "runs/demo") == wolf(*command, "runs/demo")
        assert said != wolf(*command)
    assert wolf("diff", "seed", "best", "demo") == wolf("diff", "-r", "demo") == wolf("diff", "demo", "seed", "best")
    Path("best").mkdir()  # as `wolf export --best best` does
    assert wolf("show", "best") == wolf("show", "runs/later")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["top", "demo", "--run", "other"], "two runs are named, demo and other: leave one of them out"),
        (["show", "demo", "--run", "other"], "two runs are named, demo and other: leave one of them out"),
        (["show", "best", "seed"], "`seed` is no run, and 2 variants are too many"),
        (["show", "runs/none"], "no run at runs/none: expected a folder"),
    ],
)
def test_a_run_that_is_named_wrongly_is_one_sentence(wolf: Call, arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2 and said in result.output


def test_a_note_that_only_repeats_the_knobs_is_left_out(wolf: Call) -> None:
    run = load_run("runs/demo")
    seed = run.header.seed_variant
    made = {
        note: Variant({"train.py": run.files(seed)["train.py"].replace("LR = 0.02", lr)}, (seed,), "person", note)
        for note, lr in (("LR 0.02 -> 0.03", "LR = 0.03"), ("warmer", "LR = 0.04"))
    }
    with Ledger.open(Path("runs/demo"), write=True) as ledger:
        ledger.append([], [*made.values()])
    same, other = (wolf("show", variant.id) for variant in made.values())
    assert "  changed   LR 0.02 → 0.03\n" in same and "note" not in same
    assert "  changed   LR 0.02 → 0.04\n" in other and "  note      warmer\n" in other


def test_what_ends_at_an_end_of_its_range_is_known(wolf: Call) -> None:
    wolf("top")
    seed = {"a.js": "const GAIN = 0.2; // knob: 0.01 .. 10\nconst DEPTH = 4; // knob: 1 .. 16\nconst LR = 0.1;\n"}
    best = {"a.js": seed["a.js"].replace("0.2;", "10.0;").replace("4;", "1;").replace("0.1;", "0.2;")}
    run = load_run("runs/demo")
    run.read = lambda id: seed
    changes = knob_changes(run, seed, best)
    assert set(changes) == {"GAIN", "DEPTH", "LR"}
    assert at_an_end(run, changes) == {"GAIN": (0.2, 10.0)}, "1 is the least depth by nature"


def test_tree_keeps_the_champions_line_in_the_first_column(wolf: Call) -> None:
    lines = wolf("tree").splitlines()
    run = load_run("demo")
    trunk = [line.split()[1] for line in lines if line[0] in "★◆○✗"][:-1]
    assert trunk == [proposal.id[:8] for proposal in run.lineage(run.champion or "")]
    assert any("(+3 not kept)" in line for line in lines)
    everything = wolf("tree", "--all").splitlines()
    assert len(everything) == len(run.variants) + 1 > len(lines)
    assert {row["variant"] for row in json.loads(wolf("tree", "--all", "--json"))["variants"]} == set(run.variants)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_export_is_stable_and_the_formats_agree(wolf: Call, table: str) -> None:
    jsonl = wolf("export", "demo", "--table", table)
    assert jsonl == wolf("export", "--table", table, "--json")
    rows = [json.loads(line) for line in jsonl.split("\n")[:-1]]
    assert [tuple(row) for row in rows] == [TABLES[table].columns] * len(rows)
    cells = list(csv.reader(io.StringIO(wolf("export", "--table", table, "--format", "csv"))))
    assert tuple(cells[0]) == TABLES[table].columns and len(cells) == len(rows) + 1
    if table == "events":
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    if table == "evaluations":
        assert [row["ordinal"] for row in rows] == list(range(1, 46))


def test_results_tsv_is_autoresearchs(wolf: Call) -> None:
    lines = wolf("export", "--format", "results.tsv").split("\n")[:-1]
    assert lines[0] == "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
    rows = [line.split("\t") for line in lines[1:]]
    assert {len(row) for row in rows} == {5} and len(rows) == 40
    assert rows[0][2:4] == ["2.0", "keep"] and re.fullmatch(r"[0-9a-f]{7}", rows[0][0])
    crashes = [row for row in rows if row[3] == "crash"]
    assert len(crashes) == 5 and {(row[1], row[2]) for row in crashes} == {("0.000000", "0.0")}
    kept = [float(row[1]) for row in rows if row[3] == "keep"]
    assert len(kept) == 1 + len(load_run("demo").crowned)


def test_results_tsv_keeps_what_is_handed_over_though_it_was_never_crowned(story: Callable[..., list[Event]]) -> None:
    run = Run.of(story(end="stopped"))
    rival = next(told for told in reversed(run.searched) if told.ok and told.outcome == "admitted")
    told = next(event for event in reversed(run.events) if event.kind == "told")
    ahead = {**told.body, "champion": {"id": rival.variant, "mean": 1.0, "sigma": 0.1, "n": 1}, "ordinal": 99}
    run.add(Event(told.seq + 1, told.time + 1, "told", ahead))
    out = io.StringIO()
    write_results_tsv(run, out)
    rows = [row.split("\t") for row in out.getvalue().splitlines()]
    assert run.champion == rival.variant and rival.variant not in {crown.variant for crown in run.crowned}
    assert [row[3] for row in rows if row[0] == rival.variant[:7]][-1] == "keep"
    assert sum(row[3] == "keep" for row in rows) == 2 + len(run.crowned)


def test_export_writes_to_a_file(wolf: Call, tmp_path: Path) -> None:
    wolf("export", "--table", "variants", "-o", "variants.jsonl")
    assert len((tmp_path / "variants.jsonl").read_text().splitlines()) == 38


def test_export_best_writes_the_champions_files_and_overwrites_nothing(wolf: Call, tmp_path: Path) -> None:
    wolf("export", "--best", "best")
    text = (tmp_path / "best/train.py").read_text()
    assert "LR = 0.0341" in text
    assert json.loads(wolf("export", "--best", "best", "--json"))["files"] == ["best/train.py"]
    (tmp_path / "best/train.py").write_text("mine")
    with pytest.raises(UsageError, match="exists and differs"):
        wolf("export", "--best", "best")
    wolf("export", "--best", "best", "--force")
    assert (tmp_path / "best/train.py").read_text() == text


@pytest.mark.parametrize("where", [["-o", "no/such/folder/x"], ["--best", "file"]])
def test_a_place_that_cannot_be_written_is_one_sentence(wolf: Call, tmp_path: Path, where: list[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises((SetupError, AssertionError), match=r"cannot write|is a file"):
        wolf("export", *where)


@pytest.mark.parametrize("arguments", [["top", "-n", "-3"], ["finalists", "-n", "0"], ["audit", "--readings", "0"]])
def test_a_count_is_one_at_least(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2 and "expected a whole number of at least 1, found" in result.output


@pytest.mark.parametrize(("locked", "advice"), [(True, "wolf tell runs/x finish"), (False, "wolf resume runs/x")])
def test_what_is_not_finished_is_not_audited(story: Callable[..., list[Event]], locked: bool, advice: str) -> None:
    run = Run.of(story(end=""), path=Path("runs/x"), locked=locked)
    with pytest.raises(UsageError, match=f"runs/x is not finished; `{advice}`"):
        readings(run, 1)


def test_a_run_half_named_is_found_in_the_complaint(wolf: Call) -> None:
    with pytest.raises(UsageError, match=r"did you mean demo\?"):
        wolf("top", "dem")
    with pytest.raises(UsageError, match="`wolf runs` lists"):
        wolf("top", "runs/zz")


@pytest.mark.parametrize("arguments", [["show", "nope"], ["diff", "best", "nope"], ["top", "nowhere"]])
def test_what_is_not_there_is_one_sentence(wolf: Call, arguments: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        wolf(*arguments)
    assert "\n" not in str(caught.value)


def test_a_run_that_has_only_begun_reads_without_complaint(wolf: Call, write_run: WriteRun) -> None:
    write_run(Path("runs/young"), evaluations=0, end="")
    assert "Nothing has been scored yet." in wolf("top", "young")
    assert "not scored" in wolf("show", "seed", "--run", "young")
    assert wolf("tree", "young").startswith("✗ dbf57f94  waiting")
    assert wolf("export", "young") == ""
