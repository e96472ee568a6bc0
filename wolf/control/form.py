"""`RUN/checkin.yaml`: a check-in that is answered in an editor.

The run writes the form when it pauses, and reads it whenever it was saved. Nothing happens before `go` says yes; then
what it says is obeyed whole or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from wolf.control.inbox import LARGEST, Key, Letter
from wolf.control.orders import Answer, OrderError, check
from wolf.store.events import Event

FORM = "checkin.yaml"
LISTS = ("pin", "veto", "free")
TEMPLATE = """\
# Check-in {checkin}, after {evaluations} evaluations ({why}).
# {wait}
# Write ids below, or numbers of finalists; set go to yes and save.
checkin: {checkin}
go: no
pin: []           # stay parents whatever comes
veto: []          # never parents, with all that descends from them
free: []          # neither any more
prefer: []        # texts that you like better: [[1, 2]] says that you prefer finalist 1 to finalist 2
instruction: ""   # one more line for the language models, if the run asks any

{finalists}
"""


class Form:
    """The form of one run."""

    def __init__(self, run_dir: Path) -> None:
        """It need not exist."""
        self._path = run_dir / FORM

    def write(self, body: Any, cards: Sequence[str]) -> None:
        """Put an empty form there for the check-in that a `checkin` event describes, unless it is there already."""
        with suppress(OSError, yaml.YAMLError, AttributeError, UnicodeDecodeError):
            if yaml.safe_load(self._path.read_text("utf-8")).get("checkin") == body["checkin"]:
                return
        wait = body["wait"]
        text = TEMPLATE.format(
            checkin=body["checkin"], evaluations=body["evaluations"], why=body["why"],
            wait="The run waits for you." if wait is None else f"The run goes on by itself after {wait:g} s.",
            finalists="\n".join(f"# {line}".rstrip() for line in cards),
        )  # fmt: skip
        draft = self._path.with_suffix(".draft")
        with suppress(OSError):
            draft.write_text(text, "utf-8")
            draft.rename(self._path)

    def letter(self, checkin: int, finalists: Sequence[str], known: Collection[Key]) -> Letter | None:
        """The answer in it; None while there is none, or none that is new."""
        try:
            info = self._path.stat()
            key = (f"checkin-{checkin}", info.st_mtime_ns)
            if key in known or info.st_size > LARGEST:
                return None
            data = yaml.safe_load(self._path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            return None
        except yaml.YAMLError as error:
            where = getattr(error, "problem_mark", None)
            line = f" in line {where.line + 1}" if where else ""
            return Letter(*key, None, f"{FORM} is no YAML{line}; correct it and save it again")
        if not isinstance(data, dict) or data.get("checkin") != checkin or data.get("go") not in (True, "yes"):
            return None
        try:
            return Letter(*key, _answer(data, finalists))
        except OrderError as error:
            return Letter(*key, None, f"{FORM}: {error}; correct it and save it again")

    def discard(self) -> None:
        """It has been answered."""
        with suppress(OSError):
            self._path.unlink()


class Secretary:
    """An observer that puts the form there when the run pauses for a check-in."""

    def __init__(self, run_dir: Path) -> None:
        """Does nothing until then."""
        self._run_dir = run_dir

    def __call__(self, event: Event) -> None:
        """Also on resuming, for the form may have been lost."""
        if event.kind not in ("checkin", "resumed"):
            return
        from wolf.reading.cards import cards
        from wolf.reading.records import load_run

        run = load_run(self._run_dir)
        if run.checkin is not None:
            Form(self._run_dir).write(run.checkin, cards(run, run.checkin["finalists"]))


def _answer(data: dict[str, Any], finalists: Sequence[str]) -> Answer:
    """Raises `OrderError` for what makes no sense."""
    known = {"checkin", "go", "prefer", "instruction", *LISTS}
    if strange := [key for key in data if key not in known]:
        raise OrderError(f"there is no key {strange[0]!r}")

    def name(said: Any) -> str:
        if isinstance(said, int) and not isinstance(said, bool) and 1 <= said <= len(finalists):
            return finalists[said - 1]
        return str(said)

    orders: list[dict[str, Any]] = []
    for order in LISTS:
        said = data.get(order) or []
        for variant in said if isinstance(said, list) else [said]:
            orders.append({"order": order, "variant": name(variant)})
    for pair in data.get("prefer") or []:
        if not isinstance(pair, list) or len(pair) != 2:
            raise OrderError("prefer: expected pairs like [[1, 2]], the better one first")
        orders.append({"order": "vote", "better": name(pair[0]), "worse": name(pair[1])})
    if data.get("instruction"):
        orders.append({"order": "instruction", "text": str(data["instruction"])})
    answer = check({"order": "answer", "checkin": data["checkin"], "orders": orders, "by": "form"})
    assert isinstance(answer, Answer)
    for part in orders:
        check(part)
    return answer
