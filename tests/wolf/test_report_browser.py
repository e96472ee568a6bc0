"""The report in a real, headless Chromium: what scripts do, what remains without them, and what axe says of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")

from wolf.reading.records import Run, load_run  # noqa: E402
from wolf.report import render  # noqa: E402
from wolf.store.events import Event  # noqa: E402

WriteRun = Callable[..., Path]
Story = Callable[..., list[Event]]
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    where = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_api.sync_playwright() as playwright:
        if where is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium: playwright install chromium")
        browser = playwright.chromium.launch(executable_path=where, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, write_run: WriteRun, tmp_path: Path) -> Iterator[Open]:
    """Opens the report of a run; whatever the browser complains about fails the test."""
    path = write_run(tmp_path / "demo", evaluations=60)
    (path / "report.html").write_text(render(load_run(path)), "utf-8")
    contexts, said = [], []

    def open_(**how: Any) -> Any:
        contexts.append(chromium.new_context(**how))
        tab = contexts[-1].new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: request.url.startswith("file:") or said.append(request.url))
        tab.goto((path / "report.html").as_uri())
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert said == []


def test_any_two_variants_are_compared(page: Open) -> None:
    tab = page()
    assert "LR = 0.0" in tab.inner_text("#sides")
    static = tab.inner_html("#sides tbody")
    tab.fill("#b", "best")
    tab.press("#b", "Enter")
    tab.locator("#b").blur()
    assert tab.inner_text("#compared").endswith("rows differ")
    drawn = tab.inner_html("#sides tbody")
    texts = "[...document.querySelectorAll('#sides tbody tr')].map(r => r.className + r.textContent)"
    after = tab.evaluate(texts)
    assert drawn != "" and static != ""
    tab.locator("#variants code[data-v] button").nth(5).click()
    other = tab.input_value("#b")
    assert tab.inner_text("#right") == other
    tab.click("#swap")
    assert tab.inner_text("#left") == other
    assert tab.evaluate(texts) != after
    tab.fill("#b", "zzz")
    tab.locator("#b").blur()
    assert "not on this page" in tab.inner_text("#compared")


def test_the_script_draws_the_rows_that_the_page_came_with(page: Open) -> None:
    tab = page()
    cells = "[r.className, ...[...r.cells].map(c => c.innerHTML)]"
    rows = f"[...document.querySelectorAll('#sides tbody tr')].map(r => {cells})"
    came = tab.evaluate(rows)
    tab.evaluate("document.querySelector('#b').dispatchEvent(new Event('change'))")
    assert tab.evaluate(rows) == came and len(came) > 3


def test_the_table_filters_and_sorts(page: Open) -> None:
    tab = page()
    visible = "[...document.querySelectorAll('#variants tbody tr')].filter(r => !r.hidden)"
    total = tab.evaluate(f"{visible}.length")
    tab.select_option("#outcome", "failed")
    failed = tab.evaluate(f"{visible}.length")
    assert 0 < failed < total and tab.inner_text("#shown") == f"{failed} of {total}"
    tab.select_option("#outcome", "")
    tab.fill("#words", "nudge")
    assert 0 < tab.evaluate(f"{visible}.length") < total
    tab.fill("#words", "")
    tab.locator("#variants th button", has_text="born").click()
    born = tab.evaluate(f"{visible}.map(r => +r.cells[4].textContent)")
    assert born == sorted(born) and tab.get_attribute("#variants th:nth-child(5)", "aria-sort") == "ascending"


def test_a_long_table_grows_as_it_is_scrolled(chromium: Any, story: Story, tmp_path: Path) -> None:
    (tmp_path / "long.html").write_text(render(Run.of(story(evaluations=800))), "utf-8")
    tab = chromium.new_page()
    tab.goto((tmp_path / "long.html").as_uri())
    rows = "[...document.querySelectorAll('#variants tbody tr')]"
    assert tab.evaluate(f"{rows}.filter(r => !r.hidden).length") == 300 < tab.evaluate(f"{rows}.length")
    tab.evaluate("document.querySelector('#variants .tall').scrollTop = 1e6")
    tab.wait_for_function(f"{rows}.filter(r => !r.hidden).length > 300")
    tab.close()


def test_the_map_names_what_is_under_the_pointer(page: Open) -> None:
    tab = page()
    tab.locator("#map svg").scroll_into_view_if_needed()
    tab.locator("#map .named.champion").hover()
    assert tab.evaluate("data.champion") in tab.inner_text("#map .tip")


def test_without_scripts_the_page_still_reads(page: Open) -> None:
    tab = page(java_script_enabled=False)
    assert "On fresh seeds the champion is better" in tab.inner_text("h1")
    assert tab.locator("#sides tbody tr").count() > 3 and tab.locator("#variants tbody tr").count() > 20
    assert not tab.locator("#words").is_visible()
    assert "wolf diff A B" in tab.inner_text("#changed")
    tab.locator("#lineage summary").first.click()
    assert tab.locator(".tree li").first.is_visible()


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_screen(page: Open, width: int) -> None:
    tab = page(viewport={"width": width, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(page: Open, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e '.[browser]'")
    tab = page(color_scheme=scheme, bypass_csp=True)  # axe itself is a script that the page would not run
    tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    found = axe.Axe().run(tab).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in serious]


def test_the_keyboard_reaches_everything_that_can_be_used(page: Open) -> None:
    tab = page()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(400):
        tab.keyboard.press("Tab")
        seen.add(tab.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if "outcome" in seen:
            break
    assert {"a", "swap", "b", "sides", "words", "made", "outcome", "SUMMARY"} <= seen
