"""The inbox: whole letters from anybody, garbage from anybody, nothing lost and nothing twice."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from wolf.control.inbox import INBOX, LARGEST, Inbox, Letter, post
from wolf.control.orders import OrderError, check, read


def put(folder: Path, name: str, content: bytes | str, age: float = 10.0) -> Path:
    """A file that was written `age` seconds ago."""
    (folder / INBOX).mkdir(exist_ok=True)
    path = folder / INBOX / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def test_what_is_posted_is_read_in_order_and_gone_when_discarded(tmp_path: Path) -> None:
    ids = [post(tmp_path, {"order": order}) for order in ("pause", "go", "finish")]
    inbox = Inbox(tmp_path)
    letters = list(inbox.letters(()))
    assert [letter.id for letter in letters] == ids == inbox.waiting()
    assert [letter.order.order for letter in letters if letter.order] == ["pause", "go", "finish"]
    for letter in letters:
        inbox.discard(letter)
    assert not inbox.waiting() and not list(inbox.letters(()))


def test_an_empty_inbox_costs_little(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    assert not list(inbox.letters(())), "there is no folder yet"
    (tmp_path / INBOX).mkdir()
    began = time.process_time()
    for _ in range(1000):
        assert not list(inbox.letters(()))
    assert time.process_time() - began < 0.5, "less than half a millisecond each"


def test_a_file_that_survived_a_kill_is_not_read_twice_but_a_new_one_of_its_name_is(tmp_path: Path) -> None:
    path, inbox = put(tmp_path, "pause.json", '{"order": "pause"}'), Inbox(tmp_path)
    (letter,) = inbox.letters(())
    assert not list(inbox.letters({letter.key})) and not path.exists()
    put(tmp_path, "pause.json", '{"order": "pause"}', age=5)
    (again,) = inbox.letters({letter.key})
    assert again.order is not None and again.key != letter.key
    put(tmp_path, "pause.json", '{"order": "go"}', age=1)
    inbox.discard(again)
    assert inbox.waiting() == ["pause"], "another was put in its place meanwhile"


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    written: list[str] = []

    def write(who: str) -> None:
        written.extend(post(tmp_path, {"order": "instruction", "text": f"{who} {n}", "by": who}) for n in range(50))

    writers = [threading.Thread(target=write, args=(who,)) for who in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    read: list[Letter] = []
    inbox = Inbox(tmp_path)
    while any(writer.is_alive() for writer in writers) or inbox.waiting():
        for letter in inbox.letters(()):
            read.append(letter)
            inbox.discard(letter)
    for writer in writers:
        writer.join()
    assert sorted(letter.id for letter in read) == sorted(written) and len(written) == 150
    assert all(letter.order is not None for letter in read), "none was seen half-written"
    for who in ("a", "b", "c"):
        assert [m.order.text for m in read if m.order and m.order.by == who] == [f"{who} {n}" for n in range(50)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
        (b"{", "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b"[]", "names no order"),
        (b'"pause"', "names no order"),
        (b"{}", "names no order"),
        (b'{"order": "dance"}', "'dance' is no order"),
        (b'{"order": {"a": 1}}', "is no order"),
        (b'{"order": "veto"}', "veto: variant: is needed"),
        (b'{"order": "pause", "hard": true}', "pause: hard: is no field of this order"),
        (b'{"order": "veto", "variant": ""}', "veto: variant: string should have at least 1 character"),
        (b'{"order": "instruction", "text": "  \\n "}', "instruction: text: it is empty"),
        (b'{"order": "vote", "better": "a", "worse": "b", "people": -1}', "vote: people"),
        (b'{"order": "inject", "files": {}}', "inject: files"),
        (b'{"order": "budget"}', "budget: it names neither evaluations nor hours"),
        (b'{"order": "budget", "evaluations": 0}', "budget: evaluations"),
        (b'{"order": "budget", "hours": NaN}', "budget: hours"),
        (b'{"order": "budget", "hours": 1e999}', "budget: hours"),
    ],
)
def test_garbage_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    put(tmp_path, "x.json", content)
    (letter,) = Inbox(tmp_path).letters(())
    assert letter.order is None and said in letter.problem and "\n" not in letter.problem


def test_what_is_no_plain_file_is_one_sentence_and_never_blocks(tmp_path: Path) -> None:
    put(tmp_path, "large.json", b" " * (LARGEST + 1))
    folder = tmp_path / INBOX
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to("/etc/passwd")
    (folder / "notes.txt").write_text("none of our business")
    (folder / ".draft.json").write_text('{"order": "stop"}')
    inbox = Inbox(tmp_path)
    letters = {letter.id: letter for letter in inbox.letters(())}
    assert letters.keys() == {"large", "folder", "pipe", "link"}
    assert all(letter.order is None and letter.problem for letter in letters.values())
    for letter in letters.values():
        inbox.discard(letter)
    known = {letter.key for letter in letters.values()}
    assert not list(inbox.letters(known)), "what cannot be removed is not read again"
    assert (folder / "folder.json").is_dir()


def test_a_file_that_is_being_written_is_given_time(tmp_path: Path) -> None:
    put(tmp_path, "slow.json", '{"order": ', age=0.0)
    inbox = Inbox(tmp_path)
    assert not list(inbox.letters(()))
    put(tmp_path, "slow.json", '{"order": "pause"}', age=0.0)
    (letter,) = inbox.letters(())
    assert letter.order is not None


def test_an_order_says_the_same_after_a_round_trip() -> None:
    order = check({"order": "vote", "better": "a1", "worse": "b2", "people": 3})
    assert read(json.dumps(order.model_dump())) == order
    with pytest.raises(OrderError):
        check(None)
