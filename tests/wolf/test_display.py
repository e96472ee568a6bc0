from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from wolf.reading.display import JsonLines, LiveTable, PlainLines, Silence, choose
from wolf.reading.lines import still, tell, why_so
from wolf.reading.records import Run
from wolf.reading.rows import Told
from wolf.reading.spending import spent
from wolf.reading.terminal import decimals, duration, json_line, line, number, safe, spark
from wolf.reading.verdict import verdict
from wolf.reading.view import view
from wolf.store.events import Event

Story = Callable[..., list[Event]]
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(run: Run, width: int, height: int = 30) -> str:
    console = Console(width=width, height=height, file=io.StringIO(), record=True, color_system=None)
    console.print(view(run, width, height, run.events[-1].time))
    return console.export_text()


def plain(events: list[Event], **how: object) -> str:
    out = io.StringIO()
    with choose("plain", out=out, **how) as show:  # type: ignore[arg-type]
        for event in events:
            show(event)
    return out.getvalue()


def test_the_chooser_looks_at_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(choose(out=Terminal()), LiveTable)
    assert isinstance(choose(out=io.StringIO()), PlainLines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose(out=Terminal()), PlainLines)
    assert isinstance(choose("json", out=Terminal()), JsonLines)
    assert isinstance(choose("none"), Silence)
    with pytest.raises(ValueError, match="use auto, live, plain, json or none"):
        choose("fancy")


def test_json_is_one_object_per_event_and_nothing_else(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    with choose("json", out=out) as show:
        show.say("making the corpus")
        for event in story():
            show(event)
    lines = out.getvalue().split("\n")[:-1]
    objects = [json.loads(text) for text in lines]
    assert [made["event"] for made in objects] == [event.kind for event in story()]
    assert objects[-1]["event"] == "finished" and objects[-1]["gain"]["low"] > 0
    assert {k: v for k, v in objects[1].items() if k not in ("event", "seq", "time")} == dict(story()[1].body)
    assert not HARMFUL.search(out.getvalue().replace("\n", ""))
    assert capsys.readouterr().err == "making the corpus\n"


def test_plain_lines_say_what_changed_and_why(story: Story) -> None:
    text = plain(story(), path=None)
    first, *rest = text.splitlines()
    assert (
        first
        == "Auto Wolf 0.1.0 · demo · wolf · seed 0 · 2 workers · minimize val_bpb · sandbox bubblewrap · trust reported"
    )
    assert "[ 4/40]    3.824  19bad7f5  admitted   survey" in text
    assert "LR 0.02 → 0.013, DEPTH 4 → 6 · because it was" in text
    assert "crashed" in text and "ValueError" in text
    assert "★ new champion" in text and "expedition 1 (kick" in text
    assert len([line for line in rest if line.startswith("[")]) == 45


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_a_finished_run_ends_with_the_outcome_and_four_commands(story: Story, goal: str) -> None:
    block = plain(story(goal=goal)).split("\n\n")[-2:]
    text = "\n".join(block)
    assert "On fresh seeds the champion is better than the seed by 0.709 (95% interval 0.669 to 0.749)." in text
    assert "the gain is smaller on fresh seeds than in the search by 0.010" in text
    assert "one reading varies by 0.030" in text
    assert "1: 1 found a new champion · 20% of the evaluations" in text
    assert text.count("\n  wolf ") == 4 and "budget --evaluations 80  # more" in text


def test_the_last_block_shows_the_knobs_and_the_diff(
    write_run: Callable[..., Path], story: Story, tmp_path: Path
) -> None:
    text = plain(story(), path=write_run(tmp_path / "demo"))
    assert "changed  LR 0.02 → " in text
    assert "-LR = 0.02  # knob" in text
    assert f"wolf report {tmp_path / 'demo'}" in text


def test_a_stopped_run_says_how_to_go_on(story: Story, tmp_path: Path) -> None:
    text = plain(story(end="stopped"), path=tmp_path)
    assert "stopped after 40 evaluations: interrupted" in text
    assert f"  wolf resume {tmp_path}  # go on where it stopped" in text


def test_candidates_cannot_drive_the_terminal(story: Story) -> None:
    run = Run.of(story())
    assert not HARMFUL.search(plain(story()).replace("\n", ""))
    for width in (80, 200):
        assert not HARMFUL.search(shown(run, width, 60).replace("\n", ""))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (40, 10)])
def test_the_live_view_fits_and_tells_the_essentials(story: Story, width: int, height: int) -> None:
    for upto in (2, 4, 30, 60, len(story())):
        run = Run.of(story(end="stopped")[:upto])
        lines = shown(run, width, height).splitlines()
        assert max(len(text) for text in lines) <= width
        if height > 20:
            assert len(lines) <= height
    text = shown(Run.of(story(end="")), width, height)
    assert "40 of 40" in text and "val_bpb" in text and "best so far" in text
    if width == 200:
        assert "gain 0.719 [0.677, 0.760]" in text and "why" in text and "1 home: 1 found a new champion" in text


def test_an_expedition_under_way_is_in_the_view(story: Story) -> None:
    events = story()
    start = next(i for i, event in enumerate(events) if event.kind == "expedition")
    assert "kick from" in shown(Run.of(events[: start + 3]), 120)


def test_no_color_is_respected(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    for no_color, coloured in (("1", False), ("", True)):
        monkeypatch.setenv("NO_COLOR", no_color)
        out = Terminal()
        with LiveTable(None, out) as show:
            for event in story():
                show(event)
        assert bool(re.search(r"\x1b\[[\d;]*3[1-6]m", out.getvalue())) is coloured


def test_the_live_table_runs_from_start_to_finish(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Terminal()
    with LiveTable(None, out) as show:
        show.say("making the tokenizer")
        for event in story():
            show(event)
    assert "making the tokenizer" in out.getvalue()
    assert out.getvalue().rstrip().endswith("more; then `wolf resume` goes on")


def test_off_the_terminal_it_is_never_silent(story: Story) -> None:
    out = io.StringIO()
    with PlainLines(None, out, heartbeat=0.1) as show:
        show.say("making the tokenizer")
        while "… still: making the tokenizer" not in out.getvalue():
            time.sleep(0.01)
        for event in story()[:3]:
            show(event)
        while "… 0/40 done, evaluating 1 (dbf57f94, baseline) for" not in out.getvalue():
            time.sleep(0.01)


def test_the_heartbeat_says_so_when_nothing_is_being_evaluated(story: Story) -> None:
    assert "choosing what to try next" in still(Run.of(story()[:1]), "", 0.0)


def test_a_reader_that_goes_away_does_not_end_the_run(story: Story) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    for mode in ("json", "plain"):
        with choose(mode, out=Gone()) as show:
            for event in story():
                show(event)


def test_an_ascii_stream_gets_escapes_instead_of_an_error(story: Story) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    with choose("plain", out=out) as show:
        for event in story():
            show(event)
    assert b"\\u2605 new champion" in raw.getvalue()


def test_a_resumed_run_continues_from_its_history(story: Story) -> None:
    events = story(end="stopped")
    out = io.StringIO()
    with choose("plain", out=out) as show:
        for event in events:
            show.past(event)
        show(Event(len(events) + 1, events[-1].time + 60, "resumed", {"ordinal": 40}))
    assert out.getvalue() == "resumed after 40 evaluations\n"


def test_a_display_forgets_texts_and_nothing_that_it_shows(story: Story) -> None:
    events = story()
    call = {"call": 0, "purpose": "judge:duel", "prompt": {"user": "long " * 999}, "cost": 0.25, "text": "x" * 999}
    paused = {"evaluations": 1, "reason": "you paused it", "checkin": None}
    events[-1:-1] = [Event(events[-1].seq, events[-1].time, *said) for said in (("call", call), ("paused", paused))]
    live, resumed, whole = PlainLines(None, io.StringIO()), PlainLines(None, io.StringIO()), Run.of(events, locked=True)
    for event in events[:-1]:
        resumed.past(event)
    resumed(events[-1])
    for event in events:
        live(event)
        if event.kind == "paused":
            assert live.run is not None and "‖ paused: you paused it" in shown(live.run, 120)
    for run in (live.run, resumed.run):
        assert run is not None
        assert (shown(run, 120), spent(run), run.status) == (shown(whole, 120), spent(whole), whole.status)
        assert len(json.dumps([dict(event.body) for event in run.events])) < 100 * len(events)


def test_the_verdict_never_claims_more_than_the_interval(story: Story) -> None:
    events = story()
    body = dict(events[-1].body)
    for gain, kind in (((0.1, -0.1, 0.3), "noise"), ((0.1, 0.05, 0.15), "gain"), ((-0.1, -0.2, -0.05), "loss")):
        changed = body | {"gain": dict(zip(("mean", "low", "high"), gain, strict=True))}
        said = verdict(Run.of([*events[:-1], Event(events[-1].seq, events[-1].time, "finished", changed)]))
        assert said.kind == kind and said.fresh
    seed = Run.of([event for event in events if event.kind != "finished"][:9])
    assert verdict(seed).kind == "seed"
    assert verdict(Run.of(events[:2])).kind == "none"
    early = verdict(Run.of(events[:-1]))
    assert not early.fresh and "by the scores it was picked by" in early.sentence


def test_unknown_events_are_no_line(story: Story) -> None:
    run = Run.of(story())
    assert tell(run, Event(0, 0.0, "something new", {}), None) == []


@given(st.text(st.characters(exclude_categories=())))
def test_text_is_harmless_and_json_survives(text: str) -> None:
    assert not HARMFUL.search(safe(text))
    assert "\n" not in line(text) and len(line(text, 20)) <= 20
    packed = json_line({"note": text})
    assert not HARMFUL.search(packed)
    assert json.loads(packed) == {"note": text}


def test_numbers_and_marks() -> None:
    assert [duration(s) for s in (3.14, 59.6, 221, 7500, 100_000)] == ["3.1s", "1m 00s", "3m 41s", "2h 05m", "1d 03h"]
    assert [decimals([s]) for s in (0.03, 0.0042, 12.0, None, 0.0)] == [3, 4, 0, 4, 4]
    assert [number(v, 3) for v in (1.23456, None, float("inf"), 1e-9, 12345678.0)] == [
        "1.235",
        "-",
        "-",
        "1e-09",
        "1.23e+07",
    ]
    assert [number(-0.0, 2), number(-0.3, 1)] == ["0.00", "-0.3"]
    assert json_line({"a": float("nan"), "b": [float("-inf")]}) == '{"a": null, "b": [null]}'
    assert spark([3, 2, 1], 10) == "█▅▁" and spark([], 9) == "" and len(spark(list(range(500)), 40)) == 40
    assert spark([1, 1], 5) == "▁▁"


def test_a_failure_says_its_status_once(story: Story) -> None:
    run = Run.of(story())
    told = SimpleNamespace(ok=False, status="crashed", reason="crashed", failure="crashed: SyntaxError: invalid syntax")
    assert why_so(run, cast(Told, told)) == "crashed: SyntaxError: invalid syntax"
    told.reason = "the seed's own reading"
    assert why_so(run, cast(Told, told)) == "the seed's own reading · crashed: SyntaxError: invalid syntax"
