"""The dashboard over HTTP: who gets in, what is shown, what is ordered. The browser's side: test_serve_browser.py."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("starlette", reason="pip install -e '.[web]'")

from starlette.testclient import TestClient

from population.variant import Variant
from wolf.cli import main
from wolf.control.inbox import INBOX
from wolf.reading.records import load_run
from wolf.serve.app import Dashboard
from wolf.serve.shelf import Shelf
from wolf.store.ledger import Ledger
from wolf.store.lock import take

WriteRun = Callable[..., Path]
Steps = Callable[..., Any]
TOKEN = "a-token"
BASE = "http://127.0.0.1:8421"
XSS = "<script>alert('wolf')</script>"
HERE = {"origin": BASE, "sec-fetch-site": "same-origin"}


@pytest.fixture
def folder(write_run: WriteRun, tmp_path: Path) -> Path:
    """A finished run, and one that is going on: this process holds its lock."""
    write_run(tmp_path / "runs" / "done", evaluations=40)
    write_run(tmp_path / "runs" / "going", evaluations=40, end="")
    return tmp_path / "runs"


@pytest.fixture
def going(folder: Path) -> Iterator[Path]:
    """The run that is going on."""
    taken = take(folder / "going")
    yield folder / "going"
    os.close(taken)


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    """A browser that has the token."""
    app = Dashboard(folder).app(TOKEN, "wolf-8421")
    with TestClient(app, base_url=BASE, follow_redirects=False, raise_server_exceptions=False) as made:
        assert made.get(f"/?token={TOKEN}").status_code == 200
        yield made


def orders(run: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((run / INBOX).glob("*.json"))]


@pytest.mark.parametrize(
    "address", ["/", "/live", "/run/done", "/run/done/live", "/run/done/report", "/static/serve.js", "/?token=b", "/no"]
)
def test_without_the_token_nothing_is_told(client: TestClient, address: str) -> None:
    client.cookies.clear()
    for cookie in ("", "wolf-8421=b", "wolf-8421=é", "wolf-8421", f"wolf-1={TOKEN}"):
        answer = client.get(address, headers={"cookie": cookie.encode()})
        assert answer.status_code == 403 and "set-cookie" not in answer.headers
        assert answer.text.startswith("This page belongs to whoever started")


def test_the_token_becomes_a_cookie_that_neither_scripts_nor_other_sites_get(client: TestClient) -> None:
    said = client.get(f"/?token={TOKEN}").headers["set-cookie"]
    assert "HttpOnly" in said and "SameSite=strict" in said and said.startswith("wolf-8421=")
    page = client.get("/")
    assert page.status_code == 200 and TOKEN not in page.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8421", "127.0.0.1.evil.example", "", "localhost.", "0.0.0.0:8421"]
)
def test_other_names_of_this_machine_are_refused(client: TestClient, host: str) -> None:
    for address in ("/", f"/?token={TOKEN}"):
        assert client.get(address, headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8421", "localhost:8421", "localhost:9000", "[::1]:8421"])
def test_a_tunnel_from_another_port_gets_in(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host, "cookie": f"wolf-8421={TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},  # another server on this machine: the cookie comes along
        {"origin": "http://localhost:8421"},
        {"origin": "https://127.0.0.1:8421"},
        {"origin": BASE, "sec-fetch-site": "cross-site"},
        {"origin": BASE, "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_only_our_own_pages_may_order(client: TestClient, going: Path, headers: dict[str, str]) -> None:
    assert client.post("/run/going/order", data={"order": "pause"}, headers=headers).status_code == 403
    assert orders(going) == []
    assert client.post("/run/going/order", data={"order": "pause"}, headers=HERE).status_code == 303
    assert [order["order"] for order in orders(going)] == ["pause"]


def test_other_sites_may_lead_here_but_not_look(client: TestClient) -> None:
    site = {"sec-fetch-site": "cross-site"}
    assert client.get("/", headers={**site, "sec-fetch-mode": "no-cors"}).status_code == 403
    assert client.get("/", headers={**site, "sec-fetch-mode": "navigate"}).status_code == 200
    answer = client.get("/run/done")
    assert "access-control-allow-origin" not in answer.headers
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] == "same-origin", "with no-referrer plain forms would have no origin"


def test_an_order_cannot_be_a_link(client: TestClient, going: Path) -> None:
    assert client.get("/run/going/order?order=stop").status_code == 405
    assert orders(going) == []


@pytest.mark.parametrize(
    "page", ["", "?all", "/variants", "/variants?words=script", "/variant/seed", "/compare", "/live"]
)
def test_what_candidates_wrote_is_text(client: TestClient, folder: Path, page: str) -> None:
    if page == "/live":  # the stream of a closing server ends after the first look
        count = iter([False, True])
        app = Dashboard(folder, lambda: next(count)).app(TOKEN, "wolf-8421")
        client = TestClient(app, base_url=BASE, cookies={"wolf-8421": TOKEN})
    answer = client.get(f"/run/done{page}")
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text and "<img src=x" not in answer.text
    assert not any(mark in answer.text for mark in ("\x1b", "\u202e", "\x9b"))


def test_a_hostile_variant_has_a_page(client: TestClient, folder: Path) -> None:
    run = load_run(folder / "done")
    hostile = [id for id, variant in run.variants.items() if XSS in variant.note or "\x1b" in variant.note]
    assert len(hostile) == 2
    for id in hostile:
        answer = client.get(f"/run/done/variant/{id}")
        assert answer.status_code == 200 and "<script>alert" not in answer.text and "\x1b" not in answer.text


def test_the_pages_of_a_run(client: TestClient) -> None:
    page = client.get("/run/done").text
    assert "On fresh seeds the champion is better" in page and 'class="curve"' in page and "What changed" in page
    assert 'svg class="map"' not in page, "what takes seconds comes later"
    assert 'class="map"' in client.get("/run/done?all").text
    assert "rank 1 of" in client.get("/run/done/variant/best").text
    assert "attachment" in client.get("/run/done/report").headers["content-disposition"]
    assert client.get("/static/serve.css").status_code == client.get("/static/report.css").status_code == 200
    assert client.get("/static/map.js").text in client.get("/run/done/report").text, "one map for both pages"
    assert client.get("/run/done/order").status_code == 405


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("/nowhere", 404, "there is no such page"),
        ("/run/..%2f..", 404, "there is no such page"),
        ("/run/%2e%2e", 404, "there is no"),
        ("/run/other", 404, "there is no run other"),
        ("/run/done/variant/zzz", 422, "no variant starts with `zzz`"),
        ("/run/done/compare?a=zzz", 422, "no variant starts with `zzz`"),
        ("/run/done/duel", 422, "votes count where a reader or a panel judges"),
        ("/static/app.py", 404, "there is no such page"),
    ],
)
def test_what_is_not_there_is_a_sentence(client: TestClient, address: str, status: int, sentence: str) -> None:
    answer = client.get(address)
    assert answer.status_code == status and sentence in answer.text.replace("&#39;", "'")


def test_the_table_has_pages_filters_and_an_order(client: TestClient, folder: Path, write_run: WriteRun) -> None:
    write_run(folder / "long", evaluations=400)
    first, second = (client.get(f"/run/long/variants?page={page}").text for page in (1, 2))
    assert first.count("<tr>") == 101 and 'rel="next"' in first and 'rel="prev"' in second
    failed = client.get("/run/long/variants?outcome=failed&bare").text
    assert "<html" not in failed and "admitted" not in failed and failed.count("<tr>") > 10
    assert "nudge" in client.get("/run/long/variants?words=NUDGE").text
    assert client.get("/run/long/variants?page=9999&sort=born&words=%00").status_code == 200


def test_runs_of_every_kind_are_listed(client: TestClient, folder: Path, write_run: WriteRun, make: Steps) -> None:
    write_run(folder / "killed", evaluations=12, end="")
    write_run(folder / "newer", evaluations=5)
    write_run(folder / "damaged", evaluations=12)
    write_run(folder / "<b>odd & co", evaluations=5)
    make(folder / "empty")
    (folder / "nothing").mkdir()
    (folder / "nothing" / "ledger.db").write_bytes(b"")
    with sqlite3.connect(folder / "newer" / "ledger.db") as db:
        db.execute("PRAGMA user_version = 99")
    with sqlite3.connect(folder / "damaged" / "ledger.db") as db:
        db.execute("UPDATE event SET body = '{}' WHERE seq = 9")
    page = client.get("/").text.replace("&#39;", "'")
    assert page.count("<li class=") == 8 and "<b>odd" not in page
    assert "newer Auto Wolf (ledger format 99" in page and "is damaged at event 9" in page and "killed" in page
    for name, status in (("killed", 200), ("empty", 200), ("newer", 500), ("damaged", 500), ("nothing", 500)):
        answer = client.get(f"/run/{name}")
        assert answer.status_code == status and "Traceback" not in answer.text
    odd = next(part for part in page.split('"') if "odd" in part)
    assert odd == "/run/%3Cb%3Eodd%20%26%20co" and client.get(odd).status_code == 200


@pytest.fixture
def make() -> Steps:
    """A run of one variant, in which nothing has happened."""

    def write(path: Path) -> None:
        seed = Variant({"train.py": "LR = 1\n"})
        header = {"format": 1, "version": "0.1.0", "name": "one", "strategy": "wolf", "seed": 0, "slots": 1,
                  "judge": "command", "metric": "loss", "goal": "minimize", "target": "x", "seed_variant": seed.id,
                  "noise": None, "config": {}}  # fmt: skip
        Ledger.create(path, header, [seed]).close()

    return write


@pytest.mark.parametrize(
    ("form", "order"),
    [
        ({"order": "pause"}, {"order": "pause"}),
        ({"order": "go"}, {"order": "go"}),
        ({"order": "stop"}, {"order": "stop", "now": False}),
        ({"order": "finish"}, {"order": "finish"}),
        ({"order": "memo", "text": "a\r\nb"}, {"order": "memo", "text": "a\nb"}),
        ({"order": "instruction", "text": "shorter"}, {"order": "instruction", "text": "shorter"}),
        ({"order": "pin", "variant": "best"}, {"order": "pin", "variant": "BEST"}),
        ({"order": "veto", "variant": "best", "alone": "1"}, {"order": "veto", "variant": "BEST", "alone": True}),
        ({"order": "free", "variant": "best"}, {"order": "free", "variant": "BEST"}),
        ({"order": "budget", "evaluations": "200", "hours": ""}, {"order": "budget", "evaluations": "200"}),
        ({"order": "vote", "prefer": "best>seed"}, {"order": "vote", "better": "BEST", "worse": "SEED"}),
        (
            {"order": "inject", "parent": "seed", "file:train.py": "LR = 2\r\n", "note": "mine"},
            {"order": "inject", "parent": "SEED", "files": {"train.py": "LR = 2\n"}, "note": "mine"},
        ),
        (
            {"order": "answer", "checkin": "2", "do:abc": "pin", "do:def": "", "prefer": "a>b", "instruction": " "},
            {"order": "answer", "checkin": 2, "orders": [
                {"order": "pin", "variant": "abc"}, {"order": "vote", "better": "a", "worse": "b"}]},
        ),
    ],
)  # fmt: skip
def test_every_control_is_an_order(
    client: TestClient, going: Path, form: dict[str, str], order: dict[str, Any]
) -> None:
    run = load_run(going)
    answer = client.post("/run/going/order", data=form, headers={**HERE, "accept": "application/json"})
    assert answer.status_code == 200, answer.text
    names = {"BEST": run.champion, "SEED": run.header.seed_variant}
    expected = {key: names.get(said, said) if isinstance(said, str) else said for key, said in order.items()}
    assert orders(going) == [{"by": "dashboard", **expected}]
    page = client.get("/run/going").text
    assert "pending" in page and "the run has not read it yet" in page


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "is no order of the dashboard"),
        ({"order": "rm -rf"}, "is no order of the dashboard"),
        ({"order": "veto", "variant": "zzz"}, "no variant starts with `zzz`"),
        ({"order": "memo", "text": "  "}, "memo: text: it is empty"),
        ({"order": "inject", "file:train.py": ""}, None),
        ({"order": "inject", "file:../../x": "1"}, "nothing was changed"),
        ({"order": "answer", "checkin": "x"}, "an answer says which check-in it is for"),
        ({"order": "vote"}, "say which of two texts is better"),
        ({"order": "budget", "hours": "soon"}, "budget: hours: "),
        ({"order": "budget", "evaluations": ""}, "budget: it names neither evaluations nor hours"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(
    client: TestClient, going: Path, form: dict[str, str], sentence: str | None
) -> None:
    answer = client.post("/run/going/order", data=form, headers={**HERE, "accept": "application/json"})
    if sentence is None:  # an empty file is a change like any other
        assert answer.status_code == 200
    else:
        assert answer.status_code == 422 and sentence in answer.json()["error"]
        assert orders(going) == []
        page = client.post("/run/going/order", data=form, headers=HERE)
        assert page.status_code == 422 and "That did not work" in page.text


def test_a_finished_run_takes_no_orders_but_a_larger_budget(client: TestClient, folder: Path) -> None:
    answer = client.post("/run/done/order", data={"order": "pause"}, headers=HERE)
    assert answer.status_code == 422 and "is finished and takes no orders" in answer.text
    assert not (folder / "done" / INBOX).exists()
    page = client.get("/run/done").text
    assert page.count("<form") == 1 and "Change the budget" in page and "wolf resume" in page
    less = client.post("/run/done/order", data={"order": "budget", "evaluations": "40"}, headers=HERE)
    assert less.status_code == 422 and "has used 40 evaluations" in less.text
    more = client.post("/run/done/order", data={"order": "budget", "evaluations": "60"}, headers=HERE)
    assert more.status_code < 400 and orders(folder / "done")[0]["evaluations"] == "60"


def test_reading_leaves_the_run_as_it_was(client: TestClient, folder: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in (folder / "done").iterdir() if "-" not in file.name}
    for page in ("", "?all", "/variants", "/variant/best", "/compare"):
        client.get(f"/run/done{page}")
    after = {file.name: file.stat().st_mtime_ns for file in (folder / "done").iterdir() if "-" not in file.name}
    assert before == after


def test_a_run_that_grows_and_one_that_is_replaced(client: TestClient, folder: Path, write_run: WriteRun) -> None:
    assert "After 40 evaluations" in client.get("/run/going").text
    with Ledger.open(folder / "going", write=True) as ledger:
        ledger.append([("stopped", {"reason": "enough for today"})])
        page = client.get("/run/going").text
    assert "stopped" in page and "enough for today" in page
    shutil.rmtree(folder / "going")
    write_run(folder / "going", evaluations=9, seed=5, end="")
    assert "<dt>evaluations</dt><dd>9</dd>" in client.get("/run/going").text
    shutil.rmtree(folder / "going")
    assert client.get("/run/going").status_code == 404


def serve(*arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "wolf", "serve", *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_without_a_folder_it_serves_those_in_runs_and_says_so(tmp_path: Path) -> None:
    server = serve("--port", "0", cwd=tmp_path)
    assert server.stdout is not None
    try:
        assert server.stdout.readline().startswith("0 runs in runs; ")
    finally:
        server.kill()
        server.communicate()


def test_the_command_serves_until_ctrl_c_and_tells_nobody_the_token(folder: Path) -> None:
    import urllib.request

    server = serve(folder, "--port", "0")
    assert server.stdout is not None
    try:
        lines = [server.stdout.readline() for _ in range(3)]
        address = lines[2].strip()
        assert lines[0].startswith("2 runs in ") and "/?token=" in address
        with urllib.request.urlopen(address) as answer:
            assert answer.status == 200
        stream = socket.create_connection(("127.0.0.1", int(address.split(":")[2].split("/")[0])))
        cookie = answer.headers["set-cookie"].split(";")[0]
        host = address.split("/")[2]
        stream.sendall(f"GET /run/going/live HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n".encode())
        assert stream.recv(100).startswith(b"HTTP/1.1 200")
        number = host.split(":")[1]
        second = CliRunner().invoke(main, ["serve", str(folder), "--port", number])
        assert second.exit_code == 3 and second.output.startswith(f"port {number} is taken")
        assert second.output.count("\n") == 1
    finally:
        server.send_signal(signal.SIGINT)
        said = server.communicate()[0]  # a page that is being made is made; with all cores busy that took 36 s
    stream.close()
    assert said.strip() == "" and server.returncode in (0, 130)


def test_the_usual_port_or_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    from wolf.serve import command

    with command.listen(0) as free:
        monkeypatch.setattr(command, "PORT", free.getsockname()[1])
        with command.listen(None) as other:
            assert other.getsockname()[1] != free.getsockname()[1]


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    said = CliRunner().invoke(main, ["serve", str(tmp_path / "no")])
    assert said.exit_code == 2 and said.output.startswith("there is no folder ") and said.output.count("\n") == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    said = CliRunner().invoke(main, ["serve", str(tmp_path)])
    assert said.exit_code == 3 and "pip install 'auto-wolf[web]'" in said.output and said.output.count("\n") == 1


def test_a_project_shows_the_runs_in_it(tmp_path: Path, write_run: WriteRun) -> None:
    (tmp_path / "runs").mkdir()
    assert Shelf(tmp_path).names() == [] and Shelf(tmp_path).where == tmp_path / "runs", "those that are still to come"
    run = write_run(tmp_path / "runs" / "mine", evaluations=5)
    assert Shelf(tmp_path).names() == ["mine"] == Shelf(tmp_path / "runs").names()
    assert Shelf(run).single
