"""From the fields of a form to an order. Whether it makes sense is for `wolf.commands.tell` and for the run to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wolf.errors import UsageError
from wolf.reading.records import Run

Form = Mapping[str, str]


def order(run: Run, form: Form) -> dict[str, Any]:
    """The order that a form describes: its field `order`, and the fields of that order.

    `inject` has a field `file:PATH` for each file; those that are as in the parent are left out. `answer` has a field
    `do:VARIANT` (pin or veto) for each finalist, and `prefer` (`A>B`) and `instruction` if they are filled in.

    Raises:
        UsageError: if it describes none.
    """
    kind = form.get("order", "")
    match kind:
        case "pause" | "go" | "finish":
            return {"order": kind}
        case "stop":
            return {"order": kind, "now": bool(form.get("now"))}
        case "memo" | "instruction":
            return {"order": kind, "text": _plain(form.get("text", ""))}
        case "veto":
            return {"order": kind, "variant": form.get("variant", ""), "alone": bool(form.get("alone"))}
        case "pin" | "free":
            return {"order": kind, "variant": form.get("variant", "")}
        case "budget":
            return {"order": kind, **{name: form[name] for name in ("evaluations", "hours", "usd") if form.get(name)}}
        case "vote":
            return _vote(form.get("prefer", ""))
        case "inject":
            return _inject(run, form)
        case "answer":
            return _answer(form)
    raise UsageError(f"{kind[:40]!r} is no order of the dashboard")


def _vote(prefer: str) -> dict[str, Any]:
    better, mark, worse = prefer.partition(">")
    if not mark:
        raise UsageError("say which of two texts is better")
    return {"order": "vote", "better": better, "worse": worse}


def _inject(run: Run, form: Form) -> dict[str, Any]:
    parent = run.resolve(form.get("parent", "seed"))
    before = run.files(parent)
    files = {}
    for field, text in form.items():
        path = field.removeprefix("file:")
        if path == field or path not in before:
            continue
        text = _plain(text)
        if "\r\n" in before[path]:  # forms send every line end as CRLF, whatever it was
            text = text.replace("\n", "\r\n")
        if text != before[path]:
            files[path] = text
    if not files:
        raise UsageError("nothing was changed: edit a file, then put it in")
    return {"order": "inject", "parent": parent, "files": files, "note": form.get("note", "")}


def _answer(form: Form) -> dict[str, Any]:
    orders: list[dict[str, Any]] = []
    for field, what in form.items():
        variant = field.removeprefix("do:")
        if variant != field and what in ("pin", "veto"):
            orders.append({"order": what, "variant": variant})
    if form.get("prefer"):
        orders.append(_vote(form["prefer"]))
    if form.get("instruction", "").strip():
        orders.append({"order": "instruction", "text": _plain(form["instruction"])})
    number = form.get("checkin", "")
    if not number.isdigit():
        raise UsageError("an answer says which check-in it is for")
    return {"order": "answer", "checkin": int(number), "orders": orders}


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")
