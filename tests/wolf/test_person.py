"""Real runs, real processes, and a person: orders and check-ins survive kill -9 at any instant."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from wolf.control.inbox import post
from wolf.store.ledger import Ledger

REPOSITORY = Path(__file__).parents[2]
HEADLINE = ["headline", "budget.evaluations=40", "workers.slots=2", "stop.alarm=off"]
KNOBS = ["knobs", "budget.evaluations=36", "workers.slots=2", "search.surrogate=off", "confirm.seeds=1"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="starts and kills processes")


class Person:
    """Starts `wolf` in a folder, and talks to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        scratch = folder / "tmp"
        scratch.mkdir()
        self.env = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "TMPDIR": str(scratch)}
        self.process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "wolf", *arguments]
        with (self.folder / "out.txt").open("a") as out:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=self.env, text=True, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    def tell(self, *order: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "wolf", "tell", "runs", *order]
        done = subprocess.run(command, cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=60)
        assert "Traceback" not in done.stderr
        return done.returncode, (done.stdout + done.stderr).strip()

    def end(self) -> int:
        assert self.process is not None
        return self.process.wait(120)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def run(self) -> Path:
        wait_until(lambda: list(self.folder.glob("runs/*/ledger.db")))
        return next(self.folder.glob("runs/*/ledger.db")).parent

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        with suppress(Exception), Ledger.open(self.run) as ledger:
            return [{"kind": e.kind, **e.body} for e in ledger.events() if kind in ("", e.kind)]
        return []


def wait_until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short name: sockets lie below it, and their paths may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="person-") as path:
        yield Path(path)


@pytest.fixture
def person(folder: Path) -> Iterator[Person]:
    person = Person(folder)
    yield person
    if person.process and person.process.poll() is None:
        person.kill()


def found(person: Person) -> list[Any]:
    """What the search did, without what differs from session to session."""
    loose = ("seconds", "run", "orders")
    return [
        {k: v for k, v in event.items() if k not in loose and k != "evaluation"}
        for event in person.events()
        if event["kind"] in ("asked", "told", "steered", "crowned", "expedition", "finished")
    ]


def test_a_headline_run_with_check_ins_that_are_answered_in_a_file(person: Person) -> None:
    person.start("run", *HEADLINE, "check_in=every 15")
    form = person.run / "checkin.yaml"
    wait_until(form.exists)
    text = form.read_text()
    assert "Closed One Street To Cars" in text and re.search(r"# 1 [0-9a-f]{8} rating", text), "the finalists are in it"
    first = person.events("checkin")[0]
    filled = (
        text.replace("go: no", "go: yes").replace("veto: []", "veto: [1]").replace("prefer: []", "prefer: [[3, 2]]")
    )
    form.write_text(filled)
    wait_until(lambda: len(person.events("checkin")) == 2)
    wait_until(form.exists)
    form.write_text(form.read_text().replace("go: no", "go: yes"))
    assert person.end() == 0
    orders = person.events("intervention")
    assert [order["order"] for order in orders] == ["veto", "vote", "go", "go"]
    assert orders[0]["variant"] == first["finalists"][0]
    assert (orders[1]["better"], orders[1]["worse"]) == (first["finalists"][2], first["finalists"][1])
    line = {first["finalists"][0]}
    for event in person.events("variant"):
        line |= {event["id"]} if set(event["parents"]) & line else set()
    assert person.events("finished")[0]["champion"]["id"] not in line
    out = (person.folder / "out.txt").read_text()
    assert "check-in 1 after 1" in out and "☞ vetoed" in out and not form.exists()


def test_killed_at_a_check_in_and_with_orders_in_the_inbox(person: Person) -> None:
    person.start("run", *HEADLINE, "check_in=every 15")
    wait_until(lambda: person.events("paused"))
    person.kill()
    code, said = person.tell("veto", "best")
    assert code == 0 and "will be obeyed after `wolf resume" in said
    person.start("resume")
    wait_until(lambda: person.events("intervention"))
    time.sleep(0.3)
    asked = len(person.events("asked"))
    person.kill()
    person.start("resume")
    wait_until(lambda: len(person.events("resumed")) == 2)
    time.sleep(0.5)
    assert len(person.events("asked")) == asked, "it stands at its check-in"
    assert person.tell("go")[0] == 0
    wait_until(lambda: len(person.events("checkin")) == 2)
    assert person.tell("finish") == (0, "called it good enough")
    assert person.end() == 0
    assert len(person.events("intervention")) == 3


def lived_through(folder: Path, kills: int, rng: random.Random) -> list[Any]:
    """A run whose person vetoes at the first check-in and pins at the second, killed so often at each of them."""
    folder.mkdir()
    person = Person(folder)

    def again() -> None:
        time.sleep(rng.uniform(0, 0.5))
        person.kill()
        person.start("resume", str(person.run))

    person.start("run", *KNOBS, "check_in=every 12")
    for number, order in enumerate(("veto", "pin"), 1):
        wait_until(lambda n=number: len(person.events("checkin")) == n)
        for _ in range(kills):
            again()  # while it is paused, or on the way there
        best = person.events("checkin")[-1]["finalists"][0]
        answer = {"order": "answer", "checkin": number, "orders": [{"order": order, "variant": best}]}
        wait_until(lambda: person.process and person.process.poll() is None)
        post(person.run, answer)
        for _ in range(kills):
            again()  # while the order is in the inbox, between record and effect, or soon after
    assert person.end() == 0
    return found(person)


@pytest.mark.slow
def test_twenty_kills_and_the_orders_of_a_person_end_in_the_same_state(folder: Path) -> None:
    whole = lived_through(folder / "a", 0, random.Random(0))
    killed = lived_through(folder / "b", 5, random.Random())
    assert killed == whole and {"steered", "finished"} <= {event["kind"] for event in whole}


def test_a_run_that_is_over_takes_no_orders_and_a_wrong_one_is_a_sentence(person: Person) -> None:
    person.start("run", "knobs", "budget.evaluations=3", "confirm.seeds=1")
    assert person.end() == 0
    code, said = person.tell("pause")
    assert code == 2 and "is finished and takes no orders" in said
    code, said = person.tell("veto", "zzz")
    assert code == 2 and "finished" in said


def test_sigterm_is_143_and_what_a_kill_leaves_is_removed_by_the_next_one(person: Person) -> None:
    person.start("run", *KNOBS)
    wait_until(lambda: len(person.events("told")) > 3)
    person.kill()
    left = list((person.folder / "tmp").glob("wolf-*"))
    assert left, "a process that is killed cannot tidy up"
    person.start("resume")
    wait_until(lambda: person.events("resumed"))
    person.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
    assert person.end() == 143
    assert person.events("stopped")[-1]["signal"] == 15
    assert not list((person.folder / "tmp").glob("wolf-*"))


def test_garbage_in_the_inbox_never_hurts(person: Person) -> None:
    person.start("run", *KNOBS)
    folder = person.run / "inbox"
    folder.mkdir(exist_ok=True)
    for name, content in (
        ("a.json", b"\x00\xff"),
        ("b.json", b"[[[["),
        ("c.json", b'{"order": "fly"}'),
        ("d.txt", b"?"),
    ):
        (folder / name).write_bytes(content)
        os.utime(folder / name, (0, 0))
    (folder / "e.json").mkdir()
    (folder / "f.json").symlink_to("/dev/zero")
    assert person.end() == 0
    refused = {body["id"]: body["reason"] for body in person.events("refused")}
    assert refused.keys() == {"a", "b", "c", "e", "f"}
    assert json.dumps(refused).count("Traceback") == 0 and sorted(p.name for p in folder.iterdir()) == [
        "d.txt",
        "e.json",
    ]
