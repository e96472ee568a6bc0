"""The dashboard of real runs, in a real, headless Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")
pytest.importorskip("starlette", reason="pip install -e '.[web]'")

from wolf.reading.records import load_run  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="starts and stops processes")]
REPOSITORY = Path(__file__).parents[2]
PATIENCE = 120_000  # milliseconds; the machine may be busy
JUDGE = "import time, seed\ntime.sleep(0.3)\nprint('loss:', (seed.LR - 0.3) ** 2 + abs(seed.DEPTH - 9))\n"
TASK = """
name: tuning
target: {root: ., files: [seed.py], memo: memo.md}
judge: {kind: command, run: python judge.py, metric: loss, goal: minimize, seconds: 60}
budget: {evaluations: 4000}
workers: {slots: 2}
"""
LLM = "llm: {models: [claude-sonnet-5-5], base_url: 'http://127.0.0.1:9', explain: 10}\n"


class Machine:
    """Processes in a folder, and a browser that looks at them."""

    def __init__(self, folder: Path, browser: Any) -> None:
        self.folder = folder
        self._env = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "ANTHROPIC_API_KEY": "none"}
        self.processes: list[subprocess.Popen[str]] = []
        self.said: list[str] = []
        self.server = self.wolf("serve", "--port", "0", stdout=subprocess.PIPE)
        assert self.server.stdout is not None
        self.address = next(line for line in self.server.stdout if "?token=" in line).strip()
        self.base = self.address.split("/?")[0]
        self._browser = browser
        self.contexts: list[Any] = []

    def wolf(self, *arguments: str, stdout: Any = subprocess.DEVNULL) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "wolf", *arguments]
        process = subprocess.Popen(
            command, cwd=self.folder, env=self._env, text=True, stdout=stdout, stderr=subprocess.STDOUT
        )
        self.processes.append(process)
        return process

    def started(self, *arguments: str) -> Path:
        """Start a run and wait until it has begun."""
        before = {*self.folder.glob("runs/*/ledger.db")}
        self.wolf("run", *arguments)
        until(lambda: {*self.folder.glob("runs/*/ledger.db")} - before)
        return next(iter({*self.folder.glob("runs/*/ledger.db")} - before)).parent

    def tab(self, address: str = "/", **how: Any) -> Any:
        context = self._browser.new_context(**how)
        context.set_default_timeout(PATIENCE)
        self.contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: self.said.append(message.text))
        tab.on("pageerror", lambda error: self.said.append(str(error)))
        tab.on("request", lambda request: request.url.startswith(self.base) or self.said.append(request.url))
        tab.goto(self.address)
        tab.wait_for_url(f"{self.base}/")
        tab.goto(self.base + address)
        return tab

    def end(self) -> None:
        for context in self.contexts:
            context.close()
        for process in reversed(self.processes):
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def until(true: Callable[[], Any], seconds: float = 120.0) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "waited in vain"
        time.sleep(0.1)


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
def machine(chromium: Any, tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "seed.py").write_text("LR = 0.02  # knob: 1e-4 .. 1 log\nDEPTH = 4  # knob: 1 .. 16\n")
    (tmp_path / "judge.py").write_text(JUDGE)
    (tmp_path / "memo.md").write_text("Make it lower.\n")
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "asking.yaml").write_text(TASK.replace("4000", "4000, usd: 1") + LLM)
    made = Machine(tmp_path, chromium)
    yield made
    made.end()
    assert made.said == []


def hands(run: Path) -> list[str]:
    return [hand.order for hand in load_run(run).interventions]


def test_a_run_appears_moves_pauses_goes_on_and_stops(machine: Machine) -> None:
    tab = machine.tab()
    assert "No run yet" in tab.inner_text("main")
    run = machine.started("task.yaml")
    tab.click(f"text={run.name}")  # it came by itself
    tab.wait_for_selector("#link:has-text('live')")
    figure = ".tiles div:has(dt:text-is('evaluations')) dd >> nth=0"
    tab.wait_for_selector(figure)
    first = int(tab.inner_text(figure))
    until(lambda: int(tab.inner_text(figure)) > first + 3)
    tab.wait_for_selector("#journal li.told")
    tab.wait_for_selector("#map svg")
    tab.click("button:has-text('Pause')")
    tab.wait_for_selector("#now p.warn:has-text('Paused')")
    assert "paused" in tab.inner_text("#orders li.done") and load_run(run).still
    tab.click("button:has-text('Go on')")
    tab.wait_for_selector("button:has-text('Pause')")
    tab.click("button:has-text('Stop after')")
    tab.wait_for_selector("#now:has-text('wolf resume')")
    assert machine.processes[-1].wait(60) == 130
    assert hands(run) == ["pause", "go", "stop"] and load_run(run).status == "stopped"


def test_variants_are_pinned_vetoed_freed_and_put_in(machine: Machine) -> None:
    run = machine.started("task.yaml")
    until(lambda: load_run(run).evaluations > 6)
    ranked = load_run(run).ranking()
    good, bad = (next(id for id in ids if id != load_run(run).header.seed_variant) for ids in (ranked, ranked[::-1]))
    board = machine.tab(f"/run/{run.name}")
    tab = machine.tab(f"/run/{run.name}/variant/{good}")
    tab.click("button:has-text('Pin it')")
    board.wait_for_selector(f"#orders li:has-text('pinned {good[:8]}')")
    tab.goto(f"{machine.base}/run/{run.name}/variant/{bad}")
    tab.click("button:has-text('Veto it and its line')")
    board.wait_for_selector(f"#orders li.done:has-text('vetoed {bad[:8]}')")
    until(lambda: bad in load_run(run).barred)
    tab.reload()
    tab.click("button:has-text('Free it')")
    board.wait_for_selector(f"#orders li.done:has-text('freed {bad[:8]}')")
    tab.fill("textarea.code", "LR = 0.25\nDEPTH = 9\n")
    tab.fill("#note", "<b>mine</b>")
    tab.click("button:has-text('Put it in')")
    board.wait_for_selector("#orders li:has-text('put in')")
    until(lambda: any(told.purpose == "person" for told in load_run(run).told))
    mine = next(told for told in load_run(run).told if told.purpose == "person")
    assert load_run(run).files(mine.variant)["seed.py"] == "LR = 0.25\nDEPTH = 9\n"
    tab.goto(f"{machine.base}/run/{run.name}/variants")
    tab.fill("[name=words]", mine.variant)
    tab.wait_for_selector("#table p:has-text('1 of')")
    assert tab.locator("#table tbody b").count() == 0
    tab.goto(f"{machine.base}/run/{run.name}/variant/seed")
    assert tab.locator("button:has-text('Veto')").count() == 0
    board.click("button:has-text('Good enough')")
    board.wait_for_selector("#now:has-text('A finished run takes no orders')")


def test_the_memo_is_replaced_and_added_to(machine: Machine) -> None:
    run = machine.started("asking.yaml")
    tab = machine.tab(f"/run/{run.name}")
    assert tab.input_value("#memo") == "Make it lower.\n"
    tab.fill("#memo", "Make it <i>much</i> lower.\n")
    tab.click("button:has-text('Replace the memo')")
    tab.wait_for_selector("#orders li.done:has-text('a new memo: Make it <i>much</i> lower.')")
    tab.fill("#say", "leave DEPTH alone")
    tab.press("#say", "Enter")
    tab.wait_for_selector("#orders li.done:has-text('an instruction: leave DEPTH alone')")
    tab.reload()
    assert tab.input_value("#memo") == "Make it <i>much</i> lower.\n"


def test_a_check_in_is_answered_and_duels_are_votes(machine: Machine) -> None:
    run = machine.started("headline", "check_in=every 20", "budget.evaluations=40", "stop.alarm=off")
    tab = machine.tab(f"/run/{run.name}")
    tab.wait_for_selector("#checkin")
    finalists = load_run(run).checkin["finalists"]  # type: ignore[index]
    duel = machine.tab(f"/run/{run.name}/duel")
    first = duel.inner_text(".duel .said >> nth=0")
    duel.click("button:has-text('The first is better')")
    duel.wait_for_selector("button[aria-busy]", state="detached")
    tab.wait_for_selector("#orders li:has-text('preferred')")
    vote = next(hand for hand in load_run(run).interventions if hand.order == "vote")
    assert load_run(run).files(vote.about["better"])["headline.txt"].strip() == first.strip()
    tab.check(f"[name='do:{finalists[1]}'][value=veto]")
    tab.check(f"[name='do:{finalists[0]}'][value=pin]")
    tab.wait_for_timeout(1500)  # what comes in the meantime leaves a half-filled form alone
    assert tab.is_checked(f"[name='do:{finalists[1]}'][value=veto]")
    tab.click("button:has-text('Answer, and go on')")
    tab.wait_for_selector("#checkin", state="detached")
    until(lambda: load_run(run).evaluations >= 40)
    assert hands(run)[:4] == ["vote", "veto", "pin", "go"] or hands(run)[:4] == ["vote", "pin", "veto", "go"]
    assert finalists[1] in load_run(run).barred and finalists[0] in load_run(run).pinned


def test_without_scripts_everything_reads_and_the_controls_are_forms(machine: Machine) -> None:
    run = machine.started("task.yaml")
    until(lambda: load_run(run).evaluations > 4)
    tab = machine.tab(f"/run/{run.name}", java_script_enabled=False)
    assert "evaluations" in tab.inner_text("main") and tab.locator("svg.curve").is_visible()
    tab.click("button:has-text('Pause')")
    assert tab.url.endswith(f"/run/{run.name}#orders")
    until(lambda: load_run(run).still)
    tab.reload()
    assert "Paused" in tab.inner_text("#now")
    tab.click("a[href$='?all']")  # text selectors look past noscript
    assert tab.locator("svg.map").is_visible()
    tab.click("nav >> text=Variants")
    tab.fill("[name=words]", "seed")
    tab.click("button:has-text('Show')")
    assert "words=seed" in tab.url and tab.locator("#table tbody tr").count() >= 1


def test_a_server_that_went_away_is_said(machine: Machine) -> None:
    run = machine.started("task.yaml")
    tab = machine.tab(f"/run/{run.name}")
    tab.wait_for_selector("#link:has-text('live')")
    machine.server.send_signal(signal.SIGINT)
    assert machine.server.wait(30) in (0, 130)
    tab.wait_for_selector("#link.lost")
    tab.click("button:has-text('Pause')")
    tab.wait_for_selector("#toast:has-text('does not answer')")
    machine.said.clear()  # the browser's own complaints about a server that is gone


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_axe_finds_no_serious_violation_and_nothing_is_too_wide(machine: Machine, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e '.[browser]'")
    run = machine.started("headline", "check_in=every 20", "budget.evaluations=40")
    tab = machine.tab("/", color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    pages = ["", f"run/{run.name}", f"run/{run.name}/variants", f"run/{run.name}/variant/seed"]
    for page in [*pages, f"run/{run.name}/variant/best", f"run/{run.name}/compare", f"run/{run.name}/duel"]:
        if page == f"run/{run.name}":
            until(lambda: load_run(run).checkin)
        tab.goto(f"{machine.base}/{page}")
        if page == f"run/{run.name}":
            tab.wait_for_selector("#checkin")
            tab.wait_for_selector("#map svg")
        violations = axe.Axe().run(tab).response["violations"]
        serious = [v for v in violations if v["impact"] in ("serious", "critical")]
        assert not serious, (page, [(v["id"], [node["html"][:160] for node in v["nodes"][:3]]) for v in serious])
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, page
