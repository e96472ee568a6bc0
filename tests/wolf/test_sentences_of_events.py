"""Every kind of event is one plain line for a person, and so is every order."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from wolf.reading.display import choose
from wolf.reading.rows import Intervention
from wolf.store.events import Event

Story = Callable[..., list[Event]]
READING = {"status": "ok", "score": 3.71, "seconds": 5.5}


def lines(story: Story, *extra: tuple[str, dict[str, Any]]) -> list[str]:
    """What is printed for these events, after those of a run that goes on."""
    events, out = story(evaluations=6, end=""), io.StringIO()
    with choose("plain", out=out) as show:
        for event in events:
            show(event)
        before = len(out.getvalue().splitlines())
        for n, (kind, body) in enumerate(extra):
            show(Event(len(events) + n + 1, 2_000.0 + n, kind, body))
        return out.getvalue().splitlines()[before:]


def company(matters: bool | None, beside: dict[str, Any] = READING) -> tuple[str, dict[str, Any]]:
    return "company", {"slots": 3, "alone": READING, "beside": beside, "matters": matters}


def proposed(**changed: Any) -> tuple[str, dict[str, Any]]:
    body = {"call": 0, "operator": "edit", "model": "m", "cost": 0.5, "variants": [], "problems": [], "fault": None}
    return "proposed", body | changed


def alarm(aside: int) -> tuple[str, dict[str, Any]]:
    return "alarm", {"reason": "it pleases", "champion": "c" * 12, "back": "d" * 12, "aside": ["c" * 12] * aside,
                     "evaluations": 6}  # fmt: skip


def call(attempt: int) -> tuple[str, dict[str, Any]]:
    return "call", {"call": 0, "state": "failed", "attempt": attempt, "model": "m", "fault": "http 529",
                    "message": "", "cost": 0.0, "again": True}  # fmt: skip


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (("null", {"status": "crashed", "score": None}), "null candidate, which does nothing: crashed, as it should"),
        (("null", {"status": "ok", "score": 4.5}), "null candidate, which does nothing: 4.500, to be beaten"),
        (company(False), "alone: 3.710 in 5.5 s; again beside up to 2 others: 3.710 in 5.5 s; within the noise"),
        (("company", company(False)[1] | {"slots": 2}), "again beside another: 3.710 in 5.5 s; within the noise"),
        (company(None), "too few readings to tell from noise"),
        (company(True, READING | {"status": "crashed", "score": None}), "beside up to 2 others: crashed in 5.5 s. "),
        (company(True), "WARNING: the seed alone"),
        (company(True), "Running 3 at a time changes the score: use fewer workers.slots"),
        (proposed(variants=["a" * 12], problems=["p", "q"]), "✎ m for edit: 1 of 3 ideas usable, $0.5000"),
        (proposed(), "✎ m for edit: see notes.md, $0.5000"),
        (proposed(fault="refusal"), "✎ m for edit: no answer (refusal), $0.5000"),
        (("checked", {"variant": "b" * 12, "status": "crashed", "feedback": "x\nKeyError: 'lr'\n"}),
         "✎ idea bbbbbbbb fails its check: KeyError: 'lr'"),
        (("checked", {"variant": "b" * 12, "status": "timeout", "feedback": " "}),
         "fails its check: it says no more"),
        (call(1), "✎ m: http 529; asking again (attempt 2)"),
        (call(8), "✎ m: http 529; asking again (attempt 9)"),
        (("call", {**call(1)[1], "judging": True}),
         "the judge m does not answer (http 529): evaluations wait for it and go on by themselves when it is back"),
        (alarm(1), "ALARM: it pleases; the search goes back to dddddddd, and 1 variant is set aside"),
        (alarm(3), "and 3 variants are set aside"),
        (("paused", {"evaluations": 6, "reason": "you said so", "checkin": None}),
         "paused after 6 evaluations: you said so; "),
        (("continued", {"evaluations": 6, "reason": "you said so"}), "going on: you said so"),
        (("ended", {"rule": "time", "reason": "the hour is over"}), "the search ends: the hour is over"),
        (("refused", {"id": "7", "stamp": 1, "order": "pin", "reason": "there is none", "evaluations": 6}),
         "☞ refused: pin: there is none"),
        (("refused", {"id": "7", "stamp": 1, "order": "pin", "reason": "pin needs a variant", "evaluations": 6}),
         "☞ refused: pin needs a variant"),
        (("refused", {"id": "7", "stamp": 1, "order": None, "reason": "no JSON", "evaluations": 6}),
         "☞ refused: no JSON"),
        (("resumed", {"ordinal": 6, "sandbox": "landlock"}), "resumed after 6 evaluations · sandbox landlock"),
        (("resumed", {"ordinal": 6, "sandbox": "bubblewrap"}), "resumed after 6 evaluations"),
        (("expedition", {"id": 2, "state": "started", "kind": "kick", "origin": "e" * 12, "allowance": 8, "best": None,
                         "outcome": None, "evaluations": 0}),
         "↗ expedition 2 (kick from eeeeeeee) sets out, 8 evaluations of its own"),
    ],
)  # fmt: skip
def test_an_event_is_a_line(story: Story, event: tuple[str, dict[str, Any]], said: str) -> None:
    (line,) = lines(story, event)
    assert said in line and "\x1b" not in line


@pytest.mark.parametrize(
    ("outcome", "found"), [("champion", "a new champion"), ("niche", "a new niche"), ("empty", "nothing")]
)
def test_an_expedition_is_told_from_start_to_end(story: Story, outcome: str, found: str) -> None:
    trip = {
        "id": 2,
        "kind": "kick",
        "origin": "e" * 12,
        "allowance": 8,
        "best": None,
        "outcome": None,
        "evaluations": 0,
    }
    states = [{"state": "started"}, {"state": "extended", "allowance": 16, "evaluations": 8},
              {"state": "settled", "outcome": outcome, "evaluations": 16}]  # fmt: skip
    said = lines(story, *(("expedition", trip | state) for state in states))
    assert said[1].startswith("↗ expedition 2 (kick from eeeeeeee) improves and gets more evaluations: 8 of ")
    assert said[2] == f"↙ expedition 2 (kick from eeeeeeee) is home after 16 evaluations: {found}"


def test_only_the_first_second_fourth_and_eighth_attempt_of_a_call_is_a_line(story: Story) -> None:
    assert len(lines(story, *(call(attempt) for attempt in range(1, 13)))) == 4


def test_a_run_that_was_paused_is_paused_still_when_it_is_resumed(story: Story) -> None:
    said = lines(
        story,
        ("paused", {"evaluations": 6, "reason": "you said so", "checkin": None}),
        ("resumed", {"ordinal": 6, "sandbox": "bubblewrap"}),
    )
    assert said[-1] == "resumed after 6 evaluations, and still paused; go goes on"


def test_a_new_champion_is_called_one_only_if_it_leads(story: Story) -> None:
    gain = {"mean": 0.2, "low": 0.1, "high": 0.3}
    body = {"ordinal": 6, "variant": "a" * 12, "previous": "b" * 12, "estimate": None, "gain": gain}
    (said,) = lines(story, ("crowned", body))
    assert said.startswith("★ aaaaaaaa is surely better than bbbbbbbb, by 0.2") and said.endswith("stays the champion")
    back = {"barred": [], "pinned": [], "champion": {"id": "a" * 12, **READING}, "estimates": {}}
    assert lines(story, ("steered", back), ("crowned", body))[-1].startswith("★ new champion aaaaaaaa, better than the")


def test_an_expedition_whose_best_never_led_found_a_rival(story: Story) -> None:
    trip = {"id": 7, "state": "started", "kind": "kick", "origin": "b" * 12, "allowance": 8, "best": None,
            "outcome": None, "evaluations": 0}  # fmt: skip
    home = {**trip, "state": "settled", "best": "a" * 12, "outcome": "champion", "evaluations": 5}
    assert lines(story, ("expedition", trip), ("expedition", home))[-1].endswith(
        "5 evaluations: a rival of the champion"
    )
    leader = next(e.body["champion"]["id"] for e in story(evaluations=6, end="") if e.kind == "told")
    led = {**home, "best": leader}
    assert lines(story, ("expedition", trip), ("expedition", led))[-1].endswith("5 evaluations: a new champion")


def test_a_check_in_shows_the_finalists_again_after_a_resume(story: Story) -> None:
    opened = {"checkin": 1, "evaluations": 6, "finalists": ["a" * 12], "why": "every 6", "wait": None}
    paused = {"evaluations": 6, "reason": "check-in", "checkin": 1}
    said = "\n".join(lines(story, ("checkin", opened), ("paused", paused), ("resumed", {"ordinal": 6, "sandbox": "x"})))
    assert said.count("check-in 1 after 6 evaluations (every 6); it waits for you") == 2
    assert said.count("answer in checkin.yaml, or with `wolf tell RUN ...`") == 2
    later = "\n".join(lines(story, ("checkin", opened | {"wait": 90.0})))
    assert "it goes on by itself after" in later


@pytest.mark.parametrize(
    ("order", "about", "said"),
    [
        ("pause", {}, "paused"),
        ("go", {}, "told to go on"),
        ("stop", {"now": False}, "told to stop"),
        ("stop", {"now": True}, "told to stop at once"),
        ("finish", {}, "called it good enough"),
        ("memo", {"text": "new\nrules"}, "a new memo: new rules"),
        ("instruction", {"text": "no dropout"}, "an instruction: no dropout"),
        ("veto", {"variant": "a" * 12, "alone": True}, "vetoed aaaaaaaa alone"),
        ("veto", {"variant": "a" * 12, "alone": False}, "vetoed aaaaaaaa and its line"),
        ("pin", {"variant": "a" * 12}, "pinned aaaaaaaa"),
        ("free", {"variant": "a" * 12}, "freed aaaaaaaa"),
        ("inject", {"variant": "a" * 12, "note": "mine"}, "put in aaaaaaaa: mine"),
        ("vote", {"better": "a" * 12, "worse": "b" * 12, "people": 1}, "preferred aaaaaaaa to bbbbbbbb"),
        ("vote", {"better": "a" * 12, "worse": "b" * 12, "people": 5}, "preferred aaaaaaaa to bbbbbbbb by 5 people"),
        ("budget", {"limits": {"evaluations": 200}}, "a budget of 200 evaluations"),
        ("budget", {"limits": {"evaluations": 200, "hours": 1.5}}, "a budget of 200 evaluations and 1.5 hours"),
        ("budget", {"limits": {"usd": 2.5}}, "a budget of $2.5"),
        ("dance", {}, "dance"),
    ],
)
def test_an_order_is_a_sentence(story: Story, order: str, about: dict[str, Any], said: str) -> None:
    body = {"id": "7", "stamp": 1, "order": order, "by": "terminal", "evaluations": 6, **about}
    hand = Intervention.of(Event(9, 1.0, "intervention", body))
    assert (hand.sentence, hand.about, hand.by, hand.evaluations) == (said, about, "terminal", 6)
    if order != "dance":
        assert lines(story, ("intervention", body)) == [f"☞ {said}"]
