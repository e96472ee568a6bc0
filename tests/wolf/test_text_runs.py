"""The two text presets, from `wolf run` to `wolf finalists`, offline."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from judges import features
from judges.variety import LIKE
from judges.watch import Look, alarm, warning
from wolf.cli import main
from wolf.reading.finalists import finalists, judgement
from wolf.reading.holdout import gains
from wolf.reading.records import load_run
from wolf.reading.rows import Intervention
from wolf.reading.verdict import verdict
from wolf.settings.config import load


@pytest.mark.parametrize("preset", ["headline", "argument"])
def test_a_text_evolves_offline_and_its_finalists_are_shown_with_what_the_hold_out_says(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = CliRunner().invoke(main, ["run", preset, "budget.evaluations=30", f"runs={tmp_path}", "workers.slots=1"])
    assert done.exit_code == 0, done.output
    (run,) = tmp_path.iterdir()
    shown = CliRunner().invoke(main, ["finalists", str(run)])
    assert shown.exit_code == 0, shown.output
    assert "1. " in shown.output and "the original  rating" in shown.output
    assert "The judges see a gain of" in shown.output or "Nothing better" in shown.output
    assert "hold-out  " in done.output
    assert "· by the hold-out\n" in done.output and "on a fresh seed" not in done.output
    body = json.loads(CliRunner().invoke(main, ["finalists", str(run), "--json", "-n", "2"]).output)
    scores = [row["score"] for row in body["finalists"]]
    assert 2 <= len(scores) <= 3 and scores == sorted(scores, reverse=True)
    assert all("holdout" in row and row["files"] for row in body["finalists"])
    monkeypatch.setattr("wolf.commands.finalists.columns", lambda: 70)
    assert max(map(len, CliRunner().invoke(main, ["finalists", str(run)]).output.splitlines())) <= 70


def test_a_check_in_asks_about_texts_that_differ(tmp_path: Path) -> None:
    asking = ["check_in={every: 20, wait: 0.1 s}", f"runs={tmp_path}", "workers.slots=1"]
    done = CliRunner().invoke(main, ["run", "headline", "budget.evaluations=41", *asking])
    assert done.exit_code == 0, done.output
    run = load_run(next(tmp_path.iterdir()))
    texts = {id: features.plain(run.files(id)["headline.txt"]) for id in run.variants}
    original = texts[run.header.seed_variant]
    asked = [event.body["finalists"] for event in run.events if event.kind == "checkin"]
    assert len(asked) == 2 and asked[0] != run.ranking()[:3], "the three best ratings are almost the same text"
    for shown in asked:
        assert len(shown) == 3
        for better, worse in combinations([texts[id] for id in shown], 2):
            assert features.distance(better, worse) >= LIKE * features.distance(better, original)


def test_a_run_without_texts_has_no_finalists(tmp_path: Path) -> None:
    CliRunner().invoke(main, ["run", "knobs", "budget.evaluations=3", f"runs={tmp_path}", "workers.slots=1"])
    (run,) = tmp_path.iterdir()
    shown = CliRunner().invoke(main, ["finalists", str(run)])
    assert shown.exit_code == 2
    assert "has no judged texts" in shown.output


def test_the_alarm_needs_more_than_bad_luck() -> None:
    agreed = [Look(0.1 * i, 0.06 * i, 0.1) for i in range(8)]
    unlucky = [Look(0.1 * i, 0.03 * i, 0.1) for i in range(8)]
    flattered = [Look(0.1 * i, 0.01 * i, 0.1) for i in range(8)]
    assert alarm(agreed) is None and alarm(unlucky) is None
    assert "go back to look 7" in (alarm(flattered) or "")


def _run(tmp_path: Path) -> str:
    CliRunner().invoke(main, ["run", "headline", "budget.evaluations=12", f"runs={tmp_path / 'r'}", "workers.slots=1"])
    return str(next((tmp_path / "r").iterdir()))


def test_people_decide_a_duel_blind_and_the_champion_keeps_ties(tmp_path: Path) -> None:
    run = _run(tmp_path)
    votes = tmp_path / "votes.txt"
    votes.write_text("challenger\n" * 6)
    won = CliRunner().invoke(main, ["duel", "--run", run, "--votes", str(votes)])
    assert won.exit_code == 0 and "take the challenger" in won.output, won.output
    tied = CliRunner().invoke(main, ["duel", "--run", run], input="=\n" * 10)
    assert tied.exit_code == 0 and "keep the champion" in tied.output
    assert "Duel 10" in tied.output
    cut = CliRunner().invoke(main, ["duel", "--run", run], input="=\n1\n")
    assert cut.exit_code == 2 and "before duel 3 was answered, and nothing was decided" in cut.stderr
    assert "--votes FILE" in cut.stderr


def test_what_people_voted_is_not_called_a_gain_that_the_judges_see(tmp_path: Path) -> None:
    run = load_run(_run(tmp_path))
    before, champion = gains(run), run.champion
    assert before is not None and champion is not None and len(judgement(run)) == 1
    run.beliefs[champion] = replace(run.beliefs[champion], mean=3.0)
    run.interventions.append(Intervention(9, 0.0, "vote", 12, "", {}))
    assert gains(run) == before
    assert judgement(run)[1].startswith("People's votes moved the ratings of the search")


def test_what_was_vetoed_is_no_finalist_and_the_champion_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load_run(_run(tmp_path))
    first, *rest = finalists(run, 3)
    assert first.title == f"1. {run.champion}, the champion"
    run.barred = frozenset([rest[0].id])
    assert rest[0].id not in [one.id for one in finalists(run, 3)]
    monkeypatch.setattr("wolf.commands.reading.load_run", lambda where: run)
    top = CliRunner().invoke(main, ["top"]).output
    assert f"{rest[0].id}" in next(line for line in top.splitlines() if "✗ " in line)
    assert "✗ vetoed, or set aside by the hold-out's alarm" in top


def test_phrases_that_a_locked_one_excludes_are_named_before_the_run() -> None:
    said = CliRunner().invoke(main, ["check", "headline", "judge.box.must=[One Street]"]).output
    assert "deed: 8 of its 10 choices are refused beside what stands there now (does not contain 'One Street')" in said
    assert " are refused" not in CliRunner().invoke(main, ["check", "headline"]).output


def test_phrases_and_templates_that_a_locked_phrase_excludes_are_named_where_only_templates_have_them() -> None:
    said = CliRunner().invoke(main, ["check", "headline", "judge.box.must_not=[School Nurse]"]).output
    assert "outcome: 2 of its 7 choices are refused wherever they were tried (contains 'School Nurse')" in said
    said = CliRunner().invoke(main, ["check", "headline", "judge.box.must=[Researchers]"]).output
    assert "headline.txt: 8 of its 9 templates are refused wherever they were tried" in said
    assert "outcome" not in said.partition(" knobs")[0]


def test_votes_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    run = _run(tmp_path)
    (tmp_path / "votes.txt").write_text("champion\nmaybe\n")
    result = CliRunner().invoke(main, ["duel", "--run", run, "--votes", str(tmp_path / "votes.txt")])
    assert result.exit_code == 2
    assert "line 2: expected challenger, champion or =, found 'maybe'" in result.output


@pytest.mark.parametrize(
    ("seen", "confirmed", "error", "says"),
    [
        (0.40, 0.25, 0.2, ""),
        (0.40, 0.20, 0.2, ""),
        (0.08, -0.19, 0.2, "WARNING: the hold-out confirms only -0.19 of +0.08"),
        (0.40, 0.19, 0.2, "WARNING: the hold-out confirms only +0.19 of +0.40"),
        (0.80, -0.10, 0.2, "ALARM: the hold-out confirms only -0.10 of +0.80"),
        (0.0, -0.10, 0.2, ""),
    ],
)
def test_less_than_half_is_named_and_at_least_half_is_not(
    seen: float, confirmed: float, error: float, says: str
) -> None:
    said = warning(seen, confirmed, error)
    assert said.startswith(says) and bool(said) == bool(says)


def test_a_hold_out_that_does_not_confirm_is_said_first_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from judges.reading import ReaderJudge

    class Doubter:
        """Shares no taste with the readers that select."""

        def __init__(self, reader: object) -> None:
            self._reader = reader

        def __getattr__(self, name: str) -> object:
            return getattr(self._reader, name)

        def read(self, text: str) -> object:
            from dataclasses import replace

            told = self._reader.read(text)
            return replace(told, raw=-0.3 * told.raw)

    readers = ReaderJudge.readers
    monkeypatch.setattr(ReaderJudge, "readers", lambda judge: (readers(judge)[0], Doubter(readers(judge)[1])))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        main, ["run", "headline", "budget.evaluations=40", "workers.slots=1", "stop.alarm=off", "search.novelty=false"]
    )
    assert done.exit_code == 0, done.output
    (run,) = (tmp_path / "runs").iterdir()
    said = verdict(load_run(run))
    assert said.warning and said.warning in said.sentence
    assert load_run(run).events[-1].body["warning"] == said.warning, "the last line of `wolf run --json`"
    (first,) = [line for line in done.output.splitlines() if line.lstrip().startswith("verdict")]
    assert said.warning in first
    shown = CliRunner().invoke(main, ["finalists"]).output
    assert shown.startswith(said.warning)
    assert said.warning in CliRunner().invoke(main, ["top"]).output.splitlines()[1]
    assert said.warning in " ".join(CliRunner().invoke(main, ["diff", "best"]).output.split()), "it says a gain, too"
    assert json.loads(CliRunner().invoke(main, ["top", "--json"]).output)["warning"] == said.warning
    assert json.loads(CliRunner().invoke(main, ["finalists", "--json"]).output)["warning"] == said.warning
    CliRunner().invoke(main, ["report", str(run), "--output", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert said.warning in page[page.index("<h1") : page.index("</h1>")]


def test_finalists_differ_from_each_other(tmp_path: Path) -> None:
    CliRunner().invoke(main, ["run", "argument", "budget.evaluations=60", f"runs={tmp_path}", "workers.slots=1"])
    (run,) = tmp_path.iterdir()
    rows = json.loads(CliRunner().invoke(main, ["finalists", str(run), "--json"]).output)["finalists"]
    best = [row["files"]["chapter.md"] for row in rows[:-1]]
    assert best and all(len({*one.split()} ^ {*other.split()}) > 2 for one in best for other in best if one != other)


def test_a_reader_is_asked_once_for_the_confirmation() -> None:
    assert load("headline", ["confirm.seeds=5"]).confirm.seeds == 1
    assert load("headline", ["confirm.seeds=0"]).confirm.seeds == 0
    assert load("knobs", ["confirm.seeds=5"]).confirm.seeds == 5
