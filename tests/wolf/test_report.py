from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from wolf.reading.records import Run, load_run
from wolf.report import render, report
from wolf.report.curve import curve
from wolf.report.svg import Span, ticks
from wolf.store.events import Event

Story = Callable[..., list[Event]]
WriteRun = Callable[..., Path]


class Page(HTMLParser):
    """What a browser would make of the page: its elements, its attributes, whether tags are balanced."""

    VOID = frozenset({"meta", "link", "br", "circle", "path", "rect", "input", "col"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.scripts: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "script":
            self.scripts.append(dict(attrs).get("type") or "")
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture
def demo(write_run: WriteRun, tmp_path: Path) -> Run:
    return load_run(write_run(tmp_path / "demo"))


def test_the_page_is_one_file_that_loads_and_runs_nothing(demo: Run) -> None:
    html = render(demo)
    page = Page(html)
    assert page.tags.isdisjoint({"img", "iframe", "object", "form", "base"})
    assert page.scripts == ["application/json", ""]
    assert not [name for name in page.attributes if name.startswith("on")]
    assert page.links[0] == "data:,"
    ids = set(re.findall(r' id="([^"]+)"', html))
    assert all(link.startswith("#") and link[1:] in ids for link in page.links[1:])
    assert "http://" not in html and "https://" not in html and "url(" not in html
    assert "default-src 'none'" in html


def test_no_script_but_ours_may_run(demo: Run) -> None:
    html = render(demo)
    script = re.findall(r"<script>(.*?)</script>", html, re.S)[0]
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'\"" in html
    assert not re.search(r"eval|innerHTML|insertAdjacentHTML|document\.write|fetch|XMLHttp", script)


def test_what_candidates_write_stays_text(demo: Run) -> None:
    html = render(demo)
    assert "&lt;script&gt;alert(&#39;wolf&#39;)&lt;/script&gt;" in html
    assert "<script>alert" not in html and "<img" not in html
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", html)
    html.encode("utf-8")


def test_hostile_text_is_escaped_wherever_it_can_stand(story: Story) -> None:
    evil = "</title></svg><script>x</script>\"'><b onclick=x>"
    events = []
    for event in story():
        body = json.loads(json.dumps(event.body))
        match event.kind:
            case "run":
                body |= {"name": evil, "metric": evil, "strategy": evil, "judge": evil, "version": evil}
            case "variant":
                body |= {"origin": evil, "note": evil}
            case "asked":
                body |= {"origin": evil, "note": evil, "changes": {evil: [evil, evil]}}
            case "told":
                body["admission"]["reason"] = body["evaluation"]["feedback"] = body["purpose"] = evil
            case "expedition":
                body["kind"] = evil
            case "finished":
                body["reason"] = evil
        events.append(Event(event.seq, event.time, event.kind, body))
    html = render(Run.of(events))
    page = Page(html)
    assert page.scripts == ["application/json", ""] and "onclick" not in page.attributes


def test_the_page_says_what_the_run_found(demo: Run) -> None:
    html = render(demo)
    for text in (
        "On fresh seeds the champion is better than the seed by 0.709 (95% interval 0.669 to 0.749).",
        "the gain is smaller on fresh seeds than in the search by 0.010",
        "one reading varies by 0.030",
        "a new champion",
        "recombine:join",
        "4 ×",
        "believed as the command printed it (trust: reported)",
        "LR 0.0893 → 0.0341, DEPTH 11 → 5",
        "LR = 0.0<mark>341</mark>",
    ):
        assert text in html
    assert html.count('class="whisker"') == len(demo.lineage(demo.champion or ""))


def test_an_unfinished_run_says_that_its_scores_flatter(story: Story) -> None:
    html = render(Run.of(story(end="stopped")))
    assert "by the scores it was picked by" in html and "Scores of the search flatter the champion" in html


@pytest.mark.parametrize("upto", [1, 2, 3, 4, 8])
def test_a_run_that_has_only_begun_has_a_page(story: Story, upto: int) -> None:
    Page(render(Run.of(story()[:upto])))


def test_a_long_run_still_makes_a_page_that_opens(story: Story) -> None:
    html = render(Run.of(story(evaluations=1000)))
    assert len(html) < 1_500_000
    assert html.count("<tr><td><code data-v>") == len(
        {e.body["id"] for e in story(evaluations=1000) if e.kind == "variant"}
    )


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_everything_drawn_lies_inside_the_chart(story: Story, goal: str) -> None:
    svg = str(curve(Run.of(story(goal=goal))))
    assert svg.count('class="crown"') == 1 + len(Run.of(story(goal=goal)).crowned)
    assert 'class="trip found"' in svg and svg.count('class="fresh') == 2
    points = [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", svg)]
    assert points and all(0 <= x <= 960 and 0 <= y <= 380 for x, y in points)
    assert "nan" not in svg and "inf" not in svg


def test_of_a_champion_that_was_read_once_no_spread_is_told(story: Story) -> None:
    events = story()
    champion = next(event.body["champion"] for event in events if event.kind == "told")
    champion["sigma"] = 0.0
    assert re.search(rf"{champion['id']} · [\d.]+ · evaluation 1<", str(curve(Run.of(events))))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_inside(low: float, size: float) -> None:
    span = Span(low, low + size)
    marks = ticks(span)
    assert 1 <= len(marks) <= 13
    slack = 1e-9 * max(abs(low), size, 1)
    assert all(span.low - slack <= mark <= span.high + slack and math.isfinite(mark) for mark in marks)


def test_the_command_writes_beside_the_run_or_where_told(write_run: WriteRun, tmp_path: Path) -> None:
    path = write_run(tmp_path / "demo", evaluations=6)
    result = CliRunner().invoke(report, [str(path), "--json"], catch_exceptions=False)
    assert json.loads(result.output)["report"] == str(path / "report.html")
    Page((path / "report.html").read_text("utf-8"))
    CliRunner().invoke(report, [str(path), "-o", str(tmp_path / "page.html")], catch_exceptions=False)
    assert (tmp_path / "page.html").read_text("utf-8") == (path / "report.html").read_text("utf-8")
